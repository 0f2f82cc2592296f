"""deploy/up and deploy/down as people use them."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from system import BIN, PORTS, ROOT, end_with_parent, free_ports, wait_for

UP = str(ROOT / "deploy" / "up")
DOWN = str(ROOT / "deploy" / "down")
POOLS = ("embedder", "retriever", "generator")


def run(*command, environment=None):
    """A command with the built programs, to its end."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "MILLRACE_BIN": str(BIN), **(environment or {})})


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def alive(pid):
    """False too for one that has ended and whose parent has not looked yet."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


def listening(first, last):
    """Ports in that range that something listens on, and on which addresses."""
    found = set()
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        address, port = fields[1].split(":")
        if fields[3] == "0A" and first <= int(port, 16) <= last:
            found.add((address, int(port, 16)))
    return found


class UpDown(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.data = self.folder / "data"
        self.port = free_ports()
        self.addCleanup(lambda: run(DOWN, "--data", self.data))

    def up(self, *options, port=None, data=None, **more):
        return run(UP, "--detach", "--port", port or self.port, "--data", data or self.data, *options,
                   **more)

    def started(self, *options, **more):
        result = self.up(*options, **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def pids(self):
        return {p.stem: int(p.read_text()) for p in (self.data / "run").glob("*.pid")}

    def agent(self):
        return json.loads(get(self.port, "/api/agents/1")[1])

    def test_up_is_ready_and_down_leaves_nothing_running(self):
        result = self.started("--no-demo")
        self.assertEqual(result.stdout, f"ready: http://127.0.0.1:{self.port} (embedder hashing)\n")
        self.assertEqual(get(self.port, "/readyz")[0], 200)
        pids = {**self.pids(), "up": int((self.data / "up.pid").read_text())}
        self.assertEqual(set(pids), {"gateway", "up", *(f"{pool}-1" for pool in POOLS)})
        self.assertTrue(all(map(alive, pids.values())))
        for name in ("gateway", *(f"{pool}-1" for pool in POOLS)):
            self.assertTrue((self.data / "log" / f"{name}.log").exists())
        self.assertEqual(run(DOWN, "--data", self.data).returncode, 0)
        self.assertFalse(any(map(alive, pids.values())))
        self.assertEqual(self.pids(), {})

    def test_pools_are_as_large_as_asked_for_and_all_ports_are_local(self):
        self.started("--no-demo", "--embedders", 2, "--retrievers=2", "--generators", 3)
        names = {f"{pool}-{n}" for pool, count in zip(POOLS, (2, 2, 3)) for n in range(1, count + 1)}
        self.assertEqual(set(self.pids()), {"gateway", *names})
        ports = listening(self.port, self.port + 9)
        self.assertEqual({address for address, _ in ports}, {"0100007F"})
        self.assertLessEqual({port for _, port in ports}, set(range(self.port, self.port + PORTS + 1)))

    def test_the_first_start_loads_the_demo_and_later_ones_find_it(self):
        self.started()
        self.assertEqual(self.agent()["portfolio_id"], 1)
        portfolio = json.loads(get(self.port, "/api/portfolios/1")[1])
        self.assertEqual(portfolio["name"], "demo")
        self.assertGreaterEqual(portfolio["documents"], 12)
        run(DOWN, "--data", self.data)
        begin = time.monotonic()
        self.started()
        self.assertLess(time.monotonic() - begin, 5)
        again = json.loads(get(self.port, "/api/portfolios/1")[1])
        self.assertEqual((again["documents"], again["version"]),
                         (portfolio["documents"], portfolio["version"]))

    def test_without_the_demo_agent_1_has_no_portfolio(self):
        self.started("--no-demo")
        self.assertIsNone(self.agent()["portfolio_id"])
        self.assertEqual(json.loads(get(self.port, "/api/portfolios")[1])["data"], [])

    def test_a_taken_port_is_named(self):
        for offset in (0, 1, 4):
            with socket.socket() as taken:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(("127.0.0.1", self.port + offset))
                taken.listen()
                result = self.up("--no-demo")
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(f"port {self.port + offset} is taken", result.stderr)
            self.assertEqual(result.stdout, "")

    def test_a_second_start_says_that_one_runs(self):
        self.started("--no-demo")
        result = self.up("--no-demo", port=free_ports())
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("running already", result.stderr)
        self.assertIn("deploy/down", result.stderr)
        self.assertEqual(get(self.port, "/readyz")[0], 200)

    def test_two_run_side_by_side(self):
        other = self.folder / "other"
        self.started("--no-demo")
        self.addCleanup(lambda: run(DOWN, "--data", other))
        self.started("--no-demo", port=free_ports(), data=other)
        run(DOWN, "--data", other)
        self.assertEqual(get(self.port, "/readyz")[0], 200)

    def test_what_cannot_start_says_why(self):
        cases = {
            "a wrong setting": ({"LANE_JOBS_MAX": "many"}, (), "LANE_JOBS_MAX=many"),
            "a store that cannot be": ({"DATABASE_URL": "sqlite:/dev/null/x.db"}, (), "store"),
            "a store of no known kind": ({"DATABASE_URL": "oracle:x"}, (), "setting"),
            "a wrong option": ({}, ("--colour", "red"), "--colour"),
            "a wrong number": ({}, ("--generators", "x"), "--generators x"),
            "a port too high": ({}, ("--port", "65535"), "--port 65535"),
        }
        for label, (environment, options, want) in cases.items():
            with self.subTest(label):
                result = self.up("--no-demo", *options, environment=environment)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(want, result.stderr)
                self.assertEqual(result.stdout, "")
                self.assertEqual(self.pids(), {})

    def test_ctrl_c_stops_what_runs_in_the_foreground(self):
        process = subprocess.Popen([UP, "--port", str(self.port), "--data", str(self.data), "--no-demo"],
                                   env={**os.environ, "MILLRACE_BIN": str(BIN)}, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=end_with_parent)
        self.assertTrue(process.stdout.readline().startswith(f"ready: http://127.0.0.1:{self.port}"))
        pids = self.pids()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        self.assertFalse(any(map(alive, pids.values())))

    def test_workers_end_when_their_supervisor_is_killed(self):
        self.started("--no-demo")
        pids = self.pids()
        os.kill(int((self.data / "up.pid").read_text()), signal.SIGKILL)
        wait_for(lambda: not any(map(alive, pids.values())), "the workers' end", 30)
        self.started("--no-demo")

    def test_purge_removes_what_up_made_and_nothing_else(self):
        self.started("--no-demo")
        self.assertEqual(run(DOWN, "--data", self.data, "--purge").returncode, 0)
        self.assertFalse(self.data.exists())
        theirs = self.folder / "theirs"
        theirs.mkdir()
        (theirs / "thesis.txt").write_text("years of work")
        result = run(DOWN, "--data", theirs, "--purge")
        self.assertNotEqual(result.returncode, 0)
        self.started("--no-demo", data=theirs)
        self.assertNotEqual(run(DOWN, "--data", theirs, "--purge").returncode, 0)
        self.assertTrue((theirs / "thesis.txt").exists())

    def test_down_where_nothing_runs_is_no_error(self):
        result = run(DOWN, "--data", self.data)
        self.assertEqual(result.returncode, 0)
        self.assertIn("nothing was running", result.stderr)


if __name__ == "__main__":
    unittest.main()
