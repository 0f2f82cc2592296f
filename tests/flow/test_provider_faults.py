"""A provider that misbehaves: each fault is a named error on both calls, told once; nothing of the
provider's own words reaches a client or a log."""
import unittest

from providers import PROVIDERS, QUICK, ProviderCase
from scripted import text_of
from scripted_provider import model
from system import free_ports, wait_for

STATUS_CODES = [(400, "provider_refused"), (401, "provider_auth"), (403, "provider_auth"),
                (404, "provider_model"), (429, "provider_rate_limited"), (500, "provider_failed"),
                (503, "provider_failed")]
# HTTP status of /chat, by code.
CHAT_STATUS = {"provider_rate_limited": 503, "provider_timeout": 504, "provider_circuit_open": 503}
# What goes wrong in a stream after its first half, and the code for it.
STREAM_FAULTS = [("cut", "provider_cut"), ("early_end", "provider_cut"), ("stall", "provider_timeout"),
                 ("bad_json", "provider_bad_response"), ("error_event", "provider_failed")]
HARMLESS = {**QUICK, "BREAKER_FAILURES": "1000"}  # these tests are not about the breaker


class Faults(ProviderCase):
    environment = HARMLESS

    def test_a_status_before_the_first_token_is_a_named_error(self):
        for provider in PROVIDERS:
            for status, code in STATUS_CODES:
                with self.subTest(provider=provider, status=status):
                    agent, _ = self.scripted(provider, status=status)
                    both = self.ask_both(agent)
                    self.assertEqual([o.code for o in both.values()], [code, code])
                    self.assert_nothing_leaks(*both.values())

    def test_chat_answers_with_the_status_of_the_code(self):
        for status, code in STATUS_CODES:
            agent, _ = self.scripted(status=status)
            reply = self.system.post(f"/api/agents/{agent}/chat", {"message": "What is it?"})
            self.assertEqual((reply.status, reply.code), (CHAT_STATUS.get(code, 502), code))

    def test_a_stream_that_breaks_ends_in_its_error_never_in_a_clean_end(self):
        for provider in PROVIDERS:
            for fault, code in STREAM_FAULTS:
                with self.subTest(provider=provider, fault=fault):
                    agent, name = self.scripted(provider, fault=fault, length=400)
                    both = self.ask_both(agent)
                    self.assertEqual([o.code for o in both.values()], [code, code])
                    seed = int(name.rsplit("seed=")[1].split("+")[0])
                    self.assertTrue(text_of(seed, 400).startswith(both["stream"].text))
                    self.assert_nothing_leaks(*both.values())

    def test_a_fault_before_the_first_token_has_the_same_code(self):
        for fault, code in STREAM_FAULTS:
            with self.subTest(fault=fault):
                agent, _ = self.scripted(fault=fault, at=0)
                both = self.ask_both(agent)
                self.assertEqual({o.code for o in both.values()}, {code})

    def test_a_head_that_does_not_come_is_a_timeout(self):
        agent, _ = self.scripted(head_ms=60_000)
        self.assertEqual({o.code for o in self.ask_both(agent).values()}, {"provider_timeout"})

    def test_a_first_token_that_does_not_come_is_a_timeout(self):
        agent, _ = self.scripted(first_ms=60_000)
        self.assertEqual({o.code for o in self.ask_both(agent).values()}, {"provider_timeout"})

    def test_invalid_text_is_replaced_and_counted(self):
        for fault in ("bad_utf8", "nul"):
            for provider in PROVIDERS:
                with self.subTest(fault=fault, provider=provider):
                    before = self.count("provider_utf8_repaired")
                    agent, _ = self.scripted(provider, fault=fault)
                    for outcome in self.ask_both(agent).values():
                        self.assertIsNone(outcome.code)
                        self.assertIn("\ufffd", outcome.text)
                        self.assertNotIn("\0", outcome.text)
                    self.wait_count("provider_utf8_repaired", before + 2)

    def test_a_token_beyond_the_limit_is_too_large(self):
        agent, _ = self.scripted(fault="big_token", length=40)  # with them over 1 MiB
        self.assertEqual({o.code for o in self.ask_both(agent).values()}, {"answer_too_large"})

    def test_an_answer_without_end_is_too_large_and_its_connection_closed(self):
        agent, _ = self.scripted(fault="big_answer")
        for outcome in self.ask_both(agent).values():
            self.assertEqual(outcome.code, "answer_too_large")
        for closed in self.provider.wait_event("closed", 2, fault="big_answer"):
            self.assertLess(closed.given, 20 << 20)

    def test_an_early_stop_is_told(self):
        for provider in PROVIDERS:
            for finish in ("length", "content_filter"):
                if (provider, finish) == ("anthropic", "content_filter"):
                    continue  # has no such stop
                agent, _ = self.scripted(provider, finish=finish)
                for outcome in self.ask_both(agent).values():
                    self.assertEqual((outcome.code, outcome.end["finish_reason"]), (None, finish))

    def test_what_cannot_be_reached_is_unavailable(self):
        agent = self.agent("openai-compatible", "m", base_url=f"http://127.0.0.1:{free_ports(1)}/v1")
        both = self.ask_both(agent)
        self.assertEqual({o.code for o in both.values()}, {"provider_unavailable"})
        agent = self.agent("openai-compatible", "m", base_url="http://no-such-name.invalid/v1")
        self.assertEqual(self.ask_stream(agent).code, "provider_unavailable")

    def test_a_metadata_address_is_refused(self):
        for address in ("169.254.169.254", "[fd00:ec2::254]"):
            agent = self.agent("openai-compatible", "m", base_url=f"http://{address}/v1")
            self.assertEqual({o.code for o in self.ask_both(agent).values()}, {"provider_address"})

    def test_a_wrong_key_is_named_and_never_shown(self):
        agent, _ = self.scripted(key="another-key")
        both = self.ask_both(agent)
        self.assertEqual({o.code for o in both.values()}, {"provider_auth"})
        self.assert_nothing_leaks(*both.values())
        right, _ = self.scripted(key="env-openai-key")
        self.assertIsNone(self.ask_whole(right).code)

    def test_failed_turns_are_recorded_with_their_usage(self):
        agent, _ = self.scripted(fault="cut", length=400)
        outcome = self.ask_stream(agent)
        self.assertEqual(outcome.code, "provider_cut")
        turn = self.last_turn()
        self.assertEqual((turn["status"], turn["error"]), ("failed", "provider_cut"))
        self.assertGreaterEqual(turn["usage"]["completion_tokens"], len(outcome.text) // 8)
        self.assertGreater(turn["usage"]["prompt_tokens"], 0)

    def last_turn(self):
        """The assistant's message of the newest conversation."""
        wait_for(lambda: not self.system.metric("millrace_records_waiting"), "turns recorded")
        known, number = None, 1
        while (reply := self.system.get(f"/api/conversations/{number}")).status == 200:
            known, number = reply.json, number + 1
        return known["messages"][-1]


class OneMegabyte(ProviderCase):
    environment = {**HARMLESS, "ANSWER_BYTES_MAX": str(4 << 20)}

    def test_a_token_of_a_megabyte_arrives_whole(self):
        for provider in PROVIDERS:
            agent, _ = self.scripted(provider, fault="big_token", length=40)
            for outcome in self.ask_both(agent).values():
                self.assertIsNone(outcome.code)
                self.assertEqual(len(outcome.text), (1 << 20) + 40)


class Retries(ProviderCase):
    environment = {**QUICK, "PROVIDER_FIRST_TOKEN_TIMEOUT_MS": "5000", "PROVIDER_RETRIES_MAX": "2",
                   "BREAKER_FAILURES": "1000"}

    def test_a_provider_that_recovers_is_asked_again(self):
        for status in (429, 500, 503):
            agent, name = self.scripted(status=status, fails=2)
            self.assertIsNone(self.ask_stream(agent).code)
            self.assertEqual(len([e for e in self.provider.events("refuse") if e.model == name]), 2)

    def test_a_connection_lost_before_the_first_token_is_made_again(self):
        agent, _ = self.scripted(fault="cut", at=0, fails=1)
        self.assertIsNone(self.ask_whole(agent).code)

    def test_after_the_first_token_nothing_is_asked_again(self):
        agent, name = self.scripted(fault="cut", fails=1)
        self.assertEqual(self.ask_stream(agent).code, "provider_cut")
        self.assertEqual(len([e for e in self.provider.events("begin") if e.model == name]), 1)

    def test_retry_after_is_waited_for(self):
        agent, name = self.scripted(status=429, retry_after=1, fails=1)
        self.assertIsNone(self.ask_stream(agent).code)
        refused = next(e for e in self.provider.events("refuse") if e.model == name)
        begun = next(e for e in self.provider.events("first") if e.model == name)
        self.assertGreaterEqual(begun.ns - refused.ns, 1_000_000_000)

    def test_a_retry_after_that_is_too_long_is_not(self):
        agent, name = self.scripted(status=429, retry_after=3600)
        self.assertEqual(self.ask_stream(agent).code, "provider_rate_limited")
        self.assertEqual(len([e for e in self.provider.events("refuse") if e.model == name]), 1)

    def test_what_would_fail_again_is_not_asked_again(self):
        for status in (401, 404):
            agent, name = self.scripted(status=status)
            self.ask_stream(agent)
            self.assertEqual(len([e for e in self.provider.events("refuse") if e.model == name]), 1)


class Fallbacks(ProviderCase):
    environment = {**QUICK, "BREAKER_FAILURES": "1000", "PROVIDER_RETRIES_MAX": "0"}

    def fallback(self, provider="mistral", **words):
        return {"provider": provider, "model": model(**words)}

    def test_fallbacks_are_asked_in_turn(self):
        second, third = self.fallback(status=401), self.fallback("anthropic", seed=77, length=300)
        agent, _ = self.scripted(status=500, fields={"fallbacks": [second, third]})
        before = self.count("fallback")
        for outcome in self.ask_both(agent).values():
            self.assertEqual((outcome.code, outcome.text), (None, text_of(77, 300)))
        self.wait_count("fallback", before + 4)

    def test_every_failure_before_the_first_token_leads_to_the_fallback(self):
        good = self.fallback(seed=78, length=100)
        for words in ({"status": 400}, {"status": 404}, {"status": 429}, {"fault": "bad_json", "at": 0},
                      {"fault": "cut", "at": 0}, {"first_ms": 60_000}):
            with self.subTest(**words):
                agent, _ = self.scripted(fields={"fallbacks": [good]}, **words)
                self.assertEqual(self.ask_stream(agent).text, text_of(78, 100))

    def test_after_the_first_token_the_stream_ends_and_nothing_is_mixed_in(self):
        agent, _ = self.scripted(fault="cut", length=400,
                                 fields={"fallbacks": [self.fallback(seed=79, length=100)]})
        self.assertEqual(self.ask_stream(agent).code, "provider_cut")

    def test_when_all_have_failed_the_client_is_told_of_a_failure_that_may_pass(self):
        agent, _ = self.scripted(status=401, fields={"fallbacks": [self.fallback(status=503)]})
        outcome = self.ask_stream(agent)
        self.assertEqual((outcome.code, outcome.end["retryable"]), ("provider_failed", True))
        for failure in ("provider=openai code=provider_auth", "provider=mistral code=provider_failed"):
            self.assertIn(failure, self.system.logs()["generator-1.log"])
        self.assert_nothing_leaks(outcome)

    def test_extractive_may_be_the_last_in_the_list(self):
        agent, _ = self.scripted(status=500, fields={"fallbacks": [{"provider": "extractive"}]})
        outcome = self.ask_whole(agent)
        self.assertIsNone(outcome.code)
        self.assertTrue(outcome.text)


class ExtractiveFallback(ProviderCase):
    environment = {**QUICK, "EXTRACTIVE_FALLBACK": "yes"}

    def test_it_answers_once_all_others_have_failed(self):
        agent, _ = self.scripted(status=500)
        for outcome in self.ask_both(agent).values():
            self.assertIsNone(outcome.code)


class Breaker(ProviderCase):
    environment = {**QUICK, "BREAKER_FAILURES": "3", "BREAKER_OPEN_MS": "3000",
                   "PROVIDER_RETRIES_MAX": "0"}

    def trouble(self):
        return next(iter(self.system.lane("generate")["workers"]))["trouble"]

    def test_it_opens_after_failures_in_a_row_is_told_and_closes_after_a_success(self):
        name = model(status=500, fails=3, seed=1)
        agent = self.agent("openai", name)
        for _ in range(3):
            self.assertEqual(self.ask_stream(agent).code, "provider_failed")
        self.assertEqual(self.ask_whole(agent).code, "provider_circuit_open")
        refused = [e for e in self.provider.events("refuse") if e.model == name]
        self.assertEqual(len(refused), 3, "it was not asked again")
        wait_for(lambda: "openai: provider_failed" in (self.trouble() or ""), "the operator to be told")
        self.wait_count("breaker_opened", 1)
        wait_for(lambda: self.ask_stream(agent).code is None, "the breaker closed", 10, 0.1)
        wait_for(lambda: not self.trouble(), "no more trouble")

    def test_failures_after_the_first_token_do_not_count(self):
        agent, _ = self.scripted("mistral", fault="cut", length=400)
        for _ in range(4):
            self.assertEqual(self.ask_stream(agent).code, "provider_cut")

    def test_refusals_do_not_count(self):
        agent, _ = self.scripted("anthropic", status=401)
        for _ in range(4):
            self.assertEqual(self.ask_stream(agent).code, "provider_auth")

    def test_another_key_has_a_breaker_of_its_own(self):
        failing = self.agent("openai-compatible", model(status=503), api_key="one")
        for _ in range(4):
            self.ask_stream(failing)
        self.assertEqual(self.ask_stream(failing).code, "provider_circuit_open")
        other = self.agent("openai-compatible", model(seed=5), api_key="two")
        self.assertIsNone(self.ask_stream(other).code)


if __name__ == "__main__":
    unittest.main()
