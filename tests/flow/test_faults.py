"""Workers die, stand still, hang and hand back, at every stage; clients notice a pause at most."""
import os
import signal
import time
import unittest

from clients import Asking
from scripted import script, seed_of, text_of
from system import System, wait_for
from workers import SCRIPTED, Worker

LENGTH = 400
LONG = 3000  # still running when its worker, or its gateway, wakes up
SOME = 60  # characters after which a stream is well under way


def slow_script(**words):
    return script(**{"seed": 7, "length": LENGTH, "piece": 10, "gap_ms": 10, **words})


class FaultsCase(unittest.TestCase):
    """A system with two scripted generators."""

    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(counts=(1, 1, 0))).without_cache()
        cls.log = cls.system.data / "scripted.log"
        cls.generators = [cls.enterClassContext(Worker(cls.system, SCRIPTED, SCRIPTED_LOG=str(cls.log)))
                          for _ in range(2)]
        cls.portfolio = cls.system.portfolio("works", [
            {"source": "foundry", "content": "The foundry melts bronze and brass."}])

    def at_work(self, pool="generate"):
        lane = self.system.lane(pool)
        return lane["queued"] + lane["in_flight"]

    def busy(self):
        """The generator that has the only job."""
        def find():
            return next((g for g in self.generators if (g.seen() or {}).get("in_flight")), None)
        return wait_for(find, "a job at a generator")

    def events(self, request):
        """(event, characters) that the generators noted of a request."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [(event, int(given)) for event, _, _, _, name, given in lines if name == request]

    def starts(self, asking):
        return [given for event, given in self.events(asking.stream.headers["X-Request-Id"])
                if event == "start"]

    def count(self, name, pool="generate"):
        return self.system.lane(pool)[name]


class GeneratorDies(FaultsCase):
    def killed_after(self, length, **words):
        asking = Asking(self.system, slow_script(**words)).wait_text(length)
        self.busy().restart()
        text, last = asking.result()
        return asking, text, last

    def test_mid_stream_another_goes_on_behind_what_the_client_has(self):
        asking, text, last = self.killed_after(SOME, continued=1)
        self.assertEqual((last["type"], text), ("done", text_of(7, LENGTH)))
        first, second = self.starts(asking)
        self.assertEqual(first, 0)
        self.assertGreaterEqual(second, SOME)

    def test_mid_stream_another_writes_the_same_again_and_the_client_sees_it_once(self):
        asking, text, last = self.killed_after(SOME, continued=0)
        self.assertEqual((last["type"], text), ("done", text_of(7, LENGTH)))
        self.assertEqual(self.starts(asking), [0, 0])

    def test_mid_stream_and_another_text_comes_is_an_error_that_may_be_retried(self):
        asking, text, last = self.killed_after(SOME, vary=1)
        self.assertEqual((last["type"], last["code"], last["retryable"]), ("error", "stream_interrupted", True))
        self.assertTrue(text_of(seed_of(text), LENGTH).startswith(text), "mixed")
        again, done = self.system.ask(slow_script(vary=1, gap_ms=0))
        self.assertEqual((done["type"], again), ("done", text_of(seed_of(again), LENGTH)))

    def test_before_its_first_token_the_client_sees_a_pause(self):
        asking = Asking(self.system, slow_script(vary=1, first_ms=300))
        self.busy().restart()
        text, last = asking.result()
        self.assertEqual((last["type"], text), ("done", text_of(seed_of(text), LENGTH)))

    def test_usage_and_turn_are_those_of_a_whole_answer(self):
        _, text, last = self.killed_after(SOME, continued=1)
        question, answer = self.system.good("GET", f"/api/conversations/{last['conversation_id']}")["messages"]
        self.assertEqual((answer["status"], answer["content"]), ("completed", text))

    def test_twice_with_this_as_its_only_job_is_an_error(self):
        for die_at in (0, SOME):
            with self.subTest(die_at=die_at):
                text, last = Asking(self.system, slow_script(die_at=die_at, continued=1)).result()
                self.assertEqual((last["type"], last["code"]), ("error", "worker_died"))
                self.assertTrue(text_of(7, die_at).startswith(text))
                self.revive()

    def test_twice_with_this_as_its_only_job_is_a_502_for_chat(self):
        reply = self.system.post("/api/agents/1/chat", {"message": slow_script(die_at=SOME)})
        self.assertEqual((reply.status, reply.code), (502, "worker_died"))
        self.revive()

    def revive(self):
        for generator in self.generators:
            if generator.process.poll() is not None:
                generator.start()
                generator.wait_ready()


class GeneratorStandsStill(FaultsCase):
    def test_a_stopped_one_is_replaced_and_fenced_when_it_wakes_up(self):
        stale = self.count("stale_dropped") + self.count("resets")
        asking = Asking(self.system, slow_script(length=LONG, gap_ms=5)).wait_text(SOME)
        victim = self.busy()
        victim.signal(signal.SIGSTOP)
        try:
            wait_for(lambda: len(self.starts(asking)) == 2, "another attempt", 5)
        finally:
            victim.signal(signal.SIGCONT)
        text, last = asking.result()
        self.assertEqual((last["type"], text), ("done", text_of(7, LONG)))
        wait_for(lambda: self.count("stale_dropped") + self.count("resets") > stale, "its words dropped")
        victim.wait_ready()
        wait_for(lambda: not self.at_work(), "nothing left")

    def test_a_short_stop_is_a_pause_and_no_death(self):
        deaths = self.count("deaths")
        asking = Asking(self.system, slow_script()).wait_text(SOME)
        victim = self.busy()
        victim.signal(signal.SIGSTOP)
        known = len(asking.text)
        wait_for(lambda: (victim.seen() or {}).get("last_seen_ms", 0) > 600, "a missed heartbeat")
        victim.signal(signal.SIGCONT)
        text, last = asking.result()
        self.assertEqual((last["type"], text), ("done", text_of(7, LENGTH)))
        self.assertLess(known, LENGTH)
        self.assertEqual(self.starts(asking), [0])
        self.assertEqual(self.count("deaths"), deaths)

    def test_a_stuck_loop_is_left_behind(self):
        asking = Asking(self.system, slow_script(hang_at=SOME)).wait_text(SOME)
        victim = self.busy()
        try:
            text, last = asking.result()
        finally:
            victim.restart()
            victim.wait_ready()
        self.assertEqual((last["type"], text), ("done", text_of(7, LENGTH)))
        self.assertEqual(len(self.starts(asking)), 2)


class GatewayStandsStill(FaultsCase):
    def stopped_for(self, seconds, **words):
        """A stream whose gateway was stopped meanwhile."""
        asking = Asking(self.system, slow_script(length=LONG, **words)).wait_text(SOME)
        gateway = self.system.pid("gateway")
        os.kill(gateway, signal.SIGSTOP)
        time.sleep(seconds)  # what is tested is the length of the stop
        os.kill(gateway, signal.SIGCONT)
        text, last = asking.result()
        self.assertEqual((last["type"], text), ("done", text_of(7, LONG)))
        return asking

    def test_a_short_stop_declares_nobody_dead(self):
        deaths = self.count("deaths")
        asking = self.stopped_for(0.8)
        self.assertEqual((self.starts(asking), self.count("deaths")), ([0], deaths))

    def test_workers_that_gave_it_up_come_back_and_streams_go_on(self):
        for continued in (0, 1):
            with self.subTest(continued=continued):
                self.stopped_for(2.5, continued=continued)


class OtherStagesDie(FaultsCase):
    def asked_while_stopped(self, name, pool):
        """Asks with the pool's only worker stopped, kills it when it has the job."""
        pid = self.system.pid(name)
        redelivered = self.count("redelivered", pool)
        os.kill(pid, signal.SIGSTOP)
        asking = Asking(self.system, slow_script(passages=1), portfolio_id=self.portfolio)
        wait_for(lambda: self.count("in_flight", pool), f"the job at {name}")
        self.system.kill_worker(name)
        text, last = asking.result()
        self.assertEqual((last["type"], text), ("done", text_of(7, LENGTH)))
        self.assertGreater(self.count("redelivered", pool), redelivered)
        return last

    def setUp(self):
        # the gateway knows agent and portfolio: what is asked of the retriever is the question alone
        self.system.ask(slow_script(gap_ms=0, passages=1), portfolio_id=self.portfolio)

    def test_embedder(self):
        self.asked_while_stopped("embedder-1", "embed")

    def test_retriever(self):
        last = self.asked_while_stopped("retriever-1", "retrieve")
        messages = self.system.good("GET", f"/api/conversations/{last['conversation_id']}")["messages"]
        self.assertEqual(len(messages), 2)

    def test_retriever_while_it_records_the_turn_records_it_once(self):
        asking = Asking(self.system, slow_script(), portfolio_id=self.portfolio).wait_text(SOME)
        os.kill(self.system.pid("retriever-1"), signal.SIGSTOP)
        asking.wait_text(LENGTH)
        wait_for(lambda: self.count("in_flight", "retrieve") or self.count("queued", "retrieve"),
                 "the turn at the retriever")
        self.system.kill_worker("retriever-1")
        text, last = asking.result()
        self.assertNotEqual(last.get("recorded"), False)
        messages = self.system.good("GET", f"/api/conversations/{last['conversation_id']}")["messages"]
        self.assertEqual([m["content"] for m in messages[1::2]], [text])


class GeneratorFails(FaultsCase):
    def test_what_it_hands_back_goes_to_others_four_times_at_most(self):
        asking = Asking(self.system, slow_script(fail_at=0, requeue=1))
        text, last = asking.result()
        self.assertEqual((text, last["code"], last["retryable"]), ("", "provider_failed", True))
        self.assertEqual(self.starts(asking), [0] * 4)

    def test_mid_stream_what_came_before_is_whole_and_nothing_is_tried_again(self):
        asking = Asking(self.system, slow_script(fail_at=SOME, requeue=1))
        text, last = asking.result()
        self.assertEqual((text, last["code"]), (text_of(7, SOME), "provider_failed"))
        self.assertEqual(self.starts(asking), [0])


class Limits(unittest.TestCase):
    def test_past_its_deadline_a_request_ends_and_so_does_its_work(self):
        with System(counts=(1, 1, 0), environment={"REQUEST_TIMEOUT_MS": "700"}) as system, \
                Worker(system, SCRIPTED):
            question = slow_script(length=10**6)
            text, last = system.ask(question)
            self.assertEqual((last["type"], last["code"]), ("error", "deadline_exceeded"))
            self.assertTrue(text_of(7, 2000).startswith(text))
            reply = system.post("/api/agents/1/chat", {"message": question})
            self.assertEqual((reply.status, reply.code), (504, "deadline_exceeded"))
            wait_for(lambda: not system.lane("generate")["in_flight"], "an idle generator", 2)

    def test_a_full_lane_refuses_at_once_and_what_waits_is_answered(self):
        with System(counts=(1, 1, 0), environment={"LANE_JOBS_MAX": "2"}) as system, \
                Worker(system, SCRIPTED, SLOTS="1"):
            system.without_cache().ask(slow_script(gap_ms=0))
            asked = [Asking(system, slow_script())]
            wait_for(lambda: system.lane("generate")["in_flight"] == 1, "a busy generator")
            asked += [Asking(system, slow_script()) for _ in range(2)]
            wait_for(lambda: system.lane("generate")["queued"] == 2, "a full lane")
            reply = system.post("/api/agents/1/chat", {"message": slow_script()})
            self.assertEqual((reply.status, reply.code), (503, "lane_full"))
            self.assertGreaterEqual(int(reply.headers["Retry-After"]), 1)
            self.assertIsNone(asked[0].last, "it was not refused at once")
            for asking in asked:
                self.assertEqual(asking.result()[0], text_of(7, LENGTH))


if __name__ == "__main__":
    unittest.main()
