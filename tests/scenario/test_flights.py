# SPDX-License-Identifier: ISC
"""Messages that share a connection: to Postfix by DATA and by BDAT, to hosts that err, over a kill and a restart."""
import collections
import os
import random
import re
import threading

import pytest

from tests.lab.mx import CLOSE, Slow
from tests.lab.relay import letter
from tests.lab.wait import until
from tests.scenario.test_http import PORT, numbers

COUNT = 120


def one_connection(lab, in_flight, **more):
    return lab.relay(http=f"127.0.0.1:{PORT}", limits={"per_client": 100}, delivery={
        "connections": {"per_site": 1, "in_flight": in_flight, "messages": 1000}, "shaping": {"learn": False},
        "retry": ["1s"], **more}).start()


def many(relay, count, first=0):
    """Numbered letters; every eighth has two recipients."""
    with relay.client() as client:
        for n in range(first, first + count):
            to = [f"m{n}@dest.test"] + ([f"n{n}@dest.test"] if n % 8 == 0 else [])
            client.envelope("app@example.org", to)
            assert client.data(letter(subject=f"m{n}")).code == 250


def recipients(count, first=0):
    return sum(2 if n % 8 == 0 else 1 for n in range(first, first + count))


def overlapped():
    return numbers()["waxwing_overlapped_total"]


def subjects(mx):
    return collections.Counter(re.search(rb"Subject: (m\d+)", m.data)[1].decode() for m in list(mx.messages))


@pytest.mark.parametrize("in_flight,without", [(1, "chunking"), (8, "")])
def test_case_470_postfix_gets_each_message_once(lab, in_flight, without):
    mx = lab.postfix_mx("mx.dest.test", ["dest.test"], smtpd_discard_ehlo_keywords=without)
    relay = one_connection(lab, in_flight)
    many(relay, 1)
    relay.wait("delivered", count=recipients(1))
    relay.ask("pause", "dest.test")  # so that all of them wait, however slowly they come
    many(relay, COUNT - 1, first=1)
    relay.ask("resume", "dest.test")
    relay.wait("delivered", count=recipients(COUNT), bound=120)
    until(lambda: len(mx.mails()) == recipients(COUNT), mx.tail, 60)
    found = collections.Counter(re.search(rb"\nDelivered-To: (\S+)", m)[1] for m in mx.mails())
    assert set(found.values()) == {1}
    assert overlapped() > COUNT / 4
    assert not relay.events("in-doubt")
    assert {e["why"] for e in relay.events("deferred")} <= {"site-paused"}


def test_case_471_the_default_overlaps_the_envelope_alone(lab):
    mx = lab.mx("mx.dest.test", domains=["dest.test"]).without("CHUNKING")
    all_wait = threading.Event()
    mx.on("dot", lambda session, argument: None if all_wait.wait(60) else "451 4.3.0 later")
    relay = one_connection(lab, 1)
    many(relay, 60)
    all_wait.set()
    relay.wait("delivered", count=recipients(60), bound=60)
    assert set(subjects(mx).values()) == {1} and len(subjects(mx)) == 60
    assert overlapped() > 15
    assert len([c for c in mx.commands() if c.startswith(b"RSET")]) == 0


def ended(relay):
    found = relay.events("delivered") + relay.events("failed")
    return {e["to"] for e in found if e["to"].endswith("@dest.test")}


def erring(chance):
    """Of 30 answers to messages one is told twice, is missing, is 421, or ends the connection."""
    def dot(_session, _message):
        if chance.randrange(30):
            return None
        return chance.choice([["250 2.0.0 queued", "250 2.0.0 queued"], "421 4.3.2 bye", CLOSE,
                              ["421 4.3.2 bye", CLOSE], [b""], "451 4.7.1 later", "550 5.7.1 spam"])
    return dot


@pytest.mark.parametrize("in_flight", [1, 8])
def test_case_472_a_host_that_errs_loses_nothing(lab, in_flight):
    seed = int(os.environ.get("LAB_SEED", random.randrange(1 << 30)))
    print("LAB_SEED", seed)
    mx = lab.mx("mx.dest.test", domains=["dest.test"])
    if in_flight == 1:
        mx.without("CHUNKING")
    relay = one_connection(lab, in_flight, timeouts={"data": "2s", "command": "2s"})
    many(relay, 30)
    relay.wait("delivered", count=recipients(30), bound=60)
    mx.on("dot", erring(random.Random(seed)))
    many(relay, COUNT, first=30)
    until(lambda: len(ended(relay)) == recipients(COUNT + 30), relay.told, 60)
    delivered = {e["to"] for e in relay.events("delivered")}
    accepted = {a for m in list(mx.seen) if m.accepted or not m.reply for a in m.to()}
    assert delivered <= accepted, seed


def test_case_473_kill_9_with_eight_in_flight(lab):
    mx = lab.mx("mx.dest.test", domains=["dest.test"])
    relay = one_connection(lab, 8)
    many(relay, 40)
    relay.wait("delivered", count=recipients(40), bound=60)
    mx.on("dot", Slow("250 2.0.0 queued", delay=0.3))
    before = overlapped()
    many(relay, 40, first=40)
    until(lambda: overlapped() >= before + 7, relay.told, 30)
    relay.kill()
    killed = set(subjects(mx))
    mx.on("dot", None)
    relay.start()
    until(lambda: len(subjects(mx)) == 80, lambda: f"{len(subjects(mx))} messages; " + relay.told(), 90)
    again = [s for s, n in subjects(mx).items() if n > 1]
    assert all(subjects(mx)[s] == 2 for s in again) and len(again) <= 12, again
    assert killed


def test_case_474_who_answered_out_of_step_gets_one_at_a_time_after_a_restart_too(lab):
    mx = lab.mx("mx.dest.test", domains=["dest.test"]).without("CHUNKING")
    relay = one_connection(lab, 1)
    many(relay, 30)
    relay.wait("delivered", count=recipients(30), bound=60)
    mx.next("dot", ["250 2.0.0 queued", "250 2.0.0 queued"])
    many(relay, 20, first=30)
    relay.wait("delivered", count=recipients(50), bound=60)
    mx.on("dot", Slow("250 2.0.0 queued", delay=0.01))
    relay.restart()
    many(relay, 40, first=50)
    relay.wait("delivered", count=recipients(90), bound=60)
    assert overlapped() == 0
    copies = collections.Counter(a for m in list(mx.messages) for a in m.to())
    assert sum(n > 1 for n in copies.values()) <= 1  # the one that was answered twice, and its doubt


def test_case_475_mail_in_doubt_is_told_with_how_many_there_are(lab):
    mx = lab.mx("mx.dest.test", domains=["dest.test"])
    relay = one_connection(lab, 8)
    many(relay, 40)
    relay.wait("delivered", count=recipients(40), bound=60)
    mx.on("dot", Slow("250 2.0.0 queued", delay=0.1)).next("dot", Slow("250 2.0.0 queued", delay=0.5), CLOSE)
    many(relay, 20, first=40)
    told = relay.wait("in-doubt", bound=30)
    assert int(told["messages"]) >= 2 and told["host"] == "mx.dest.test"
    mx.on("dot", None)
    until(lambda: len(subjects(mx)) == 60, relay.told, 60)
