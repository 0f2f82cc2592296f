#!/usr/bin/python3
"""Real processes under open-loop load, with workers of every pool killed (SIGKILL), stopped (SIGSTOP,
then SIGCONT) and ended (SIGTERM) at random. Every answer is checked to the byte, at the client and
in the store. Ends with 1 when a request was lost, duplicated or mixed, or ended with an error that
the design does not allow.

    chaos.py [--seconds 60] [--rate 50] [--seed N]

The programs are those in MILLRACE_BIN."""
import argparse
import asyncio
import collections
import http.client
import json
import pathlib
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from audit import Ledger, Timings, turns_by_question
from faults import Adversary
from load import TOPICS, Load
from system import System, wait_for
from workers import SCRIPTED

COUNTS = {"millrace-embedder": 2, "millrace-retriever": 2, SCRIPTED: 3}
SETTLE_S = 60
CANCEL_LIMIT_MS = 50
TIMER_S = 0.01
SHOWN_MAX = 20


def options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=50, help="questions a second")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    return parser.parse_args()


# --- the run ---

def prepare(system):
    """A small portfolio, stored and indexed before anything is hurt."""
    wait_for(lambda: system.get("/readyz").status == 200, "readiness", 60)
    return system.portfolio("chaos", [
        {"source": topic, "content": f"What the {topic} are for is written here. " * 5}
        for topic in TOPICS])


def settled(system):
    lanes = system.good("GET", "/api/ops/pools")["pools"]
    return (not any(lane["queued"] + lane["in_flight"] for lane in lanes) and
            not system.metric("millrace_records_waiting") and
            system.metric("millrace_http_requests_in_flight") <= 1)  # the one that asks


def recalled(system, conversations):
    """The conversations as the HTTP interface gives them: (question, answer, status) by id."""
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=60)
    found = {}
    for conversation in conversations:
        connection.request("GET", f"/api/conversations/{conversation}")
        messages = json.loads(connection.getresponse().read()).get("messages", [])
        found[conversation] = [(q["content"], a["content"]) for q, a in zip(messages[::2], messages[1::2])]
    connection.close()
    return found


def forgotten(system, requests):
    """Requests whose conversation does not read as its client lived it."""
    told = collections.defaultdict(list)
    for request in requests:
        if request.conversation:
            told[request.conversation].append((request.question, request.text))
    kept = recalled(system, told)
    return [(conversation, f"{len(told[conversation])} turns told, {len(kept[conversation])} kept")
            for conversation in told
            if [turn for turn in kept[conversation] if turn in told[conversation]] != told[conversation]]


async def watch_lateness(late_ms):
    """How late a timer of this process is: what the machine itself adds to every time below."""
    while True:
        due = time.monotonic() + TIMER_S
        await asyncio.sleep(TIMER_S)
        late_ms.append((time.monotonic() - due) * 1000)


async def storm(load, adversary, seconds, late_ms):
    lateness = asyncio.ensure_future(watch_lateness(late_ms))
    await asyncio.gather(load.run(seconds), adversary.run(seconds))
    lateness.cancel()


# --- what it prints ---

def rank(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def line(what, figures):
    print(f"{what:<44}{figures}")


def times(what, values):
    values = sorted(values)
    if not values:
        return line(what, "none")
    return line(what, f"n={len(values)} p50={rank(values, .5):.1f} p99={rank(values, .99):.1f} "
                      f"max={values[-1]:.1f} ms")


def faults_line(faults):
    counts = collections.Counter((fault.kind, fault.pool) for fault in faults)
    pools = ("embed", "retrieve", "generate")
    for kind, name in (("kill", "SIGKILL"), ("stop", "SIGSTOP, SIGCONT"), ("term", "SIGTERM")):
        line(name, " ".join(f"{pool}={counts[kind, pool]}" for pool in pools))


def report_requests(load, adversary, ledger):
    requests = load.requests
    line("requests", f"{len(requests)} (streams {sum('stream' in r.path for r in requests)}, "
                     f"through all pools {sum(r.portfolio is not None for r in requests)}, "
                     f"follow-ups {sum(r.before is not None for r in requests)}, "
                     f"clients gone {sum(r.left_ns is not None for r in requests)})")
    faults_line(adversary.faults)
    for name in ("lost", "duplicated", "mixed"):
        line(name, len(getattr(ledger, name)))
    errors = " ".join(f"{code}={count}" for code, count in sorted(ledger.errors.items()))
    line("explicit errors", errors or "none")
    line("of them not allowed", len(ledger.refused))


def report_times(load, adversary, timings):
    """Of the streams that ran on a victim, a generator."""
    times("SIGKILL to redelivery, others awake", timings.redeliveries("kill", others_awake=True))
    times("SIGKILL to redelivery, all", timings.redeliveries("kill"))
    times("SIGKILL to next token, continued", timings.next_tokens(load.requests, "kill", 1))
    times("SIGKILL to next token, written again", timings.next_tokens(load.requests, "kill", 0))
    times("SIGSTOP to redelivery, others awake", timings.redeliveries("stop", others_awake=True))
    times("SIGSTOP to redelivery, all", timings.redeliveries("stop"))
    cancels = list(timings.cancels(load.requests))
    times("client gone to idle slot", cancels)
    line(f"  of them within {CANCEL_LIMIT_MS} ms",
         f"{sum(ms <= CANCEL_LIMIT_MS for ms in cancels)} of {len(cancels)}")
    times("drain of a worker", adversary.drains_ms)
    line("streams cut by a drain", len(timings.redeliveries("term")))


def report_lanes(lanes):
    for lane in lanes:
        line(f"lane {lane['pool']}", " ".join(f"{name}={lane[name]}" for name in (
            "finished", "redelivered", "deaths", "stale_dropped", "garbage", "replays", "resets")))


def complain(ledger, others):
    for name in ("lost", "duplicated", "mixed", "refused"):
        for entry in getattr(ledger, name)[:SHOWN_MAX]:
            print(name, *entry)
    for entry in others[:SHOWN_MAX]:
        print("wrong:", entry)


def main():
    wanted = options()
    print(f"chaos: {wanted.seconds:.0f} s at {wanted.rate:.0f} questions/s, --seed {wanted.seed}", flush=True)
    with System(counts=(0, 0, 0)) as system:
        log = system.data / "scripted.log"
        adversary = Adversary(system, COUNTS, wanted.seed, SCRIPTED_LOG=str(log))
        load = Load(system.port, prepare(system), wanted.seed, wanted.rate)
        late_ms = []
        asyncio.run(storm(load, adversary, wanted.seconds, late_ms))
        wait_for(lambda: settled(system), "an idle system", SETTLE_S, 0.1)
        lanes = system.good("GET", "/api/ops/pools")["pools"]
        wrong = forgotten(system, load.requests)
        adversary.end()
        ledger = Ledger(load.requests, turns_by_question(system.data / "millrace.db"))
        timings = Timings(log, adversary.faults)
        cut = [request for request, _, start in timings.restarts("term") if start]
        report_requests(load, adversary, ledger)
        times("a 10 ms timer of this process is late by", late_ms)
        report_times(load, adversary, timings)
        report_lanes(lanes)
        wrong += adversary.bad_ends + [f"a drain cut {timings.story(request)}" for request in cut]
        complain(ledger, wrong)
        failed = bool(ledger.lost or ledger.duplicated or ledger.mixed or ledger.refused or wrong)
        if failed:
            system.show_logs()
    sys.exit(failed)


if __name__ == "__main__":
    main()
