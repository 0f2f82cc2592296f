"""Answers of models over HTTP: every dialect, however it is framed; clients that go; windows that
close; workers that die."""
import json
import socket
import time
import unittest

from clients import Asking, SlowClient
from providers import PROVIDERS, QUICK, ProviderCase
from scripted import text_of
from scripted_provider import model
from system import wait_for

CLOSED_MS = 100  # from a client's going to its provider connection's end; usually 1 or 2
STREAMS = 300


class Providers(ProviderCase):
    def test_every_dialect_answers_to_the_byte_with_its_usage(self):
        for number, provider in enumerate(PROVIDERS):
            agent, _ = self.scripted(provider, seed=500 + number, length=1000, piece=7)
            for outcome in self.ask_both(agent).values():
                self.assertEqual(outcome.text, text_of(500 + number, 1000))
                self.assertEqual(outcome.end["finish_reason"], "stop")
                usage = outcome.end["usage"]
                self.assertEqual(usage["completion_tokens"], 143)  # as the provider told
                self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + 143)

    def test_events_may_be_framed_in_any_way(self):
        for provider in PROVIDERS:
            for frame in ("crlf", "cr", "comment", "multi", "bom"):
                with self.subTest(provider=provider, frame=frame):
                    agent, _ = self.scripted(provider, seed=9, length=300, frame=frame)
                    self.assertEqual(self.ask_stream(agent).text, text_of(9, 300))

    def test_usage_that_is_not_told_is_estimated_and_counted(self):
        before = self.count("usage_estimated")
        agent, _ = self.scripted(fault="no_usage", length=400, seed=3)
        outcome = self.ask_stream(agent)
        written = len(text_of(3, 400).encode())
        self.assertEqual(outcome.end["usage"]["completion_tokens"], (written + 3) // 4)
        self.assertGreater(outcome.end["usage"]["prompt_tokens"], 0)
        self.wait_count("usage_estimated", before + 1)

    def test_a_server_that_refuses_what_is_not_needed_is_asked_for_less_and_remembered(self):
        name = model(seed=15, length=100)
        agent = self.agent("openai-compatible", name, base_url=self.provider.mistral_url)
        for _ in range(2):
            outcome = self.ask_stream(agent)
            self.assertEqual((outcome.code, outcome.text), (None, text_of(15, 100)))
        refused = [e for e in self.provider.events("refuse") if e.model == name]
        self.assertEqual([e.given for e in refused], [400, 400])  # its temperature was not the reason

    def test_an_empty_answer_is_an_answer(self):
        agent, _ = self.scripted(length=0)
        for outcome in self.ask_both(agent).values():
            self.assertEqual((outcome.code, outcome.text), (None, ""))

    def test_what_comes_behind_the_end_is_not_read(self):
        agent, _ = self.scripted(fault="after_end", length=300, seed=4)
        for outcome in self.ask_both(agent).values():
            self.assertEqual(outcome.code, None)
            self.assertTrue(text_of(4, 300).startswith(outcome.text))

    def test_only_passages_that_were_given_are_cited(self):
        portfolio = self.system.portfolio("ferry", [
            {"source": "ferry", "title": "Ferry", "content": "The ferry carries cars and trains."}])
        before = self.count("citation_dropped")
        agent, _ = self.scripted(text="Cars_[1],_ships_[7]_and_[300].",
                                 fields={"portfolio_id": portfolio})
        outcome = self.ask_stream(agent)
        self.assertEqual(outcome.text, "Cars [1], ships [7] and [300].")
        self.assertEqual([c["n"] for c in outcome.end["citations"]], [1])
        self.wait_count("citation_dropped", before + 2)

    def test_many_streams_at_once_lose_nothing(self):
        agent, _ = self.scripted(length=600, piece=20, gap_ms=20, seed=6)
        asking = [Asking(self.system, f"What is number {i}?", agent=agent) for i in range(STREAMS)]
        for one in asking:
            text, last = one.result()
            self.assertEqual((last["type"], text), ("done", text_of(6, 600)))


class ClientsThatGo(ProviderCase):
    def elapsed_ms(self, name, went_ns):
        closed = wait_for(lambda: [e for e in self.provider.events("closed") if e.model == name],
                          "the provider's connection closed", 5)
        return (closed[0].ns - went_ns) / 1e6

    def go(self, path, wait, **words):
        """A client that goes once `wait` is in the provider's log; how long its connection lived on."""
        agent, name = self.scripted(**words)
        body = json.dumps({"message": f"What is {name}?"}).encode()
        with socket.create_connection(("127.0.0.1", self.system.port), 10) as client:
            client.sendall(b"POST /api/agents/%d/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (agent, path, len(body), body))
            wait_for(lambda: [e for e in self.provider.events(wait) if e.model == name], wait)
            went_ns = time.monotonic_ns()
        return self.elapsed_ms(name, went_ns)

    def test_the_providers_connection_is_closed_at_once(self):
        for path in (b"chat", b"chat/stream"):
            for wait, words in (("begin", {"head_ms": 60_000}), ("begin", {"first_ms": 60_000}),
                                ("first", {"gap_ms": 20, "length": 10**6})):
                with self.subTest(path=path, **words):
                    times = [self.go(path, wait, **words) for _ in range(3)]
                    self.assertLess(min(times), CLOSED_MS, times)

    def test_a_cancelled_turn_is_recorded_with_its_usage(self):
        self.go(b"chat/stream", "first", gap_ms=5, length=10**6)
        wait_for(lambda: self.turns(), "a turn recorded")
        turn = self.turns()[-1]
        self.assertEqual(turn["status"], "cancelled")
        self.assertGreater(turn["usage"]["prompt_tokens"], 0)

    def turns(self):
        found, number = [], 1
        while (reply := self.system.get(f"/api/conversations/{number}")).status == 200:
            found += [m for m in reply.json["messages"] if m["role"] == "assistant"]
            number += 1
        return found


class Windows(ProviderCase):
    environment = {**QUICK, "PROVIDER_TOKEN_TIMEOUT_MS": "400"}

    def test_a_client_that_reads_late_gets_all_and_no_timeout_runs_meanwhile(self):
        agent, name = self.scripted(length=300_000, piece=100, seed=8)
        self.system.good("PUT", "/api/agents/1", {"provider": "openai", "model": name})
        with SlowClient(self.system, "What is slow?") as slow:
            self.wait_paused()
            text, last = slow.read()
        self.assertEqual((last["type"], text), ("done", text_of(8, 300_000)))

    def wait_paused(self):
        """Until nothing has moved for longer than the timeout between two tokens."""
        still = []

        def moved():
            seen = next(iter(self.system.lane("generate")["workers"]))["progress"]
            still.append(seen)
            return len(still) > 12 and len(set(still[-12:])) == 1

        wait_for(moved, "a stream that waits for its client", 20, 0.1)


class WorkersThatDie(ProviderCase):
    """Two generators; the one that has the stream is killed."""
    counts = (1, 1, 2)

    def die(self, provider):
        """The outcome of a stream whose worker was killed in its first tenth."""
        agent, _ = self.scripted(provider, length=2000, piece=10, gap_ms=5, seed=12)
        return self.die_of(agent)

    def die_of(self, agent):
        asking = Asking(self.system, "What is it?", agent=agent).wait_text(200)
        busy = [w["name"] for w in self.system.lane("generate")["workers"] if w["in_flight"]]
        self.system.kill_worker(busy[0])
        result = asking.result()
        wait_for(lambda: len(self.system.lane("generate")["workers"]) == 2, "both generators")
        return result

    def test_a_dialect_that_cannot_continue_tells_the_answer_anew(self):
        text, last = self.die("openai")
        self.assertEqual((last["type"], text), ("done", text_of(12, 2000)))

    def test_mistral_goes_on_and_what_it_says_again_is_left_out(self):
        text, last = self.die("mistral")
        self.assertEqual((last["type"], text), ("done", text_of(12, 2000)))

    def test_anthropic_goes_on_from_where_the_first_worker_stopped(self):
        text, last = self.die("anthropic")
        self.assertEqual((last["type"], text), ("done", text_of(12, 2000)))
        self.assertLessEqual(last["usage"]["completion_tokens"], 180, "of 200, the rest was there")

    def test_the_fallback_that_has_begun_is_the_one_to_go_on(self):
        fallback = {"provider": "anthropic", "model": model(length=2000, piece=10, gap_ms=5, seed=13)}
        agent, name = self.scripted("openai", status=401, fields={"fallbacks": [fallback]})
        text, last = self.die_of(agent)
        self.assertEqual((last["type"], text), ("done", text_of(13, 2000)))
        self.assertLessEqual(last["usage"]["completion_tokens"], 180)
        refused = [e for e in self.provider.events("refuse") if e.model == name]
        self.assertEqual(len(refused), 1, "the first provider was not asked again")


if __name__ == "__main__":
    unittest.main()
