#!/usr/bin/python3
"""The cluster of deploy/compose.yaml on a real engine, under load all the time: pools scaled up and down,
containers killed, PostgreSQL and Redis restarted, each of our processes replaced one by one.

    cluster.py [--rate 10] [--seed N] [--no-build]

Ends with 1 when a question was lost, recorded twice or answered with text that is not its own, or when a
stream that had begun was cut while processes were only scaled or replaced; with 77 (skipped) where there is
no engine. What is built comes from debian:trixie-slim, which the engine has or fetches."""
import argparse
import asyncio
import collections
import http.client
import json
import os
import pathlib
import random
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import provider
from clients import Load
from compose import NoEngine, Project, ROOT, SERVICES, wait_for
from system import free_ports
from tokens import SECRET, token

SKIPPED = 77
SHOWN_MAX = 10
ORDERLY = {"start", "calm", "scale", "replace"}  # phases in which nothing dies
CALM_S = 2                                       # between two steps


def options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rate", type=float, default=10, help="questions a second")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--no-build", action="store_true", help="with the images that are there")
    return parser.parse_args()


class Cluster:
    def __init__(self, wanted):
        self.port = free_ports(1)
        self.project = Project(f"millrace-test-{os.getpid()}", MILLRACE_PORT=str(self.port), JWT_SECRET=SECRET,
                               MILLRACE_ADDRESS="127.0.0.1", RATE_LIMIT_PER_MINUTE="0")
        self.token = token(exp=int(time.time()) + 7200)
        self.load = Load(self.port, self.token, wanted.rate, wanted.seed)

    # --- HTTP through nginx ---

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()

    def is_ready(self):
        return self.call("GET", "/readyz")[0] == 200

    def has_demo(self):
        portfolios = (self.call("GET", "/api/portfolios")[1] or {}).get("data", [])
        return bool(portfolios) and self.call("GET", "/api/agents/1")[1]["portfolio_id"] == portfolios[0]["id"]

    # --- what is done to it ---

    def up(self, build):
        if build:
            self.project.compose("build")
        self.project.compose("up", "-d", "--no-build")
        wait_for(self.is_ready, "a cluster that is ready")
        wait_for(self.has_demo, "the demo")

    def use_provider(self, port):
        """From now on agent 1 asks the provider on this machine, and no answer is kept."""
        url = f"http://{self.project.host_address('lanes')}:{port}/v1"
        agent = {"provider": "openai-compatible", "model": "scripted", "base_url": url}
        status, reply = self.call("PUT", "/api/agents/1", agent)
        assert status == 200, reply
        status, reply = self.call("PUT", "/api/flags", {"cache": False})
        assert status == 200, reply

    def step(self, phase, what, action):
        """Does something while questions are asked, and goes on when all is well again."""
        self.load.phase = phase
        began = time.monotonic()
        action()
        wait_for(self.is_ready, f"readiness after: {what}")
        time.sleep(CALM_S)
        self.load.phase = "calm"
        print(f"{what:<36}{time.monotonic() - began:6.1f} s", flush=True)

    def scale_all(self):
        for service, most in (("generator", 4), ("retriever", 2), ("embedder", 3), ("gateway", 3)):
            least = 2 if service == "gateway" else 1
            for count in (most, least):
                self.step("scale", f"{service} scaled to {count}",
                          lambda s=service, c=count: self.project.scale(**{s: c}))

    def kill_all(self):
        for service in (*SERVICES, "nginx"):
            victim = self.project.containers(service)[0]
            self.step("kill", f"{service} killed", lambda v=victim: self.kill(v))

    def kill(self, container):
        self.project.kill(container)
        wait_for(lambda: self.project.is_running(container), "its restart", 60)

    def restart_stores(self):
        for service in ("postgres", "redis"):
            self.step("restart", f"{service} restarted", lambda s=service: self.project.compose("restart", s))

    def replace_all(self):
        for service in SERVICES:
            self.step("replace", f"{service} replaced", lambda s=service: self.replace(s))

    def replace(self, service):
        before = self.project.containers(service)
        self.project.run(str(ROOT / "deploy/roll"), service)
        after = self.project.containers(service)
        assert len(after) == len(before) and not {*before} & {*after}, f"{service}: {before} became {after}"


class Ledger:
    """What became of every question: its client's side, and the store's."""

    def __init__(self, questions, rows):
        turns = collections.defaultdict(list)
        for question, status, answer in rows:
            turns[question].append((status, answer))
        self.lost, self.duplicated, self.mixed, self.cut = [], [], [], []
        self.outcomes = collections.Counter()
        for question in questions:
            self.judge(question, turns[question.text])

    def judge(self, question, turns):
        for one in question.tries:
            self.outcomes[one.outcome] += 1
            if one.began and one.outcome != "done" and {one.phase, one.began_phase} <= ORDERLY:
                self.cut.append((question.text, one))
        if not question.done or not turns:
            self.lost.append((question.text, question.tries[-3:], turns))
        if len(turns) > 1:
            self.duplicated.append((question.text, turns))
        if question.wrong or any(turn != ("completed", question.digest) for turn in turns):
            self.mixed.append((question.text, question.digest, turns, question.wrong))

    def report(self):
        for name in ("lost", "duplicated", "mixed", "cut"):
            found = getattr(self, name)
            print(f"{name:<36}{len(found):6}")
            for entry in found[:SHOWN_MAX]:
                print("   ", *entry)
        print("tries:", " · ".join(f"{outcome} {count}" for outcome, count in self.outcomes.most_common()))
        return not (self.lost or self.duplicated or self.mixed or self.cut)


# --- the run ---

def disturb(cluster, failures):
    try:
        cluster.scale_all()
        cluster.replace_all()
        cluster.kill_all()
        cluster.restart_stores()
    except BaseException as why:  # told after the load has ended
        failures.append(why)
    finally:
        cluster.load.over = True


async def storm(cluster):
    server, port = await provider.start()
    await asyncio.to_thread(cluster.use_provider, port)
    failures = []
    thread = threading.Thread(target=disturb, args=(cluster, failures))
    thread.start()
    await cluster.load.run()
    await asyncio.to_thread(thread.join)
    server.close()
    if failures:
        raise failures[0]


def main():
    wanted = options()
    try:
        cluster = Cluster(wanted)
    except NoEngine as why:
        print(f"skipped: {why}")
        sys.exit(SKIPPED)
    print(f"cluster: {wanted.rate:.0f} questions/s, --seed {wanted.seed}", flush=True)
    try:
        cluster.up(not wanted.no_build)
        try:
            asyncio.run(storm(cluster))
        finally:
            questions = cluster.load.questions
            rows = cluster.project.sql("SELECT question, status, md5(answer) FROM turns")
            good = Ledger(questions, [tuple(row) for row in rows]).report()
            print(f"{'questions':<36}{len(questions):6}")
    except BaseException:
        print(cluster.project.compose("logs", "--tail", "60")[-20000:])
        raise
    finally:
        cluster.project.down()
    sys.exit(not good)


if __name__ == "__main__":
    main()
