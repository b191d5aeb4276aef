# SPDX-License-Identifier: ISC
"""Milters from Debian, for a Postfix of the lab and for the relay: OpenDKIM as a verifier, rspamd with its milter proxy,
ClamAV with one signature of the lab's own; and one of the lab's that lies. Each is asked on a port of its own."""
import os
import shutil
import socket
import socketserver
import struct
import threading

from tests.lab.process import Process
from tests.lab.wait import until

OPENDKIM = """\
Mode v
Socket inet:{port}@127.0.0.1
AuthservID {id}
AlwaysAddARHeader yes
RemoveARFrom {remove}
Syslog no
Background no
UserID root
PidFile {folder}/pid
Nameservers 127.0.0.1
"""
RSPAMD = """\
options {{
    filters = "dkim";
    pidfile = "{folder}/pid"; tempdir = "{folder}"; cache_file = "{folder}/cache"; history_file = "{folder}/history";
    dynamic_conf = "{folder}/dynamic"; control_socket = "{folder}/control mode=0600"; rrd = "";
    hs_cache_dir = "{folder}"; url_tld = "{folder}/tld"; local_addrs = [];
    dns {{ nameserver = ["127.0.0.1:53:1"]; timeout = 1s; }}
}}
logging {{ type = "console"; level = "warning"; }}
actions {{ reject = 1000; }}
metric {{ name = "default"; actions {{ reject = 1000; }} }}
modules {{ path = "/usr/share/rspamd/plugins/"; }}
lua = "/usr/share/rspamd/rules/rspamd.lua";
spf {{ }}
dkim {{ }}
dmarc {{ }}
milter_headers {{
    use = ["authentication-results", "x-rspamd-queue-id"]; skip_local = false; skip_authenticated = false;
    authenticated_headers = ["authentication-results", "x-rspamd-queue-id"];
    routines {{ authentication-results {{ header = "Authentication-Results"; remove = {remove}; spf_symbols {{
        pass = "R_SPF_ALLOW"; fail = "R_SPF_FAIL"; softfail = "R_SPF_SOFTFAIL"; neutral = "R_SPF_NEUTRAL";
        temperror = "R_SPF_DNSFAIL"; none = "R_SPF_NA"; permerror = "R_SPF_PERMFAIL"; }} }} }}
}}
worker "rspamd_proxy" {{
    bind_socket = "127.0.0.1:{port}"; milter = yes; count = 1;
    upstream "local" {{ default = yes; self_scan = yes; }}
}}
"""


class Milter:
    """Started and listening. `address`: as the relay's configuration names it."""

    def __init__(self, lab, kind, argv, port):
        self.lab, self.port = lab, port
        self.process = Process(argv, os.path.join(self.folder, "log"), cwd=self.folder)
        lab.at_end(self.process.kill)
        until(self.listens, lambda: f"{kind}:\n" + self.process.output()[-4000:])

    def listens(self):
        assert self.process.alive(), self.process.output()[-4000:]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def socket(self):
        """As Postfix's smtpd_milters names it."""
        return f"inet:127.0.0.1:{self.port}"

    @property
    def address(self):
        return self.socket.removeprefix("inet:")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        return path


class OpenDkim(Milter):
    """`remove`: fields of this authserv-id are stripped from what comes in (RemoveARFrom)."""

    def __init__(self, lab, authserv_id, port=8891, remove="nobody.invalid"):
        self.folder = lab.folder("opendkim")
        path = self.write("conf", OPENDKIM.format(port=port, id=authserv_id, remove=remove, folder=self.folder))
        super().__init__(lab, "OpenDKIM", ["opendkim", "-f", "-x", path], port)


class Rspamd(Milter):
    """Its authserv-id is the name that the MTA says. `remove`: how many older fields are stripped (0: all)."""

    def __init__(self, lab, port=11332, remove="0"):
        self.folder = lab.folder("rspamd")
        shutil.chown(self.folder, "_rspamd")
        self.write("tld", "test\norg\n")  # the whole list takes it a minute to read
        path = self.write("conf", RSPAMD.format(port=port, remove=remove, folder=self.folder))
        super().__init__(lab, "rspamd", ["rspamd", "-f", "-i", "-c", path], port)


CLAMD = """\
DatabaseDirectory {folder}
LocalSocket {folder}/clamd.sock
Foreground yes
MaxThreads 2
User root
"""
CLAMAV_MILTER = """\
MilterSocket unix:{folder}/milter.sock
ClamdSocket unix:{folder}/clamd.sock
Foreground yes
User root
OnInfected {on_infected}
RejectMsg "%v is in it"
AddHeader Add
"""
INFECTED = b"LAB-INFECTED-ATTACHMENT"


class ClamAv(Milter):
    """`on_infected`: Reject or Quarantine. It knows one signature: the bytes of INFECTED."""

    def __init__(self, lab, on_infected="Reject"):
        self.folder = lab.folder("clamav")
        self.write("lab.ndb", f"Lab.Test:0:*:{INFECTED.hex()}\n")
        clamd = self.write("clamd.conf", CLAMD.format(folder=self.folder))
        self.clamd = Process(["clamd", "--config-file=" + clamd], os.path.join(self.folder, "clamd.log"))
        lab.at_end(self.clamd.kill)
        until(lambda: os.path.exists(self.path("clamd.sock")), lambda: "clamd:\n" + self.clamd.output()[-4000:])
        path = self.write("milter.conf", CLAMAV_MILTER.format(folder=self.folder, on_infected=on_infected))
        super().__init__(lab, "clamav-milter", ["clamav-milter", "--config-file=" + path], None)

    def path(self, name):
        return os.path.join(self.folder, name)

    def listens(self):
        assert self.process.alive(), self.process.output()[-4000:]
        return os.path.exists(self.path("milter.sock"))

    @property
    def socket(self):
        return "unix:" + self.path("milter.sock")


def packet(code, data=b""):
    return struct.pack(">I", len(data) + 1) + code + data


class _Dialogue(socketserver.StreamRequestHandler):
    def handle(self):
        milter = self.server.milter
        while True:
            head = self.rfile.read(4)
            if len(head) < 4:
                return
            data = self.rfile.read(struct.unpack(">I", head)[0])
            milter.seen.append((data[:1], data[1:]))
            if data[:1] == b"Q" or not milter.answer(self.wfile, data[:1]):
                return


class LyingMilter:
    """Answers c to everything, but says at a command (b"E": the end of the message) the bytes of `lies`; None
    closes the connection there, and `silent` holds commands that get no answer."""

    def __init__(self, lab, port=8899):
        self.port, self.seen, self.lies, self.silent = port, [], {}, b""
        self.address = f"127.0.0.1:{port}"
        self.server = None
        self.open()
        lab.at_end(self.close)

    def open(self):
        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True
        self.server = Server(("127.0.0.1", self.port), _Dialogue)
        self.server.milter = self
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def answer(self, out, command):
        if command in self.lies:
            said = self.lies[command]
            if said is None:
                return False
            out.write(said)
        elif command == b"O":
            out.write(packet(b"O", struct.pack(">III", 6, 0x1FF, 0)))
        elif command not in b"D" + self.silent:
            out.write(packet(b"c"))
        return True
