#!/usr/bin/python3
"""Runs the benchmarks on systems of their own and prints one table: figure, target, whether it is met,
the floor measured in the same run, their ratio, and all runs.

    bench.py --build DIR [--only core,door,path,throughput,search,ingestion,memory,providers,model,caches,postgres,scaling] [--runs N]
             [--full] [--million] [--json FILE]
"""
import argparse
import json
import os
import resource
import sys

import caches
import figures
import model
import postgresql
import providers
import scaling
from figures import Bench
from table import text_table

FIGURES = {**figures.FIGURES, "providers": providers.providers, "model": model.model,
           "caches": caches.caches, "postgres": postgresql.postgresql, "scaling": scaling.scaling}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, help="a release build with MILLRACE_TESTS=ON")
    parser.add_argument("--only", default=",".join(FIGURES), help="groups, comma-separated")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="postgres: every size and dimension (an hour)")
    parser.add_argument("--million", action="store_true", help="postgres: a million chunks as well (hours)")
    parser.add_argument("--json", help="file for the rows as JSON")
    return parser.parse_args()


def main():
    options = arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # thousands of streams, both ends
    bench = Bench(options.build, options.runs, options.full, options.million)
    rows = []
    for name in options.only.split(","):
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += FIGURES[name](bench)
    print("\n\n".join([text_table(rows), *bench.tables]))
    print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if options.json:
        with open(options.json, "w") as file:
            json.dump([row.as_json() for row in rows], file, indent=1)
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
