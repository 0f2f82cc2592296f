"""Several gateways with the same workers: slots are shared by need, one that stands still slows nobody
else, and one that comes back is served again."""
import os
import signal
import statistics
import time
import unittest

from clients import Asking
from scripted import script, text_of
from system import System, wait_for
from workers import SCRIPTED, Worker

SLOTS = 4


class TwoGateways(unittest.TestCase):
    def setUp(self):
        self.one = self.enterContext(System(counts=(0, 1, 0)))
        self.other = self.enterContext(System(counts=(0, 1, 0)))
        lanes = f"127.0.0.1:{self.one.port + 1},localhost:{self.other.port + 1}"
        self.worker = self.enterContext(
            Worker(self.one, SCRIPTED, GATEWAYS=lanes, SLOTS=str(SLOTS)))
        wait_for(lambda: self.at(self.other), "the worker serves the gateway that it knows by name")

    def at(self, system):
        """The worker as a gateway sees it."""
        workers = system.lane("generate")["workers"]
        return next((w for w in workers if w["name"] == self.worker.name), None)

    def credits(self):
        return [self.at(system)["credits"] for system in (self.one, self.other)]

    def answer(self, system, seed):
        text, done = system.ask(script(seed=seed, length=40), store=False)
        self.assertEqual((text, done["type"]), (text_of(seed, 40), "done"))

    def test_idle_gateways_have_one_credit_each(self):
        wait_for(lambda: self.credits() == [1, 1], "the first gateway has given credits back")

    def test_slots_go_where_jobs_wait_and_come_back(self):
        slow = [Asking(self.one, script(seed=seed, length=400, piece=10, gap_ms=20), store=False)
                for seed in range(2 * SLOTS)]
        wait_for(lambda: self.at(self.one)["in_flight"] >= SLOTS, "one gateway has every slot")
        self.answer(self.other, 77)  # its standby is HELD until a slot is free, and no longer
        for asking in slow:
            asking.join()
        wait_for(lambda: self.credits() == [1, 1], "credits are given back")

    def test_a_gateway_that_stands_still_does_not_slow_another(self):
        streams = [Asking(self.one, script(seed=seed, length=2000, piece=10, gap_ms=10), store=False)
                   for seed in range(SLOTS - 1)]
        wait_for(lambda: self.at(self.one)["in_flight"] == len(streams), "streams run")
        gateway = self.one.pid("gateway")
        os.kill(gateway, signal.SIGSTOP)
        try:
            times = []
            for seed in range(40):
                began = time.monotonic()
                self.answer(self.other, seed)
                times.append(time.monotonic() - began)
        finally:
            os.kill(gateway, signal.SIGCONT)
        self.assertLess(statistics.median(times), 0.2)
        self.assertLess(max(times), 1.5)
        for asking in streams:
            asking.join()

    def test_a_gateway_that_died_is_served_again(self):
        self.one.kill_worker("gateway")
        self.answer(self.other, 5)
        wait_for(lambda: self.reachable(self.one) and self.at(self.one), "served again", 10)
        self.answer(self.one, 6)

    @staticmethod
    def reachable(system):
        try:
            return system.get("/healthz").status == 200
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
