# SPDX-License-Identifier: ISC
"""Senders that are rewritten, and what comes back: devices, forwarders beside postsrsd, keyed return paths, archives
(waxwing-rewrite(7))."""
import json
import os

import pytest

from tests.lab import verify
from tests.lab.postsrsd import Postsrsd
from tests.lab.relay import letter, write_private
from tests.lab.wait import until
from tests.lab.webhook import Webhook

SECRETS = b"the-secret-of-both-sides\nthe-one-before-that\n"
RETURNS = {"user": "postfix", "from": ["own.test"], "forward": True, "returns": True,
           "srs": {"domain": "srs.own.test", "key_file": "srs.key"}}


def keyed(lab, *senders, **more):
    """A relay with these rows, whose key files are there."""
    relay = lab.relay(senders=list(senders), **more)
    for name in ("srs.key", "verp.key"):
        write_private(relay.path(name), SECRETS)
    return relay


def hand_in(relay, user, sender, to, message):
    """One message of the login; the reply to RCPT where it is refused, else to the data."""
    with relay.client(login=False) as client:
        client.ehlo()
        client.starttls()
        assert client.plain(user, relay.password).code == 235
        client.expect(250, f"MAIL FROM:<{sender}>")
        reply = client.cmd(f"RCPT TO:<{to}>")
        return client.data(message) if reply.code == 250 else reply


def bounce(action="failed", status="5.1.1", recipient="gone@dest.test"):
    return ("From: MAILER-DAEMON@mx.dest.test\r\nSubject: undelivered\r\nAuto-Submitted: auto-replied\r\n"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n"
            "--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
            f"Reporting-MTA: dns; mx.dest.test\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\nAction: {action}\r\n"
            f"Status: {status}\r\nDiagnostic-Code: smtp; 550 {status} no such user\r\n\r\n--b\r\n"
            "Content-Type: text/rfc822-headers\r\n\r\nFrom: app@example.org\r\n\r\n--b--\r\n").encode()


def json_lines(relay, *argv):
    return [json.loads(line) for line in relay.ask(*argv, "--json").splitlines()]


def test_case_280_a_printer_sends_as_somebody_who_may(lab):
    final = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[{"network": "127.0.0.0/8", "from": ["example.org"], "default_from": "none@example.org",
                                "rewrite": [{"from": "root@printer", "to": "alerts@example.org"}],
                                "strip_headers": ["X-Internal-*"]}]).start()
    with relay.client(login=False) as client:
        client.ehlo()
        client.envelope("root@printer", "a@dest.test")
        assert client.data(b"From: Floor 3 <root@printer>\r\nTo: a@dest.test\r\nX-Internal-Host: p3\r\n"
                           b"Subject: toner\r\n\r\nlow\r\n").code == 250
        client.envelope("root", "a@dest.test")
        assert client.data(b"Subject: nobody\r\n\r\nlow\r\n").code == 250
    first, second = sorted(final.wait(2), key=lambda m: b"Subject: nobody" in m.data)
    assert first.sender == "alerts@example.org" and b"X-Internal" not in first.data
    assert b"\r\nFrom: Floor 3 <alerts@example.org>\r\nReply-To: Floor 3 <root@printer>\r\n" in first.data
    assert second.sender == "root@example.org" and b"\r\nFrom: none@example.org\r\n" in second.data
    for message in (first, second):
        assert verify.dkimpy(lab.names, message.data) == [True, True]
    assert {e["field"] for e in relay.events("rewrite", to="alerts@example.org")} == {"MAIL", "From"}


def test_case_288_postsrsd_reads_what_the_relay_writes_and_the_other_way_round(lab):
    final = lab.mx("mx.dest.test", domains="dest.test")
    home = lab.mx("mx.else.test", domains=["else.test", "first.test"])
    relay = keyed(lab, RETURNS).start()
    peer = Postsrsd(lab, "srs.own.test", relay.path("srs.key"))
    assert hand_in(relay, "postfix", "Friend@else.test", "a@dest.test", letter("friend@else.test")).code == 250
    ours = final.wait().sender
    assert ours == peer.forward("Friend@else.test") and peer.reverse(ours) == "Friend@else.test"
    assert peer.reverse(ours.lower()) == "friend@else.test"
    # What postsrsd wrote, folded or not; and another forwarder's, which goes back to that one.
    other = peer.forward("SRS0=abcd=" + ours.split("=")[2] + "=orig.test=joe@first.test")
    assert other.startswith("SRS1=")
    for address in (peer.forward("Other@else.test"), ours.upper(), other):
        assert hand_in(relay, "postfix", "", address, bounce()).code == 250
    assert [m.to()[0] for m in home.wait(3)] == ["Other@else.test", "FRIEND@ELSE.TEST", peer.reverse(other)]
    assert all(m.sender == "" for m in home.messages)
    forged = hand_in(relay, "postfix", "", ours.replace("=else", "=bank"), bounce())
    assert forged.code == 550 and "digest" in forged.text


def test_a_report_of_ours_goes_to_the_stranger_and_not_through_his_srs_address(lab):
    lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "550 5.1.1 no such user")
    home = lab.mx("mx.else.test", domains="else.test")
    relay = keyed(lab, RETURNS).start()
    assert hand_in(relay, "postfix", "friend@else.test", "a@dest.test", letter("friend@else.test")).code == 250
    assert home.wait().to() == ["friend@else.test"]


@pytest.fixture
def verp(lab):
    return keyed(lab, {"user": "app", "from": ["example.org"], "archive": "copies@archive.test",
                       "verp": {"domain": "b.example.org", "key_file": "verp.key"}},
                 {"user": "postfix", "from": ["own.test"], "returns": True})


def test_case_286_a_keyed_return_path_survives_a_crash_and_brings_the_report_home(lab, verp):
    lab.mx("mx.archive.test", domains="archive.test")
    final = lab.mx("mx.dest.test", domains="dest.test")
    final.next("rcpt", "451 4.3.0 later")
    relay = verp.start()
    relay.send(["gone@dest.test", "there@dest.test"])
    relay.wait("deferred")
    relay.kill()
    relay.start()
    first, second = sorted(final.wait(2), key=lambda m: m.to())
    assert first.sender.endswith("=dest.test=gone@b.example.org") and first.sender.startswith("verp=")
    assert second.sender.endswith("=dest.test=there@b.example.org")
    assert hand_in(relay, "postfix", "", first.sender.upper(), bounce()).code == 250
    told = relay.wait("returned")
    assert told["id"] == relay.events("accept")[0]["id"] and told["to"].lower() == "gone@dest.test"
    assert told["action"] == "failed" and told["status"] == "5.1.1" and "no such user" in told["reply"]
    swapped = first.sender.replace("gone", "there")
    assert hand_in(relay, "postfix", "", swapped, bounce()).code == 550


@pytest.fixture
def heard(lab):
    """A receiver of events, a relay that tells it what comes back to keyed return paths, and such a path."""
    hook = Webhook(lab)
    final = lab.mx("mx.dest.test", domains="dest.test")
    relay = keyed(lab, {"user": "app", "from": ["example.org"], "verp": {"domain": "b.example.org", "key_file": "verp.key"}},
                  {"user": "postfix", "from": ["own.test"], "returns": True}, suppress={"bounces": "30d"},
                  events=[{"name": "app", "url": hook.url(), "secret_file": "secret"}],
                  event_log={"directory": "kept/events"})
    write_private(relay.path("secret"), hook.secret.encode() + b"\n")
    os.mkdir(relay.path("kept"), 0o700)
    relay.start()
    sent = relay.send("gone@dest.test")
    return hook, relay, final.wait().sender, sent


def test_what_comes_back_is_told_to_the_application_and_stops_mail_to_that_address(heard):
    hook, relay, path, sent = heard
    assert hand_in(relay, "postfix", "", path, bounce("delayed", "4.4.1")).code == 250
    assert not json_lines(relay, "suppress", "list")
    assert hand_in(relay, "postfix", "", path, bounce()).code == 250
    event = hook.await_event("returned", status="5.1.1")
    hook.check()
    assert event["id"] == sent and event["to"] == "gone@dest.test" and event["from"] == "app@example.org"
    assert event["class"] == "address-unknown" and event["user"] == "app" and "no such user" in event["reply"]
    row, = json_lines(relay, "suppress", "list")
    assert (row["address"], row["sender"], row["origin"]) == ("gone@dest.test", "example.org", "bounce")
    with relay.client() as client:
        client.expect(250, "MAIL FROM:<app@example.org>")
        assert client.cmd("RCPT TO:<gone@dest.test>").code == 550
    relay.restart()
    assert len(json_lines(relay, "suppress", "list")) == 1 and len(hook.events("returned")) == 2


@pytest.mark.threads
def test_case_410_a_report_that_got_its_250_is_told_whatever_happens_next(heard):
    hook, relay, path, sent = heard
    hook.await_event("delivered")
    for n in range(1, 6):
        assert hand_in(relay, "postfix", "", path, bounce(status=f"5.1.{n}")).code == 250
        relay.kill()
        relay.start()
        assert hook.await_event("returned", status=f"5.1.{n}")["id"] == sent


def test_case_411_a_report_that_the_disk_does_not_keep_is_not_taken(heard):
    hook, relay, path, sent = heard
    hook.await_event("delivered")
    relay.stop()
    os.rename(relay.path("kept"), relay.path("aside"))
    write_private(relay.path("kept"), b"in the way\n")
    relay.start()
    reply = hand_in(relay, "postfix", "", path, bounce())
    assert reply.code == 451 and relay.wait("refuse")["why"] == "events-not-kept", reply
    os.unlink(relay.path("kept"))
    os.rename(relay.path("aside"), relay.path("kept"))
    until(lambda: hand_in(relay, "postfix", "", path, bounce()).code == 250, relay.told)
    assert hook.await_event("returned")["id"] == sent


def test_case_289_an_archive_that_fails_is_an_alarm_and_no_bounce(lab, verp):
    lab.mx("mx.archive.test", domains="archive.test").on("rcpt", "550 5.1.1 full of copies")
    final, home = lab.mx("mx.dest.test", domains="dest.test"), lab.mx("mx.example.org", domains="example.org")
    relay = verp.start()
    relay.send("a@dest.test")
    assert final.wait().to() == ["a@dest.test"]
    assert "full of copies" in relay.wait("alarm", what="archive")["text"]
    relay.wait("failed", to="copies@archive.test")
    until(lambda: not relay.json("queue", "list"), relay.told)
    assert not home.messages and not relay.events("dsn")
