"""What bad input gets: the right status, a code, a request id; and the system goes on."""
import http.client
import json
import socket
import time
import unittest

from system import System

CHAT = "/api/agents/1/chat"
STREAM = "/api/agents/1/chat/stream"
DOCUMENTS = "/api/portfolios/{portfolio}/documents"
SECRET = "swordfish"  # stands in every question here, and must stand in no log


def question(text):
    return json.dumps({"message": text}).encode()


# method, path, body, headers, status, code
CASES = {
    "malformed JSON": ("POST", CHAT, b'{"message": "swordfish', {}, 400, "bad_json"),
    "no JSON at all": ("POST", CHAT, b"swordfish", {}, 400, "bad_json"),
    "an empty body": ("POST", CHAT, b"", {}, 400, "bad_json"),
    "trailing garbage": ("POST", CHAT, b'{"message":"swordfish"} x', {}, 400, "bad_json"),
    "nested 100,000 deep": ("POST", CHAT, b"[" * 60000, {}, 400, "bad_json"),
    "an array": ("POST", CHAT, b"[]", {}, 422, "invalid_field"),
    "no message": ("POST", CHAT, b"{}", {}, 422, None),
    "a number as message": ("POST", CHAT, b'{"message": 5}', {}, 422, "invalid_field"),
    "an empty message": ("POST", CHAT, question(""), {}, 422, "message_empty"),
    "a blank message": ("POST", CHAT, question(" \n\t"), {}, 422, "message_empty"),
    "a message too long": ("POST", CHAT, question("é" * 8001), {}, 422, "message_too_long"),
    "a text as portfolio": ("POST", CHAT, b'{"message":"swordfish","portfolio_id":"x"}', {}, 422,
                            "invalid_field"),
    "a negative top_k": ("POST", CHAT, b'{"message":"swordfish","top_k":-1}', {}, 422,
                         "invalid_field"),
    "a broken number": ("POST", CHAT, b'{"message":"swordfish","top_k":1.5}', {}, 422,
                        "invalid_field"),
    "store as text": ("POST", CHAT, b'{"message":"swordfish","store":"no"}', {}, 422,
                      "invalid_field"),
    "invalid UTF-8": ("POST", CHAT, b'{"message":"swordfish \xff\xfe"}', {}, 400, "invalid_utf8"),
    "NUL": ("POST", CHAT, b'{"message":"sword\\u0000fish"}', {}, 400, "invalid_utf8"),
    "a lone surrogate": ("POST", CHAT, b'{"message":"swordfish \\ud800"}', {}, 400, None),
    "an unknown agent": ("POST", "/api/agents/999999/chat", question(SECRET), {}, 404,
                         "agent_not_found"),
    "an agent that is no number": ("POST", "/api/agents/x/chat", question(SECRET), {}, 404, None),
    "an unknown portfolio": ("POST", CHAT, b'{"message":"What is swordfish?","portfolio_id":999999}',
                             {}, 404, "portfolio_not_found"),
    "an unknown conversation": ("POST", CHAT, b'{"message":"swordfish","conversation_id":999999}',
                                {}, 404, "conversation_not_found"),
    "an unknown conversation to read": ("GET", "/api/conversations/999999", None, {}, 404,
                                        "conversation_not_found"),
    "an unknown document": ("GET", DOCUMENTS + "/999999", None, {}, 404, "document_not_found"),
    "a search in nothing": ("POST", "/api/portfolios/999999/search", b'{"query":"swordfish"}', {},
                            404, "portfolio_not_found"),
    "a search for nothing": ("POST", "/api/portfolios/{portfolio}/search", b'{"query":""}', {}, 422,
                             None),
    "an unknown path": ("GET", "/api/nothing", None, {}, 404, "not_found"),
    "a wrong method": ("GET", CHAT, None, {}, 405, "method_not_allowed"),
    "a method nobody knows": ("BREW", CHAT, None, {}, 405, "method_not_allowed"),
    "a wrong content type": ("POST", CHAT, question(SECRET), {"Content-Type": "text/xml"}, 415,
                             "unsupported_media_type"),
    "a stream is refused like a chat": ("POST", STREAM, question(""), {}, 422, "message_empty"),
    "an empty document": ("POST", DOCUMENTS, b'{"source":"a","content":""}', {}, 422,
                          "document_empty"),
    "HTML without text": ("POST", DOCUMENTS,
                          b'{"source":"a","format":"html","content":"<p> </p><script>x()</script>"}',
                          {}, 422, "document_empty"),
    "a binary document": ("POST", DOCUMENTS, b'{"source":"a","content":"\\u0000\\u0001\\u0002"}',
                          {}, None, None),
    "an unknown format": ("POST", DOCUMENTS, b'{"source":"a","format":"pdf","content":"x"}', {},
                          422, "invalid_field"),
}

GOOD = {
    "curl's own content type": {"Content-Type": "application/x-www-form-urlencoded"},
    "JSON with a charset": {"Content-Type": "application/json; charset=utf-8"},
}


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System(environment={"CLIENT_HEADER_TIMEOUT_S": "1"}))
        cls.portfolio = cls.system.portfolio("bad", [{"source": "a", "content": "Some words."}])

    def check_error(self, reply, status, code):
        self.assertEqual(reply.status, status, reply)
        error = reply.json["error"]
        self.assertTrue(error["message"])
        self.assertTrue(error["request_id"])
        self.assertTrue(reply.headers["Content-Type"].startswith("application/json"))
        if code:
            self.assertEqual(error["code"], code, reply)

    def test_bad_input_gets_its_status_and_code(self):
        for label, (method, path, body, headers, status, code) in CASES.items():
            with self.subTest(label):
                reply = self.system.call(method, path.format(portfolio=self.portfolio), body, headers)
                if status is None:
                    self.assertIn(reply.status, range(400, 500), reply)
                    status = reply.status
                self.check_error(reply, status, code)

    def test_a_wrong_method_names_the_right_ones(self):
        self.assertIn("POST", self.system.get(CHAT).headers["Allow"])

    def test_what_curl_sends_is_accepted(self):
        for label, headers in GOOD.items():
            with self.subTest(label):
                self.assertEqual(self.system.call("POST", CHAT, question("Hello"), headers).status, 200)

    def test_unknown_fields_are_ignored(self):
        reply = self.system.post(CHAT, {"message": "Hello", "colour": {"deep": [1, 2, 3]}})
        self.assertEqual(reply.status, 200, reply)

    def test_the_longest_message_is_answered(self):
        self.assertEqual(self.system.post(CHAT, {"message": "é" * 8000}).status, 200)

    def test_a_body_over_the_limit_is_refused_before_it_is_sent(self):
        with socket.create_connection(("127.0.0.1", self.system.port), 20) as s:
            s.sendall(b"POST /api/agents/1/chat HTTP/1.1\r\nHost: x\r\n"
                      b"Content-Type: application/json\r\nContent-Length: 100000000\r\n\r\n")
            self.assertIn(b" 413 ", s.recv(4096).split(b"\r\n")[0])

    def test_a_body_of_unknown_length_over_the_limit_is_cut_off(self):
        with socket.create_connection(("127.0.0.1", self.system.port), 20) as s:
            s.sendall(b"POST /api/agents/1/chat HTTP/1.1\r\nHost: x\r\n"
                      b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            sent = 0
            answer = b""
            try:
                while sent < 64 << 20:
                    s.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
                    sent += 65536
                answer = s.recv(4096)
            except OSError:
                pass
            self.assertLess(sent, 32 << 20, f"all of it was read, and the answer is {answer[:100]}")

    def test_a_document_over_the_limit_is_a_413(self):
        words = "word " * (17 * 1024 * 1024 // 5)
        body = json.dumps({"source": "large", "content": words}).encode()
        try:
            reply = self.system.call("POST", DOCUMENTS.format(portfolio=self.portfolio), body)
            self.check_error(reply, 413, None)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused while it was being sent

    def test_html_nested_100000_deep_is_stored_or_refused(self):
        html = "<div>" * 100000 + "deep" + "</div>" * 100000
        reply = self.system.post(DOCUMENTS.format(portfolio=self.portfolio),
                                 {"source": "deep", "format": "html", "content": html})
        self.assertIn(reply.status, (201, 202, 422), reply)

    def test_a_flood_of_headers_is_a_431(self):
        headers = {f"X-Flood-{i}": "x" * 500 for i in range(100)}
        try:
            self.assertEqual(self.system.call("GET", "/healthz", None, headers).status, 431)
        except (http.client.BadStatusLine, ConnectionError):
            pass  # cut off without an answer

    def test_a_slow_sender_is_cut_off(self):
        with socket.create_connection(("127.0.0.1", self.system.port), 20) as s:
            s.sendall(b"POST /api/agents/1/chat HTTP/1.1\r\nHost: x\r\nContent-Le")
            begin = time.monotonic()
            s.recv(4096)
            self.assertLess(time.monotonic() - begin, 10)

    def test_garbage_is_no_request(self):
        with socket.create_connection(("127.0.0.1", self.system.port), 20) as s:
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
            s.recv(4096)
        self.assertEqual(self.system.get("/healthz").status, 200)

    @classmethod
    def tearDownClass(cls):
        logs = cls.system.logs()
        assert cls.system.get("/readyz").status == 200, "not ready any more"
        assert not any(SECRET in text for text in logs.values()), "a question stands in a log"


if __name__ == "__main__":
    unittest.main()
