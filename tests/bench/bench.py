#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Workloads, each run through Waxwing and through Postfix + OpenDKIM on the same machine: same load generator, same
sink, same name server, same disk, a sync before each 250, TLS and AUTH in, a signature, TLS out by MX.

usage: bench.py [--quick | --set reference | WORKLOAD...] [--scale F] [--only waxwing|postfix] [--write]
"""
import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, TREE)

from tests.bench import accounting, forwarded, relays, workloads  # noqa: E402
from tests.lab import process, world  # noqa: E402
from tests.lab.lab import Lab  # noqa: E402
from tests.lab.wait import until  # noqa: E402

LONGEST, LONGEST_BY_HAND = 90, 3600  # seconds that one run of one relay may take


def compile_tools(folder):
    os.makedirs(folder, exist_ok=True)
    flags = process.must(["pkg-config", "--cflags", "--libs", "gnutls", "libcrypto"]).split()
    for tool in ("load", "sink", "names", "limits", "delay"):
        process.must(["gcc", "-O2", "-std=c17", "-D_GNU_SOURCE", "-I", TREE, f"{HERE}/{tool}.c",
                      f"{HERE}/wire.c", "-o", f"{folder}/{tool}", *flags])
    return folder


class Bench:
    def __init__(self, options):
        self.options = options
        self.tools = compile_tools(os.path.join(TREE, "build/bench"))
        self.program = os.path.abspath(os.path.join(options.build, "waxwing"))
        self.longest = LONGEST_BY_HAND if options.workload else LONGEST
        self.peers = {}  # workload -> what Postfix did

    def limits(self):
        with Lab() as lab:
            certificate = lab.ca.leaf("sink.test")
            out = process.must([f"{self.tools}/limits", lab.root, certificate.chain_file, certificate.key_file,
                                "0.5" if self.options.quick else "2"])
            found = json.loads(out)
            names = relays.FastNames(lab, f"{self.tools}/names")
            relays.sites(names, 2000)
            names.start()
            found["answers"] = answers(os.path.join(self.options.build, "tests/lookup"))
        # Both hops end at the relay, and the other halves are load and sink on the same cores.
        found["hops"] = found["handshakes"] / 2
        return found

    def run(self, work):
        """One workload: (ours, theirs) as dicts; each may be None."""
        ours = theirs = None
        if self.options.only != "waxwing":
            theirs = self.beside(work)
        if self.options.only != "postfix":
            ours = self.measure(work, work.messages, lambda lab: relays.Waxwing(lab, self.program, work))
        return ours, theirs

    def beside(self, work):
        work = workloads.BY_NAME[work.like] if work.like else work
        if work.name not in self.peers and work.beside:
            self.peers[work.name] = self.measure(work, work.beside, lambda lab: relays.Postfix(lab, work))
        return self.peers.get(work.name)

    def measure(self, work, messages, make):
        spread = work.load.get("spread")  # what counts then are deliveries, as many as there are sites
        messages = messages if spread else max(int(messages * self.options.scale), work.sites, 20)
        with Lab() as lab:
            certificate = lab.ca.leaf("mx0.bench", "*.bench")
            names = relays.FastNames(lab, f"{self.tools}/names")
            lab.use(names)
            relays.sites(names, work.sites, certificate.tlsa() if work.tlsa else None)
            load = dict(work.load)
            if work.forwarded:
                load.update(file=forwarded.message(lab, names), sender="friend@else.bench", size=0)
            if work.milter:
                relays.opendkim(lab, "v", 8892)
            relay = make(lab)
            names.start()
            until(lambda: not relays.connects("127.0.0.1", 587), "the end of the relay before")
            relay.start()
            found = self.drive(lab, relay, certificate, messages, work, load)
            if work.half:
                again = dict(load, rate=max(1, int(found["rate"] / 2)))
                half = self.drive(lab, relay, certificate, max(messages // 4, 20), work, again)
                found.update(half_p50=half["p50"], half_p99=half["p99"])
            return found

    def hand_in(self, relay, messages, load):
        """What the load generator says of it; "domain" and others are its options."""
        done = subprocess.run([f"{self.tools}/load", "127.0.0.1", "587", relay.user, relay.password,
                               f"messages={messages}", *(f"{k}={v}" for k, v in load.items())],
                              capture_output=True, text=True, timeout=self.longest, check=False)
        if done.returncode != 0:
            raise SystemExit(f"bench: {done.stderr}\n{relay.told()}")
        return json.loads(done.stdout)

    def sink(self, lab, certificate, messages, work):
        port = "2525" if work.trip else "25"
        sink = subprocess.Popen([f"{self.tools}/sink", "0.0.0.0", port, certificate.chain_file, certificate.key_file,
                                 str(messages), str(work.recipients), *["chunking"] * work.chunking, *["full"] * work.full],
                                stdout=subprocess.PIPE, text=True)
        lab.at_end(lambda: sink.poll() is None and sink.kill())
        until(lambda: relays.connects("127.0.0.1", int(port)), "the sink")
        if work.trip:
            road = process.Process([f"{self.tools}/delay", "0.0.0.0", "25", "127.0.0.1", port, str(work.trip)],
                                   os.path.join(lab.root, "delay.log"))
            lab.at_end(road.kill)
            until(lambda: "ready" in road.output(), road.output)
        return sink

    def drive(self, lab, relay, certificate, messages, work, load):
        """From the first MAIL to the last arrival, with what it cost; a backlog from the moment its hosts are there."""
        if work.waiting:
            self.hand_in(relay, max(int(work.waiting * self.options.scale), 1), {"domain": "dead", "sites": 100})
        sink = None if work.backlog else self.sink(lab, certificate, messages, work)
        meter = Meter(relay, ours=isinstance(relay, relays.Waxwing))
        found = self.hand_in(relay, messages, load)
        began = found["began"]
        if work.backlog:
            meter = Meter(relay, ours=isinstance(relay, relays.Waxwing))
            sink = self.sink(lab, certificate, messages, work)
            began = time.time()
            relay.try_again()
        try:
            arrived = json.loads(sink.communicate(timeout=self.longest)[0])
        except subprocess.TimeoutExpired:
            sink.send_signal(signal.SIGTERM)
            raise SystemExit(f"bench: {work.name}: not everything arrived: {sink.communicate()[0]}\n{relay.told()}") from None
        check(work, messages, arrived)
        units = arrived["copies"] if load.get("spread") else messages
        return {**found, **meter.read(units), "rate": units / (arrived["ended"] - began),
                "accepted_rate": messages / (found["ended"] - found["began"]),
                "out": arrived["connections"], "resumed": arrived["resumed"]}


def check(work, messages, arrived):
    """Every accepted message came once, over TLS, and signed or sealed as it should be."""
    told = f"{work.name}: {arrived}"
    assert arrived["unique"] == arrived["copies"] == messages * work.recipients, told
    assert arrived["tls"] == arrived["transactions"], told
    assert arrived["signed"] == arrived["transactions"], told  # others' mail brings its own


class Meter:
    """Processor time between its making and read()."""

    def __init__(self, relay, ours):
        self.relay, self.samples = relay, None
        self.before = accounting.spent(relay.roots)
        if ours:
            self.pid = relay.roots[0]
            self.threads = accounting.threads(self.pid)
            self.samples = accounting.Samples(self.pid, relay.folder)

    def read(self, messages):
        after = accounting.spent(self.relay.roots)
        each = 1000 / messages
        user, system = ((b - a) * each for a, b in zip(self.before, after))
        found = {"cpu": user + system, "user": user, "system": system}
        if self.samples:
            now = accounting.threads(self.pid)
            found["threads"] = accounting.by_name(self.pid, {t: (s - self.threads.get(t, 0)) * each
                                                             for t, s in now.items()})
            found["shares"] = self.samples.shares()
        return found


def answers(lookup):
    """DNS answers a second that the relay's own resolver gets from the name server of the benchmark."""
    if not os.path.exists(lookup):
        return 0
    asked = "".join(f"d{i}.bench/MX\nmx{i}.bench/A\n_25._tcp.mx{i}.bench/TLSA\n" for i in range(2000))
    out = subprocess.run([lookup, "--resolver", "127.0.0.1:53", "-"], input=asked, capture_output=True, text=True,
                         timeout=120, check=False).stdout
    took = [line.split()[-2] for line in out.splitlines() if line.endswith(" ms")]
    return 6000 / max(int(took[0]), 1) * 1000 if took else 0


# --- what is told ---

def split(found, keys):
    """Milliseconds a message: signature, TLS, spool, the rest (of it in the kernel)."""
    shares = found.get("shares")
    if not shares:
        return None
    part = {k: v * found["cpu"] for k, v in shares.items()}
    part.setdefault("arithmetic", 0)
    # Ed25519 and the handshakes share a library: on reused connections there are hardly any handshakes.
    part["signature" if "e1" in keys else "tls"] = part.get("signature" if "e1" in keys else "tls", 0) + part.pop("arithmetic")
    return part


def row(work, ours, theirs, limits):
    def number(found, name, form):
        return form.format(found[name]) if found and found.get(name) is not None else "–"
    ratio = f"{ours['rate'] / theirs['rate']:.1f}" if ours and theirs else "–"
    parts = split(ours, work.keys) if ours else None
    told = " / ".join(f"{parts.get(p, 0):.2f}" for p in ("signature", "tls", "spool", "system", "rest")) if parts else "–"
    limit = f"{limits[work.limit]:,.0f}" if limits and limits.get(work.limit) else "–"
    return [work.text, number(ours, "rate", "{:,.0f}"), number(theirs, "rate", "{:,.0f}"), ratio,
            number(ours, "cpu", "{:.2f}"), number(theirs, "cpu", "{:.2f}"), told,
            number(ours, "p50", "{:.0f}") + " / " + number(ours, "p99", "{:.0f}"),
            number(theirs, "p50", "{:.0f}") + " / " + number(theirs, "p99", "{:.0f}"), limit]


HEADINGS = ["workload", "Waxwing /s", "Postfix + OpenDKIM /s", "ratio", "CPU ms", "theirs",
            "signature / TLS / spool / kernel / rest", "accept p50 / p99 ms", "theirs", "limit /s a core"]


def markdown(rows, headings=None):
    headings = headings or HEADINGS
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |" for r in rows]) + "\n"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "?")
    with open("/proc/meminfo", encoding="ascii") as f:
        memory = int(f.readline().split()[1]) // 1048576
    with open("/proc/loadavg", encoding="ascii") as f:
        load = f.read().split()[0]
    disk = process.run(["df", "--output=fstype", "/tmp"]).stdout.split()[-1]
    return (f"{os.cpu_count()} cores ({model}), {memory} GiB, Linux {platform.release().split('-')[0]}, spool on {disk}, "
            f"load average {load} at the start")


def limits_told(limits):
    return (f"Limits of one core, measured in the same run: {limits['rsa']:,.0f} RSA-2048 signatures a second "
            f"(libcrypto; {limits['rsa_gnutls']:,.0f} by GnuTLS), {limits['ed25519']:,.0f} Ed25519; "
            f"{limits['handshakes']:,.0f} full and {limits['resumed']:,.0f} resumed TLS 1.3 handshakes (both ends, ECDSA P-256); "
            f"{limits['syncs']:,.0f} syncs of 4 KiB; {limits['answers']:,.0f} DNS answers.")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].strip())
    parser.add_argument("workload", nargs="*", help=" ".join(workloads.BY_NAME))
    parser.add_argument("--build", default=os.path.join(TREE, "build/release"))
    parser.add_argument("--quick", action="store_true", help="the most telling ones, smaller: two minutes")
    parser.add_argument("--set", choices=("reference", "all"))
    parser.add_argument("--scale", type=float, default=1, help="so many times as many messages")
    parser.add_argument("--only", choices=("waxwing", "postfix"))
    parser.add_argument("--write", action="store_true", help="into tests/bench/RESULTS.md and README.md")
    options = parser.parse_args()
    if options.quick:
        options.scale *= 0.5
    if not world.inside():
        world.enter([sys.executable, *sys.argv])
    run(options)


def chosen(options):
    if options.workload:
        unknown = [n for n in options.workload if n not in workloads.BY_NAME]
        if unknown:
            raise SystemExit(f"bench: no workload {' '.join(unknown)}; there are {' '.join(workloads.BY_NAME)}")
        return [workloads.BY_NAME[n] for n in options.workload]
    wanted = "quick" if options.quick else "reference"
    return [w for w in workloads.ALL if options.set == "all" or getattr(w, wanted)]


def run(options):
    began, bench = time.monotonic(), Bench(options)
    about, limits, rows, halves, failed = machine(), bench.limits(), [], "", []
    print(about, limits_told(limits), "", sep="\n", flush=True)
    for work in chosen(options):
        try:
            ours, theirs = bench.run(work)
        except (Exception, SystemExit) as problem:  # the other workloads are worth their time all the same
            print(f"FAIL {work.name}: {problem!r}"[:3000], flush=True)
            failed.append(work.name)
            continue
        rows.append(row(work, ours, theirs, limits))
        tell(work, ours, theirs)
        if ours and theirs and ours.get("half_p50") is not None and work.half:
            halves = (f"Accepting at half of its own load ({work.text}), from the last byte to 250, p50 / p99: Waxwing "
                      f"{ours['half_p50']:.1f} / {ours['half_p99']:.1f} ms, Postfix + OpenDKIM "
                      f"{theirs['half_p50']:.1f} / {theirs['half_p99']:.1f} ms.\n")
    table = markdown(rows) + "\n" + halves
    print("", table, f"{time.monotonic() - began:.0f} seconds", sep="\n")
    if options.write:
        write(about, limits, rows, table)
    if failed:
        raise SystemExit(f"bench: failed: {' '.join(failed)}")


def write(about, limits, rows, table):
    """RESULTS.md whole, and a smaller table between the marks of README.md."""
    with open(os.path.join(HERE, "RESULTS.md"), "w", encoding="utf-8") as f:
        f.write(report(about, limits, table))
    path = os.path.join(TREE, "README.md")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, mark, rest = text.partition("<!-- measured -->\n")
    _, end, after = rest.partition("<!-- /measured -->\n")
    if not mark or not end:
        raise SystemExit("bench: README.md has no marks for its table")
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + mark + markdown([r[:6] for r in rows], HEADINGS[:6]) + end + after)


def tell(work, ours, theirs):
    print(f"{work.name}: {work.text}")
    for name, found in (("Waxwing", ours), ("Postfix + OpenDKIM", theirs)):
        if not found:
            continue
        print(f"  {name:18} {found['rate']:7.0f}/s delivered {found['accepted_rate']:7.0f}/s accepted, CPU "
              f"{found['cpu']:.3f} ms (user {found['user']:.3f}, system {found['system']:.3f}), accept "
              f"{found['p50']:.0f} / {found['p99']:.0f} ms; {found['out']:,} connections out, {found['resumed']:,} resumed")
        if found.get("half_p50") is not None:
            print(f"  {'':18} at half load: accept {found['half_p50']:.1f} / {found['half_p99']:.1f} ms")
        if found.get("threads"):
            print("   threads, ms:", ", ".join(f"{n} {v:.3f}" for n, v in found["threads"].items()))
        parts = split(found, work.keys)
        if parts:
            print("   parts, ms:  ", ", ".join(f"{n} {v:.3f}" for n, v in sorted(parts.items())))
    sys.stdout.flush()


def report(about, limits, table):
    with open(os.path.join(HERE, "results.head"), encoding="utf-8") as f:
        return f.read().format(day=time.strftime("%Y-%m-%d"), machine=about, limits=limits_told(limits), table=table)


if __name__ == "__main__":
    main()
