"""SIGTERM to any process: it takes nothing new, finishes what it has and ends with 0."""
import os
import signal
import threading
import unittest

from clients import Asking, SlowClient
from scripted import script, text_of
from system import System, wait_for
from workers import SCRIPTED, Worker

LENGTH = 600
LONG = 300_000  # more than the kernel and a stream's window hold for a client that does not read


def slow_script(seed, **words):
    return script(**{"seed": seed, "length": LENGTH, "piece": 10, "gap_ms": 10, **words})


class GeneratorDrains(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(counts=(1, 1, 0))).without_cache()

    def setUp(self):
        self.first = self.enterContext(Worker(self.system, SCRIPTED))

    def lane(self, name):
        return self.system.lane("generate")[name]

    def test_its_streams_are_finished_and_nothing_new_goes_to_it(self):
        before = {name: self.lane(name) for name in ("deaths", "redelivered")}
        running = [Asking(self.system, slow_script(seed)) for seed in range(5)]
        for asking in running:
            asking.wait_text(50)
        with Worker(self.system, SCRIPTED) as second:
            self.first.signal(signal.SIGTERM)
            wait_for(lambda: (self.first.seen() or {}).get("state") == "draining", "the drain")
            later = [Asking(self.system, slow_script(seed)) for seed in range(5, 10)]
            wait_for(lambda: second.seen()["in_flight"] == 5, "new questions at the other")
            for seed, asking in enumerate(running + later):
                self.assertEqual(asking.result()[0], text_of(seed, LENGTH))
            self.assertEqual(self.first.process.wait(10), 0)
        self.assertEqual({name: self.lane(name) for name in before}, before)

    def test_a_slow_client_does_not_hold_it(self):
        with SlowClient(self.system, script(seed=3, length=LONG, piece=100)) as client:
            wait_for(self.is_choked, "a generator that waits for its client")
            self.assertEqual(self.first.drain(), 0)
            text, last = client.read()
        self.assertEqual((last["type"], len(text)), ("done", LONG))
        self.assertEqual(text, text_of(3, LONG))

    def is_choked(self):
        """It has a job and has stopped making tokens."""
        seen = self.first.seen()
        was, self.progress = getattr(self, "progress", None), (seen["in_flight"], seen["progress"])
        return self.progress == was and seen["in_flight"] == 1 and seen["progress"] > 100

    def test_what_waits_for_its_slot_goes_to_another_without_a_death(self):
        deaths = self.lane("deaths")
        self.first.drain()
        with Worker(self.system, SCRIPTED, SLOTS="1") as narrow:
            asked = [Asking(self.system, slow_script(seed)) for seed in range(3)]
            wait_for(lambda: narrow.seen()["in_flight"], "a busy generator")
            with Worker(self.system, SCRIPTED):
                self.assertEqual(narrow.drain(), 0)
                for seed, asking in enumerate(asked):
                    self.assertEqual(asking.result()[0], text_of(seed, LENGTH))
        self.assertEqual(self.lane("deaths"), deaths)

    def test_asked_twice_it_ends_at_once_and_another_goes_on(self):
        asking = Asking(self.system, slow_script(1, continued=1)).wait_text(50)
        self.first.signal(signal.SIGTERM)
        wait_for(lambda: (self.first.seen() or {}).get("state") == "draining", "the drain")
        self.assertEqual(self.first.drain(), 1)
        self.assertLess(len(asking.text), LENGTH)
        with Worker(self.system, SCRIPTED):
            self.assertEqual(asking.result()[0], text_of(1, LENGTH))


class OtherWorkersDrain(unittest.TestCase):
    def test_questions_go_on_while_each_pool_is_replaced(self):
        with System(counts=(0, 0, 0)) as system:
            workers = {program: self.enterContext(Worker(system, program))
                       for program in ("millrace-embedder", "millrace-retriever", SCRIPTED)}
            portfolio = system.portfolio("ore", [{"source": "ore", "content": "Ore is dug in the north."}])
            for program, worker in workers.items():
                asked = [Asking(system, slow_script(seed, passages=1), portfolio_id=portfolio)
                         for seed in range(5)]
                with self.subTest(program):
                    self.enterContext(Worker(system, program))
                    self.assertEqual(worker.drain(), 0)
                for seed, asking in enumerate(asked):
                    text, last = asking.result()
                    self.assertEqual((last["type"], text), ("done", text_of(seed, LENGTH)))
                    self.assertNotEqual(last.get("recorded"), False)


class GatewayDrains(unittest.TestCase):
    def test_its_streams_are_finished_and_recorded_and_it_ends_with_0(self):
        with System(counts=(1, 1, 0)) as system, Worker(system, SCRIPTED) as generator:
            kept = system.connect()
            kept.request("GET", "/healthz")
            kept.getresponse().read()
            running = [Asking(system, slow_script(seed)) for seed in range(5)]
            for asking in running:
                asking.wait_text(50)
            system.stop()  # the gateway first; looks at every exit status
            for seed, asking in enumerate(running):
                text, last = asking.result()
                self.assertEqual((last["type"], text), ("done", text_of(seed, LENGTH)))
                self.assertNotEqual(last.get("recorded"), False)
            self.assertEqual(generator.drain(), 0, "a worker whose gateway has gone")

    def test_an_open_connection_is_refused_with_503_meanwhile(self):
        with System(counts=(1, 1, 0)) as system, Worker(system, SCRIPTED):
            kept = system.connect()
            kept.request("GET", "/healthz")
            kept.getresponse().read()
            running = Asking(system, slow_script(1)).wait_text(50)
            system.expected_deaths += 1  # the supervisor is not told
            os.kill(system.pid("gateway"), signal.SIGTERM)
            wait_for(lambda: "stopping" in system.logs()["gateway.log"], "the drain")
            kept.request("POST", "/api/agents/1/chat", b'{"message": "script"}')
            reply = kept.getresponse()
            self.assertEqual((reply.status, reply.headers["Connection"]), (503, "close"))
            self.assertTrue(reply.headers["Retry-After"])
            self.assertEqual(running.result()[0], text_of(1, LENGTH))

    def test_a_question_that_waits_for_a_pool_without_workers_is_told_so_in_time(self):
        replies = []
        with System(counts=(1, 0, 0), environment={"DRAIN_TIMEOUT_MS": "1000"}) as system:
            asking = threading.Thread(target=lambda: replies.append(
                system.post("/api/agents/1/chat", {"message": "What is ore?"})))
            asking.start()
            wait_for(lambda: system.lane("retrieve")["queued"], "a job that waits")
            system.stop()  # looks at every exit status
            asking.join()
        self.assertEqual((replies[0].status, replies[0].code), (503, "draining"))


if __name__ == "__main__":
    unittest.main()
