"""PostgreSQL killed, stopped in order, and away for a while, under load: every answer is kept or its
`done` says that it is not, nothing is kept twice, and everything goes on by itself."""
import itertools
import signal
import unittest

import postgres
from clients import Crowd
from system import Database, System, wait_for

CLIENTS = 4


class Load(Crowd):
    """Asks trivial questions, each with its own words, until it is stopped."""

    def __init__(self, system):
        super().__init__(CLIENTS)
        self.system = system
        self.numbers = itertools.count(1)
        self.recorded, self.unrecorded = [], []

    def ask(self):
        question = f"Hello {next(self.numbers)}"
        reply = self.system.post("/api/agents/1/chat", {"message": question})
        kept = reply.status == 200 and reply.json.get("recorded", True)
        (self.recorded if kept else self.unrecorded).append(question)

    def goes_on(self):
        """Waits until something that was asked from now on has been recorded."""
        before = len(self.recorded)
        wait_for(lambda: len(self.recorded) > before + CLIENTS, "answers that are recorded", 60)


class Restarts(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(postgres.server())
        self.database = Database(self.server.url(), self.id())
        self.system = self.enterContext(
            System(environment={"DATABASE_URL": self.database.url, "RATE_LIMIT_PER_MINUTE": "0"}))

    def questions(self):
        return [row[0] for row in self.database.rows("SELECT question FROM turns")]

    def assert_ledger(self, load):
        kept = self.questions()
        self.assertEqual(len(kept), len(set(kept)), "a turn was recorded twice")
        self.assertEqual(set(load.recorded) - set(kept), set(), "a turn was lost")

    def under_load(self, disturb):
        with Load(self.system) as load:
            load.goes_on()
            for _ in range(3):
                disturb()
                load.goes_on()
        self.assert_ledger(load)
        portfolio = self.system.portfolio("notes", [{"content": "Basalt is dark."}])
        self.assertEqual(self.system.search(portfolio, "basalt")[0]["text"], "Basalt is dark.")

    def test_killed_under_load(self):
        def crash():
            self.server.stop(signal.SIGQUIT)
            self.server.start()
        self.under_load(crash)

    def test_connections_ended_under_load(self):
        self.under_load(lambda: self.server.psql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"))

    def test_away_for_a_while(self):
        portfolio = self.system.portfolio("notes", [{"content": "Basalt is dark."}])
        hello = {"message": "Hello", "store": False}
        self.system.good("POST", "/api/agents/1/chat", hello)
        self.server.stop()
        reply = self.system.post(f"/api/portfolios/{portfolio}/search", {"query": "basalt"})
        self.assertEqual((reply.status, reply.code), (503, "store_unavailable"), reply)
        self.assertTrue(reply.headers["Retry-After"])
        self.system.good("POST", "/api/agents/1/chat", {"message": "Hello again", "store": False})
        self.server.start()
        wait_for(lambda: self.system.post(f"/api/portfolios/{portfolio}/search",
                                          {"query": "basalt"}).status == 200, "a search", 30)

    def test_schema_of_a_newer_version(self):
        """A retriever that is shut out says why, is refused again at each start, and serves when it may."""
        hello = {"message": "Hello"}
        self.system.expected_deaths = 20  # started again with growing pauses
        with Load(self.system) as load:
            load.goes_on()
            self.database.ask(self.database.url, "UPDATE millrace_schema SET version = version + 1")
            self.server.psql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                             " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
            wait_for(lambda: self.system.post("/api/agents/1/chat", hello).json.get("recorded") is False,
                     "an answer that is not kept")
            self.database.ask(self.database.url, "UPDATE millrace_schema SET version = version - 1")
            load.goes_on()
        self.assert_ledger(load)
        self.assertIn("this program knows", "".join(self.system.logs().values()))


if __name__ == "__main__":
    unittest.main()
