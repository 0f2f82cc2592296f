"""A provider behind TLS: HTTP/2 where it is offered, HTTP/1.1 where not, and nothing is said to one
whose certificate nobody vouches for."""
import http.server
import pathlib
import ssl
import tempfile
import threading
import time
import unittest

from providers import QUICK, ProviderCase
from scripted import text_of
from scripted_provider import model
from system import wait_for
from tls import TlsFront, make_certificate

AT_ONCE = 20


class OwnServer:
    """HTTPS that counts `handshakes` begun and `requests`."""

    def __init__(self, pair):
        self.handshakes = self.requests = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.requests += 1
                self.send_error(500)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def get_request(self):
                outer.handshakes += 1
                return super().get_request()

            def handle_error(self, *_):
                pass  # a client that leaves in the middle of a handshake is what is expected

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.server.server_port}/v1"


class Tls(ProviderCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.pair = make_certificate(folder / "trusted")
        cls.strange = make_certificate(folder / "strange")
        cls.misnamed = make_certificate(folder / "misnamed", "DNS:provider.test")
        trusted = folder / "trusted.pem"
        trusted.write_text(cls.pair[0].read_text() + cls.misnamed[0].read_text())
        cls.environment = {**QUICK, "SSL_CERT_FILE": str(trusted)}
        super().setUpClass()

    def agent_of(self, server, **words):
        return self.agent("openai-compatible", model(**words), base_url=server.url, api_key="k")

    def test_nothing_is_said_where_nobody_vouches_for_the_certificate_or_it_names_another(self):
        for pair in self.strange, self.misnamed:
            with self.subTest(pair[0].parent.name), OwnServer(pair) as server:
                both = self.ask_both(self.agent_of(server))
                self.assertEqual({o.code for o in both.values()}, {"provider_unavailable"})
                self.assertGreater(server.handshakes, 0)
                self.assertEqual(server.requests, 0)

    def test_what_is_vouched_for_is_asked(self):
        with OwnServer(self.pair) as server:
            self.assertEqual(self.ask_stream(self.agent_of(server)).code, "provider_failed")
            self.assertGreater(server.requests, 0)

    def test_a_server_that_does_not_speak_tls_cannot_be_reached(self):
        url = self.provider.url.replace("http://", "https://")
        agent = self.agent("openai-compatible", model(seed=404), base_url=url, api_key="k")
        self.assertEqual({o.code for o in self.ask_both(agent).values()}, {"provider_unavailable"})
        self.assertEqual(self.provider.events("begin", seed=404), [])

    def test_streams_share_a_connection_where_http2_is_offered(self):
        with TlsFront(self.provider, *self.pair) as front:
            agent = self.agent_of(front, seed=20, length=300, gap_ms=20)
            streams = [self.system.stream(f"What is stream {i}?", agent) for i in range(AT_ONCE)]
            for stream in streams:
                events = list(stream.events())
                self.assertEqual("".join(e["content"] for e in events[:-1]), text_of(20, 300))
                stream.close()
            wait_for(lambda: len(front.requests()) == AT_ONCE, "nginx's log")
            self.assertEqual({protocol for _, protocol, _ in front.requests()}, {"HTTP/2.0"})
            self.assertEqual(len({connection for connection, _, _ in front.requests()}), 1)

    def test_http_1_1_is_spoken_where_it_is_not(self):
        with TlsFront(self.provider, *self.pair, http2=False) as front:
            agent = self.agent_of(front, seed=11)
            for outcome in self.ask_both(agent).values():
                self.assertEqual((outcome.code, outcome.text), (None, text_of(11, 200)))
            wait_for(lambda: len(front.requests()) == 2, "nginx's log")
            self.assertEqual(len({connection for connection, _, _ in front.requests()}), 1, "kept alive")
            self.assertEqual({protocol for _, protocol, _ in front.requests()}, {"HTTP/1.1"})

    def test_a_client_that_leaves_ends_its_own_stream_of_the_connection(self):
        with TlsFront(self.provider, *self.pair) as front:
            leaver = self.system.stream("What is it?", self.agent_of(front, seed=30, length=100000, gap_ms=5))
            stayer = self.system.stream("What is it?", self.agent_of(front, seed=31, length=300, gap_ms=20))
            self.provider.wait_event("first", seed=30)
            self.provider.wait_event("first", seed=31)
            left_ns = time.monotonic_ns()
            leaver.close()
            closed = self.provider.wait_event("closed", seed=30)[0]
            self.assertLess(closed.ns - left_ns, 1e9)
            text = "".join(e.get("content", "") for e in stayer.events())
            self.assertEqual(text, text_of(31, 300))
            stayer.close()


if __name__ == "__main__":
    unittest.main()
