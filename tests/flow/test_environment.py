"""One dependency for each process: settings and secrets reach those that need them, and no others."""
import pathlib
import tempfile
import unittest

from system import System, store_for

PROCESSES = ("gateway", "embedder-1", "retriever-1", "generator-1")
FOLDER = tempfile.TemporaryDirectory()
STORE = store_for(FOLDER.name)
GIVEN = {
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "DATABASE_URL": STORE.url,
    "OPENAI_API_KEY": "sk-openai-test",
    "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
    "MISTRAL_API_KEY": "mistral-test",
    "ANTHROPIC_API_KEY": "anthropic-test",
    "AGENT_KMS_KEY": 43 * "A" + "=",
    "AGENT_KMS_KEY_PREVIOUS": 42 * "A" + "E=",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "AWS_SECRET_ACCESS_KEY": "of-somebody-else",
    "HISTORY_MESSAGES_MAX": "7",
    "LANE_JOBS_MAX": "77",
    "TZ": "Europe/Madrid",
}
WANT = {
    "REDIS_URL": {"gateway"},
    "DATABASE_URL": {"retriever-1"},
    "OPENAI_API_KEY": {"embedder-1", "generator-1"},
    "OPENAI_BASE_URL": {"embedder-1", "generator-1"},
    "MISTRAL_API_KEY": {"embedder-1", "generator-1"},
    "ANTHROPIC_API_KEY": {"generator-1"},
    "AGENT_KMS_KEY": {"generator-1"},
    "AGENT_KMS_KEY_PREVIOUS": {"generator-1"},
    "HTTPS_PROXY": {"generator-1", "embedder-1"},
    "AWS_SECRET_ACCESS_KEY": set(),
    "HISTORY_MESSAGES_MAX": {"gateway", "retriever-1"},
    "LANE_JOBS_MAX": {"gateway"},
    "TZ": set(PROCESSES),
}


class Environment(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(FOLDER.cleanup)
        cls.addClassCleanup(STORE.drop)
        cls.system = cls.enterClassContext(System(environment=GIVEN))
        cls.seen = {name: cls.environment_of(cls.system.pid(name)) for name in PROCESSES}

    @staticmethod
    def environment_of(pid):
        entries = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return dict(entry.decode().split("=", 1) for entry in entries if entry)

    def test_each_variable_reaches_the_processes_that_read_it_and_no_others(self):
        for name, want in WANT.items():
            with self.subTest(name):
                got = {process for process, seen in self.seen.items() if name in seen}
                self.assertEqual(got, want)
                for process in got:
                    self.assertEqual(self.seen[process][name], GIVEN[name])

    def test_no_secret_stands_on_a_command_line(self):
        for name in PROCESSES:
            command = pathlib.Path(f"/proc/{self.system.pid(name)}/cmdline").read_bytes()
            for value in GIVEN.values():
                self.assertNotIn(value.encode(), command)

    def test_the_store_that_was_asked_for_is_used(self):
        self.system.portfolio("there", [{"source": "a", "content": "Here."}])
        self.assertEqual(len(STORE.rows("SELECT 1 FROM documents WHERE source = 'a'")), 1)
        self.assertFalse((self.system.data / "millrace.db").exists())

    def test_no_secret_stands_in_a_log(self):
        self.system.post("/api/agents/1/chat", {"message": "Hello"})  # nobody answers at that address
        for name, text in self.system.logs().items():
            for key in ("OPENAI_API_KEY", "MISTRAL_API_KEY", "ANTHROPIC_API_KEY", "AGENT_KMS_KEY"):
                self.assertNotIn(GIVEN[key], text, name)


if __name__ == "__main__":
    unittest.main()
