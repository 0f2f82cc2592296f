"""Semantic answers: a question that means the same as an earlier one has its answer; whatever is not the
same, or not the same place, has its own."""
import unittest

from system import System, wait_for

EN = [
    {"source": "accounts", "format": "markdown",
     "content": "# Accounts\n\nTo reset a password, open Settings and choose Reset password. The "
                "link is valid for 30 minutes.\n\n## Backups\n\nA backup of the database is made "
                "every night at 02:00 and kept for 14 days."},
    {"source": "plans", "format": "markdown",
     "content": "# Plans\n\nThe price of the Pro plan is 20 euros a month. The price of the Basic "
                "plan is 5 euros a month. The API port is open by default."},
]
ES = {"source": "cuentas", "format": "markdown",
      "content": "# Cuentas\n\nPara restablecer la contraseña, abre Ajustes y elige Restablecer. "
                 "El enlace vale 30 minutos."}
FIRST, AGAIN = "How do I reset my password?", "How can I reset the password?"


class Semantic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System())

    def setUp(self):
        """An agent and a portfolio that no other test has asked."""
        self.portfolio = self.system.portfolio(self.id(), [*EN, ES])
        self.agent = self.make_agent()

    def make_agent(self, **fields):
        return self.system.good("POST", "/api/agents", {
            "name": self.id(), "provider": "extractive", "portfolio_id": self.portfolio,
            "semantic_cache": True, **fields})["id"]

    def chat(self, message, agent=None, **fields):
        return self.system.good("POST", f"/api/agents/{agent or self.agent}/chat",
                                {"message": message, **fields})

    def assert_own(self, message, agent=None, **fields):
        answer = self.chat(message, agent, **fields)
        self.assertIs(answer["cached"], False, message)
        self.assertNotIn("semantic", answer)
        return answer

    def assert_semantic(self, message, original, agent=None, **fields):
        answer = self.chat(message, agent, **fields)
        self.assertEqual(answer["cached"], "semantic", message)
        self.assertEqual(answer["semantic"]["question"], original)
        self.assertLessEqual(answer["semantic"]["similarity"], 1)
        return answer

    def test_a_question_that_means_the_same_has_the_answer_of_the_first(self):
        generated = self.system.lane("generate")["finished"]
        first = self.assert_own(FIRST)
        again = self.assert_semantic(AGAIN, FIRST)
        for member in ("answer", "citations", "finish_reason", "complexity", "top_k"):
            self.assertEqual(again[member], first[member], member)
        self.assertTrue(first["citations"])
        self.assertEqual(self.system.lane("generate")["finished"], generated + 1)

    def test_a_hit_is_streamed_and_recorded_like_any_answer(self):
        first = self.assert_own(FIRST)
        text, done = self.system.ask(AGAIN, self.agent)
        self.assertEqual((text, done["cached"]), (first["answer"], "semantic"))
        self.assertEqual(done["semantic"]["question"], FIRST)
        _, kept = self.system.good(
            "GET", f"/api/conversations/{done['conversation_id']}")["messages"]
        self.assertEqual((kept["content"], kept["cached"]), (text, "semantic"))

    def test_a_hit_is_kept_nowhere(self):
        self.assert_own(FIRST)
        for _ in range(2):  # were it kept as an exact answer, the second would be one
            self.assert_semantic(AGAIN, FIRST)
        self.assert_semantic("What is the best way to reset my password?", FIRST)

    def test_what_differs_in_one_thing_is_answered_for_itself(self):
        for question in ("What is the price of the Pro plan?", "What is the price of the Basic plan?",
                         "Is the API port open by default?", "Is the API port closed by default?",
                         "How long are backups kept?", "How often are backups kept?",
                         "Is the link valid for 30 minutes?", "Is the link valid for 30 hours?",
                         "Is the link valid for 31 minutes?", "Is the link not valid for 30 minutes?"):
            self.assert_own(question)

    def test_another_agent_has_its_own_answers(self):
        other = self.make_agent()
        self.assert_own(FIRST)
        self.assert_own(AGAIN, other)
        self.assert_semantic(FIRST, AGAIN, other)

    def test_another_portfolio_has_its_own_answers(self):
        other = self.system.portfolio("other", EN)
        self.assert_own(FIRST)
        self.assert_own(AGAIN, portfolio_id=other)
        self.assert_semantic("What is the best way to reset my password?", FIRST)

    def test_another_language_has_its_own_answers(self):
        self.assert_own(FIRST)
        first = "¿Cómo puedo restablecer la contraseña?"
        self.assert_own(first)
        self.assert_own(AGAIN, language="es")
        self.assert_semantic("¿Cómo restablecer mi contraseña?", first)

    def test_a_changed_document_ends_what_was_kept(self):
        self.assert_own(FIRST)
        changed = {**EN[0], "content": EN[0]["content"].replace("30 minutes", "60 minutes")}
        self.system.good("POST", f"/api/portfolios/{self.portfolio}/documents", changed)
        self.system.wait_stored(self.portfolio)
        self.assertIn("60 minutes", self.assert_own(AGAIN)["answer"])
        self.assert_semantic(FIRST, AGAIN)

    def test_a_changed_agent_ends_what_was_kept(self):
        self.assert_own(FIRST)
        self.system.good("PUT", f"/api/agents/{self.agent}", {"system_prompt": "Be brief."})
        self.assert_own(AGAIN)

    def test_a_follow_up_neither_takes_nor_leaves_an_answer(self):
        conversation = self.assert_own("How long are backups kept?")["conversation_id"]
        self.assert_own(FIRST, conversation_id=conversation)
        self.assert_own(AGAIN)
        self.assert_own("What is the best way to reset my password?", conversation_id=conversation)

    def test_what_is_not_stored_takes_an_answer_and_leaves_none(self):
        self.assert_own(FIRST, store=False)
        self.assert_own(AGAIN)
        self.assert_semantic("What is the best way to reset my password?", AGAIN, store=False)

    def test_the_agent_may_raise_the_threshold(self):
        strict = self.make_agent(semantic_threshold=1)
        self.assert_own(FIRST, strict)
        self.assert_own("What is the best way to reset my password?", strict)

    def test_it_is_off_until_an_agent_turns_it_on(self):
        plain = self.make_agent(semantic_cache=False)
        self.assert_own(FIRST, plain)
        self.assert_own(AGAIN, plain)

    def test_the_switch_turns_it_off_for_all(self):
        self.assert_own(FIRST)
        self.system.good("PUT", "/api/flags", {"semantic_cache": False})
        try:
            self.assert_own(AGAIN)
        finally:
            self.system.good("PUT", "/api/flags", {"semantic_cache": True})


class SeveralRetrievers(unittest.TestCase):
    def test_what_one_has_kept_another_gives_after_a_restart_too(self):
        with System(counts=(1, 2, 1)) as system:
            portfolio = system.portfolio("p", EN)
            agent = system.good("POST", "/api/agents", {
                "name": "a", "provider": "extractive", "portfolio_id": portfolio,
                "semantic_cache": True})["id"]
            system.ask(FIRST, agent)
            killed = {name: system.kill_worker(name) for name in ("retriever-1", "retriever-2")}
            for name, pid in killed.items():
                wait_for(lambda: system.pid(name) != pid, f"{name} is replaced")
            wait_for(lambda: len(system.lane("retrieve")["workers"]) == 2, "both have come")
            _, done = system.ask(AGAIN, agent)
            self.assertEqual(done.get("cached"), "semantic", done)
            self.assertEqual(done["semantic"]["question"], FIRST)


if __name__ == "__main__":
    unittest.main()
