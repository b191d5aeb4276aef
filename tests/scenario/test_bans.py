# SPDX-License-Identifier: ISC
"""Those who fail to log in: banned, listed, let in again, and never those of exempt networks."""
import json

from tests.lab.client import Client, Closed


def tries(relay, password, user="app", source=None):
    """The reply to one login from there; None: it was sent away before."""
    try:
        with Client(relay.address, relay.port, source=source) as client:
            client.ehlo()
            client.starttls()
            return client.plain(user, password).code
    except (Closed, AssertionError):
        return None


def test_case_239_a_ban_is_listed_lifted_and_outlives_a_restart(lab):
    relay = lab.relay(auth={"failures": 2, "ban": "10m"}).start()
    for _ in range(2):
        assert tries(relay, "wrong", source="127.0.0.9") in (535, 421)
    assert tries(relay, relay.password, source="127.0.0.9") is None
    began = relay.wait("ban", client="127.0.0.9")
    assert began["failures"] == 2 and began["until"].endswith("Z")
    relay.restart()
    assert tries(relay, relay.password, source="127.0.0.9") is None
    bans = {(b["kind"], b["name"]): b for b in relay.json("bans", "list")["bans"]}
    assert set(bans) == {("client", "127.0.0.9"), ("user", "app")}
    assert 0 < bans["client", "127.0.0.9"]["until"] - bans["client", "127.0.0.9"]["since"] <= 600
    assert "127.0.0.9" in relay.ask("bans", "list")
    assert "lifted" in relay.ask("bans", "lift", "127.0.0.9", "app")
    assert relay.wait("lift", client="127.0.0.9")["by"] == "root"
    assert relay.ctl("bans", "lift", "127.0.0.9").returncode == 1
    assert "nobody" in relay.ask("bans", "list")
    assert tries(relay, relay.password, source="127.0.0.9") == 235
    relay.restart()
    assert relay.json("bans", "list")["bans"] == []


def test_an_exempt_network_bans_nobody(lab):
    relay = lab.relay(auth={"failures": 1, "ban": "10m", "exempt": ["127.0.0.9"]}).start()
    for _ in range(3):
        assert tries(relay, "wrong", source="127.0.0.9") == 535
    assert tries(relay, relay.password, source="127.0.0.9") == 235
    assert relay.json("bans", "list")["bans"] == []
    assert tries(relay, "wrong", source="127.0.0.8") in (535, 421)
    assert tries(relay, relay.password, source="127.0.0.8") is None


def test_lift_all_and_bad_calls(lab):
    relay = lab.relay(auth={"failures": 1}).start()
    for user in ("a", "b\u00e9", "c d"):
        tries(relay, "wrong", user=user, source="127.0.0.9")
        relay.ask("bans", "lift", "127.0.0.9")
    names = {b["name"] for b in relay.json("bans", "list")["bans"]}
    assert len(names) == 3, names
    assert json.loads(relay.ask("bans", "lift", "--all", "--json"))["lifted"] == 3
    for argv in (["bans"], ["bans", "lift"], ["bans", "lift", "--all", "x"], ["bans", "list", "x"], ["bans", "drop"]):
        assert relay.ctl(*argv).returncode == 64, argv
    relay.stop()
    assert relay.ctl("bans", "list").returncode == 75
