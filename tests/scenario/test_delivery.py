# SPDX-License-Identifier: ISC
"""How the relay bears with MX hosts of every kind (cases 41-44)."""
import socket

import pytest

from tests.lab.mx import CLOSE, HANG, RESET, Slow
from tests.lab.relay import letter
from tests.lab.wait import until


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains="dest.test")


def start(lab, **config):
    return lab.relay(**config).start()


# --- TLS as `delivery.tls` demands it ---

@pytest.mark.parametrize("tls,level,arrives", [
    ("good", "encrypt", True), ("self-signed", "encrypt", True), ("expired", "encrypt", True),
    ("wrong-name", "encrypt", True), (None, "encrypt", False), (None, "opportunistic", True),
    ("self-signed", "opportunistic", True), ("good", "webpki", True), ("self-signed", "webpki", False),
    ("expired", "webpki", False), ("wrong-name", "webpki", False), ("untrusted", "webpki", False),
])
def test_certificates_against_demands(lab, tls, level, arrives):
    mx = lab.mx("mx.dest.test", tls=tls, domains="dest.test")
    relay = start(lab, delivery={"tls": level})
    relay.send("a@dest.test")
    if arrives:
        assert bool(mx.wait().tls) == (tls is not None)
        done = relay.wait("delivered", to="a@dest.test")
        assert done["demand"] == level and done["host"] == "mx.dest.test"
        assert done["proof"] == ("webpki" if tls == "good" and level == "webpki" else done["proof"])
    else:
        refused = relay.wait("tls-refused", domain="dest.test")
        assert refused["host"] == "mx.dest.test" and refused["demand"] == level
        relay.wait("deferred", to="a@dest.test")
        assert not mx.seen


def test_starttls_refused_is_not_clear_text(lab, mx):
    mx.next("starttls", "454 4.7.0 not now", "454 4.7.0 not now")
    relay = start(lab)
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    assert mx.wait().tls and not mx.bodies_in_clear()


def test_a_broken_handshake_is_not_clear_text(lab, mx):
    mx.on("handshake", CLOSE)
    relay = start(lab)
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    assert not mx.messages and not mx.bodies_in_clear()


def test_case_73_a_handshake_that_broke_once_is_tried_again_with_tls(lab, mx):
    mx.next("handshake", CLOSE)
    relay = start(lab)
    relay.send("a@dest.test")
    assert relay.wait("delivered", to="a@dest.test")["tls"] == "TLSv1.3"
    assert mx.wait().tls and not mx.bodies_in_clear()


def test_case_38_answers_pipelined_behind_starttls_are_dropped(lab, mx):
    mx.next("starttls", b"220 go\r\n250 injected\r\n250 injected\r\n")
    relay = start(lab)
    relay.send("a@dest.test")
    message = mx.wait()
    assert message.tls and message.to() == ["a@dest.test"]


# --- refusals at each step ---

def with_data(mx, step):
    """The DATA command is seen only where CHUNKING is not offered."""
    if step == "data":
        mx.without("CHUNKING")


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail", "rcpt", "data", "dot"])
def test_4xx_is_tried_again(lab, mx, step):
    with_data(mx, step)
    mx.next(step, "451 4.3.0 try again")
    relay = start(lab)
    relay.send("a@dest.test")
    assert relay.wait("deferred", to="a@dest.test")["status"].startswith("4.")
    mx.wait()
    relay.wait("delivered", to="a@dest.test")
    assert not relay.events("failed")


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
def test_5xx_is_final(lab, mx, step):
    with_data(mx, step)
    home = lab.mx("mx.example.org", domains="example.org")
    mx.on(step, "550 5.7.1 never")
    relay = start(lab)
    relay.send("a@dest.test")
    failed = relay.wait("failed", to="a@dest.test")
    assert failed["status"] == "5.7.1" and "never" in failed["reply"]
    assert home.wait().sender == "" and not mx.messages


@pytest.mark.parametrize("step", ["greeting", "ehlo", "starttls", "mail", "rcpt", "data", "dot"])
def test_case_41_421_at_any_point(lab, mx, step):
    with_data(mx, step)
    mx.next(step, ["421 4.3.2 closing", CLOSE])
    relay = start(lab)
    relay.send("a@dest.test")
    mx.wait()
    relay.wait("delivered", to="a@dest.test")
    assert not relay.events("failed")


@pytest.mark.parametrize("step", ["connect", "greeting", "ehlo", "starttls", "mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_case_42_a_connection_that_breaks_is_tried_again(lab, mx, step, end):
    with_data(mx, step)
    mx.next(step, end)
    relay = start(lab)
    relay.send("a@dest.test")
    mx.wait()
    relay.wait("delivered", to="a@dest.test")
    assert not relay.events("failed")


def test_case_41_pipelined_recipients_of_every_fate(lab, mx):
    home = lab.mx("mx.example.org", domains="example.org")
    fates = {"yes": None, "no": "550 5.1.1 unknown", "later": "450 4.2.1 busy", "too": "452 4.5.3 too many"}
    seen = set()

    def fate(_session, argument):
        name = argument.split("<")[1].split("@")[0]
        first, _ = name not in seen, seen.add(name)
        return fates[name] if first or name == "no" else None

    mx.on("rcpt", fate)
    relay = start(lab)
    assert relay.submit([f"{n}@dest.test" for n in fates]).code == 250
    for name in ("yes", "later", "too"):
        relay.wait("delivered", to=f"{name}@dest.test")
    relay.wait("failed", to="no@dest.test")
    assert sorted(t for m in mx.messages for t in m.to()) == ["later@dest.test", "too@dest.test",
                                                             "yes@dest.test"]
    assert home.wait().to() == ["app@example.org"]


def test_case_41_354_with_no_recipient_accepted(lab, mx):
    lab.mx("mx.example.org", domains="example.org")
    mx.on("rcpt", "550 5.1.1 unknown").on("data", "354 go on all the same")
    mx.without("CHUNKING")
    relay = start(lab)
    relay.send("a@dest.test")
    relay.wait("failed", to="a@dest.test")
    assert not relay.events("delivered", to="a@dest.test")
    assert all(m.data == b"" for m in mx.seen)


def test_case_41_a_peer_that_closes_after_5xx(lab, mx):
    lab.mx("mx.example.org", domains="example.org")
    mx.on("rcpt", ["550 5.7.1 go away", CLOSE])
    relay = start(lab)
    relay.send("a@dest.test")
    assert relay.wait("failed", to="a@dest.test")["status"] == "5.7.1"


def test_case_41_a_reply_whose_code_changes(lab, mx):
    mx.next("mail", b"250-2.1.0 fine\r\n550 5.7.1 or not\r\n")
    relay = start(lab)
    relay.send("a@dest.test")
    mx.wait()
    assert not relay.events("failed")


@pytest.mark.parametrize("noise", [b"\x00\xff\xfe garbage\r\n", b"2 5 0\r\n", b"x" * 100000,
                                   b"250-\r\n" * 5000, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_replies_that_are_none(lab, mx, noise):
    mx.next("ehlo", [noise, CLOSE])
    relay = start(lab)
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    mx.wait()


def test_case_42_the_reply_to_the_dot_is_lost(lab, mx):
    mx.next("dot", CLOSE)
    relay = start(lab)
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    mx.wait()
    assert len(mx.seen) == 2 and not relay.events("failed")


def test_deadlines_end_what_hangs(lab, mx):
    short = {"connect": "2s", "greeting": "2s", "command": "2s", "data": "2s"}
    mx.next("greeting", HANG).next("ehlo", HANG).next("mail", HANG).next("dot", HANG)
    relay = start(lab, delivery={"timeouts": short})
    relay.send("a@dest.test")
    relay.wait("deferred", 4, to="a@dest.test")
    mx.wait()


def test_a_drip_of_a_reply_is_not_progress_for_ever(lab, mx):
    mx.next("ehlo", Slow("250 " + "x" * 400, pause=0.5))
    relay = start(lab, delivery={"timeouts": {"command": "3s"}})
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    mx.wait()


def test_a_slow_host_does_not_hold_up_another(lab, mx):
    slow = lab.mx("mx.slow.test", domains="slow.test").on("greeting", HANG)
    relay = start(lab)
    for n in range(30):
        relay.send(f"u{n}@slow.test")
    relay.send("a@dest.test")
    mx.wait()
    assert not slow.messages


# --- extensions that are not there (case 43) ---

def test_case_43_an_old_host_gets_mail(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test", extensions=["STARTTLS"])
    relay = start(lab)
    relay.send(["a@dest.test", "b@dest.test"])
    message = mx.wait()
    assert message.params == {} and not message.bdat and sorted(message.to()) == ["a@dest.test",
                                                                                  "b@dest.test"]


def test_case_43_helo_where_ehlo_is_unknown(lab):
    mx = lab.mx("mx.dest.test", tls=None, domains="dest.test").on("ehlo", "502 5.5.1 what?")
    relay = start(lab, delivery={"tls": "opportunistic"})
    relay.send("a@dest.test")
    assert not mx.wait().tls and any(c.upper().startswith(b"HELO") for c in mx.commands())


def test_case_43_size_is_told_and_minded(lab):
    home = lab.mx("mx.example.org", domains="example.org")
    mx = lab.mx("mx.dest.test", domains="dest.test")
    mx.extensions = ["SIZE 20000" if e.startswith("SIZE") else e for e in mx.extensions]
    relay = start(lab)
    relay.send("a@dest.test")
    assert int(mx.wait().params["SIZE"]) >= len(mx.messages[0].data) - 200
    relay.send("a@dest.test", letter(body=b"x" * 70 + b"\r\n" + b"y" * 30000 + b"\r\n"))
    assert relay.wait("failed", to="a@dest.test")["status"] == "5.3.4"
    home.wait()
    assert len(mx.seen) == 1


def test_case_43_eight_bits_need_8bitmime(lab):
    home = lab.mx("mx.example.org", domains="example.org")
    mx = lab.mx("mx.dest.test", domains="dest.test").without("8BITMIME", "SMTPUTF8")
    relay = start(lab)
    relay.send("plain@dest.test")
    assert mx.wait().to() == ["plain@dest.test"]
    relay.send("eight@dest.test", letter(body="Grüße\r\n".encode()), mail="BODY=8BITMIME")
    assert relay.wait("failed", to="eight@dest.test")["status"] == "5.6.3"
    home.wait()


def test_case_43_smtputf8_where_it_is_needed(lab):
    home = lab.mx("mx.example.org", domains="example.org")
    old = lab.mx("mx.old.test", domains="old.test").without("SMTPUTF8")
    new = lab.mx("mx.new.test", domains="new.test")
    relay = start(lab)
    assert relay.submit(["grün@new.test"], mail="SMTPUTF8").code == 250
    assert "SMTPUTF8" in new.wait().params and new.messages[0].to() == ["grün@new.test"]
    assert relay.submit(["grün@old.test"], mail="SMTPUTF8").code == 250
    assert relay.wait("failed")["status"] == "5.6.7"
    home.wait()
    assert not old.messages


def test_case_43_an_idn_domain_becomes_its_a_label(lab):
    mx = lab.mx("mx.dest.test", domains="xn--bcher-kva.test").without("SMTPUTF8")
    relay = start(lab)
    assert relay.submit(["leser@bücher.test"], mail="SMTPUTF8").code == 250
    assert mx.wait().to() == ["leser@xn--bcher-kva.test"]


def test_case_43_dsn_parameters_travel_where_they_are_known(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = start(lab)
    relay.send("a@dest.test", mail="RET=HDRS ENVID=QQ314159", rcpt="NOTIFY=FAILURE ORCPT=rfc822;b@c.test")
    message = mx.wait()
    assert message.params["RET"] == "HDRS" and message.params["ENVID"] == "QQ314159"
    assert message.rcpts[0][1]["NOTIFY"] == "FAILURE"
    assert message.rcpts[0][1]["ORCPT"].lower() == "rfc822;b@c.test"


# --- where mail goes ---

def test_preference_and_the_next_host(lab):
    first = lab.mx("mx1.dest.test", domains="dest.test", preference=10)
    second = lab.mx("mx2.dest.test", domains="dest.test", preference=20)
    relay = start(lab)
    relay.send("a@dest.test")
    first.wait()
    first.close()
    relay.send("b@dest.test")
    assert second.wait().to() == ["b@dest.test"] and len(first.messages) == 1


def test_a_host_that_answers_4xx_hands_over_to_the_next(lab):
    first = lab.mx("mx1.dest.test", domains="dest.test", preference=10).on("greeting", "421 4.3.2 full")
    second = lab.mx("mx2.dest.test", domains="dest.test", preference=20)
    relay = start(lab)
    relay.send("a@dest.test")
    second.wait()
    assert first.sessions and not first.messages


def test_implicit_mx(lab):
    mx = lab.mx("dest.test")
    relay = start(lab)
    relay.send("a@dest.test")
    assert mx.wait().to() == ["a@dest.test"]


def test_case_24_a_null_mx_is_final(lab):
    home = lab.mx("mx.example.org", domains="example.org")
    lab.names.add("dest.test", "MX", "0 .")
    relay = start(lab)
    relay.send("a@dest.test")
    assert relay.wait("failed", to="a@dest.test")["status"] == "5.1.10"
    home.wait()


def test_a_domain_that_does_not_exist_is_final(lab):
    home = lab.mx("mx.example.org", domains="example.org")
    relay = start(lab)
    relay.send("a@nowhere.test")
    assert relay.wait("failed", to="a@nowhere.test")["status"] in ("5.1.2", "5.4.4")
    home.wait()


@pytest.mark.parametrize("kind", ["SERVFAIL", "TIMEOUT", "REFUSED", "BOGUS"])
def test_case_42_dns_trouble_is_never_final(lab, kind):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    lab.names.error("dest.test", "MX", kind)
    relay = start(lab)
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    assert not relay.events("failed") and not mx.sessions


def test_case_42_mail_flows_when_the_dns_is_well_again(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    lab.names.error("mx.dest.test", "A", "SERVFAIL")
    relay = start(lab)
    identity = relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    lab.names.error("mx.dest.test", "A", None)
    until(lambda: relay.ctl("queue", "retry", identity) and mx.messages, "the delivery", 120)


def test_case_44_our_own_host_in_the_mx_set(lab):
    home = lab.mx("mx.example.org", domains="example.org")
    better = lab.mx("better.dest.test", domains="dest.test", preference=5)
    lab.names.add("dest.test", "MX", "10 relay.example.org.")
    worse = lab.mx("worse.dest.test", domains="dest.test", preference=20)
    lab.names.add("loop.test", "MX", "10 relay.example.org.", "20 worse.dest.test.")
    lab.names.set("relay.example.org", "A", "198.51.100.1")
    relay = start(lab)
    relay.send("a@dest.test")
    better.wait()
    relay.send("a@loop.test")
    assert relay.wait("failed", to="a@loop.test")["status"] == "5.4.6"
    home.wait()
    assert not worse.sessions


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.1.1", "0.0.0.0",
                                     "224.0.0.1", "172.16.3.4"])
def test_case_44_a_stranger_does_not_aim_us_at_our_own_network(lab, address):
    lab.names.add("dest.test", "MX", "10 mx.dest.test.").set("mx.dest.test", "A", address)
    relay = start(lab)
    relay.send("a@dest.test")
    ended = until(lambda: relay.events("deferred", to="a@dest.test") or
                  relay.events("failed", to="a@dest.test"), relay.told)
    assert address in str(ended[0]) or "address" in str(ended[0])
    assert not [e for e in relay.events("session") if e.get("ip") == address]


def test_ipv6_first_then_ipv4(lab):
    both = lab.mx("mx.dest.test", domains="dest.test", families=(4, 6))
    relay = start(lab, delivery={"families": ["ipv6", "ipv4"]})
    relay.send("a@dest.test")
    both.wait()
    assert ":" in relay.wait("delivered", to="a@dest.test")["ip"]


def test_case_26_a_dead_ipv6_address_does_not_stop_ipv4(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    lab.names.set("mx.dest.test", "AAAA", "2001:db8::dead")
    relay = start(lab, delivery={"families": ["ipv6", "ipv4"]})
    relay.send("a@dest.test")
    mx.wait()
    assert relay.wait("delivered", to="a@dest.test")["ip"] == mx.addresses[0]


def test_case_26_a_failing_aaaa_lookup_does_not_stop_ipv4(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    lab.names.error("mx.dest.test", "AAAA", "SERVFAIL")
    relay = start(lab, delivery={"families": ["ipv6", "ipv4"]})
    relay.send("a@dest.test")
    mx.wait()


def test_next_hops_of_a_rule_and_a_smarthost(lab):
    partner = lab.mx("in.partner.test", port=2526)
    other = lab.mx("smart.test")
    relay = start(lab, delivery={"smarthost": ["[smart.test]"], "destinations": [
        {"domain": "partner.test", "next_hop": ["[in.partner.test]:2526"], "tls": "webpki"}]})
    relay.send("a@partner.test")
    relay.send("b@elsewhere.test")
    assert partner.wait().to() == ["a@partner.test"] and other.wait().to() == ["b@elsewhere.test"]


def test_credentials_for_a_next_hop_only_after_a_proof(lab):
    good = lab.mx("good.test", port=587)
    bad = lab.mx("bad.test", port=587, tls="self-signed")
    for mx in (good, bad):
        mx.extensions.append("AUTH PLAIN LOGIN")
    lab.file("secret", "hush\n")
    rules = [{"domain": f"{n}.test", "next_hop": [f"[{n}.test]:587"], "tls": "webpki",
              "auth": {"user": "relay", "password_file": lab.root + "/secret"}} for n in ("good", "bad")]
    relay = start(lab, delivery={"destinations": rules})
    relay.send("a@good.test")
    relay.send("a@bad.test")
    good.wait()
    relay.wait("deferred", to="a@bad.test")
    assert any(c.startswith(b"AUTH") for c in good.commands())
    assert not any(c.startswith(b"AUTH") for c in bad.commands())


def test_connections_are_reused_and_shared_by_domains_of_one_site(lab):
    mx = lab.mx("mx.dest.test", domains=("dest.test", "other.test"))
    relay = start(lab)
    for n in range(20):
        relay.send(f"u{n}@{'dest' if n % 2 else 'other'}.test")
    mx.wait(20)
    assert len(mx.sessions) < 20


def test_one_message_for_many_recipients_goes_once(lab, mx):
    relay = start(lab)
    assert relay.submit([f"u{n}@dest.test" for n in range(50)]).code == 250
    assert len(mx.wait().to()) == 50 and len(mx.messages) == 1


def test_the_source_address_is_ours_to_choose(lab, mx):
    relay = start(lab, delivery={"source": [{"address": "198.51.100.77", "helo": "out.example.org"}]})
    relay.send("a@dest.test")
    session = mx.wait().session
    assert session.peer[0] == "198.51.100.77" and session.helo == "out.example.org"


@pytest.fixture
def deaf():
    """Makes an address deaf: nobody takes a connection there, and the kernel leaves the next ones unanswered."""
    sockets = []

    def fill(address):
        sockets.append(socket.create_server((address, 25), family=socket.AF_INET6, backlog=0))
        for _ in range(4):
            one = socket.socket(socket.AF_INET6)
            one.setblocking(False)
            one.connect_ex((address, 25))
            sockets.append(one)
    yield fill
    for one in sockets:
        one.close()


def test_case_565_an_address_that_stalls_is_not_waited_for_and_the_story_says_so(lab, deaf):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    stalls = lab.address("mx.dest.test", 6)
    lab.names.set("mx.dest.test", "AAAA", stalls)
    deaf(stalls)
    relay = start(lab, delivery={"families": ["ipv6", "ipv4"], "timeouts": {"connect": "5m"}})
    identity = relay.send("a@dest.test")
    mx.wait()
    assert relay.wait("delivered", to="a@dest.test")["ip"] == lab.address("mx.dest.test")
    assert not relay.events("deferred") and len(mx.sessions) == 1
    told = until(lambda: "delivered" in (text := relay.ask("trace", identity)) and text, relay.told)
    assert stalls in told and lab.address("mx.dest.test") in told
    assert relay.send("b@dest.test")  # over the connection that is there
    relay.wait("delivered", to="b@dest.test")
    assert len(mx.sessions) == 1
