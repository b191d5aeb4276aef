# SPDX-License-Identifier: ISC
"""Processor time from the kernel's accounting: of a relay with all its processes, of each thread of ours, and of which
libraries a thread's time goes to (perf's samples, where perf is installed)."""
import collections
import os
import re
import shutil
import signal
import subprocess

from tests.lab.wait import until

TICK = os.sysconf("SC_CLK_TCK")


def stat(pid):
    """(parent, seconds in user mode, seconds in the kernel), those of children that ended included."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    user, system, of_user, of_system = (int(n) / TICK for n in fields[11:15])
    return int(fields[1]), user + of_user, system + of_system


def family(roots):
    """The processes that descend from these."""
    parents = {int(p): s[0] for p in os.listdir("/proc") if p.isdigit() and (s := stat(p))}
    found, more = set(roots), True
    while more:
        young = {p for p, parent in parents.items() if parent in found} - found
        found, more = found | young, bool(young)
    return found


def spent(roots):
    """(user, system) seconds. A process that ended counts through its parent, which has waited for it."""
    times = [s for p in family(roots) if (s := stat(p))]
    return sum(t[1] for t in times), sum(t[2] for t in times)


def threads(pid):
    """Seconds of each thread, by its number: from the scheduler, in nanoseconds."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                found[int(task)] = int(f.read().split()[0]) / 1e9
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def name_of(pid, task):
    try:
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii", errors="replace") as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def by_name(pid, seconds):
    """The same, summed by what threads are called, the greatest first."""
    found = collections.Counter()
    for task, value in seconds.items():
        if name := name_of(pid, task):
            found[name] += value
    return dict(found.most_common())


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


class Samples:
    """Where the time of a process goes, sampled while it works; nothing where there is no perf."""

    def __init__(self, pid, folder):
        self.path = os.path.join(folder, "perf.data")
        self.pid, self.child = pid, None
        if shutil.which("perf"):
            self.child = subprocess.Popen(
                ["perf", "record", "-q", "-e", "cpu-clock", "-F", "299", "-o", self.path, "-p", str(pid)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # Its threads are looked at once it has begun to write: samples of a part of the run would be of another mix.
            until(lambda: self.child.poll() is not None or size(self.path), "perf")

    def shares(self):
        """{"signature": part, "tls": part, "spool": part, "system": part, "rest": part} of all its time, or None."""
        if not self.child:
            return None
        self.child.send_signal(signal.SIGINT)
        self.child.wait(60)
        out = subprocess.run(["perf", "script", "-i", self.path, "-F", "tid,ip,sym,dso"], capture_output=True,
                             text=True, errors="replace", check=False).stdout
        spool = {t for t in os.listdir(f"/proc/{self.pid}/task") if name_of(self.pid, t) == "spool"}
        counts = collections.Counter(part_of(line, spool) for line in out.splitlines() if line.strip())
        total = sum(counts.values())
        return {part: n / total for part, n in counts.items()} if total >= 100 else None


def part_of(line, spool):
    """Of one sample: THREAD-NUMBER ADDRESS SYMBOL (LIBRARY)."""
    words = line.split()
    library, symbol = words[-1], " ".join(words[2:-1])
    if words[0] in spool:
        return "spool"
    if "libcrypto" in library or "sha256" in symbol:
        return "signature"
    if re.search("libhogweed|libgmp", library) or "ed25519" in symbol:
        return "arithmetic"  # of handshakes, or of Ed25519: the caller knows which
    if re.search("libgnutls|libnettle", library):
        return "tls"
    if re.search(r"kernel|unknown|\[", library):
        return "system"
    return "rest"
