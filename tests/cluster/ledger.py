"""What became of every question: its client's side, and the store's."""
import collections

ORDERLY = {"start", "calm", "scale", "replace"}  # phases in which nothing dies
SHOWN_MAX = 10


class Ledger:
    """lost        never answered, or not in the store
    duplicated  more than one turn
    mixed       text that is not the answer's
    cut         a stream that had begun and broke though nothing had died
    refused     a first try that got no answer though nothing had died"""

    JUDGED = ("lost", "duplicated", "mixed", "cut", "refused")

    def __init__(self, questions, rows):
        turns = collections.defaultdict(list)
        for question, status, answer in rows:
            turns[question].append((status, answer))
        self.found = {name: [] for name in self.JUDGED}
        self.outcomes = collections.Counter()
        self.longest_s = 0
        for question in questions:
            self.judge(question, turns[question.text])
            self.judge_tries(question)

    def judge(self, question, turns):
        if not question.done or not turns:
            self.found["lost"].append((question.text, question.tries[-3:], turns))
        if len(turns) > 1:
            self.found["duplicated"].append((question.text, turns))
        if question.wrong or any(turn != ("completed", question.digest) for turn in turns):
            self.found["mixed"].append((question.text, question.digest, turns, question.wrong))

    def judge_tries(self, question):
        for number, one in enumerate(question.tries):
            self.outcomes[one.outcome] += 1
            if one.outcome == "done":
                self.longest_s = max(self.longest_s, one.seconds)
            elif {one.phase, one.began_phase} <= ORDERLY and (one.began or not number):
                self.found["cut" if one.began else "refused"].append((question.text, one))

    def is_clean(self):
        return not any(self.found.values())

    def report(self):
        for name, entries in self.found.items():
            print(f"{name:<36}{len(entries):6}")
            for entry in entries[:SHOWN_MAX]:
                print("   ", *entry)
        print("tries:", " · ".join(f"{outcome} {count}" for outcome, count in self.outcomes.most_common()))
        print(f"{'longest stream':<36}{self.longest_s:6.1f} s")
