# SPDX-License-Identifier: ISC
"""Debian's HAProxy with the configuration that the manual gives, before relays on 127.0.0.1, 127.0.0.2, ..."""
import os
import re
import socket

from tests.lab.process import Process, must
from tests.lab.wait import until

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(TREE, "man/examples/haproxy.cfg")
SOURCE = "127.0.0.1"  # where relays see it come from


def example():
    with open(EXAMPLE, encoding="ascii") as f:
        return f.read()


def moved(text, folder):
    """The example with addresses of this machine, without what a packaged one has beside it."""
    text = re.sub(r"^ *(log|user|group) .*\n", "", text, flags=re.M)
    text = text.replace("/run/haproxy/admin.sock", os.path.join(folder, "admin.sock"))
    return re.sub(r"192\.0\.2\.1?(\d):", r"127.0.0.\1:", text)


class HAProxy:
    """On 127.0.0.5, ports 587 and 465."""

    address = "127.0.0.5"

    def __init__(self, lab):
        self.folder = lab.folder("haproxy")
        self.file = os.path.join(self.folder, "haproxy.cfg")
        with open(self.file, "w", encoding="ascii") as f:
            f.write(moved(example(), self.folder))
        must(["haproxy", "-c", "-f", self.file])
        self.process = Process(["haproxy", "-db", "-f", self.file], os.path.join(self.folder, "log"))
        lab.at_end(self.process.kill)
        until(self.answers, lambda: "haproxy:\n" + self.process.output()[-2000:])

    def answers(self):
        assert self.process.alive(), self.process.output()[-2000:]
        try:
            return bool(self.states())
        except (FileNotFoundError, ConnectionRefusedError):  # it binds, then listens
            return False

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            sock.connect(os.path.join(self.folder, "admin.sock"))
            sock.sendall(command.encode() + b"\n")
            with sock.makefile() as answer:
                return answer.read()

    def states(self):
        """What it thinks of each server of port 587: UP, DOWN, or on the way there."""
        rows = [line.split(",") for line in self.ask("show stat").splitlines()]
        return {row[1]: row[17] for row in rows if row[0] == "submission" and row[1].startswith("node-")}

    def sees(self, **states):
        """Waits until it thinks that, as node_1="UP"."""
        wanted = {name.replace("_", "-"): state for name, state in states.items()}
        until(lambda: {name: self.states()[name] for name in wanted} == wanted, lambda: f"{wanted}, not {self.states()}")
