"""Answers that are kept: in this process, and in Redis for every gateway and after a restart."""
import pathlib
import re
import tempfile
import threading
import unittest

from redis import Redis
from system import System, wait_for

QUESTION = "What React projects are there?"


def text_and_done(system, message, **fields):
    return system.ask(message, **fields)


class InThisProcess(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(demo=True))

    def submitted(self):
        return self.system.lane("generate")["submitted"]

    def test_the_second_answer_is_the_first_ones_bytes_and_costs_no_job(self):
        message = "Which projects use PostgreSQL?"
        text, made = self.system.ask(message)
        before = self.submitted()
        again, kept = self.system.ask(f"  {message} ")
        whole = self.system.good("POST", "/api/agents/1/chat", {"message": message})
        self.assertEqual(self.submitted(), before)
        self.assertEqual((text, text), (again, whole["answer"]))
        self.assertEqual((made["cached"], kept["cached"], whole["cached"]), (False, True, True))
        for member in ("citations", "language", "complexity", "top_k", "max_tokens", "finish_reason",
                       "usage"):
            self.assertEqual(made[member], kept[member], member)
            self.assertEqual(made[member], whole[member], member)

    def test_it_is_recorded_in_its_own_conversation(self):
        message = "Which projects use Redis?"
        _, made = self.system.ask(message)
        text, kept = self.system.ask(message)
        self.assertTrue(kept["cached"])
        self.assertNotEqual(kept["conversation_id"], made["conversation_id"])
        messages = self.system.good("GET", f"/api/conversations/{kept['conversation_id']}")["messages"]
        self.assertEqual([m["content"] for m in messages], [message, text])
        self.assertEqual((messages[1]["cached"], messages[1]["id"]), ("exact", kept["message_id"]))

    def test_a_follow_up_is_not_answered_from_what_did_not_see_its_history(self):
        ask = "And their licences?"
        self.system.ask(ask)
        for first in ("Which projects use Docker?", "Which projects use Kubernetes?"):
            conversation = self.system.ask(first)[1]["conversation_id"]
            done = self.system.ask(ask, conversation_id=conversation)[1]
            self.assertIs(done["cached"], False, first)

    def test_what_is_not_stored_is_kept_and_found_all_the_same(self):
        message = "Which projects use Python?"
        self.assertIs(self.system.ask(message, store=False)[1]["cached"], False)
        self.assertIs(self.system.ask(message, store=False)[1]["cached"], True)

    def looked_up(self, request):
        """What the closing line of that request says; it is written after the client has the answer."""
        return wait_for(lambda: re.search(rf"={request} .* cache=(\w+) key=([0-9a-f]{{16}}) ",
                                          self.system.logs()["gateway.log"]), "its line").groups()

    def test_the_log_says_where_an_answer_came_from(self):
        for request in ("log-1", "log-2"):
            self.system.ask("Which projects use Rust?", headers={"X-Request-Id": request})
        (first, key), (second, same) = self.looked_up("log-1"), self.looked_up("log-2")
        self.assertEqual((first, second), ("miss", "hit"))
        self.assertEqual(key, same)

    def test_with_the_switch_off_nothing_is_kept_nor_found(self):
        message = "Which projects use Go?"
        self.system.ask(message)
        self.system.good("PUT", "/api/flags", {"cache": False})
        try:
            self.assertIs(self.system.ask(message)[1]["cached"], False)
            other = "Which projects use Erlang?"
            self.system.ask(other)
        finally:
            self.system.good("PUT", "/api/flags", {"cache": True})
        self.assertIs(self.system.ask(other)[1]["cached"], False)
        self.assertIs(self.system.ask(message)[1]["cached"], True)

    def test_other_clients_are_told_the_same_with_their_sources(self):
        body = {"model": "agent-1", "stream": True, "store": False,
                "messages": [{"role": "user", "content": "Which projects use TypeScript?"}]}
        made, kept = (self.system.post("/v1/chat/completions", body).body.decode() for _ in range(2))
        self.assertIn('"sources":', made)

        def chunks(stream):
            return re.sub(r'"id":"[^"]*"|"created":\d+', "", stream)

        def content(stream):
            return "".join(re.findall(r'"content":"((?:[^"\\]|\\.)*)"', stream))
        self.assertEqual(content(made), content(kept))
        self.assertIn('"sources":', kept)
        self.assertIn('"finish_reason":"stop"', kept)
        self.assertTrue(kept.endswith("data: [DONE]\n\n"))

    def test_metrics_tell_what_was_found(self):
        def counted():
            return [self.system.metric("millrace_cache_requests_total", kind="answer", result=result)
                    for result in ("hit", "miss")]
        message = "Which projects use Haskell?"
        hits, misses = counted()
        self.system.ask(message)
        self.system.ask(message)
        self.assertEqual(counted(), [hits + 1, misses + 1])
        for kind in ("miss", "exact"):
            self.assertGreater(self.system.metric("millrace_ttft_seconds_count", kind=kind), 0)
        self.assertGreater(self.system.metric("millrace_vector_search_seconds_count"), 0)
        self.assertGreater(self.system.metric("millrace_cache_entries"), 0)
        self.assertGreater(self.system.metric("millrace_cache_bytes"), 0)


class InRedis(unittest.TestCase):
    def setUp(self):
        self.redis = self.enterContext(Redis())
        self.data = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def system(self, **environment):
        return System(demo=True, data=self.data,
                      environment={**self.redis.patiently, **environment})

    @staticmethod
    def is_linked(system):
        return system.metric("millrace_redis_available") == 1

    def keys(self):
        return [self.redis.keys(prefix)
                for prefix in ("agent:response:", "rag:chunks:", "rag:embedding:")]

    def test_keys_and_their_ends_are_as_documented(self):
        with self.system(CACHE_ANSWER_TTL_S="100", CACHE_CHUNK_TTL_S="200",
                         CACHE_EMBEDDING_TTL_S="300") as system:
            wait_for(lambda: self.is_linked(system), "Redis")
            system.ask(QUESTION)
            wait_for(lambda: all(self.keys()), "all three kinds")
            for keys, ttl in zip(self.keys(), (100, 200, 300)):
                for key in keys:
                    self.assertRegex(key, r"^(agent:response|rag:chunks|rag:embedding:[^:]+):[0-9a-f]{64}$")
                    self.assertTrue(ttl - 60 <= self.redis.call("TTL", key) <= ttl, key)

    def test_an_answer_outlives_the_gateway(self):
        with self.system() as system:
            wait_for(lambda: self.is_linked(system), "Redis")
            text, made = system.ask(QUESTION)
            wait_for(lambda: all(self.keys()), "all three kinds")
        with self.system() as system:
            wait_for(lambda: self.is_linked(system), "Redis")
            again, kept = system.ask(QUESTION)
            self.assertEqual((text, made["citations"], True), (again, kept["citations"], kept["cached"]))
            self.assertEqual(system.metric("millrace_cache_requests_total", kind="answer_redis",
                                           result="hit"), 1)
            system.ask(QUESTION)
            self.assertEqual(system.metric("millrace_cache_requests_total", kind="answer_memory",
                                           result="hit"), 1)

    def test_passages_and_vector_skip_their_stages(self):
        with self.system() as system:
            wait_for(lambda: self.is_linked(system), "Redis")
            text = system.ask(QUESTION)[0]
            wait_for(lambda: all(self.keys()), "all three kinds")
        for key in self.keys()[0]:
            self.redis.call("DEL", key)
        with self.system() as system:
            wait_for(lambda: self.is_linked(system), "Redis")
            embedded = system.lane("embed")["submitted"]
            again, done = system.ask(QUESTION)
            self.assertEqual((text, False), (again, done["cached"]))
            self.assertTrue(done["citations"])
            self.assertEqual(system.lane("embed")["submitted"], embedded)
            self.assertNotIn("retrieve", done["timings_ms"])

    def test_what_does_not_parse_is_deleted_and_counted(self):
        with self.system() as system:
            wait_for(lambda: self.is_linked(system), "Redis")
            text = system.ask(QUESTION)[0]
            wait_for(lambda: all(self.keys()), "all three kinds")
        values = (b"garbage", b"", b"\x00", b"\x00\x81\xa6answer\xa3abc", b"\x00" + b"\xc1" * 50,
                  b"\x01\xff\0\0\0\0")
        for value in values:
            bad = [key for keys in self.keys() for key in keys]
            for key in bad:
                self.redis.call("SET", key, value)
            with self.system() as system:
                wait_for(lambda: self.is_linked(system), "Redis")
                again, done = system.ask(QUESTION)
                self.assertEqual((text, False), (again, done["cached"]), value)
                for kind in ("answer", "chunks", "embedding"):
                    self.assertEqual(system.metric("millrace_cache_garbage_total", kind=kind), 1,
                                     (kind, value))
                wait_for(lambda: all(self.redis.call("GET", key) != value for key in bad), "new values")


if __name__ == "__main__":
    unittest.main(verbosity=2)
