#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Every gate must be able to fail: each is shown a small tree with one fault of its kind."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gates  # noqa: E402

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


def main():
    failed = 0
    for name, _, gate in gates.GATES:
        with tree_with(*FAULTS[name]) as faulty, tree_with("dns/a.c", SPDX + "int a;\n") as clean:
            caught, quiet = gate(faulty), gate(clean)
        ok = caught and not quiet
        failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} the gate '{name}' "
              f"{'sees its fault' if ok else f'caught {caught}, on a clean tree {quiet}'}")
    print(f"{len(gates.GATES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
