"""Every metric that deploy/alerts.yml names is one that the programs have."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUFFIXES = ("_bucket", "_sum", "_count")


def known():
    table = (ROOT / "common/metrics.h").read_text()
    return {"millrace_" + name for name in re.findall(r'^ *M\(\w+, *"(\w+)"', table, re.M)}


def named():
    rules = (ROOT / "deploy/alerts.yml").read_text()
    for name in set(re.findall(r"millrace_\w+", rules)):
        yield next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name)


missing = sorted(set(named()) - known())
if missing or not known():
    sys.exit("deploy/alerts.yml names metrics that nobody keeps: " + ", ".join(missing))
