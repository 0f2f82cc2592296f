"""A provider behind TLS: nothing is said to one whose certificate nobody vouches for."""
import http.server
import pathlib
import ssl
import subprocess
import tempfile
import threading
import unittest

from providers import QUICK, ProviderCase
from scripted_provider import model

SUBJECTS = {"the address": "IP:127.0.0.1", "another name": "DNS:provider.test"}


class TlsServer:
    """HTTPS with a certificate that it signed itself. `handshakes` and `requests` are counted."""

    def __init__(self, subject):
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

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.socket = self.context(subject).wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False)

    @staticmethod
    def context(subject):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            key, certificate = pathlib.Path(folder, "key"), pathlib.Path(folder, "certificate")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                            "-subj", "/CN=test", "-addext", f"subjectAltName={subject}",
                            "-keyout", key, "-out", certificate], check=True, capture_output=True)
            context.load_cert_chain(certificate, key)
        return context

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
    environment = QUICK

    def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(self):
        for what, subject in SUBJECTS.items():
            with self.subTest(what), TlsServer(subject) as server:
                agent = self.agent("openai-compatible", model(), base_url=server.url, api_key="k")
                both = self.ask_both(agent)
                self.assertEqual({o.code for o in both.values()}, {"provider_unavailable"})
                self.assertGreater(server.handshakes, 0)
                self.assertEqual(server.requests, 0)

    def test_a_server_that_does_not_speak_tls_cannot_be_reached(self):
        url = self.provider.url.replace("http://", "https://")
        agent = self.agent("openai-compatible", model(), base_url=url, api_key="k")
        self.assertEqual({o.code for o in self.ask_both(agent).values()}, {"provider_unavailable"})
        self.assertEqual(self.provider.events("begin"), [])


if __name__ == "__main__":
    unittest.main()
