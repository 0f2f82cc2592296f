"""A system of its own for a benchmark: one gateway and its workers on free loopback ports and an empty
store, launched without a supervisor, so that every process's cost can be read by its pid."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PORTS = 5  # HTTP, three lanes, tokens
START_S = 20
STOP_S = 15
TICKS = os.sysconf("SC_CLK_TCK")
POOLS = ("embedder", "retriever", "generator")


def free_ports(count):
    """The first of `count` adjacent ports that nobody uses."""
    for base in range(21000 + os.getpid() % 1000 * 10, 60000, count):
        sockets = []
        try:
            for port in range(base, base + count):
                sockets.append(socket.socket())
                sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sockets[-1].bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise RuntimeError("no free ports")


class PrivateSystem:
    def __init__(self, binaries, pools=POOLS):
        self.binaries = pathlib.Path(binaries)
        self.pools = pools
        self.port = free_ports(PORTS)
        self.lanes_port = self.port + 1
        self.processes = {}

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-bench-"))
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        store = f"sqlite:{self.folder}/millrace.db"
        lanes = f"127.0.0.1:{self.lanes_port}"
        self.launch("gateway", "--http-port", self.port, "--lanes-port", self.lanes_port)
        for pool in self.pools:
            database = ["--database-url", store] if pool == "retriever" else []
            self.launch(pool, "--gateways", lanes, *database)
        if self.pools == POOLS:
            self.wait(lambda: self.call("GET", "/readyz")[0] == 200, "readiness")

    def launch(self, name, *flags):
        command = [self.binaries / f"millrace-{name}", "--name", name, "--log-level", "warn"]
        self.run(name, [*command, *map(str, flags)])

    def run(self, name, command):
        """Any process that belongs to the system and ends with it."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self):
        """SIGTERM to the workers first; a process that does not drain in time is killed and named."""
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for name, process in self.processes.items():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                print(f"{name} did not stop in {STOP_S} s, killed")
                process.kill()
                process.wait()
        self.processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self, ready, what):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self.check()
            try:
                if ready():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"no {what} within {START_S} s\n{self.logs()}")

    def check(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}\n{self.logs()}")

    def logs(self):
        return "\n".join(f"--- {p.name}\n{p.read_text()[-2000:]}"
                         for p in sorted(self.folder.glob("*.log")))

    # --- asking it ---

    def call(self, method, path, body=None):
        """One request; its status and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        try:
            return response.status, json.loads(text or b"null")
        except ValueError:
            return response.status, None

    def need(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {answer}\n{self.logs()}")
        return answer

    def need_agent(self):
        """Agent 1, made where an empty store does not have it."""
        if self.call("GET", "/api/agents/1")[0] == 404:
            self.need("POST", "/api/agents", {"name": "bench", "provider": "extractive"})

    # --- what its processes cost, from /proc ---

    def cpu_s(self):
        """Seconds of CPU so far, user and system, by process."""
        return {name: self.stat(process.pid) for name, process in self.processes.items()}

    @staticmethod
    def stat(pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) / TICKS, int(fields[12]) / TICKS

    def resident_kb(self, name):
        for line in open(f"/proc/{self.processes[name].pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError(f"no VmRSS of {name}")
