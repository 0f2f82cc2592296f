"""Clients that go or do not read: the work ends or waits, and nobody else notices."""
import statistics
import time
import unittest

from clients import Asking, SlowClient
from scripted import script, text_of
from system import System, wait_for
from workers import SCRIPTED, Worker

LONG = 300_000  # more than the kernel and a stream's window hold for a client that does not read
TRIALS = 9
IDLE_MS = 50


class ClientsCase(unittest.TestCase):
    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(counts=(1, 1, 0), environment=cls.environment))
        cls.log = cls.system.data / "scripted.log"
        cls.generator = cls.enterClassContext(Worker(cls.system, SCRIPTED, SCRIPTED_LOG=str(cls.log)))

    def noted(self, event, request):
        """When the generator noted an event of a request, in nanoseconds; or None."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return next((int(ns) for name, ns, _, _, trace, _ in lines if (name, trace) == (event, request)), None)

    def choked(self):
        """It has a job and has stopped making tokens."""
        seen = self.generator.seen()
        was, self.progress = getattr(self, "progress", None), (seen["in_flight"], seen["progress"])
        return self.progress == was and seen["in_flight"] == 1

    def idle(self):
        return not self.system.lane("generate")["in_flight"]


class ClientGone(ClientsCase):
    def times_to_idle(self, wait, **words):
        """Milliseconds from a client's going to its slot's being free, some trials of it."""
        times = []
        for trial in range(TRIALS):
            request = f"gone-{wait}-{trial}"
            client = SlowClient(self.system, script(seed=5, length=10**6, piece=10, **words), request)
            wait_for(lambda: self.noted("start", request), "a start")
            if wait == "token":
                self.assertIn(b"200", client.socket.recv(12))
                wait_for(lambda: b"token" in client.socket.recv(4096), "the first token")
            went = time.monotonic_ns()
            client.close()
            ended = wait_for(lambda: self.noted("cancel", request), "the cancel", 5)
            times.append((ended - went) / 1e6)
        wait_for(self.idle, "an idle generator", 2)
        return times

    def test_before_the_first_token_the_slot_is_free_within_50_ms(self):
        times = self.times_to_idle("start", first_ms=60_000)
        self.assertLessEqual(statistics.median(times), IDLE_MS, times)

    def test_after_the_first_token_the_slot_is_free_within_50_ms(self):
        times = self.times_to_idle("token", gap_ms=5)
        self.assertLessEqual(statistics.median(times), IDLE_MS, times)

    def test_while_its_stream_waits_for_it_the_slot_is_free_too(self):
        client = SlowClient(self.system, script(seed=5, length=LONG, piece=100), "gone-choked")
        wait_for(self.choked, "a generator that waits for its client")
        client.close()
        wait_for(lambda: self.noted("cancel", "gone-choked"), "the cancel", 5)
        wait_for(self.idle, "an idle generator", 2)


class ClientSlow(ClientsCase):
    def test_others_are_not_held_and_it_gets_everything_when_it_reads(self):
        with SlowClient(self.system, script(seed=3, length=LONG, piece=100)) as slow:
            wait_for(self.choked, "a generator that waits for its client")
            others = [Asking(self.system, script(seed=seed, length=20_000, piece=100, gap_ms=1))
                      for seed in range(8)]
            for seed, asking in enumerate(others):
                self.assertEqual(asking.result(20)[0], text_of(seed, 20_000))
            text, last = slow.read()
        self.assertEqual((last["type"], len(text)), ("done", LONG))
        self.assertEqual(text, text_of(3, LONG))


class ClientTooSlow(ClientsCase):
    environment = {"CLIENT_STALL_MS": "400"}

    def test_it_is_ended_counted_and_its_turn_kept_as_cancelled(self):
        count = lambda: self.system.metric("millrace_chats_total", status="client_too_slow")
        with SlowClient(self.system, script(seed=3, length=LONG, piece=100), "too-slow") as slow:
            wait_for(lambda: count() == 1, "the end of its patience", 10)
            wait_for(lambda: self.noted("cancel", "too-slow"), "the cancel", 5)
            with self.assertRaises((ConnectionError, ValueError, IndexError)):
                slow.read()
        wait_for(self.idle, "an idle generator", 2)
        wait_for(lambda: not self.system.metric("millrace_records_waiting"), "its turn")
        question, answer = self.system.good("GET", "/api/conversations/1")["messages"]
        self.assertEqual((answer["status"], answer["error"]), ("cancelled", "client_too_slow"))
        self.assertTrue(text_of(3, LONG).startswith(answer["content"]))

    def test_one_that_reads_slowly_but_steadily_is_not(self):
        """Its whole stream takes far longer than the limit."""
        text, last = Asking(self.system, script(seed=1, length=400, piece=10, gap_ms=60)).result()
        self.assertEqual((last["type"], text), ("done", text_of(1, 400)))


if __name__ == "__main__":
    unittest.main()
