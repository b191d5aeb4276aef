# SPDX-License-Identifier: ISC
"""Debian's postsrsd, asked over its TCP maps as a Postfix asks it."""
import os
import socket
import urllib.parse

from tests.lab.process import Process
from tests.lab.wait import until


class Postsrsd:
    def __init__(self, lab, domain, secrets, port=10001):
        self.ports = (port, port + 1)
        argv = ["postsrsd", "-4", "-s" + secrets, "-d" + domain, f"-f{port}", f"-r{port + 1}", "-a=", "-n4", "-N4"]
        self.process = Process(argv, os.path.join(lab.folder("postsrsd"), "log"))
        lab.at_end(self.process.kill)
        until(self.listens, lambda: "postsrsd:\n" + self.process.output()[-2000:])

    def listens(self):
        assert self.process.alive(), self.process.output()[-2000:]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports[1])) == 0

    def ask(self, port, address):
        """The address, or None where it has none to give (tcp_table(5))."""
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(b"get " + urllib.parse.quote(address, safe="@=+/-._").encode() + b"\n")
            code, _, value = s.makefile("rb").readline().decode().strip().partition(" ")
        return urllib.parse.unquote(value) if code == "200" else None

    def forward(self, address):
        return self.ask(self.ports[0], address)

    def reverse(self, address):
        return self.ask(self.ports[1], address)
