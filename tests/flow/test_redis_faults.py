"""Redis away, frozen, slow, full, restarted, with a wrong password, or talking garbage: questions go
on, none waits for it, and what was wrong is counted."""
import itertools
import subprocess
import time
import unittest

from redis import Proxy, Redis
from system import BIN, System, wait_for

SOON_S = 1  # with room for a busy machine: an answer without Redis takes some milliseconds, and 20 for it
numbers = itertools.count(1)


class RedisCase(unittest.TestCase):
    def start(self, url, **environment):
        self.system = self.enterContext(
            System(demo=True, environment={"REDIS_URL": url, **environment}))

    def is_linked(self):
        return self.system.metric("millrace_redis_available") == 1

    def trouble(self, kind):
        return self.system.metric("millrace_redis_trouble_total", kind=kind)

    def ask_new(self):
        """A question that nobody has asked: (its time, its last event)."""
        began = time.monotonic()
        done = self.system.ask(f"Which {next(numbers)} projects use React?", store=False)[1]
        return time.monotonic() - began, done

    def assert_goes_on(self, count=10):
        for _ in range(count):
            seconds, done = self.ask_new()
            self.assertEqual(done["type"], "done")
            self.assertLess(seconds, SOON_S)


class Faults(RedisCase):
    def setUp(self):
        self.redis = self.enterContext(Redis())
        self.proxy = self.enterContext(Proxy(self.redis.port))
        self.start(self.proxy.url)
        wait_for(self.is_linked, "Redis")
        self.ask_new()
        wait_for(lambda: self.redis.keys("agent:response:"), "an answer in Redis")

    def assert_back(self):
        wait_for(self.is_linked, "Redis is back")
        kept = len(self.redis.keys("agent:response:"))
        self.ask_new()
        wait_for(lambda: len(self.redis.keys("agent:response:")) == kept + 1, "answers are kept again")

    def test_frozen(self):
        self.proxy.freeze()
        self.ask_new()
        self.assertFalse(self.is_linked(), "one late answer opens the breaker")
        self.assertGreater(self.trouble("late"), 0)
        self.assert_goes_on()
        self.proxy.heal()
        self.assert_back()

    def test_slow(self):
        self.proxy.slow(0.1)
        self.ask_new()
        self.assertFalse(self.is_linked())
        self.assert_goes_on()
        self.proxy.heal()
        self.assert_back()

    def test_garbage(self):
        self.proxy.garble()
        self.ask_new()
        self.assertFalse(self.is_linked())
        self.assertGreater(self.trouble("garbage"), 0)
        self.assert_goes_on()
        self.proxy.heal()
        self.assert_back()

    def test_cut(self):
        for _ in range(5):
            self.proxy.cut()
            self.assert_goes_on(2)
        self.assert_back()

    def test_killed_and_started_again_empty(self):
        self.redis.kill()
        self.assert_goes_on()
        self.assertFalse(self.is_linked())
        self.redis.start()
        self.assert_back()

    def test_what_is_in_memory_is_served_while_redis_is_frozen(self):
        message = "What Vue projects are there?"
        self.system.ask(message, store=False)
        self.proxy.freeze()
        began = time.monotonic()
        for _ in range(20):
            self.assertIs(self.system.ask(message, store=False)[1]["cached"], True)
        self.assertLess(time.monotonic() - began, SOON_S)
        self.proxy.heal()


class Refusals(RedisCase):
    def test_a_full_redis_takes_nothing_and_is_read_on(self):
        redis = self.enterContext(Redis("--maxmemory", "100kb", "--maxmemory-policy", "noeviction"))
        self.start(redis.url)
        wait_for(self.is_linked, "Redis")
        self.assert_goes_on(5)
        self.assertGreater(self.system.metric("millrace_redis_requests_total", result="full"), 0)
        self.assertEqual(redis.keys(), [])

    def test_a_wrong_password(self):
        redis = self.enterContext(Redis(password="right"))
        self.start(redis.url.replace("right", "wrong"))
        wait_for(lambda: self.trouble("auth"), "it is told")
        self.assert_goes_on(5)
        self.assertFalse(self.is_linked())
        log = self.system.logs()["gateway.log"]
        self.assertEqual(log.count("reason=auth"), 1, log)
        self.assertNotIn("wrong", log)

    def test_an_address_that_cannot_be_read_is_refused_at_the_start(self):
        for url in ("localhost:6379", "redis://", "redis://h:0", "redis://h/x", "http://h"):
            with self.subTest(url):
                told = subprocess.run([str(BIN / "millrace-gateway")], capture_output=True, text=True, timeout=60,
                                      env={"REDIS_URL": url, "ASAN_OPTIONS": "detect_leaks=0"})
                self.assertNotEqual(told.returncode, 0)
                self.assertIn("REDIS_URL", told.stderr)

    def test_the_right_password_and_nobody_there_at_first(self):
        redis = Redis(password="right")
        self.addCleanup(redis.kill)
        self.start(redis.url)
        self.assert_goes_on(5)
        redis.start()
        wait_for(self.is_linked, "Redis")
        self.ask_new()
        wait_for(lambda: redis.keys("agent:response:"), "an answer in Redis")


if __name__ == "__main__":
    unittest.main(verbosity=2)
