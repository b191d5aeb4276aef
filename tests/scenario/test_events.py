# SPDX-License-Identifier: ISC
"""Events: what became of each message, told to the application that sent it, whatever happens in between."""
import http.client
import json
import os

import pytest

from tests.lab.eventsocket import Receiver, reader
from tests.lab.relay import letter, write_private
from tests.lab.wait import until
from tests.lab.webhook import Webhook

LATER = "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail\n421 4.7.28 from your address"


@pytest.fixture
def hook(lab):
    return Webhook(lab)


def told(lab, hook, sink=None, **config):
    """A relay that tells the hook."""
    row = {"name": "app", "url": hook.url(), "secret_file": "secret"} if hook else {}
    relay = lab.relay(events=[{**row, **(sink or {})}], **config)
    write_private(relay.path("secret"), (hook.secret if hook else "x").encode() + b"\n")
    return relay


def test_what_became_of_a_message_is_posted_and_signed(lab, hook):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    mx.on("rcpt", lambda session, to: "550 5.1.1 no such user here" if "gone" in to else None)
    relay = told(lab, hook).start()
    ident = relay.send(["ok@dest.test", "gone@dest.test"],
                       letter(subject="order 7", more="X-Waxwing-Tag: order-7\r\n"))
    good, bad = hook.await_event("delivered"), hook.await_event("failed")
    hook.check()
    assert good["id"] == bad["id"] == ident and good["tag"] == bad["tag"] == "order-7"
    assert good["message_id"] == "order.7@example.org" and good["from"] == "app@example.org"
    assert good["to"] == "ok@dest.test" and good["status"].startswith("2.") and good["host"] == "mx.dest.test"
    assert good["tls"] == "TLSv1.3" and good["user"] == "app" and good["attempts"] == 1 and good["delay"] >= 0
    assert bad["to"] == "gone@dest.test" and bad["status"] == "5.1.1" and bad["class"] == "address-unknown"
    assert bad["rule"] == "user-unknown"
    assert b"X-Waxwing-Tag" not in mx.wait().data
    line = relay.wait("failed", to="gone@dest.test")
    assert line["class"] == "address-unknown" and line["rule"] == bad["rule"]


@pytest.mark.threads
def test_case_296_nothing_is_lost_by_a_receiver_that_fails_and_a_relay_that_is_killed(lab, hook):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = told(lab, hook).start()
    hook.status = 503
    first = [relay.send(f"a{n}@dest.test") for n in range(3)]
    relay.wait("delivered", 3)
    until(lambda: hook.posts, "a post that is refused")
    relay.kill()
    hook.close()  # the receiver is away while the relay comes back
    relay.start()
    second = [relay.send(f"b{n}@dest.test") for n in range(3)]
    relay.wait("delivered", 6)
    hook.status = 200
    hook.open()
    # Where the kill came before a result was on disk, the message went out, and is told, twice.
    until(lambda: {e["id"] for e in hook.events("delivered")} == set(first + second),
          lambda: f"six messages, {hook.taken} {hook.errors}")
    numbers = [e["seq"] for e in hook.events()]
    assert numbers == sorted(numbers) and len(mx.messages) >= len(numbers) >= 6
    hook.check()
    before = len(hook.taken)
    relay.restart()  # what was taken is not told again
    last = relay.send("c@dest.test")
    hook.await_event("delivered", id=last)
    assert [e["id"] for e in hook.taken[before:]] == [last]


def test_case_297_a_receiver_that_is_somebody_else_hears_nothing(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    other = Webhook(lab, "other.test")
    hook = Webhook(lab, tls="expired")
    relay = told(lab, hook).start()
    relay.send("a@dest.test")
    relay.wait("delivered")
    until(lambda: relay.json("events", "sinks")["sinks"][0]["failures"] >= 2, "failures of the sink")
    assert not hook.posts and "expired" in relay.json("events", "sinks")["sinks"][0]["trouble"]
    hook.close()
    hook = Webhook(lab, address=hook.address)  # the right one, which sends elsewhere, and then answers nonsense
    hook.status, hook.location = 302, other.url()
    until(lambda: hook.posts, "a post")
    assert not other.posts
    hook.status, hook.location, hook.words = 500, None, "x" * 100000
    until(lambda: len(hook.posts) > 1, "another try")
    hook.status, hook.words = 200, ""
    hook.await_event("delivered")
    assert not other.posts


def test_a_deferral_is_told_once_and_again_when_its_reason_changes(lab, hook):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    answers = ["450 4.2.0 Greylisted, come back"] * 3 + ["452 4.2.2 mailbox full"] * 2
    mx.on("rcpt", lambda session, to: answers.pop(0) if answers else None)
    relay = told(lab, hook).start()
    ident = relay.send("a@dest.test")
    hook.await_event("delivered", id=ident)
    told_as = [(e["class"], e["rule"]) for e in hook.events("deferred")]
    assert told_as == [("greylist", "greylisted"), ("mailbox-full", "mailbox-full")], told_as
    assert len(relay.events("deferred")) == 5


def test_a_file_gets_lines_and_may_be_renamed(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = told(lab, None, {"file": "events.jsonl", "types": ["delivered"]}).start()
    path = relay.path("events.jsonl")

    def lines(name=path):
        if not os.path.exists(name):
            return []
        with open(name, encoding="utf-8") as f:
            return [json.loads(line) for line in f]
    first = relay.send("a@dest.test")
    until(lambda: len(lines()) == 1, "a line")
    os.rename(path, path + ".1")
    second = relay.send("b@dest.test")
    until(lambda: len(lines()) == 1, "a line in the new file")
    assert lines(path + ".1")[0]["id"] == first and lines()[0]["id"] == second
    with open(path, "a", encoding="utf-8") as f:
        f.write('{"half')  # as a crash leaves it
    third = relay.send("c@dest.test")
    until(lambda: third in open(path, encoding="utf-8").read(), "the third")
    with open(path, encoding="utf-8") as f:
        assert json.loads(f.read().splitlines()[-1])["id"] == third


def test_case_298_a_socket_gets_again_what_its_reader_did_not_read(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = told(lab, None, {"socket": "sink.sock"}).start()
    seen, deaf = [], []
    first = reader(relay.path("sink.sock"), deaf.append)  # connects, and never reads
    ident = relay.send("a@dest.test")
    until(lambda: deaf, "a connection")
    relay.wait("delivered", id=ident)
    first.close()
    second = reader(relay.path("sink.sock"), lambda c: [seen.append(json.loads(x)) for x in c.makefile()])
    deaf[0].close()
    until(lambda: [e for e in seen if e["event"] == "delivered"], lambda: f"{seen}")
    assert seen[0]["id"] == ident
    second.close()


@pytest.mark.threads
def test_case_679_what_a_reader_has_not_acknowledged_it_gets_again(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = told(lab, None, {"name": "shop", "socket": "sink.sock", "acknowledge": True, "batch": 3}).start()
    sent = [relay.send(f"u{n}@dest.test") for n in range(5)]  # nobody listens
    receiver = Receiver(relay.path("sink.sock"), "forget", "forge", "one", "hold", "keep")
    until(receiver.held.is_set, lambda: f"{receiver.ways} {relay.told()}")
    assert [e["seq"] for e in receiver.kept] == [1]
    relay.kill()
    relay.start()
    sent.append(relay.send("last@dest.test"))
    until(lambda: {e["id"] for e in receiver.kept} == set(sent), lambda: f"{receiver.kept} {relay.told()}")
    seqs = [e["seq"] for e in receiver.kept]
    assert seqs == sorted(set(seqs))
    until(lambda: relay.json("events", "sinks")["sinks"][0]["waiting"] == 0, "nothing waits")
    receiver.listener.close()
    relay.write(events=[{"file": "x", "acknowledge": True}])
    assert "a socket's reader alone can" in relay.ctl("check").stdout


def test_the_backlog_is_there_for_people_and_programs(lab, hook):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    mx.on("rcpt", lambda session, to: "550 5.1.1 no such user" if "gone" in to else None)
    relay = told(lab, hook, http="127.0.0.1:9587").start()
    hook.status = 500
    for name in ("a", "gone", "b"):
        relay.send(name + "@dest.test")
    relay.wait("delivered", 2)
    relay.wait("failed")
    until(lambda: relay.json("events", "sinks")["newest"] >= 3, "three events")
    rows = [json.loads(line) for line in relay.ask("events", "list", "--json").splitlines()]
    assert [e["seq"] for e in rows] == list(range(1, len(rows) + 1)) and len(rows) == 3
    only = [json.loads(line) for line in relay.ask("events", "list", "--type", "failed", "--json").splitlines()]
    assert [e["to"] for e in only] == ["gone@dest.test"]
    assert json.loads(relay.ask("events", "show", "2")) == rows[1]
    assert len(relay.ask("events", "list", "--since", "1h").splitlines()) == 3
    assert relay.ask("events", "list", "--since", "2").startswith("3 ")
    assert relay.ctl("events", "show", "99").returncode == 1
    connection = http.client.HTTPConnection("127.0.0.1", 9587, timeout=30)
    connection.request("GET", "/events?since=1&limit=1")
    page = json.loads(connection.getresponse().read())
    assert [e["seq"] for e in page["events"]] == [2] and page["after"] == 2 and page["newest"] == 3


def test_case_300_a_disk_that_takes_no_events_stops_no_mail(lab, hook):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = told(lab, hook, event_log={"directory": "kept/events"})
    with open(relay.path("kept"), "w", encoding="ascii"):
        pass  # in the way of the directory
    relay.start()
    ident = relay.send("a@dest.test")
    relay.wait("delivered", id=ident)
    assert "events" in relay.wait("alarm", what="events")["text"] and not hook.posts and mx.messages
    os.unlink(relay.path("kept"))
    os.mkdir(relay.path("kept"), 0o700)
    hook.await_event("delivered", id=ident)  # it waited in memory


def test_case_301_events_that_grew_too_old_are_dropped_with_an_alarm(lab, hook):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = told(lab, hook, event_log={"directory": "events", "keep": "1h"}).start()
    hook.status = 500
    first = relay.send("a@dest.test")
    relay.wait("delivered", id=first)
    until(lambda: hook.posts, "a try")
    relay.stop()
    for name in os.listdir(relay.path("events")):
        os.utime(relay.path("events/" + name), (1, 1))
    relay.start()
    second = relay.send("b@dest.test")
    until(lambda: [a for a in relay.events("alarm", what="events") if "dropped before app" in a["text"]],
          lambda: "an alarm; " + relay.told())
    hook.status = 200
    hook.await_event("delivered", id=second)
    assert not hook.events("delivered", id=first)
