"""A generator pool that grows while it works: answers a second with 1, 2, 4 and 8 workers of a few slots
each, whose provider (a mock) takes a fixed time for every answer, so that the pool is what there is too
little of; how soon a worker that was just started has work; and what its leaving costs."""
import contextlib
import signal
import statistics
import threading
import time

import figures
from floors import listens
from private_system import PrivateSystem
from system import free_ports, wait_for
from table import Row

SIZES = (1, 2, 4, 8)
SLOTS = 40           # of a worker
LATENCY_MS = 100
MODEL = f"script+length=40+first_ms={LATENCY_MS}"
SECONDS = 4
STARTS = 5           # of a worker, in each run and by each way to name a gateway
LOOK_S = 0.002
BEAT_S = 0.6         # by then a worker has told what it did


class Pool:
    """A private system with an agent that asks the mock, and as many generators as one wants."""

    def __init__(self, bench):
        self.bench = bench
        self.system = PrivateSystem(bench.bin, pools=("embedder", "retriever"))

    def __enter__(self):
        self.system.__enter__()
        mock = free_ports(1)
        self.system.add("mock", [self.bench.bin / "scripted-provider", mock])
        wait_for(lambda: listens(mock), "the mock")
        self.grow("generator-0")
        self.system.wait_ready()
        agent = self.system.good("POST", "/api/agents", {
            "name": "scaling", "provider": "openai-compatible", "model": MODEL,
            "base_url": f"http://127.0.0.1:{mock}/v1"})
        self.path = f"/api/agents/{agent['id']}/chat"
        return self

    def __exit__(self, *reason):
        self.system.__exit__(*reason)

    # --- workers ---

    def grow(self, name, host="127.0.0.1"):
        gateway = f"{host}:{self.system.lanes_port}"
        self.system.add(name, [self.bench.bin / "millrace-generator", "--name", name, "--log-level", "warn",
                               "--gateways", gateway, "--slots", SLOTS])

    def shrink(self, name):
        process = self.system.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        if process.wait(timeout=30):
            raise RuntimeError(f"{name} ended with {process.returncode}")

    def workers(self):
        """What the gateway says of each, by name."""
        return {worker["name"]: worker for worker in self.system.lane("generate")["workers"]
                if worker["state"] == "ready"}

    def resize(self, size):
        for number in range(size):
            if f"generator-{number}" not in self.system.processes:
                self.grow(f"generator-{number}")
        wait_for(lambda: len(self.workers()) == size, f"{size} generators")

    # --- load ---

    def arguments(self, clients, seconds):
        return ("closed", "--port", self.system.port, "--questions", self.bench.greeting, "--path", self.path,
                "--clients", clients, "--seconds", seconds)

    def load(self, size):
        """Half as many more clients than there are slots, so that none stays idle."""
        before = self.shares()
        begun, machine = time.monotonic(), self.system.machine_s()
        result = self.bench.program("bench_load", *self.arguments(SLOTS * size * 3 // 2, SECONDS))
        result["cores"] = (self.system.machine_s() - machine) / (time.monotonic() - begun)
        done = [after - before[name] for name, after in self.shares().items()]
        result["fairness"] = min(done) / statistics.mean(done)
        return result

    def shares(self):
        """What each has done so far."""
        time.sleep(BEAT_S)
        return {name: worker["progress"] for name, worker in self.workers().items()}

    @contextlib.contextmanager
    def busy(self, clients):
        """Meanwhile questions are asked; afterwards none of them may have failed."""
        stop = threading.Event()
        results = []

        def ask_on():
            while not stop.is_set():
                results.append(self.bench.program("bench_load", *self.arguments(clients, 1)))

        asking = threading.Thread(target=ask_on)
        asking.start()
        try:
            yield results
        finally:
            stop.set()
            asking.join()

    def first_work_ms(self, name, host):
        """From the start of its process."""
        began = time.monotonic()
        self.grow(name, host)
        wait_for(lambda: (w := self.workers().get(name)) and (w["in_flight"] or w["progress"]),
                 f"work for {name}", 30, LOOK_S)
        return (time.monotonic() - began) * 1000

    def starts(self, host):
        times = []
        with self.busy(SLOTS * 4) as results:
            for number in range(STARTS):
                name = f"late-{host}-{number}"
                times.append(self.first_work_ms(name, host))
                self.shrink(name)
        return times, results


def scaling(bench):
    rounds = [one_round(bench) for _ in range(bench.runs)]
    sizes, numbers, names = zip(*rounds)
    rows = []
    for index, size in enumerate(SIZES):
        results = [run[index] for run in sizes]
        linear = [0.9 * size * run[0]["per_s"] for run in sizes] if size > 1 else ()
        cores = statistics.median(r["cores"] for r in results)
        rows.append(Row(f"answers/s of {size} generator{'s'[:size - 1]} with {SLOTS} slots, {LATENCY_MS} ms each",
                        "/s", [r["per_s"] for r in results], linear, at_least=True, floor_name="slots / latency",
                        floors=[SLOTS * size * 1000 / LATENCY_MS] * len(results),
                        notes=figures.faults(results) + [f"the machine was busy with {cores:.1f} cores"]))
    rows.append(Row(f"share of the least used of {SIZES[-1]} generators, of the mean", "",
                    [run[-1]["fairness"] for run in sizes], [0.5], at_least=True))
    for way, starts in (("number", numbers), ("name", names)):
        notes = figures.faults([result for _, results in starts for result in results])
        rows.append(Row(f"from a generator's start to its first job, gateway by {way}, worst", "ms",
                        [max(times) for times, _ in starts], [1000], notes=notes))
    return rows


def one_round(bench):
    with Pool(bench) as pool:
        sizes = []
        for size in SIZES:
            pool.resize(size)
            pool.load(size)  # connections are made
            sizes.append(pool.load(size))
        return sizes, pool.starts("127.0.0.1"), pool.starts("localhost")
