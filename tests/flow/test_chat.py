"""The main job: questions answered from the demo's documents, streamed with citations."""
import json
import re
import subprocess
import unittest

from system import BIN, System

TOKEN_EVENT_BYTES_MAX = 1024
ANSWER_FIELDS = {"citations", "cached", "conversation_id", "message_id", "language", "complexity",
                 "top_k", "max_tokens", "finish_reason", "usage", "timings_ms"}
CITATION_FIELDS = {"n", "document_id", "title", "heading", "chunk_id", "start", "end", "score",
                   "source"}


def curl(command):
    """Runs a command as somebody typed it, against the port of this system."""
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60,
                          check=True).stdout


class Chat(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(demo=True))

    def as_typed(self, command):
        return curl("curl -sS " + command.replace("8000", str(self.system.port)))

    def check_citations(self, text, citations):
        cited = {int(n) for n in re.findall(r"\[(\d+)\]", text)}
        self.assertEqual(cited, {c["n"] for c in citations}, text)
        for citation in citations:
            self.assertLessEqual(CITATION_FIELDS, citation.keys())
            self.assertLess(citation["start"], citation["end"])

    def test_the_former_chat_command_answers_from_the_portfolio(self):
        answer = json.loads(self.as_typed(
            "-X POST http://localhost:8000/api/agents/1/chat "
            """-d '{"message": "What React projects?", "portfolio_id": 1}'"""))
        self.assertLessEqual(ANSWER_FIELDS | {"answer"}, answer.keys())
        self.assertIn("React", answer["answer"])
        self.assertTrue(answer["citations"])
        self.check_citations(answer["answer"], answer["citations"])
        self.assertEqual((answer["language"], answer["complexity"], answer["top_k"]),
                         ("en", "medium", 8))
        self.assertIs(answer["cached"], False)

    def test_the_request_says_the_answers_language_then_the_agent_then_the_question(self):
        agent = self.system.good("POST", "/api/agents", {"name": "es", "language": "es"})["id"]
        english, spanish, insisting = (
            self.system.good("POST", f"/api/agents/{number}/chat", {"message": "Hello", **fields})["answer"]
            for number, fields in ((1, {}), (agent, {}), (agent, {"language": "en"})))
        self.assertNotEqual(english, spanish)
        self.assertEqual(english, insisting)

    def test_the_former_stream_command_gives_tokens_then_one_done(self):
        out = self.as_typed(
            "-N -X POST http://localhost:8000/api/agents/1/chat/stream "
            """-d '{"message": "Tell me about React projects", "portfolio_id": 1}'""")
        events = [json.loads(line[6:]) for line in out.splitlines() if line.startswith("data: ")]
        self.assertEqual([e["type"] for e in events], ["token"] * (len(events) - 1) + ["done"])
        self.assertGreater(len(events), 2, "the answer came in one piece")
        text = "".join(e["content"] for e in events[:-1])
        self.assertIn("React", text)
        self.assertTrue(events[-1]["citations"])
        self.check_citations(text, events[-1]["citations"])
        self.assertLessEqual(ANSWER_FIELDS, events[-1].keys())
        self.assertNotIn("answer", events[-1])

    def test_a_stream_has_the_bytes_that_former_clients_read(self):
        stream = self.system.stream("List all projects with their technologies")
        events = list(stream.events())
        self.assertEqual(stream.status, 200)
        self.assertTrue(stream.headers["Content-Type"].startswith("text/event-stream"))
        self.assertEqual(stream.headers["Cache-Control"], "no-cache")
        self.assertEqual(stream.headers["X-Accel-Buffering"], "no")
        tokens = [b for b in stream.blocks if b'"type":"token"' in b]
        self.assertEqual(len(tokens), len(events) - 1)
        for block in tokens:
            self.assertLessEqual(len(block), TOKEN_EVENT_BYTES_MAX)
            self.assertRegex(block, rb'(?s)^(id: [^\n]+\n)?data: \{"type":"token","content":"')
            self.assertTrue(block.endswith(b"\n\n"))
        stream.close()

    def test_hello_goes_straight_to_the_generate_lane(self):
        # A conversation's first question needs nothing but its agent, which the gateway may know.
        self.system.ask("Hello")
        before = {pool: self.system.lane(pool)["submitted"] for pool in ("embed", "generate")}
        searches = self.system.metric("millrace_lane_jobs_submitted_total", pool="embed")
        text, done = self.system.ask("Hi there")
        after = {pool: self.system.lane(pool)["submitted"] for pool in ("embed", "generate")}
        self.assertTrue(text)
        self.assertEqual((done["type"], done["complexity"], done["top_k"]), ("done", "trivial", 0))
        self.assertEqual(done["citations"], [])
        self.assertEqual(after["embed"], before["embed"])
        self.assertEqual(after["generate"], before["generate"] + 1)
        self.assertEqual(self.system.metric("millrace_lane_jobs_submitted_total", pool="embed"),
                         searches)

    def test_a_spanish_question_gets_a_spanish_answer(self):
        text, done = self.system.ask("¿Qué proyectos usan React?")
        self.assertEqual(done["language"], "es")
        self.assertTrue(done["citations"], text)
        english, _ = self.system.ask("What projects use React?")
        self.assertNotEqual(text, english)

    def test_a_question_that_nothing_answers_is_told_so_without_citations(self):
        text, done = self.system.ask("What is the boiling point of tungsten hexafluoride?")
        self.assertTrue(text)
        self.assertEqual(done["citations"], [])

    def test_chat_and_stream_give_the_same_answer(self):
        question = {"message": "Which projects are written in Python?"}
        whole = self.system.good("POST", "/api/agents/1/chat", question)
        text, done = self.system.ask(question["message"])
        self.assertEqual(text, whole["answer"])
        self.assertEqual(done["citations"], whole["citations"])

    def test_a_question_that_is_not_to_be_stored_leaves_no_conversation(self):
        answer = self.system.good("POST", "/api/agents/1/chat",
                                  {"message": "What is React?", "store": False})
        self.assertTrue(answer["answer"])
        self.assertIsNone(answer.get("conversation_id"))
        self.assertIsNone(answer.get("message_id"))

    def test_an_agent_without_a_portfolio_retrieves_nothing(self):
        agent = self.system.good("POST", "/api/agents", {"name": "bare"})["id"]
        before = self.system.lane("embed")["submitted"]
        text, done = self.system.ask("List all React projects", agent=agent)
        self.assertTrue(text)
        self.assertEqual(done["citations"], [])
        self.assertEqual(self.system.lane("embed")["submitted"], before)

    def test_language_and_top_k_of_the_request_go_before_what_was_judged(self):
        answer = self.system.good("POST", "/api/agents/1/chat",
                                  {"message": "React", "language": "es", "top_k": 2})
        self.assertEqual((answer["language"], answer["top_k"]), ("es", 2))

    def test_the_command_line_asks_and_shows_sources(self):
        asked = subprocess.run([str(BIN / "millrace"), "ask", "--url", self.system.url,
                                "What React projects are there?"],
                               capture_output=True, text=True, timeout=60)
        self.assertEqual(asked.returncode, 0, asked.stderr)
        answer, _, sources = asked.stdout.partition("\nSources:\n")
        self.assertIn("React", answer)
        self.assertRegex(sources, r"\[1\] \S+")

    def test_the_command_line_says_when_no_server_is_there(self):
        asked = subprocess.run([str(BIN / "millrace"), "ask", "--url", "http://127.0.0.1:1", "Hello"],
                               capture_output=True, text=True, timeout=60)
        self.assertEqual(asked.returncode, 1)
        self.assertIn("no server answers at http://127.0.0.1:1", asked.stderr)


if __name__ == "__main__":
    unittest.main()
