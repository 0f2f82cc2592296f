"""Portfolios and documents: create, read, replace, list, delete, search."""
import unittest

from system import System, wait_for

MARKDOWN = """# Sextant

A sextant measures the angle between two objects.

## History

John Hadley built an octant in 1731.
"""
HTML = """<html><head><title>Astrolabe</title><style>p { color: red }</style></head>
<body><nav>Home | About</nav><h1>The astrolabe</h1>
<p>An astrolabe shows the visible heavens at a latitude.</p>
<script>track()</script></body></html>"""
TEXT = "A quadrant covers ninety degrees of arc."
PASSAGE_FIELDS = {"chunk_id", "document_id", "title", "heading", "source", "start", "end", "text",
                  "score", "scores"}


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System())

    def setUp(self):
        self.portfolio = self.system.portfolio(self.id())
        self.path = f"/api/portfolios/{self.portfolio}/documents"

    def put(self, **document):
        return self.system.good("POST", self.path, document)

    def sources_found(self, query):
        return [hit["source"] for hit in self.system.search(self.portfolio, query)]

    def test_text_markdown_and_html_are_stored_and_found(self):
        for form, content in (("markdown", MARKDOWN), ("html", HTML), ("text", TEXT)):
            document = self.put(source=form, format=form, content=content)
            self.assertEqual((document["portfolio_id"], document["format"]), (self.portfolio, form))
            self.assertIn(document["status"], ("stored", "indexing"))
            self.assertGreaterEqual(document["chunks"], 1)
        self.assertEqual(self.sources_found("octant Hadley")[0], "markdown")
        self.assertEqual(self.sources_found("visible heavens latitude")[0], "html")
        self.assertEqual(self.sources_found("ninety degrees")[0], "text")

    def test_a_title_comes_from_the_document(self):
        self.assertEqual(self.put(source="a", format="markdown", content=MARKDOWN)["title"], "Sextant")
        self.assertEqual(self.put(source="b", format="html", content=HTML)["title"], "Astrolabe")

    def test_scripts_and_styles_are_not_text(self):
        self.put(source="b", format="html", content=HTML)
        for hit in self.system.search(self.portfolio, "astrolabe track color"):
            self.assertNotIn("track()", hit["text"])
            self.assertNotIn("color", hit["text"])

    def test_an_array_answers_one_entry_a_document(self):
        reply = self.system.good("POST", self.path, [
            {"source": str(i), "content": f"Document number {i}."} for i in range(20)])
        self.assertEqual([d["source"] for d in reply["data"]], [str(i) for i in range(20)])
        self.assertEqual(len({d["id"] for d in reply["data"]}), 20)

    def test_the_same_source_replaces(self):
        first = self.put(source="a", content="The albatross glides.")
        second = self.put(source="a", content="The penguin swims.")
        self.assertEqual([d["source"] for d in self.system.documents(self.portfolio)], ["a"])
        self.assertEqual(self.sources_found("penguin"), ["a"])
        texts = [hit["text"] for hit in self.system.search(self.portfolio, "albatross glides")]
        self.assertFalse(any("albatross" in text for text in texts))
        self.assertGreaterEqual(second["version"], first["version"])

    def test_the_same_bytes_are_unchanged(self):
        self.put(source="a", content=TEXT)
        version = self.version()
        self.assertTrue(self.put(source="a", content=TEXT).get("unchanged"))
        self.system.wait_stored(self.portfolio)
        self.put(source="b", content=MARKDOWN)
        self.assertGreater(self.version(), version)

    def version(self):
        return self.system.good("GET", f"/api/portfolios/{self.portfolio}")["version"]

    def test_vectors_follow_and_the_portfolio_counts(self):
        self.put(source="a", format="markdown", content=MARKDOWN)
        self.system.wait_stored(self.portfolio)
        portfolio = self.system.good("GET", f"/api/portfolios/{self.portfolio}")
        self.assertEqual(portfolio["documents"], 1)
        self.assertGreaterEqual(portfolio["chunks"], 1)
        self.assertTrue(portfolio["embedder"].startswith("hashing"))
        hit = self.system.search(self.portfolio, "measuring angles between objects")[0]
        self.assertGreater(hit["scores"]["vector"], 0)

    def test_a_result_names_its_place(self):
        sections = (f"## Part {n}\n\n" + f"Rope number {n} is as long as {n} oars. " * 25
                    for n in range(4))
        content = MARKDOWN.replace("## History", "\n\n".join(sections) + "\n\n## History")
        self.put(source="a", format="markdown", content=content)
        hit = self.system.search(self.portfolio, "octant built in 1731")[0]
        self.assertLessEqual(PASSAGE_FIELDS, hit.keys())
        self.assertEqual((hit["source"], hit["title"]), ("a", "Sextant"))
        self.assertIn("History", hit["heading"])
        self.assertIn("1731", hit["text"])
        self.assertLess(hit["start"], hit["end"])
        self.assertLessEqual({"vector", "bm25"}, hit["scores"].keys())

    def test_results_come_best_first_and_no_more_than_asked_for(self):
        self.system.good("POST", self.path, [
            {"source": str(i), "content": f"Lighthouse number {i} stands on island {i}."}
            for i in range(30)])
        hits = self.system.search(self.portfolio, "lighthouse on island 7", 5)
        self.assertEqual(len(hits), 5)
        self.assertEqual([h["score"] for h in hits], sorted((h["score"] for h in hits), reverse=True))
        self.assertEqual(hits[0]["source"], "7")

    def test_a_document_is_read_changed_and_deleted(self):
        made = self.put(source="a", title="Birds", content="The albatross glides.")
        path = f"{self.path}/{made['id']}"
        self.assertEqual(self.system.good("GET", path)["title"], "Birds")
        self.system.good("PUT", path, {"content": "The kiwi walks."})
        self.assertIn("kiwi", self.system.search(self.portfolio, "kiwi")[0]["text"])
        self.assertIn(self.system.call("DELETE", path).status, (200, 204))
        self.assertEqual(self.system.get(path).code, "document_not_found")
        self.assertEqual(self.system.search(self.portfolio, "kiwi"), [])

    def test_a_list_comes_in_pages(self):
        self.system.good("POST", self.path, [
            {"source": str(i), "content": f"Page {i}."} for i in range(7)])
        seen, after = [], ""
        for _ in range(10):
            page = self.system.good("GET", f"{self.path}?limit=3{after}")
            self.assertLessEqual(len(page["data"]), 3)
            seen += [d["source"] for d in page["data"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        self.assertEqual(sorted(seen), [str(i) for i in range(7)])

    def test_a_deleted_portfolio_is_gone_with_its_documents(self):
        self.put(source="a", content=TEXT)
        path = f"/api/portfolios/{self.portfolio}"
        self.assertIn(self.system.call("DELETE", path).status, (200, 204))
        for reply in (self.system.get(path), self.system.get(self.path),
                      self.system.post(path + "/search", {"query": "quadrant"})):
            self.assertEqual(reply.code, "portfolio_not_found")

    def test_an_agent_is_made_changed_listed_and_deleted(self):
        made = self.system.good("POST", "/api/agents", {"name": "Ada", "portfolio_id": self.portfolio})
        path = f"/api/agents/{made['id']}"
        changed = self.system.good("PUT", path, {"name": "Grace"})
        self.assertEqual((changed["name"], changed["portfolio_id"]), ("Grace", self.portfolio))
        self.assertGreater(changed["version"], made["version"])
        self.assertIn(made["id"], [a["id"] for a in self.system.good("GET", "/api/agents")["data"]])
        self.assertIn(self.system.call("DELETE", path).status, (200, 204))
        wait_for(lambda: self.system.get(path).status == 404, "the agent gone")
        self.assertEqual(self.system.post(path + "/chat", {"message": "Hi"}).code, "agent_not_found")


if __name__ == "__main__":
    unittest.main()
