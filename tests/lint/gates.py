#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The gates of the house, each a function that takes a tree and returns its complaints.

usage: gates.py [ROOT]      prints one line a gate, the complaints, the rooms with what each uses, the ten largest
                            functions; exit 1 when a gate complains.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import manuals  # noqa: E402
import rooms  # noqa: E402
from rooms import includes, text_of, tracked  # noqa: E402

MAX_FUNCTION, MAX_SOURCE, MAX_HEADER = 60, 600, 150

# One library, one door: header pattern -> files that may include it.
DOORS = [
    (r"getdns/", r"dns/resolver\w*\.[ch]"),
    (r"unbound\.h", r"dns/resolver\w*\.[ch]"),
    (r"curl/", r"tls/https\w*\.[ch]"),
    (r"yaml\.h", r"config/load\w*\.[ch]"),
    (r"sqlite3\.h", r"relay/state/\w+\.[ch]"),
    (r"gnutls/", r"(tls|sign)/\w+\.[ch]"),
    (r"openssl/", r"(tls|sign)/\w+\.[ch]"),
    (r"uthash\.h", r"relay/base/table\.h"),  # so that every table has the seeded hash
    (r"gsasl\.h", r"relay/sasl/\w+\.[ch]"),
    (r"libpq", r"relay/fleet/(session|target)\.c"),
    (r"zlib\.h", r"relay/report/document\.c"),
]

MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK|[Nn]ot implemented|[Ff]or now)\b")


def c_files(root):
    return tracked(root, ".c", ".h")


def gate_format(root):
    files = c_files(root)
    if not files:
        return []
    run = subprocess.run(["clang-format-14", "--dry-run", "--Werror", "--ferror-limit=1"] + files,
                         cwd=root, capture_output=True, text=True)
    bad = sorted({line.split(":")[0] for line in run.stderr.splitlines() if "error:" in line})
    if run.returncode != 0 and not bad:
        return [run.stderr.strip()[:300]]
    return [f"{name}: clang-format 14 would change it" for name in bad]


def functions(root):
    """(lines, file, line, name) of every function, largest first; lines as pmccabe counts them."""
    files = tracked(root, ".c")
    if not files:
        return []
    run = subprocess.run(["pmccabe"] + files, cwd=root, capture_output=True, text=True, check=True)
    found = []
    for line in run.stdout.splitlines():
        columns = line.split("\t")
        match = re.match(r"(.+)\((\d+)\): (\w+)", columns[5]) if len(columns) > 5 else None
        if match:
            found.append((int(columns[4]), match[1], int(match[2]), match[3]))
    return sorted(found, reverse=True)


def gate_function_size(root):
    return [f"{name}:{line}: {function} has {n} lines (at most {MAX_FUNCTION})"
            for n, name, line, function in functions(root) if n > MAX_FUNCTION]


def gate_file_size(root):
    bad = []
    for name in c_files(root):
        lines, limit = text_of(root, name).count("\n"), MAX_SOURCE if name.endswith(".c") else MAX_HEADER
        if lines > limit:
            bad.append(f"{name}: {lines} lines (at most {limit})")
    return bad


def gate_doors(root):
    bad = []
    for name in c_files(root):
        if name.startswith("tests/"):
            continue
        for n, _, target in includes(text_of(root, name)):
            for header, door in DOORS:
                if re.match(header, target) and not re.fullmatch(door, name):
                    bad.append(f"{name}:{n}: <{target}> has its door elsewhere ({door})")
    return bad


def gate_licence(root):
    bad = []
    for name in c_files(root):
        if not text_of(root, name).startswith("// SPDX-License-Identifier: ISC\n"):
            bad.append(f"{name}:1: no SPDX line")
    for name in tracked(root, ".py", ".sh", ".cmake", "CMakeLists.txt"):
        if "SPDX-License-Identifier: ISC" not in text_of(root, name)[:200]:
            bad.append(f"{name}:1: no SPDX line")
    return bad


def gate_finished(root):
    return [f"{name}:{n}: unfinished? {line.strip()[:80]}"
            for name in c_files(root) + tracked(root, ".py", ".sh")
            if not name.startswith("tests/lint/")
            for n, line in enumerate(text_of(root, name).split("\n"), 1) if MARKS.search(line)]


def gate_python(root):
    bad = []
    for name in tracked(root, ".py"):
        try:
            compile(text_of(root, name), name, "exec")
        except SyntaxError as error:
            bad.append(f"{name}:{error.lineno}: {error.msg}")
    return bad


def gate_shell(root):
    bad = []
    for name in ["dev", ".ci/run"] + tracked(root, ".sh"):
        path = os.path.join(root, name)
        if os.path.exists(path):
            run = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
            if run.returncode != 0:
                bad.append(run.stderr.strip())
    return bad


GATES = [
    ("format", "clang-format 14 agrees", gate_format),
    ("functions", f"no function over {MAX_FUNCTION} lines", gate_function_size),
    ("files", f"no .c over {MAX_SOURCE}, no .h over {MAX_HEADER} lines", gate_file_size),
    ("rooms", f"each folder has its line in {rooms.TABLE}", rooms.gate_rooms),
    ("arrows", "rooms use only those before them, and no room's private header", rooms.gate_arrows),
    ("circles", "no circle of more than two files inside a room", rooms.gate_circles),
    ("callbacks", "callbacks and names of many files carry their file's name", rooms.gate_callbacks),
    ("doors", "one library, one door", gate_doors),
    ("manuals", "each page is sound, each subcommand has one", manuals.gate_pages),
    ("log", "waxwing-log(7) has what the program writes, and nothing else", manuals.gate_log),
    ("licence", "SPDX on line 1", gate_licence),
    ("finished", "no unfinished marks", gate_finished),
    ("python", "Python files compile", gate_python),
    ("shell", "shell scripts parse", gate_shell),
]


def main(argv):
    root = os.path.abspath(argv[1] if len(argv) > 1 else os.path.join(os.path.dirname(__file__), "../.."))
    passed = 0
    for name, what, gate in GATES:
        complaints = gate(root)
        passed += not complaints
        print(f"{'ok  ' if not complaints else 'FAIL'} {name}: {what}")
        for complaint in complaints:
            print(f"     {complaint}")
    print("the rooms, each with what it uses:")
    for line in rooms.picture(root):
        print(f"  {line}")
    print("the ten largest functions:")
    for n, name, line, function in functions(root)[:10]:
        print(f"  {n:4} {function} ({name}:{line})")
    print(f"{passed} passed, {len(GATES) - passed} failed")
    return 0 if passed == len(GATES) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
