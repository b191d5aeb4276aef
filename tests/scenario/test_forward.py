# SPDX-License-Identifier: ISC
"""Mail that is forwarded: Postfix takes it from outside and hands it on with XFORWARD; the relay seals what is
foreign, signs what is shown to be ours, and refuses to launder a forgery (cases 10-13)."""
import smtplib

import dkim
import pytest
from cryptography.hazmat.primitives import serialization

from tests.lab import pki, relay as lab_relay
from tests.lab.others import Dkimpy, MailDkim
from tests.lab.relay import letter

FORWARDER = {"user": "postfix", "from": ["example.org"], "forward": True, "xforward": True}


def foreign(lab, **more):
    """A letter of another domain, with SPF for 198.51.100.50 and a DKIM signature of its own."""
    key = lab_relay.cached("foreign key", lambda: pki.new_key("rsa"))
    lab.names.set("f._domainkey.else.test", "TXT", lab_relay.dkim_record(key, "rsa"))
    lab.names.set("else.test", "TXT", "v=spf1 ip4:198.51.100.50 -all")
    lab.names.set("_dmarc.else.test", "TXT", "v=DMARC1; p=reject")
    text = letter(sender="friend@else.test", **more)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                            serialization.NoEncryption())
    return dkim.sign(text, b"f", b"else.test", pem) + text


@pytest.fixture
def road(lab):
    """outside -> Postfix (mx.example.org) -> relay -> mx.dest.test"""
    final = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[FORWARDER], arc={"domain": "example.org", "selector": "r1", "file": "r1.pem"})
    relay.start()
    address = lab.address("mx.example.org")
    postfix = lab.postfix_client("mx.example.org", relay, address=address, port=25, smtp_send_xforward_command="yes",
                                 smtp_sasl_password_maps=f"static:postfix:{relay.password}",
                                 mynetworks="198.51.100.0/24", smtpd_client_restrictions="")
    return final, relay, postfix


def inject(postfix, message, sender, client="198.51.100.50"):
    with smtplib.SMTP(postfix.address, 25, source_address=(client, 0)) as smtp:
        smtp.sendmail(sender, ["someone@dest.test"], message)


def test_foreign_mail_is_sealed_with_the_original_client_s_spf(lab, road):
    final, relay, postfix = road
    inject(postfix, foreign(lab), "friend@else.test")
    message = final.wait()
    assert Dkimpy(lab).validate(message.data) == "pass" and MailDkim(lab).validate(message.data) == "pass"
    results = message.header().decode()
    assert "ARC-Authentication-Results: i=1; relay.example.org" in results
    assert "spf=pass" in results and "dkim=pass" in results and "dmarc=pass" in results
    assert b"d=example.org" not in message.data.split(b"ARC-Seal")[0]
    assert relay.wait("sealed")


def test_a_forged_own_domain_is_refused_and_never_signed(lab, road):
    final, relay, postfix = road
    lab.names.set("_dmarc.example.org", "TXT", "v=DMARC1; p=none")
    lab.names.add("example.org", "TXT", "v=spf1 -all")
    inject(postfix, letter(sender="ceo@example.org"), "x@else.test", client="198.51.100.66")
    refusal = relay.wait("refuse")
    assert "5.7.1" in str(refusal)
    assert not final.seen and not relay.events("signed")


def test_own_mail_of_an_own_network_is_signed(lab):
    final = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[dict(FORWARDER, own_networks=["198.51.100.50/32"])]).start()
    relay.user = "postfix"
    with relay.client() as client:
        client.expect(250, "XFORWARD NAME=h ADDR=198.51.100.50 PROTO=ESMTP HELO=h SOURCE=REMOTE")
        client.envelope("app@example.org", "a@dest.test")
        assert client.data(letter()).code == 250
    assert Dkimpy(lab).verify(final.wait().data) == ["pass", "pass"]


def test_case_12_results_that_claim_to_be_ours_are_removed(lab, road):
    final, _, postfix = road
    claim = b"Authentication-Results: relay.example.org; dkim=pass header.d=bank.test\r\n"
    other = b"Authentication-Results: relay.example.org.evil.test; dkim=pass header.d=bank.test\r\n"
    inject(postfix, claim + other + foreign(lab), "friend@else.test")
    header = final.wait().header().decode()
    assert "header.d=bank.test" in header and header.count("bank.test") == 1
    assert "evil.test" not in header.split("ARC-Authentication-Results")[1].split("\r\nAuthentication")[0]


def test_case_13_the_order_on_top(lab, road):
    final, _, postfix = road
    inject(postfix, foreign(lab), "friend@else.test")
    names = [line.split(":")[0] for line in final.wait().header().decode().split("\r\n")
             if line and line[0] not in " \t"]
    at = names.index("ARC-Seal")
    assert names[at:at + 3] == ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"]


def test_a_dead_name_server_is_temporary_and_stops_nobody(lab, road):
    final, relay, postfix = road
    text = foreign(lab)
    lab.names.error("f._domainkey.else.test", "TXT", "TIMEOUT")
    lab.names.error("else.test", "TXT", "TIMEOUT")
    inject(postfix, text, "friend@else.test")
    header = final.wait(bound=120).header().decode()
    assert "dkim=temperror" in header and "spf=temperror" in header
    assert relay.events("sealed")
