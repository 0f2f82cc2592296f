"""Cases of portfolios that are searched in PostgreSQL, from the graph to the client, as a table: a line a
case and ef_search.

Each case is a database of its own, on one server with the memory that deploy/compose.yaml gives it; it has
groups of portfolios, and one portfolio beside a hundred times as large a one is 1 % of a database."""
import dataclasses
import os
import pathlib
import statistics
import subprocess
import sys

from search_client import SearchClient
from table import aligned, number

SERVER = {"shared_buffers": "512MB", "maintenance_work_mem": "256MB"}
EFS = (40, 100, 200)
EF = 100             # HNSW_EF_SEARCH's default, and the least that the retriever takes: it asks for 100 rows
HOUR_S = 3600
LEGS = ("vectors", "words", "both")


@dataclasses.dataclass(frozen=True)
class Case:
    dimensions: int
    groups: tuple            # of (chunks of each, portfolios)
    watched: bool = False    # has targets: as many rounds as the bench has runs

    @property
    def name(self):
        return "_".join(f"{chunks}x{count}" for chunks, count in self.groups) + f"_{self.dimensions}"


def sizes(dimensions, chunks):
    """So many chunks as one portfolio, with another of a hundredth beside it; and as a hundred."""
    return [Case(dimensions, ((chunks, 1), (chunks // 100, 1))),
            Case(dimensions, ((chunks // 100, 100),))]


def watched(case):
    return dataclasses.replace(case, watched=True)


def cases(full, million):
    """The short list takes about five minutes."""
    small, large = sizes(384, 10_000), sizes(384, 100_000)
    listed = [Case(384, ((1000, 1),)), small[0], watched(small[1]), watched(large[0])]
    if full:
        listed += [Case(384, ((10, 100),)), large[1], Case(1536, ((1000, 1),)),
                   Case(1536, ((10, 100),)), *sizes(1536, 10_000), *sizes(1536, 100_000)]
    if million:
        listed += sizes(384, 1_000_000)[:1] + (sizes(1536, 1_000_000)[:1] if full else [])
    return listed


class Outcome:
    """What one group of a case did: `built` and `layout`, `inside` by ef_search and leg with a value a round,
    `floors`, `client` by ef_search."""

    def __init__(self, case, group):
        self.case = case
        self.group = group
        self.chunks, self.portfolios = case.groups[group]
        self.inside, self.floors, self.client = {}, [], {}

    @property
    def name(self):
        if self.portfolios > 1:
            return f"{self.chunks * self.portfolios:,} in {self.portfolios} portfolios"
        beside = [chunks for chunks, _ in self.case.groups if chunks > self.chunks]
        return f"{self.chunks:,}" + (f" beside {beside[0]:,}" if beside else " in one portfolio")

    def values(self, leg, what="p50_ms", ef=EF):
        return [each[what] for each in self.inside[ef, leg]]

    def median(self, *which):
        return statistics.median(self.values(*which))


def fields(words):
    """Of "key=value" words."""
    pairs = (word.split("=") for word in words)
    return {key: value if key == "leg" else float(value) for key, value in pairs}


def read(case, text):
    """The outcomes of what bench_postgres printed."""
    outcomes = [Outcome(case, group) for group in range(len(case.groups))]
    for line in text.splitlines():
        kind, *words = line.split()
        values = fields(words)
        for outcome in outcomes if "group" not in values else [outcomes[int(values["group"])]]:
            if kind == "search":
                outcome.inside.setdefault((int(values["ef"]), values["leg"]), []).append(values)
            elif kind == "floor":
                outcome.floors.append(values["p50_ms"])
            else:
                setattr(outcome, kind, values)
    return outcomes


def measure(bench, server, case):
    print(f"  {case.name} …", file=sys.stderr, flush=True)
    questions = pathlib.Path(bench.folder.name) / case.name
    server.psql(f'CREATE DATABASE "{case.name}"')
    url = server.url(case.name)
    command = [bench.bin / "bench_postgres", "--dimensions", case.dimensions, "--questions", questions, "--rounds",
               bench.runs if case.watched else 1, "--ef", ",".join(map(str, EFS)),
               *(f"{chunks}x{count}" for chunks, count in case.groups)]
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True,
                          timeout=6 * HOUR_S, env={"MILLRACE_TEST_STORE": url, "PATH": os.environ["PATH"]})
    outcomes = read(case, done.stdout)
    for ef in EFS:
        if ef >= EF:
            ask(bench, url, case, questions, ef, outcomes)
    server.psql(f'DROP DATABASE "{case.name}" WITH (FORCE)')
    return outcomes


def ask(bench, url, case, questions, ef, outcomes):
    name = f"openai-compatible/made-up/{case.dimensions}"
    chunks_max = int(outcomes[0].layout["chunks_max"])
    with SearchClient(bench, url, name, case.dimensions, questions, resident_chunks_max=chunks_max,
                      hnsw_ef_search=ef) as client:
        for outcome in outcomes:
            outcome.client[ef] = client.measure(outcome.group)


# --- the table ---

HEADS = ("chunks", "dimensions", "ef_search", "recall@10", "rows", "vectors p50", "p99", "words p50", "p99",
         "both p50", "p99", "client p50", "p99", "embedder", "retriever", "graph MB", "all MB", "build s")


def cells(outcome, ef):
    client = outcome.client.get(ef, {})
    legs = [number(outcome.median(leg, what, ef), "") for leg in LEGS for what in ("p50_ms", "p99_ms")]
    seen = [number(client[name], "") if client else ""
            for name in ("p50_ms", "p99_ms", "embed_ms", "retrieve_ms")]
    built = [f"{outcome.built[name] / 1e6:,.1f}" for name in ("graph_bytes", "all_bytes")]
    return [outcome.name, str(outcome.case.dimensions), str(ef), f"{outcome.median('vectors', 'recall', ef):.3f}",
            f"{outcome.median('vectors', 'rows', ef):.0%}", *legs, *seen, *built,
            number(outcome.built["build_s"], "")]


def text_table(outcomes):
    floors = [floor for outcome in outcomes for floor in outcome.floors]
    bare = [client["floor_ms"] for outcome in outcomes for client in outcome.client.values()]
    return "\n".join([
        "Searched in PostgreSQL. Times in ms: each leg alone and both, inside the retriever; both, by HTTP, at the",
        f"client ({EF} rows are asked of each leg: with an ef_search below, the retriever does not start). Of the",
        "client's p50, the embedder (in Python) and the retriever (search, and the passages' texts).",
        f"Floors: SELECT 1 {number(statistics.median(floors), 'ms')}, "
        f"GET /healthz {number(statistics.median(bare), 'ms')}.",
        "",
        aligned([HEADS, *(cells(outcome, ef) for outcome in outcomes for ef in EFS)])])
