"""A portfolio that grows beyond a retriever's memory and shrinks again: searched in PostgreSQL
meanwhile, without a pause or a wrong answer on the way."""
import threading
import unittest

import postgres
from system import Database, System, wait_for

RESIDENT = 40
LARGE = 150


def note(n):
    return {"source": f"note-{n}", "content": f"A note about gneiss{n}, a banded rock of quarry {n}."}


class LargePortfolios(unittest.TestCase):
    def setUp(self):
        server = self.enterContext(postgres.server())
        database = Database(server.url(), self.id())
        self.rows = database.rows
        self.system = self.enterContext(
            System(environment={"DATABASE_URL": database.url, "RESIDENT_CHUNKS_MAX": str(RESIDENT)}))

    def searched_in_database(self):
        return bool(self.rows("SELECT 1 FROM rag_searched"))

    def finds(self, portfolio, n):
        self.assertEqual(self.system.search(portfolio, f"gneiss{n}")[0]["source"], f"note-{n}")

    def test_is_asked_in_other_words_and_misspelt_as_one_in_memory(self):
        closing = {"source": "closing", "content": "To terminate a session, shut its window."}
        questions = ["sesion windwo", "shutwindow", "How do I kill it?", "terminateing"]
        small = self.system.portfolio("small", [closing, note(1), note(2)])
        large = self.system.portfolio("large", [closing, *map(note, range(LARGE))])
        self.system.search(large, "session")
        wait_for(self.searched_in_database, "tables of its own", 60)
        for question in questions:
            for portfolio in (small, large):
                with self.subTest(question, portfolio=portfolio):
                    self.assertEqual(self.system.search(portfolio, question)[0]["source"], "closing")

    def test_grows_and_shrinks_while_it_is_searched(self):
        system, wrong, over = self.system, [], threading.Event()
        portfolio = system.portfolio("rocks", [note(0)])

        def search_on():
            while not over.is_set():
                reply = system.post(f"/api/portfolios/{portfolio}/search", {"query": "gneiss0"})
                if reply.status != 200 or reply.json["results"][0]["source"] != "note-0":
                    wrong.append(reply)

        searching = threading.Thread(target=search_on)
        searching.start()
        try:
            system.good("POST", f"/api/portfolios/{portfolio}/documents",
                        [note(n) for n in range(1, LARGE)])
            wait_for(self.searched_in_database, "tables of its own", 60)
            self.finds(portfolio, LARGE - 1)
            system.good("POST", f"/api/portfolios/{portfolio}/documents", note(LARGE))
            self.finds(portfolio, LARGE)
            system.wait_stored(portfolio)
            results = system.post(f"/api/portfolios/{portfolio}/search",
                                  {"query": "banded rock", "top_k": 50}).json["results"]
            self.assertEqual(len(results), 50)
            for document in system.documents(portfolio):
                if document["source"] not in ("note-0", "note-1"):
                    system.call("DELETE", f"/api/portfolios/{portfolio}/documents/{document['id']}")
            wait_for(lambda: not self.searched_in_database(), "no tables any more", 60)
            self.finds(portfolio, 1)
        finally:
            over.set()
            searching.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
