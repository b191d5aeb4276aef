# SPDX-License-Identifier: ISC
"""Who may send, and as what: logins, bans, networks, From rules, limits (cases 38-40)."""
import base64

import pytest

from tests.lab.client import Client
from tests.lab.relay import letter
from tests.lab.wait import until


def b64(text):
    return base64.b64encode(text.encode("latin-1")).decode()


@pytest.fixture
def relay(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    return lab.relay().start()


def test_what_is_offered_before_and_after_tls(relay):
    with Client(relay.address, relay.port) as client:
        client.ehlo()
        assert "STARTTLS" in client.extensions and "AUTH" not in client.extensions
        client.starttls()
        assert "STARTTLS" not in client.extensions
        assert set(client.extensions["AUTH"]) >= {"PLAIN", "LOGIN"}
        for word in ("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING",
                     "ENHANCEDSTATUSCODES", "LIMITS"):
            assert word in client.extensions, word
        assert int(client.extensions["SIZE"][0]) == 50 * 1024 * 1024


def test_case_38_no_auth_before_tls(relay):
    with Client(relay.address, relay.port) as client:
        client.ehlo()
        assert client.plain(relay.user, relay.password).code in (503, 504, 530, 538)
        client.expect(5, "MAIL FROM:<app@example.org>")


def test_plain_and_login(relay):
    for way in ("plain", "login"):
        with relay.client(login=False) as client:
            client.ehlo()
            client.starttls()
            assert getattr(client, way)(relay.user, relay.password).code == 235
            client.expect(250, "MAIL FROM:<app@example.org>")
            client.expect(503, "AUTH PLAIN " + b64("\0a\0b"))


def test_case_39_ways_to_log_in_wrongly(relay):
    with relay.client(login=False) as client:
        client.ehlo()
        client.starttls()
        client.expect(334, "AUTH PLAIN")
        client.expect(501, "*")
        client.expect(501, "AUTH PLAIN !!!!")
        client.expect(5, "AUTH PLAIN =")
        client.expect(504, "AUTH CRAM-MD5")
        client.expect(5, "AUTH PLAIN " + b64("\0app\0correct-horse\0more"))
        client.expect(334, "AUTH PLAIN")
        assert client.cmd(b64(f"\0{relay.user}\0{relay.password}")).code == 235


def test_case_39_a_long_response_is_read_and_refused(relay):
    with relay.client(login=False) as client:
        client.ehlo()
        client.starttls()
        client.expect(5, "AUTH PLAIN " + b64("\0app\0" + "x" * 9000))
        assert client.plain(relay.user, relay.password).code == 235


def test_failed_logins_ban_the_address(lab):
    relay = lab.relay(auth={"failures": 3, "ban": "10m"}).start()
    for _ in range(3):
        with relay.client(login=False) as client:
            client.ehlo()
            client.starttls()
            client.expect(535, "AUTH PLAIN " + b64("\0app\0wrong"))
    with pytest.raises(Exception):
        relay.client().expect(250, "NOOP")
    with relay.client(login=False, source="127.0.0.9") as client:
        client.ehlo()
        client.starttls()
        assert client.plain("postfix", relay.password).code == 235


def test_a_stranger_may_not_send(relay):
    with relay.client(login=False) as client:
        client.ehlo()
        client.starttls()
        client.expect(530, "MAIL FROM:<app@example.org>")


@pytest.mark.parametrize("sender,header,code", [
    ("app@example.org", "app@example.org", 250),
    ("app@sub.example.org", "App <app@sub.example.org>", 250),
    ("app@example.net", "app@example.org", 550),
    ("app@example.org", "ceo@example.net", 550),
    ("app@example.org", "app@notexample.org", 550),
    ("app@example.org", "app@example.org, ceo@example.net", 550),
    ("app@example.org", "Friends: app@example.org;", 550),
    ("", "app@example.org", 250),
    ("", "ceo@example.net", 550),
])
def test_from_rules(relay, sender, header, code):
    with relay.client() as client:
        reply = client.cmd(f"MAIL FROM:<{sender}>")
        if reply.code == 250:
            client.expect(250, "RCPT TO:<someone@dest.test>")
            reply = client.data(letter(sender=header))
        assert reply.code in ((550, 553) if code == 550 else (code,)), reply


def test_case_9_two_from_fields_are_refused(relay):
    reply = relay.submit("someone@dest.test", letter(more="From: app@example.org\r\n"))
    assert reply.code == 550, reply


def test_a_trusted_network_needs_no_login(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[{"network": ["127.0.0.7"], "tls": "optional", "from": ["example.org"]},
                               {"network": ["127.0.0.8"], "tls": "required", "from": ["example.org"]}]).start()
    with Client(relay.address, relay.port, source="127.0.0.7") as client:
        client.ehlo()
        client.envelope("app@example.org", "someone@dest.test")
        assert client.data(letter()).code == 250
    with Client(relay.address, relay.port, source="127.0.0.8") as client:
        client.ehlo()
        client.expect(5, "MAIL FROM:<app@example.org>")
        client.starttls()
        client.expect(250, "MAIL FROM:<app@example.org>")
    with Client(relay.address, relay.port, source="127.0.0.9") as client:
        client.ehlo()
        client.starttls()
        client.expect(530, "MAIL FROM:<app@example.org>")
    mx.wait()


def test_a_removed_user_stops_sending(lab, relay):
    with relay.client() as client:
        client.expect(250, "MAIL FROM:<app@example.org>")
        client.expect(250, "RSET")
        relay.set_user(relay.user, None)

        def refused():
            reply = client.cmd("MAIL FROM:<app@example.org>")
            client.cmd("RSET")
            return reply.code >= 400
        until(refused, "the end of a removed user")


def test_a_user_is_added_by_the_command(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[{"user": "newcomer", "from": ["example.org"]}])
    done = relay.ctl("user", "add", "newcomer", data="a secret of some length\n")
    assert done.returncode == 0, done.stderr
    assert "newcomer" in relay.ask("user", "list").split()
    with open(relay.path("users"), encoding="ascii") as f:
        assert "newcomer:$y$" in f.read()
    relay.start()
    relay.user, relay.password = "newcomer", "a secret of some length"
    relay.send("someone@dest.test")
    mx.wait()


def test_rates_hold(lab):
    relay = lab.relay(senders=[{"user": "app", "from": ["example.org"],
                                "limits": {"messages": "2/h"}}]).start()
    codes = []
    with relay.client() as client:
        for _ in range(3):
            reply = client.cmd("MAIL FROM:<app@example.org>")
            if reply.code == 250:
                client.expect(250, "RCPT TO:<someone@dest.test>")
                reply = client.data(letter())
            codes.append(reply.code)
            client.cmd("RSET")
    assert codes[:2] == [250, 250] and 400 <= codes[2] < 500, codes


def test_limits_are_refused_politely(lab):
    relay = lab.relay(limits={"message_size": "64KiB", "recipients": 3, "header_size": "8KiB"}).start()
    with relay.client() as client:
        client.expect(552, "MAIL FROM:<app@example.org> SIZE=100000")
        client.expect(250, "MAIL FROM:<app@example.org>")
        for n in range(3):
            client.expect(250, f"RCPT TO:<r{n}@dest.test>")
        client.expect(452, "RCPT TO:<r4@dest.test>")
        assert client.data(letter(body=b"x" * 70 + b"\r\n" + b"y" * 100000)).code == 552
        client.envelope("app@example.org", "r@dest.test")
        assert client.bdat(letter(body=b"y" * 100000), 30000).code == 552
        client.cmd("RSET")
        client.envelope("app@example.org", "r@dest.test")
        assert client.data(letter(more="X-Long: " + "z" * 10000 + "\r\n")).code in (552, 550, 554)
        client.envelope("app@example.org", "r@dest.test")
        assert client.data(letter()).code == 250


def test_connections_for_each_client_are_bounded(lab):
    relay = lab.relay(limits={"per_client": 3}).start()
    held = [Client(relay.address, relay.port, source="127.0.0.5") for _ in range(3)]
    assert all(c.greeting.code == 220 for c in held)
    assert Client(relay.address, relay.port, source="127.0.0.5").greeting.code == 421
    assert Client(relay.address, relay.port, source="127.0.0.6").greeting.code == 220
    held.pop().quit()
    until(lambda: Client(relay.address, relay.port, source="127.0.0.5").greeting.code == 220,
          "room for another connection")


def test_a_full_spool_is_refused_politely(lab):
    relay = lab.relay(limits={"disk_reserve": "100000GiB"}).start()
    with relay.client() as client:
        assert client.cmd("MAIL FROM:<app@example.org>").code == 452


def test_postmaster_goes_to_the_address_of_the_configuration(lab):
    mx = lab.mx("mx.example.org", domains="example.org")
    relay = lab.relay().start()
    for to in ("postmaster", "Postmaster@relay.example.org", "abuse@relay.example.org"):
        relay.send(to)
    assert [m.to() for m in mx.wait(3)] == [["admin@example.org"]] * 3


def test_case_44_a_loop_is_refused(relay):
    hops = "".join(f"Received: from a by b; Thu, 01 Jan 2026 00:00:{n % 60:02} +0000\r\n" for n in range(60))
    reply = relay.submit("someone@dest.test", letter(more=hops))
    assert reply.code == 554 and "5.4.6" in reply.text, reply
