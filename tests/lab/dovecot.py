# SPDX-License-Identifier: ISC
"""Dovecot's auth service, with users in a file of its own; and one that lies."""
import base64
import os
import socket
import threading

from tests.lab.process import Process
from tests.lab.wait import until

CONF = """\
base_dir = {folder}/run
log_path = /dev/stderr
protocols =
ssl = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/passwd
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


class Dovecot:
    """`users`: names with their passwords, or whole lines behind the name."""

    def __init__(self, lab, users, mechanisms="plain login scram-sha-256"):
        self.lab, self.folder = lab, lab.folder("dovecot")
        os.chmod(self.folder, 0o755)
        os.mkdir(os.path.join(self.folder, "run"))
        self.socket = os.path.join(self.folder, "auth")
        with open(os.path.join(self.folder, "passwd"), "w", encoding="utf-8") as f:
            f.write("".join(f"{name}:{{PLAIN}}{password}\n" for name, password in users.items()))
        with open(os.path.join(self.folder, "conf"), "w", encoding="ascii") as f:
            f.write(CONF.format(folder=self.folder, mechanisms=mechanisms))
        lab.at_end(self.stop)
        self.start()

    def start(self):
        self.process = Process(["dovecot", "-F", "-c", os.path.join(self.folder, "conf")],
                               os.path.join(self.folder, "log"))
        until(self.greets, lambda: "dovecot:\n" + self.process.output()[-4000:])
        return self

    def stop(self):
        self.process.stop()

    def greets(self):
        assert self.process.alive(), self.process.output()[-4000:]
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            if probe.connect_ex(self.socket) != 0:
                return False
            probe.sendall(b"VERSION\t1\t1\nCPID\t%d\n" % os.getpid())
            return probe.recv(100).startswith(b"VERSION")


class FakeDovecot:
    """An auth service of our own: `answer(line)` gives the bytes that are sent for a line, None to hang up. It counts
    the lines it was sent."""

    GREETING = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tSCRAM-SHA-256\nSPID\t1\nDONE\n"

    def __init__(self, lab, answer, greeting=GREETING):
        self.answer, self.greeting, self.lines = answer, greeting, []
        self.socket = os.path.join(lab.folder("fake"), "auth")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen(20)
        self.open = []
        lab.at_end(self.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(sock)
            threading.Thread(target=self.talk, args=(sock,), daemon=True).start()

    def talk(self, sock):
        try:
            sock.sendall(self.greeting)
            for line in sock.makefile("rb"):
                self.lines.append(line)
                said = self.answer(line.rstrip(b"\n").split(b"\t")) if line.startswith((b"AUTH", b"CONT")) else b""
                if said is None:
                    break
                sock.sendall(said)
        except OSError:
            pass
        sock.close()

    def close(self):
        self.listener.close()
        for sock in self.open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def password_of(words):
    """The name and the password of an AUTH line with PLAIN."""
    token = next(w for w in words if w.startswith(b"resp="))[5:]
    return tuple(base64.b64decode(token).split(b"\0")[1:])
