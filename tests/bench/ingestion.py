"""Putting documents into a portfolio over HTTP, a few connections at a time, until every vector is
stored."""
import http.client
import json
import threading
import time

CONNECTIONS = 2
BATCH = 10
POLL_S = 0.05
PATIENCE_S = 120


def new_portfolio(system, name):
    return system.good("POST", "/api/portfolios", {"name": name})["id"]


def batches(documents):
    batch = []
    for document in documents:
        batch.append(document)
        if len(batch) == BATCH:
            yield json.dumps(batch).encode()
            batch = []
    if batch:
        yield json.dumps(batch).encode()


class Ingestion:
    """Posts all documents, or, with `until` an event, goes on until that is set."""

    def __init__(self, system, portfolio, documents, until=None):
        self.system = system
        self.portfolio = portfolio
        self.bodies = list(batches(documents))
        self.until = until
        self.next = 0
        self.lock = threading.Lock()
        self.failure = None
        self.start_s = time.monotonic()
        self.threads = [threading.Thread(target=self.post, daemon=True) for _ in range(CONNECTIONS)]
        for thread in self.threads:
            thread.start()

    def take(self):
        with self.lock:
            stopped = self.failure or (self.until and self.until.is_set())
            if stopped or self.next == len(self.bodies):
                return None
            self.next += 1
            return self.bodies[self.next - 1]

    def post(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.system.port, timeout=60)
        path = f"/api/portfolios/{self.portfolio}/documents"
        try:
            while (body := self.take()) is not None:
                connection.request("POST", path, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                text = response.read()
                if response.status not in (201, 202):
                    raise RuntimeError(f"documents refused: {response.status} {text[:300]}")
        except Exception as error:  # told by wait()
            self.failure = error
        finally:
            connection.close()

    def wait(self):
        """Until all is posted and stored. Chunks and seconds since the start."""
        for thread in self.threads:
            thread.join(PATIENCE_S)
        if self.failure:
            raise self.failure
        posted_s = time.monotonic() - self.start_s
        self.wait_for_vectors()
        seconds = time.monotonic() - self.start_s
        portfolio = self.system.good("GET", f"/api/portfolios/{self.portfolio}")
        return {"chunks": portfolio["chunks"], "documents": portfolio["documents"],
                "posted_s": posted_s, "seconds": seconds}

    def wait_for_vectors(self):
        """Documents become `stored` about in the order of their ids: pages from the first that is
        not yet, so that asking costs the system little."""
        after, deadline = 0, time.monotonic() + PATIENCE_S
        path = f"/api/portfolios/{self.portfolio}/documents?limit=100&after="
        while time.monotonic() < deadline:
            page = self.system.good("GET", path + str(after))["data"]
            failed = [d for d in page if d["status"] == "failed"]
            if failed:
                raise RuntimeError(f"a document failed: {failed[0].get('error')}")
            if not page:
                return
            stored = [d["id"] for d in page if d["status"] == "stored"]
            if len(stored) == len(page):
                after = stored[-1]
            else:
                time.sleep(POLL_S)
        raise RuntimeError(f"vectors not stored within {PATIENCE_S} s")
