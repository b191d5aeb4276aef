# SPDX-License-Identifier: ISC
"""What the sender is told: RFC 3464 reports, field by field (case 45)."""
import re
import signal
import subprocess
import threading

import pytest

from tests.lab import verify
from tests.lab.mx import HANG
from tests.lab.relay import letter
from tests.lab.wait import until


@pytest.fixture
def home(lab):
    """Where the sender's mail arrives."""
    return lab.mx("mx.example.org", domains="example.org")


def failing(lab):
    return lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "550 5.1.1 no such user here")


def test_case_45_a_failure_is_told_in_full(lab, home):
    failing(lab)
    relay = lab.relay().start()
    relay.send("Gone@dest.test", letter(subject="lost"), mail="ENVID=QQ-1 RET=FULL",
               rcpt="ORCPT=rfc822;orig@list.test")
    message = home.wait()
    assert message.sender == "" and message.to() == ["app@example.org"]
    dsn = verify.Dsn(message.data)
    one = dsn.one()
    assert one["final-recipient"].lower() == "rfc822; gone@dest.test" or \
        one["final-recipient"].replace(" ", "") == "rfc822;Gone@dest.test"
    assert one["original-recipient"].replace(" ", "") == "rfc822;orig@list.test"
    assert one["action"] == "failed" and one["status"] == "5.1.1"
    assert "mx.dest.test" in one["remote-mta"] and "550 5.1.1 no such user here" in one["diagnostic-code"]
    assert "relay.example.org" in dsn.whole["reporting-mta"] and dsn.whole["original-envelope-id"] == "QQ-1"
    assert "arrival-date" in dsn.whole
    assert dsn.returned == "message/rfc822" and b"Hello." in dsn.original
    assert dsn.message["Auto-Submitted"].startswith("auto-")
    assert dsn.message["From"] and "app@example.org" in dsn.message["To"]
    assert "no such user here" in dsn.text and re.search(r"gone@dest\.test", dsn.text, re.I)


def test_case_45_a_dsn_is_signed_like_owned_mail(lab, home):
    failing(lab)
    lab.names.set("relay.example.org", "A", lab.address("relay"))
    relay = lab.relay().start()
    relay.send("gone@dest.test")
    assert verify.dkimpy(lab.names, home.wait().data) == [True, True]


def test_case_45_headers_only_when_asked(lab, home):
    failing(lab)
    relay = lab.relay().start()
    relay.send("gone@dest.test", letter(body=b"secret body\r\n"), mail="RET=HDRS")
    dsn = verify.Dsn(home.wait().data)
    assert dsn.returned == "text/rfc822-headers" and b"secret body" not in dsn.original


def test_case_45_each_recipient_has_its_group(lab, home):
    failing(lab)
    lab.mx("mx.b.test", domains="b.test").on("dot", "554 5.6.0 not this")
    relay = lab.relay().start()
    assert relay.submit(["x@dest.test", "y@dest.test", "z@b.test"]).code == 250
    for to in ("x@dest.test", "y@dest.test", "z@b.test"):
        relay.wait("failed", to=to)
    home.wait()
    found = {}

    def groups():
        for message in home.messages:
            for one in verify.Dsn(message.data).recipients:
                found[one["final-recipient"].split(";")[1].strip()] = one["status"]
        return len(found) == 3
    from tests.lab.wait import until
    until(groups, lambda: f"three groups, not {found}")
    assert found == {"x@dest.test": "5.1.1", "y@dest.test": "5.1.1", "z@b.test": "5.6.0"}


def test_case_45_never_a_dsn_for_the_null_sender(lab, home):
    failing(lab)
    relay = lab.relay().start()
    relay.send("gone@dest.test", sender="")
    relay.wait("failed", to="gone@dest.test")
    relay.send("gone2@dest.test")
    relay.wait("failed", to="gone2@dest.test")
    assert b"gone2" in home.wait().data and len(home.messages) == 1


def test_case_45_notify_never_is_honoured(lab, home):
    failing(lab)
    relay = lab.relay().start()
    relay.send("quiet@dest.test", rcpt="NOTIFY=NEVER")
    relay.wait("failed", to="quiet@dest.test")
    relay.send("loud@dest.test", rcpt="NOTIFY=FAILURE")
    assert b"loud@dest.test" in home.wait().data and b"quiet@" not in home.messages[0].data


def test_case_43_a_relayed_dsn_where_the_next_hop_knows_none(lab, home):
    lab.mx("mx.dest.test", domains="dest.test").without("DSN")
    relay = lab.relay().start()
    relay.send("a@dest.test", rcpt="NOTIFY=SUCCESS")
    one = verify.Dsn(home.wait().data).one()
    assert one["action"] == "relayed" and one["status"].startswith("2.")


def test_an_expired_message_is_told(lab, home):
    """Nobody waits for the shortest time there is: the message is taken out, made nearly that old, and put in again."""
    lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "450 4.2.1 mailbox busy")
    relay = lab.relay(delivery={"retry": ["1s"], "expire": "1m"}).start()
    identity = relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    relay.stop()
    words = [relay.program, "-c", relay.file, "queue"]
    whole = subprocess.run([*words, "export", "--envelope", identity, "--offline"], capture_output=True).stdout
    older = re.sub(rb"created: (\d{13})", lambda m: b"created: %d" % (int(m[1]) - 58000), whole)
    assert relay.ask("queue", "remove", identity, "--offline") == "1 recipient removed\n"
    subprocess.run([*words, "import", "-", "--offline"], input=older, check=True, stdout=subprocess.DEVNULL)
    relay.start()
    one = verify.Dsn(home.wait(bound=180).data).one()
    assert one["action"] == "failed" and "mailbox busy" in one["diagnostic-code"]
    assert relay.events("expired", to="a@dest.test") and one["status"][0] in "45"


def test_a_delay_is_told_once(lab, home):
    mx = lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "450 4.2.1 mailbox busy")
    relay = lab.relay(delivery={"retry": ["1s"], "warn_after": "2s", "expire": "1h"}).start()
    relay.send("a@dest.test")
    assert verify.Dsn(home.wait().data).one()["action"] == "delayed"
    relay.wait("deferred", 6, to="a@dest.test")
    mx.on("rcpt", None)
    relay.wait("delivered", to="a@dest.test")
    assert len(home.messages) == 1


def test_case_45_internationalised(lab, home):
    failing(lab)
    relay = lab.relay().start()
    assert relay.submit(["grün@dest.test"], mail="SMTPUTF8").code == 250
    data = home.wait().data
    assert "grün@dest.test".encode() in data or b"gr\\x{FC}n" in data
    assert b"utf-8;" in data.lower()


def test_a_sender_that_takes_no_mail_costs_nothing(lab):
    failing(lab)
    lab.names.add("example.org", "MX", "0 .")
    lab.mx("mx.copy.test", domains="copy.test")
    relay = lab.relay().start()
    relay.send("gone@dest.test")
    relay.wait("failed", to="gone@dest.test")
    from tests.lab.wait import until
    until(lambda: relay.json("queue", "list") in ([], {"messages": []}), "an empty queue")


def hold_answers(lab, name):
    """Questions for a name are answered when they may be; the two events: one was asked, they may be answered."""
    asked, may = threading.Event(), threading.Event()
    usual = lab.names.answer

    def late(wire, tcp):
        if name in wire:
            asked.set()
            may.wait(30)
        return usual(wire, tcp)
    lab.names.answer = late
    return asked, may


def keep_busy(lab, relay):
    """A delivery under way, for which a relay that stops waits for ten seconds."""
    reached = threading.Event()

    def hang(*_):
        reached.set()
        return HANG
    lab.mx("mx.slow.test", domains="slow.test").on("dot", hang)
    relay.send("a@slow.test")
    assert reached.wait(30), relay.told()


def begin_to_stop(relay):
    relay.process.send(signal.SIGTERM)
    relay.wait("stop")


def test_case_646_what_asks_for_its_way_while_the_relay_stops_fails_at_the_next_start(lab, home):
    relay = lab.relay().start()
    keep_busy(lab, relay)
    asked, may = hold_answers(lab, b"gone")
    relay.send("a@gone.test")
    assert asked.wait(30), relay.told()
    begin_to_stop(relay)
    may.set()
    relay.stop()
    assert not relay.events("failed", to="a@gone.test") and not relay.events("dsn") and not home.messages
    relay.start()
    assert b"a@gone.test" in home.wait().data
    assert len(relay.events("failed", to="a@gone.test")) == 1


def test_case_646_nothing_is_returned_by_a_relay_that_stops(lab, home):
    lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "450 4.2.1 mailbox busy")
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    identity = relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    keep_busy(lab, relay)
    begin_to_stop(relay)
    said = subprocess.run([relay.program, "-c", relay.file, "queue", "bounce", identity], capture_output=True, text=True)
    assert said.returncode == 75 and "the relay is stopping; 0 recipients were bounced" in said.stderr, said
    relay.stop()
    assert not relay.events("failed") and not home.messages
    relay.start()
    assert relay.ask("queue", "bounce", identity) == "1 recipient bounced\n"
    assert b"a@dest.test" in home.wait().data
