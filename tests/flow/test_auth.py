"""AUTH_MODE=jwt: who is let in, what the others are told, and how operators get a token."""
import subprocess
import time
import unittest

from system import BIN, System, free_ports, wait_for
from tokens import DOOR, SECRET, bearer, token

CHAT = "/api/agents/1/chat"
HELLO = {"message": "Hello"}


def run(*command, **environment):
    return subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL,
                          env={"ASAN_OPTIONS": "detect_leaks=0", **environment})


def wearing(text):
    return {"Authorization": f"Bearer {text}"}


class Door(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(
            System(demo=True, environment={**DOOR, "JWT_CLOCK_SKEW_S": "0"}))

    def assert_refused(self, reply, status, code, challenge):
        self.assertEqual((reply.status, reply.code), (status, code))
        self.assertIn(challenge, reply.headers["WWW-Authenticate"])

    def test_without_a_good_token_nobody_is_let_in(self):
        soon = int(time.time()) + 600
        head, said, mac = token(scope="chat").split(".")
        more = token(scope="admin").split(".")[1]  # what was not signed with it
        cases = {
            "no token": ({}, "token_missing"),
            "a password": ({"Authorization": "Basic YTpi"}, "token_missing"),
            "an OpenAI key": ({"Authorization": "Bearer sk-123"}, "token_invalid"),
            "another secret": (bearer(secret="x" * 32), "token_invalid"),
            "unsigned": (bearer(algorithm="none"), "token_invalid"),
            "unsigned, in other letters": (bearer(algorithm="nOnE"), "token_invalid"),
            "unsigned, by the name of a signature": (wearing(f"{head}.{said}."), "token_invalid"),
            "another algorithm": (bearer(algorithm="HS512"), "token_invalid"),
            "and another": (bearer(algorithm="HS384"), "token_invalid"),
            "a public key's algorithm": (bearer(algorithm="RS256"), "token_invalid"),
            "an unknown algorithm": (bearer(algorithm="XX1"), "token_invalid"),
            "claims of another token": (wearing(f"{head}.{more}.{mac}"), "token_invalid"),
            "half a signature": (wearing(f"{head}.{said}.{mac[:20]}"), "token_invalid"),
            "no signature": (wearing(f"{head}.{said}"), "token_invalid"),
            "four parts": (wearing(f"{head}.{said}.{mac}.{mac}"), "token_invalid"),
            "dots": (wearing(".."), "token_invalid"),
            "no base64": (wearing(f"{head}.%%%.{mac}"), "token_invalid"),
            "too long": (wearing(f"{head}.{said * 10}.{mac}"), "token_invalid"),
            "no tenant": (bearer(tenant=None), "token_invalid"),
            "an empty tenant": (bearer(tenant=""), "token_invalid"),
            "no subject": (bearer(subject=None), "token_invalid"),
            "a number as tenant": (bearer(tenant=7), "token_invalid"),
            "a list as subject": (bearer(subject=["ana"]), "token_invalid"),
            "a list as scope": (bearer(scope=["admin"]), "token_invalid"),
            "truth as scope": (bearer(scope=True), "token_invalid"),
            "for ever": (bearer(exp=None), "token_invalid"),
            "until a word": (bearer(exp="never"), "token_invalid"),
            "until before 1970": (bearer(exp=-1), "token_invalid"),
            "from a word on": (bearer(nbf="now"), "token_invalid"),
            "not yet": (bearer(nbf=soon), "token_invalid"),
            "expired": (bearer(exp=1000000000), "token_expired"),
        }
        for label, (headers, code) in cases.items():
            with self.subTest(label):
                for method, path, body in (("POST", CHAT, HELLO), ("POST", CHAT + "/stream", HELLO),
                                           ("GET", "/api/agents", None), ("GET", "/v1/models", None),
                                           ("GET", "/metrics", None)):
                    reply = self.system.call(method, path, body, headers)
                    self.assert_refused(reply, 401, code, 'Bearer realm="millrace"')

    def test_a_scope_allows_what_it_names(self):
        admin_only = (("GET", "/metrics"), ("GET", "/api/ops/pools"), ("PUT", "/api/flags"),
                      ("POST", "/api/agents"), ("PUT", "/api/agents/1"), ("DELETE", "/api/agents/1"),
                      ("POST", "/api/portfolios"), ("POST", "/api/portfolios/1/documents"),
                      ("DELETE", "/api/portfolios/1"), ("POST", "/api/portfolios/1/invalidate"))
        for method, path in admin_only:
            with self.subTest(path=path, method=method):
                reply = self.system.call(method, path, None, bearer(scope="chat"))
                self.assert_refused(reply, 403, "scope_missing", 'scope="admin"')
        for scope, status in ((None, 403), ("openid email", 403), ("chat", 200), ("admin", 200)):
            with self.subTest(scope):
                reply = self.system.call("POST", CHAT, HELLO, bearer(scope=scope))
                self.assertEqual(reply.status, status)
        self.assertEqual(self.system.call("GET", "/metrics", None, bearer(scope="admin")).status, 200)

    def test_health_is_open(self):
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.system.get(path).status, 200)

    def test_a_token_that_was_good_is_not_when_it_has_expired(self):
        headers = bearer(scope="chat", exp=int(time.time()) + 2)
        self.assertEqual(self.system.call("GET", "/v1/models", None, headers).status, 200)
        refused = wait_for(lambda: (reply := self.system.call("GET", "/v1/models", None, headers)).status
                           == 401 and reply, "it has expired")
        self.assert_refused(refused, 401, "token_expired", "invalid_token")
        self.assertEqual(refused.json["error"]["type"], "invalid_request_error")

    def test_refusals_are_counted_and_tokens_are_not_logged(self):
        wrong = token(secret="y" * 32)
        self.system.call("POST", CHAT, HELLO, {"Authorization": f"Bearer {wrong}"})
        self.system.headers.update(bearer())
        self.addCleanup(self.system.headers.pop, "Authorization")
        counted = self.system.metric("millrace_auth_refusals_total", code="token_invalid")
        self.assertGreater(counted, 0)
        signature = wrong.rpartition(".")[2]
        for name, text in self.system.logs().items():
            self.assertNotIn(signature, text, name)
            self.assertNotIn(SECRET, text, name)

    def test_the_operator_writes_a_token_and_asks_with_it(self):
        self.assertIn("react", self.system.call(
            "POST", CHAT, {"message": "What React projects are there?"}, bearer()).json["answer"].lower())
        url = {"MILLRACE_URL": self.system.url}
        refused = run("millrace", "ask", "Hello", **url)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("token_missing", refused.stderr)
        made = run("millrace", "token", "--tenant", "default", "--subject", "me", JWT_SECRET=SECRET)
        self.assertEqual(made.returncode, 0, made.stderr)
        asked = run("millrace", "ask", "Hello", MILLRACE_TOKEN=made.stdout.strip(), **url)
        self.assertEqual(asked.returncode, 0, asked.stderr)
        folder = str(self.system.data)
        listed = run("millrace", "ingest", "--create", "mine", folder, MILLRACE_TOKEN=made.stdout.strip(),
                     **url)
        self.assertIn("scope_missing", listed.stderr)

    def test_a_token_is_not_written_without_what_it_needs(self):
        named = ("--tenant", "a", "--subject", "b")
        for words, environment, want in (
                (("--tenant", "a"), {"JWT_SECRET": SECRET}, "--subject"),
                (named, {}, "JWT_SECRET"),
                (named, {"JWT_SECRET": "short"}, "32 bytes"),
                ((*named, "--scope", "root"), {"JWT_SECRET": SECRET}, "chat or admin"),
                ((*named, "--ttl", "soon"), {"JWT_SECRET": SECRET}, "--ttl soon"),
                (("--tenant", "a\nb", "--subject", "b"), {"JWT_SECRET": SECRET}, "control")):
            with self.subTest(words):
                result = run("millrace", "token", *words, **environment)
                self.assertNotEqual(result.returncode, 0)
                self.assertEqual(result.stdout, "")
                self.assertIn(want, result.stderr)


class Listening(unittest.TestCase):
    """A gateway alone, on all addresses."""

    def test_with_tokens_it_may_listen_anywhere(self):
        port = free_ports()
        gateway = subprocess.Popen(
            [str(BIN / "millrace-gateway"), "--http-address", "0.0.0.0", "--http-port", str(port),
             "--lanes-port", str(port + 1)], env={**DOOR, "ASAN_OPTIONS": "detect_leaks=0"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(gateway.stderr.close)
        self.addCleanup(gateway.wait, 20)
        self.addCleanup(gateway.terminate)
        for line in gateway.stderr:
            if "ready" in line:
                break
        self.assertIn(f"http=0.0.0.0:{port}", line)
        self.assertIsNone(gateway.poll())

    def test_a_door_that_nobody_knows_is_refused_and_those_that_are_known_are_named(self):
        for mode in ("yes", "JWT", "jwt,none", "basic"):
            result = run("millrace-gateway", AUTH_MODE=mode, JWT_SECRET=SECRET)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(f"AUTH_MODE={mode}", result.stderr)
            self.assertIn("none|jwt", result.stderr)

    def test_without_tokens_it_listens_to_itself_alone(self):
        result = run("millrace-gateway", "--http-address", "0.0.0.0")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("AUTH_MODE=none", result.stderr)

    def test_a_secret_that_is_too_short_is_refused(self):
        for secret in ("", "31 bytes are too few for HS256!"):
            result = run("millrace-gateway", "--auth-mode", "jwt", JWT_SECRET=secret)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("AUTH_MODE=jwt needs a JWT_SECRET of at least 32 bytes", result.stderr)
            self.assertNotIn(secret or "\0", result.stderr)


if __name__ == "__main__":
    unittest.main()
