"""Answers of a model behind a provider's API, on the trivial path, everything recorded. The provider is a
mock (tests/fakes/scripted_provider.c) that answers at once or at a given pace; asking it directly, through
nginx and through Portkey are the floors, with the same client in the same run."""
import http.client
import json
import socket
import statistics
import time

import figures
from floors import add_nginx, add_portkey, listens, portkey_header
from private_system import PrivateSystem
from system import free_ports, wait_for
from table import Row

INSTANT = "script+length=40"
STREAMS = 1000
TOKENS_S = 20
TOKENS = 100          # of a stream: five seconds
PIECE = 12            # characters a token
PACED = f"script+length={TOKENS * PIECE}+piece={PIECE}+gap_ms={1000 // TOKENS_S}"
SLOW = "script+length=4000+piece=12+gap_ms=1000"  # open for as long as anybody wants
LATE = "script+length=40+first_ms=60000"          # a whole answer that nobody waits for
LEAVES = 200
FLAT_STREAMS = 50_000
WARM_STREAMS = 5_000
PATH = "/v1/chat/completions"
OURS = ("gateway", "generator")


class Site:
    """A private system, the mock and, where they are wanted, the floors, all on this machine."""

    def __init__(self, bench, floors=True):
        self.bench = bench
        self.floors = floors
        self.system = PrivateSystem(bench.bin, flags={"generator": ["--slots", 2 * STREAMS]})
        self.mock = free_ports(3)
        self.nginx, self.portkey = self.mock + 1, self.mock + 2
        self.agents = {}

    def __enter__(self):
        self.system.__enter__()
        try:
            self.system.add("mock", [self.bench.bin / "scripted-provider", self.mock])
            wait_for(lambda: listens(self.mock), "the mock")
            if self.floors:
                self.add_floors()
        except BaseException:
            self.system.kill()
            raise
        return self

    def add_floors(self):
        add_nginx(self.system, self.nginx, self.mock)
        self.no_portkey = add_portkey(self.system, self.bench.bin.parent / "portkey", self.portkey)

    def __exit__(self, *reason):
        self.system.__exit__(*reason)

    def agent(self, model, port=None):
        """An agent that asks the mock for this model."""
        if model not in self.agents:
            made = self.system.good("POST", "/api/agents", {
                "name": model, "provider": "openai-compatible", "model": model,
                "base_url": f"http://127.0.0.1:{port or self.mock}/v1"})
            self.agents[model] = made["id"]
        return self.agents[model]

    # --- asking: the same question, directly, through others, through us ---

    def load(self, mode, *arguments, port, cpu=()):
        before, start = self.system.cpu_s(), time.monotonic()
        result = self.bench.program("bench_load", mode, "--port", port, "--questions",
                                    self.bench.greeting, *arguments)
        result["wall_s"] = time.monotonic() - start
        after = self.system.cpu_s()
        result["cpu"] = {name: [a - b for a, b in zip(after[name], before[name])] for name in cpu}
        return result

    def ask_direct(self, mode, model, *arguments, port=None, **named):
        return self.load(mode, "--path", PATH, "--model", model, *arguments, port=port or self.mock, **named)

    def ask_nginx(self, mode, model, *arguments):
        return self.ask_direct(mode, model, *arguments, port=self.nginx, cpu=("nginx",))

    def ask_portkey(self, mode, model, *arguments):
        return self.ask_direct(mode, model, "--header", portkey_header(self.mock), *arguments,
                               port=self.portkey)

    def ask_ours(self, mode, model, *arguments, stream=False):
        path = f"/api/agents/{self.agent(model)}/chat" + ("/stream" if stream else "")
        return self.load(mode, "--path", path, *arguments, port=self.system.port,
                         cpu=(*OURS, "retriever", "mock"))

    def ask_compatible(self, mode, model, *arguments):
        """Us, through OpenAI's interface."""
        return self.load(mode, "--path", PATH, "--model", f"agent-{self.agent(model)}", *arguments,
                         port=self.system.port, cpu=(*OURS, "retriever", "mock"))

    def resident_kb(self):
        return sum(self.system.resident_kb(name) for name in OURS)


def providers(bench):
    with Site(bench) as site:
        rows = throughput(site) + latency(site) + streams(site) + growth(site)
    return rows + open_streams(bench) + leaving(bench)


# --- answers a second ---


def throughput(site):
    busy = ("--clients", figures.CLIENTS, "--seconds", 4)
    site.ask_ours("closed", INSTANT, *busy)
    rounds = [measure_throughput(site, busy) for _ in range(site.bench.runs)]
    ours, compatible, nginx, portkey = zip(*rounds)
    rows = [Row(f"answers/s, {figures.CLIENTS} clients, recorded, /chat", "/s", per_s(ours),
                [0.2 * n for n in per_s(nginx)], at_least=True, floor_name="nginx", floors=per_s(nginx),
                notes=notes_of(ours)),
            Row(f"answers/s, {figures.CLIENTS} clients, recorded, /v1/chat/completions", "/s",
                per_s(compatible), [0.2 * n for n in per_s(nginx)], at_least=True, floor_name="nginx",
                floors=per_s(nginx), notes=notes_of(compatible))]
    if site.no_portkey:
        rows[0].notes.append(f"Portkey was not measured: {site.no_portkey}")
    else:
        rows.append(Row("the same beside Portkey", "/s", per_s(ours), [15 * p for p in per_s(portkey)],
                        at_least=True, floor_name="Portkey", floors=per_s(portkey),
                        notes=figures.faults(portkey)))
    return rows


def measure_throughput(site, busy):
    ours = site.ask_ours("closed", INSTANT, *busy)
    if ours["recorded"] != ours["answers"]:
        ours["errors"] += ours["answers"] - ours["recorded"]
        ours["first_error"] = ours["first_error"] or "not recorded"
    return (ours, site.ask_compatible("closed", INSTANT, *busy), site.ask_nginx("closed", INSTANT, *busy),
            {} if site.no_portkey else site.ask_portkey("closed", INSTANT, *busy))


def per_s(results):
    return [r["per_s"] for r in results]


def notes_of(results):
    return figures.faults(results) + [figures.cpu_note(results, name) for name in results[0]["cpu"]]


# --- one client ---


def latency(site):
    """A stream's first token does not wait for the store; a whole answer does, and is asked for with and
    without that."""
    rounds = [measure_latency(site) for _ in range(site.bench.runs)]
    added, floors, results = ([{name: r[i][name] for name in rounds[0][0]} for r in rounds] for i in range(3))
    rows = [Row(f"added {name}, one client, p50", "ms", [a[name] for a in added], [0.4], floor_name="nginx",
                floors=[f[name] for f in floors], notes=figures.faults([r[name] for r in results]))
            for name in ("time to first token of a stream", "latency, not recorded")]
    name, sync_ms = "latency, committed to the disk first", figures.sync_us(site.system.data) / 1000
    return rows + [Row(f"added {name}, one client, p50", "ms", [a[name] for a in added],
                       floor_name="a bare sync of 4 KiB", floors=[sync_ms],
                       notes=figures.faults([r[name] for r in results]))]


def measure_latency(site):
    """What we add and what nginx adds, in milliseconds, and what was measured, by name."""
    one, added, floors, results = ("--count", 500), {}, {}, {}
    for name, stream, flags in (("time to first token of a stream", True, ()),
                                ("latency, not recorded", False, ["--forget"]),
                                ("latency, committed to the disk first", False, ())):
        member = "first_p50_us" if stream else "total_p50_us"
        asked = (*one, "--stream") if stream else one
        direct = site.ask_direct("closed", INSTANT, *asked)[member]
        floors[name] = (site.ask_nginx("closed", INSTANT, *asked)[member] - direct) / 1000
        results[name] = site.ask_ours("closed", INSTANT, *one, *flags, stream=stream)
        added[name] = (results[name][member] - direct) / 1000
    return added, floors, results


# --- many streams ---


def streams(site):
    """A stream lasts TOKENS / TOKENS_S seconds and one begins every so often that STREAMS are open."""
    seconds = TOKENS / TOKENS_S
    paced = ("--clients", STREAMS + STREAMS // 5, "--rate", int(STREAMS / seconds), "--seconds",
             int(3 * seconds), "--length", TOKENS * PIECE)
    rounds = [measure_streams(site, paced) for _ in range(site.bench.runs)]
    direct, nginx, ours = zip(*rounds)
    cpu, floor = ([cpu_of_tokens(r) for r in results] for results in (ours, nginx))
    notes = [f"{r['answers']} streams, {r['tokens']} tokens, each compared with what the mock wrote"
             for r in ours[:1]]
    return [added("time to first token", "first_p99_us", 30, direct, nginx, ours, notes),
            added("gap between tokens", "gap_p99_us", 5, direct, nginx, ours),
            Row(f"CPU of gateway and generator for 1,000 tokens, {STREAMS} streams", "ms", cpu,
                [1.5 * f for f in floor], floor_name="nginx", floors=floor)]


def measure_streams(site, paced):
    return (site.ask_direct("paced", PACED, "--stream", *paced),
            site.ask_nginx("paced", PACED, "--stream", *paced),
            site.ask_ours("paced", PACED, *paced, stream=True))


def added(name, member, limit_ms, direct, nginx, ours, notes=()):
    over = [[(r[member] - d[member]) / 1000 for r, d in zip(results, direct)] for results in (ours, nginx)]
    return Row(f"added {name}, {STREAMS} streams of {TOKENS_S} tokens/s, p99", "ms", over[0], [limit_ms],
               floor_name="nginx", floors=over[1], notes=figures.faults(ours) + list(notes))


def cpu_of_tokens(result):
    """Milliseconds of CPU for 1,000 tokens, of all but the mock and the store."""
    used = sum(sum(result["cpu"][name]) for name in ("nginx", *OURS) if name in result["cpu"])
    return used * 1e6 / result["tokens"]


# --- memory ---


def growth(site):
    stream = ("--clients", figures.CLIENTS, "--seconds", 300)
    site.ask_ours("closed", INSTANT, *stream, "--count", WARM_STREAMS, stream=True)
    warm = {name: site.system.resident_kb(name) for name in OURS}
    result = site.ask_ours("closed", INSTANT, *stream, "--count", FLAT_STREAMS, stream=True)
    grown = {name: 100 * (site.system.resident_kb(name) / warm[name] - 1) for name in OURS}
    return [Row(f"growth of the {name} over {FLAT_STREAMS:,} streams", "%", [grown[name]], [2],
                notes=figures.faults([result])) for name in OURS]


def open_streams(bench):
    """Each time of processes that have not had so many before: what they had they keep for the next."""
    held = []
    for _ in range(bench.runs):
        with Site(bench, floors=False) as site:
            held.append(measure_open(site))
    return [Row(f"gateway and generator, at {STREAMS} open streams more than at none", "MB",
                [kb / 1024 for kb in held], [20])]


def measure_open(site):
    few = ("--clients", figures.CLIENTS, "--seconds", 60, "--count", WARM_STREAMS)
    site.ask_ours("closed", INSTANT, *few, stream=True)
    before = site.resident_kb()
    with site.bench.start("bench_load", "open", "--port", site.system.port, "--clients", STREAMS,
                          "--seconds", 12, "--questions", site.bench.greeting, "--path",
                          f"/api/agents/{site.agent(SLOW)}/chat/stream") as load:
        opened = load.stdout.readline()
        time.sleep(2)  # as it stays, heartbeats and all
        after = site.resident_kb()
        rest = json.loads(load.stdout.readlines()[-1])
    if opened.strip() != f"open {STREAMS}" or rest["errors"]:
        raise RuntimeError(f"{opened.strip()} of {STREAMS}: {rest['first_error']}")
    wait_for(lambda: site.system.metric("millrace_http_requests_in_flight") <= 1, "the streams' end")
    return after - before


# --- clients that leave ---


def leaving(bench):
    """From a client's leaving to the provider's connection being closed, as the mock's log has it."""
    with Site(bench, floors=False) as site:
        log = site.system.data / "leave.log"
        port = free_ports(1)
        site.system.add("noting", ["env", f"SCRIPTED_LOG={log}", bench.bin / "scripted-provider", port])
        wait_for(lambda: log.exists(), "the mock that notes")
        rows = []
        for name, model, stream in (("whole answer", LATE, False), ("stream", SLOW, True)):
            path = f"/api/agents/{site.agent(model + '+seed=1', port)}/chat" + ("/stream" if stream else "")
            times = [leave(site, log, path, stream) for _ in range(LEAVES)]
            times.sort()
            rows.append(Row(f"client leaves a {name}: the provider's connection is closed, p99", "ms",
                            [times[int(0.99 * LEAVES)]], [10],
                            notes=[f"p50 {statistics.median(times):.2f} ms of {LEAVES}"]))
        return rows


def lines_of(log, event):
    return [int(line.split()[1]) for line in log.read_text().splitlines() if line.startswith(event + " ")]


def leave(site, log, path, stream):
    """Milliseconds."""
    begun, closed = len(lines_of(log, "begin")), len(lines_of(log, "closed"))
    connection = http.client.HTTPConnection("127.0.0.1", site.system.port, timeout=30)
    connection.request("POST", path, json.dumps({"message": figures.GREETING}),
                       {"Content-Type": "application/json"})
    if stream:
        connection.getresponse().readline()  # a first token
    else:
        wait_for(lambda: len(lines_of(log, "begin")) > begun, "the provider is asked", interval=0.001)
    left_ns = time.monotonic_ns()
    connection.sock.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: len(lines_of(log, "closed")) > closed, "the provider's connection is closed",
             interval=0.001)
    connection.close()
    return (lines_of(log, "closed")[-1] - left_ns) / 1e6
