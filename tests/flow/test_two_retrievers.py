"""Several retrievers share one store file: writers wait, each sees the others' changes."""
import os
import signal
import threading
import time
import unittest

from system import System, wait_for

VISIBLE_S = 0.05


class TwoRetrievers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(counts=(1, 2, 1)))
        wait_for(lambda: len(cls.system.lane("retrieve")["workers"]) == 2, "two retrievers")

    def test_writers_at_the_same_time_lose_nothing(self):
        portfolio = self.system.portfolio("crowd")
        replies = []

        def write(writer):
            for i in range(20):
                replies.append(self.system.post(
                    f"/api/portfolios/{portfolio}/documents",
                    {"source": f"{writer}/{i}", "content": f"Writer {writer} wrote note {i}."}))

        writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        self.assertEqual({r.status for r in replies} - {201, 202}, set())
        self.assertEqual(len(self.system.documents(portfolio)), 120)
        self.system.wait_stored(portfolio)
        finished = [w for w in self.system.lane("retrieve")["workers"]]
        self.assertEqual(len(finished), 2)

    def test_each_sees_what_the_other_stored(self):
        """With one retriever stopped the other must serve; both must know what either wrote."""
        portfolio = self.system.portfolio("shared", [{"source": "first", "content": "Basalt is dark."}])
        for n, (writer, reader) in enumerate((("retriever-1", "retriever-2"),
                                              ("retriever-2", "retriever-1"))):
            word = f"gneiss{n}"
            self.with_only(writer, lambda: self.system.good(
                "POST", f"/api/portfolios/{portfolio}/documents",
                {"source": word, "content": f"A note about {word} and its bands."}))
            time.sleep(VISIBLE_S)
            hits = self.with_only(reader, lambda: self.system.search(portfolio, word))
            self.assertEqual(hits[0]["source"], word)

    def with_only(self, name, work):
        """Does `work` while the other retriever stands still and the gateway knows it."""
        other = {"retriever-1": "retriever-2", "retriever-2": "retriever-1"}[name]
        os.kill(self.system.pid(other), signal.SIGSTOP)
        try:
            wait_for(lambda: self.ready_workers() == [name], f"{name} alone")
            return work()
        finally:
            os.kill(self.system.pid(other), signal.SIGCONT)
            wait_for(lambda: len(self.ready_workers()) == 2, "both back")

    def ready_workers(self):
        return sorted(w["name"] for w in self.system.lane("retrieve")["workers"]
                      if w["state"] == "ready")


if __name__ == "__main__":
    unittest.main()
