"""PostgreSQL away when the system starts, or later, under the eyes of clients: readyz says so, what needs no
store goes on, the rest is told to come again, and everything recovers by itself."""
import unittest

import postgres
from clients import Crowd
from redis import Redis
from store_cases import StoreCase
from system import Database, System, wait_for

CLIENTS = 3
HELLO = {"message": "Hello", "store": False}
# What needs the store, whatever the gateway knows already.
NEEDS = (
    ("GET", "/api/agents", None),
    ("POST", "/api/agents", {"name": "other"}),
    ("GET", "/api/portfolios", None),
    ("POST", "/api/portfolios", {"name": "other"}),
    ("GET", "/api/portfolios/1", None),
    ("GET", "/api/portfolios/1/documents", None),
    ("POST", "/api/portfolios/1/documents", {"content": "Basalt is dark."}),
    ("DELETE", "/api/portfolios/1/documents/1", None),
    ("POST", "/api/portfolios/1/search", {"query": "basalt"}),
    ("GET", "/api/conversations/1", None),
    ("POST", "/api/agents/1/chat", {"message": "What is dark?", "portfolio_id": 1}),
    ("POST", "/api/agents/1/chat", {"message": "Hello", "conversation_id": 1}),
    ("GET", "/v1/models", None),
)


class Asking(Crowd):
    """Clients that search all along, and keep what they are answered."""

    def __init__(self, system, path, body):
        super().__init__(CLIENTS, pause_s=0.02)
        self.system, self.path, self.body = system, path, body
        self.replies = []

    def ask(self):
        self.replies.append(self.system.post(self.path, self.body))

    def outcomes(self):
        return {(reply.status, None if reply.status == 200 else reply.code) for reply in list(self.replies)}

    def answered(self, status):
        """Waits for an answer of that status to a question that was asked from now on."""
        before = len(self.replies) + CLIENTS
        wait_for(lambda: any(reply.status == status for reply in self.replies[before:]), f"a {status}", 30)


class Away(StoreCase):
    def setUp(self):
        self.server = self.enterContext(postgres.server())
        self.database = Database(self.server.url(), self.id())

    def start(self, redis=None, **options):
        environment = {"DATABASE_URL": self.database.url, "RATE_LIMIT_PER_MINUTE": "0",
                       **(redis.patiently if redis else {})}
        self.system = self.enterContext(System(environment=environment, **options))

    def store(self):
        """It is open to everybody."""
        self.assertNotIn(str(self.server.folder), self.system.get("/readyz").body.decode())
        return super().store()

    def assert_away(self):
        wait_for(lambda: self.store() == "store_unavailable", "readyz says that the store is away")
        trouble = self.system.lane("retrieve")["workers"][0]["trouble"]
        self.assertIn("store_unavailable: ", trouble)
        self.assertIn(str(self.server.folder), trouble)  # where it was looked for
        self.assertEqual(self.system.metric("millrace_worker_trouble", pool="retrieve"), 1)
        for method, path, body in NEEDS:
            with self.subTest(method=method, path=path):
                reply = self.system.call(method, path, body)
                self.assertEqual((reply.status, reply.code), (503, "store_unavailable"), reply)
                self.assertGreaterEqual(int(reply.headers["Retry-After"]), 1)
        embedded = self.system.post("/v1/embeddings", {"model": "default", "input": "a ferry"})
        self.assertEqual(embedded.status, 200, embedded)

    def assert_back(self):
        wait_for(lambda: self.store() == "ok", "readyz says that the store is there", 30)
        self.assertEqual(self.system.lane("retrieve")["workers"][0]["trouble"], "")
        portfolio = self.system.portfolio("after", [{"content": "Basalt is dark."}])
        self.assertEqual(self.system.search(portfolio, "basalt")[0]["text"], "Basalt is dark.")
        done = self.system.ask("What is dark?", portfolio_id=portfolio)[1]
        self.assertEqual((done["type"], done.get("recorded", True)), ("done", True))

    def complaints(self):
        return [line for line in self.system.logs()["retriever-1.log"].splitlines() if " error " in line]

    def test_at_the_start(self):
        self.server.stop()
        self.start(demo=True)
        self.assertTrue(any("starting without the store" in line for line in self.system.said))
        self.assert_away()
        # Which agents there are was never known here.
        reply = self.system.post("/api/agents/1/chat", HELLO)
        self.assertEqual((reply.status, reply.code), (503, "store_unavailable"))
        with Asking(self.system, "/api/agents/1/chat", HELLO) as asking:
            asking.answered(503)
            self.server.start()
            asking.answered(200)
        self.assertEqual(asking.outcomes(), {(503, "store_unavailable"), (200, None)})
        self.assert_back()
        said = [line.partition(" error ")[2] for line in self.complaints()]  # without its time
        self.assertEqual(sorted(said), sorted(set(said)), "one line for each reason")

    def test_at_a_start_with_redis(self):
        """Another gateway that shares the Redis has known the agent."""
        with Redis() as redis:
            self.start(redis=redis)
            gone = self.system.good("POST", "/api/agents", {"name": "gone"})["id"]
            for agent in (1, gone):
                self.system.good("POST", f"/api/agents/{agent}/chat", HELLO)
            self.assertEqual(self.system.call("DELETE", f"/api/agents/{gone}").status, 204)
            self.system.stop()
            self.server.stop()
            self.start(redis=redis)
            self.assertEqual(self.system.post("/api/agents/1/chat", HELLO).status, 200)
            self.assert_away()
            for agent in (gone, 77):
                reply = self.system.post(f"/api/agents/{agent}/chat", HELLO)
                self.assertEqual((reply.status, reply.code), (503, "store_unavailable"), reply)
            self.server.start()
            self.assert_back()

    def test_later_with_clients(self):
        self.start()
        portfolio = self.system.portfolio("notes", [{"content": "Basalt is dark."}])
        self.assertEqual(self.store(), "ok")
        self.system.good("POST", "/api/agents/1/chat", HELLO)
        with Asking(self.system, f"/api/portfolios/{portfolio}/search", {"query": "basalt"}) as searching, \
                Asking(self.system, "/api/agents/1/chat", HELLO) as chatting:
            for _ in range(2):
                searching.answered(200)
                self.server.stop()
                searching.answered(503)
                chatting.answered(200)
                self.assert_away()
                self.server.start()
                wait_for(lambda: self.store() == "ok", "readyz says that the store is there", 30)
        self.assertEqual(chatting.outcomes(), {(200, None)})
        self.assertEqual(searching.outcomes(), {(200, None), (503, "store_unavailable")})
        self.assert_back()
        self.assertLessEqual(len(self.complaints()), 2 * 3, "one for each reason of each time")


if __name__ == "__main__":
    unittest.main(verbosity=2)
