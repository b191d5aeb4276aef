# SPDX-License-Identifier: ISC
"""DNS over TLS: a server is believed when its certificate is for the name that the configuration gives."""
import os
import subprocess
import sys

from tests.scenario.test_dns_recursive import ROW, TREE, program


def ask(lab, address, certificate, name):
    """(outcome, proof) of secure.test, asked of a server with this certificate that is called `name`."""
    argv = [sys.executable, os.path.join(TREE, "tests/unit/dns/server.py"), address]
    server = subprocess.Popen(argv + [certificate.chain_file, certificate.key_file], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        port = server.stdout.readline().decode().strip()
        done = subprocess.run([program(), "--tls", address, port, name, "secure.test/A"], timeout=60,
                              capture_output=True, text=True, env=dict(os.environ, SSL_CERT_FILE=lab.ca.file))
    finally:
        server.stdin.close()
        server.wait(10)
    assert done.returncode == 0, done.stderr
    row = ROW.match(done.stdout)
    return row[3], row[4]


def test_a_server_is_believed_by_its_name(lab):
    address = lab.address("dns.lab.test")
    assert ask(lab, address, lab.certificate("good", "dns.lab.test"), "dns.lab.test") == ("found", "secure")


def test_another_name_or_a_stranger_is_not(lab):
    address = lab.address("dns.lab.test")
    for kind in ("wrong-name", "untrusted", "expired"):
        assert ask(lab, address, lab.certificate(kind, "dns.lab.test"), "dns.lab.test") == ("failed", "failed")
