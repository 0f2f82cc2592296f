"""Systems whose agents ask a scripted provider, and questions on both calls of the interface."""
import base64
import collections
import itertools
import unittest

from scripted_provider import SECRET, SECRET_ADDRESS, ScriptedProvider, model
from system import System, wait_for

PROVIDERS = ("openai", "mistral", "anthropic", "openai-compatible")
QUICK = {"PROVIDER_CONNECT_TIMEOUT_MS": "500", "PROVIDER_FIRST_TOKEN_TIMEOUT_MS": "700",
         "PROVIDER_TOKEN_TIMEOUT_MS": "500", "PROVIDER_RETRIES_MAX": "1"}
KMS_KEY = base64.b64encode(b"a key that only tests have here.").decode()

# What a question led to, whichever call asked it. `code` is None for an answer that is whole.
Outcome = collections.namedtuple("Outcome", "text code end raw")

_numbers = itertools.count(1)


class ProviderCase(unittest.TestCase):
    """One system and one provider for all tests of a class."""
    environment = {}
    counts = (1, 1, 1)

    @classmethod
    def setUpClass(cls):
        cls.provider = cls.enterClassContext(ScriptedProvider())
        cls.system = cls.enterClassContext(System(counts=cls.counts, environment={
            "AGENT_KMS_KEY": KMS_KEY,
            "OPENAI_API_KEY": "env-openai-key", "OPENAI_BASE_URL": cls.provider.url,
            "MISTRAL_API_KEY": "env-mistral-key", "MISTRAL_BASE_URL": cls.provider.mistral_url,
            "ANTHROPIC_API_KEY": "env-anthropic-key", "ANTHROPIC_BASE_URL": cls.provider.root,
            **cls.environment}))

    def agent(self, provider="openai", model_name=None, **fields):
        """The id of a new agent."""
        if provider == "openai-compatible":
            fields.setdefault("base_url", self.provider.url)
        body = {"name": f"agent {next(_numbers)}", "provider": provider, "model": model_name, **fields}
        return self.system.good("POST", "/api/agents", body)["id"]

    def scripted(self, provider="openai", fields=None, **words):
        """An agent whose model does what the words say, and the name of that model."""
        name = model(**{"seed": next(_numbers), **words})
        return self.agent(provider, name, **(fields or {})), name

    # --- asking ---

    def ask_whole(self, agent, **fields):
        body = {"message": f"What is question {next(_numbers)}?", **fields}
        reply = self.system.post(f"/api/agents/{agent}/chat", body)
        if reply.status == 200:
            return Outcome(reply.json["answer"], None, reply.json, reply.body)
        return Outcome("", reply.code, reply.json["error"], reply.body)

    def ask_stream(self, agent, **fields):
        stream = self.system.stream(f"What is question {next(_numbers)}?", agent, **fields)
        events = list(stream.events())
        stream.close()
        ends = [event for event in events if event["type"] != "token"]
        self.assertEqual([events[-1]], ends, "exactly one end, and nothing behind it")
        text = "".join(event["content"] for event in events[:-1])
        code = ends[0]["code"] if ends[0]["type"] == "error" else None
        return Outcome(text, code, ends[0], b"".join(stream.blocks))

    def ask_both(self, agent):
        return {"chat": self.ask_whole(agent), "stream": self.ask_stream(agent)}

    # --- what must hold ---

    def assert_nothing_leaks(self, *outcomes):
        logs = "".join(self.system.logs().values())
        for where in [*(o.raw.decode() for o in outcomes), logs]:
            for secret in (SECRET, SECRET_ADDRESS, "env-openai-key", "env-mistral-key",
                           "env-anthropic-key"):
                self.assertNotIn(secret, where)

    def count(self, event):
        """What the generators have counted of it."""
        return self.system.metric("millrace_worker_events_total", pool="generate", event=event)

    def wait_count(self, event, least):
        wait_for(lambda: self.count(event) >= least, f"{least} of {event}", 10)
        return self.count(event)
