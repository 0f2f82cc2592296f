"""The same question asked by many while it is being answered: one generation, whole streams for all."""
import selectors
import socket
import json
import unittest

from clients import Asking
from scripted import script, text_of
from system import System, wait_for
from workers import SCRIPTED, Worker

CLIENTS = 1000
LENGTH = 4000


def token_text(stream):
    """The text of the token events in a stream's body, whose chunks may be cut anywhere."""
    events = [json.loads(block[6:]) for block in stream.split(b"\n\n") if block.startswith(b"data: ")]
    return "".join(e["content"] for e in events if e["type"] == "token"), events[-1]


def unchunked(raw):
    _, _, rest = raw.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[:int(size, 16)]
        rest = rest[int(size, 16) + 2:]
    return body


class Crowd:
    """Many clients of one question at once, in one thread."""

    def __init__(self, system, message, count):
        body = json.dumps({"message": message, "store": False}).encode()
        request = (b"POST /api/agents/1/chat/stream HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                   b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        self.selector = selectors.DefaultSelector()
        self.raw = {}
        sockets = [socket.create_connection(("127.0.0.1", system.port)) for _ in range(count)]
        for s in sockets:
            s.sendall(request)
            self.raw[s] = b""
            self.selector.register(s, selectors.EVENT_READ)

    def streams(self):
        left = len(self.raw)
        while left:
            ready = self.selector.select(60)
            assert ready, f"{left} streams have not ended"
            for key, _ in ready:
                piece = key.fileobj.recv(1 << 16)
                self.raw[key.fileobj] += piece
                if not piece:
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()
                    left -= 1
        return [token_text(unchunked(raw)) for raw in self.raw.values()]


class SharedStreams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(counts=(1, 1, 0)))
        cls.worker = cls.enterClassContext(Worker(cls.system, SCRIPTED))
        cls.system.ask(script(seed=99, length=10))  # agent and workers are known

    def submitted(self):
        return self.system.lane("generate")["submitted"]

    def test_a_crowd_is_one_generation_and_each_has_all_of_it(self):
        before = self.submitted()
        question = script(seed=1, length=LENGTH, piece=20, first_ms=500, gap_ms=5)
        streams = Crowd(self.system, question, CLIENTS).streams()
        self.assertEqual(self.submitted(), before + 1)
        self.assertEqual(len(streams), CLIENTS)
        for text, last in streams:
            self.assertEqual((text, last["type"]), (text_of(1, LENGTH), "done"))

    def test_a_late_joiner_has_the_prefix_and_the_tail(self):
        before = self.submitted()
        question = script(seed=2, length=LENGTH, piece=20, gap_ms=10)
        first = Asking(self.system, question).wait_text(1000)
        late = [Asking(self.system, question) for _ in range(3)]
        results = [asking.result() for asking in (first, *late)]
        self.assertEqual(self.submitted(), before + 1)
        for text, last in results:
            self.assertEqual((text, last["cached"]), (text_of(2, LENGTH), False))
        conversations = {last["conversation_id"] for _, last in results}
        self.assertEqual(len(conversations), 4, "each has recorded its own")

    def test_the_first_may_leave_and_the_work_ends_with_the_last(self):
        question = script(seed=3, length=LENGTH, piece=20, gap_ms=10)
        first = self.system.stream(question)
        events = first.events()
        next(events)
        second = Asking(self.system, question).wait_text(100)
        events.close()
        first.close()
        text, last = second.result()
        self.assertEqual((text, last["type"]), (text_of(3, LENGTH), "done"))
        question = script(seed=4, length=100_000, piece=20, gap_ms=10)
        streams = [self.system.stream(question) for _ in range(3)]
        wait_for(lambda: self.system.lane("generate")["in_flight"] == 1, "one job")
        for stream in streams:
            self.assertEqual(self.system.lane("generate")["in_flight"], 1)
            stream.close()
        wait_for(lambda: self.system.lane("generate")["in_flight"] == 0, "no job", 5)

    def test_a_whole_answer_follows_a_stream(self):
        before = self.submitted()
        question = script(seed=5, length=1000, piece=20, gap_ms=10)
        stream = Asking(self.system, question).wait_text(50)
        whole = self.system.good("POST", "/api/agents/1/chat", {"message": question})
        self.assertEqual(whole["answer"], text_of(5, 1000))
        self.assertEqual(stream.result()[0], text_of(5, 1000))
        self.assertEqual(self.submitted(), before + 1)

    def test_a_failure_is_everybodys(self):
        question = script(seed=6, length=4000, piece=20, gap_ms=10, fail_at=1000)
        streams = [Asking(self.system, question) for _ in range(3)]
        for stream in streams:
            text, last = stream.result()
            self.assertEqual((text, last["type"]), (text_of(6, 4000)[:1000], "error"))
        self.assertEqual(len({stream.last["code"] for stream in streams}), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
