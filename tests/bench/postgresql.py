"""Figures of the store on PostgreSQL, on a private server with fsync on: turns recorded, a cold
portfolio into memory, and a large one searched in the database."""
import pathlib
import re
import subprocess
import sys

from table import Row

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import postgres  # noqa: E402

CHUNKS = 10000
BUILD_S = 1800


def output(bench, url, program, *arguments):
    done = subprocess.run([bench.bin / program, *map(str, arguments)],
                          env={"MILLRACE_TEST_STORE": url, "PATH": "/usr/bin:/bin"}, check=True,
                          stdout=subprocess.PIPE, text=True, timeout=BUILD_S)
    return done.stdout


def figure(text, name, pattern):
    """A number of the line that begins with `name`, or of the one below it."""
    start = text.index(name)
    return float(re.search(pattern, text[start:]).group(1))


def one_run(bench):
    with postgres.server() as server:
        for name in ("turns", "search"):
            server.psql(f"CREATE DATABASE {name}")
        turns = output(bench, server.url("turns"), "bench_store")
        search = output(bench, server.url("search"), "bench_postgres", CHUNKS)
    p50 = r"p50 +([0-9.]+) ms"
    return {"floor": figure(search, "floor", p50),
            "turns": figure(turns, "turns, 64", r"([0-9]+) turns/s"),
            "cold": figure(search, "cold", p50),
            "vectors": figure(search, "vectors alone", p50),
            "recall": figure(search, "vectors alone", r"recall@10 ([0-9.]+)"),
            "words": figure(search, "words alone", p50),
            "both": figure(search, "both", p50)}


def postgresql(bench):
    runs = [one_run(bench) for _ in range(bench.runs)]

    def values(name):
        return [run[name] for run in runs]

    floors = {"floor_name": "SELECT 1", "floors": values("floor")}
    slower = [max(run["vectors"], run["words"]) for run in runs]
    return [
        Row("PostgreSQL: turns recorded by one retriever", "/s", values("turns"), [2000], True),
        Row("PostgreSQL: 5,000 chunks into memory", "ms", values("cold"), [150]),
        Row(f"PostgreSQL: {CHUNKS} chunks searched by vectors", "ms", values("vectors"),
            [run["floor"] + 2 for run in runs], **floors),
        Row("  recall@10 beside exact search", "", values("recall"), [0.95], True),
        Row("  by words", "ms", values("words"), **floors),
        Row("  by both", "ms", values("both"), [each + 2 for each in slower], **floors),
    ]
