"""Answers that are known already: from the process and from Redis beside nginx returning the same bytes,
with their turns recorded, what they cost in Redis, one answer for a thousand who ask at once, and how many
questions of a stream are known. The gateway has one core, the load the other."""
import contextlib
import json
import os
import pathlib
import socket
import sys
import time

import figures
import paraphrases
from floors import listens
from private_system import PrivateSystem
from system import free_ports, wait_for
from table import Row

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from redis import Redis  # noqa: E402

KIB_ANSWER = "script+length=1000"
SLOW_ANSWER = "script+length=1000+piece=20+first_ms=200+gap_ms=5"
QUESTIONS = 1000
CROWD = 1000
DRAWN = 4000
CORES = sorted(os.sched_getaffinity(0))
NGINX = """
daemon off; master_process off; error_log {folder}/error.log warn; pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000; default_type application/json;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{body}'; }} }}
}}
"""


@contextlib.contextmanager
def on_core(core):
    """What is started meanwhile stays on it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Site:
    """The gateway alone on the first core; workers, mock, Redis and load on the last."""

    def __init__(self, bench, redis=None, cache_bytes=64 << 20, **named):
        self.bench = bench
        self.gateway_flags = ["--cache-bytes-max", cache_bytes]
        if redis:
            self.gateway_flags += ["--redis-url", redis.url]
        self.named = named

    def __enter__(self):
        site = self

        class Apart(PrivateSystem):
            def launch(self, name, *flags):
                with on_core(CORES[0] if name == "gateway" else CORES[-1]):
                    super().launch(name, *flags)

        self.system = Apart(self.bench.bin, flags={"gateway": site.gateway_flags}, cache=True, **self.named)
        self.system.__enter__()
        self.mock = free_ports(2)
        self.log = self.system.data / "mock.log"
        with on_core(CORES[-1]):
            self.system.add("mock", ["env", f"SCRIPTED_LOG={self.log}",
                                     self.bench.bin / "scripted-provider", self.mock])
        wait_for(lambda: listens(self.mock), "the mock")
        return self

    def __exit__(self, *reason):
        self.system.__exit__(*reason)

    def agent(self, model, **fields):
        made = self.system.good("POST", "/api/agents", {
            "name": "bench", "provider": "openai-compatible", "model": model,
            "base_url": f"http://127.0.0.1:{self.mock}/v1", **fields})
        return f"/api/agents/{made['id']}/chat"

    def load(self, mode, path, *arguments, port=None, questions=None):
        with on_core(CORES[-1]):
            return self.bench.program("bench_load", mode, "--port", port or self.system.port, "--path", path,
                                      "--questions", questions or self.bench.greeting, *arguments)

    def add_nginx(self, body):
        folder, port = self.system.data / "nginx", self.mock + 1
        folder.mkdir()
        escaped = body.replace("\\", "\\\\").replace("'", "\\'")
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, body=escaped))
        with on_core(CORES[0]):
            self.system.add("nginx", ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e",
                                      folder / "error.log"])
        wait_for(lambda: listens(port), "nginx")
        return port


def caches(bench):
    with Redis() as redis:
        rows = beside_nginx(bench, "the process", 0.5, None, 64 << 20)
        rows += beside_nginx(bench, "Redis", 0.25, redis, 0)
        rows += recorded(bench) + redis_memory(bench)
    return rows + crowd(bench) + drawn(bench)


# --- beside nginx ---


def beside_nginx(bench, source, share, redis, cache_bytes):
    with Site(bench, redis, cache_bytes) as site:
        path = site.agent(KIB_ANSWER)
        forget = {"message": figures.GREETING, "store": False}
        site.system.good("POST", path, forget)
        body = wait_for(lambda: known(site, path, forget), "the cached answer").decode().strip()
        port = site.add_nginx(body)
        rounds = [measure(site, path, port) for _ in range(bench.runs)]
    ours, floor, one, one_floor = zip(*rounds)
    notes = figures.faults([{**r, "cached": r["answers"] - r["cached"]} for r in (*ours, *one)])
    return [
        Row(f"cached answers/s from {source}, {figures.CLIENTS} clients", "/s", per_s(ours),
            [share * f for f in per_s(floor)], at_least=True, floor_name="nginx", floors=per_s(floor),
            notes=notes),
        Row(f"a cached answer from {source}, one client, p50", "µs", [r["total_p50_us"] for r in one],
            [4 * r["total_p50_us"] for r in one_floor] if source != "Redis" else (), floor_name="nginx",
            floors=[r["total_p50_us"] for r in one_floor])]


def known(site, path, body):
    reply = site.system.post(path, body)
    return reply.body if reply.json["cached"] is True else None


def measure(site, path, port):
    busy, one = ("--clients", figures.CLIENTS, "--seconds", 3), ("--count", 3000)
    return (site.load("closed", path, "--forget", *busy), site.load("closed", "/", *busy, port=port),
            site.load("closed", path, "--forget", *one), site.load("closed", "/", *one, port=port))


def per_s(results):
    return [r["per_s"] for r in results]


# --- with the turn recorded ---


def recorded(bench):
    with PrivateSystem(bench.bin, cache=True) as system:
        system.need_agent()
        system.good("POST", figures.CHAT, {"message": figures.GREETING})
        asked = ("--port", system.port, "--path", figures.CHAT, "--questions", bench.greeting)
        rounds = [(bench.program("bench_load", "paced", "--clients", 256, "--rate", 1000, "--seconds", 5, *asked),
                   bench.program("bench_load", "closed", "--clients", figures.CLIENTS, "--seconds", 4, *asked))
                  for _ in range(bench.runs)]
        sync_us = figures.sync_us(system.data)
    paced, closed = zip(*rounds)
    missed = [f"{sum(r['answers'] - r['recorded'] for r in results)} answers were not recorded"
              for results in (paced, closed) if any(r["answers"] != r["recorded"] for r in results)]
    note = [f"the disk syncs 4 KiB in {sync_us:.0f} µs", *missed]
    return [Row("a cached answer, recorded, 1,000 questions/s, p99", "ms",
                [r["total_p99_us"] / 1000 for r in paced], [5], notes=note),
            Row(f"cached answers/s, recorded, {figures.CLIENTS} clients", "/s", per_s(closed), [4000],
                at_least=True)]


# --- Redis' memory ---


def redis_memory(bench):
    with Redis() as redis, Site(bench, redis) as site:
        portfolio = figures.filled_portfolio(site.system, "memory", figures.PATH_CHUNKS)
        path = site.agent(KIB_ANSWER, portfolio_id=portfolio)
        before = redis.memory()
        questions = bench.write("known", figures.corpus.questions(QUESTIONS))
        result = site.load("closed", path, "--clients", 8, "--seconds", 60, "--count", QUESTIONS,
                           questions=questions)
        wait_for(lambda: len(redis.keys("agent:response:")) >= QUESTIONS - 1, "the answers in Redis")
        used = redis.memory() - before
        kinds = {prefix: len(redis.keys(prefix))
                 for prefix in ("agent:response:", "rag:chunks:", "rag:embedding:")}
    return [Row(f"Redis, {QUESTIONS:,} questions with 1 KB answers and their chunks", "MB",
                [used / 1e6], [5], notes=[f"{kinds}", *figures.faults([{**result, "cached": 0}])])]


# --- a thousand at once ---


def crowd(bench):
    with Site(bench) as site:
        path = site.agent(SLOW_ANSWER) + "/stream"
        body = json.dumps({"message": "A question that nobody has asked before?", "store": False}).encode()
        request = (f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                   f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
        streams, seconds = ask_together(site.system.port, request)
        begun = sum(line.startswith("begin ") for line in site.log.read_text().splitlines())
    texts = {text_of(stream) for stream in streams}
    whole = sum(stream.rstrip().endswith(b"0") and b'"type":"done"' in stream for stream in streams)
    return [Row(f"{CROWD:,} clients with one new question: generations", "", [begun], [1],
                notes=[f"{whole} whole streams, {len(texts)} different texts, all after {seconds:.2f} s"]),
            Row(f"{CROWD:,} clients with one new question: equal, complete streams", "",
                [whole if len(texts) == 1 else 0], [CROWD], at_least=True)]


def ask_together(port, request):
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CROWD)]
    start = time.monotonic()
    for s in sockets:
        s.sendall(request)
    streams = [read_all(s) for s in sockets]
    return streams, time.monotonic() - start


def read_all(s):
    pieces = []
    with s:
        while piece := s.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def text_of(stream):
    lines = [line[line.index(b"data: ") + 6:] for line in stream.splitlines() if b"data: " in line]
    events = [json.loads(line) for line in lines]
    return "".join(event.get("content", "") for event in events if event["type"] == "token")


# --- a stream of questions ---


def drawn(bench):
    rows = []
    intent_of = paraphrases.intent_of()
    for name, semantic in (("exact alone", False), ("with semantic", True)):
        with PrivateSystem(bench.bin, cache=True) as system:
            portfolio = system.portfolio("demo", demo_documents())
            agent = system.good("POST", "/api/agents", {
                "name": "drawn", "provider": "extractive", "portfolio_id": portfolio,
                "semantic_cache": semantic})["id"]
            counts, wrong = ask_drawn(system, f"/api/agents/{agent}/chat", intent_of)
        rows.append(Row(f"hit rate of {DRAWN:,} drawn questions, {name}", "%",
                        [100 * (DRAWN - counts[False]) / DRAWN],
                        notes=[f"exact {counts[True]}, semantic {counts['semantic']}, "
                               f"answered anew {counts[False]}"]))
        rows.append(Row(f"wrong hits of {DRAWN:,} drawn questions, {name}", "", [len(wrong)], [0],
                        notes=[f"{asked!r} got the answer of {of!r}" for asked, of in wrong[:5]]))
    return rows


def demo_documents():
    folder = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "demo"
    formats = {".md": "markdown", ".html": "html", ".txt": "text"}
    return [{"source": path.name, "format": formats[path.suffix], "content": path.read_text()}
            for path in sorted(folder.iterdir()) if path.suffix in formats]


def ask_drawn(system, path, intent_of):
    counts, wrong = {False: 0, True: 0, "semantic": 0}, []
    for intent, wording in paraphrases.stream(DRAWN):
        answer = system.good("POST", path, {"message": wording})
        counts[answer["cached"]] += 1
        if answer["cached"] == "semantic":
            of = answer["semantic"]["question"]
            if intent_of.get(of) != intent:
                wrong.append((wording, of))
    return counts, wrong
