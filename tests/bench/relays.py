# SPDX-License-Identifier: ISC
"""What is measured: Waxwing, and Postfix with OpenDKIM (or rspamd) beside it. Each knows how it is started for a
workload, where mail is handed in, and which processes it consists of."""
import base64
import os
import pwd
import socket
import socketserver
import threading

import dns.rdata
import dns.rdataclass
import dns.rdatatype
from cryptography.hazmat.primitives import serialization

from tests.bench import accounting
from tests.lab import pki, postfix, process
from tests.lab.names import DNSKEY, key
from tests.lab.relay import merged
from tests.lab.wait import until


class FastNames:
    """The zones of the benchmark in the C name server; the face of lab.names as far as a relay of the lab uses it."""

    def __init__(self, lab, tool):
        self.records, self.tool, self.lab = {}, tool, lab
        self.add(".", "DNSKEY", DNSKEY)

    def add(self, name, rtype, *texts):
        for text in texts:
            if rtype == "TXT" and not text.startswith('"'):
                text = " ".join('"%s"' % text[i:i + 255] for i in range(0, len(text), 255))
            self.records.setdefault((key(name), rtype), []).append(text)
        return self

    def set(self, name, rtype, *texts):
        self.records.pop((key(name), rtype), None)
        return self.add(name, rtype, *texts)

    def start(self):
        lines = []
        for (name, rtype), texts in self.records.items():
            number = dns.rdatatype.from_text(rtype)
            for text in texts:
                data = dns.rdata.from_text(dns.rdataclass.IN, number, text).to_wire()
                lines.append(f"{name} {int(number)} {data.hex()}\n")
        table = self.lab.file("names", "".join(lines))
        server = process.Process([self.tool, "127.0.0.1", table], os.path.join(self.lab.root, "names.log"))
        self.lab.at_end(server.kill)
        until(lambda: "ready" in server.output(), server.output)


def sites(names, count, tlsa=None):
    """d0.bench and on, each with an MX host of its own on an address of the laboratory; dead0.bench and on, which no
    packet reaches."""
    for i in range(100):
        names.add(f"dead{i}.bench", "MX", f"10 mx.dead{i}.bench.")
        names.add(f"mx.dead{i}.bench", "A", f"192.0.2.{1 + i}")
    for i in range(count):
        address = f"198.51.100.{20 + i}" if i < 200 else f"203.0.113.{1 + i % 250}"
        names.add(f"d{i}.bench", "MX", f"10 mx{i}.bench.")
        names.add(f"mx{i}.bench", "A", address)
        if tlsa:
            names.add(f"_25._tcp.mx{i}.bench", "TLSA", tlsa)


class Waxwing:
    name = "Waxwing"

    def __init__(self, lab, program, work):
        config = {
            "delivery": {"connections": {"idle": "15s"}, "retry": ["1m"]},
            "dkim": {"domains": [{"domain": "example.org", "keys": [
                {"selector": s, "file": f"{s}.pem"} for s in work.keys]}]},
            "log": {"format": "text", "level": "info"}, "workers": 0}
        self.relay = lab.relay(**merged(config, work.waxwing))
        self.relay.program = program
        self.folder = self.relay.folder

    def start(self, wrap=()):
        self.relay.start(ready=False, wrap=wrap)
        until(lambda: connects("127.0.0.1", 587) or not self.relay.process.alive(), self.relay.told)
        self.user, self.password, self.told = self.relay.user, self.relay.password, self.relay.told
        self.roots = [self.relay.process.pid]
        # The sockets are bound before the workers begin; perf samples the threads that there are when it begins.
        pid, wanted = self.roots[0], self.relay.config["workers"] or os.cpu_count()
        until(lambda: [accounting.name_of(pid, t) for t in accounting.threads(pid)].count("worker") >= wanted, "workers")

    def try_again(self):
        self.relay.ask("queue", "retry", "--all", "--yes")


class Postfix:
    """With SASL and TLS in, OpenDKIM as milter, TLS and connection reuse out."""
    name = "Postfix + OpenDKIM"

    def __init__(self, lab, work):
        self.lab, self.work = lab, work

    def start(self):
        lab = self.lab
        self.milter = opendkim(lab, "s", 8891)
        milters = ["inet:127.0.0.1:8891"] + ["inet:127.0.0.1:8892"] * self.work.milter
        self.others = [self.milter.pid]
        sasl = os.path.join(lab.folder("sasl"), "auth")
        password_server(sasl, "app", "secret")
        certificate = lab.ca.leaf("relay.example.org")
        self.user, self.password = "app", "secret"
        relay = postfix.Postfix(lab, "relay.example.org", "127.0.0.1", 587, {
            "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": sasl,
            "smtpd_tls_auth_only": "yes", "smtpd_tls_security_level": "encrypt", "mynetworks": "",
            "smtpd_tls_chain_files": f"{certificate.key_file}, {certificate.chain_file}",
            "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
            "smtp_tls_security_level": "encrypt", "smtp_tls_connection_reuse": "yes",
            "smtp_connection_cache_on_demand": "yes", "smtp_tls_CAfile": lab.ca.file,
            "smtp_tls_session_cache_database": "btree:$data_directory/smtp_scache",
            "smtpd_milters": ", ".join(milters), "milter_default_action": "tempfail",
            "smtpd_tls_loglevel": "0", "smtp_tls_loglevel": "0", "smtpd_client_connection_count_limit": "0",
            "default_destination_concurrency_limit": "20", "in_flow_delay": "0",
            "maximal_backoff_time": "60s", "minimal_backoff_time": "60s", "queue_run_delay": "60s",
            **self.work.postfix})
        until(lambda: connects("127.0.0.1", 8891), "OpenDKIM")
        with open(os.path.join(relay.queue, "pid/master.pid"), encoding="ascii") as f:
            self.roots = [int(f.read()), *self.others]
        self.told, self.folder, self.config = relay.tail, relay.folder, relay.config

    def try_again(self):
        process.must(["postqueue", "-c", self.config, "-f"])


def opendkim(lab, mode, port):
    folder = lab.folder("opendkim")
    entry = pwd.getpwnam("opendkim")
    pem = pki.new_key("rsa").private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                           serialization.NoEncryption())
    file = lab.file(f"dkim{port}.pem", pem)
    os.chmod(file, 0o600)
    os.chown(file, entry.pw_uid, entry.pw_gid)
    conf = lab.file(f"opendkim{port}.conf", f"Syslog no\nUserID opendkim\nUMask 007\nMode {mode}\n"
                    f"Domain example.org\nSelector r1\nKeyFile {file}\nSocket inet:{port}@127.0.0.1\n"
                    f"Canonicalization relaxed/relaxed\nSignatureAlgorithm rsa-sha256\n"
                    f"OversignHeaders From\nInternalHosts 127.0.0.1\nRequireSafeKeys false\n")
    milter = process.Process(["opendkim", "-f", "-x", conf], os.path.join(folder, "log"))
    lab.at_end(milter.kill)
    until(lambda: connects("127.0.0.1", port), "OpenDKIM")
    return milter


def password_server(path, user, password):
    """What Postfix asks about passwords, in the protocol of Dovecot; once a connection, off the hot path."""
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n")
            for line in self.rfile:
                words = line.decode().rstrip("\n").split("\t")
                if words[0] == "AUTH":
                    proof = next((w[5:] for w in words if w.startswith("resp=")), "")
                    good = base64.b64decode(proof) == f"\0{user}\0{password}".encode()
                    self.wfile.write((f"OK\t{words[1]}\tuser={user}\n" if good
                                      else f"FAIL\t{words[1]}\n").encode())

    server = socketserver.ThreadingUnixStreamServer(path, Handler)
    os.chmod(path, 0o666)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def connects(address, port):
    try:
        socket.create_connection((address, port), 1).close()
        return True
    except OSError:
        return False
