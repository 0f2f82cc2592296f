"""Figures of the store on PostgreSQL, on a private server with fsync on: turns recorded, a cold portfolio into
memory, and portfolios searched in the database."""
import os
import pathlib
import re
import subprocess
import sys

import postgres_cases
from table import Row

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import postgres  # noqa: E402

PATIENCE_S = 600


def output(bench, server, program):
    """What a program prints that is given a database of its own."""
    server.psql(f"CREATE DATABASE {program}")
    done = subprocess.run([bench.bin / program], check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S,
                          env={"MILLRACE_TEST_STORE": server.url(program), "PATH": os.environ["PATH"]})
    server.psql(f"DROP DATABASE {program} WITH (FORCE)")
    return done.stdout


def one_number(text, pattern):
    return float(re.search(pattern, text).group(1))


def searched(outcome):
    """Rows of one group of portfolios, at the ef_search that is the retriever's default."""
    floors = {"floor_name": "SELECT 1", "floors": outcome.floors}
    vectors, words = outcome.values("vectors"), outcome.values("words")
    client = outcome.client[postgres_cases.EF]
    return [
        Row(f"PostgreSQL: {outcome.name}, by vectors, p50", "ms", vectors, [each + 2 for each in outcome.floors],
            **floors, notes=["the aim is 1 ms above SELECT 1"]),
        Row("  recall@10 beside exact search", "", outcome.values("vectors", "recall"), [0.95], True),
        Row("  share of the rows asked for", "", outcome.values("vectors", "rows"), [1], True),
        Row("  by words, p50", "ms", words, **floors),
        Row("  by both, p50", "ms", outcome.values("both"), [max(pair) + 2 for pair in zip(vectors, words)], **floors),
        Row("  by both, at the client, p50", "ms", [client["p50_ms"]], floor_name="GET /healthz",
            floors=[client["floor_ms"]]),
    ]


def postgresql(bench):
    with postgres.server(**postgres_cases.SERVER) as server:
        turns = [one_number(output(bench, server, "bench_store"), r"turns, 64 outstanding +([0-9]+) turns/s")
                 for _ in range(bench.runs)]
        cold = [one_number(output(bench, server, "bench_postgres_cold"), r"p50_ms=([0-9.]+)")
                for _ in range(bench.runs)]
        outcomes = [outcome for case in postgres_cases.cases(bench.full, bench.million)
                    for outcome in postgres_cases.measure(bench, server, case)]
    bench.tables.append(postgres_cases.text_table(outcomes))
    return [
        Row("PostgreSQL: turns recorded by one retriever", "/s", turns, [2000], True),
        Row("PostgreSQL: 5,000 chunks into memory", "ms", cold, [150]),
        *(row for outcome in outcomes if outcome.case.watched for row in searched(outcome)),
    ]
