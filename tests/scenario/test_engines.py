# SPDX-License-Identifier: ISC
"""The engines on the command line beside independent implementations: they sign and we verify, we sign and
they verify; the same with ARC seals, hop after hop."""
import json
import os

import pytest
from cryptography.hazmat.primitives import serialization

from tests.lab import relay as lab_relay
from tests.lab.others import Dkimpy, MailDkim, Opendkim
from tests.lab.process import run
from tests.lab.relay import PROGRAM, letter


class Waxwing:
    def __init__(self, lab):
        self.lab = lab

    def call(self, *argv, message):
        return run([PROGRAM, "message", *argv, "-"], input=message, text=False, cwd=self.lab.root)

    def report(self, message, *more):
        done = self.call("verify", "--json", "--resolver", "127.0.0.1:53", *more, message=message)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def sign(self, message, domain, selector, key):
        done = self.call("sign", "--domain", domain, "--selector", selector, "--key", key, "--full",
                         message=message)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def verify(self, message):
        return [s["result"] for s in self.report(message)["dkim"]]

    def seal(self, message, domain, selector, key, authserv):
        done = self.call("seal", "--domain", domain, "--selector", selector, "--key", key, "--authserv-id",
                         authserv, "--resolver", "127.0.0.1:53", "--cv-from", "auto", "--full", message=message)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def validate(self, message):
        return self.report(message)["arc"]["cv"]


OTHERS = {"dkimpy": Dkimpy, "Mail::DKIM": MailDkim, "opendkim": Opendkim}
SEALERS = {"dkimpy": Dkimpy, "Mail::DKIM": MailDkim}


@pytest.fixture
def key(lab):
    """A published RSA key of example.org; its file (PKCS#1, which all of them read)."""
    secret = lab_relay.cached_key("engine", "rsa")
    lab.names.set("s1._domainkey.example.org", "TXT", lab_relay.dkim_record(secret, "rsa"))
    path = lab.file("s1.pem", secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption()))
    os.chmod(path, 0o600)
    return path


MESSAGES = {
    "plain": letter(),
    "odd header": letter(more="CC:   a  b <c@d.test>\r\nX-Fold: a\r\n\tb  c\r\n"),
    "blank lines at the end": letter(body=b"text \t with  blanks \r\n\r\n\r\n"),
    "empty body": letter(body=b""),
    "8-bit": letter(body="Grüße\r\n".encode()),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("kind", MESSAGES)
def test_they_sign_we_verify_and_back(lab, key, other, kind):
    them, us = OTHERS[other](lab), Waxwing(lab)
    theirs = them.sign(MESSAGES[kind], "example.org", "s1", key)
    # case 2: rsa-sha1, which is all that opendkim-testmsg can make, must not pass
    wanted = "permerror" if other == "opendkim" else "pass"
    assert us.verify(theirs) == [wanted], us.report(theirs)
    ours = us.sign(MESSAGES[kind], "example.org", "s1", key)
    assert them.verify(ours) == ["pass"]
    assert us.verify(ours.replace(b"From: app@", b"From: apq@", 1))[0] != "pass"


def test_case_6_a_space_before_the_colon(lab, key):
    them, us = MailDkim(lab), Waxwing(lab)  # the others refuse to read such a field
    message = letter(more="Comments : odd\r\n")
    assert us.verify(them.sign(message, "example.org", "s1", key)) == ["pass"]
    assert them.verify(us.sign(message, "example.org", "s1", key)) == ["pass"]


@pytest.mark.parametrize("other", SEALERS)
def test_seals_hop_after_hop(lab, key, other):
    them, us = SEALERS[other](lab), Waxwing(lab)
    message = us.sign(letter(), "example.org", "s1", key)
    for hop in range(1, 6):
        hand = us if hop % 2 else them
        authserv = f"hop{hop}.example.org"
        state = "pass" if hop > 1 else "none"
        message = f"Authentication-Results: {authserv}; dkim=pass header.d=example.org; arc={state}\r\n".encode() + message
        message = hand.seal(message, "example.org", "s1", key, authserv)
        assert us.validate(message) == "pass", (hop, us.report(message))
        assert them.validate(message) == "pass", hop
    assert us.report(message)["arc"]["instances"] == 5
    broken = message.replace(b"Hello.", b"Jello.")
    assert us.validate(broken) == "fail" and them.validate(broken) == "fail"


def test_case_10_a_failing_chain_is_sealed_once_and_then_left_alone(lab, key):
    us = Waxwing(lab)
    message = us.seal(letter(), "example.org", "s1", key, "one.example.org").replace(b"Hello.", b"Jello.")
    failed = us.seal(message, "example.org", "s1", key, "two.example.org")
    assert b"cv=fail" in failed and us.validate(failed) == "fail"
    done = us.call("seal", "--domain", "example.org", "--selector", "s1", "--key", key, "--authserv-id",
                   "three.example.org", "--resolver", "127.0.0.1:53", message=failed)
    assert done.returncode == 1 and done.stdout == b""


def test_case_5_dns_trouble_is_temporary(lab, key):
    us = Waxwing(lab)
    signed = us.sign(letter(), "example.org", "s1", key)
    lab.names.error("s1._domainkey.example.org", "TXT", "SERVFAIL")
    assert us.verify(signed) == ["temperror"]
    lab.names.error("s1._domainkey.example.org", "TXT", "NXDOMAIN")
    assert us.verify(signed) == ["permerror"]


def test_spf_and_dmarc_of_one_message(lab, key):
    us = Waxwing(lab)
    lab.names.add("example.org", "TXT", "v=spf1 ip4:192.0.2.0/24 -all")
    lab.names.add("_dmarc.example.org", "TXT", "v=DMARC1; p=reject")
    signed = us.sign(letter(), "example.org", "s1", key)
    client = ("--helo", "h.example.org", "--mail-from", "app@example.org")
    good = us.report(signed, "--ip", "192.0.2.5", *client)
    assert good["spf"]["result"] == "pass" and good["dmarc"]["result"] == "pass"
    forged = us.report(letter(), "--ip", "203.0.113.5", *client)
    assert forged["spf"]["result"] == "fail" and forged["dmarc"]["result"] == "fail"
    assert forged["dmarc"]["policy"] == "reject"


def test_a_large_message_streams(lab, key):
    us = Waxwing(lab)
    message = us.sign(letter(body=(b"x" * 70 + b"\r\n") * 700000), "example.org", "s1", key)
    assert us.verify(message) == ["pass"]
