"""Several retrievers share one store file: writers wait, each sees the others' changes."""
import tempfile
import threading
import time
import unittest

from system import System, store_for, wait_for

VISIBLE_S = 0.05


class TwoRetrievers(unittest.TestCase):
    def test_writers_at_the_same_time_lose_nothing(self):
        system = self.enterContext(System(counts=(1, 2, 1)))
        wait_for(lambda: len(system.lane("retrieve")["workers"]) == 2, "two retrievers")
        portfolio = system.portfolio("crowd")
        replies = []

        def write(writer):
            for i in range(20):
                replies.append(system.post(
                    f"/api/portfolios/{portfolio}/documents",
                    {"source": f"{writer}/{i}", "content": f"Writer {writer} wrote note {i}."}))

        writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        self.assertEqual({r.status for r in replies} - {201, 202}, set())
        self.assertEqual(len(system.documents(portfolio)), 120)
        system.wait_stored(portfolio)

    def test_each_sees_at_once_what_the_other_stored(self):
        """Two systems on one store, so that it is known which retriever writes and which reads."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        shared = store_for(folder)
        self.addCleanup(shared.drop)
        store = {"DATABASE_URL": shared.url}
        systems = [self.enterContext(System(environment=store)) for _ in range(2)]
        portfolio = systems[0].portfolio("shared", [{"source": "first", "content": "Basalt is dark."}])
        for system in systems:
            self.assertEqual(system.search(portfolio, "basalt")[0]["source"], "first")
        for n in range(6):
            writer, reader = systems[n % 2], systems[1 - n % 2]
            word = f"gneiss{n}"
            writer.good("POST", f"/api/portfolios/{portfolio}/documents",
                        {"source": word, "content": f"A note about {word} and its bands."})
            time.sleep(VISIBLE_S)
            self.assertEqual(reader.search(portfolio, word)[0]["source"], word)


if __name__ == "__main__":
    unittest.main()
