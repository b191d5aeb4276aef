# SPDX-License-Identifier: ISC
"""Milters from Debian for a Postfix of the lab: OpenDKIM as a verifier, rspamd with its milter proxy. Each writes
Authentication-Results under the id it is given, and each is asked on a port of its own."""
import os
import shutil
import socket

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
    use = ["authentication-results"]; skip_local = false; skip_authenticated = false;
    authenticated_headers = ["authentication-results"];
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
