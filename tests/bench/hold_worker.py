#!/usr/bin/python3
"""A generator that takes every job, sends one token and then keeps the stream open until the job is
cancelled: what open streams cost the gateway is measured with nothing else going on.

    hold_worker.py LANES_PORT SLOTS

It speaks the lane protocol of proto/PROTOCOL.md, as a worker in any language may."""
import os
import secrets
import sys
import time

import msgpack
import zmq

PROTOCOL = 1
HELLO, CREDIT, ACCEPT, FAIL, BEAT = 1, 2, 3, 8, 9
WELCOME, JOB, CANCEL, RESET = 32, 33, 34, 38
TOK = 64
GENERATE, TOKENS = 2, 3  # ports after LANES_PORT
TEXT = "One word, then silence. "


class HoldWorker:
    def __init__(self, port, slots):
        self.slots = slots
        self.epoch = self.credit = self.ended = 0
        self.beat_s = 0.5
        self.jobs = {}  # id: attempt
        context = zmq.Context()
        self.tokens = self.connect(context, zmq.XPUB, port + TOKENS)
        self.topic = self.tokens.recv()[1:]  # nothing is sent before somebody listens
        self.lane = self.connect(context, zmq.DEALER, port + GENERATE)
        self.tell(HELLO, "generate", secrets.token_hex(8), slots, "bench", "hold-1", "")

    @staticmethod
    def connect(context, kind, port):
        socket = context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 100_000)
        if kind == zmq.DEALER:
            socket.setsockopt(zmq.ROUTING_ID, b"hold" + secrets.token_bytes(8))
        socket.connect(f"tcp://127.0.0.1:{port}")
        return socket

    def tell(self, kind, *fields, job=0, attempt=0):
        self.lane.send(msgpack.packb([PROTOCOL, kind, job, attempt, *fields]))

    def grant(self):
        """Credits are counted from the session's start: all slots, and one more for each job over."""
        self.tell(CREDIT, self.epoch, self.slots + self.ended)

    def hold(self, job, attempt):
        self.jobs[job] = attempt
        self.tell(ACCEPT, job=job, attempt=attempt)
        header = msgpack.packb([PROTOCOL, TOK, job, attempt, 1, 0, TEXT])
        self.tokens.send_multipart([self.topic, header])

    def end(self, job, attempt):
        if self.jobs.pop(job, None) is None:
            return
        self.ended += 1
        self.tell(FAIL, 1, False, False, "cancelled", "", {}, job=job, attempt=attempt)
        self.grant()

    def beat(self):
        streams = [{"job": j, "attempt": a, "seq": 1} for j, a in self.jobs.items()]
        self.tell(BEAT, len(self.jobs), self.ended, [], streams)

    def hear(self, header):
        _, kind, job, attempt, *fields = msgpack.unpackb(header)
        if kind == WELCOME:
            self.epoch, self.beat_s = fields[1], fields[2] / 1000
            self.grant()
        elif kind == JOB:
            self.hold(job, attempt)
        elif kind == CANCEL:
            self.end(job, attempt)
        elif kind == RESET:
            sys.exit("hold_worker: the gateway ended the session")

    def run(self):
        next_beat = time.monotonic()
        parent = os.getppid()
        while os.getppid() == parent:
            wait_ms = max(0, next_beat - time.monotonic()) * 1000
            if self.lane.poll(wait_ms):
                self.hear(self.lane.recv_multipart()[0])
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + self.beat_s
                self.beat()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    HoldWorker(int(sys.argv[1]), int(sys.argv[2])).run()
