"""What has changed is in the next answer, on every gateway, though the one before is still kept."""
import statistics
import time
import unittest

from system import System, wait_for
from workers import POOLS, Worker

SECOND = {"source": "second", "title": "Annex",
          "content": "The annex casts orichalcum for sculptors."}
ROUNDS = 5
NORMALLY_S = 0.05
SURELY_S = 5


class TwoGateways(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.one = cls.enterClassContext(System(counts=(0, 0, 0)))
        cls.other = cls.enterClassContext(System(counts=(0, 0, 0)))
        lanes = ",".join(f"127.0.0.1:{system.port + 1}" for system in (cls.one, cls.other))
        for program in ("millrace-retriever", "millrace-embedder", "millrace-generator"):
            worker = cls.enterClassContext(Worker(cls.one, program, GATEWAYS=lanes))
            wait_for(lambda: cls.sees(cls.other, program, worker), f"{program} serves both")
        cls.portfolio = cls.one.portfolio("works", [cls.document("bronze")])
        cls.agent = cls.one.good("POST", "/api/agents", {
            "name": "smith", "provider": "extractive", "portfolio_id": cls.portfolio})["id"]

    def setUp(self):
        self.question = "Which metal does the foundry melt?"

    @staticmethod
    def sees(system, program, worker):
        return any(w["name"] == worker.name for w in system.lane(POOLS[program])["workers"])

    @staticmethod
    def document(metal):
        return {"source": "foundry", "title": "Foundry",
                "content": f"The foundry melts {metal}. The metal of the foundry is {metal}."}

    @property
    def gateways(self):
        return self.one, self.other

    def ask(self, system):
        return system.ask(self.question, self.agent, store=False)

    def keep_everywhere(self):
        self.one.wait_stored(self.portfolio)
        for system in self.gateways:
            wait_for(lambda: self.ask(system)[1]["cached"] is True, "a kept answer")

    def seconds_until(self, system, is_new):
        began = time.monotonic()
        wait_for(lambda: is_new(*self.ask(system)), "the change", SURELY_S, 0)
        return time.monotonic() - began

    def change_and_see(self, change, is_new_after):
        """Makes changes through either gateway; that one sees each at once, the other soon."""
        times = []
        for turn in range(ROUNDS):
            here, there = self.gateways if turn % 2 else reversed(self.gateways)
            self.keep_everywhere()
            is_new = is_new_after(turn)
            change(here, turn)
            answer = self.ask(here)
            self.assertTrue(is_new(*answer), f"the gateway that carried change {turn}: {answer}")
            times.append(self.seconds_until(there, is_new))
        self.assertLess(statistics.median(times), NORMALLY_S)

    def test_a_changed_document(self):
        def change(system, turn):
            system.good("POST", f"/api/portfolios/{self.portfolio}/documents", self.document(f"metal{turn}x"))
        self.change_and_see(change, lambda turn: lambda text, done: f"metal{turn}x" in text)

    def test_an_added_document_and_a_deleted_one(self):
        self.question = "What does the annex cast?"
        path = f"/api/portfolios/{self.portfolio}/documents"

        def change(system, turn):
            if turn % 2:
                made = next(d for d in self.one.documents(self.portfolio) if d["source"] == "second")
                system.good("DELETE", f"{path}/{made['id']}")
            else:
                system.good("POST", path, SECOND)

        def is_new_after(turn):
            return lambda text, done: ("orichalcum" in text) == (turn % 2 == 0)
        self.change_and_see(change, is_new_after)

    def test_a_changed_agent(self):
        def change(system, turn):
            system.good("PUT", f"/api/agents/{self.agent}", {"system_prompt": f"Be brief, {turn}."})
        self.change_and_see(change, lambda turn: lambda text, done: done["cached"] is False)

    def test_invalidating_a_portfolio_and_an_agent(self):
        def change(system, turn):
            what = f"agents/{self.agent}" if turn % 2 else f"portfolios/{self.portfolio}"
            system.good("POST", f"/api/{what}/invalidate")
        self.change_and_see(change, lambda turn: lambda text, done: done["cached"] is False)


if __name__ == "__main__":
    unittest.main(verbosity=2)
