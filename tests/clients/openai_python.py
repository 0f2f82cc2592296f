"""The package `openai` of PyPI as its users write it."""
import os
import time
import unittest
import urllib.request

import openai

DOCUMENTS = os.environ["DOCUMENTS_URL"]
SCRIPTED = os.environ["SCRIPTED_URL"]
GUARDED = os.environ["GUARDED_URL"]
TOKEN = os.environ["GUARDED_TOKEN"]
QUESTION = [{"role": "user", "content": "What React projects are there?"}]


def client(url, **options):
    return openai.OpenAI(**{"base_url": f"{url}/v1", "api_key": "unused", **options})


def said(message):
    return [{"role": "user", "content": message}]


def cancelled_jobs(url):
    """Of the generate lane."""
    with urllib.request.urlopen(f"{url}/metrics") as metrics:
        for line in metrics.read().decode().splitlines():
            if line.startswith('millrace_lane_jobs_cancelled_total{pool="generate"}'):
                return float(line.split()[-1])
    raise AssertionError("no such metric")


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = client(DOCUMENTS)

    def create(self, **options):
        return self.client.chat.completions.create(
            **{"model": "agent-1", "messages": QUESTION, **options})

    def test_a_question_is_answered_with_citations_and_usage(self):
        answer = self.create()
        choice = answer.choices[0]
        self.assertEqual((answer.object, answer.model), ("chat.completion", "agent-1"))
        self.assertTrue(answer.id.startswith("chatcmpl-"))
        self.assertAlmostEqual(answer.created, time.time(), delta=60)
        self.assertEqual((choice.index, choice.finish_reason), (0, "stop"))
        self.assertEqual(choice.message.role, "assistant")
        self.assertIn("React", choice.message.content)
        self.assertTrue(choice.message.citations)
        for citation in choice.message.citations:
            self.assertIn(f"[{citation['n']}]", choice.message.content)
        self.assertGreater(answer.usage.completion_tokens, 0)
        self.assertEqual(answer.usage.total_tokens,
                         answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_a_stream_tells_the_same_answer(self):
        chunks = list(self.create(stream=True, stream_options={"include_usage": True}))
        whole = self.create()
        first, *rest, last, usage = chunks
        self.assertEqual((first.choices[0].delta.role, first.choices[0].delta.content),
                         ("assistant", ""))
        self.assertEqual({chunk.id for chunk in chunks}, {first.id})
        text = "".join(chunk.choices[0].delta.content or "" for chunk in rest)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertGreater(len(rest), 2, "it came in one piece")
        self.assertEqual(last.choices[0].finish_reason, "stop")
        self.assertEqual(last.choices[0].delta.citations, whole.choices[0].message.citations)
        self.assertEqual((usage.choices, usage.usage), ([], whole.usage))

    def test_the_sources_come_before_the_text(self):
        chunks = list(self.create(stream=True))
        at = next(i for i, chunk in enumerate(chunks) if getattr(chunk, "sources", None))
        self.assertFalse(any(c.choices[0].delta.content for c in chunks[:at + 1]))
        sources = chunks[at].sources
        for citation in chunks[-1].choices[0].delta.citations:
            source = sources[citation["n"] - 1]
            self.assertEqual(source["source"]["name"], citation["title"])
            self.assertEqual(source["metadata"][0]["document_id"], citation["document_id"])
            self.assertTrue(source["document"][0])

    def test_the_client_s_own_helper_for_streams_reads_it(self):
        with self.client.chat.completions.stream(model="agent-1", messages=QUESTION) as stream:
            text = "".join(event.delta for event in stream if event.type == "content.delta")
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.content, text)
        self.assertIn("React", text)

    def test_a_follow_up_sees_what_was_said_before(self):
        history = [*said("Tell me about Weaver UI"),
                   {"role": "assistant", "content": "It is a component library."}]
        answer = self.create(messages=[*history, *said("What is it made for?")])
        self.assertIn("Weaver", answer.choices[0].message.content)
        alone = self.create(messages=said("What is it made for?"))
        self.assertNotEqual(alone.choices[0].message.content, answer.choices[0].message.content)

    def test_options_that_have_no_meaning_here_do_no_harm(self):
        answer = self.create(temperature=0.1, top_p=1, seed=7, user="me", n=1, store=False,
                             metadata={"a": "b"}, max_tokens=5, tools=[], tool_choice="auto")
        self.assertTrue(answer.choices[0].message.content)

    def test_models_are_the_agents(self):
        models = self.client.models.list()
        self.assertIn("agent-1", [model.id for model in models])
        self.assertEqual(self.client.models.retrieve("agent-1").id, "agent-1")


class Embeddings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = client(DOCUMENTS)

    def vectors(self, **options):
        made = self.client.embeddings.create(**{"model": "default", "input": ["a ferry", "a train"],
                                                **options})
        self.assertEqual([item.index for item in made.data], list(range(len(made.data))))
        self.assertGreater(made.usage.total_tokens, 0)
        return [item.embedding for item in made.data]

    def test_texts_get_a_vector_each_of_length_one(self):
        for vector in self.vectors():
            self.assertAlmostEqual(sum(x * x for x in vector), 1, places=4)

    def test_both_encodings_give_the_same_numbers(self):
        packed, plain = self.vectors(), self.vectors(encoding_format="float")
        for one, other in zip(packed, plain):
            for a, b in zip(one, other, strict=True):
                self.assertAlmostEqual(a, b, places=6)

    def test_one_text_may_come_without_an_array(self):
        one, = self.vectors(input="a ferry")
        self.assertEqual(one, self.vectors()[0])

    def test_other_dimensions_are_refused_and_equal_ones_are_not(self):
        dimensions = len(self.vectors()[0])
        self.assertEqual(len(self.vectors(dimensions=dimensions)[0]), dimensions)
        with self.assertRaisesRegex(openai.BadRequestError, f"dimensions must be {dimensions}"):
            self.vectors(dimensions=dimensions + 1)

    def test_an_embedder_that_is_not_there_is_not_found(self):
        with self.assertRaises(openai.NotFoundError) as raised:
            self.vectors(model="text-embedding-3-small")
        self.assertEqual(raised.exception.code, "model_not_found")


class Guarded(unittest.TestCase):
    def test_a_key_that_is_no_token_raises(self):
        with self.assertRaises(openai.AuthenticationError) as raised:
            client(GUARDED).models.list()
        self.assertEqual(raised.exception.code, "token_invalid")

    def test_a_token_is_a_key_until_it_is_used_too_often(self):
        guarded = client(GUARDED, api_key=TOKEN, max_retries=0)
        for _ in range(2):
            answer = guarded.chat.completions.create(model="agent-1", messages=said("Hello"))
            self.assertTrue(answer.choices[0].message.content)
        with self.assertRaises(openai.RateLimitError) as raised:
            guarded.chat.completions.create(model="agent-1", messages=said("Hello"), stream=True)
        self.assertEqual(raised.exception.code, "rate_limited")
        self.assertGreater(int(raised.exception.response.headers["Retry-After"]), 1)


class Errors(unittest.TestCase):
    def refused(self, error, code, url=DOCUMENTS, **options):
        with self.assertRaises(error) as raised:
            client(url, max_retries=0).chat.completions.create(
                **{"model": "agent-1", "messages": QUESTION, **options})
        self.assertEqual(raised.exception.code, code)
        return raised.exception

    def test_what_is_wrong_in_a_request_raises_what_the_client_has_for_it(self):
        image = [{"type": "image_url", "image_url": {"url": "data:,"}}]
        for error, code, options in (
                (openai.NotFoundError, "model_not_found", {"model": "gpt-4"}),
                (openai.NotFoundError, "model_not_found", {"model": "agent-999"}),
                (openai.BadRequestError, "message_empty", {"messages": said(" ")}),
                (openai.BadRequestError, "message_too_long", {"messages": said("a" * 9000)}),
                (openai.BadRequestError, "invalid_field", {"messages": []}),
                (openai.BadRequestError, "invalid_field", {"messages": said(image)}),
                (openai.BadRequestError, "invalid_field", {"n": 2}),
                (openai.BadRequestError, "invalid_field", {"tool_choice": "required"}),
                (openai.BadRequestError, "invalid_field",
                 {"response_format": {"type": "json_object"}}),
                (openai.APIStatusError, "body_too_large", {"messages": said("a" * 2000000)})):
            for stream in (False, True):
                with self.subTest(code=code, options=str(options)[:60], stream=stream):
                    self.refused(error, code, stream=stream, **options)

    def test_a_model_that_is_not_there_says_so_when_asked_for(self):
        for model in ("gpt-4", "agent-999"):
            with self.assertRaises(openai.NotFoundError) as raised:
                client(DOCUMENTS).models.retrieve(model)
            self.assertEqual((raised.exception.code, raised.exception.param),
                             ("model_not_found", "model"))

    def test_an_answer_that_fails_raises(self):
        self.refused(openai.InternalServerError, "provider_failed", SCRIPTED,
                     messages=said("script seed=1 length=100 fail_at=20"))

    def test_a_stream_that_fails_in_the_middle_raises_there(self):
        stream = client(SCRIPTED).chat.completions.create(
            model="agent-1", stream=True, messages=said("script seed=1 length=100 fail_at=60"))
        text = ""
        with self.assertRaises(openai.APIError) as raised:
            for chunk in stream:
                text += chunk.choices[0].delta.content or ""
        self.assertEqual(raised.exception.code, "provider_failed")
        self.assertTrue(text)

    def test_a_stream_that_is_closed_is_generated_no_further(self):
        before = cancelled_jobs(SCRIPTED)
        with client(SCRIPTED).chat.completions.create(
                model="agent-1", stream=True,
                messages=said("script seed=1 length=100000 gap_ms=20")) as stream:
            next(chunk for chunk in stream if chunk.choices[0].delta.content)
        until = time.monotonic() + 10
        while cancelled_jobs(SCRIPTED) == before and time.monotonic() < until:
            time.sleep(0.01)
        self.assertEqual(cancelled_jobs(SCRIPTED), before + 1)


if __name__ == "__main__":
    unittest.main()
