# SPDX-License-Identifier: ISC
"""`waxwing trace`: the story of a message, from files that outlive the relay."""
import glob
import json
import os
import signal

import pytest

from tests.lab.mx import Slow
from tests.lab.policyhost import policy
from tests.lab.relay import letter
from tests.lab.wait import until


def records(relay, what, *more):
    """The records as the command prints them, once there is one."""
    def read():
        done = relay.ctl("trace", what, "--json", *more)
        return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else None
    return until(read, relay.told)


def ended(relay, what, event="delivered"):
    return until(lambda: (all_ := records(relay, what)) and any(r["event"] == event for r in all_) and all_,
                 relay.told)


def test_case_340_greylisting_a_downgrade_a_policy_and_success_read_as_a_story(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    mx.next("rcpt", "450 4.2.0 Greylisted, come back in a moment")
    relay = lab.relay(delivery={"retry": ["4s"], "connections": {"idle": "1s"}}).start()
    id = relay.send("someone@dest.test", letter(subject="a secret"))
    relay.wait("deferred", to="someone@dest.test")
    mx.on("ehlo", "250-mx.dest.test\n250 SIZE 1000000")  # somebody on the way takes STARTTLS out
    relay.wait("tls-refused")
    until(lambda: len(relay.events("deferred")) >= 2, relay.told)
    mx.on("ehlo", None)
    lab.policy_host("dest.test", id="7", body=policy(mx=["mx.dest.test"]))
    relay.ask("tls", "refresh", "dest.test")
    relay.wait("delivered")
    ended(relay, id)
    told = relay.ask("trace", id)
    print(told)
    lines = told.splitlines()
    assert len(lines) <= 40, "more than a screen"
    order = ["received", "signed", "route", "attempt 1", "450 4.2.0 Greylisted", "deferred", "attempt 2", "STARTTLS",
             "deferred", "changed", "enforce id 7", "attempt", "TLSv1.3", "as before", "delivered"]
    place = 0
    for word in order:
        assert word in told[place:], f"no {word!r} behind {told[:place][-200:]}"
        place = told.index(word, place)
    assert "a secret@" not in told and "Hello." not in told and "a secret" not in told.replace("a.secret@", "")
    for name in ("someone@dest.test", "app@example.org", "<a.secret@example.org>"):
        assert relay.ask("trace", name) == told
    relay.stop()
    assert relay.ask("trace", id) == told  # the files are enough
