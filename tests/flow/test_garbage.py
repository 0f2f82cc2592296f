"""A peer that speaks garbage on the lanes is dropped and counted; the system goes on."""
import random
import socket
import unittest

import msgpack
import zmq

from system import System, wait_for

LANE_OF = {"embed": 1, "retrieve": 2, "generate": 3}  # its port after the first
HELLO, NEXT, ACCEPT = 1, 5, 3
VERSION = 1


def header(kind, *fields, version=VERSION, job=0, attempt=0):
    return msgpack.packb([version, kind, job, attempt, *fields])


FRAMES = {
    "nothing": [b""],
    "no msgpack": [b"\xc1\xc1\xc1"],
    "a number": [msgpack.packb(7)],
    "a map": [msgpack.packb({"version": 1})],
    "an array cut short": [b"\xdd\xff\xff\xff\xff\x01"],
    "nested without end": [b"\x91" * 100000],
    "an unknown type": [header(99)],
    "a greeting of wrong types": [header(HELLO, 1, 2, "x", [], {}, None)],
    "an unknown pool": [header(HELLO, "paint", "b" * 16, 1, "0", "x", "")],
    "a version nobody speaks": [header(HELLO, "embed", "b" * 16, 1, "0", "x", "", version=999)],
    "work without a greeting": [header(NEXT, {}, job=1, attempt=1), b"", b"", b"", b""],
    "a job that never was": [header(ACCEPT, job=2 ** 63, attempt=2 ** 63)],
    "a thousand frames": [b"x"] * 1000,
}


class Garbage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System())
        cls.context = zmq.Context()
        cls.addClassCleanup(cls.context.destroy, linger=0)
        portfolio = cls.system.portfolio("mill", [{"source": "a", "content": "The mill grinds rye."}])
        cls.system.good("PUT", "/api/agents/1", {"portfolio_id": portfolio})

    def peer(self, pool):
        peer = self.context.socket(zmq.DEALER)
        peer.linger = 0
        peer.connect(f"tcp://127.0.0.1:{self.system.port + LANE_OF[pool]}")
        self.addCleanup(peer.close)
        return peer

    def counted(self, pool):
        lane = self.system.lane(pool)
        return lane["garbage"] + lane["stale_dropped"] + lane["resets"]

    def check_alive(self):
        text, done = self.system.ask("What does the mill grind?", store=False)
        self.assertEqual(done["type"], "done")
        self.assertIn("rye", text)

    def test_each_kind_of_garbage_is_counted_and_survived(self):
        for pool in LANE_OF:
            for label, frames in FRAMES.items():
                with self.subTest(label, pool=pool):
                    before = self.counted(pool)
                    self.peer(pool).send_multipart(frames)
                    wait_for(lambda: self.counted(pool) > before, "the garbage counted", 5)
        self.check_alive()

    def test_random_bytes_are_survived(self):
        generator = random.Random(7)
        peer = self.peer("generate")
        for _ in range(2000):
            peer.send_multipart([generator.randbytes(generator.randrange(40))
                                 for _ in range(generator.randrange(1, 7))])
        wait_for(lambda: self.counted("generate") > 0, "the garbage counted")
        self.check_alive()

    def test_a_worker_that_greets_and_then_speaks_garbage_gets_no_more_jobs(self):
        workers = len(self.system.lane("generate")["workers"])
        peer = self.peer("generate")
        peer.send_multipart([header(HELLO, "generate", "e" * 16, 1, "0", "liar", "")])
        peer.send_multipart([b"\xc1"])
        wait_for(lambda: len(self.system.lane("generate")["workers"]) <= workers, "the liar gone", 5)
        for _ in range(5):
            self.check_alive()

    def test_something_that_is_no_zeromq_is_survived(self):
        for offset in range(1, 5):
            with socket.create_connection(("127.0.0.1", self.system.port + offset), 5) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"\xff" * 5000)
        self.check_alive()


if __name__ == "__main__":
    unittest.main()
