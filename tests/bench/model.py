"""Figures of the local embedding model: a text's time beside that of the program it comes from, on the
same core, alternately; documents to stored vectors beside the forward pass alone; memory; a question's
first token beside that with hashing."""
import os
import pathlib
import sqlite3
import struct
import subprocess
import sys

import corpus
from figures import PATH_CHUNKS, faults, filled_portfolio
from ingestion import Ingestion, new_portfolio
from private_system import PrivateSystem
from table import Row

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
import package  # noqa: E402

ROUNDS = 60
CHUNKS = 1500
QUESTION = "What is the maximum number of connections that a server takes?"
CHUNK = """The server accepts connections on the addresses that its configuration names, and on all of
them when none is named. A connection takes one of a fixed number of slots; some are kept for superusers,
so that an administrator can still log in when all others are taken. A client that finds no free slot is
refused at once, with an error that says so, and may try again a little later. Raising the number needs a
restart, since memory for every slot is reserved when the server starts: each costs a few hundred bytes of
shared memory, and the process behind it some megabytes while it lives. Where thousands of clients come and
go, put a connection pooler between them and the server: it keeps a small number of connections open and
hands them to whoever has a transaction to run. Idle connections can be closed after a time that the
administrator sets; one that waits inside an open transaction holds back the cleaning of old rows, so give
it a shorter time than the others. Both are measured in milliseconds, and zero turns them off."""


class ModelSystem(PrivateSystem):
    """A private system whose embedders, one or more, run the model."""

    def __init__(self, binaries, folder, embedders=1):
        super().__init__(binaries)
        self.model = ["--embedder", "model", "--model-dir", str(folder)]
        self.embedders = embedders

    def launch(self, name, *flags):
        if name == "embedder":
            flags = (*flags, *self.model)
        elif name == "retriever":
            flags = (*flags, "--embedder", "model")
        super().launch(name, *flags)
        for number in range(1, self.embedders if name == "embedder" else 1):
            self.add(f"embedder-{number + 1}", [self.binaries / "millrace-embedder", "--name",
                                                f"embedder-{number + 1}", "--log-level", "warn", *flags])


def lines(command, env=None):
    """The second column of what a measuring program prints, in milliseconds, on one core."""
    core = str(max(os.sched_getaffinity(0)))
    done = subprocess.run(["taskset", "-c", core, *map(str, command)], env=env, check=True,
                          stdout=subprocess.PIPE, text=True)
    return [float(line.split("\t")[1]) / 1000 for line in done.stdout.splitlines()]


def texts_of(bench, folder):
    """A question's and a chunk's time, ours and the package's, alternately."""
    texts, environment = (QUESTION, CHUNK), package.environment(folder)
    floor = pathlib.Path(__file__).with_name("floor_model.py")
    rounds = [(lines([bench.bin / "bench_model", folder / "model", ROUNDS, *texts], environment),
               lines([sys.executable, floor, ROUNDS, *texts], environment))
              for _ in range(bench.runs)]
    rows = []
    for at, name, times in ((0, "a question of 12 tokens", 1.5), (1, "a chunk of 220 tokens", 1.3)):
        ours, theirs = ([run[side][at] for run in rounds] for side in (0, 1))
        rows.append(Row(f"the model, {name}, tokens included", "ms", ours, [t / times for t in theirs],
                        floor_name="its own program", floors=theirs))
    return rows


def stored_texts(system):
    """What was embedded of all chunks, framed as bench_model reads it."""
    with sqlite3.connect(f"file:{system.data}/millrace.db?mode=ro", uri=True) as store:
        rows = store.execute("SELECT d.title, c.heading, c.text FROM chunks c"
                             " JOIN documents d ON d.id = c.document_id").fetchall()
    texts = ["".join(f"{part}\n" for part in parts).encode() for parts in rows]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def ingest(bench, folder, embedders, seed):
    """Chunks a second to stored vectors, the forward pass alone over the same chunks, and memory."""
    with ModelSystem(bench.bin, folder / "model", embedders) as system:
        done = Ingestion(system, new_portfolio(system, "model"), list(corpus.documents(CHUNKS, seed))).wait()
        alone = subprocess.run([bench.bin / "bench_model", folder / "model"], input=stored_texts(system),
                               stdout=subprocess.PIPE, check=True)
        names = [name for name in system.processes if name.startswith("embedder")]
        memory = [memory_mb(system.pid(name)) for name in names]
    return done["chunks"] / done["seconds"], float(alone.stdout), memory


def memory_mb(pid):
    """What is resident, and the process's share of it where several have the same pages (Pss)."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    values = dict(line.split(":") for line in text.splitlines()[1:])
    return tuple(int(values[name].split()[0]) / 1024 for name in ("Rss", "Pss"))


def added_mb(alone, both):
    """What a second embedder adds: the shares of both, less the whole of the one alone."""
    return sum(pss for _, pss in both) - alone[0][1]


def documents(bench, folder):
    one = [ingest(bench, folder, 1, run + 1) for run in range(bench.runs)]
    two = [ingest(bench, folder, 2, run + 1) for run in range(bench.runs)]
    alone = [rate for _, rate, _ in one]
    return [
        Row("documents to stored vectors, one embedder", "chunks/s", [rate for rate, _, _ in one],
            [0.85 * rate for rate in alone], at_least=True, floor_name="forward pass", floors=alone),
        Row("documents to stored vectors, two embedders", "chunks/s", [rate for rate, _, _ in two],
            [1.8 * rate for rate, _, _ in one], at_least=True, floor_name="one embedder",
            floors=[rate for rate, _, _ in one]),
        Row("an embedder with the model, resident", "MB", [m[0][0] for _, _, m in one], [130]),
        Row("a second one adds (Pss)", "MB", [added_mb(m, both) for (_, _, m), (_, _, both) in zip(one, two)],
            [60]),
    ]


def first_token(bench, folder):
    """The full path with one client, with the model and with hashing, alternately."""
    with ModelSystem(bench.bin, folder / "model") as system, PrivateSystem(bench.bin) as plain:
        asked = []
        for each in (system, plain):
            each.need_agent()
            portfolio = filled_portfolio(each, "path", PATH_CHUNKS)
            asked.append((each, ("--portfolio", portfolio, "--count", 200)))
            bench.load(each, "closed", *asked[-1][1])  # the resident index is loaded, pages are warm
        rounds = [[bench.load(each, "closed", *one) for each, one in asked] for _ in range(bench.runs)]
    ours, hashing = ([r["first_p50_us"] / 1000 for r in results] for results in zip(*rounds))
    return [Row("first token, full path with the model, p50", "ms", ours, [h + 2 for h in hashing],
                floor_name="with hashing", floors=hashing, notes=faults([r for pair in rounds for r in pair]))]


def model(bench):
    folder = pathlib.Path(bench.bin).parent / "oracle"
    package.fetch(folder)
    return texts_of(bench, folder) + documents(bench, folder) + first_token(bench, folder)
