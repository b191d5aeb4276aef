#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Which lines of the sources have run, from the counters that a build with WAXWING_COVERAGE leaves behind.

usage: coverage.py BUILD     the ten least covered files, then the sum; lines that gcov counts
"""
import collections
import glob
import json
import os
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOMS = ("relay/", "config/", "dns/", "tls/", "sign/")
LEAST = 10


def counters(build):
    """The counters of objects of ours; those of tests and of the manual's maker tell nothing."""
    return [path for path in glob.glob(os.path.join(build, "CMakeFiles/**/*.gcno"), recursive=True)]


def lines_run(build):
    """{source: {line: how often}}"""
    found = collections.defaultdict(collections.Counter)
    paths = counters(os.path.abspath(build))
    for at in range(0, len(paths), 50):
        run = subprocess.run(["gcov", "--json-format", "--stdout", *paths[at:at + 50]], capture_output=True,
                             text=True, cwd=build, check=True)
        for text in run.stdout.splitlines():
            for file in json.loads(text)["files"]:
                name = os.path.relpath(os.path.join(TREE, file["file"]), TREE)
                if name.startswith(ROOMS):
                    for line in file["lines"]:
                        found[name][line["line_number"]] += line["count"]
    return found


def main(argv):
    if len(argv) != 2:
        sys.exit(__doc__)
    found = lines_run(argv[1])
    if not found:
        sys.exit(f"{argv[1]}: no counters; is it a build with WAXWING_COVERAGE?")
    rows = sorted((sum(map(bool, lines.values())) / len(lines), len(lines), name)
                  for name, lines in found.items() if lines)
    print(f"the {LEAST} least covered files:")
    for share, total, name in rows[:LEAST]:
        print(f"  {100 * share:5.1f} % of {total:4} lines  {name}")
    ran = sum(sum(map(bool, lines.values())) for lines in found.values())
    total = sum(map(len, found.values()))
    print(f"{100 * ran / total:.1f} % of {total} lines in {len(rows)} files")


if __name__ == "__main__":
    main(sys.argv)
