# SPDX-License-Identifier: ISC
"""DANE between the relay and MX hosts (cases 22-32): what is delivered, what is refused, and what is never
done in clear or to a wrong key."""
import pytest

from tests.lab.pki import Authority, self_signed
from tests.lab.policyhost import policy
from tests.lab.wait import until


def dane_host(lab, domain="dest.test", tls="good", tlsa=None, host=None, port=25, **more):
    """A host whose records are all secure; `tlsa`: rdata texts, or what suits its certificate."""
    host = host or "mx." + domain
    mx = lab.mx(host, domains=domain, tls=tls, **more)
    texts = tlsa if tlsa is not None else [mx.certificate.tlsa()]
    if texts:
        lab.names.add(f"_{port}._tcp.{host}", "TLSA", *texts)
    lab.names.secure(domain, host, f"_{port}._tcp.{host}")
    return mx


def delivered(relay, to="a@dest.test"):
    relay.send(to)
    return relay.wait("delivered", to=to)


def refused(relay, mx, to="a@dest.test"):
    """Deferred because of policy, and no body went out."""
    relay.send(to)
    relay.wait("deferred", to=to)
    assert not mx.seen
    return relay.events("tls-refused")


@pytest.mark.parametrize("usage,selector,matching", [(3, 1, 1), (3, 0, 1), (3, 1, 2), (3, 1, 0), (3, 0, 0)])
def test_case_28_an_ee_record_needs_no_name_no_dates_no_chain(lab, usage, selector, matching):
    certificate = self_signed(lab.ca.folder, "whatever.invalid", days=(-30, -2))
    dane_host(lab, tls=certificate, tlsa=[certificate.tlsa(usage, selector, matching)])
    done = delivered(lab.relay().start())
    assert done["proof"] == "dane-ee" and done["demand"] == "dane" and done["source"] == "dane"


def test_case_28_a_trust_anchor_record(lab):
    authority = Authority(lab.ca.folder, "Private CA")
    leaf = authority.leaf("mx.dest.test")
    leaf.issuers = [authority.certificate]
    with open(leaf.chain_file, "ab") as f:
        f.write(open(authority.file, "rb").read())
    dane_host(lab, tls=leaf, tlsa=[authority.certificate.tlsa(2, 0, 1)])
    assert delivered(lab.relay().start())["proof"] == "dane-ta"


@pytest.mark.parametrize("fault", ["name", "expired", "stranger"])
def test_case_28_a_trust_anchor_record_checks_name_dates_and_path(lab, fault):
    authority = Authority(lab.ca.folder, "Private CA")
    if fault == "stranger":  # the attack on libdane: the anchor is sent along, the leaf hangs elsewhere
        leaf = Authority(lab.ca.folder, "Evil CA").leaf("mx.dest.test")
    else:
        leaf = authority.leaf("other.test" if fault == "name" else "mx.dest.test",
                              days=(-9, -1) if fault == "expired" else (-1, 90))
    with open(leaf.chain_file, "ab") as f:
        f.write(open(authority.file, "rb").read())
    mx = dane_host(lab, tls=leaf, tlsa=[authority.certificate.tlsa(2, 0, 1)])
    assert refused(lab.relay().start(), mx)


def test_a_wrong_key_is_refused_and_told(lab):
    mx = dane_host(lab, tlsa=[lab.ca.leaf("mx.dest.test").tlsa()])
    relay = lab.relay().start()
    line = refused(relay, mx)[0]
    assert line["type"] == "tlsa-invalid" and line["source"] == "dane" and line["host"] == "mx.dest.test"
    failures = relay.ask("tls", "failures")
    assert "dest.test" in failures and "tlsa-invalid" in failures


def test_no_starttls_under_dane_is_refused(lab):
    mx = dane_host(lab, tls=None, tlsa=["3 1 1 " + "0" * 64])
    assert refused(lab.relay(delivery={"tls": "opportunistic"}).start(), mx)[0]["type"] == \
        "starttls-not-supported"


@pytest.mark.parametrize("kind", ["SERVFAIL", "TIMEOUT", "BOGUS"])
def test_case_22_a_failing_tlsa_lookup_is_never_no_dane(lab, kind):
    mx = dane_host(lab)
    lab.names.error("_25._tcp.mx.dest.test", "TLSA", kind)
    refused(lab.relay(delivery={"tls": "opportunistic"}).start(), mx)


def test_case_22_no_question_where_the_address_is_insecure(lab):
    dane_host(lab)
    lab.names.insecure.add("mx.dest.test.")
    lab.names.error("_25._tcp.mx.dest.test", "TLSA", "SERVFAIL")
    delivered(lab.relay().start())
    assert lab.names.asked("_25._tcp.mx.dest.test", "TLSA") == 0


def test_case_24_an_insecure_mx_has_no_dane(lab):
    dane_host(lab, tlsa=["3 1 1 " + "0" * 64])
    lab.names.insecure.add("dest.test.")
    assert delivered(lab.relay().start())["source"] == "default"


def test_case_24_half_dane_where_the_operator_wants_it(lab):
    mx = dane_host(lab, tlsa=["3 1 1 " + "0" * 64])
    lab.names.insecure.add("dest.test.")
    refused(lab.relay(dns={"half_dane": True}).start(), mx)


def test_case_24_a_domain_without_mx_is_its_own_host(lab):
    mx = lab.mx("dest.test")
    lab.names.add("_25._tcp.dest.test", "TLSA", mx.certificate.tlsa())
    lab.names.secure("dest.test", "_25._tcp.dest.test")
    assert delivered(lab.relay().start())["proof"] == "dane-ee"


def test_case_25_a_secure_alias_is_followed_and_tried_at_both_names(lab):
    mx = lab.mx("real.host.test", tls="self-signed")
    lab.names.add("dest.test", "MX", "10 mx.dest.test.").add("mx.dest.test", "CNAME", "real.host.test.")
    lab.names.add("_25._tcp.real.host.test", "TLSA", mx.certificate.tlsa())
    lab.names.secure("dest.test", "mx.dest.test", "real.host.test", "_25._tcp.real.host.test")
    relay = lab.relay().start()
    assert delivered(relay)["proof"] == "dane-ee" and mx.sessions[-1].sni == "real.host.test"
    lab.names.remove("_25._tcp.real.host.test").add("_25._tcp.mx.dest.test", "TLSA", "3 1 1 " + "0" * 64)
    lab.names.secure("_25._tcp.mx.dest.test")
    second = lab.relay(listen=[{"address": "127.0.0.1:5870"}])
    relay.stop()
    second.port = 5870
    second.start()
    seen = len(mx.seen)
    second.send("b@dest.test")
    second.wait("deferred", to="b@dest.test")
    assert len(mx.seen) == seen


def test_case_27_only_unusable_records_demand_tls_without_a_name(lab):
    dane_host(lab, tls="self-signed", tlsa=["1 1 1 " + "0" * 64, "0 0 1 " + "1" * 64, "3 1 9 abcd",
                                            "3 1 1 " + "0" * 10])
    done = delivered(lab.relay(delivery={"tls": "opportunistic"}).start())
    assert done["demand"] == "encrypt" and done["source"] == "dane-unusable"


def test_case_27_then_no_starttls_defers(lab):
    mx = dane_host(lab, tls=None, tlsa=["1 1 1 " + "0" * 64])
    refused(lab.relay(delivery={"tls": "opportunistic"}).start(), mx)


def test_case_29_one_good_record_suffices(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    lab.names.add("_25._tcp.mx.dest.test", "TLSA", "3 1 1 " + "0" * 64, mx.certificate.tlsa())
    lab.names.secure("dest.test", "mx.dest.test", "_25._tcp.mx.dest.test")
    delivered(lab.relay().start())


def test_case_29_digest_agility(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    lab.names.add("_25._tcp.mx.dest.test", "TLSA", mx.certificate.tlsa(3, 1, 1), "3 1 2 " + "0" * 128)
    lab.names.secure("dest.test", "mx.dest.test", "_25._tcp.mx.dest.test")
    refused(lab.relay().start(), mx)


def test_case_30_a_failing_host_hands_over_to_the_next(lab):
    bad = dane_host(lab, host="mx1.dest.test", tlsa=["3 1 1 " + "0" * 64], preference=10)
    good = dane_host(lab, host="mx2.dest.test", preference=20)
    plain = lab.mx("mx3.dest.test", domains="dest.test", preference=30)
    lab.names.secure("mx3.dest.test", "_25._tcp.mx3.dest.test")
    relay = lab.relay().start()
    assert delivered(relay)["host"] == "mx2.dest.test" and good.sessions[0].sni == "mx2.dest.test"
    good.close()
    assert delivered(relay, "b@dest.test")["host"] == "mx3.dest.test"
    assert not bad.seen and plain.messages


def test_case_31_a_proof_for_one_domain_is_not_one_for_another(lab):
    mx = lab.mx("mx.shared.test", domains="easy.test", tls="self-signed")
    lab.names.add("strict.test", "MX", "10 mx.shared.test.")
    lab.policy_host("strict.test", body=policy(mx=["mx.shared.test"]))
    relay = lab.relay().start()
    delivered(relay, "a@easy.test")
    relay.send("b@strict.test")
    relay.wait("deferred", to="b@strict.test")
    assert [m.to() for m in mx.seen] == [["a@easy.test"]]


def test_tlsa_records_that_are_gone_are_told_once(lab):
    lab.names.ttl = 1
    dane_host(lab)
    relay = lab.relay().start()
    delivered(relay)
    lab.names.remove("_25._tcp.mx.dest.test")

    def sent_without():
        relay.send("b@dest.test")
        return relay.events("policy-change", domain="dest.test")
    until(sent_without, relay.told)
    assert "mx.dest.test" in relay.events("policy-change")[0]["what"]
    relay.send("c@dest.test")
    relay.wait("delivered", to="c@dest.test")
    assert len(relay.events("policy-change")) == 1


def test_case_32_mta_sts_never_repairs_dane(lab):
    mx = dane_host(lab, tlsa=["3 1 1 " + "0" * 64])
    lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    refused(lab.relay().start(), mx)


def test_an_exception_replaces_dane_until_its_end(lab):
    dane_host(lab, tlsa=["3 1 1 " + "0" * 64])
    rule = {"domain": "dest.test", "tls": "encrypt", "until": "2099-12-31", "reason": "ticket 4711"}
    relay = lab.relay(delivery={"destinations": [rule]}).start()
    assert delivered(relay)["source"] == "exception"
    assert "4711" in relay.ask("tls", "exceptions")


def test_shadow_mode_delivers_and_records(lab):
    dane_host(lab, tlsa=["3 1 1 " + "0" * 64])
    relay = lab.relay(delivery={"mode": "shadow"}).start()
    delivered(relay)
    assert "dest.test" in relay.ask("tls", "failures")


def test_a_swapped_certificate_gets_nothing(lab):
    mx = lab.mx("hidden.test")
    host = "mx.dest.test"
    lab.names.add("dest.test", "MX", f"10 {host}.").add(host, "A", lab.address(host))
    lab.names.add(f"_25._tcp.{host}", "TLSA", mx.certificate.tlsa())
    lab.names.secure("dest.test", host, f"_25._tcp.{host}")
    enemy = lab.swap_proxy(host, mx.addresses[0], lab.certificate("untrusted", host))
    relay = lab.relay().start()
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    assert b"Hello." not in enemy.stolen + enemy.seen_clear and b"MAIL" not in enemy.stolen
    enemy.honest = True
    until(lambda: mx.messages, relay.told)


def test_recursive_mode_with_signed_zones(lab):
    zones = lab.use(lab.zones())
    for name in ("example", "example.org", "good.example", "wrong.example"):
        zones.zone(name)
    bogus = zones.zone("bogus.example")
    zones.zone("_tcp.mx.bogus.example", bogus=True)
    hosts = {n: lab.mx(f"mx.{n}.example", domains=f"{n}.example", tls="self-signed")
             for n in ("good", "wrong", "bogus")}
    for n, mx in hosts.items():
        text = mx.certificate.tlsa() if n != "wrong" else "3 1 1 " + "0" * 64
        zones.add(f"_25._tcp.mx.{n}.example", "TLSA", text)
    relay = lab.relay(dns=lab.recursive(zones))
    zones.start()
    relay.start()
    for n in hosts:
        relay.send(f"a@{n}.example")
    assert relay.wait("delivered", to="a@good.example")["proof"] == "dane-ee"
    for n in ("wrong", "bogus"):
        relay.wait("deferred", to=f"a@{n}.example")
        assert not hosts[n].seen
    assert bogus
