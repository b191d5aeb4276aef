# SPDX-License-Identifier: ISC
"""The laboratory itself: that its actors do what the stories will rely on, without a relay between."""
import smtplib
import socket
import ssl
import urllib.request

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.resolver

from tests.lab import verify
from tests.lab.client import Client, Closed, swaks
from tests.lab.mx import CLOSE
from tests.lab.policyhost import policy
from tests.lab.relay import letter
from tests.lab.unbound import Resolver
from tests.lab.zones import SERVER


def test_a_fake_mx_records_what_swaks_sends(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    done = swaks(mx.addresses[0], 25, "--tls", "--from", "a@example.org", "--to", "b@dest.test",
                 data="Subject: x\n\n..dots\n.\n")
    assert done.returncode == 0, done.stdout
    message = mx.wait()
    assert message.sender == "a@example.org" and message.to() == ["b@dest.test"]
    assert message.tls and message.data.startswith(b"Subject: x\r\n\r\n..dots\r\n")
    assert dns.resolver.resolve("dest.test", "MX")[0].exchange.to_text() == "mx.dest.test."


def test_manners_are_obeyed(lab):
    mx = lab.mx("mx.dest.test", tls=None)
    mx.next("rcpt", "550 5.1.1 no", None, "452 4.5.3 too many").next("dot", CLOSE)
    client = Client(mx.addresses[0], 25)
    client.ehlo()
    assert "STARTTLS" not in client.extensions
    client.expect(250, "MAIL FROM:<a@example.org>")
    assert [client.cmd("RCPT TO:<x@dest.test>").code for _ in range(3)] == [550, 250, 452]
    client.expect(354, "DATA")
    client.send(b"..x\r\n.\r\n")
    try:
        client.reply()
        raise AssertionError("a reply came")
    except Closed:
        pass
    assert mx.seen[0].data == b".x\r\n" and not mx.messages


def test_bdat_is_recorded_byte_for_byte(lab):
    mx = lab.mx("mx.dest.test", families=(4, 6))
    body = bytes(range(256)) * 300
    client = Client(mx.addresses[1], 25)
    client.ehlo()
    client.starttls()
    client.envelope("a@example.org", "b@dest.test")
    assert client.bdat(body, 10000).code == 250
    assert mx.wait().data == body and mx.messages[0].bdat


def test_postfix_takes_mail_over_tls(lab):
    postfix = lab.postfix_mx("mx.dest.test", ["dest.test"])
    with smtplib.SMTP(postfix.address, 25) as client:
        client.starttls()
        client.sendmail("a@example.org", ["b@dest.test"], letter())
    assert b"Hello." in postfix.wait() and b"TLSv1.3" in postfix.mails()[0]


def test_postfix_hands_all_to_its_relayhost(lab):
    mx = lab.mx("next.test", port=587)
    mx.on("ehlo", "250 next.test\n250 STARTTLS\n250 AUTH PLAIN\n250 8BITMIME")
    client = lab.postfix_client("app.test", type("R", (), {
        "address": mx.addresses[0], "port": 587, "user": "u", "password": "p"}))
    client.submit("a@example.org", ["b@far.test"], letter())
    assert mx.wait().to() == ["b@far.test"]
    assert any(line.startswith(b"AUTH PLAIN") for line in mx.commands())


def test_signed_zones_prove_themselves(lab):
    zones = lab.zones()
    for name, more in (("example", {}), ("good.example", {}), ("plain.example", {"signed": False}),
                       ("liar.example", {"bogus": True})):
        zones.zone(name, **more).add("www." + name, "A", "198.51.100.99")
    zones.start()
    query = dns.message.make_query("www.good.example", "A", want_dnssec=True)
    assert len(dns.query.udp(query, SERVER).answer) == 2
    zones["good.example"].add("new.good.example", "A", "198.51.100.98")
    zones.reload()
    query = dns.message.make_query("new.good.example", "A")
    assert dns.query.udp(query, SERVER).answer
    with open(zones.trust_anchor, encoding="ascii") as f:
        assert "DNSKEY 257" in f.read()


def test_libunbound_agrees_about_the_zones(lab):
    zones = lab.zones()
    zones.zone("example")
    for name, more in (("good.example", {}), ("plain.example", {"signed": False}),
                       ("liar.example", {"bogus": True}), ("_tcp.mx.good.example", {"bogus": True})):
        zones.zone(name, **more)
    zones.add("mx.good.example", "A", "198.51.100.99").add("plain.example", "A", "198.51.100.99")
    zones.add("liar.example", "A", "198.51.100.99").add("_25._tcp.mx.good.example", "TLSA", "3 1 1 " + "0" * 64)
    zones.start()
    resolver = Resolver(zones)
    assert resolver.ask("mx.good.example") == ("secure", 0)
    assert resolver.ask("none.good.example") == ("secure", 3)
    assert resolver.ask("mx.good.example", "TXT") == ("secure", 0)
    assert resolver.ask("plain.example") == ("insecure", 0)
    assert resolver.ask("liar.example")[0] == "bogus"
    assert resolver.ask("_25._tcp.mx.good.example", "TLSA")[0] == "bogus"


def test_a_policy_host_serves_and_misbehaves(lab):
    host = lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    trust = ssl.create_default_context(cafile=lab.ca.file)
    url = "https://mta-sts.dest.test/.well-known/mta-sts.txt"
    with urllib.request.urlopen(url, context=trust) as answer:
        assert answer.read().startswith(b"version: STSv1\r\nmode: enforce\r\nmx: mx.dest.test\r\n")
    host.chunked, host.body = True, b"x" * 100000
    with urllib.request.urlopen(url, context=trust) as answer:
        assert len(answer.read()) == 100000
    host.close()
    try:
        socket.create_connection((host.address, 443), 5)
        raise AssertionError("connected")
    except ConnectionRefusedError:
        pass


def test_proxies_strip_and_swap(lab):
    mx = lab.mx("mx.dest.test", port=2525)
    mx_at = (mx.addresses[0], 2525)
    from tests.lab.proxy import Proxy
    Proxy(lab, (lab.address("strip.test"), 25), mx_at)
    swap = Proxy(lab, (lab.address("swap.test"), 25), mx_at, lab.certificate("untrusted", "mx.dest.test"))
    stripped = Client(lab.address("strip.test"), 25)
    stripped.ehlo()
    assert "STARTTLS" not in stripped.extensions and "SIZE" in stripped.extensions
    swapped = Client(lab.address("swap.test"), 25)
    swapped.ehlo()
    swapped.starttls()
    swapped.envelope("a@example.org", "b@dest.test")
    assert swapped.data(b"secret\r\n").code == 250
    assert b"secret" in swap.stolen and mx.wait().data == b"secret\r\n"


def test_the_name_server_says_what_it_is_told(lab):
    lab.names.add("a.test", "A", "198.51.100.9").secure("a.test").add("b.test", "CNAME", "a.test.")
    lab.names.error("c.test", "*", "SERVFAIL")

    def ask(name, rtype="A"):
        query = dns.message.make_query(name, rtype)
        query.flags |= dns.flags.AD
        return dns.query.udp(query, "127.0.0.1", timeout=5)

    assert ask("a.test").flags & dns.flags.AD and not ask("b.test").flags & dns.flags.AD
    assert len(ask("b.test").answer) == 2
    assert ask("c.test").rcode() == dns.rcode.SERVFAIL and ask("d.test").rcode() == dns.rcode.NXDOMAIN
    assert ask("a.test", "MX").rcode() == dns.rcode.NOERROR and not ask("a.test", "MX").answer


def test_verifiers_know_good_from_bad(lab):
    import dkim
    from cryptography.hazmat.primitives import serialization
    from tests.lab import pki, relay
    key = pki.new_key("rsa")
    lab.names.set("s._domainkey.example.org", "TXT", relay.dkim_record(key, "rsa"))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                            serialization.NoEncryption())
    signed = dkim.sign(letter(), b"s", b"example.org", pem) + letter()
    assert verify.dkimpy(lab.names, signed) == [True]
    assert verify.opendkim(signed)[0] == 0, verify.opendkim(signed)
    assert verify.dkimpy(lab.names, signed.replace(b"Hello", b"Jello")) == [False]
    assert verify.opendkim(signed.replace(b"Hello", b"Jello"))[0] != 0
