# SPDX-License-Identifier: ISC
"""MTA-STS between the relay, a policy host and MX hosts (cases 14-21)."""
import pytest

from tests.lab.policyhost import policy
from tests.lab.wait import until


def strict(lab, domain="dest.test", host=None, tls="good", id="1", mode="enforce", patterns=None, **more):
    """An MX and a policy that lists it: (mx, policy host)."""
    host = host or "mx." + domain
    mx = lab.mx(host, tls=tls, domains=domain, **more)
    return mx, lab.policy_host(domain, id=id, body=policy(mode, patterns or [host]))


def refused(relay, mx, to="a@dest.test"):
    relay.send(to)
    relay.wait("deferred", to=to)
    assert not mx.seen
    return relay.wait("tls-refused")


def delivered(relay, to="a@dest.test"):
    relay.send(to)
    return relay.wait("delivered", to=to)


def test_enforce_and_a_good_certificate(lab):
    mx, web = strict(lab)
    done = delivered(lab.relay().start())
    assert done["demand"] == "webpki" and done["source"] == "mta-sts" and done["proof"] == "webpki"
    assert mx.sessions[0].sni == "mx.dest.test" and len(web.requests) == 1
    assert "Host: mta-sts.dest.test" in web.requests[0]


@pytest.mark.parametrize("tls,kind", [("self-signed", "certificate-not-trusted"), ("expired", "certificate-expired"),
                                      ("wrong-name", "certificate-host-mismatch"),
                                      ("untrusted", "certificate-not-trusted"),
                                      (None, "starttls-not-supported")])
def test_case_36_enforce_and_a_bad_host(lab, tls, kind):
    mx, _ = strict(lab, tls=tls)
    line = refused(lab.relay().start(), mx)
    assert line["type"] == kind and line["source"] == "mta-sts"


def test_case_20_no_host_matches(lab):
    mx, _ = strict(lab, patterns=["elsewhere.test"])
    line = refused(lab.relay(delivery={"tls": "opportunistic"}).start(), mx)
    assert line["demand"] == "webpki" and line["source"] == "mta-sts"


def test_case_20_only_the_host_that_matches(lab):
    first = lab.mx("mx1.dest.test", domains="dest.test", preference=5)
    second, _ = strict(lab, host="mx2.dest.test", preference=20)
    assert delivered(lab.relay().start())["host"] == "mx2.dest.test"
    assert second.messages and not first.sessions


def test_case_20_testing_delivers_and_records(lab):
    strict(lab, tls="self-signed", mode="testing")
    relay = lab.relay().start()
    delivered(relay)
    assert "dest.test" in relay.ask("tls", "failures")


def test_case_20_a_bad_policy_does_not_touch_a_neighbour(lab):
    mx = lab.mx("mx.shared.test", domains=("good.test", "bad.test"))
    lab.policy_host("bad.test", body=policy(mx=["elsewhere.test"]))
    relay = lab.relay().start()
    relay.send("a@bad.test")
    delivered(relay, "a@good.test")
    relay.wait("deferred", to="a@bad.test")
    assert [m.to() for m in mx.seen] == [["a@good.test"]]


def test_case_17_a_wildcard_covers_one_label(lab):
    one, _ = strict(lab, "one.test", host="a.mx.test", patterns=["*.mx.test"])
    two, _ = strict(lab, "two.test", host="b.a.mx.test", patterns=["*.mx.test"])
    relay = lab.relay().start()
    delivered(relay, "x@one.test")
    relay.send("x@two.test")
    relay.wait("deferred", to="x@two.test")
    assert one.messages and not two.seen


@pytest.mark.parametrize("gone", ["txt", "txt fails", "txt doubled", "new id, no host", "https error"])
def test_case_14_a_cached_policy_stays_in_force(lab, gone):
    mx, web = strict(lab)
    relay = lab.relay().start()
    delivered(relay)
    relay.stop()
    name = "_mta-sts.dest.test"
    if gone == "txt":
        lab.names.remove(name)
    elif gone == "txt fails":
        lab.names.error(name, "TXT", "SERVFAIL")
    elif gone == "txt doubled":
        lab.names.add(name, "TXT", "v=STSv1; id=2;")
    else:
        lab.names.set(name, "TXT", "v=STSv1; id=2;")
        if gone == "https error":
            web.status = 500
        else:
            web.close()
    mx.certificate = lab.certificate("self-signed", "mx.dest.test")
    seen = len(mx.seen)
    relay.start()
    relay.send("b@dest.test")
    relay.wait("tls-refused")
    relay.wait("deferred", to="b@dest.test")
    assert len(mx.seen) == seen


def test_case_14_mode_none_fetched_anew_replaces_at_once(lab):
    mx, web = strict(lab)
    relay = lab.relay().start()
    delivered(relay)
    web.body = policy("none")
    lab.names.set("_mta-sts.dest.test", "TXT", "v=STSv1; id=2;")
    relay.restart()
    mx.certificate = lab.certificate("self-signed", "mx.dest.test")
    relay.send("b@dest.test")
    until(lambda: relay.events("delivered", to="b@dest.test"), relay.told)


@pytest.mark.parametrize("fault", ["redirect", "404", "type", "large", "chunked large", "expired", "wrong-name",
                                   "untrusted", "refused", "syntax"])
def test_case_18_a_policy_that_cannot_be_had_is_none(lab, fault):
    kinds = {"expired": "expired", "wrong-name": "wrong-name", "untrusted": "untrusted"}
    lab.mx("mx.dest.test", tls="self-signed", domains="dest.test")
    web = lab.policy_host("dest.test", body=policy(mx=["nothing.test"]), tls=kinds.get(fault, "good"))
    elsewhere = lab.policy_host("other.test", body=policy(mx=["nothing.test"]))
    if fault == "redirect":
        web.status, web.location = 301, "https://mta-sts.other.test/.well-known/mta-sts.txt"
    elif fault == "404":
        web.status = 404
    elif fault == "type":
        web.type = "text/html"
    elif "large" in fault:
        web.body, web.chunked = web.body + "x: " + "y" * 70000 + "\r\n", fault.startswith("chunked")
    elif fault == "refused":
        web.close()
    elif fault == "syntax":
        web.body = "version: STSv2\r\nmode: enforce\r\n"
    relay = lab.relay().start()
    delivered(relay)
    assert not elsewhere.requests
    assert relay.ctl("sts", "get", "dest.test").returncode != 0


def test_case_18_a_slow_policy_host_delays_nobody_else(lab):
    for n in range(5):
        lab.mx(f"mx.slow{n}.test", domains=f"slow{n}.test")
        lab.policy_host(f"slow{n}.test", body=policy(mx=["x.test"])).hang = True
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    for n in range(5):
        relay.send(f"a@slow{n}.test")
    delivered(relay)
    assert not relay.events("delivered", to="a@slow0.test")


def test_case_19_the_policy_of_the_domain_not_of_its_host(lab):
    mx = lab.mx("mx.host.test", tls="self-signed", domains="dest.test")
    lab.policy_host("host.test", body=policy(mx=["elsewhere.test"]))
    delivered(lab.relay().start())
    assert mx.messages


def test_case_21_a_new_id_is_seen_at_once_when_the_cached_policy_refuses(lab):
    lab.names.ttl = 3600
    old, web = strict(lab)
    relay = lab.relay(delivery={"retry": ["1s"], "connections": {"idle": "0s"}}).start()
    delivered(relay)
    old.certificate = lab.certificate("self-signed", "mx.dest.test")
    lab.names.remove("dest.test")
    new = lab.mx("mx2.dest.test", domains="dest.test")
    web.body = policy(mx=["mx2.dest.test"])
    lab.names.set("_mta-sts.dest.test", "TXT", "v=STSv1; id=2;")
    relay.send("b@dest.test")
    relay.wait("tls-refused")  # MX, TXT and policy are still the cached ones
    until(lambda: new.messages, relay.told, 30)
    assert lab.names.asked("_mta-sts.dest.test", "TXT") == 2


@pytest.mark.parametrize("now", ["other policy", "none", "testing"])
def test_case_81_a_failure_waits_for_the_fetch_before_it_defers(lab, now):
    """The policy host is slow, and the next try is an hour away: what the owner changed counts at once."""
    lab.names.ttl = 3600
    mx, web = strict(lab)
    relay = lab.relay(delivery={"retry": ["1h"], "connections": {"idle": "0s"}}).start()
    delivered(relay)
    web.pause = 0.01
    lab.names.set("_mta-sts.dest.test", "TXT", "v=STSv1; id=2;")
    mx.certificate = lab.certificate("self-signed", "mx.dest.test")
    if now == "other policy":
        lab.names.remove("dest.test")
        lab.mx("mx2.dest.test", domains="dest.test")
        web.body = policy(mx=["mx2.dest.test"])
    else:
        web.body = policy(now, ["mx.dest.test"] if now == "testing" else [])
    relay.send("b@dest.test")
    relay.wait("tls-refused")
    relay.wait("delivered", to="b@dest.test")
    assert not relay.events("deferred")


def test_case_81_a_failure_under_an_unchanged_policy_is_deferred_once_with_all_that_is_known(lab):
    mx, _ = strict(lab, tls="self-signed")
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    refused(relay, mx)
    line, = relay.events("deferred")
    assert line["host"] == "mx.dest.test" and len(mx.sessions) == 1
    assert len(relay.events("tls-refused")) == 1


def test_case_80_a_policy_without_age_counts_once(lab):
    mx = lab.mx("mx.dest.test", tls="self-signed", domains="dest.test")
    web = lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"], max_age=0))
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    assert refused(relay, mx)["source"] == "mta-sts"
    assert len(web.requests) == 1


def strict_relay(lab, **delivery):
    """Everything that its user sends asks for REQUIRETLS."""
    senders = [{"user": "app", "from": ["example.org"], "require_tls": True},
               {"network": ["127.0.0.1"], "from": ["example.org"]}]
    return lab.relay(senders=senders, delivery=dict({"retry": ["1s"], "connections": {"idle": "0s"}}, **delivery))


def test_requiretls_goes_to_a_host_that_is_proved_and_offers_it(lab):
    mx, _ = strict(lab)
    mx.extensions.append("REQUIRETLS")
    done = delivered(strict_relay(lab).start())
    assert done["source"] == "requiretls" and done["proof"] == "webpki"
    assert "REQUIRETLS" in str(mx.messages[0].params).upper()


def test_requiretls_bounces_where_no_host_offers_it(lab):
    mx, _ = strict(lab)
    relay = strict_relay(lab).start()
    relay.send("a@dest.test")
    assert relay.wait("failed", to="a@dest.test")["status"] == "5.7.30"
    assert not mx.seen


def test_case_21_nothing_bounces_before_the_policy_was_looked_up_again(lab):
    lab.names.ttl = 3600
    old, web = strict(lab)
    old.extensions.append("REQUIRETLS")
    relay = strict_relay(lab).start()
    delivered(relay)
    old.certificate = lab.certificate("self-signed", "mx.dest.test")
    lab.names.remove("dest.test")
    new = lab.mx("mx2.dest.test", domains="dest.test")
    new.extensions.append("REQUIRETLS")
    web.body, web.pause = policy(mx=["mx2.dest.test"]), 0.1  # slower than the second look
    lab.names.set("_mta-sts.dest.test", "TXT", "v=STSv1; id=2;")
    relay.send("b@dest.test")
    relay.wait("tls-refused")
    until(lambda: new.messages, relay.told, 60)
    assert not relay.events("failed")


@pytest.mark.parametrize("end,flood", [(b"0\r\n", b"X-Trailer: " + b"a" * 1000 + b"\r\n"), (b"0\r\n", b"a" * 4096),
                                       (b"5;", b"a" * 4096)], ids=["trailers", "one-trailer", "chunk-extension"])
def test_case_48_a_policy_host_that_never_ends_is_cut_off(lab, end, flood):
    mx, web = strict(lab)
    web.chunked, web.end, web.flood = True, end, flood * 16
    relay = lab.relay().start()
    before = relay.memory()
    assert delivered(relay)["source"] != "mta-sts"
    until(lambda: web.errors, what="the relay hangs up")
    assert web.flooded < 16 << 20 and relay.memory() - before < 64 << 20


def test_concurrent_deliveries_share_one_fetch(lab):
    _, web = strict(lab)
    web.pause = 0.01
    relay = lab.relay().start()
    for n in range(20):
        relay.send(f"u{n}@dest.test")
    relay.wait("delivered", 20)
    assert len(web.requests) == 1


def test_memory_of_tls_makes_a_strip_a_downgrade(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(delivery={"tls": "opportunistic"}).start()
    delivered(relay)
    until(lambda: "mx.dest.test" in relay.ask("tls", "policies"), "the memory of the host")
    relay.restart()
    mx.certificate = None
    mx.without("STARTTLS")
    relay.send("b@dest.test")
    line = relay.wait("tls-refused")
    assert line["source"] == "memory" and not mx.bodies_in_clear()
    relay.ask("tls", "forget", "dest.test")
    until(lambda: relay.ctl("queue", "retry", "--all") and relay.events("delivered", to="b@dest.test"),
          relay.told)


def test_a_stripping_proxy_gets_nothing(lab):
    mx = lab.mx("hidden.test")
    lab.names.add("dest.test", "MX", "10 mx.dest.test.").add("mx.dest.test", "A", lab.address("mx.dest.test"))
    lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    enemy = lab.strip_proxy("mx.dest.test", mx.addresses[0])
    relay = lab.relay(delivery={"tls": "opportunistic"}).start()
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    assert b"MAIL FROM" not in enemy.seen_clear and not mx.seen


def test_explain_tells_the_policy(lab):
    mx, _ = strict(lab)
    relay = lab.relay().start()
    delivered(relay)
    told = relay.json("explain", "dest.test")
    assert told["verdict"] == "deliver" and told["sts"]["mode"] == "enforce"
    assert told["mx"][0]["host"] == "mx.dest.test" and told["mx"][0]["demand"] == "webpki"
    assert told["mx"][0]["source"] == "mta-sts" and mx.messages
    # The relay itself was asked: it answers from the policy it keeps, a look of our own would fetch it.
    assert told["sts"]["source"] == "cache"
    assert relay.json("explain", "--offline", "dest.test")["sts"]["source"] == "fetch"
