"""The adversary: kills, stops and ends workers of every pool at random moments. Each victim's
successor starts at once."""
import asyncio
import collections
import random
import signal
import subprocess
import time

from system import STOP_S
from workers import Worker

Fault = collections.namedtuple("Fault", "kind pool pid ns until_ns")
KINDS = {"kill": 45, "stop": 30, "term": 25}
MEAN_PAUSE_S = 0.4
STOP_S_RANGE = (0.2, 3.0)
REAP_S = 0.01
STARTUP_S = 0.5


class Adversary:
    def __init__(self, system, counts, seed, **environment):
        """counts: workers by program."""
        self.system = system
        self.rng = random.Random(seed)
        self.environment = environment
        self.workers = [self.hire(program) for program, count in counts.items() for _ in range(count)]
        self.draining = []  # (worker, ns of SIGTERM)
        self.stopped = set()
        self.faults = []
        self.drains_ms = []
        self.bad_ends = []

    def hire(self, program):
        worker = Worker(self.system, program, **self.environment)
        worker.start()
        return worker

    async def run(self, seconds):
        until = time.monotonic() + seconds
        reaper = asyncio.ensure_future(self.reap_on())
        wakes = []
        while time.monotonic() < until:
            await asyncio.sleep(self.rng.expovariate(1 / MEAN_PAUSE_S))
            kind = self.rng.choices(list(KINDS), KINDS.values())[0]
            pool = self.rng.choice(sorted({w.pool for w in self.workers}))
            awake = [w for w in self.workers if w.pool == pool and w not in self.stopped]
            if awake:
                wakes.append(asyncio.ensure_future(getattr(self, kind)(self.rng.choice(awake))))
        if wakes:
            await asyncio.wait(wakes)
        reaper.cancel()

    def note(self, kind, worker, until_ns=0):
        self.faults.append(Fault(kind, worker.pool, worker.pid, time.monotonic_ns(), until_ns))

    async def kill(self, worker):
        self.note("kill", worker)
        worker.restart()

    async def stop(self, worker):
        seconds = self.rng.uniform(*STOP_S_RANGE)
        self.stopped.add(worker)
        self.note("stop", worker, time.monotonic_ns() + int(seconds * 1e9))
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        worker.signal(signal.SIGCONT)
        self.stopped.discard(worker)

    async def term(self, worker):
        if time.monotonic() - worker.started < STARTUP_S:
            return  # it may not listen to signals yet
        self.note("term", worker)
        worker.signal(signal.SIGTERM)
        self.workers.remove(worker)
        self.draining.append((worker, time.monotonic_ns()))
        self.workers.append(self.hire(worker.program))

    async def reap_on(self):
        while True:
            await asyncio.sleep(REAP_S)
            self.reap()

    def reap(self):
        """Takes note of drains that are over, and of workers that nobody killed."""
        for worker, ns in list(self.draining):
            status = worker.process.poll()
            if status is None:
                continue
            self.draining.remove((worker, ns))
            self.drains_ms.append((time.monotonic_ns() - ns) / 1e6)
            if status:
                self.bad_ends.append(f"{worker.name} drained with status {status}")
        for worker in list(self.workers):
            if worker.process.poll() is not None:
                self.bad_ends.append(f"{worker.name} ended by itself with {worker.process.returncode}")
                worker.start()

    def end(self):
        for worker, _ in self.draining:
            try:
                worker.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.bad_ends.append(f"{worker.name} did not drain")
                worker.kill()
        self.reap()
        for worker in self.workers:
            worker.end()
            if worker.process.returncode:
                self.bad_ends.append(f"{worker.name} ended with status {worker.process.returncode}")
