"""A system whose embedder runs the local model. Needs its weights: in MODEL_DIR, or in var/model, where
deploy/up puts them; skipped without."""
import math
import os
import pathlib
import unittest

from system import ROOT, System, wait_for

MODEL = pathlib.Path(os.environ.get("MODEL_DIR") or ROOT / "var" / "model")
DIMENSIONS = 512
PARAGRAPH = ("The mill stands below the weir, where the water of the race falls on the wheel; the stones are "
             "dressed each spring, and the flour of number {0} goes to town by barge on the {0}th day. ")
FACTS = {
    "cat": "The cat sleeps on the warm roof all afternoon.",
    "invoice": "Invoices are paid within thirty days of delivery.",
    "bread": "Bread is baked in a wood oven before dawn.",
    "train": "The train to the coast leaves from platform four.",
    "doctor": "A doctor sees patients at the clinic on Mondays.",
}
# Questions that share no word with their fact, in either language.
ASKED = {
    "¿A qué hora pagan las facturas y en cuántos días?": "invoice",
    "¿Dónde duerme el gato?": "cat",
    "¿De qué andén sale el tren a la playa?": "train",
    "When can ill people get medical care?": "doctor",
}


@unittest.skipUnless((MODEL / "weights").is_dir(), f"no model in {MODEL}")
class Model(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(environment={"EMBEDDER": "model", "MODEL_DIR": str(MODEL)}))

    def make(self, name, documents):
        portfolio = self.system.good("POST", "/api/portfolios", {"name": name})
        self.system.good("POST", f"/api/portfolios/{portfolio['id']}/documents", documents)
        return portfolio["id"]

    def statuses(self, portfolio):
        return {d["status"] for d in self.system.documents(portfolio)}

    def wait_stored(self, portfolio):
        wait_for(lambda: self.statuses(portfolio) == {"stored"}, "vectors are stored", 60)

    def search(self, portfolio, query):
        return self.system.good("POST", f"/api/portfolios/{portfolio}/search", {"query": query, "top_k": 3})["results"]

    def test_a_question_finds_what_means_the_same_in_another_language(self):
        portfolio = self.make("facts", [{"source": name, "format": "text", "content": text}
                                        for name, text in FACTS.items()])
        self.wait_stored(portfolio)
        for question, source in ASKED.items():
            with self.subTest(question):
                best = max(self.search(portfolio, question), key=lambda hit: hit["scores"]["vector"])
                self.assertEqual(best["source"], source)

    def test_its_vectors_have_its_dimensions_and_length_one(self):
        answer = self.system.good("POST", "/v1/embeddings", {"model": "default", "input": ["?", "¿Qué es React?", "😀"]})
        for item in answer["data"]:
            self.assertEqual(len(item["embedding"]), DIMENSIONS)
            self.assertAlmostEqual(math.hypot(*item["embedding"]), 1, places=4)

    def test_a_question_does_not_wait_for_documents(self):
        facts = self.make("waiting", [{"source": "cat", "format": "text", "content": FACTS["cat"]}])
        self.wait_stored(facts)
        book = "".join(PARAGRAPH.format(i) for i in range(2500))  # some seconds of work
        busy = self.make("busy", [{"source": "book", "format": "text", "content": book}])
        for _ in range(5):
            self.assertEqual(self.search(facts, "¿Dónde duerme el gato?")[0]["source"], "cat")
        self.assertEqual(self.statuses(busy), {"indexing"})
        self.wait_stored(busy)


if __name__ == "__main__":
    unittest.main()
