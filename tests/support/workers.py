"""Workers that a test starts, stops and kills itself, beside a System that has none of its own for
their pool.

    with System(counts=(1, 1, 0)) as system, Worker(system, SCRIPTED) as generator:
        generator.signal(signal.SIGKILL)
"""
import itertools
import os
import signal
import subprocess
import time

from system import BIN, STOP_S, end_with_parent, wait_for

POOLS = {"millrace-embedder": "embed", "millrace-retriever": "retrieve",
         "millrace-generator": "generate", "scripted-generator": "generate"}
SCRIPTED = "scripted-generator"
numbers = itertools.count(1)


class Worker:
    """One process; after restart() another one under the same name. Started by the main thread
    only: it ends with the thread that started it."""

    def __init__(self, system, program, **environment):
        self.system = system
        self.program = program
        self.pool = POOLS[program]
        self.name = f"{program.rpartition('-')[2]}-own-{next(numbers)}"
        self.environment = {
            "PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
            "GATEWAYS": f"127.0.0.1:{system.port + 1}",
            "DATABASE_URL": system.store.url, **environment}
        self.prefix = []  # a command that runs the program
        self.process = None
        self.started = None

    def __enter__(self):
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *_):
        self.end()

    def start(self):
        self.started = time.monotonic()
        with open(self.system.data / "log" / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, str(BIN / self.program), "--name", self.name], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent)

    @property
    def pid(self):
        return self.process.pid

    def seen(self):
        """The gateway's view of it, or None."""
        workers = self.system.lane(self.pool)["workers"]
        return next((w for w in workers if w["name"] == self.name), None)

    def wait_ready(self):
        wait_for(lambda: (self.seen() or {}).get("state") == "ready", f"{self.name} ready")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def restart(self):
        """Kills it; its successor is on its way."""
        self.kill()
        self.start()

    def drain(self):
        """Asks it to end, and returns its exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def end(self):
        if self.process.poll() is not None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
