"""The OpenAI-compatible interface, byte for byte. tests/clients asks with other people's packages."""
import base64
import json
import socket
import struct
import unittest

from providers import QUICK, ProviderCase
from scripted import script, text_of as scripted_text
from scripted_provider import SECRET, SECRET_ADDRESS
from system import System, wait_for
from workers import SCRIPTED, Worker

CHAT = "/v1/chat/completions"
DOCUMENTS = [
    {"source": "heron", "format": "markdown",
     "content": "# Heron\n\nThe heron project is written in Rust. Heron was started in 2019."},
    {"source": "osprey", "format": "markdown",
     "content": "# Osprey\n\nThe osprey project is written in Go. Osprey was started in 2021."},
]


def question(*messages, **members):
    """A body; the roles of the messages alternate, the last is the user's."""
    roles = ["user", "assistant"][len(messages) % 2 == 0:] + ["user", "assistant"] * len(messages)
    said = [{"role": role, "content": text} for role, text in zip(roles, messages)]
    return {"model": "agent-1", "messages": said, **members}


def events_of(reply):
    """The stream's events, without the [DONE] that has to be there."""
    *blocks, end, rest = reply.body.split(b"\n\n")
    assert (end, rest) == (b"data: [DONE]", b""), reply
    return [json.loads(block.removeprefix(b"data: ")) for block in blocks]


def text_of(events):
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events
                   if event["choices"])


class OpenAI(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System())
        portfolio = cls.system.portfolio("birds", DOCUMENTS)
        cls.system.good("PUT", "/api/agents/1", {"portfolio_id": portfolio})

    def complete(self, *messages, **members):
        return self.system.good("POST", CHAT, question(*messages, **members))

    def answer(self, *messages, **members):
        return self.complete(*messages, **members)["choices"][0]["message"]["content"]

    def newest_conversation(self):
        return self.system.good("POST", "/api/agents/1/chat", {"message": "Hello"})["conversation_id"]

    def test_the_answer_is_that_of_the_other_interface(self):
        asked = "What is heron written in?"
        want = self.system.good("POST", "/api/agents/1/chat", {"message": asked})
        got = self.complete(asked)
        message = got["choices"][0]["message"]
        self.assertEqual((message["content"], message["citations"]),
                         (want["answer"], want["citations"]))
        self.assertEqual(got["usage"], want["usage"])
        self.assertEqual(got["choices"][0]["finish_reason"], want["finish_reason"])

    def test_a_stream_opens_with_a_role_then_sources_then_text(self):
        reply = self.system.post(CHAT, question("What is heron written in?", stream=True))
        self.assertEqual(reply.status, 200)
        self.assertTrue(reply.headers["Content-Type"].startswith("text/event-stream"))
        role, sources, *rest, last = events_of(reply)
        self.assertEqual(role["choices"][0]["delta"], {"role": "assistant", "content": ""})
        self.assertIn("Rust", sources["sources"][0]["document"][0])
        self.assertEqual(text_of(rest), self.answer("What is heron written in?"))
        self.assertEqual(last["choices"][0]["finish_reason"], "stop")
        self.assertTrue(last["choices"][0]["delta"]["citations"])
        for event in (role, sources, *rest, last):
            self.assertEqual((event["object"], event["model"], event["id"]),
                             ("chat.completion.chunk", "agent-1", role["id"]))

    def test_a_greeting_has_no_sources(self):
        events = events_of(self.system.post(CHAT, question("Hello", stream=True)))
        self.assertTrue(text_of(events))
        self.assertFalse(any("sources" in event for event in events))

    def test_what_was_said_before_decides_what_a_follow_up_is_about(self):
        heron = self.answer("Tell me about heron", "It is a project.", "When was it started?")
        osprey = self.answer("Tell me about osprey", "It is a project.", "When was it started?")
        self.assertIn("2019", heron)
        self.assertIn("2021", osprey)

    def test_a_system_message_is_not_taken_for_something_that_was_asked(self):
        asked = question("When was it started?")
        alone = self.system.good("POST", CHAT, asked)
        asked["messages"].insert(0, {"role": "system", "content": "Tell me about osprey"})
        guided = self.system.good("POST", CHAT, asked)
        self.assertEqual(alone["choices"][0]["message"]["content"],
                         guided["choices"][0]["message"]["content"])

    def test_a_turn_is_recorded_unless_it_is_not_to_be(self):
        before = self.newest_conversation()
        answer = self.answer("What is osprey written in?")
        self.answer("What is osprey?", store=False)
        self.assertEqual(self.newest_conversation(), before + 2)
        user, assistant = self.system.good("GET", f"/api/conversations/{before + 1}")["messages"]
        self.assertEqual((user["content"], assistant["content"]),
                         ("What is osprey written in?", answer))

    def test_a_long_conversation_is_answered_from_its_newest_messages(self):
        asked = question(*(["Tell me about heron. " * 50, "It is a project. " * 60] * 200),
                         "Tell me about osprey")
        self.assertGreater(len(json.dumps(asked)), 400_000)
        reply = self.system.good("POST", CHAT, asked)
        self.assertTrue(reply["choices"][0]["message"]["content"])

    def test_a_key_is_answered_once_and_only_for_the_same_history(self):
        key = {"Idempotency-Key": "openai-1"}
        asked = question("Tell me about heron", "It is a project.", "When was it started?")
        first = self.system.call("POST", CHAT, asked, key)
        before = self.newest_conversation()
        again = self.system.call("POST", CHAT, asked, key)
        streamed = self.system.call("POST", CHAT, {**asked, "stream": True}, key)
        content = first.json["choices"][0]["message"]["content"]
        self.assertEqual(again.json["choices"][0]["message"]["content"], content)
        self.assertEqual(text_of(events_of(streamed)), content)
        self.assertEqual(self.newest_conversation(), before + 1)
        other = question("Tell me about osprey", "It is a project.", "When was it started?")
        reply = self.system.call("POST", CHAT, other, key)
        self.assertEqual((reply.status, reply.code), (400, "idempotency_mismatch"))

    def test_a_body_over_the_limit_is_refused_before_it_is_sent(self):
        with socket.create_connection(("127.0.0.1", self.system.port), 20) as client:
            client.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                           b"Content-Length: 2000000\r\n\r\n" % CHAT.encode())
            answer = client.makefile("rb").read()
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer)
        self.assertEqual(json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"],
                         "body_too_large")

    def test_whatever_is_refused_has_openai_s_shape(self):
        for method, path, body, status, code in (
                ("GET", "/v1/nothing", None, 404, "not_found"),
                ("GET", CHAT, None, 405, "method_not_allowed"),
                ("POST", CHAT, b"{", 400, "bad_json"),
                ("POST", CHAT, {"model": "agent-77", "messages": question("a")["messages"]}, 404,
                 "model_not_found"),
                ("POST", CHAT, question("a", portfolio_id=77), 404, "portfolio_not_found"),
                ("GET", "/v1/models/agent-77", None, 404, "model_not_found"),
                ("POST", "/v1/embeddings", {"model": "default", "input": [1]}, 400,
                 "invalid_field")):
            with self.subTest(path=path, code=code):
                reply = self.system.call(method, path, body)
                self.assertEqual((reply.status, reply.code), (status, code))
                self.assertEqual(reply.json["error"].keys(), {"message", "type", "param", "code"})
                self.assertEqual(reply.json["error"]["type"], "invalid_request_error")

    def test_models_come_and_go_with_their_agents(self):
        agent = self.system.good("POST", "/api/agents", {"name": "Second"})["id"]
        name = f"agent-{agent}"
        listed = {m["id"]: m for m in self.system.good("GET", "/v1/models")["data"]}
        self.assertEqual(listed[name], self.system.good("GET", f"/v1/models/{name}"))
        self.assertEqual(listed[name]["name"], "Second")
        self.system.good("DELETE", f"/api/agents/{agent}")
        self.assertEqual(self.system.get(f"/v1/models/{name}").status, 404)

    def test_embeddings_are_those_of_the_pool_in_either_encoding(self):
        asked = {"model": "default", "input": ["a ferry", "a train", "a ferry"]}
        plain = self.system.good("POST", "/v1/embeddings", asked)
        packed = self.system.good("POST", "/v1/embeddings", {**asked, "encoding_format": "base64"})
        vectors = [item["embedding"] for item in plain["data"]]
        self.assertEqual(vectors[0], vectors[2])
        self.assertNotEqual(vectors[0], vectors[1])
        for vector, item in zip(vectors, packed["data"], strict=True):
            numbers = struct.unpack(f"<{len(vector)}f", base64.b64decode(item["embedding"]))
            self.assertEqual([struct.unpack("<f", struct.pack("<f", x))[0] for x in vector],
                             list(numbers))
        named = self.system.good("POST", "/v1/embeddings", {**asked, "model": plain["model"]})
        self.assertEqual(named["data"], plain["data"])


class Scripted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(counts=(1, 1, 0)))
        cls.enterClassContext(Worker(cls.system, SCRIPTED))

    def test_a_stream_that_fails_ends_in_an_error_and_not_in_done(self):
        asked = question(script(seed=1, length=200, fail_at=100), stream=True)
        reply = self.system.post(CHAT, asked)
        *_, last, rest = reply.body.split(b"\n\n")
        self.assertEqual((reply.status, rest), (200, b""))
        self.assertEqual(json.loads(last.removeprefix(b"data: "))["error"]["code"], "provider_failed")
        self.assertNotIn(b"[DONE]", reply.body)
        self.assertNotIn(b'"finish_reason":"', reply.body)

    def test_the_same_failure_of_a_whole_answer_is_its_status(self):
        reply = self.system.post(CHAT, question(script(seed=1, length=200, fail_at=100)))
        self.assertEqual((reply.status, reply.code), (502, "provider_failed"))
        self.assertEqual(reply.json["error"]["type"], "server_error")

    def test_a_client_that_goes_ends_its_job_streaming_or_not(self):
        for stream in (True, False):
            with self.subTest(stream=stream):
                lane = self.system.lane("generate")
                connection = self.system.connect()
                asked = question(script(seed=1, length=100000, gap_ms=20), stream=stream)
                connection.request("POST", CHAT, json.dumps(asked),
                                   {"Content-Type": "application/json"})
                wait_for(lambda: self.system.lane("generate")["in_flight"] == 1, "the job begun")
                connection.close()
                wait_for(lambda: self.system.lane("generate")["cancelled"] == lane["cancelled"] + 1,
                         "the job cancelled")


class Providers(ProviderCase):
    """The same of agents that ask a language model."""
    environment = QUICK

    def asked(self, agent, stream):
        return self.system.post(CHAT, {**question("What does the ferry carry?"), "stream": stream,
                                       "model": f"agent-{agent}"})

    def test_an_answer_is_the_provider_s_and_ends_for_its_reason(self):
        for given, want in ((None, "stop"), ("length", "length"),
                            ("content_filter", "content_filter")):
            with self.subTest(want):
                agent, _ = self.scripted(seed=5, length=300, **({"finish": given} if given else {}))
                choice = self.asked(agent, False).json["choices"][0]
                events = events_of(self.asked(agent, True))
                self.assertEqual((choice["message"]["content"], choice["finish_reason"]),
                                 (scripted_text(5, 300), want))
                self.assertEqual((text_of(events), events[-1]["choices"][0]["finish_reason"]),
                                 (scripted_text(5, 300), want))

    def test_sources_come_although_there_is_no_answer_yet(self):
        portfolio = self.system.portfolio("ferry", [
            {"source": "ferry", "title": "Ferry", "content": "The ferry carries cars and trains."}])
        agent, _ = self.scripted(fault="stall", at=0, fields={"portfolio_id": portfolio})
        blocks = self.asked(agent, True).body.split(b"\n\n")
        role, sources, error = [json.loads(block.removeprefix(b"data: ")) for block in blocks[:-1]]
        self.assertEqual(role["choices"][0]["delta"]["role"], "assistant")
        self.assertEqual(sources["sources"][0]["document"], ["The ferry carries cars and trains."])
        self.assertEqual(error["error"]["code"], "provider_timeout")

    def test_what_a_provider_says_of_its_failure_reaches_nobody(self):
        for words, status, code in (({"status": 401}, 502, "provider_auth"),
                                    ({"status": 404}, 502, "provider_model"),
                                    ({"status": 429, "retry_after": 60}, 503, "provider_rate_limited"),
                                    ({"fault": "cut", "length": 900}, 502, "provider_cut")):
            with self.subTest(code):
                agent, _ = self.scripted(**words)
                whole, stream = self.asked(agent, False), self.asked(agent, True)
                self.assertEqual((whole.status, whole.code), (status, code))
                self.assertEqual(whole.json["error"]["type"], "server_error")
                last = stream.body.split(b"\n\n")[-2]
                self.assertEqual(json.loads(last.removeprefix(b"data: "))["error"]["code"], code)
                for reply in (whole, stream):
                    for secret in (SECRET, SECRET_ADDRESS):
                        self.assertNotIn(secret.encode(), reply.body)


if __name__ == "__main__":
    unittest.main()
