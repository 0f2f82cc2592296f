"""Keys of providers: sealed before anything keeps them, opened for the provider alone, never told again;
the key that seals them, and its change."""
import contextlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import unittest

from scripted_provider import ScriptedProvider, model
from system import BIN, System, store_for, wait_for
from workers import Worker

GENERATOR = "millrace-generator"
QUESTION = {"message": "What is a mill race?"}


class KeyCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.provider = cls.enterClassContext(ScriptedProvider())

    def folder(self):
        """A data folder for systems that come one after the other."""
        folder = tempfile.mkdtemp(prefix="millrace-flow-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return pathlib.Path(folder)

    def environment(self, **more):
        return {"OPENAI_BASE_URL": self.provider.url, "PROVIDER_RETRIES_MAX": "0", **more}

    @staticmethod
    def agent(system, key, **fields):
        """An agent whose model answers to that key alone."""
        return system.good("POST", "/api/agents", {
            "name": "keyed", "provider": "openai", "model": model(key=key, length=40),
            "api_key": key, **fields})["id"]

    @staticmethod
    def outcome(system, agent):
        """None for an answer, else the code of the error."""
        reply = system.post(f"/api/agents/{agent}/chat", QUESTION)
        return None if reply.status == 200 else reply.code


class Sealed(KeyCase):
    def setUp(self):
        self.system = self.enterContext(System(environment=self.environment()))

    def everything_kept(self):
        """All bytes of the data folder and of the store."""
        kept = {}
        for folder in {self.system.data, self.system.store.folder}:
            for path in filter(pathlib.Path.is_file, folder.rglob("*")):
                with contextlib.suppress(FileNotFoundError):  # PostgreSQL's come and go
                    kept[path] = path.read_bytes()
        return kept

    def sealed_texts(self):
        return [text for text, in self.system.store.rows("SELECT api_key FROM agents WHERE api_key <> ''")]

    def test_a_key_that_was_given_stands_nowhere_and_is_told_to_nobody(self):
        keys = ["sk-own-4711", "sk-fallback-4712", "sk-changed-4713"]
        agent = self.agent(self.system, keys[0], model=model(length=40), fallbacks=[
            {"provider": "openai", "model": model(length=41), "api_key": keys[1]}])
        self.assertIsNone(self.outcome(self.system, agent))
        replies = [self.system.get(f"/api/agents/{agent}"), self.system.get("/api/agents"),
                   self.system.call("PUT", f"/api/agents/{agent}", {"api_key": keys[2]})]
        self.assertIsNone(self.outcome(self.system, agent))
        self.assertTrue(replies[0].json["has_api_key"])
        self.assertTrue(replies[0].json["fallbacks"][0]["has_api_key"])
        for reply in replies:
            for hidden in (*keys, "v1.", '"api_key"'):
                self.assertNotIn(hidden.encode(), reply.body)
        kept, sealed = self.everything_kept(), self.sealed_texts()[0].encode()
        self.assertTrue(any(sealed in content for content in kept.values()))
        for path, content in kept.items():
            for key in keys:
                self.assertNotIn(key.encode(), content, path)

    def test_a_fallback_is_asked_with_its_own_key(self):
        agent = self.agent(self.system, "sk-1", model=model(status=500), fallbacks=[
            {"provider": "openai", "model": model(key="sk-2", length=30), "api_key": "sk-2"}])
        self.assertIsNone(self.outcome(self.system, agent))

    def test_an_update_keeps_replaces_or_removes_the_key(self):
        agent = self.agent(self.system, "sk-kept")
        for change, want, has in [
                ({"name": "renamed"}, None, True),
                ({"api_key": "sk-wrong"}, "provider_auth", True),
                ({"api_key": "sk-kept"}, None, True),
                ({"api_key": ""}, "provider_auth", False),
                ({"api_key": "sk-kept"}, None, True),
                ({"api_key": None}, "provider_auth", False)]:
            with self.subTest(change):
                got = self.system.good("PUT", f"/api/agents/{agent}", change)
                self.assertEqual(got["has_api_key"], has)
                self.assertEqual(self.outcome(self.system, agent), want)

    def test_a_key_does_not_follow_its_agent_to_another_address(self):
        agent = self.agent(self.system, "sk-mine")
        got = self.system.good("PUT", f"/api/agents/{agent}", {"base_url": self.provider.url + "/"})
        self.assertFalse(got["has_api_key"])
        self.assertEqual(self.outcome(self.system, agent), "provider_auth")

    def test_a_sealed_text_is_no_key(self):
        self.agent(self.system, "sk-sealed")
        sealed = self.sealed_texts()[0]
        reply = self.system.post("/api/agents", {"name": "thief", "provider": "openai",
                                                 "api_key": sealed})
        self.assertEqual((reply.status, reply.code), (422, "invalid_field"))
        self.assertNotIn(sealed.encode(), reply.body)

    def test_what_only_the_store_can_see_is_told_in_words(self):
        reply = self.system.post("/api/agents", {"name": "a", "provider": "openai-compatible"})
        self.assertEqual((reply.status, reply.code), (422, "invalid_field"))
        self.assertIn("base_url", reply.json["error"]["message"])

    def test_the_sealing_key_is_its_owners_alone_and_the_generators(self):
        folder = self.system.data / "secrets"
        file = folder / "agent_kms_key"
        self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        key = file.read_text().strip().encode()
        self.assertEqual(len(key), 44)
        for name in ("gateway", "embedder-1", "retriever-1", "generator-1"):
            seen = pathlib.Path(f"/proc/{self.system.pid(name)}/environ").read_bytes()
            self.assertEqual(key in seen, name == "generator-1", name)


class SealingKey(KeyCase):
    def test_without_a_sealing_key_no_key_is_stored_and_all_else_works(self):
        with System(counts=(1, 1, 0), environment=self.environment()) as system:
            with Worker(system, GENERATOR, **self.environment()):
                body = {"name": "a", "provider": "openai", "api_key": "sk-1"}
                for fields in (body, {**body, "api_key": None, "fallbacks": [
                        {"provider": "mistral", "api_key": "sk-2"}]}):
                    reply = system.post("/api/agents", fields)
                    self.assertEqual((reply.status, reply.code), (409, "kms_key_missing"))
                made = system.good("POST", "/api/agents", {"name": "b", "provider": "openai"})
                self.assertEqual(made["id"], 2)

    @staticmethod
    def has_given_up(system):
        """Whether the gateway waits for a generator no more. A question that waits is withdrawn."""
        connection = system.connect(timeout=1)
        try:
            connection.request("POST", "/api/agents/1/chat", json.dumps({"message": "Hello"}),
                               {"Content-Type": "application/json"})
            return connection.getresponse().status == 503
        except TimeoutError:
            return False
        finally:
            connection.close()

    def test_without_a_generator_a_key_is_refused_and_agents_without_one_are_made(self):
        with System(counts=(1, 1, 0), environment=self.environment()) as system:
            system.good("POST", "/api/agents", {"name": "b", "provider": "openai"})
            wait_for(lambda: self.has_given_up(system), "no generator")
            reply = system.post("/api/agents", {"name": "a", "provider": "openai", "api_key": "sk"})
            self.assertEqual((reply.status, reply.code), (503, "no_worker"))

    def test_another_sealing_key_opens_nothing_and_says_so(self):
        data = self.folder()
        environment = self.environment(OPENAI_API_KEY="sk-of-the-environment")
        with System(data=data, environment=environment) as system:
            agent = self.agent(system, "sk-1")
            plain = self.agent(system, "sk-of-the-environment", api_key=None)
        (data / "secrets" / "agent_kms_key").unlink()
        with System(data=data, environment=environment) as system:
            self.assertEqual(self.outcome(system, agent), "kms_key_wrong")
            self.assertIsNone(self.outcome(system, plain))
            system.good("PUT", f"/api/agents/{agent}", {"api_key": "sk-1"})
            self.assertIsNone(self.outcome(system, agent))


class Rekey(KeyCase):
    def setUp(self):
        self.data = self.folder()
        self.key = self.data / "secrets" / "agent_kms_key"
        self.previous = self.data / "secrets" / "agent_kms_key_previous"

    def system(self):
        return System(data=self.data, environment=self.environment())

    def rekey(self):
        return self.run_rekey("--data", str(self.data), **store_for(self.data).environment)

    @staticmethod
    def run_rekey(*flags, **environment):
        return subprocess.run(
            [BIN / "millrace", "rekey", *flags],
            env={"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0", **environment},
            capture_output=True, text=True, timeout=60)

    def test_keys_move_to_a_new_sealing_key_while_the_system_runs(self):
        with self.system() as system:
            agents = [self.agent(system, f"sk-{i}", fallbacks=[
                {"provider": "mistral", "api_key": f"mk-{i}"}]) for i in range(120)]
            none = self.rekey()
            self.assertEqual((none.returncode, none.stdout),
                             (0, "0 keys sealed anew (0 agents), 240 were already\n"))
        self.key.rename(self.previous)
        with self.system() as system:
            self.assertIsNone(self.outcome(system, agents[0]))
            version = system.good("GET", f"/api/agents/{agents[1]}")["version"]
            fresh = self.agent(system, "sk-fresh")
            first, again = self.rekey(), self.rekey()
            self.assertEqual((first.returncode, first.stdout),
                             (0, "240 keys sealed anew (120 agents), 1 were already\n"), first)
            self.assertEqual(again.stdout, "0 keys sealed anew (0 agents), 241 were already\n")
            self.assertIsNone(self.outcome(system, agents[0]))
            got = system.good("GET", f"/api/agents/{agents[1]}")
            self.assertEqual(got["version"], version + 1)
        self.previous.unlink()
        with self.system() as system:
            for agent in (agents[0], agents[-1], fresh):
                self.assertIsNone(self.outcome(system, agent))

    def test_a_key_of_neither_is_told_and_the_others_move(self):
        with self.system() as system:
            self.agent(system, "sk-lost")
        self.key.unlink()
        with self.system() as system:
            kept = self.agent(system, "sk-kept")
        self.key.rename(self.previous)
        with self.system() as system:
            done = self.rekey()
            self.assertEqual(done.returncode, 1)
            self.assertIn("1 keys sealed anew (1 agents), 0 were already", done.stdout)
            self.assertIn("1 keys open with neither key", done.stderr)
            self.assertIsNone(self.outcome(system, kept))

    def test_it_asks_for_a_key_and_refuses_what_is_none(self):
        url = store_for(self.data).url
        missing = self.run_rekey("--database-url", url)
        wrong = self.run_rekey("--database-url", url, AGENT_KMS_KEY="swordfish")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("which key?", missing.stderr)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("AGENT_KMS_KEY is wrong", wrong.stderr)
        self.assertNotIn("swordfish", wrong.stderr)

    def test_it_makes_no_store_where_there_is_none(self):
        got = self.run_rekey("--data", str(self.data), AGENT_KMS_KEY=43 * "A" + "=")
        self.assertEqual((got.returncode, got.stdout), (1, ""))
        self.assertIn("millrace.db: name the store with DATABASE_URL", got.stderr)
        self.assertEqual(list(self.data.iterdir()), [])


class Environment(KeyCase):
    """Agent 1 has what the environment offers, until somebody names a provider for it."""

    def system(self, data, **environment):
        return System(demo=True, data=data, environment=self.environment(
            MISTRAL_BASE_URL=self.provider.mistral_url, ANTHROPIC_BASE_URL=self.provider.root,
            **environment))

    def offers(self, data, **environment):
        with self.system(data, **environment) as system:
            agent = system.good("GET", "/api/agents/1")
            self.assertIsNotNone(agent["portfolio_id"])
            return agent["provider"], agent["model"]

    def test_agent_1_follows_the_keys_of_each_start_until_it_is_edited(self):
        data = self.folder()
        self.assertEqual(self.offers(data), ("extractive", ""))
        self.assertEqual(self.offers(data, ANTHROPIC_API_KEY="ak"), ("anthropic", "claude-haiku-4-5"))
        self.assertEqual(self.offers(data, ANTHROPIC_API_KEY="ak", MISTRAL_API_KEY="mk"),
                         ("mistral", "mistral-small-latest"))
        named = model(key="ok", text="from_the_model")
        with self.system(data, OPENAI_API_KEY="ok", MISTRAL_API_KEY="mk",
                         DEFAULT_MODEL=named) as system:
            agent = system.good("GET", "/api/agents/1")
            self.assertEqual((agent["provider"], agent["model"]), ("openai", named))
            answer, _ = system.ask("Which projects use React?")
            self.assertEqual(answer, "from the model")
            system.good("PUT", "/api/agents/1", {"provider": "mistral", "model": "m"})
        self.assertEqual(self.offers(data, OPENAI_API_KEY="ok"), ("mistral", "m"))
        with self.system(data, OPENAI_API_KEY="ok") as system:
            system.good("PUT", "/api/agents/1", {"provider": ""})
            agent = system.good("GET", "/api/agents/1")
            self.assertEqual((agent["provider"], agent["model"]), ("openai", "gpt-4o-mini"))


if __name__ == "__main__":
    unittest.main()
