"""The switches of /api/flags: live, kept across restarts, each does what it says."""
import pathlib
import tempfile
import unittest

from system import System

ALL_ON = {"streaming": True, "cache": True, "semantic_cache": True, "dynamic_context": True}


class Flags(unittest.TestCase):
    def setUp(self):
        self.data = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.system = self.enterContext(System(demo=True, data=self.data))

    def flags(self):
        found = self.system.good("GET", "/api/flags")
        return {name: found[name] for name in ALL_ON}

    def set(self, **switches):
        return self.system.call("PUT", "/api/flags", switches)

    def whole(self, message):
        return self.system.good("POST", "/api/agents/1/chat", {"message": message})

    def test_all_are_on_until_one_is_turned_off(self):
        self.assertEqual(self.flags(), ALL_ON)
        self.assertEqual(self.set(cache=False).status, 200)
        self.assertEqual(self.flags(), {**ALL_ON, "cache": False})

    def test_without_streaming_whole_answers_go_on(self):
        self.set(streaming=False)
        refused = self.system.post("/api/agents/1/chat/stream", {"message": "What React projects?"})
        self.assertEqual((refused.status, refused.code), (503, "streaming_disabled"))
        refused = self.system.post("/v1/chat/completions",
                                   {"model": "agent-1", "stream": True,
                                    "messages": [{"role": "user", "content": "Hello"}]})
        self.assertEqual(refused.status, 503)
        self.assertEqual(self.whole("What React projects?")["finish_reason"], "stop")
        self.set(streaming=True)
        self.assertEqual(self.system.ask("Hello")[1]["type"], "done")

    def test_without_dynamic_context_the_agent_says_how_much(self):
        self.set(dynamic_context=False)
        for fields, want in ((dict(), (8, 4000)), ({"top_k": 3, "max_context_tokens": 777}, (3, 777))):
            self.system.good("PUT", "/api/agents/1", {"name": "one", **fields})
            for message in ("Hello", "What is React?", "List all projects with their technologies"):
                answer = self.whole(message)
                self.assertEqual((answer["top_k"], answer["max_tokens"]), want, message)
        self.set(dynamic_context=True)
        self.assertEqual(self.whole("Hello")["top_k"], 0)

    def test_a_switch_survives_a_restart_and_is_logged(self):
        self.set(streaming=False)
        self.system.stop()
        self.assertIn("flags by=", self.system.logs()["gateway.log"])
        with System(data=self.data) as again:
            refused = again.post("/api/agents/1/chat/stream", {"message": "Hello"})
            self.assertEqual(refused.code, "streaming_disabled")

    def test_a_wrong_type_is_refused_and_named(self):
        for switch in ({"cache": "no"}, {"streaming": 0}):
            refused = self.system.call("PUT", "/api/flags", switch)
            self.assertEqual((refused.status, refused.code), (422, "invalid_field"))
            self.assertIn(next(iter(switch)), refused.json["error"]["message"])
        self.assertEqual(self.flags(), ALL_ON)


if __name__ == "__main__":
    unittest.main()
