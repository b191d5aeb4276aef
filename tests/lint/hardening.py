#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What a built program shows of its hardening, read from its bytes rather than from the flags of its build.

usage: hardening.py PROGRAM [NAME ...]    the names that must hold (hardening.cmake); none: all that this
                                          machine's compiler gives. Exit 1 when one does not.
"""
import re
import subprocess
import sys


def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


class Program:
    def __init__(self, path):
        self.path = path
        self.header = output("readelf", "-hW", path)
        self.segments = output("readelf", "-lW", path)
        self.dynamic = output("readelf", "-dW", path)
        # names of functions taken from libraries, without their version
        self.imports = set(re.findall(r"\bUND (\w+)", output("readelf", "-W", "--dyn-syms", path)))
        # functions of its own that another library could replace; the linker makes hidden ones local
        self.exports = set(re.findall(r"FUNC +GLOBAL +DEFAULT +\d+ (\w+)",
                                      output("readelf", "-W", "--syms", path)))
        self.x86 = "X86-64" in self.header
        self._code = None

    @property
    def code(self):
        if self._code is None:
            self._code = output("objdump", "-d", "--no-show-raw-insn", "-j", ".text", self.path)
        return self._code


def pie(program):
    return "DYN (" in program.header and "INTERP" in program.segments


def relro(program):
    return "GNU_RELRO" in program.segments


def now(program):
    return bool(re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", program.dynamic))


def stack(program):
    return bool(re.search(r"GNU_STACK\s.* RW ", program.segments))


def stack_protector(program):
    return "__stack_chk_fail" in program.imports


def stack_clash(program):
    """A frame of more than a page touches each page on its way down (x86: or/orq $0 at the stack pointer)."""
    return not program.x86 or bool(re.search(r"\bor[lq]? +\$0x0,(0x[0-9a-f]+)?\(%rsp\)", program.code))


def branches(program):
    """Functions begin with a landing pad; the two of the C library's start-up code prove nothing."""
    return len(re.findall(r"\bendbr64\b" if program.x86 else r"\b(paciasp|bti)\b", program.code)) > 2


def fortify(program):
    checked = {name for name in program.imports if re.fullmatch(r"__\w+_chk", name)}
    return bool(checked - {"__stack_chk_fail"})


def visibility(program):
    """No function of ours is another library's to call or to replace."""
    return not {name for name in program.exports if not name.startswith("_")}


CHECKS = {
    "pie": (pie, "is loaded anywhere (PIE)"),
    "relro": (relro, "its relocations become read-only"),
    "now": (now, "its symbols are bound at start"),
    "stack": (stack, "its stack is not executable"),
    "stack-protector": (stack_protector, "guards its stack frames"),
    "stack-clash": (stack_clash, "touches each page of a large frame"),
    "branches": (branches, "marks where an indirect branch may land"),
    "fortify": (fortify, "calls the checked forms of string functions"),
    "visibility": (visibility, "keeps its functions to itself"),
}


def complaints(path, names=()):
    program = Program(path)
    return [f"{path}: not so: {CHECKS[name][1]} ({name})" for name in names or CHECKS
            if not CHECKS[name][0](program)]


def main(argv):
    if len(argv) < 2:
        sys.exit(__doc__)
    found = complaints(argv[1], argv[2:])
    print("\n".join(found) or f"{argv[1]}: {' '.join(argv[2:] or CHECKS)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
