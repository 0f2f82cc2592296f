"""A system of its own for a benchmark: the programs launched directly, without a supervisor and quiet,
so that every process's cost can be read by its pid."""
import os
import pathlib
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from system import STOP_S, System, end_with_parent, free_ports, wait_for

TICKS = os.sysconf("SC_CLK_TCK")
POOLS = ("embedder", "retriever", "generator")


class PrivateSystem(System):
    def __init__(self, binaries, pools=POOLS, flags=None, cache=False):
        """`flags`: more of them, by program. `cache`: what was answered once need not be worked for again,
        which only the caches' own figures want."""
        super().__init__()
        self.binaries = pathlib.Path(binaries)
        self.cache = cache
        self.pools = pools
        self.flags = flags or {}
        self.processes = {}

    # --- life, instead of the supervisor's ---

    def start(self):
        self.port = free_ports()
        self.lanes_port = self.port + 1
        self.launch("gateway", "--http-port", self.port, "--lanes-port", self.lanes_port)
        for pool in self.pools:
            store = ["--database-url", f"sqlite:{self.data}/millrace.db"] if pool == "retriever" else []
            self.launch(pool, "--gateways", f"127.0.0.1:{self.lanes_port}", *store)
        wait_for(self.switched, "the gateway")
        if self.pools == POOLS:
            self.wait_ready()
        return self

    def switched(self):
        try:
            return self.call("PUT", "/api/flags", {"cache": self.cache}).status == 200
        except OSError:
            return False

    def launch(self, name, *flags):
        program = self.binaries / f"millrace-{name}"
        self.add(name, [program, "--name", name, "--log-level", "warn", *flags,
                        *self.flags.get(name, ())])

    def add(self, name, command):
        """Any process that belongs to the system and ends with it."""
        (self.data / "log").mkdir(exist_ok=True)
        with open(self.data / "log" / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=end_with_parent)

    def wait_ready(self):
        wait_for(self.is_ready, "readiness", 20)

    def is_ready(self):
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended with {process.returncode}"
        try:
            return self.get("/readyz").status == 200
        except OSError:
            return False

    def stop(self):
        self.kill()

    def kill(self):
        """SIGTERM to all; what does not drain in time is killed and named."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                print(f"{name} did not stop in {STOP_S} s", file=sys.stderr)
                process.kill()
                process.wait()
        self.processes.clear()
        super().kill()

    def pid(self, name):
        return self.processes[name].pid

    # --- content ---

    def need_agent(self):
        """Agent 1, made where an empty store does not have it."""
        if self.get("/api/agents/1").status == 404:
            self.good("POST", "/api/agents", {"name": "bench", "provider": "extractive"})

    # --- what its processes cost, from /proc ---

    def cpu_s(self):
        """Seconds of CPU so far, user and system, by process."""
        return {name: self.stat(name) for name in self.processes}

    @staticmethod
    def machine_s():
        """Seconds of CPU that all processes of this machine have had so far, and what its host took."""
        fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        return sum(int(f) for i, f in enumerate(fields) if i not in (3, 4)) / TICKS  # idle, waiting

    def stat(self, name):
        text = pathlib.Path(f"/proc/{self.pid(name)}/stat").read_text()
        fields = text.rsplit(")", 1)[1].split()
        return int(fields[11]) / TICKS, int(fields[12]) / TICKS

    def resident_kb(self, name):
        status = pathlib.Path(f"/proc/{self.pid(name)}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
