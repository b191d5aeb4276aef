# SPDX-License-Identifier: ISC
"""How much mail a site gets: what it says is learned and kept, who is away is left alone, operators pause."""
import threading
import time

import pytest

from tests.lab.mx import CLOSE, Slow
from tests.lab.relay import letter


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains=["dest.test", "other.test"])


def site(relay, name="mx.dest.test:25"):
    found = [s for s in relay.json("sites") if s["site"] == name]
    return found[0] if found else None


def many(relay, count, domain="dest.test"):
    with relay.client() as client:
        for n in range(count):
            client.envelope("app@example.org", [f"a{n}@{domain}"])
            assert client.data(letter()).code == 250


def two_at_most(mx):
    def greeting(session, _argument):
        others = sum(s.open and s is not session for s in mx.sessions)
        return ["421 4.7.0 too many connections, slow down", CLOSE] if others >= 2 else None
    mx.on("greeting", greeting)


def refused(mx):
    return sum(any(str(r).startswith("421") for r in s.replies) for s in mx.sessions)


def test_case_271_a_sink_of_two_connections_is_learned_and_remembered(lab, mx):
    two_at_most(mx)
    mx.on("dot", Slow("250 2.0.0 queued", delay=0.1))
    relay = lab.relay().start()
    many(relay, 40)
    relay.wait("delivered", count=40, bound=60)
    assert refused(mx) <= 10  # of 40: not one a message; a sink on a busy machine sees connections end late
    lesson = relay.wait("site", sign="connections")
    assert lesson["site"] == "mx.dest.test:25" and "too many connections" in lesson["reply"]
    known = site(relay)
    assert known["connections"] == 2 and known["taken"] >= 40
    assert known["lesson"]["sign"] == "connections" and known["lesson"]["host"] == "mx.dest.test"
    assert "421 4.7.0 too many connections" in relay.ask("sites", "--learned")
    relay.restart()
    kept = site(relay)
    assert kept["connections"] == 2 and kept["lesson"] == known["lesson"]
    relay.send("b@dest.test")
    relay.wait("delivered", to="b@dest.test")


def test_case_418_a_sink_that_counts_by_the_minute_is_learned_and_used(lab, mx):
    taken, lock = [], threading.Lock()

    def sender(_session, _argument):
        with lock:
            now = time.monotonic()
            if sum(now - at < 60 for at in taken) >= 40:
                return "421 4.7.28 too much mail from your address, slow down"
            taken.append(now)
        return None
    mx.on("mail", sender)
    relay = lab.relay(delivery={"retry": ["2s"]}).start()
    many(relay, 60)
    lesson = relay.wait("site", sign="rate")
    assert lesson["site"] == "mx.dest.test:25" and "4.7.28" in lesson["reply"]
    relay.wait("delivered", count=60, bound=180)
    known = site(relay)
    assert known["lesson"]["sign"] == "rate" and 10 <= known["per_minute"] <= 80, known
    assert refused(mx) <= 12, [str(r) for s in mx.sessions for r in s.replies if str(r).startswith("4")]
    relay.restart()
    assert site(relay)["lesson"] == known["lesson"]


def test_case_268_who_refuses_everything_is_left_alone_at_once(lab, mx):
    mx.on("greeting", "421 4.3.2 not now")
    relay = lab.relay(delivery={"retry": ["20s", "1h"]}).start()
    many(relay, 30)
    relay.wait("site", state="shut")
    many(relay, 1, "other.test")
    told = relay.wait("deferred", to="a0@other.test")
    assert told["why"] == "site-shut" and told["connected"] == "no" and "421 4.3.2 not now" in told["reason"], told
    assert not told["reply"] and "tls" not in told and told["next"] > 0 and told["because"], told
    assert len(mx.sessions) <= 4
    state = site(relay)
    assert state["state"] == "shut" and state["next"] and state["ready"] + 4 >= 31
    mx.on("greeting", None)
    relay.wait("delivered", count=31 - 4, bound=60)


def test_case_272_an_operator_pauses_a_site_by_its_domain(lab, mx):
    relay = lab.relay().start()
    assert "paused: mx.dest.test:25" in relay.ask("pause", "dest.test", "--reason", "their disk")
    relay.send("a@other.test")
    told = relay.wait("deferred", to="a@other.test")
    assert "paused by root" in told["reason"] and "their disk" in told["reason"]
    assert not mx.sessions
    paused = site(relay)
    assert paused["state"] == "paused" and paused["paused"]["reason"] == "their disk"
    relay.restart()
    assert site(relay)["paused"]["by"] == "root" and not mx.sessions
    assert relay.ctl("resume", "elsewhere.test").returncode == 1
    assert relay.ctl("pause", "nowhere.invalid").returncode == 1
    assert "resumed: mx.dest.test:25" in relay.ask("resume", "mx.dest.test")
    relay.wait("delivered", to="a@other.test")
    assert relay.ctl("resume", "--all").returncode == 1
    relay.restart()
    assert site(relay) is None or site(relay)["paused"] is None


def test_case_272_a_pause_with_a_time_ends_by_itself(lab, mx):
    relay = lab.relay().start()
    relay.ask("pause", "dest.test", "--for", "2s")
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    relay.wait("delivered", to="a@dest.test")


def test_bad_calls(lab):
    relay = lab.relay().start()
    for argv in (["pause"], ["resume"], ["pause", "a", "b"], ["resume", "a", "--all"], ["sites", "--what"],
                 ["pause", "dest.test", "--for", "soon"], ["sites", "a", "b"]):
        assert relay.ctl(*argv).returncode == 64, argv
