"""Any worker can be killed at any moment: it is started again, and requests go on."""
import threading
import time
import unittest

from system import System, wait_for

QUESTION = {"message": "Which metals does the foundry melt?"}
DOCUMENT = {"source": "foundry", "content": "The foundry melts bronze and brass. It was built in 1890."}


class WorkerDies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System())
        portfolio = cls.system.portfolio("works", [DOCUMENT])
        cls.system.good("PUT", "/api/agents/1", {"portfolio_id": portfolio})

    def ask(self):
        return self.system.good("POST", "/api/agents/1/chat", QUESTION)

    def kill_and_wait(self, name):
        pid = self.system.kill_worker(name)
        wait_for(lambda: self.system.pid(name) != pid, f"{name} started again")

    def test_each_worker_is_started_again_and_questions_go_on(self):
        for name in ("embedder-1", "retriever-1", "generator-1"):
            with self.subTest(name):
                self.kill_and_wait(name)
                answer = self.ask()
                self.assertIn("bronze", answer["answer"])
                self.assertTrue(answer["citations"])

    def test_questions_asked_meanwhile_are_answered(self):
        statuses, stop = [], threading.Event()

        def ask_on():
            while not stop.is_set():
                statuses.append(self.system.post("/api/agents/1/chat", QUESTION).status)

        askers = [threading.Thread(target=ask_on) for _ in range(4)]
        for asker in askers:
            asker.start()
        try:
            for name in ("generator-1", "retriever-1", "embedder-1"):
                count = len(statuses)
                self.kill_and_wait(name)
                wait_for(lambda: len(statuses) > count + 8, "questions to go on", 30)
        finally:
            stop.set()
            for asker in askers:
                asker.join()
        self.assertEqual(set(statuses), {200}, statuses)

    def test_the_gateway_is_started_again_and_finds_its_workers(self):
        pid = self.system.kill_worker("gateway")
        wait_for(lambda: self.system.pid("gateway") != pid, "a new gateway")
        wait_for(self.is_ready, "ready again", 20)
        self.assertIn("bronze", self.ask()["answer"])

    def is_ready(self):
        try:
            return self.system.get("/readyz").status == 200
        except OSError:
            return False

    def test_the_third_death_in_ten_seconds_waits(self):
        for _ in range(2):
            self.kill_and_wait("generator-1")
        pid = self.system.kill_worker("generator-1")
        time.sleep(0.05)
        wait_for(lambda: any("generator-1 starts again in" in line for line in self.system.said),
                 "a pause")
        wait_for(lambda: self.system.pid("generator-1") != pid, "the end of the pause")
        wait_for(self.is_ready, "ready again")


if __name__ == "__main__":
    unittest.main()
