# SPDX-License-Identifier: ISC
"""Mechanisms of AUTH: SCRAM with and without channel binding, what is offered, what a failure costs."""
import pytest

from tests.lab.client import Client
from tests.lab.process import run


@pytest.fixture
def relay(lab):
    relay = lab.relay(auth={"failures": 1000})
    relay.set_scram("app", relay.password)
    return relay.start()


def secured(relay, **more):
    client = Client(relay.address, relay.port, **more)
    client.ehlo()
    client.starttls()
    return client


def gsasl(relay, mechanism, password, *more):
    """GNU SASL's own client."""
    return run(["gsasl", "--smtp", "--client", "--connect", f"localhost:{relay.port}", "--mechanism", mechanism,
                "--authentication-id", "app", "--authorization-id", "", "--password", password, "--hostname",
                "localhost", "--service", "smtp", "--x509-ca-file", relay.lab.ca.file, *more], timeout=60, input="")


def test_a_verifier_serves_scram_and_plain(relay):
    with secured(relay) as client:
        assert {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN"} <= set(client.extensions["AUTH"])
        assert client.scram("app", relay.password).code == 235
        assert client.iterations >= 15000
        client.expect(250, "MAIL FROM:<app@example.org>")
    with secured(relay) as client:
        assert client.plain("app", relay.password).code == 235
    with secured(relay) as client:
        assert client.scram("app", "wrong").code == 535
        assert client.plain("app", "wrong").code == 535
        assert client.login("app", relay.password).code == 235
    assert relay.wait("auth", mechanism="SCRAM-SHA-256", result="failed")["user"] == "app"


def test_gnu_sasl_binds_to_the_channel(relay):
    for mechanism, more in (("SCRAM-SHA-256-PLUS", []), ("SCRAM-SHA-256", ["--no-cb"])):
        done = gsasl(relay, mechanism, relay.password, *more)
        assert done.returncode == 0, done.stdout + done.stderr
        assert relay.wait("auth", mechanism=mechanism, result="ok")["user"] == "app", done.stdout + done.stderr
    assert gsasl(relay, "SCRAM-SHA-256-PLUS", "wrong").returncode != 0
    relay.wait("auth", mechanism="SCRAM-SHA-256-PLUS", result="failed")


def test_a_binding_is_not_offered_where_there_is_none(lab):
    relay = lab.relay(certificate={"chain": "chain.pem", "key": "key.pem", "tls_priority": "NORMAL:-VERS-TLS1.3"})
    relay.set_scram("app", relay.password)
    relay.start()
    with secured(relay) as client:
        assert "SCRAM-SHA-256" in client.extensions["AUTH"] and "SCRAM-SHA-256-PLUS" not in client.extensions["AUTH"]
        client.expect(504, "AUTH SCRAM-SHA-256-PLUS")
        assert client.scram("app", relay.password, flag="y,,").code == 235


def test_case_237_somebody_who_takes_plus_away_is_noticed(relay):
    with secured(relay) as client:
        assert client.scram("app", relay.password, flag="y,,").code == 535
    assert "told" in relay.wait("auth", result="failed")["reason"]


def test_case_235_strangers_learn_nothing(relay):
    seen = []
    for restart in (False, True):
        if restart:
            relay.restart()
        for user in ("app", "nobody", "postfix", "nobody2"):
            with secured(relay) as client:
                reply = client.scram(user, "wrong")
                seen.append((user, client.salt, client.iterations, reply.code, reply.text))
    assert seen[:4] == seen[4:]  # the same salts, over a restart
    assert len({s[1] for s in seen}) == 4 and len({s[2:] for s in seen}) == 1, seen
    assert "no verifier" in relay.wait("auth", user="postfix", result="failed")["reason"]


def test_case_236_users_change_in_the_middle(relay):
    """A login whose password was changed, or taken away, between its two messages does not stand."""
    def change(password):
        def act():
            relay.set_user("app", None)
            if password:
                relay.set_scram("app", password)
            relay.ask("reload")
            wait_for_users(relay, password)
        return act
    for password in ("another", None):
        relay.set_scram("app", relay.password)
        relay.ask("reload")
        wait_for_users(relay, relay.password)
        with secured(relay) as client:
            assert client.scram("app", relay.password, middle=change(password)).code == 454
            client.expect(530, "MAIL FROM:<app@example.org>")


def wait_for_users(relay, password):
    """Every worker has the users file of now: one that is asked says so."""
    for _ in range(6):
        with secured(relay) as client:
            assert client.plain("app", password or "x").code == (235 if password else 535)


def test_case_238_an_application_that_tries_two_mechanisms_fails_once(lab):
    relay = lab.relay(auth={"failures": 3, "ban": "10m"})
    relay.set_scram("app", relay.password)
    relay.start()
    for _ in range(2):
        with secured(relay, source="127.0.0.9") as client:
            for way in (client.scram, client.plain, client.login):
                assert way("app", "wrong").code == 535
    with secured(relay, source="127.0.0.9") as client:
        assert client.plain("app", relay.password).code == 235
    with secured(relay, source="127.0.0.8") as client:  # one mechanism again and again is guessing
        assert [client.plain("postfix", f"wrong{n}").code for n in range(3)] == [535, 535, 535]
        assert client.ended()


def test_mechanisms_can_be_left_out(lab):
    relay = lab.relay(auth={"mechanisms": ["SCRAM-SHA-256"]})
    relay.set_scram("app", relay.password)
    relay.start()
    with secured(relay) as client:
        assert client.extensions["AUTH"] == ["SCRAM-SHA-256"]
        client.expect(504, "AUTH PLAIN")
        client.expect(501, "AUTH SCRAM-SHA-256 !")
        client.expect(501, "AUTH SCRAM-SHA-256 bm90aGluZw==")
        client.expect(334, "AUTH SCRAM-SHA-256")
        client.expect(501, "*")
        assert client.scram("app", relay.password).code == 235
