#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Every gate must be able to fail: each is shown a small tree with one fault of its kind."""
import os
import platform
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gates  # noqa: E402
import hardening  # noqa: E402

SPDX = "// SPDX-License-Identifier: ISC\n"
LONG = "int f(void)\n{\n" + "    f();\n" * 70 + "    return 0;\n}\n"

ROOMS = "dns  lookups\nrelay/log  lines\nrelay/queue  due times\n"


def calls(*others):
    """A source that defines a function after its letter and calls those of other letters."""
    name, *used = others
    lines = "".join(f"int {u}_work(void);\n" for u in used)
    return f"{SPDX}{lines}int {name}_work(void);\nint {name}_work(void)\n{{\n    return 0{''.join(f' + {u}_work()' for u in used)};\n}}\n"


def static(name, use):
    return f"{SPDX}static void {name}(void)\n{{\n}}\n\nvoid *f(void);\nvoid *f(void)\n{{\n    {use}\n}}\n"



def page(name, *lines, section=8):
    return "\n".join([f'.\\" SPDX-License-Identifier: ISC', ".Dd November 27, 2026", f".Dt {name.upper()} {section}", ".Os", ".Sh NAME",
                      f".Nm {name}", ".Nd a page", *lines, ""])


def log_page(*events):
    return page("waxwing-log", ".Sh EVENTS", ".Bl -tag -width Ds", *events, ".El", ".Sh ALARMS",
                ".Bl -tag -width Ds", ".It Cm full", "Words.", ".El", section=7)


LINE = SPDX + 'void f(void)\n{\n    log_begin(&line, LOG_INFO, "went", 0);\n    log_text(&line, "to", "x");\n' \
    '    log_alarm("full", "x");\n}\n'
WENT = (".It Cm went", "It went:", ".Cm to .")

# (gate, files) that it must complain about
FAULTS = [
    ("format", {"dns/a.c": SPDX + "int  f( void ){return 1;}\n"}),
    ("functions", {"dns/a.c": SPDX + LONG}),
    ("files", {"dns/a.h": SPDX + "// line\n" * 200}),
    ("rooms", {"relay/attic/a.c": SPDX}),
    ("rooms", {"attic/a.c": SPDX}),
    ("rooms", {"relay/rooms": ROOMS + "relay/attic  nothing\n"}),
    ("arrows", {"dns/a.c": SPDX + '#include "relay/queue/queue.h"\n', "relay/queue/queue.h": SPDX}),
    ("arrows", {"dns/a.c": SPDX + '#include "a.h"\n', "dns/a.h": SPDX}),
    ("arrows", {"dns/a.c": SPDX + '#include "tests/a.h"\n', "tests/a.h": SPDX}),
    ("arrows", {"relay/queue/b.c": SPDX + '#include "relay/log/inside.h"\n', "relay/log/inside.h": SPDX}),
    ("arrows", {"relay/main.c": SPDX + '#include "relay/log/a_inside.h"\n', "relay/log/a_inside.h": SPDX}),
    ("arrows", {"dns/a.c": calls("a", "b"), "relay/log/b.c": calls("b")}),
    ("circles", {"dns/a.c": calls("a", "b"), "dns/b.c": calls("b", "c"), "dns/c.c": calls("c", "a")}),
    ("circles", {"dns/a.h": SPDX + '#include "dns/b.h"\n', "dns/b.h": SPDX + '#include "dns/a.h"\n'}),
    ("callbacks", {"relay/queue/lane.c": static("on_timer", "return on_timer;")}),
    ("callbacks", {f"dns/{letter}.c": static("settle", "settle();") for letter in "abc"}),
    ("doors", {"relay/log/a.c": SPDX + "#include <getdns/getdns.h>\n"}),
    ("doors", {"relay/log/a.c": SPDX + "#include <sqlite3.h>\n"}),
    ("doors", {"relay/log/a.c": SPDX + "#include <uthash.h>\n"}),
    ("doors", {"relay/report/a.c": SPDX + "#include <zlib.h>\n"}),
    ("manuals", {"man/waxwing.8": page("waxwing", ".Sh DESCRIPTION", ".Bogus")}),
    ("manuals", {"man/waxwing.8": page("waxwing", ".Sh SEE ALSO", ".Xr waxwing-gone 8")}),
    ("manuals", {"relay/command/commands.c": SPDX + 'const struct command commands[] = {\n    {"dance", "x"},\n};\n',
                 "relay/command/command.c": SPDX}),
    ("log", {"man/waxwing-log.7": log_page(*WENT), "dns/a.c": LINE.replace('"went"', '"came"')}),
    ("log", {"man/waxwing-log.7": log_page(*WENT), "dns/a.c": LINE.replace('"to"', '"from"')}),
    ("log", {"man/waxwing-log.7": log_page(*WENT), "dns/a.c": LINE.replace('"full"', '"empty"')}),
    ("log", {"man/waxwing-log.7": log_page(*WENT, ".It Cm came", "No."), "dns/a.c": LINE}),
    ("licence", {"dns/a.c": "int a;\n"}),
    ("finished", {"dns/a.c": SPDX + "// TO" + "DO: later\n"}),
    ("python", {"tests/a.py": "# SPDX-License-Identifier: ISC\ndef f(:\n"}),
    ("shell", {"dev": "#!/bin/bash\nif true; then\n"}),
]
# what looks like a fault of these gates and is none
CLEAN = {
    "dns/a.c": calls("a", "b"),
    "dns/b.c": calls("b", "a"),  # two that belong together
    "dns/c.c": static("step", "step();"),
    "relay/log/inside.h": SPDX,
    "relay/log/a.c": SPDX + '#include "relay/log/inside.h"\n' + static("a_on_timer", "return a_on_timer;"),
    "relay/queue/a.c": calls("q", "a"),
    "relay/state/db.c": SPDX + "#include <sqlite3.h>\n",
    "tests/b.c": SPDX + '#include "relay/log/inside.h"\n',
    "relay/rooms": ROOMS + "relay/state  the ledger\n",
    "man/waxwing-log.7": log_page(*WENT),
    "dns/line.c": LINE,
}


def tree_with(files):
    root = tempfile.TemporaryDirectory()
    base = {"relay/rooms": ROOMS, ".clang-format": "BasedOnStyle: LLVM\nIndentWidth: 4\nBreakBeforeBraces: Linux\n"
            "AlwaysBreakAfterReturnType: None\nAllowShortFunctionsOnASingleLine: None\nSortIncludes: Never\n"}
    for path, body in {**base, **files}.items():
        full = os.path.join(root.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(body)
    return root


def gate_faults():
    """(what, ok, seen): each gate sees its faults and is quiet on a clean tree; no gate is without a fault."""
    every = {name: gate for name, _, gate in gates.GATES}
    for name in every.keys() - {name for name, _ in FAULTS}:
        yield f"the gate '{name}'", False, "is shown no fault"
    for number, (name, files) in enumerate(FAULTS):
        with tree_with(files) as faulty:
            caught = every[name](faulty)
        yield f"the gate '{name}' on fault {number}", bool(caught), caught
    with tree_with(CLEAN) as clean:
        for name, gate in every.items():
            seen = gate(clean)
            yield f"the gate '{name}' on a clean tree", not seen, seen


PROGRAM = """
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    char text[8192];
    memset(text, 0, sizeof text);
    strncpy(text, argv[argc - 1], (size_t)argc * 16);
    return printf("%s", text) < 0;
}
"""
HARD = ["-O2", "-fPIE", "-pie", "-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection=full",
        "-fvisibility=hidden", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack", "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=2"]
# what hardening.py must see -> the flag that takes it away
SOFT = {
    "pie": ["-fno-pie", "-no-pie"],
    "relro": ["-Wl,-z,norelro"],
    "now": ["-Wl,-z,lazy"],
    "stack": ["-Wl,-z,execstack"],
    "stack-protector": ["-fno-stack-protector"],
    "stack-clash": ["-fno-stack-clash-protection"],
    "branches": ["-fcf-protection=none"],
    "fortify": ["-U_FORTIFY_SOURCE"],
    "visibility": ["-fvisibility=default"],
}


if platform.machine() != "x86_64":
    HARD.remove("-fcf-protection=full")
    del SOFT["branches"], SOFT["stack-clash"]


def hardening_faults():
    """(what, ok, seen): a program built with every guard but one lacks that one alone."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "a.c"), os.path.join(folder, "a")
        with open(source, "w", encoding="utf-8") as f:
            f.write(PROGRAM)
        for name, flags in [("nothing", [])] + list(SOFT.items()):
            subprocess.run(["gcc", *HARD, *flags, source, "-o", program], check=True)
            lacks = [n for n in SOFT if not hardening.CHECKS[n][0](hardening.Program(program))]
            yield f"hardening without {name}", lacks == ([] if name == "nothing" else [name]), lacks


def main():
    passed = failed = 0
    for tell in (gate_faults(), hardening_faults()):
        for what, ok, seen in tell:
            passed, failed = passed + ok, failed + (not ok)
            print(f"{'ok  ' if ok else 'FAIL'} {what}{'' if ok else f': {seen}'}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
