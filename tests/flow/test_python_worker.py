"""A worker written in Python, with zmq and msgpack alone, joins the embed pool and does real work."""
import os
import pathlib
import signal
import subprocess
import sys
import unittest

from system import System, end_with_parent, wait_for

WORKER = pathlib.Path(__file__).with_name("python_embedder.py")


class PythonWorker(unittest.TestCase):
    def test_a_python_embedder_serves_documents_and_questions(self):
        with System() as system:
            embedder = system.get("/readyz").json["embedder"]
            own = system.pid("embedder-1")
            worker = subprocess.Popen(
                [sys.executable, str(WORKER), str(system.port + 1), embedder, "384"],
                stdout=subprocess.PIPE, text=True, preexec_fn=end_with_parent)
            self.addCleanup(worker.stdout.close)
            self.addCleanup(worker.wait)
            self.addCleanup(worker.kill)
            wait_for(lambda: system.lane("embed")["workers"] and len(
                [w for w in system.lane("embed")["workers"] if w["name"] == "python"]),
                "the Python worker has joined")
            os.kill(own, signal.SIGSTOP)  # the pool's own embedder is out of the way
            try:
                wait_for(lambda: len(system.lane("embed")["workers"]) == 1,
                         "the stopped embedder is taken for dead")
                portfolio = system.portfolio("mill", [
                    {"source": "a", "content": "The mill grinds rye at dawn."},
                    {"source": "b", "content": "The harbour sleeps in winter."}])
                results = system.search(portfolio, "Which mill grinds rye?")
            finally:
                os.kill(own, signal.SIGCONT)
            self.assertIn("rye", results[0]["text"])
            self.assertGreater(results[0]["scores"]["vector"], 0)
            self.check_what_the_operator_sees(system)
            worker.kill()
            done = worker.stdout.read().split("\n")
            self.assertIn("search 1", done)
            self.assertTrue(any(line.startswith("index ") for line in done), done)

    def check_what_the_operator_sees(self, system):
        wait_for(lambda: system.metric("millrace_worker_events_total", pool="embed",
                                       event="jobs_in_python") >= 2, "the worker's count")
        self.assertEqual(system.metric("millrace_worker_trouble", pool="embed"), 1)
        troubles = [w["trouble"] for w in system.lane("embed")["workers"] if w["name"] == "python"]
        self.assertEqual(troubles, ["python: slow"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
