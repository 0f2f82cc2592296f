"""The rate of one caller's questions: one limit for all gateways through Redis, one for each gateway
while Redis is away, and none for anybody else."""
import time
import unittest

from redis import Proxy, Redis
from system import System, wait_for
from tokens import DOOR, bearer

BURST = 4
LIMIT = {"RATE_LIMIT_PER_MINUTE": "1", "RATE_LIMIT_BURST": str(BURST)}  # none comes back during a test
SOON_S = 1


def ask(system, headers=None):
    return system.call("POST", "/api/agents/1/chat", {"message": "Hello", "store": False}, headers)


class TwoGateways(unittest.TestCase):
    def setUp(self):
        self.redis = self.enterContext(Redis())
        self.proxy = self.enterContext(Proxy(self.redis.port))
        environment = {**LIMIT, "REDIS_URL": self.proxy.url}
        self.one = self.enterContext(System(environment=environment))
        self.other = self.enterContext(System(environment=environment))
        for system in (self.one, self.other):
            wait_for(lambda: self.is_linked(system), "Redis")

    @staticmethod
    def is_linked(system):
        return system.metric("millrace_redis_available") == 1

    def remaining(self, system):
        """What is left after one more question; None: it was refused."""
        began = time.monotonic()
        reply = ask(system)
        self.assertLess(time.monotonic() - began, SOON_S)
        self.assertEqual(reply.headers["RateLimit-Limit"], str(BURST))
        self.assertIn(reply.status, (200, 429))
        return int(reply.headers["RateLimit-Remaining"]) if reply.status == 200 else None

    def test_they_share_one_limit_and_each_has_its_own_while_redis_is_away(self):
        self.assertEqual([self.remaining(s) for s in (self.one, self.other, self.one, self.other)],
                         [3, 2, 1, 0])
        self.assertIsNone(self.remaining(self.other))
        self.proxy.freeze()
        self.assertIsNone(self.remaining(self.other), "it knows that all was taken")
        self.assertEqual(self.remaining(self.one), 0, "it has not seen the last one")
        self.assertIsNone(self.remaining(self.one))
        for system, by in ((self.one, "local"), (self.other, "local"), (self.other, "redis")):
            self.assertGreaterEqual(system.metric("millrace_rate_limited_total", by=by), 1)
        self.proxy.heal()
        for system in (self.one, self.other):
            wait_for(lambda: self.is_linked(system), "Redis is back")
            self.assertIsNone(self.remaining(system), "Redis has not forgotten")


    def test_a_client_that_goes_while_redis_is_asked_leaves_nothing_behind(self):
        self.proxy.freeze()
        clients = [self.one.connect() for _ in range(8)]
        for client in clients:
            client.request("POST", "/api/agents/1/chat", '{"message": "Hello"}', self.one.headers)
        for client in clients:
            client.close()
        wait_for(lambda: self.one.metric("millrace_http_requests_in_flight") <= 1, "only this one")
        self.remaining(self.one)


class Callers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(environment={**DOOR, **LIMIT}))
        cls.system.headers.update(bearer())

    def test_streams_searches_and_clients_of_openai_count_the_same(self):
        portfolio = self.system.good("POST", "/api/portfolios", {"name": "empty"})["id"]
        calls = (("/api/agents/1/chat", {"message": "Hello"}),
                 ("/api/agents/1/chat/stream", {"message": "Hello"}),
                 (f"/api/portfolios/{portfolio}/search", {"query": "anything"}),
                 ("/v1/chat/completions",
                  {"model": "agent-1", "messages": [{"role": "user", "content": "Hello"}]}))
        caller = bearer(subject="all kinds")
        for left, (path, body) in zip(reversed(range(BURST)), calls):
            reply = self.system.call("POST", path, body, caller)
            self.assertEqual((reply.status, reply.headers["RateLimit-Remaining"]), (200, str(left)), path)
        for path, body in calls:
            with self.subTest(path):
                reply = self.system.call("POST", path, body, caller)
                self.assertEqual((reply.status, reply.code), (429, "rate_limited"))
                self.assertGreaterEqual(int(reply.headers["Retry-After"]), 1)
                self.assertGreater(int(reply.headers["RateLimit-Reset"]), 60)
        self.assertEqual(reply.json["error"]["type"], "rate_limit_error")

    def test_one_s_limit_is_nobody_else_s(self):
        mine = bearer(subject="mine")
        replies = [ask(self.system, mine).status for _ in range(BURST + 2)]
        self.assertEqual(replies, [200] * BURST + [429] * 2)
        self.assertEqual(ask(self.system, bearer(subject="yours")).status, 200)
        self.assertEqual(ask(self.system, bearer(tenant="other", subject="mine")).status, 404)

    def test_what_is_no_question_does_not_count(self):
        for _ in range(2 * BURST):
            reply = self.system.call("GET", "/api/agents", None, bearer(subject="reader"))
            self.assertEqual(reply.status, 200)
            self.assertNotIn("RateLimit-Limit", reply.headers)


if __name__ == "__main__":
    unittest.main()
