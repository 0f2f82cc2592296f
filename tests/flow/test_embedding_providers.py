"""Vectors of a provider: in few calls, with every fault by its name, beside portfolios that have other embedders."""
import concurrent.futures
import math
import tempfile
import time
import unittest

from scripted_provider import SECRET, SECRET_ADDRESS, ScriptedProvider, embedding_of, model
from system import System, wait_for

KEY = "sk-embeddings-4f1d"
COMPATIBLE_KEY = "compatible-4f1d"  # stands in names of models, and so in logs
DIMENSIONS = 32
QUIET = model(dim=DIMENSIONS)  # what new portfolios take
BREAKER_OPEN_MS = 300


def compatible(**words):
    """The name of an embedder that does this."""
    return f"openai-compatible/{model(dim=DIMENSIONS, **words)}/{DIMENSIONS}"


# The embedder is away: questions are answered without it.
OUTAGES = {"provider_cut", "provider_timeout", "provider_rate_limited", "provider_failed"}


def document(i, text):
    return {"source": f"{i}.txt", "format": "text", "content": text}


def at_once(count, call):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


class EmbeddingProviders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.provider = cls.enterClassContext(ScriptedProvider())
        cls.system = cls.enterClassContext(System(environment={
            "EMBEDDER": "openai", "EMBEDDING_MODEL": QUIET, "EMBEDDING_DIMENSIONS": str(DIMENSIONS),
            "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": cls.provider.url,
            "EMBEDDING_BASE_URL": cls.provider.url, "EMBEDDING_API_KEY": COMPATIBLE_KEY,
            "BREAKER_OPEN_MS": str(BREAKER_OPEN_MS), "PROVIDER_FIRST_TOKEN_TIMEOUT_MS": "3000",
        }))

    def make(self, name, embedder=None, documents=()):
        body = {"name": name, **({"embedder": embedder} if embedder else {})}
        portfolio = self.system.good("POST", "/api/portfolios", body)
        if documents:
            self.system.good("POST", f"/api/portfolios/{portfolio['id']}/documents", list(documents))
        return portfolio["id"]

    def ask(self, portfolio, query="Where is the mill?"):
        return self.system.post(f"/api/portfolios/{portfolio}/search", {"query": query, "top_k": 3})

    def by_words(self, portfolio):
        """Of each hit, whether no vector had a part in it."""
        return [not hit["scores"]["vector"] for hit in self.ask(portfolio).json["results"]]

    def trouble(self):
        return self.system.lane("embed")["workers"][0]["trouble"]

    def status(self, portfolio):
        return {d["status"] for d in self.system.documents(portfolio)}

    # --- what works ---

    def test_a_passage_is_found_by_its_vector(self):
        self.assertEqual(self.system.get("/readyz").json["embedder"], f"openai/{QUIET}/{DIMENSIONS}")
        texts = [f"Passage number {i} speaks of the mill." for i in range(20)]
        portfolio = self.make("found", documents=[{**document(i, text), "title": "Mills"}
                                                  for i, text in enumerate(texts)])
        self.system.wait_stored(portfolio)
        first = self.ask(portfolio, f"Mills\n{texts[7]}").json["results"][0]  # as it was embedded
        self.assertEqual(first["text"], texts[7])
        self.assertGreater(first["scores"]["vector"], 0.99)

    def test_vectors_told_in_another_order_find_their_texts(self):
        texts = [f"Passage number {i} speaks of the wheel." for i in range(20)]
        portfolio = self.make("order", compatible(fault="order"),
                              [document(i, text) for i, text in enumerate(texts)])
        self.system.wait_stored(portfolio)
        self.assertGreater(self.ask(portfolio, texts[3]).json["results"][0]["scores"]["vector"], 0.99)

    def test_a_client_gets_the_vectors_of_its_texts(self):
        texts = ["Where is the mill?", "¿Dónde está el molino?"]
        reply = self.system.good("POST", "/v1/embeddings", {"model": "default", "input": texts})
        for text, entry in zip(texts, reply["data"], strict=True):
            want = embedding_of(text, DIMENSIONS)
            length = math.sqrt(sum(x * x for x in want))
            for got, x in zip(entry["embedding"], want, strict=True):
                self.assertAlmostEqual(got, x / length, places=5)

    def test_a_portfolio_with_another_embedder_works_beside_it(self):
        portfolio = self.make("words", "hashing", [document(0, "The mill stands by the river.")])
        self.system.wait_stored(portfolio)
        before = len(self.provider.events("begin"))
        self.assertEqual(len(self.ask(portfolio, "river").json["results"]), 1)
        self.assertEqual(len(self.provider.events("begin")), before)

    def test_a_portfolio_keeps_its_embedder_when_another_is_the_default(self):
        data = self.enterContext(tempfile.TemporaryDirectory())
        with System(data=data) as system:
            old = system.portfolio("old", [document(0, "The mill stands by the river.")])
        environment = {"EMBEDDER": "openai", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": self.provider.url}
        with System(data=data, environment=environment) as system:
            portfolio = system.good("GET", f"/api/portfolios/{old}")
            self.assertEqual(portfolio["embedder"], "hashing-1")
            first = system.search(old, "Where is the mill?")[0]
            self.assertGreater(first["scores"]["vector"], 0)
            new = system.good("POST", "/api/portfolios", {"name": "new"})
            self.assertEqual(new["embedder"], "openai/text-embedding-3-small/1536")

    # --- how often it is asked ---

    def test_a_burst_of_questions_goes_out_in_a_few_calls(self):
        portfolio = self.make("burst", compatible(first_ms=100, seed=50))
        replies = at_once(50, lambda i: self.ask(portfolio, f"Question number {i}?"))
        self.assertEqual({reply.status for reply in replies}, {200})
        calls = self.provider.events("begin", seed=50)
        self.assertEqual(sum(call.given for call in calls), 50)
        self.assertLess(len(calls), 10)

    def test_questions_are_answered_while_documents_come_in(self):
        documents = [document(i, f"Document {i}: the mill grinds.") for i in range(1000)]
        portfolio = self.make("busy", compatible(first_ms=300, seed=300))
        path = f"/api/portfolios/{portfolio}/documents"
        last = self.system.good("POST", path, documents)["data"][-1]["id"]
        took = []
        while self.system.good("GET", f"{path}/{last}")["status"] == "indexing" and len(took) < 5:
            began = time.monotonic()
            self.assertEqual(self.ask(portfolio, f"Question {len(took)}?").status, 200)
            took.append(time.monotonic() - began)
        self.assertGreaterEqual(len(took), 3)
        self.assertLess(sorted(took)[len(took) // 2], 1.5)
        self.system.wait_stored(portfolio, 120)
        passages = [call.given for call in self.provider.events("begin", seed=300) if call.given > 1]
        self.assertGreater(max(passages), 16)

    def test_a_client_that_goes_ends_its_call(self):
        portfolio = self.make("gone", compatible(first_ms=20000, seed=7))
        connection = self.system.connect()
        connection.request("POST", f"/api/portfolios/{portfolio}/search", '{"query": "mill"}',
                           {"Content-Type": "application/json"})
        self.provider.wait_event("begin", seed=7)
        left = time.monotonic_ns()
        connection.close()
        closed = self.provider.wait_event("closed", seed=7)[0]
        self.assertLess(closed.ns - left, 1_000_000_000)

    # --- what goes wrong ---

    def test_each_provider_is_shown_its_own_key(self):
        self.assertEqual(self.ask(self.make("right", compatible(key=COMPATIBLE_KEY))).status, 200)
        other = f"openai/{model(dim=DIMENSIONS, key=COMPATIBLE_KEY)}/{DIMENSIONS}"
        self.assertEqual(self.ask(self.make("wrong", other)).code, "provider_auth")

    def test_an_operator_sees_what_is_wrong_until_it_is_right(self):
        def counted():
            return self.system.metric("millrace_worker_events_total", pool="embed", event="provider_auth")

        before = counted()
        portfolio = self.make("trouble", compatible(status=401, fails=1))
        self.assertEqual(self.ask(portfolio).code, "provider_auth")
        wait_for(lambda: self.trouble() == "openai-compatible: provider_auth", "trouble is shown")
        wait_for(lambda: counted() == before + 1, "and counted")
        self.assertEqual(self.ask(portfolio).status, 200)
        wait_for(lambda: not self.trouble(), "trouble is over")

    def test_each_fault_has_its_name_and_nothing_leaks(self):
        cases = (
            ({"fault": "dimension"}, "embedding_invalid"),
            ({"fault": "count"}, "embedding_invalid"),
            ({"fault": "nan"}, "provider_bad_response"),  # there is no NaN in JSON
            ({"fault": "bad_json"}, "provider_bad_response"),
            ({"fault": "cut"}, "provider_cut"),
            ({"fault": "slow_head"}, "provider_timeout"),
            ({"status": 400}, "provider_refused"),
            ({"status": 401}, "provider_auth"),
            ({"key": "another"}, "provider_auth"),
            ({"status": 404}, "provider_model"),
            ({"status": 429, "retry_after": 3600}, "provider_rate_limited"),
            ({"status": 500}, "provider_failed"),
        )
        said = ""
        for words, code in cases:
            with self.subTest(**words):
                embedder = compatible(**words)
                replies = [self.system.post("/v1/embeddings", {"model": embedder, "input": "mill"})]
                if code not in OUTAGES:
                    replies.append(self.ask(self.make(f"fault {words}", embedder)))
                for reply in replies:
                    self.assertGreaterEqual(reply.status, 500)
                    self.assertEqual(reply.code, code)
                    said += reply.body.decode()
        said += "".join(self.system.logs().values())
        for secret in (SECRET, SECRET_ADDRESS, KEY):
            self.assertNotIn(secret, said)

    def test_questions_are_answered_by_words_while_their_embedder_is_away(self):
        def counted():
            return self.system.metric("millrace_worker_events_total", pool="embed", event="question_by_words")

        for words in ({"fault": "cut"}, {"fault": "slow_head"}, {"status": 429, "retry_after": 3600}, {"status": 500}):
            with self.subTest(**words):
                before = counted()
                portfolio = self.make(f"away {words}", compatible(**words),
                                      [document(0, "The mill stands by the river.")])
                reply = self.ask(portfolio)
                self.assertEqual(reply.status, 200)
                self.assertEqual([hit["scores"]["vector"] for hit in reply.json["results"]], [0])
                wait_for(lambda: counted() > before, "it is counted")
                reply = self.system.post("/api/agents/1/chat", {"message": "Where is the mill?",
                                                                "portfolio_id": portfolio})
                self.assertEqual(reply.status, 200)

    def test_a_provider_that_is_busy_is_asked_again_when_it_says(self):
        portfolio = self.make("busy once", compatible(status=429, retry_after=1, fails=1))
        began = time.monotonic()
        self.assertEqual(self.ask(portfolio).status, 200)
        self.assertGreaterEqual(time.monotonic() - began, 1)

    def test_failures_that_pass_are_not_seen(self):
        portfolio = self.make("twice", compatible(status=503, fails=2))
        self.assertEqual(self.ask(portfolio).status, 200)

    def test_a_link_local_address_is_refused(self):
        with System(environment={"EMBEDDER": "openai-compatible", "EMBEDDING_MODEL": QUIET,
                                 "EMBEDDING_DIMENSIONS": str(DIMENSIONS),
                                 "EMBEDDING_BASE_URL": "http://169.254.169.254/v1"}) as system:
            portfolio = system.good("POST", "/api/portfolios", {"name": "metadata"})["id"]
            reply = system.post(f"/api/portfolios/{portfolio}/search", {"query": "mill"})
            self.assertEqual(reply.code, "provider_address")

    def test_a_provider_comes_back(self):
        other = self.make("other", "hashing", [document(0, "The mill stands by the river.")])
        portfolio = self.make("back", documents=[document(0, "The mill stands by the river.")])
        self.system.wait_stored(portfolio)
        self.provider.stop()
        self.assertEqual(self.by_words(portfolio), [True])
        self.assertEqual(self.ask(other, "river").status, 200)
        self.system.good("POST", f"/api/portfolios/{portfolio}/documents",
                         [document(1, "The wheel stands still.")])
        wait_for(lambda: self.system.post("/v1/embeddings", {"model": "default", "input": "mill"}).code ==
                 "provider_circuit_open", "the breaker opens")
        self.assertEqual(set(self.by_words(portfolio)), {True})
        self.assertIn("indexing", self.status(portfolio))
        self.provider.start()
        self.system.wait_stored(portfolio)
        wait_for(lambda: not all(self.by_words(portfolio)), "the provider is asked again")
        self.assertEqual(len(self.ask(portfolio, "wheel").json["results"]), 2)


if __name__ == "__main__":
    unittest.main()
