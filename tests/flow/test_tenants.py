"""Two tenants with the same names for everything: neither sees, changes, or is answered from what is the
other's."""
import unittest

from redis import Redis
from system import System, wait_for
from tokens import DOOR, bearer

QUESTION = "What is the password of the vault?"
NONE = 999999


class Tenant:
    """One tenant's view of the system, with a portfolio of one document and an agent for it."""

    def __init__(self, system, name, secret):
        self.system, self.name, self.secret = system, name, secret
        self.headers = bearer(tenant=name, subject="ana")
        self.portfolio = self.good("POST", "/api/portfolios", {"name": "notes"})["id"]
        self.agent = self.good("POST", "/api/agents", {
            "name": "helper", "provider": "extractive", "portfolio_id": self.portfolio})["id"]
        self.document = self.good("POST", f"/api/portfolios/{self.portfolio}/documents", {
            "title": "Vault", "source": "vault.md", "content": f"The password of the vault is {secret}."})["id"]
        wait_for(lambda: self.good("GET", self.document_path())["status"] == "stored", "stored")

    def document_path(self):
        return f"/api/portfolios/{self.portfolio}/documents/{self.document}"

    def call(self, method, path, body=None, **headers):
        return self.system.call(method, path, body, {**self.headers, **headers})

    def good(self, method, path, body=None, **headers):
        reply = self.call(method, path, body, **headers)
        assert reply.status // 100 == 2, f"{method} {path}: {reply}"
        return reply.json if reply.body else None

    def ask(self, message=QUESTION, headers=None, **fields):
        return self.good("POST", f"/api/agents/{self.agent}/chat", {"message": message, **fields},
                         **(headers or {}))


class Tenants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        redis = cls.enterClassContext(Redis())
        # Nothing is kept in memory: what one tenant is answered from, the other could find in Redis.
        cls.system = cls.enterClassContext(System(environment={
            **DOOR, **redis.patiently, "CACHE_BYTES_MAX": "0"}))
        cls.system.headers.update(bearer(tenant="somebody"))
        wait_for(lambda: cls.system.metric("millrace_redis_available") == 1, "Redis")
        cls.one = Tenant(cls.system, "acme", "periwinkle")
        cls.other = Tenant(cls.system, "other", "marigold")

    def both(self):
        return ((self.one, self.other), (self.other, self.one))

    def test_lists_are_one_s_own(self):
        for mine, _ in self.both():
            self.assertEqual([a["id"] for a in mine.good("GET", "/api/agents")["data"]], [mine.agent])
            self.assertEqual([m["id"] for m in mine.good("GET", "/v1/models")["data"]],
                             [f"agent-{mine.agent}"])
            self.assertEqual([p["id"] for p in mine.good("GET", "/api/portfolios")["data"]],
                             [mine.portfolio])
            documents = mine.good("GET", f"/api/portfolios/{mine.portfolio}/documents")["data"]
            self.assertEqual([d["id"] for d in documents], [mine.document])

    def test_another_s_ids_are_404_like_those_of_nobody(self):
        question = {"message": QUESTION, "query": QUESTION, "name": "x", "content": "x"}
        for mine, theirs in self.both():
            mine.ask()  # what is known of theirs must not be told to them
            conversation = theirs.ask()["conversation_id"]
            calls = (
                ("GET", "/api/agents/{}", theirs.agent), ("PUT", "/api/agents/{}", theirs.agent),
                ("DELETE", "/api/agents/{}", theirs.agent), ("POST", "/api/agents/{}/invalidate", theirs.agent),
                ("POST", "/api/agents/{}/chat", theirs.agent), ("POST", "/api/agents/{}/chat/stream", theirs.agent),
                ("GET", "/v1/models/agent-{}", theirs.agent),
                ("GET", "/api/portfolios/{}", theirs.portfolio), ("PUT", "/api/portfolios/{}", theirs.portfolio),
                ("DELETE", "/api/portfolios/{}", theirs.portfolio),
                ("POST", "/api/portfolios/{}/reembed", theirs.portfolio),
                ("POST", "/api/portfolios/{}/invalidate", theirs.portfolio),
                ("POST", "/api/portfolios/{}/search", theirs.portfolio),
                ("GET", "/api/portfolios/{}/documents", theirs.portfolio),
                ("POST", "/api/portfolios/{}/documents", theirs.portfolio),
                *((method, f"/api/portfolios/{theirs.portfolio}/documents/{{}}", theirs.document)
                  for method in ("GET", "PUT", "DELETE")),
                ("GET", f"/api/portfolios/{mine.portfolio}/documents/{{}}", theirs.document),
                ("GET", "/api/conversations/{}", conversation),
            )
            for method, path, number in calls:
                with self.subTest(mine.name, method=method, path=path):
                    body = None if method in ("GET", "DELETE") or path.endswith(("reembed", "invalidate")) \
                        else question
                    reply = mine.call(method, path.format(number), body)
                    nobody = mine.call(method, path.format(NONE), body)
                    self.assertEqual((reply.status, reply.code), (404, nobody.code))
                    self.assertEqual(nobody.status, 404)
        self.test_lists_are_one_s_own()

    def test_another_s_portfolio_or_conversation_is_not_reached_through_one_s_own_agent(self):
        for mine, theirs in self.both():
            path = f"/api/agents/{mine.agent}/chat"
            conversation = theirs.ask()["conversation_id"]
            for fields, code in (({"portfolio_id": theirs.portfolio}, "portfolio_not_found"),
                                 ({"conversation_id": conversation}, "conversation_not_found")):
                with self.subTest(mine.name, code=code):
                    reply = mine.call("POST", path, {"message": QUESTION, **fields})
                    self.assertEqual((reply.status, reply.code), (404, code))
            for path, fields in (("/v1/chat/completions", {"model": f"agent-{theirs.agent}"}),
                                 ("/v1/chat/completions", {"model": f"agent-{mine.agent}",
                                                           "portfolio_id": theirs.portfolio})):
                reply = mine.call("POST", path, {"messages": [{"role": "user", "content": QUESTION}], **fields})
                self.assertEqual(reply.status, 404, reply)
                self.assertNotIn(theirs.secret, str(reply.json))
            reply = mine.call("POST", "/api/agents", {"name": "spy", "portfolio_id": theirs.portfolio})
            self.assertEqual((reply.status, reply.code), (404, "portfolio_not_found"))
            reply = mine.call("PUT", f"/api/agents/{mine.agent}",
                              {"name": "helper", "portfolio_id": theirs.portfolio})
            self.assertEqual((reply.status, reply.code), (404, "portfolio_not_found"))
            self.assertEqual(mine.good("GET", f"/api/agents/{mine.agent}")["portfolio_id"], mine.portfolio)

    def test_the_same_question_is_answered_from_one_s_own(self):
        for cached in (False, True):
            for mine, theirs in self.both():
                done = mine.ask("What is the password of the vault now?", store=False)
                self.assertIn(mine.secret, done["answer"])
                self.assertNotIn(theirs.secret, str(done))
                self.assertEqual(done["cached"], cached)

    def test_search_finds_one_s_own(self):
        for mine, _ in self.both():
            found = mine.good("POST", f"/api/portfolios/{mine.portfolio}/search", {"query": QUESTION})
            self.assertEqual([r["document_id"] for r in found["results"]], [mine.document])

    def test_the_same_idempotency_key_is_two_keys(self):
        key = {"Idempotency-Key": "the same"}
        first = [mine.ask("Which vault?", headers=key) for mine, _ in self.both()]
        again = [mine.ask("Which vault?", headers=key) for mine, _ in self.both()]
        for (mine, _), made, told in zip(self.both(), first, again):
            self.assertNotIn("idempotent_replay", made)
            self.assertTrue(told["idempotent_replay"])
            self.assertEqual(told["message_id"], made["message_id"])
            self.assertIn(mine.secret, told["answer"])
        self.assertNotEqual(first[0]["message_id"], first[1]["message_id"])

    def test_what_was_there_before_belongs_to_default(self):
        before = self.system.call("GET", "/api/agents/1", None, bearer(tenant="default"))
        self.assertEqual((before.status, before.json["name"]), (200, "Assistant"))
        self.assertEqual(self.one.call("GET", "/api/agents/1").code, "agent_not_found")


if __name__ == "__main__":
    unittest.main()
