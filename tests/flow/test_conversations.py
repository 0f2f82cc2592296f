"""Conversations: what was said is kept, and a follow-up sees it."""
import unittest

from system import System, wait_for

DOCUMENTS = [
    {"source": "heron", "format": "markdown",
     "content": "# Heron\n\nThe heron project is written in Rust. Heron was started in 2019."},
    {"source": "osprey", "format": "markdown",
     "content": "# Osprey\n\nThe osprey project is written in Go. Osprey was started in 2021."},
]


class Conversations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System())
        cls.portfolio = cls.system.portfolio("birds", DOCUMENTS)

    def chat(self, message, **fields):
        return self.system.good("POST", "/api/agents/1/chat",
                                {"message": message, "portfolio_id": self.portfolio, **fields})

    def messages(self, conversation):
        return self.system.good("GET", f"/api/conversations/{conversation}")["messages"]

    def test_a_turn_is_kept_before_its_answer_ends(self):
        answer = self.chat("What is heron written in?")
        user, assistant = self.messages(answer["conversation_id"])
        self.assertEqual((user["role"], user["content"]), ("user", "What is heron written in?"))
        self.assertEqual((assistant["role"], assistant["content"]), ("assistant", answer["answer"]))
        self.assertEqual(assistant["id"], answer["message_id"])
        self.assertEqual(assistant["status"], "completed")
        self.assertEqual(assistant["citations"], answer["citations"])
        self.assertEqual(assistant["usage"], answer["usage"])
        self.assertTrue(assistant["timings_ms"])
        self.assertRegex(assistant["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

    def test_a_stream_is_kept_like_a_chat(self):
        text, done = self.system.ask("When was osprey started?", portfolio_id=self.portfolio)
        _, assistant = self.messages(done["conversation_id"])
        self.assertEqual(assistant["content"], text)
        self.assertNotEqual(done.get("recorded"), False)

    def test_questions_without_a_conversation_start_new_ones(self):
        ids = {self.chat("What is heron?")["conversation_id"] for _ in range(3)}
        self.assertEqual(len(ids), 3)

    def test_a_conversation_grows_by_its_follow_ups(self):
        first = self.chat("What is heron written in?")
        second = self.chat("And osprey?", conversation_id=first["conversation_id"])
        self.assertEqual(second["conversation_id"], first["conversation_id"])
        self.assertGreater(second["message_id"], first["message_id"])
        self.assertEqual([m["role"] for m in self.messages(first["conversation_id"])],
                         ["user", "assistant"] * 2)

    def test_a_follow_up_is_not_answered_from_another_conversation_s_cache(self):
        heron = self.chat("Tell me about heron")["conversation_id"]
        osprey = self.chat("Tell me about osprey")["conversation_id"]
        one = self.chat("When was it started?", conversation_id=heron)
        other = self.chat("When was it started?", conversation_id=osprey)
        self.assertIs(other["cached"], False)
        self.assertEqual(self.messages(heron)[-1]["content"], one["answer"])
        self.assertEqual(self.messages(osprey)[-1]["content"], other["answer"])

    def test_citations_stay_readable_when_their_document_has_gone(self):
        made = self.system.good("POST", f"/api/portfolios/{self.portfolio}/documents",
                                {"source": "kite", "content": "The kite project is written in Zig."})
        self.system.wait_stored(self.portfolio)
        answer = self.chat("What is the kite project written in?")
        self.assertIn("kite", [c["source"] for c in answer["citations"]])
        self.system.call("DELETE", f"/api/portfolios/{self.portfolio}/documents/{made['id']}")
        kept = self.messages(answer["conversation_id"])[1]["citations"]
        self.assertEqual(kept, answer["citations"])

    def test_conversations_outlive_a_restart(self):
        answer = self.chat("What is heron written in?")
        pid = self.system.kill_worker("retriever-1")
        wait_for(lambda: self.system.pid("retriever-1") != pid, "a new retriever")
        self.assertEqual(self.messages(answer["conversation_id"])[1]["content"], answer["answer"])


if __name__ == "__main__":
    unittest.main()
