# SPDX-License-Identifier: ISC
"""A login that jumps: held with an alarm, not silenced, let go by one command."""
import pytest

from tests.lab.relay import letter


@pytest.fixture
def mx(lab):
    mx = lab.mx("mx.dest.test", domains=["dest.test", "other.test"])
    mx.on("rcpt", lambda _session, argument: "550 5.1.1 no such user" if "nobody" in argument else None)
    return mx


def send(relay, client, to):
    client.envelope("app@example.org", [to])
    assert client.data(letter(to=to)).code == 250


def test_case_273_a_login_whose_mail_bounces_is_held_and_let_go(lab, mx):
    relay = lab.relay(jumps={"results": 5, "bounces": 50}).start()
    with relay.client() as client:
        for n in range(5):
            send(relay, client, f"nobody{n}@dest.test")
        relay.wait("failed", count=5)
        alarm = relay.wait("alarm", what="login")
        assert "app jumps (bounces)" in alarm["text"] and "waxwing logins release app" in alarm["text"]
        send(relay, client, "somebody@dest.test")
    assert "the login is held" in relay.wait("accept", 6)[-1]["held"]
    rows = [r for r in relay.json("queue", "list") if r["to"] == "somebody@dest.test"]
    assert rows[0]["state"] == "held"
    relay.restart()
    held = relay.json("logins", "list", "--held")
    assert [h["login"] for h in held] == ["app"] and "failed" in held[0]["reason"]
    assert not mx.messages
    assert relay.ctl("logins", "release", "postfix").returncode == 1
    assert "recipients let go: 1" in relay.ask("logins", "release", "app")
    relay.wait("delivered", to="somebody@dest.test")
    assert relay.json("logins", "list", "--held") == []
    relay.send("another@dest.test")
    relay.wait("delivered", to="another@dest.test")


def test_case_274_a_row_may_say_ignore(lab, mx):
    senders = [{"user": "app", "from": ["example.org"], "jumps": "ignore"}]
    relay = lab.relay(jumps={"results": 2, "bounces": 10}, senders=senders).start()
    with relay.client() as client:
        for n in range(4):
            send(relay, client, f"nobody{n}@dest.test")
        relay.wait("failed", count=4)
        send(relay, client, "somebody@dest.test")
    relay.wait("delivered", to="somebody@dest.test")
    assert relay.ctl("logins").returncode == 0
    for argv in (["logins", "release"], ["logins", "drop", "app"], ["logins", "list", "x"]):
        assert relay.ctl(*argv).returncode == 64, argv
