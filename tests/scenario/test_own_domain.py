# SPDX-License-Identifier: ISC
"""The relay's own domains as receivers see them: audits, and keys that nobody finds."""
import json

import pytest

from tests.lab.wait import until


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains="dest.test")


def audit(relay, *more):
    done = relay.ctl("audit", "example.org", "--json", *more)
    return done.returncode, json.loads(done.stdout)["findings"]


def problems(findings):
    return [f["about"] for f in findings if f["severity"] == "problem"]


def test_publish_what_the_audit_asks_for(lab):
    relay = lab.relay(delivery={"source": [{"address": "127.0.0.1"}]})
    lab.names.add("example.org", "MX", "10 mx.example.org.")
    lab.names.add("mx.example.org", "A", "127.0.0.30")
    lab.names.remove("e1._domainkey.example.org")
    status, findings = audit(relay)
    assert status == 1 and set(problems(findings)) == {"spf", "dkim", "dmarc"}
    for finding in findings:
        if "publish" in finding and finding["about"] in ("spf", "dkim", "dmarc"):
            record = finding["publish"]
            lab.names.set(record["name"], record["type"], record["record"])
    status, findings = audit(relay)
    assert status == 0 and problems(findings) == []


def test_a_dead_dns_is_no_verdict(lab):
    relay = lab.relay()
    for name, kind in (("example.org", "TXT"), ("example.org", "MX"), ("_dmarc.example.org", "TXT"),
                       ("r1._domainkey.example.org", "TXT"), ("e1._domainkey.example.org", "TXT")):
        lab.names.error(name, kind, "SERVFAIL")
    assert relay.ctl("audit", "example.org").returncode == 75


@pytest.mark.threads
def test_the_running_relay_audits_its_domains(lab):
    lab.names.add("example.org", "TXT", "v=spf1 -all")
    relay = lab.relay(delivery={"source": [{"address": "127.0.0.1"}]}).start()
    alarms = until(lambda: [e for e in relay.events("alarm", what="audit") if ": spf: " in e["text"]],
                   "an audit alarm")
    assert "127.0.0.1 may not send for example.org" in alarms[0]["text"]
    assert "v=spf1 ip4:127.0.0.1 -all" in alarms[0]["text"]


@pytest.mark.threads
def test_a_stop_does_not_wait_for_an_audit(lab):
    lab.names.add("_mta-sts.example.org", "TXT", "v=STSv1; id=1")
    lab.names.error("mta-sts.example.org", "A", "TIMEOUT").error("mta-sts.example.org", "AAAA", "TIMEOUT")
    relay = lab.relay().start()
    until(lambda: lab.names.asked("mta-sts.example.org", "A"), "a policy being fetched")
    relay.stop()


@pytest.mark.threads
def test_a_key_that_is_not_published_is_left_out(lab, mx):
    relay = lab.relay()
    lab.names.remove("e1._domainkey.example.org")
    relay.start()
    alarm = relay.wait("alarm", what="dkim")
    assert "e1" in alarm["text"]
    relay.send("a@dest.test")
    message = mx.wait().data
    assert b"s=r1" in message and b"s=e1" not in message
    relay.reload()  # what is known outlives a reload
    relay.wait("reload")
    relay.send("b@dest.test")
    message = mx.wait().data
    assert b"s=r1" in message and b"s=e1" not in message


@pytest.mark.threads
def test_where_no_key_is_published_all_sign(lab, mx):
    relay = lab.relay()
    lab.names.remove("e1._domainkey.example.org")
    lab.names.remove("r1._domainkey.example.org")
    relay.start()
    until(lambda: [e for e in relay.events("alarm", what="dkim") if "no key of example.org" in e["text"]],
          "an alarm about all keys")
    relay.send("a@dest.test")
    message = mx.wait().data
    assert b"s=r1" in message and b"s=e1" in message


@pytest.mark.threads
def test_require_published_can_be_switched_off(lab, mx):
    relay = lab.relay(dkim={"require_published": False})
    lab.names.remove("e1._domainkey.example.org")
    relay.start()
    relay.send("a@dest.test")
    message = mx.wait().data
    assert b"s=r1" in message and b"s=e1" in message
