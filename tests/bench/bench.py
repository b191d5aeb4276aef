#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""One workload, two relays, one machine: 4 KiB messages over reused connections, TLS and AUTH in, an RSA-2048
signature, TLS out; a sync before each 250. The same load generator and the same sink for both.

usage: bench.py --build build/release [--messages N] [--only waxwing|postfix] [--connections N]
"""
import argparse
import base64
import os
import pwd
import socket
import socketserver
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, TREE)

from tests.lab import pki, postfix, process, world  # noqa: E402
from tests.lab.lab import Lab  # noqa: E402
from tests.lab.wait import until  # noqa: E402

SIZE, SINK = 4096, "198.51.100.200"


def compile_tools(folder):
    os.makedirs(folder, exist_ok=True)
    flags = process.must(["pkg-config", "--cflags", "--libs", "gnutls"]).split()
    for tool in ("load", "sink"):
        process.must(["gcc", "-O2", "-std=c17", "-D_GNU_SOURCE", "-I", TREE, f"{HERE}/{tool}.c",
                      f"{HERE}/wire.c", "-o", f"{folder}/{tool}", *flags])


def measure(tools, lab, port, user, password, messages, connections, told):
    """(messages a second end to end, accepted a second): from the first MAIL to the last arrival."""
    certificate = lab.ca.leaf("sink.test")
    sink = subprocess.Popen([f"{tools}/sink", SINK, "25", certificate.chain_file, certificate.key_file,
                             str(messages)], stdout=subprocess.PIPE, text=True)
    lab.at_end(lambda: sink.poll() is None and sink.kill())
    load = subprocess.run([f"{tools}/load", "127.0.0.1", str(port), user, password, str(connections),
                           str(messages), str(SIZE)], capture_output=True, text=True, timeout=900)
    if load.returncode != 0:
        raise SystemExit(f"bench: {load.stderr}\n{told()}")
    began, accepted = map(float, load.stdout.split())
    try:
        out = sink.communicate(timeout=900)[0].split()
    except subprocess.TimeoutExpired:
        raise SystemExit(f"bench: not everything arrived\n{told()}") from None
    # A field name split between two reads of the sink is not seen: rare, so nearly all is all.
    assert len(out) == 2 and int(out[1]) >= messages * 0.98, f"{out[1:]} of {messages} signed, over TLS"
    return messages / (float(out[0]) - began), messages / (accepted - began)


def bench_postfix(tools, messages, connections):
    """Postfix with SASL and TLS in, OpenDKIM as milter, TLS and connection reuse out."""
    with Lab() as lab:
        folder = lab.folder("opendkim")
        key = lab.file("dkim.pem", pki_pem(pki.new_key("rsa")))
        os.chmod(key, 0o600)
        os.chown(key, *owner("opendkim"))
        conf = lab.file("opendkim.conf", f"Syslog no\nUserID opendkim\nUMask 007\nMode s\n"
                        f"Domain example.org\nSelector r1\nKeyFile {key}\nSocket inet:8891@127.0.0.1\n"
                        f"Canonicalization relaxed/relaxed\nSignatureAlgorithm rsa-sha256\n"
                        f"OversignHeaders From\nInternalHosts 127.0.0.1\nRequireSafeKeys false\n")
        milter = process.Process(["opendkim", "-f", "-x", conf], os.path.join(folder, "log"))
        lab.at_end(milter.kill)
        sasl = os.path.join(folder, "auth")
        password_server(sasl, "app", "secret")
        certificate = lab.ca.leaf("relay.example.org")
        relay = postfix.Postfix(lab, "relay.example.org", "127.0.0.1", 587, {
            "relayhost": f"[{SINK}]:25", "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": sasl,
            "smtpd_tls_auth_only": "yes", "smtpd_tls_security_level": "encrypt", "mynetworks": "",
            "smtpd_tls_chain_files": f"{certificate.key_file}, {certificate.chain_file}",
            "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
            "smtp_tls_security_level": "encrypt", "smtp_tls_connection_reuse": "yes",
            "smtp_connection_cache_destinations": SINK, "smtp_tls_CAfile": lab.ca.file,
            "smtpd_milters": "inet:127.0.0.1:8891", "milter_default_action": "tempfail",
            "smtpd_tls_loglevel": "0", "smtp_tls_loglevel": "0", "smtpd_client_connection_count_limit": "0",
            "default_destination_concurrency_limit": "20", "in_flow_delay": "0"})
        until(lambda: connects("127.0.0.1", 8891), "OpenDKIM")
        return measure(tools, lab, 587, "app", "secret", messages, connections,
                       relay.tail)


def bench_waxwing(tools, program, messages, connections):
    with Lab() as lab:
        relay = lab.relay(
            delivery={"smarthost": [f"[{SINK}]:25"], "connections": {"idle": "15s"}},
            dkim={"domains": [{"domain": "example.org", "keys": [{"selector": "r1", "file": "r1.pem"}]}]},
            log={"format": "text", "level": "info"}, workers=0)
        relay.program = program
        relay.start(ready=False)
        until(lambda: connects("127.0.0.1", 587) or not relay.process.alive(), relay.told)
        return measure(tools, lab, 587, relay.user, relay.password, messages, connections, relay.told)


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


def pki_pem(key):
    from cryptography.hazmat.primitives import serialization
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                             serialization.NoEncryption())


def owner(name):
    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid


def connects(address, port):
    try:
        socket.create_connection((address, port), 1).close()
        return True
    except OSError:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(TREE, "build/release"))
    parser.add_argument("--messages", type=int, default=30000, help="for Waxwing; Postfix gets a sixth")
    parser.add_argument("--connections", type=int, default=40)
    parser.add_argument("--only", choices=("waxwing", "postfix"))
    options = parser.parse_args()
    if not world.inside():
        world.enter([sys.executable, *sys.argv])
    tools = os.path.join(TREE, "build/bench")
    compile_tools(tools)
    rates = {}
    if options.only != "waxwing":
        rates["Postfix + OpenDKIM"] = bench_postfix(tools, options.messages // 6, options.connections)
    if options.only != "postfix":
        rates["Waxwing"] = bench_waxwing(tools, os.path.abspath(options.build) + "/waxwing",
                                         options.messages, options.connections)
    print(f"{SIZE // 1024} KiB messages, {options.connections} connections, {os.cpu_count()} cores: "
          f"TLS and AUTH in, RSA-2048 signature, sync before 250, TLS out")
    for name, (through, accepted) in rates.items():
        print(f"  {name:20} {through:8.0f} messages/s delivered   {accepted:8.0f} accepted/s")
    if len(rates) == 2:
        print(f"  ratio {rates['Waxwing'][0] / rates['Postfix + OpenDKIM'][0]:.1f}")


if __name__ == "__main__":
    main()
