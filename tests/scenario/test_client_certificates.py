# SPDX-License-Identifier: ISC
"""AUTH EXTERNAL: who has a certificate that a row names needs no password."""
import base64
import hashlib
import ssl

import pytest
from cryptography.hazmat.primitives import serialization

from tests.lab.client import Client
from tests.lab.pki import Authority, self_signed
from tests.lab.relay import letter
from tests.lab.wait import until

DER = serialization.Encoding.DER


def fingerprint(certificate, of_key=False):
    public = certificate.certificate.public_key()
    data = public.public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo) if of_key else certificate.certificate.public_bytes(DER)
    return "sha256:" + hashlib.sha256(data).hexdigest()


def context(certificate=None, version=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if certificate:
        made.load_cert_chain(certificate.chain_file, certificate.key_file)
    if version:
        made.maximum_version = version
    return made


def connect(relay, certificate=None, port=None, version=None):
    client = Client(relay.address, port or relay.port, context=context(certificate, version))
    client.ehlo()
    client.starttls()
    return client


def b64(text):
    return base64.b64encode(text.encode()).decode()


def asking(lab, rows, **more):
    """587 asks for certificates and believes the lab's authority, 2587 does not ask."""
    return lab.relay(listen=[{"address": "127.0.0.1:587", "client_certificates": True, "client_ca": lab.ca.file},
                             {"address": "127.0.0.1:2587"}],
                     senders=[{"user": "app", "from": ["example.org"]}] + [
                         {"user": user, "from": ["example.org"], "certificate": words} for user, words in rows.items()],
                     auth={"failures": 1000}, **more).start()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_a_fingerprint_or_a_name_logs_in(lab, version):
    lab.mx("mx.dest.test", domains="dest.test")
    lone = self_signed(lab.ca.folder, "lone.test")
    printer, host = lab.ca.leaf("email:Printer@example.org", stem="printer"), lab.ca.leaf("host.example.org", "uri:urn:host:1", stem="host")
    relay = asking(lab, {"lone": [fingerprint(lone)], "printer": ["email:printer@example.org"],
                         "host": ["dns:host.example.org"], "other": [fingerprint(host, of_key=True)]})
    for certificate, user in ((lone, "lone"), (printer, "printer"), (host, "host")):
        with connect(relay, certificate, version=version) as client:
            assert "EXTERNAL" in client.extensions["AUTH"]
            client.expect(235, "AUTH EXTERNAL =")
            client.envelope("x@example.org", "someone@dest.test")
            assert client.data(letter()).code == 250
            assert relay.wait("auth", user=user, mechanism="EXTERNAL", result="ok")
    with connect(relay, host) as client:  # two rows name it: the client chooses
        client.expect(334, "AUTH EXTERNAL")
        client.expect(235, b64("other"))
    with connect(relay, host) as client:
        client.expect(535, "AUTH EXTERNAL " + b64("lone"))
        client.expect(501, "AUTH EXTERNAL " + b64("a\0b"))
        client.expect(235, "AUTH EXTERNAL " + b64("host"))


def test_case_247_who_has_none_or_another_logs_in_as_ever(lab):
    printer = lab.ca.leaf("email:printer@example.org", stem="printer")
    forged = Authority(lab.ca.folder, "Another CA").leaf("email:printer@example.org", stem="forged")
    old = lab.ca.leaf("email:printer@example.org", stem="old", days=(-9, -1))
    relay = asking(lab, {"printer": ["email:printer@example.org"]})
    for certificate in (None, forged, old):
        with connect(relay, certificate) as client:
            assert "EXTERNAL" not in client.extensions["AUTH"], certificate
            client.expect(504, "AUTH EXTERNAL =")
            assert client.plain("app", relay.password).code == 235
    with connect(relay, printer, port=2587) as client:  # nobody asks there
        assert "EXTERNAL" not in client.extensions["AUTH"]
        client.expect(504, "AUTH EXTERNAL =")


def test_case_248_a_certificate_that_no_row_names_any_more(lab):
    """The row is changed under a session, and the authority's file under the relay."""
    printer = lab.ca.leaf("email:printer@example.org", stem="printer")
    relay = asking(lab, {"printer": ["email:printer@example.org"]})
    with connect(relay, printer) as client:
        client.expect(235, "AUTH EXTERNAL =")
        client.expect(250, "MAIL FROM:<x@example.org>")
        client.expect(250, "RSET")
        relay.write(senders=[{"user": "printer", "from": ["example.org"], "certificate": [fingerprint(lab.ca.certificate)]}])
        relay.ask("reload")
        until(lambda: client.cmd("MAIL FROM:<x@example.org>").code == 530 or client.cmd("RSET").code == 0)
    with connect(relay, printer) as client:
        assert "EXTERNAL" not in client.extensions["AUTH"]


def test_rows_that_cannot_be(lab):
    for words in (["sha256:abc"], ["cn:x"], ["dns:"]):
        relay = lab.relay(senders=[{"user": "app", "from": ["example.org"], "certificate": words}])
        assert relay.ctl("check").returncode == 78, words
    relay = lab.relay(senders=[{"user": "app", "from": ["example.org"], "certificate": ["dns:a.test"]}])
    done = relay.ctl("check")
    assert "no listener asks" in done.stdout + done.stderr
