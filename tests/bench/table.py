"""The benchmark's rows: a figure of several runs against its target and against a floor that was
measured in the same run, on the same machine."""
import dataclasses
import statistics


@dataclasses.dataclass
class Row:
    figure: str
    unit: str
    values: list              # one a run
    limits: list = ()         # the target: one a run (it may follow the run's floor), or one, or none
    at_least: bool = False    # the target is a lower bound
    floor_name: str = ""
    floors: list = ()         # one a run, same unit
    notes: list = dataclasses.field(default_factory=list)

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def met(self):
        """None without a target. Runs are compared with their own limits, then the median decides."""
        if not self.limits:
            return None
        limits = list(self.limits) * (len(self.values) if len(self.limits) == 1 else 1)
        slack = statistics.median(limit - value for value, limit in zip(self.values, limits))
        return slack <= 0 if self.at_least else slack >= 0

    def cells(self):
        floor = statistics.median(self.floors) if self.floors else None
        limit = statistics.median(self.limits) if self.limits else None
        return [
            self.figure,
            number(self.median, self.unit),
            f"{'≥' if self.at_least else '≤'} {number(limit, self.unit)}" if self.limits else "",
            {None: "", True: "yes", False: "NO"}[self.met],
            f"{self.floor_name} {number(floor, '')}" if self.floors else "",
            f"{self.median / floor:.2f}" if floor else "",
            str(len(self.values)),
            " ".join(number(v, "") for v in sorted(self.values)) if len(self.values) > 1 else "",
        ]

    def as_json(self):
        return {**dataclasses.asdict(self), "median": self.median, "met": self.met}


def number(value, unit):
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def aligned(lines):
    """Rows of cells as text, the first of them the columns' heads."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(text)


def text_table(rows):
    heads = ["figure", "median", "target", "met", "floor, same run", "ratio", "runs", "all runs"]
    text = aligned([heads] + [row.cells() for row in rows])
    notes = [f"{row.figure}: {note}" for row in rows for note in row.notes]
    return "\n".join([text] + ([""] + notes if notes else []))
