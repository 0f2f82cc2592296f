"""What every program says of itself, and how it refuses wrong settings."""
import os
import subprocess
import time
import unittest

from system import BIN, System, wait_for
from workers import Worker

PROGRAMS = ("millrace-gateway", "millrace-embedder", "millrace-retriever", "millrace-generator")
OWN = {"millrace-gateway": "HTTP_PORT", "millrace-embedder": "EMBEDDER",
       "millrace-retriever": "DATABASE_URL", "millrace-generator": "ANSWER_BYTES_MAX"}
NOT_OWN = {"millrace-gateway": "DATABASE_URL", "millrace-embedder": "DATABASE_URL",
           "millrace-retriever": "HTTP_PORT", "millrace-generator": "DATABASE_URL"}
SUBCOMMANDS = ("ask", "health", "ingest", "migrate", "prepare", "supervise", "classify", "token")


def run(*command, environment=None):
    return subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True,
                          timeout=30, env=environment or {}, stdin=subprocess.DEVNULL)


class Programs(unittest.TestCase):
    def test_help_prints_the_program_s_own_settings_and_no_others(self):
        for program in PROGRAMS:
            with self.subTest(program):
                result = run(program, "--help")
                self.assertEqual(result.returncode, 0)
                names = [line.strip() for line in result.stdout.splitlines()]
                self.assertIn(OWN[program], names)
                self.assertNotIn(NOT_OWN[program], names)

    def test_a_wrong_setting_is_refused_with_name_value_and_range(self):
        cases = {
            "not a number": ({"HEARTBEAT_MS": "fast"}, (), "HEARTBEAT_MS=fast", "10 to 60000"),
            "too small": ({"LIVENESS": "1"}, (), "LIVENESS=1", "2 to 100"),
            "too large": ({"HTTP_PORT": "65536"}, (), "HTTP_PORT=65536", "1 to 65535"),
            "negative": ({"LANE_JOBS_MAX": "-1"}, (), "LANE_JOBS_MAX=-1", "1 to"),
            "more than a number holds": ({"LANE_JOBS_MAX": "9" * 40}, (), "LANE_JOBS_MAX=999", "1 to"),
            "no alternative": ({"LOG_LEVEL": "loud"}, (), "LOG_LEVEL=loud", "error|warn|info|debug"),
            "as a flag": ({}, ("--log-level", "loud"), "LOG_LEVEL=loud", "error|warn|info|debug"),
            "an unknown flag": ({}, ("--colour", "red"), "--colour", "--help"),
            "another process's flag": ({}, ("--database-url", "x"), "--database-url", "--help"),
            "a flag without value": ({}, ("--http-port",), "--http-port", "value"),
            "a word": ({}, ("start",), "start", "--help"),
        }
        for label, (environment, flags, *wanted) in cases.items():
            with self.subTest(label):
                result = run("millrace-gateway", *flags, environment=environment)
                self.assertNotEqual(result.returncode, 0)
                for want in wanted:
                    self.assertIn(want, result.stderr)

    def test_a_gateway_for_everybody_needs_authentication(self):
        result = run("millrace-gateway", "--http-address", "0.0.0.0")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("AUTH_MODE", result.stderr)

    def test_the_operator_command_lists_and_explains_its_subcommands(self):
        listed = run("millrace", "--help").stdout
        for name in SUBCOMMANDS:
            with self.subTest(name):
                self.assertIn(name, listed)
                result = run("millrace", name, "--help")
                self.assertEqual(result.returncode, 0)
                self.assertIn(f"millrace {name}", result.stdout)
        self.assertEqual(run("millrace", "fly").returncode, 2)
        self.assertEqual(run("millrace").returncode, 2)

    def test_health_says_with_its_status_whether_a_server_is_alive(self):
        with System(counts=(0, 0, 0)) as system:
            self.assertEqual(run("millrace", "health", "--url", system.url).returncode, 0)
        gone = run("millrace", "health", "--url", system.url)
        self.assertEqual(gone.returncode, 1)
        self.assertTrue(gone.stderr.startswith("millrace:"), gone.stderr)

    def test_health_says_of_a_worker_whether_a_gateway_hears_it(self):
        with System(counts=(0, 0, 0)) as system:
            file = system.data / "alive"
            self.assertEqual(run("millrace", "health", "--file", str(file)).returncode, 1)
            with Worker(system, "millrace-generator", ALIVE_FILE=str(file)):
                wait_for(file.exists, "the file")
                self.assertEqual(run("millrace", "health", "--file", str(file)).returncode, 0)
            os.utime(file, (time.time() - 60,) * 2)
            old = run("millrace", "health", "--file", str(file))
            self.assertEqual(old.returncode, 1)
            self.assertIn("no gateway has heard the worker for 60 s", old.stderr)

    def test_a_worker_that_cannot_say_that_it_lives_tells_so_and_works(self):
        with System(counts=(0, 0, 0)) as system:
            file = system.data / "nowhere" / "alive"
            with Worker(system, "millrace-generator", ALIVE_FILE=str(file)) as worker:
                log = system.data / "log" / f"{worker.name}.log"
                wait_for(lambda: str(file) in log.read_text(), "a word in the log")
                self.assertEqual(log.read_text().count(str(file)), 1)

    def test_the_reference_names_every_setting_with_its_processes(self):
        table = run("millrace", "settings").stdout.splitlines()
        self.assertGreater(len(table), 30)
        self.assertEqual({line.count(" | ") for line in table[2:]}, {4})
        names = [line.split("`")[1] for line in table[2:]]
        self.assertEqual(names, sorted(names))

    def test_the_reference_names_every_error_with_its_status(self):
        rows = [line.split(" | ") for line in run("millrace", "errors").stdout.splitlines()[2:]]
        self.assertGreater(len(rows), 30)
        self.assertEqual({len(row) for row in rows}, {4})
        self.assertEqual(len({row[0] for row in rows}), len(rows))
        self.assertTrue(all(400 <= int(row[1]) < 600 for row in rows), rows)


if __name__ == "__main__":
    unittest.main()
