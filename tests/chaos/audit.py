"""What became of every request: the clients' side, the store's side, and how long it took."""
import collections
import sqlite3

# By error code, whether a request may end so (DESIGN's rules for deaths): text that differs from
# what its client has cannot be continued, and work that kills its workers is given up.
ALLOWED = {
    "stream_interrupted": lambda request: request.varies,
    "worker_died": lambda request: True,
}
COMPLETED, CANCELLED, FAILED = "completed", "cancelled", "failed"


def turns_by_question(path):
    """Read from the store itself, so that a turn stored twice cannot hide in another conversation."""
    store = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    turns = collections.defaultdict(list)
    for row in store.execute("SELECT question, conversation_id, status, error, answer FROM turns"):
        turns[row[0]].append(row[1:])
    store.close()
    return turns


class Ledger:
    def __init__(self, requests, turns):
        self.turns = turns
        self.lost, self.duplicated, self.mixed, self.refused = [], [], [], []
        self.errors = collections.Counter()
        for request in requests:
            self.judge(request)

    def judge(self, request):
        turns = self.turns.get(request.question, [])
        if len(turns) > 1:
            self.duplicated.append((request.id, f"{len(turns)} turns"))
        if request.left_ns:
            self.judge_left(request, turns)
        elif request.end:
            self.judge_done(request, turns)
        else:
            self.judge_failed(request, turns)

    def judge_left(self, request, turns):
        """A client that went: what it has and what is kept are the beginning of the same text."""
        self.check_text(request, request.text, whole=False)
        for _, status, _, answer in turns:
            if status == FAILED:
                self.lost.append((request.id, "its client left, its turn failed"))
            self.check_text(request, answer, whole=status == COMPLETED)

    def judge_done(self, request, turns):
        self.check_text(request, request.text, whole=True)
        if not turns:
            self.lost.append((request.id, f"no turn; done said {request.end.get('recorded')}"))
        for conversation, status, _, answer in turns:
            if (status, answer) != (COMPLETED, request.text):
                self.mixed.append((request.id, f"turn {status} differs"))
            if request.before and conversation != request.before.conversation:
                self.lost.append((request.id, "its turn is in another conversation"))

    def judge_failed(self, request, turns):
        code = request.error or "no answer"
        self.errors[code] += 1
        self.check_text(request, request.text, whole=False)
        allowed = ALLOWED.get(code)
        if code.startswith("broken") or code == "no answer":
            self.lost.append((request.id, code))
        elif not (allowed and allowed(request)):
            self.refused.append((request.id, code, request.status))
        elif [turn[1:3] for turn in turns] != [(FAILED, code)]:
            self.lost.append((request.id, f"a failed turn is kept as {[t[1:3] for t in turns]}"))

    def check_text(self, request, text, whole):
        expected = request.expected(text)
        if not (text == expected if whole else expected.startswith(text)):
            self.mixed.append((request.id, f"{len(text)} of {len(expected)} characters"))


Event = collections.namedtuple("Event", "ns what pid attempt")


class Timings:
    """From the scripted generators' log: what happened to a request where and when."""

    def __init__(self, path, faults):
        self.faults = faults
        self.events = collections.defaultdict(list)  # by request
        self.of_worker = collections.defaultdict(set)  # requests, by pid
        for line in open(path):
            what, ns, pid, attempt, request, _ = line.split()
            self.events[request].append(Event(int(ns), what, int(pid), int(attempt)))
            self.of_worker[int(pid)].add(request)
        for events in self.events.values():
            events.sort()

    def restarts(self, kind):
        """(request, fault, ns of its next start) of those that ran on a victim. A start of
        an attempt that was overtaken is none: somebody woke up late, and was told to stop."""
        for fault in self.faults:
            if fault.kind != kind or fault.pool != "generate":
                continue
            for request in self.of_worker[fault.pid]:
                events = self.events[request]
                before = [event for event in events if event.ns < fault.ns]
                last = max(before, key=lambda event: (event.attempt, event.ns), default=None)
                if last and last.what == "start" and last.pid == fault.pid:
                    later = (event.ns for event in events if event.what == "start" and
                             event.ns > fault.ns and event.attempt > last.attempt)
                    start = next(later, None)
                    if not self.hurt_again(fault, start):
                        yield request, fault, start

    def hurt_again(self, fault, until_ns):
        """Something else befell the worker before, which may be why the job went on elsewhere."""
        return until_ns and any(other.pid == fault.pid and fault.ns < other.ns < until_ns
                                for other in self.faults)

    def next_tokens(self, requests, kind, continued):
        """From the fault to the first token of the next attempt, where its client was watching."""
        by_id = {r.id: r for r in requests if r.kind["continued"] == continued}
        for request, fault, start in self.restarts(kind):
            tokens = by_id[request].tokens if request in by_id and start else []
            later = next((t for t, _ in tokens if t > start), None) if start else None
            if later and tokens[0][0] < fault.ns:
                yield (later - fault.ns) / 1e6

    def redeliveries(self, kind, others_awake=False):
        """From the fault to the start of the next attempt; others_awake: only where no other
        generator stood still meanwhile that the job might be given to first."""
        return [(start - fault.ns) / 1e6 for _, fault, start in self.restarts(kind)
                if start and not (others_awake and self.another_sleeps(fault, start))]

    def another_sleeps(self, fault, until_ns):
        return any(other.kind == "stop" and other.pool == fault.pool and other.pid != fault.pid and
                   other.ns <= until_ns and other.until_ns >= fault.ns for other in self.faults)

    def story(self, request):
        """What befell a request and the workers that had it, in order, for people."""
        events = self.events[request]
        pids = {event.pid for event in events}
        told = [(e.ns, f"{e.what} {e.attempt} at {e.pid}") for e in events]
        told += [(fault.ns, f"{fault.kind} of {fault.pid}") for fault in self.faults if fault.pid in pids
                 and events[0].ns - 5e9 < fault.ns < events[-1].ns + 5e9]
        told.sort()
        return f"{request}: " + ", ".join(f"{(ns - events[0].ns) / 1e6:.1f} ms {what}" for ns, what in told)

    def cancels(self, requests):
        """From a client's going to its slot's being free, where nothing else befell the worker."""
        for request in requests:
            events = self.events.get(request.id, [])
            cancel = next((event for event in events if event.what == "cancel" and
                           event.ns >= (request.left_ns or event.ns + 1)), None)
            if cancel and not self.touched(cancel.pid, request.left_ns, cancel.ns):
                yield (cancel.ns - request.left_ns) / 1e6

    def touched(self, pid, since_ns, until_ns):
        return any(f.pid == pid and f.ns <= until_ns and max(f.ns, f.until_ns) >= since_ns
                   for f in self.faults)
