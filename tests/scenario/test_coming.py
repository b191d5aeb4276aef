# SPDX-License-Identifier: ISC
"""Shadow mode pays: what enforcing would have refused, and exceptions that let the same mail pass. And trouble told before
it happens: certificates, TLSA records, policies and exceptions that end within days."""
import datetime
import json
import time

import yaml

from tests.lab.pki import Authority
from tests.lab.policyhost import policy
from tests.lab.process import must
from tests.lab.relay import merged
from tests.lab.wait import until
from tests.scenario.test_dane import dane_host


def delivered(relay, to):
    relay.send(to)
    return relay.wait("delivered", to=to)


def shadow(relay, *more):
    return json.loads(relay.ask("tls", "shadow", "--json", *more))


def coming(relay, *more):
    done = relay.ctl("tls", "coming", "--json", *more)
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found else 0), done
    return {f["what"]: f for f in found}


MAIL = ["a@dane.test", "a@clear.test", "b@clear.test", "a@expired.test", "a@good.test"]


def test_case_372_exceptions_that_shadow_mode_prints_let_the_same_mail_pass(lab):
    dane_host(lab, "dane.test", tlsa=["3 1 1 " + "0" * 64])  # a good certificate, and records of another
    lab.mx("mx.clear.test", domains="clear.test", tls=None)
    lab.mx("mx.expired.test", domains="expired.test", tls="expired")
    lab.policy_host("expired.test", body=policy(mx=["mx.expired.test"]))
    lab.mx("mx.good.test", domains="good.test")
    relay = lab.relay(delivery={"mode": "shadow", "retry": ["1h"]}).start()
    for to in MAIL:
        delivered(relay, to)
    told = until(lambda: (t := shadow(relay)) and sum(d["messages"] for d in t["domains"]) == 4 and t, lambda: shadow(relay))
    domains = {d["domain"]: d for d in told["domains"]}
    assert set(domains) == {"dane.test", "clear.test", "expired.test"}
    clear = domains["clear.test"]
    assert (clear["messages"], clear["recipients"], clear["clear"]) == (2, 2, 2) and clear["bytes"] > 2000
    assert clear["sessions"] >= 1 and clear["reasons"][0]["why"] == "starttls-not-offered"
    assert domains["dane.test"]["reasons"][0]["why"] == "tlsa-mismatch"
    levels = {d: domains[d]["exception"]["tls"] for d in domains}
    assert levels == {"dane.test": "webpki", "clear.test": "opportunistic", "expired.test": "encrypt"}, levels
    text = " ".join(relay.ask("tls", "shadow").split())
    assert "enforcing would have refused mail for 3 domains" in text and "clear.test: 2 messages (2 recipients" in text
    relay.restart()  # and it is remembered
    pasted = yaml.safe_load(shadow(relay)["yaml"])
    assert all(row["until"] > datetime.date.today() and row["reason"] for row in pasted["delivery"]["destinations"])
    relay.stop()
    rows = [{**row, "until": str(row["until"])} for row in pasted["delivery"]["destinations"]]
    relay.config = merged(relay.config, {"delivery": {"mode": "enforce", "destinations": rows}})
    relay.write()
    assert "configuration" in relay.ctl("check", "--offline").stdout
    assert relay.ctl("check", "--offline").returncode in (0, 1) and "destinations" not in relay.ctl("check", "--offline").stderr
    relay.start()
    for to in MAIL:
        assert delivered(relay, "again." + to)["source"] == ("default" if "good" in to else "exception")


def test_case_373_a_policy_that_only_tests_would_have_refused_nothing(lab):
    """Shadow mode does not count what enforcing would let pass too."""
    lab.mx("mx.dest.test", domains="dest.test", tls="self-signed")
    lab.policy_host("dest.test", body=policy("testing", mx=["mx.dest.test"]))
    relay = lab.relay(delivery={"mode": "shadow"}).start()
    delivered(relay, "a@dest.test")
    assert relay.json("tls", "failures")[0]["shadow"] is False
    assert shadow(relay)["domains"] == []
    assert "would have refused nothing" in relay.ask("tls", "shadow")


def test_case_374_where_a_rule_is_there_already_it_is_named(lab):
    lab.mx("mx.dest.test", domains="dest.test", tls=None)
    lab.mx("mx.a.wild.test", domains="a.wild.test", tls=None)
    rules = [{"domain": "dest.test", "mode": "shadow"}, {"domain": "*.wild.test", "mode": "shadow", "connections": 3}]
    relay = lab.relay(delivery={"destinations": rules}).start()
    delivered(relay, "a@dest.test")
    delivered(relay, "a@a.wild.test")
    told = until(lambda: (t := shadow(relay)) and len(t["domains"]) == 2 and t, lambda: shadow(relay))
    places = {d["domain"]: d["exception"]["place"] for d in told["domains"]}
    assert places == {"dest.test": "row", "a.wild.test": "copy"}
    assert "# dest.test has a row already" in told["yaml"] and "copy its other keys" in told["yaml"]
    assert [r["domain"] for r in yaml.safe_load(told["yaml"])["delivery"]["destinations"]] == ["a.wild.test"]


def test_case_375_what_ends_within_days_is_told(lab):
    soon = lab.ca.leaf("mx.dest.test", days=(-1, 5))
    lab.mx("mx.dest.test", domains=("dest.test", "other.test"), tls=soon)
    lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]), tls=lab.ca.leaf("mta-sts.dest.test", days=(-1, 4)))
    ends = str(datetime.date.today() + datetime.timedelta(days=6))
    rules = [{"domain": "legacy.test", "tls": "encrypt", "until": ends, "reason": "ticket 4711"}]
    relay = lab.relay(delivery={"destinations": rules}, http="127.0.0.1:9587").start()
    delivered(relay, "a@dest.test")
    delivered(relay, "a@other.test")
    found = coming(relay)
    assert set(found) == {"certificate-ends", "policy-certificate-ends", "exception-ends"}, found
    host = found["certificate-ends"]
    assert (host["host"], host["domains"], host["sure"], host["act"]) == ("mx.dest.test", 2, "guess", "receiver-host")
    assert host["days"] in (4, 5) and found["policy-certificate-ends"]["days"] in (3, 4)  # begun days are not counted
    assert found["policy-certificate-ends"]["domain"] == "dest.test"
    assert found["exception-ends"]["act"] == "us" and found["exception-ends"]["sure"] == "certain"
    assert coming(relay, "--days", "2") == {}
    text = " ".join(relay.ctl("tls", "coming").stdout.split())
    assert "certificate-ends (in " in text and "only a guess" in text
    page = must(["curl", "-sS", "http://127.0.0.1:9587/coming"])
    assert "mx.dest.test" in page and "policy-certificate-ends" in page
    relay.wait("alarm", what="coming")  # our own exception
    numbers = lambda: must(["curl", "-sS", "http://127.0.0.1:9587/metrics"])
    assert 'waxwing_coming{kind="exception"} 1' in numbers()
    relay.restart()
    assert set(coming(relay)) == set(found)
    relay.stop()
    assert set(coming(relay, "--state", relay.path("state/state.db"))) == set(found)


def test_case_376_records_that_will_not_match(lab):
    soon = lab.ca.leaf("mx.whole.test", days=(-1, 5))
    dane_host(lab, "whole.test", tls=soon, tlsa=[soon.tlsa(3, 0, 1)])
    one = lab.ca.leaf("mx.single.test", days=(-1, 5))
    dane_host(lab, "single.test", tls=one, tlsa=[one.tlsa(3, 1, 1)])
    rolling = lab.ca.leaf("mx.rolling.test")
    dane_host(lab, "rolling.test", tls=rolling, tlsa=[rolling.tlsa(3, 1, 1), "3 1 1 " + "ab" * 32])
    plain = lab.ca.leaf("mx.plain.test")
    dane_host(lab, "plain.test", tls=plain, tlsa=[plain.tlsa(3, 1, 1)])
    relay = lab.relay().start()
    for domain in ("whole.test", "single.test", "rolling.test", "plain.test"):
        assert delivered(relay, "a@" + domain)["proof"] == "dane-ee"
    found = coming(relay)
    assert {what: f["host"] for what, f in found.items()} == {
        "tlsa-whole-certificate": "mx.whole.test", "tlsa-single": "mx.single.test", "tlsa-rollover": "mx.rolling.test"}
    assert found["tlsa-whole-certificate"]["sure"] == "likely" and found["tlsa-rollover"]["sure"] == "guess"
    assert "of 2 TLSA records 1 match nothing" in found["tlsa-rollover"]["text"]


def test_case_377_an_authority_that_ends(lab):
    authority = Authority(lab.ca.folder, "Private CA")
    authority.certificate = authority._sign("soon", "Private CA", authority.certificate.key, [], ca=True, days=(-1, 5))
    leaf = authority.leaf("mx.dest.test", days=(-1, 4))
    leaf.issuers = [authority.certificate]
    with open(leaf.chain_file, "ab") as f:
        f.write(open(authority.certificate.chain_file, "rb").read())
    dane_host(lab, tls=leaf, tlsa=[authority.certificate.tlsa(2, 0, 1)])
    relay = lab.relay().start()
    assert delivered(relay, "a@dest.test")["proof"] == "dane-ta"
    assert set(coming(relay)) == {"tlsa-authority", "certificate-ends"}


def test_case_378_a_policy_that_ends_and_cannot_be_refreshed(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    web = lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"], max_age=86400))
    relay = lab.relay().start()
    delivered(relay, "a@dest.test")
    assert coming(relay) == {}
    web.status = 500
    relay.ctl("tls", "refresh", "dest.test")
    found = coming(relay)["policy-expires"]
    assert found["sure"] == "likely" and "HTTP status 500" in found["text"] and found["act"] == "receiver"
    assert abs(found["ends"] - time.time() - 86400) < 120
