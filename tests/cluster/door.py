"""The cluster's door from outside: what nginx must hand through, and what it must not.

Each check is a function of the cluster; all of them run while the load does."""
import http.client
import json
import statistics
import time

from clients import PATH, Question
from compose import wait_for
from tokens import token

MIB = 1 << 20
LEAVING_MS_MAX = 50
LEAVERS = 9
NEEDLE = "The harbour's tariff for a barge of quinces is eleven groats."


def stream(cluster, question, **headers):
    """An answer that has begun: its connection and response."""
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=30)
    connection.request("POST", PATH, question.body(), {**cluster.headers(), **headers})
    return connection, connection.getresponse()


def events(response):
    return [json.loads(line[6:]) for line in response.read().splitlines() if line.startswith(b"data: ")]


# --- the checks ---

def is_open_only_where_it_should(cluster):
    chat = token(scope="chat")
    for path, bearer, wanted in (("/healthz", None, 200), ("/readyz", None, 200), ("/metrics", None, 401),
                                 ("/api/ops/pools", None, 401), ("/api/agents", None, 401),
                                 ("/metrics", chat, 403), ("/api/agents", chat, 200)):
        status, _ = cluster.call("GET", path, bearer=bearer)
        assert status == wanted, f"{path}: {status}, not {wanted}"
    redis, = cluster.project.containers("redis")
    answer = cluster.project.run("docker", "exec", redis, "redis-cli", "ping")
    assert "NOAUTH" in answer, f"Redis without a password says {answer}"


def hands_headers_through(cluster):
    """X-Accel-Buffering too, for a balancer that stands before this nginx."""
    connection, response = stream(cluster, Question("headers", cluster.load.rng), **{"X-Request-Id": "door-1"})
    wanted = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no",
              "x-request-id": "door-1"}
    found = {name: response.getheader(name) for name in wanted}
    assert found == wanted, found
    last = events(response)[-1]
    assert last["type"] == "done", last
    connection.close()


def streams_as_it_comes(cluster):
    """The first text reaches the client long before the last is written."""
    question = Question("at once", cluster.load.rng, length=60, gap_ms=400)
    connection, response = stream(cluster, question)
    began = time.monotonic()
    response.readline()
    first = time.monotonic() - began
    last = events(response)[-1]
    whole = time.monotonic() - began
    assert last["type"] == "done" and whole - first > 1.2, f"first {first:.2f} s, whole {whole:.2f} s"
    connection.close()


def is_left(cluster):
    """Milliseconds from a client's going until its provider is hung up on."""
    question = Question("leaving", cluster.load.rng, length=600, gap_ms=100)
    connection, response = stream(cluster, question)
    response.readline()
    connection.close()
    response.close()
    gone = time.monotonic()
    wait_for(lambda: question.seed in cluster.provider.left, "the end of a generation that nobody wants", 10)
    return (cluster.provider.left[question.seed] - gone) * 1000


def stops_when_its_client_leaves(cluster):
    took = statistics.median(is_left(cluster) for _ in range(LEAVERS))
    assert took <= LEAVING_MS_MAX, f"generation stops {took:.0f} ms after its client left"
    return f"{took:.1f} ms"


def answers_from_the_cache(cluster):
    """Switches reach every gateway: asked until it is so."""
    question = Question("kept", cluster.load.rng)

    def ask():
        connection, response = stream(cluster, question)
        *tokens, last = events(response)
        connection.close()
        text = "".join(event["content"] for event in tokens)
        assert (last["type"], text) == ("done", question.expected), (last, text)
        return last["cached"]

    cluster.set_cache(True)
    wait_for(ask, "a cached answer", 20)
    cluster.set_cache(False)
    wait_for(lambda: not ask() and not ask(), "answers that are made again", 20)


def takes_documents(cluster):
    """Many at once, one of more than a mebibyte: found by their words as soon as they are stored."""
    portfolio = cluster.good("POST", "/api/portfolios", {"name": "harbour"})["id"]
    filler = " ".join(f"Paragraph {n} is about moorings, tides and the keeping of ropes.\n" for n in range(20000))
    assert len(filler) > MIB
    documents = [{"source": f"page-{n}", "format": "text", "content": f"Page {n} of the almanac."} for n in range(50)]
    documents.append({"source": "tariffs", "format": "text", "content": filler + NEEDLE})
    began = time.monotonic()
    stored = cluster.good("POST", f"/api/portfolios/{portfolio}/documents", documents)["data"]
    assert len(stored) == len(documents), stored
    found = cluster.good("POST", f"/api/portfolios/{portfolio}/search", {"query": "tariff quinces groats", "top_k": 3})
    assert NEEDLE in found["results"][0]["text"], found
    took = time.monotonic() - began
    cluster.good("DELETE", f"/api/portfolios/{portfolio}")
    return f"{took:.1f} s"


def refuses_what_is_too_large(cluster):
    """With the gateways' own words, whichever of the two sees it first."""
    for path, size in ((PATH, 200 << 10), ("/api/portfolios/1/documents", 40 * MIB),
                       ("/api/portfolios/1/documents", 80 * MIB)):
        for _ in range(3):
            status, error = cluster.call("POST", path, raw=b'{"message": "' + b"x" * size + b'"}')
            assert status == 413 and error["error"]["code"] == "body_too_large", (path, size, status, error)


CHECKS = (is_open_only_where_it_should, hands_headers_through, streams_as_it_comes, stops_when_its_client_leaves,
          answers_from_the_cache, takes_documents, refuses_what_is_too_large)
