"""Questions that bench_postgres has written, asked over HTTP: gateway, embedder and retriever on the very
database that was measured inside the retriever. The embedder is one of ours that has the vectors
recorded, in Python: its share is told apart."""
import contextlib
import json
import math
import pathlib
import time

from private_system import PrivateSystem

FLOORS = 500
WARM_UP = 60


def quantile(values, share):
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class SearchClient:
    """A system on `url`, and one connection to it, as long as the context lasts."""

    def __init__(self, bench, url, embedder, dimensions, questions, **settings):
        flags = {"database-url": url, **{name.replace("_", "-"): value for name, value in settings.items()}}
        words = [word for name, value in flags.items() for word in (f"--{name}", value)]
        self.system = PrivateSystem(bench.bin, pools=("retriever", "generator"), flags={"retriever": words})
        worker = pathlib.Path(__file__).with_name("recorded_embedder.py")
        self.embedder = ["/usr/bin/python3", worker, "LANES", embedder, dimensions, questions]
        self.questions = [line.split(" ", 2) for line in pathlib.Path(questions).read_text().splitlines()]

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.system)
            self.embedder[2] = self.system.lanes_port
            self.system.add("embedder", self.embedder)
            self.system.wait_ready()
            self.connection = stack.enter_context(contextlib.closing(self.system.connect()))
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *reason):
        return self.stack.__exit__(*reason)

    def timed(self, method, path, body=None):
        start = time.perf_counter()
        self.connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = response.read()
        took_ms = 1000 * (time.perf_counter() - start)
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {answer[:300]}")
        return took_ms, answer

    def search(self, portfolio, text, top_k):
        body = json.dumps({"query": text, "top_k": top_k})
        took_ms, answer = self.timed("POST", f"/api/portfolios/{portfolio}/search", body)
        answer = json.loads(answer)
        return {"total": took_ms, **{name: answer["timings_ms"][name] for name in ("embed", "retrieve")},
                "by_vector": any(result["scores"]["vector"] for result in answer["results"])}

    def measure(self, group, top_k=10):
        """Milliseconds: at the client, and what of it the pools took; and a bare request of the same client."""
        asked = [question[1:] for question in self.questions if int(question[0]) == group]
        for portfolio, text in (asked * WARM_UP)[:max(WARM_UP, 2 * len({each[0] for each in asked}))]:
            self.search(portfolio, text, top_k)
        floors = [self.timed("GET", "/healthz")[0] for _ in range(FLOORS)]
        times = [self.search(portfolio, text, top_k) for portfolio, text in asked]
        totals = [each["total"] for each in times]
        if not any(each["by_vector"] for each in times):
            raise RuntimeError(f"group {group} was searched by words alone")
        return {"p50_ms": quantile(totals, 0.5), "p99_ms": quantile(totals, 0.99),
                "floor_ms": quantile(floors, 0.5),
                **{f"{stage}_ms": quantile([each[stage] for each in times], 0.5) for stage in ("embed", "retrieve")}}
