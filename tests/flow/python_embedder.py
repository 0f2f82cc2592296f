#!/usr/bin/python3
"""An embedder in Python: a worker of the embed pool that speaks the lane protocol (proto/PROTOCOL.md)
with nothing but zmq and msgpack, and does real work.

    python_embedder.py LANES_PORT EMBEDDER DIMENSIONS

Its vectors are signed counts of hashed words, normalised. Each job that it finishes is a line on
standard output."""
import hashlib
import math
import re
import secrets
import struct
import sys
import time

import msgpack
import zmq

HELLO, CREDIT, ACCEPT, NEXT, FAIL, BEAT = 1, 2, 3, 5, 8, 9
WELCOME, JOB, RESET = 32, 33, 38
SLOTS = 4


def embed(text, dimensions):
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        at, sign = struct.unpack("<Ib", digest[:5])
        vector[at % dimensions] += 1 if sign < 0 else -1
    norm = math.sqrt(sum(x * x for x in vector)) or 1.0
    return struct.pack(f"<{dimensions}f", *(x / norm for x in vector))


def texts_of(kind, frames):
    if kind == "index":
        return [passage["text"] for passage in msgpack.unpackb(frames[3])["passages"]]
    return [msgpack.unpackb(frames[0])["message"]]


def main(port, embedder, dimensions, embed=embed):
    context = zmq.Context()
    tokens = context.socket(zmq.XPUB)
    tokens.connect(f"tcp://127.0.0.1:{port + 3}")
    tokens.recv()  # the gateway has subscribed: now it may be greeted
    lane = context.socket(zmq.DEALER)
    lane.setsockopt(zmq.ROUTING_ID, b"py" + secrets.token_bytes(8))
    lane.connect(f"tcp://127.0.0.1:{port}")

    def send(kind, *fields, job=0, attempt=0, body=()):
        lane.send_multipart([msgpack.packb([1, kind, job, attempt, *fields]), *body])

    send(HELLO, "embed", secrets.token_hex(8), SLOTS, "0", "python", embedder)
    epoch, heartbeat_ms, granted, done = 0, 500, SLOTS, 0
    beat_at = time.monotonic()
    while True:
        if time.monotonic() >= beat_at:  # whatever else there is to do
            send(BEAT, 0, done, [], [], [{"name": "jobs_in_python", "value": done}], "python: slow")
            beat_at = time.monotonic() + heartbeat_ms / 1000
        if not lane.poll(max(1, (beat_at - time.monotonic()) * 1000)):
            continue
        header, *frames = lane.recv_multipart()
        _, kind, job, attempt, *fields = msgpack.unpackb(header)
        if kind == WELCOME:
            _, epoch, heartbeat_ms, *_ = fields
            send(CREDIT, epoch, granted)
        elif kind == RESET:
            sys.exit("the gateway ended the session")
        elif kind == JOB:
            send(ACCEPT, job=job, attempt=attempt)
            if msgpack.unpackb(frames[0]).get("embedder", embedder) != embedder:
                # that portfolio's is another one: some other worker may serve it
                send(FAIL, 0, True, True, "embedder_unavailable", "", {}, job=job, attempt=attempt)
                granted += 1
                send(CREDIT, epoch, granted)
                continue
            vectors = [embed(text, dimensions) for text in texts_of(fields[1], frames)]
            frames[2] = msgpack.packb({"embedder": embedder, "dimensions": dimensions,
                                       "count": len(vectors), "vectors": b"".join(vectors)})
            send(NEXT, {}, job=job, attempt=attempt, body=frames[:4])
            granted, done = granted + 1, done + 1
            send(CREDIT, epoch, granted)
            print(fields[1], len(vectors), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
