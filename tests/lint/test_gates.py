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

# gate -> (file, text) that it must complain about
FAULTS = {
    "format": ("dns/a.c", SPDX + "int  f( void ){return 1;}\n"),
    "functions": ("dns/a.c", SPDX + LONG),
    "files": ("dns/a.h", SPDX + "// line\n" * 200),
    "arrows": ("dns/a.c", SPDX + '#include "relay/queue.h"\n'),
    "doors": ("relay/a.c", SPDX + "#include <getdns/getdns.h>\n"),
    "licence": ("dns/a.c", "int a;\n"),
    "finished": ("dns/a.c", SPDX + "// TO" + "DO: later\n"),
    "python": ("tests/a.py", "# SPDX-License-Identifier: ISC\ndef f(:\n"),
    "shell": ("dev", "#!/bin/bash\nif true; then\n"),
}


def tree_with(name, text):
    root = tempfile.TemporaryDirectory()
    for path, body in ((name, text), (".clang-format", "BasedOnStyle: LLVM\nIndentWidth: 4\n")):
        full = os.path.join(root.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(body)
    return root


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
    """(name, ok, what was seen): a program built with every guard but one lacks that one alone."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "a.c"), os.path.join(folder, "a")
        with open(source, "w", encoding="utf-8") as f:
            f.write(PROGRAM)
        for name, flags in [("nothing", [])] + list(SOFT.items()):
            subprocess.run(["gcc", *HARD, *flags, source, "-o", program], check=True)
            lacks = [n for n in SOFT if not hardening.CHECKS[n][0](hardening.Program(program))]
            yield name, lacks == ([] if name == "nothing" else [name]), lacks


def main():
    failed = 0
    for name, ok, lacks in hardening_faults():
        failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} hardening without {name}{'' if ok else f': lacks {lacks}'}")
    for name, _, gate in gates.GATES:
        with tree_with(*FAULTS[name]) as faulty, tree_with("dns/a.c", SPDX + "int a;\n") as clean:
            caught, quiet = gate(faulty), gate(clean)
        ok = caught and not quiet
        failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} the gate '{name}' "
              f"{'sees its fault' if ok else f'caught {caught}, on a clean tree {quiet}'}")
    print(f"{len(gates.GATES) + len(SOFT) + 1 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
