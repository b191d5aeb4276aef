# SPDX-License-Identifier: ISC
"""What is told when names cannot be resolved, or nobody validates; and what strangers are not told."""
from tests.lab import verify
from tests.lab.wait import until


def test_case_83_a_blocked_port_is_one_alarm_that_says_so(lab):
    """198.51.100.253 is a local address without a listener."""
    relay = lab.relay(dns={"servers": ["198.51.100.253"], "dnssec": "ad"}).start()
    alarm = relay.wait("alarm", what="dns")
    assert "port 53" in alarm["text"] and "198.51.100.253" in alarm["text"]
    assert "port 53" in relay.ask("status")
    relay.send("a@dest.test")
    deferred = relay.wait("deferred", to="a@dest.test")
    assert "198.51.100.253" not in deferred["reason"]
    assert len(relay.events("alarm", what="dns")) == 1 and not relay.events("alarm", what="dnssec")


def test_case_83_validation_that_breaks_and_heals_is_told(lab):
    lab.names.ttl = 1
    relay = lab.relay().start()
    until(lambda: relay.json("status")["dns"]["validation"] == "ok", relay.told)
    assert not relay.events("alarm")
    relay.stop()
    lab.names.error(".", "DNSKEY", "BOGUS")
    relay.start()
    alarm = relay.wait("alarm", what="dnssec")
    assert "DNSSEC validation does not work" in alarm["text"]
    lab.names.error(".", "DNSKEY", None)
    relay.wait("dns", bound=90)
    assert len(relay.events("alarm", what="dnssec")) == 1


def test_case_83_no_check_is_not_no_validation(lab):
    relay = lab.relay(dns={"self_check": "off"}).start()
    assert relay.json("status")["dns"]["validation"] == "unchecked"
    assert "not checked" in relay.ask("status")
    relay.stop()
    relay.write(dns={"self_check": "off", "dnssec": "off"})
    relay.start()
    assert relay.json("status")["dns"]["validation"] == "off"


def test_case_84_reports_to_strangers_do_not_carry_our_resolvers_address(lab):
    own = lab.mx("mx.example.org", domains="example.org")
    lab.names.error("dest.test", "MX", "SERVFAIL")
    relay = lab.relay(delivery={"warn_after": "2s", "retry": ["1s"]}).start()
    relay.send("a@dest.test")
    text = verify.Dsn(own.wait().data).text
    assert "SERVFAIL" in text and "127.0.0.1" not in text
