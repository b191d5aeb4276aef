# SPDX-License-Identifier: ISC
"""The suppression list: who gets no mail from here, why, and who says so."""
import json

from tests.lab.relay import write_private
from tests.lab.wait import until
from tests.lab.webhook import Webhook

APP = {"user": "app", "from": ["example.org", "*.example.org"]}


def refusal(relay, to, sender="app@example.org"):
    """The reply to RCPT."""
    with relay.client() as client:
        assert client.cmd(f"MAIL FROM:<{sender}>").code == 250
        return client.cmd(f"RCPT TO:<{to}>")


def rows(relay):
    return [json.loads(line) for line in relay.ask("suppress", "list", "--json").splitlines()]


def test_what_bounced_for_good_is_refused_for_that_sender_domain_alone(lab):
    home = lab.mx("mx.example.org", domains="example.org")
    mx = lab.mx("mx.dest.test", domains="dest.test")
    replies = {"gone": "550 5.1.1 no such user", "spam": "550 5.7.1 looks like spam",
               "busy": "450 4.1.1 unknown user, try later"}
    mx.on("rcpt", lambda session, to: next((r for k, r in replies.items() if k in to), None))
    relay = lab.relay(suppress={"bounces": "30d"}).start()
    for name in ("gone", "spam"):
        relay.send(f"{name}@dest.test")
        relay.wait("failed", to=f"{name}@dest.test")
    relay.send("busy@dest.test")
    relay.wait("deferred", to="busy@dest.test")
    home.wait()
    reply = refusal(relay, "GONE@dest.test")
    assert reply.code == 550 and "5.1.1" in str(reply) and "suppressed" in str(reply), reply
    assert "no such user" in str(reply)
    assert refusal(relay, "spam@dest.test").code == 250 and refusal(relay, "busy@dest.test").code == 250
    assert refusal(relay, "gone@dest.test", "x@sub.example.org").code == 250
    assert relay.wait("refuse", to="GONE@dest.test")["status"] == "5.1.1"
    found = rows(relay)
    assert [(r["address"], r["sender"], r["origin"]) for r in found] == [("gone@dest.test", "example.org", "bounce")]
    assert found[0]["until"] - found[0]["since"] == 30 * 86400
    relay.restart()
    assert refusal(relay, "gone@dest.test").code == 550
    assert relay.ctl("suppress", "remove", "gone@dest.test", "--sender", "example.org").returncode == 0
    assert refusal(relay, "gone@dest.test").code == 250


def test_bounces_are_not_remembered_unless_asked_for(lab):
    lab.mx("mx.example.org", domains="example.org")
    lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "550 5.1.1 no such user")
    relay = lab.relay().start()
    relay.send("gone@dest.test")
    relay.wait("failed")
    assert rows(relay) == [] and refusal(relay, "gone@dest.test").code == 250


def test_by_hand_by_import_and_by_file(lab):
    relay = lab.relay(suppress={"files": ["list"]})
    write_private(relay.path("list"), b"# ours\nfiled@dest.test\n\nwhole.test # a domain\nno address at all\n")
    relay.start()
    assert refusal(relay, "filed@dest.test").code == 550 and refusal(relay, "any@whole.test").code == 550
    assert "list:5" in relay.wait("alarm", what="suppress")["text"]
    relay.ask("suppress", "add", "hand@dest.test", "Hand.test", "--reason", "asked us not to", "--for", "1h")
    assert "asked us not to" in str(refusal(relay, "hand@dest.test")) and refusal(relay, "x@hand.test").code == 550
    lines = "".join(f"u{n}@dest.test\n" for n in range(2500))
    done = relay.ctl("suppress", "import", "-", "--sender", "example.org", data=lines)
    assert done.returncode == 0 and "2500" in done.stdout, done
    assert refusal(relay, "u2499@dest.test").code == 550
    assert refusal(relay, "u2499@dest.test", "x@sub.example.org").code == 250
    assert len(rows(relay)) == 2502
    assert relay.ctl("suppress", "add", "no address").returncode == 64
    assert relay.ctl("suppress", "remove", "nobody@dest.test").returncode == 1
    write_private(relay.path("list"), b"other@dest.test\n")  # read again by itself
    until(lambda: refusal(relay, "other@dest.test").code == 550, "the file that changed")
    assert refusal(relay, "filed@dest.test").code == 250
    assert relay.events("operator", verb="suppress-add")[0]["addresses"] == 2


def test_case_299_what_is_dropped_is_taken_and_told(lab):
    hook = Webhook(lab)
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[dict(APP, suppressed="drop")],
                      events=[{"name": "app", "url": hook.url(), "secret_file": "secret"}])
    write_private(relay.path("secret"), b"s3cret\n")
    relay.start()
    relay.ask("suppress", "add", "gone@dest.test", "--reason", "left")
    both = relay.send(["gone@dest.test", "ok@dest.test"])
    assert mx.wait().to() == ["ok@dest.test"]
    event = hook.await_event("suppressed", id=both)
    assert event["to"] == "gone@dest.test" and event["reason"] == "left" and event["user"] == "app"
    assert relay.submit("gone@dest.test").code == 250  # and with BDAT, with nobody else to send to
    assert relay.submit("gone@dest.test", bdat=True).code == 250
    until(lambda: len(hook.events("suppressed")) == 3, lambda: f"three, {hook.events()}")
    assert len(mx.messages) == 1 and relay.wait("suppressed", id=both)["reason"] == "left"
    hook.check()


def test_who_sends_all_the_same(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[dict(APP, suppressed="send")]).start()
    relay.ask("suppress", "add", "dest.test")
    relay.send("a@dest.test")
    assert mx.wait().to() == ["a@dest.test"]
