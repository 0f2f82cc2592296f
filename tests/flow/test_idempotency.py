"""A client that asks again with the same Idempotency-Key gets one answer and one turn, whatever died
in between."""
import contextlib
import itertools
import os
import random
import signal
import tempfile
import threading
import time
import unittest

from clients import Asking
from scripted import script, text_of
from system import System, store_for, wait_for
from workers import SCRIPTED, Worker

LEASE_MS = 1000
LENGTH = 200
SOME = 40  # characters after which a stream is well under way
CHAT = "/api/agents/1/chat"
numbers = itertools.count(1)


def slow(seed, **words):
    return script(seed=seed, length=LENGTH, piece=10, gap_ms=20, **words)


def quick(seed, **words):
    return script(seed=seed, length=LENGTH, **words)


def fresh():
    """A seed, and with it a question and a key, that no other test has."""
    return next(numbers)


def key_of(seed):
    return {"Idempotency-Key": f"key {seed}"}


def chat(system, message, seed, **fields):
    return system.call("POST", CHAT, {"message": message, **fields}, key_of(seed))


def streamed(system, message, seed, **fields):
    """Streams an answer to its end: text and last event."""
    stream = system.stream(message, headers=key_of(seed), **fields)
    events = list(stream.events())
    stream.close()
    assert stream.status == 200, (stream.status, events)
    return "".join(e["content"] for e in events if e["type"] == "token"), events[-1]


def asks_until_answered(system, message, seed, **fields):
    """As a client does that was told to come again."""
    def ask():
        with contextlib.suppress(OSError):
            reply = chat(system, message, seed, **fields)
            if reply.status == 200:
                return reply.json
            assert reply.status in (409, 503), reply
            assert reply.headers["Retry-After"], reply
        return None
    return wait_for(ask, "an answer", 30, 0.05)


def turns(store, message):
    """(status, answer) of every turn that was recorded for a question."""
    question = message.replace("'", "''")
    return store.rows(f"SELECT status, answer FROM turns WHERE question = '{question}' ORDER BY id")


class OneSystem(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(
            System(counts=(1, 0, 0), environment={"CLAIM_LEASE_MS": str(LEASE_MS)}))
        cls.retriever = cls.enterClassContext(Worker(cls.system, "millrace-retriever"))
        cls.enterClassContext(Worker(cls.system, SCRIPTED))
        cls.store = cls.system.store

    def assert_one_turn(self, message, seed):
        self.assertEqual(turns(self.store, message), [("completed", text_of(seed, LENGTH))])

    def assert_same(self, again, first):
        """Members of two answers, timings apart."""
        self.assertIs(again.pop("idempotent_replay"), True)
        self.assertNotIn("idempotent_replay", first)
        self.assertGreater(again.pop("timings_ms")["total"], 0)
        self.assertEqual(again, {name: value for name, value in first.items() if name != "timings_ms"})


class Replay(OneSystem):
    def test_an_answer_is_given_again_by_either_route(self):
        for first_by_chat in (True, False):
            with self.subTest(first_by_chat=first_by_chat):
                seed = fresh()
                question = quick(seed)
                if first_by_chat:
                    first = chat(self.system, question, seed).json
                else:
                    text, done = streamed(self.system, question, seed)
                    first = {"answer": text, **{k: v for k, v in done.items() if k != "type"}}
                self.assertEqual(first["answer"], text_of(seed, LENGTH))
                self.assert_same(chat(self.system, question, seed).json, first)
                text, done = streamed(self.system, question, seed)
                self.assertEqual(done.pop("type"), "done")
                self.assert_same({"answer": text, **done}, first)
                self.assert_one_turn(question, seed)

    def test_in_a_conversation_too(self):
        seed = fresh()
        conversation = chat(self.system, quick(seed), seed).json["conversation_id"]
        other = fresh()
        question = quick(other)
        first = chat(self.system, question, other, conversation_id=conversation).json
        again = chat(self.system, question, other, conversation_id=conversation).json
        self.assert_same(again, first)
        messages = self.system.good("GET", f"/api/conversations/{conversation}")["messages"]
        self.assertEqual(len(messages), 4)

    def test_another_body_is_a_mismatch(self):
        seed = fresh()
        self.assertEqual(chat(self.system, quick(seed), seed).status, 200)
        for fields in ({"top_k": 5}, {"language": "es"}):
            reply = chat(self.system, quick(seed), seed, **fields)
            self.assertEqual((reply.status, reply.code), (422, "idempotency_mismatch"))
        reply = chat(self.system, quick(seed + 1000), seed)
        self.assertEqual((reply.status, reply.code), (422, "idempotency_mismatch"))
        self.assert_one_turn(quick(seed), seed)

    def test_a_key_outlives_the_gateway_and_the_retriever(self):
        seed = fresh()
        first = chat(self.system, quick(seed), seed).json
        self.retriever.restart()
        pid = self.system.kill_worker("gateway")
        wait_for(lambda: self.system.pid("gateway") != pid, "a new gateway")
        self.assert_same(asks_until_answered(self.system, quick(seed), seed), first)


class AtTheSameTime(OneSystem):
    def test_one_of_many_is_answered_and_the_others_are_told_to_wait(self):
        seed = fresh()
        question, replies = slow(seed), []
        askers = [threading.Thread(target=lambda: replies.append(chat(self.system, question, seed)))
                  for _ in range(8)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        self.assertEqual(sorted(r.status for r in replies), [200] + [409] * 7)
        for reply in replies:
            if reply.status == 409:
                self.assertEqual((reply.code, reply.headers["Retry-After"]),
                                 ("idempotency_in_progress", "1"))
        again = asks_until_answered(self.system, question, seed)
        self.assertEqual(again["answer"], text_of(seed, LENGTH))
        self.assert_one_turn(question, seed)

    def test_a_second_question_in_a_conversation_is_told_to_wait(self):
        seed = fresh()
        conversation = chat(self.system, quick(seed), seed).json["conversation_id"]
        first = Asking(self.system, slow(seed), conversation_id=conversation).wait_text(SOME)
        second = {"message": quick(fresh()), "conversation_id": conversation}
        reply = self.system.post(CHAT, second)
        self.assertEqual((reply.status, reply.code), (409, "conversation_busy"))
        self.assertEqual(reply.headers["Retry-After"], "1")
        self.assertEqual(self.system.post(CHAT, {**second, "store": False}).status, 200)
        self.assertEqual(first.result()[1]["type"], "done")
        self.assertEqual(self.system.post(CHAT, second).status, 200)

    def test_a_claim_outlives_its_lease_as_long_as_its_gateway_lives(self):
        seed = fresh()
        question = script(seed=seed, length=LENGTH, piece=10, gap_ms=3 * LEASE_MS // 20)
        asking = Asking(self.system, question, headers=key_of(seed)).wait_text(LENGTH * 3 // 4)
        self.assertEqual(chat(self.system, question, seed).code, "idempotency_in_progress")
        self.assertEqual(asking.result()[0], text_of(seed, LENGTH))
        self.assert_one_turn(question, seed)


class NotCompleted(OneSystem):
    def test_a_cancelled_turn_is_replaced_by_the_retry_s(self):
        seed = fresh()
        question = slow(seed)
        stream = self.system.stream(question, headers=key_of(seed))
        next(stream.events())
        stream.close()
        wait_for(lambda: turns(self.store, question), "the cancelled turn")
        self.assertEqual(turns(self.store, question)[0][0], "cancelled")
        self.assertEqual(asks_until_answered(self.system, question, seed)["answer"], text_of(seed, LENGTH))
        self.assert_one_turn(question, seed)

    def test_a_failed_turn_is_replaced_by_the_retry_s(self):
        seed = fresh()
        question = quick(seed, fail_at=SOME)
        for _ in range(2):
            reply = chat(self.system, question, seed)
            self.assertGreaterEqual(reply.status, 500)
            wait_for(lambda: turns(self.store, question), "the failed turn")
            wait_for(lambda: self.system.metric("millrace_claims_held") == 0, "a free claim")
            self.assertEqual([status for status, _ in turns(self.store, question)], ["failed"])

    def test_what_could_not_be_claimed_at_all_can_be_asked_again_at_once(self):
        seed = fresh()
        reply = chat(self.system, quick(seed), seed, conversation_id=987654)
        self.assertEqual((reply.status, reply.code), (404, "conversation_not_found"))
        self.assertEqual(chat(self.system, quick(seed), seed).status, 200)


class GatewayDies(OneSystem):
    def test_mid_stream_and_the_retry_records_the_one_turn(self):
        for conversation in (False, True):
            with self.subTest(conversation=conversation):
                fields = {}
                if conversation:
                    fields["conversation_id"] = self.system.good(
                        "POST", CHAT, {"message": quick(fresh())})["conversation_id"]
                self.die_mid_stream(fields)

    def die_mid_stream(self, fields):
        seed = fresh()
        question = slow(seed)
        asking = Asking(self.system, question, headers=key_of(seed), **fields).wait_text(SOME)
        pid = self.system.kill_worker("gateway")
        asking.join(20)
        self.assertIsNone(asking.last, "no faked end")
        wait_for(lambda: self.system.pid("gateway") != pid, "a new gateway")
        answer = asks_until_answered(self.system, question, seed, **fields)
        self.assertEqual(answer["answer"], text_of(seed, LENGTH))
        self.assert_one_turn(question, seed)
        self.assertEqual(self.system.metric("millrace_claims_total", result="taken_over"), 1)
        if fields:
            self.assertEqual(answer["conversation_id"], fields["conversation_id"])


class RetrieverDies(OneSystem):
    def test_around_the_commit_and_the_turn_is_recorded_once(self):
        rng = random.Random(4)
        for _ in range(12):
            seed = fresh()
            question = script(seed=seed, length=LENGTH, first_ms=30)
            asking = Asking(self.system, question, headers=key_of(seed)).wait_text(LENGTH)
            time.sleep(rng.uniform(0, 0.003))
            self.retriever.restart()
            text, last = asking.result()
            self.assertEqual((last["type"], text), ("done", text_of(seed, LENGTH)))
            self.assertNotIn("recorded", last)
            self.assert_one_turn(question, seed)
            again = asks_until_answered(self.system, question, seed)
            self.assertEqual((again["idempotent_replay"], again["message_id"]), (True, last["message_id"]))

    def test_while_the_claim_is_taken_and_the_question_goes_on(self):
        rng = random.Random(5)
        for _ in range(6):
            seed = fresh()
            question = quick(seed)
            asking = threading.Thread(target=asks_until_answered, args=(self.system, question, seed))
            asking.start()
            time.sleep(rng.uniform(0, 0.003))
            self.retriever.restart()
            asking.join()
            self.assert_one_turn(question, seed)


class GatewayStandsStill(unittest.TestCase):
    """Two systems on one store: two gateways that know nothing of each other."""

    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.store = store_for(folder)
        self.addCleanup(self.store.drop)
        environment = {"DATABASE_URL": self.store.url, "CLAIM_LEASE_MS": str(LEASE_MS)}
        self.first, self.second = (
            self.enterContext(System(counts=(1, 1, 0), environment=environment)) for _ in range(2))
        for system in (self.first, self.second):
            self.enterContext(Worker(system, SCRIPTED))

    def stopped_past_its_lease(self, seed, fields, headers):
        question = slow(seed)
        asking = Asking(self.first, question, headers=headers, **fields).wait_text(SOME)
        gateway = self.first.pid("gateway")
        os.kill(gateway, signal.SIGSTOP)
        try:
            answer = asks_until_answered(self.second, question, seed, **fields)
        finally:
            os.kill(gateway, signal.SIGCONT)
        self.assertEqual(answer["answer"], text_of(seed, LENGTH))
        return question, asking, answer

    def assert_fenced(self, asking, seed):
        text, last = asking.result()
        self.assertTrue(text_of(seed, LENGTH).startswith(text), "mixed")
        if last["type"] == "done":
            self.assertIs(last["recorded"], False)
        wait_for(lambda: self.first.metric("millrace_claims_total", result="fenced") == 1,
                 "a refused commit")

    def test_past_its_lease_it_records_nothing_beside_its_successor(self):
        seed = fresh()
        question, asking, answer = self.stopped_past_its_lease(seed, {}, key_of(seed))
        self.assert_fenced(asking, seed)
        self.assertEqual(turns(self.store, question), [("completed", text_of(seed, LENGTH))])
        self.assertEqual(self.second.metric("millrace_claims_total", result="taken_over"), 1)
        again = asks_until_answered(self.first, question, seed)
        self.assertEqual((again["idempotent_replay"], again["message_id"]), (True, answer["message_id"]))

    def test_nor_in_a_conversation_without_a_key(self):
        seed = fresh()
        started = self.first.good("POST", CHAT, {"message": quick(fresh())})
        fields = {"conversation_id": started["conversation_id"]}
        question, asking, _ = self.stopped_past_its_lease(seed, fields, None)
        self.assert_fenced(asking, seed)
        self.assertEqual(turns(self.store, question), [("completed", text_of(seed, LENGTH))])


if __name__ == "__main__":
    unittest.main()
