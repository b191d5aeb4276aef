# SPDX-License-Identifier: ISC
"""Next hops: whose word counts, logins of every kind, tokens, health, certificates, source addresses."""
import os
import stat
import threading

import pytest

from tests.lab import postfix
from tests.lab.dovecot import Dovecot
from tests.lab.tokenhost import TokenHost
from tests.lab.wait import until

USER = "shop@example.org"


def everything(relay):
    return "".join(open(log, encoding="utf-8", errors="replace").read() for log in relay.log_files)


def sender_way(lab, *hops, oauth=None, user=USER, **more):
    """The row of the login `app`, with next hops of its own."""
    row = {"user": "app", "from": ["*"], "next_hop": [f"[{h}]:587" for h in hops], **more}
    if oauth:
        row["next_hop_auth"] = {"user": user, "oauth": oauth}
    return row


def client(lab, host):
    return {"token_endpoint": host.url, "client_id": "4711", "scope": "mail/.default",
            "client_secret_file": lab.file("client.secret", "hush-hush\n")}


@pytest.mark.threads
def test_a_token_is_fetched_once_for_many_and_no_secret_is_logged(lab):
    host = TokenHost(lab)
    host.pause = threading.Event()
    mx = host.guards(lab.mx("smtp.test", port=587), USER)
    relay = lab.relay(senders=[sender_way(lab, "smtp.test", oauth=client(lab, host))]).start()
    for n in range(12):
        relay.send(f"u{n}@d{n}.test")
    until(lambda: host.requests, "a token is asked for")
    host.pause.set()
    mx.wait(12)
    assert len(host.requests) == 1
    assert host.requests[0] == {"grant_type": "client_credentials", "client_id": "4711", "scope": "mail/.default",
                                "client_secret": "hush-hush"}
    assert all(m.tls for m in mx.messages)
    assert relay.events("delivered")[0]["demand"] == "webpki"  # a login asks for it by itself
    log = everything(relay)
    assert "hush-hush" not in log and "token-0" not in log
    assert relay.json("status")["tokens"][0]["state"] == "good"


@pytest.mark.threads
def test_a_refresh_token_that_is_replaced_survives_a_crash(lab):
    host = TokenHost(lab)
    host.rotate, host.known, host.lives = True, {"refresh-0"}, 2
    mx = host.guards(lab.mx("smtp.test", port=587), USER)
    path = lab.file("refresh", "refresh-0\n")

    def kept():
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    oauth = {"token_endpoint": host.url, "client_id": "4711", "refresh_token_file": path}
    relay = lab.relay(senders=[sender_way(lab, "smtp.test", oauth=oauth)]).start()
    relay.send("a@dest.test")
    mx.wait()
    until(lambda: len(host.tokens) >= 3, "it is renewed by itself")
    host.rotate = False  # from here on the last one stays good, so that the kill meets no answer on its way
    until(lambda: kept() in host.known, "the last one is on disk")
    relay.kill()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert kept() in host.known  # nothing that was used is lost
    relay.start()
    relay.send("b@dest.test")
    mx.wait(2)
    assert "refresh-" not in everything(relay)


def test_a_revoked_grant_is_an_alarm_and_another_secret_mends_it(lab):
    host = TokenHost(lab)
    host.known = {"good"}
    mx = host.guards(lab.mx("smtp.test", port=587), USER)
    path = lab.file("refresh", "revoked-secret\n")
    oauth = {"token_endpoint": host.url, "client_id": "4711", "refresh_token_file": path}
    relay = lab.relay(senders=[sender_way(lab, "smtp.test", oauth=oauth)], delivery={"retry": ["1s"]}).start()
    relay.send("a@dest.test")
    alarm = relay.wait("alarm", what="token")
    assert USER in alarm["text"] and "invalid_grant" not in alarm["text"]  # what it was told stood in the answer
    assert relay.wait("deferred", to="a@dest.test")["why"] == "token-grant-refused"
    assert "revoked-secret" not in everything(relay)
    os.unlink(path)
    lab.file("refresh", "good\n")
    assert mx.wait()
    assert len(relay.events("alarm", what="token")) == 1


def test_no_mail_waits_while_a_token_is_good(lab):
    host = TokenHost(lab)
    mx = host.guards(lab.mx("smtp.test", port=587), USER)
    relay = lab.relay(senders=[sender_way(lab, "smtp.test", oauth=client(lab, host))],
                      delivery={"connections": {"idle": "0s"}}).start()
    relay.send("a@dest.test")
    mx.wait()
    host.close()  # the provider is away
    for n in range(3):
        relay.send(f"b{n}@dest.test")
    mx.wait(4)
    assert not relay.events("deferred")


def test_a_token_that_the_host_refuses_is_not_used_again(lab):
    host = TokenHost(lab)
    mx = host.guards(lab.mx("smtp.test", port=587), USER)
    relay = lab.relay(senders=[sender_way(lab, "smtp.test", oauth=client(lab, host), user="other@example.org")]).start()
    relay.send("a@dest.test")
    assert relay.wait("deferred", to="a@dest.test")["reply"].startswith("535")
    session = next(s for s in mx.sessions if hasattr(s, "acknowledged"))
    assert session.acknowledged == b"\r\n"  # XOAUTH2: an empty line
    assert len(host.requests) == 1


def test_two_senders_never_share_a_connection(lab):
    mx = lab.mx("smtp.test", port=587)
    lab.mx("mx.dest.test", domains="dest.test")
    mx.extensions.append("AUTH PLAIN")
    rows = []
    for name, source in (("app", "198.51.100.71"), ("postfix", "198.51.100.72")):
        rows.append({"user": name, "from": ["*"], "next_hop": "[smtp.test]:587", "source": [source],
                     "next_hop_auth": {"user": name, "password_file": lab.file(name + ".secret", name + "-hush\n")}})
    relay = lab.relay(senders=rows).start()
    for n in range(6):
        for relay.user in ("app", "postfix"):
            assert relay.submit(f"{relay.user}{n}@dest.test").code == 250
    mx.wait(12)
    for session in mx.sessions:
        assert len({line for _, line in session.commands if line.startswith(b"AUTH")}) <= 1
    assert {s.peer[0] for s in mx.sessions} == {"198.51.100.71", "198.51.100.72"}
    told = relay.json("explain", "dest.test", "--sender", "postfix")
    assert told["way"] == "sender" and told["mx"][0]["login"] == {"user": "postfix", "by": "password"}
    assert told["source"][0]["address"] == "198.51.100.72"
    assert told["mx"][0]["demand"] == "webpki"
    assert relay.json("explain", "dest.test")["way"] == "mx"
    assert relay.json("explain", "dest.test", "--sender", "nobody")["sender_unknown"]


def test_a_dead_hop_is_passed_over_by_all_and_found_again(lab):
    first, second = lab.mx("one.test", port=587), lab.mx("two.test", port=587)
    first.close()
    relay = lab.relay(delivery={"smarthost": ["[one.test]:587", "[two.test]:587"],
                                "connections": {"idle": "0s"}}).start()
    for n in range(5):
        relay.send(f"a{n}@dest.test")
    second.wait(5)
    hops = {h["hop"]: h for h in relay.json("status")["next_hops"]}
    assert hops["one.test:587"]["state"] == "down" and hops["one.test:587"]["reason"]
    assert hops["two.test:587"]["state"] == "up"
    assert len(relay.events("next-hop")) == 1


def test_the_order_of_the_list_is_kept(lab):
    first, second = lab.mx("one.test", port=587), lab.mx("two.test", port=587)
    first.next("greeting", "554 5.3.2 not today")
    relay = lab.relay(delivery={"smarthost": ["[one.test]:587", "[two.test]:587"]}).start()
    relay.send("a@dest.test")
    second.wait()
    relay.restart()  # nothing is remembered of a hop that may be well again
    relay.send("b@dest.test")
    assert first.wait().to() == ["b@dest.test"]


def test_a_host_that_asks_for_a_certificate_sees_ours(lab):
    mx = lab.mx("smtp.test", port=587)
    mx.asks_certificate = lab.ca.file
    ours = lab.certificate("good", "relay.test")
    rule = {"domain": "dest.test", "next_hop": "[smtp.test]:587", "tls": "webpki",
            "certificate": {"chain": ours.chain_file, "key": ours.key_file}}
    relay = lab.relay(delivery={"destinations": [rule]}).start()
    relay.send("a@dest.test")
    assert mx.wait().session.client_certificate == ours.der()
    relay.send("b@elsewhere.test")


def test_case_252_a_next_hop_that_is_no_name_costs_no_mail(lab):
    relay = lab.relay(delivery={"smarthost": ["[typo.invalid]:587"]}).start()
    relay.send("a@dest.test")
    line = relay.wait("deferred", to="a@dest.test")
    assert line["status"].startswith("4.")
    assert not relay.events("failed")


def test_check_knows_the_addresses_and_the_tokens_of_senders(lab):
    path = lab.file("refresh", "r\n")
    row = sender_way(lab, "smtp.test", source=["192.88.99.8"],
                     oauth={"token_endpoint": "https://login.test/token", "client_id": "1", "refresh_token_file": path})
    relay = lab.relay(senders=[row])
    said = relay.ctl("check").stdout
    assert "senders.source: 192.88.99.8: this machine has no such address" in said


@pytest.mark.threads
def test_the_relay_ends_while_a_token_is_fetched(lab):
    host = TokenHost(lab)
    host.pause = threading.Event()
    mx = host.guards(lab.mx("smtp.test", port=587), USER)
    relay = lab.relay(senders=[sender_way(lab, "smtp.test", oauth=client(lab, host))]).start()
    relay.send("a@dest.test")
    until(lambda: host.requests, "a token is asked for")
    relay.stop()
    host.pause.set()
    relay.start()
    assert mx.wait().to() == ["a@dest.test"]


def test_a_reload_brings_logins_that_fetch_tokens(lab):
    host = TokenHost(lab)
    mx = host.guards(lab.mx("smtp.test", port=587), USER)
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    relay.write(senders=[sender_way(lab, "smtp.test", oauth=client(lab, host))])
    relay.reload()
    relay.send("a@dest.test")
    mx.wait()
    relay.reload()
    relay.send("b@dest.test")
    mx.wait(2)
    assert len(host.requests) == 1  # the token outlives the reload


def test_a_pool_of_addresses_gives_each_site_one(lab):
    hosts = [lab.mx(f"mx.d{n}.test", domains=f"d{n}.test") for n in range(8)]
    pool = [{"address": f"198.51.100.{n}", "helo": f"out{n}.example.org"} for n in (81, 82, 83)]
    relay = lab.relay(delivery={"source": pool, "connections": {"idle": "0s"}}).start()
    for _ in range(2):
        for n in range(8):
            relay.send(f"a@d{n}.test")
    seen = set()
    for mx in hosts:
        mx.wait(2)
        came = {(s.peer[0], s.helo) for s in mx.sessions}
        assert len(came) == 1  # steadily
        address, helo = came.pop()
        assert helo == f"out{address.rsplit('.', 1)[1]}.example.org"
        seen.add(address)
    assert len(seen) > 1  # one in 2187 times all eight fall to one of three


@pytest.mark.parametrize("mechanism", ["scram-sha-256", "plain", "login"])
def test_case_417_a_postfix_with_dovecot_takes_our_login(lab, mechanism):
    dovecot = Dovecot(lab, {"shop": "geheim"}, mechanisms=mechanism)
    address = lab.address("smtp.test")
    lab.names.set("smtp.test", "A", address)
    hop = postfix.receiver(
        lab, "smtp.test", address, lab.certificate("good", "smtp.test"), ["dest.test"], smtpd_sasl_auth_enable="yes",
        smtpd_sasl_type="dovecot", smtpd_sasl_path=dovecot.socket, smtpd_tls_auth_only="yes",
        smtpd_recipient_restrictions="permit_sasl_authenticated, reject")
    secret = lab.file("hop.secret", "wrong\n")
    row = {"user": "app", "from": ["*"], "next_hop": "[smtp.test]:25",
           "next_hop_auth": {"user": "shop", "password_file": secret}}
    relay = lab.relay(senders=[row], delivery={"retry": ["1s"]}).start()
    relay.send("a@dest.test")
    assert relay.wait("deferred")["why"] == "auth-refused" and relay.wait("alarm", what="next-hop-auth")["why"]
    lab.file("hop.secret", "geheim\n")
    assert b"Subject: a letter" in hop.wait()
    assert hop.logged(f"sasl_method={mechanism.upper()}, sasl_username=shop")
    assert "geheim" not in everything(relay)
