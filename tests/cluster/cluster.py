#!/usr/bin/python3
"""The cluster of deploy/compose.yaml on a real engine, under load all the time: pools scaled up and down,
each of our processes replaced one by one, containers killed, PostgreSQL and Redis restarted; and what
compose.yaml and nginx promise (promises.py, door.py).

    cluster.py [--rate 10] [--seed N] [--no-build] [--only STEPS]

Ends with 1 when the ledger (ledger.py) has an entry: a question lost, recorded twice, mixed up, or cut or
refused while processes were only scaled or replaced; with 77 (skipped) where there is no engine. What is
built comes from debian:trixie-slim, which the engine has or fetches."""
import argparse
import asyncio
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
import door
import promises
from clients import Load
from compose import NoEngine, Project, ROOT, SERVICES, wait_for
from ledger import Ledger
from provider import Provider
from system import free_ports
from tokens import SECRET, token

SKIPPED = 77
CALM_S = 2                                # between two steps
LONG = {"length": 120, "gap_ms": 7000}    # an answer of ten pieces, most of its 70 seconds silence
LONG_S_MIN = 60


class Cluster:
    def __init__(self, wanted):
        self.port = free_ports(1)
        self.project = Project(f"millrace-test-{os.getpid()}", MILLRACE_PORT=str(self.port), JWT_SECRET=SECRET,
                               MILLRACE_ADDRESS="127.0.0.1", RATE_LIMIT_PER_MINUTE="0")
        self.token = token(exp=int(time.time()) + 7200)
        self.load = Load(self.port, self.token, wanted.rate, wanted.seed)
        self.provider = Provider()

    # --- HTTP through nginx ---

    def headers(self, bearer=True):
        """With the cluster's own token, another, or none."""
        given = {"Content-Type": "application/json"}
        if bearer:
            given["Authorization"] = f"Bearer {self.token if bearer is True else bearer}"
        return given

    def call(self, method, path, body=None, bearer=True, raw=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else raw, self.headers(bearer))
            response = connection.getresponse()
            text = response.read()
            is_json = response.getheader("Content-Type", "").startswith("application/json")
            return response.status, json.loads(text) if is_json else text
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()

    def good(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def is_ready(self):
        status, answer = self.call("GET", "/readyz")
        return status == 200 and answer["store"] == "ok"

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

    def use_provider(self):
        """From now on agent 1 asks the provider on this machine, and no answer is kept."""
        url = f"http://{self.project.host_address('lanes')}:{self.provider.port}/v1"
        self.good("PUT", "/api/agents/1", {"provider": "openai-compatible", "model": "scripted", "base_url": url})
        self.set_cache(False)

    def set_cache(self, on):
        self.good("PUT", "/api/flags", {"cache": on})

    def step(self, phase, what, action):
        """Does something while questions are asked, and goes on when all is well again."""
        self.load.phase = phase
        began = time.monotonic()
        said = action()
        wait_for(self.is_ready, f"readiness after: {what}")
        time.sleep(CALM_S)
        self.load.phase = "calm"
        print(f"{what:<36}{time.monotonic() - began:6.1f} s  {said or ''}", flush=True)

    def keeps_promises(self):
        wait_for(lambda: promises.are_settled(self.project.everything()), "a word from every health check", 30)
        wrong = promises.broken(self.project.everything(), self.project.name)
        assert not wrong, "\n".join(wrong)

    def look(self):
        self.step("calm", "what compose.yaml promises", self.keeps_promises)
        for check in door.CHECKS:
            self.step("calm", check.__name__.replace("_", " "), lambda c=check: c(self))

    def scale_all(self):
        self.load.begin_from_elsewhere(**LONG)
        for counts in ({"generator": 4, "retriever": 2}, {}):
            self.step("scale", f"one up with {counts or 'the usual counts'}",
                      lambda c=counts: self.project.up_whole(**c))
        for service, most in (("generator", 4), ("retriever", 2), ("embedder", 3), ("gateway", 3)):
            least = 2 if service == "gateway" else 1
            for count in (most, least):
                self.step("scale", f"{service} scaled to {count}",
                          lambda s=service, c=count: self.project.scale(**{s: c}))

    def kill_all(self):
        for service in (*SERVICES, "nginx", "postgres", "redis"):
            victim = self.project.containers(service)[0]
            self.step("kill", f"{service} killed", lambda v=victim: self.kill(v))

    def kill(self, container):
        victim = self.project.kill(container)
        wait_for(lambda: self.project.pid(container) not in (0, victim), "its restart", 60)
        wait_for(lambda: promises.health_of(self.project.inspect(container)) == "healthy", "its recovery", 60)

    def restart_stores(self):
        for service in ("postgres", "redis"):
            self.step("restart", f"{service} restarted", lambda s=service: self.project.compose("restart", s))

    def replace_all(self):
        self.load.begin_from_elsewhere(**LONG)
        for service in SERVICES:
            self.step("replace", f"{service} replaced", lambda s=service: self.replace(s))

    def replace(self, service):
        before = self.project.containers(service)
        self.project.run(str(ROOT / "deploy/roll"), service)
        after = self.project.containers(service)
        assert len(after) == len(before) and not {*before} & {*after}, f"{service}: {before} became {after}"


# --- the run ---

STEPS = {"look": Cluster.look, "scale": Cluster.scale_all, "replace": Cluster.replace_all,
         "kill": Cluster.kill_all, "restart": Cluster.restart_stores}


def options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rate", type=float, default=10, help="questions a second")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--no-build", action="store_true", help="with the images that are there")
    parser.add_argument("--only", choices=STEPS, help="one kind of step")
    return parser.parse_args()


def disturb(cluster, only, failures):
    try:
        for name, step in STEPS.items():
            if only in (None, name):
                step(cluster)
    except BaseException as why:  # told after the load has ended
        failures.append(why)
    finally:
        cluster.load.over = True


async def storm(cluster, only):
    cluster.load.loop = asyncio.get_running_loop()
    await cluster.provider.start()
    await asyncio.to_thread(cluster.use_provider)
    failures = []
    thread = threading.Thread(target=disturb, args=(cluster, only, failures))
    thread.start()
    await cluster.load.run()
    await asyncio.to_thread(thread.join)
    cluster.provider.stop()
    if failures:
        raise failures[0]


def judge(cluster, only):
    rows = cluster.project.sql("SELECT question, status, md5(answer) FROM turns")
    ledger = Ledger(cluster.load.questions, [tuple(row) for row in rows])
    ledger.report()
    print(f"{'questions':<36}{len(cluster.load.questions):6}")
    if only in (None, "scale", "replace"):
        assert ledger.longest_s > LONG_S_MIN, "no stream was long"
    return ledger.is_clean()


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
            asyncio.run(storm(cluster, wanted.only))
        finally:
            good = judge(cluster, wanted.only)
    except BaseException:
        print(cluster.project.compose("logs", "--tail", "60")[-20000:])
        raise
    finally:
        cluster.project.down()
    sys.exit(not good)


if __name__ == "__main__":
    main()
