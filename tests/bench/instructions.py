#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Counts the instructions that a message costs (callgrind), in a fixed scenario: 4 KiB by TLS over four reused
connections, RSA-2048, out over one TLS connection, one worker. Instructions hardly depend on how busy the machine is,
and with one connection no run has more handshakes than another. What counts is all but the signature's arithmetic,
which belongs to libcrypto; tests/bench/instructions keeps the number.

usage: instructions.py [--build build/release] [--write] [--profile] [--no-trace] [--keep FILE]   1: it costs over 3 % more than what is kept
"""
import argparse
import collections
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, TREE)

from tests.bench import bench, relays, workloads  # noqa: E402
from tests.lab import process, world  # noqa: E402
from tests.lab.lab import Lab  # noqa: E402
from tests.lab.wait import until  # noqa: E402

KEPT = os.path.join(HERE, "instructions")
WARM, COUNTED, MORE = 40, 400, 0.03


def scenario(options):
    """{(library, function): instructions} of COUNTED messages."""
    told = {"trace": {"size": "0B"}} if options.no_trace else {}
    work = workloads.Work("instructions", "", COUNTED, waxwing={"workers": 1, **told,
                          "delivery": {"connections": {"messages": 10000, "per_site": 1, "idle": "5m"}}})
    tools = bench.compile_tools(os.path.join(TREE, "build/bench"))
    with Lab() as lab:
        certificate = lab.ca.leaf("mx0.bench", "*.bench")
        names = relays.FastNames(lab, f"{tools}/names")
        lab.use(names)
        relays.sites(names, 1)
        relay = relays.Waxwing(lab, os.path.abspath(options.build) + "/waxwing", work)
        names.start()
        out = os.path.join(relay.folder, "callgrind.out")
        relay.start(wrap=("valgrind", "--tool=callgrind", "-q", "--separate-threads=no", f"--callgrind-out-file={out}"))
        pid = relay.relay.process.pid
        send(lab, tools, relay, certificate, WARM)
        control("-z", pid)
        send(lab, tools, relay, certificate, COUNTED)
        control("-d", pid)
        dump = until(lambda: next((os.path.join(relay.folder, n) for n in sorted(os.listdir(relay.folder))
                                   if n.startswith("callgrind.out.")), None), "callgrind's count")
        if options.keep:
            shutil.copy(dump, options.keep)
        return by_function(dump)


def control(what, pid):
    process.must(["callgrind_control", what, str(pid)])


def send(lab, tools, relay, certificate, messages):
    sink = subprocess.Popen([f"{tools}/sink", "0.0.0.0", "25", certificate.chain_file, certificate.key_file,
                             str(messages), "1"], stdout=subprocess.PIPE, text=True)
    lab.at_end(lambda: sink.poll() is None and sink.kill())
    process.must([f"{tools}/load", "127.0.0.1", "587", relay.user, relay.password, f"messages={messages}", "connections=4"])
    sink.communicate(timeout=120)


def by_function(dump):
    """{(library, function): own instructions} of a callgrind dump (its manual: "Callgrind Format Specification")."""
    libraries, functions, found = {}, {}, collections.Counter()
    library = function = "?"
    called = False
    with open(dump, encoding="utf-8", errors="replace") as f:
        for line in f:
            kind, _, rest = line.rstrip("\n").partition("=")
            if kind in ("ob", "cob", "fn", "cfn"):
                table = libraries if kind.endswith("ob") else functions
                number, _, name = rest.partition(" ")
                name = table.setdefault(number, name)
                if kind == "ob":
                    library = os.path.basename(name)
                elif kind == "fn":
                    function = name
            elif kind == "calls":
                called = True  # the next line is what the callee cost, which is counted there
            elif line[0] in "+-*0123456789":
                if not called:
                    found[library, function] += int(line.split()[1])
                called = False
    return found


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].strip())
    parser.add_argument("--build", default=os.path.join(TREE, "build/release"))
    parser.add_argument("--write", action="store_true", help="keep this count")
    parser.add_argument("--profile", action="store_true", help="which functions they are")
    parser.add_argument("--no-trace", action="store_true", help="without message traces: what those cost is the difference")
    parser.add_argument("--keep", metavar="FILE", help="callgrind's own file goes there")
    options = parser.parse_args()
    if not world.inside():
        world.enter([sys.executable, *sys.argv])
    functions, found = scenario(options), collections.Counter()
    for (library, _), n in functions.items():
        found[library] += n / COUNTED
    ours = sum(n for name, n in found.items() if not name.startswith("libcrypto"))
    if options.profile:
        for (library, function), n in functions.most_common(100):
            print(f"{n / COUNTED:12,.0f}  {function}  {library}")
    for name, n in found.most_common():
        if n >= 500:
            print(f"{n:12,.0f}  {name}")
    print(f"{ours:12,.0f}  all but libcrypto")
    if options.write:
        with open(KEPT, "w", encoding="ascii") as f:
            f.write(f"{ours:.0f}\n")
        return
    with open(KEPT, encoding="ascii") as f:
        kept = int(f.read())
    print(f"{kept:12,.0f}  kept: {100 * (ours - kept) / kept:+.1f} %")
    if ours > kept * (1 + MORE):
        raise SystemExit("instructions: a message costs over 3 % more than before; where that is right: --write")


if __name__ == "__main__":
    main()
