"""The figures, one function a group. Each takes the bench (programs, runs, questions) and returns rows;
what is compared is measured alternately, so that a busy machine slows both sides."""
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import threading
import time

import corpus
from ingestion import Ingestion, new_portfolio
from private_system import PrivateSystem
from table import Row

PATH_CHUNKS = 1000
CLIENTS = 64
INGEST_CHUNKS = 6000
CHAT_RATE = 100
CHAT_S = 8
STREAMS = 2000
DEMO_DOCUMENTS = 12
GREETING = "Hello"
STREAM = "/api/agents/1/chat/stream"
CHAT = "/api/agents/1/chat"


class Bench:
    def __init__(self, build, runs, full=False, million=False):
        self.bin = pathlib.Path(build) / "bin"
        self.runs = runs
        self.full, self.million = full, million
        self.tables = []  # text, printed below the rows
        self.folder = tempfile.TemporaryDirectory(prefix="millrace-bench-")
        self.questions = self.write("questions", corpus.questions(400_000))
        self.greeting = self.write("greeting", [GREETING])
        self.asked = 0  # questions used up: none is asked twice

    def write(self, name, lines):
        path = pathlib.Path(self.folder.name) / name
        path.write_text("".join(line + "\n" for line in lines))
        return path

    def output(self, name, *arguments):
        """What a measuring program prints."""
        command = [self.bin / name, *arguments]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=600)
        if done.returncode > 1 or not done.stdout:
            raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-1000:]}")
        return done.stdout

    def program(self, name, *arguments):
        """Its last line, as JSON."""
        return json.loads(self.output(name, *arguments).strip().splitlines()[-1])

    def start(self, name, *arguments):
        """A measuring program that goes on beside what follows."""
        return subprocess.Popen([str(c) for c in (self.bin / name, *arguments)], stdout=subprocess.PIPE,
                                text=True)

    def load(self, system, mode, *arguments, greeting=False):
        skip = [] if greeting else ["--skip", self.asked]
        questions = self.greeting if greeting else self.questions
        result = self.program("bench_load", mode, "--port", system.port, "--questions", questions,
                              *skip, *arguments)
        if not greeting:
            self.asked += result["answers"] + result["errors"]
        return result


def faults(results):
    """Notes on what would make a figure worth nothing."""
    notes = []
    for key, text in (("errors", "answers failed or were not whole"),
                      ("cached", "answers came from a cache")):
        count = sum(r[key] for r in results)
        if count:
            notes.append(f"{count} {text} {next((r['first_error'] for r in results if r['first_error']), '')}")
    return notes


def filled_portfolio(system, name, chunks, seed=1):
    portfolio = new_portfolio(system, name)
    Ingestion(system, portfolio, corpus.documents(chunks, seed)).wait()
    return portfolio


def sync_us(folder):
    """The disk's floor: p50 of writing 4 KiB and syncing it."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(200):
            os.write(file.fileno(), bytes(4096))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times)


# --- time to first token ---


def path(bench):
    with PrivateSystem(bench.bin) as system:
        system.need_agent()
        portfolio = filled_portfolio(system, "path", PATH_CHUNKS)
        one = ("--portfolio", portfolio, "--count", 400)
        bench.load(system, "closed", *one)  # the resident index is loaded, pages are warm
        rounds = [measure_path(bench, system, one) for _ in range(bench.runs)]
    floors, full, trivial, lanes = zip(*rounds)
    round_trip = [f["zmq_p50_us"] for f in floors]
    rows = [Row("R: ROUTER/DEALER round trip, p50", "µs", round_trip,
                floor_name="socket pair", floors=[f["pair_p50_us"] for f in floors])]
    apart = [f["zmq_apart_p50_us"] for f in floors]
    rows.append(Row("R with a core for each process, p50", "µs", apart,
                    floor_name="R", floors=round_trip))
    for name, results, stages, own_us in (("full path", full, 3, 600), ("trivial path", trivial, 1, 250)):
        rows.append(Row(f"first token, {name}, p50", "µs", [r["first_p50_us"] for r in results],
                        [stages * r + own_us for r in round_trip],
                        floor_name="R", floors=round_trip,
                        notes=faults(results) + [others_note(results)]))
        rows.append(Row(f"first token, {name}, p99", "µs", [r["first_p99_us"] for r in results],
                        floor_name="R", floors=round_trip))
        rows.append(Row(f"whole stream, recorded, {name}, p50", "µs",
                        [r["total_p50_us"] for r in results], floor_name="R", floors=round_trip))
    for name, stages in (("trivial", 1), ("full", 3)):
        rows.append(Row(f"first text over the lanes alone, {stages} stage{'s'[:stages - 1]}, p50", "µs",
                        [r[f"{name}_first_p50_us"] for r in lanes],
                        floor_name="R", floors=round_trip))
        rows.append(Row(f"jobs over the lanes alone, {stages} stage{'s'[:stages - 1]}", "/s",
                        [r[f"{name}_per_s"] for r in lanes]))
    return rows


def measure_path(bench, system, one):
    return (bench.program("bench_floor", 10000), load_with_cpu(bench, system, *one),
            load_with_cpu(bench, system, "--count", 400, greeting=True),
            bench.program("bench_lanes", 1))


# --- answers a second ---


def throughput(bench):
    with PrivateSystem(bench.bin) as system:
        system.need_agent()
        portfolio = filled_portfolio(system, "throughput", PATH_CHUNKS)
        common = ("--clients", CLIENTS, "--portfolio", portfolio)
        bench.load(system, "closed", *common, "--seconds", 2)
        rounds = [measure_throughput(bench, system, common) for _ in range(bench.runs)]
        sync = sync_us(system.data)
    rows = []
    for index, name in ((0, "/chat"), (1, "/chat/stream")):
        results = [r[index] for r in rounds]
        floors = [r[2]["per_s"] for r in rounds]
        rows.append(Row(f"answers/s, {CLIENTS} clients, {name}", "/s", [r["per_s"] for r in results],
                        [3000], at_least=True, floor_name="GET /healthz", floors=floors,
                        notes=throughput_notes(results, sync)))
        rows.append(Row(f"an answer, {CLIENTS} clients, {name}, p99", "ms",
                        [r["total_p99_us"] / 1000 for r in results]))
    return rows


def others_note(results):
    share = statistics.median(r["others"] for r in results)
    return f"other processes took {share:.1f} of {os.cpu_count()} cores meanwhile"


def throughput_notes(results, sync):
    unrecorded = sum(r["answers"] - r["recorded"] for r in results)
    notes = faults(results) + [others_note(results)]
    if unrecorded:
        notes.append(f"{unrecorded} answers were not recorded")
    notes += [cpu_note(results, name) for name in results[0]["cpu"]]
    return notes + [f"the disk syncs 4 KiB in {sync:.0f} µs"]


def cpu_note(results, name):
    """Where the time goes: CPU of one process for each answer, and the share of a core."""
    user, system, share = (statistics.median(column) for column in zip(
        *((1e6 * r["cpu"][name][0] / r["answers"], 1e6 * r["cpu"][name][1] / r["answers"],
           sum(r["cpu"][name]) / r["wall_s"]) for r in results if r["answers"])))
    return (f"{name}: {user + system:.0f} µs of CPU an answer ({user:.0f} user, {system:.0f} system), "
            f"{share:.0%} of a core")


def measure_throughput(bench, system, common):
    chat = load_with_cpu(bench, system, *common, "--seconds", 5, "--path", CHAT)
    stream = load_with_cpu(bench, system, *common, "--seconds", 5, "--path", STREAM)
    return chat, stream, bench.load(system, "closed", "--clients", CLIENTS, "--seconds", 2, "--get",
                                    "/healthz", greeting=True)


def load_with_cpu(bench, system, *arguments, **named):
    before, children, machine = system.cpu_s(), os.times(), system.machine_s()
    start = time.monotonic()
    result = bench.load(system, "closed", *arguments, **named)
    after, now = system.cpu_s(), os.times()
    result["wall_s"] = time.monotonic() - start
    result["cpu"] = {name: [a - b for a, b in zip(after[name], before[name])] for name in after}
    result["cpu"]["load client"] = [now.children_user - children.children_user,
                                    now.children_system - children.children_system]
    ours = sum(sum(used) for used in result["cpu"].values())
    result["others"] = max(0, system.machine_s() - machine - ours) / result["wall_s"]
    return result


# --- ingestion, and a chat beside it ---


def ingestion(bench):
    rates, posted, syncs = [], [], []
    for run in range(bench.runs):
        with PrivateSystem(bench.bin) as system:
            documents = list(corpus.documents(INGEST_CHUNKS, run + 1))
            before, start = system.cpu_s(), time.monotonic()
            done = Ingestion(system, new_portfolio(system, "ingestion"), documents).wait()
            cpu = {name: (sum(used) - sum(before[name])) * 1e6 / done["chunks"]
                   for name, used in system.cpu_s().items()}
            rates.append(done["chunks"] / done["seconds"])
            posted.append(done["chunks"] / done["posted_s"])
            syncs.append(sync_us(system.data))
    notes = [f"{done['documents']} documents, {done['chunks']} chunks a run; CPU a chunk, last run: " +
             ", ".join(f"{name} {us:.0f} µs" for name, us in cpu.items()),
             f"the disk syncs 4 KiB in {statistics.median(syncs):.0f} µs"]
    return [Row("ingestion of HTML, vectors stored", "chunks/s", rates, [1500], at_least=True,
                floor_name="posted, words only", floors=posted, notes=notes)] + chat_beside(bench)


def chat_beside(bench):
    """p99 of a paced chat with and without ingestion, of another portfolio and of the chat's own."""
    rounds = []
    for run in range(bench.runs):
        with PrivateSystem(bench.bin) as system:
            system.need_agent()
            portfolio = filled_portfolio(system, "chat", PATH_CHUNKS)
            other = new_portfolio(system, "other")
            alone = paced(bench, system, portfolio)
            beside, done = paced_beside(bench, system, portfolio, other, 100 + run)
            within, _ = paced_beside(bench, system, portfolio, portfolio, 200 + run)
            rounds.append((alone, beside, within, done["chunks"] / done["seconds"]))
    alone, beside, within, rates = zip(*rounds)
    base = [r["total_p99_us"] / 1000 for r in alone]
    rows = [Row(f"chat at {CHAT_RATE}/s alone, p99", "ms", base, notes=faults(alone))]
    for name, results in (("another portfolio", beside), ("its own portfolio", within)):
        delays = [r["total_p99_us"] / 1000 - b for r, b in zip(results, base)]
        rows.append(Row(f"delay of a chat by ingestion of {name}, p99", "ms", delays, [20],
                        floor_name="p99 alone", floors=base, notes=faults(results)))
    rows.append(Row("ingestion beside that chat", "chunks/s", list(rates)))
    return rows


def paced(bench, system, portfolio):
    return bench.load(system, "paced", "--portfolio", portfolio, "--rate", CHAT_RATE, "--seconds",
                      CHAT_S, "--clients", 32)


def paced_beside(bench, system, portfolio, target, seed):
    over = threading.Event()
    job = Ingestion(system, target, renamed(corpus.documents(3 * INGEST_CHUNKS, seed), seed), over)
    try:
        result = paced(bench, system, portfolio)
    finally:
        over.set()
    return result, job.wait()


def renamed(documents, seed):
    """Other sources than those that are there: nothing is replaced."""
    return [{**d, "source": f"{seed}-{d['source']}"} for d in documents]


# --- memory ---


def memory(bench):
    idle, floor = [], []
    for _ in range(bench.runs):
        with PrivateSystem(bench.bin) as system:
            system.need_agent()
            portfolio = new_portfolio(system, "demo")
            small = [corpus.document(corpus.Vocabulary(n), n, 2) for n in range(DEMO_DOCUMENTS)]
            Ingestion(system, portfolio, small).wait()
            time.sleep(2)
            idle.append({name: system.resident_kb(name) / 1024 for name in system.processes})
        floor.append(bench.program("bench_floor", 100)["resident_kb"] / 1024)
    rows = [Row(f"resident memory, idle, {name}", "MB", [i[name] for i in idle], [20],
                floor_name="libzmq and libevent alone", floors=floor) for name in idle[0]]
    return rows + streams(bench)


def streams(bench):
    each = [measure_streams(bench) for _ in range(bench.runs)]
    return [Row(f"gateway's memory for each of {STREAMS} open streams", "KiB", each, [16])]


def measure_streams(bench):
    with PrivateSystem(bench.bin, pools=("embedder", "retriever")) as system:
        worker = pathlib.Path(__file__).with_name("hold_worker.py")
        system.add("hold", ["/usr/bin/python3", worker, system.lanes_port, STREAMS + 100])
        system.wait_ready()
        system.need_agent()
        before = system.resident_kb("gateway")
        with bench.start("bench_load", "open", "--port", system.port, "--clients", STREAMS,
                         "--seconds", 12, "--questions", bench.greeting) as load:
            opened = load.stdout.readline()
            time.sleep(2)  # as it stays, heartbeats and all
            after = system.resident_kb("gateway")
            rest = json.loads(load.stdout.readlines()[-1])
    if opened.strip() != f"open {STREAMS}" or rest["errors"]:
        raise RuntimeError(f"{opened.strip()} of {STREAMS}: {rest['first_error']}")
    return (after - before) / STREAMS


# --- search in memory ---


def search(bench):
    """Of bench_resident's table: by the scan that the retriever would choose here, and, as the floor
    of what the processor's vectors gain, by plain C."""
    tables = [search_table(bench) for _ in range(bench.runs)]
    rows = [Row(f"resident search, {chunks:,} chunks x 384, p50", "ms", [t[chunks][0] for t, _ in tables],
                [limit], floor_name="plain C", floors=[t[chunks][-1] for t, _ in tables])
            for chunks, limit in ((1000, 0.15), (20000, 1.5))]
    return rows + [Row("  recall@10 of its vectors beside exact search, 1,000 chunks", "",
                       [recalls[1000] for _, recalls in tables], [1], True)]


def search_table(bench):
    """By number of chunks, p50 in milliseconds, one for each scan, the best scan first; and recall."""
    times, recalls = {}, {}
    for line in bench.output("bench_resident").splitlines()[1:]:
        chunks, by, value, *_ = line.split()
        if by == "recall":
            recalls[int(chunks)] = float(value)
        elif by not in ("remove", "memory"):
            times.setdefault(int(chunks), []).append(float(value))
    return times, recalls


# --- the lanes' core ---


def core(bench):
    steps = [bench.program("bench_lane_core")["events_per_s"] for _ in range(bench.runs)]
    worlds = [simulated(bench) for _ in range(bench.runs)]
    return [Row("the lanes' core alone, events", "/s", steps, [1_000_000], at_least=True),
            Row("simulation, events", "/s", worlds, [200_000], at_least=True)]


def simulated(bench):
    first = bench.output("sim", "--seeds", 1000).splitlines()[0]
    return float(re.search(r"([0-9]+) events/s", first).group(1))


# --- the door ---


def door(bench):
    runs = [bench.program("bench_door") for _ in range(bench.runs)]
    figures = (("an access token, the first time", "token_first_us", 100),
               ("an access token, remembered", "token_again_us", 10),
               ("the rate, without Redis", "rate_us", 10))
    return [Row(what, "µs", [run[name] for run in runs], [limit]) for what, name, limit in figures]


FIGURES = {"core": core, "door": door, "path": path, "throughput": throughput, "search": search,
           "ingestion": ingestion, "memory": memory}
