#!/usr/bin/env python3
"""The scripted provider does what it is told, in each of its dialects: other tests rest on that."""
import base64
import http.client
import json
import socket
import struct
import time
import urllib.error
import urllib.request

from scripted import text_of
from scripted_provider import SECRET, SECRET_ADDRESS, ScriptedProvider, embedding_of, model

QUESTION = [{"role": "user", "content": "What is é?"}]
KEYS = {"Content-Type": "application/json", "anthropic-version": "2023-06-01"}


def ask(url, body, **headers):
    """Status, headers and body of a POST."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {**KEYS, **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def events_of(stream):
    """The events of a stream with LF line ends: (name, data)."""
    for block in stream.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line]
        if lines:
            yield (next((l[7:] for l in lines if l.startswith("event: ")), None),
                   "\n".join(l[6:] for l in lines if l.startswith("data: ")))


def chat(url, stream=True, usage=True, messages=QUESTION, **script):
    body = {"model": model(**script), "messages": messages, "stream": stream}
    if stream and usage:
        body["stream_options"] = {"include_usage": True}
    return ask(url + "/chat/completions", body)


def openai_text(stream):
    """The text, finish reason and usage of a stream that ends as it should."""
    events = [data for _, data in events_of(stream)]
    assert events[-1] == "[DONE]", events[-1]
    chunks = [json.loads(data) for data in events[:-1]]
    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    return text, choices[-1]["finish_reason"], chunks[-1].get("usage")


def test_openai(provider):
    status, headers, stream = chat(provider.url, seed=7, length=100, piece=9)
    assert status == 200 and headers["Content-Type"] == "text/event-stream"
    text, finish, usage = openai_text(stream)
    assert (text, finish, usage["completion_tokens"]) == (text_of(7, 100), "stop", 12), (text, finish, usage)
    whole = json.loads(chat(provider.url, stream=False, seed=7, length=100, piece=9, finish="length")[2])
    assert whole["choices"][0]["message"]["content"] == text_of(7, 100)
    assert whole["choices"][0]["finish_reason"] == "length" and whole["usage"] == usage
    assert openai_text(chat(provider.url, usage=False)[2])[2] is None
    assert openai_text(chat(provider.url, fault="no_usage")[2])[2] is None
    assert openai_text(chat(provider.url, text="one_two")[2])[0] == "one two"
    assert openai_text(chat(provider.url, echo=1, piece=3)[2])[0] == QUESTION[0]["content"]


def test_mistral(provider):
    text, finish, usage = openai_text(chat(provider.mistral_url, usage=False, seed=3)[2])
    assert (text, finish) == (text_of(3, 200), "stop") and usage["completion_tokens"] == 17
    assert chat(provider.mistral_url)[0] == 400  # stream_options


def test_anthropic(provider):
    url = provider.root + "/v1/messages"
    body = {"model": model(seed=5, length=50, finish="length"), "messages": QUESTION, "stream": True}
    assert ask(url, body)[0] == 400  # no max_tokens
    body["max_tokens"] = 100
    events = [(name, json.loads(data)) for name, data in events_of(ask(url, body)[2])]
    assert all(name == data["type"] for name, data in events)
    assert [name for name, _ in events if name != "content_block_delta"] == [
        "message_start", "content_block_start", "ping", "content_block_stop", "message_delta", "message_stop"]
    text = "".join(data["delta"]["text"] for name, data in events if name == "content_block_delta")
    assert text == text_of(5, 50) and events[-2][1]["delta"]["stop_reason"] == "max_tokens"
    assert events[-2][1]["usage"]["output_tokens"] == 5
    whole = json.loads(ask(url, {**body, "stream": False})[2])
    assert whole["content"][0]["text"] == text and whole["stop_reason"] == "max_tokens"
    assert ask(url, {**body, "messages": QUESTION * 2})[0] == 400  # roles alternate


def test_frames(provider):
    plain = chat(provider.url)[2]
    for frame, end in ("crlf", b"\r\n"), ("cr", b"\r"):
        framed = chat(provider.url, frame=frame)[2]
        assert framed.count(end) == plain.count(b"\n")
        assert openai_text(framed.replace(end, b"\n"))[0] == text_of(0, 200)
    bom = chat(provider.url, frame="bom")[2]
    assert bom.startswith(b"\xef\xbb\xbf") and openai_text(bom[3:])[0] == text_of(0, 200)
    for frame, sign in ("comment", b"\n: PROCESSING\n"), ("multi", b"data: {\ndata: "):
        framed = chat(provider.url, frame=frame)[2]
        assert sign in framed and openai_text(framed)[0] == text_of(0, 200)


def test_errors(provider):
    status, headers, body = chat(provider.url, status=429, retry_after=3)
    assert status == 429 and headers["Retry-After"] == "3"
    assert SECRET in body.decode() and SECRET_ADDRESS in body.decode()
    assert [chat(provider.url, status=503, fails=2)[0] for _ in range(4)] == [503, 503, 200, 200]
    assert chat(provider.url, lenght=3)[0] == 400  # a test that cannot spell
    url, body = provider.url + "/chat/completions", {"model": model(key="k1"), "messages": QUESTION}
    assert ask(url, body)[0] == 401 and ask(url, body, Authorization="Bearer k2")[0] == 401
    assert ask(url, body, Authorization="Bearer k1")[0] == 200
    assert ask(provider.root + "/v1/messages", {**body, "max_tokens": 1}, **{"x-api-key": "k1"})[0] == 200
    assert ask(provider.root + "/v2", body)[0] == 404


def is_cut(call):
    try:
        call()
    except (http.client.IncompleteRead, ConnectionError):
        return True
    return False


def test_faults(provider):
    for stream in (True, False):
        assert is_cut(lambda: chat(provider.url, stream=stream, fault="cut"))
    early = chat(provider.url, fault="early_end", at=24)[2]
    assert early.count(b"chat.completion.chunk") == 3 and b"[DONE]" not in early
    assert SECRET.encode() in chat(provider.url, fault="bad_json")[2]
    assert SECRET.encode() in chat(provider.url, fault="error_event")[2]
    assert b"\xff\xc3(" in chat(provider.url, fault="bad_utf8")[2]
    assert b"a\\u0000b" in chat(provider.url, fault="nul")[2]
    assert len(openai_text(chat(provider.url, fault="big_token")[2])[0]) == 2**20 + 200
    assert openai_text(chat(provider.url, finish="content_filter")[2])[1] == "content_filter"
    assert chat(provider.url, fault="after_end", at=20)[2].count(b"[DONE]") == 2
    big = chat(provider.url, fault="big_answer")[2]
    assert len(big) > 100 * 2**20 and big.endswith(b"data: [DONE]\n\n")


def open_chat(provider, **script):
    """A connection whose answer has not been read."""
    body = json.dumps({"model": model(**script), "messages": QUESTION, "stream": script.get("at") is not None})
    connection = socket.create_connection(("127.0.0.1", provider.port), timeout=30)
    connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "
                       + str(len(body)).encode() + b"\r\n\r\n" + body.encode())
    return connection


def test_client_gone(provider):
    for script in dict(fault="stall", at=48), dict(gap_ms=20, length=100000, at=0), dict(fault="slow_head"):
        connection = open_chat(provider, **script)
        if "at" in script:
            provider.wait_event("first", **script)
        else:
            provider.wait_event("begin", **script)
        left_ns = time.monotonic_ns()
        connection.close()
        closed = provider.wait_event("closed", **script)[0]
        assert 0 <= closed.ns - left_ns < 1e9, closed
        assert script.get("fault") != "stall" or closed.given == 48


def test_times(provider):
    chat(provider.url, head_ms=20, first_ms=30, gap_ms=10, length=60)
    provider.wait_event("done", head_ms=20)  # it is noted after the client has its last byte
    begin, first, done = provider.events(head_ms=20)
    assert [begin.event, first.event, done.event] == ["begin", "first", "done"]
    assert first.ns - begin.ns >= 49e6 and done.ns - begin.ns >= 89e6 and done.given == 60
    chat(provider.url, stream=False, first_ms=30, gap_ms=11, length=60)
    provider.wait_event("done", gap_ms=11)
    begin, first, _ = provider.events(gap_ms=11)
    assert first.ns - begin.ns >= 85e6


def embed(provider, texts, encoding="float", **script):
    return ask(provider.url + "/embeddings",
               {"model": model(**script), "input": texts, "encoding_format": encoding})


def test_embeddings(provider):
    texts = ["one", "dós", "three"]
    data = json.loads(embed(provider, texts, dim=6)[2])["data"]
    assert [entry["index"] for entry in data] == [0, 1, 2]
    assert all(abs(a - b) < 1e-6 for entry, text in zip(data, texts)
               for a, b in zip(entry["embedding"], embedding_of(text, 6), strict=True))
    packed = json.loads(embed(provider, texts, "base64", dim=6)[2])["data"][1]["embedding"]
    assert list(struct.unpack("<6f", base64.b64decode(packed))) == embedding_of("dós", 6)
    assert provider.events("begin", dim=6)[0].given == 3
    order = json.loads(embed(provider, texts, fault="order")[2])["data"]
    assert [entry["index"] for entry in order] == [2, 1, 0]
    assert len(json.loads(embed(provider, texts, fault="dimension")[2])["data"][0]["embedding"]) == 9
    assert len(json.loads(embed(provider, texts, fault="count")[2])["data"]) == 2
    assert b"NaN" in embed(provider, texts, fault="nan")[2]
    assert is_cut(lambda: embed(provider, texts, fault="cut"))
    assert embed(provider, texts, status=401)[0] == 401 and embed(provider, [])[0] == 400
    assert embed(provider, ["a", ""])[0] == 400


def test_comes_back(provider):
    port = provider.port
    assert provider.stop() == 0
    provider.start()
    assert provider.port == port and chat(provider.url)[0] == 200


with ScriptedProvider() as scripted_provider:
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test(scripted_provider)
            print(f"ok {name}", flush=True)
