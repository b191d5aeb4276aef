# SPDX-License-Identifier: ISC
"""The relay's own domains as receivers see them: audits, and keys that nobody finds."""
import json
import os
import shutil

import pytest

from tests.lab.policyhost import PolicyHost, policy
from tests.lab.relay import letter as lab_letter
from tests.lab.wait import until
from tests.scenario.test_http import PORT, get


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
    assert status == 1 and set(problems(findings)) == {"ptr", "spf", "dkim", "dmarc"}
    for finding in findings:
        if "publish" in finding and finding["about"] in ("ptr", "helo", "spf", "dkim", "dmarc"):
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


def said(findings, text):
    return next((f for f in findings if text in f["text"]), None)


def test_case_399_addresses_blocklists_and_certificates_with_a_real_dns(lab):
    relay = lab.relay(delivery={"source": [{"address": "127.0.0.1"}, {"address": "::1", "helo": "six.example.org"}]},
                      audit={"dnsbl": ["bl.test", "refuses.test", "silent.test"]})
    six = "1." + "0." * 31
    lab.names.set("relay.example.org", "A", "127.0.0.1").set("1.0.0.127.in-addr.arpa", "PTR", "relay.example.org.")
    lab.names.set("six.example.org", "AAAA", "::1").set(six + "ip6.arpa", "PTR", "other.example.org.")
    lab.names.set("1.0.0.127.bl.test", "A", "127.0.0.2").set("1.0.0.127.bl.test", "TXT", "spam from here")
    lab.names.set("1.0.0.127.refuses.test", "A", "127.255.255.254").set(six + "refuses.test", "A", "127.255.255.254")
    lab.names.error("1.0.0.127.silent.test", "A", "SERVFAIL")
    lab.names.set("example.org", "MX", "10 mx.example.org.").set("mx.example.org", "A", "127.0.0.30")
    host = PolicyHost(lab, "example.org", policy(mx=["mx.example.org"]),
                      tls=lab.ca.leaf("mta-sts.example.org", days=(-80, 5)))
    status, findings = audit(relay)
    assert status == 1 and host.requests
    assert said(findings, "127.0.0.1 is called relay.example.org, and that leads back")["severity"] == "ok"
    forged = said(findings, "::1 is called other.example.org, and that name does not lead back")
    assert forged["scope"] == "relay" and "5.7.25" in forged["prevents"] and forged["severity"] == "problem"
    assert forged["publish"] == {"name": six + "ip6.arpa", "type": "PTR", "record": "six.example.org."}
    assert said(findings, "127.0.0.1 is listed in bl.test (127.0.0.2): spam from here")["severity"] == "problem"
    assert said(findings, "::1 is not listed in bl.test")["severity"] == "ok"
    assert said(findings, "127.0.0.1 is listed in refuses.test is not known: it answers 127.255.255.254")["severity"] == "unknown"
    assert said(findings, "127.0.0.1 is listed in silent.test is not known")["severity"] == "unknown"
    ends = said(findings, "the certificate of mta-sts.example.org is valid for")
    assert ends["severity"] == "problem" and ends["scope"] == "domain" and "sts-webpki-invalid" in ends["prevents"]
    assert said(findings, "the relay's certificate is valid for")["scope"] == "relay"
    assert "5.7.515" in said(findings, "may not send for example.org")["prevents"]
    text = relay.ctl("audit", "example.org").stdout
    assert "receivers answer: Gmail 550 5.7.25" in text


def test_case_400_what_is_about_the_relay_is_told_once(lab):
    domains = [{"domain": d, "keys": [{"selector": "r1", "file": "r1.pem"}]} for d in ("example.org", "other.test")]
    relay = lab.relay(delivery={"source": [{"address": "127.0.0.1"}]}, dkim={"domains": domains},
                      http=f"127.0.0.1:{PORT}")
    text = relay.ctl("audit", "--all").stdout
    assert text.count("has no name in the DNS") == 1 and "\nother.test\n" in text
    relay.start()
    until(lambda: [e for e in relay.events("alarm", what="audit") if e["text"].startswith("other.test: ")],
          "the second domain's alarms")
    alarms = [e["text"] for e in relay.events("alarm", what="audit") if ": ptr: " in e["text"]]
    assert len(alarms) == 1 and alarms[0].startswith("relay.example.org: ptr: 127.0.0.1 has no name")
    assert "5.7.25" in alarms[0] and "publish 1.0.0.127.in-addr.arpa: relay.example.org." in alarms[0]
    page = until(lambda: "other.test</h2>" in (t := get("/domains")[2]) and t, "the page")
    assert page.count("has no name in the DNS") == 1 and "receivers answer" in page
    assert page.index("relay.example.org</h2>") < page.index("example.org</h2>", page.index("relay.example.org</h2>") + 20)


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


def put_key(relay, domain, selector):
    folder = os.path.join(relay.path("keys"), domain)
    os.makedirs(folder, exist_ok=True)
    shutil.copy(relay.path(selector + ".pem"), os.path.join(folder, selector + ".pem"))


def test_case_108_keys_of_a_directory(lab, mx):
    relay = lab.relay(dkim={"directory": "keys", "domains": []})
    put_key(relay, "example.org", "r1")
    os.makedirs(relay.path("keys/empty.example"))
    relay.start()
    relay.send("a@dest.test")
    message = mx.wait().data
    assert b"s=r1" in message and b"s=e1" not in message
    put_key(relay, "example.org", "e1")
    relay.reload()
    relay.wait("reload")
    relay.send("b@dest.test")
    message = mx.wait(2)[1].data
    assert b"s=r1" in message and b"s=e1" in message
    assert json.loads(relay.ctl("key", "test", "--json").stdout)[0]["result"] == "same"
    shutil.rmtree(relay.path("keys"))
    assert "cannot be read" in relay.ctl("check", "--offline").stdout


def test_case_99_what_is_signed_and_for_how_long(lab, mx):
    relay = lab.relay(dkim={"headers": ["From", "Subject", "X-Ticket"], "oversign": ["From"], "expire": "7d"}).start()
    relay.send("a@dest.test", lab_letter(more="X-Ticket: 1\r\nTo: x@y.test\r\n"))
    field = mx.wait().data.replace(b"\r\n ", b" ").split(b"\r\n")[0].decode()
    tags = dict(tag.strip().split("=", 1) for tag in field.split(":", 1)[1].split(";"))
    assert tags["h"].replace(" ", "") == "from:from:subject:x-ticket"
    assert int(tags["x"]) - int(tags["t"]) == 7 * 86400
    relay.write(dkim={"headers": ["Subject", "no name"]})
    told = relay.ctl("check", "--offline").stdout
    assert "From has to be signed" in told and "no name of a header field" in told


def test_case_103_key_commands_tell_what_is_wrong(lab):
    relay = lab.relay()
    for more, wrong in ((["--bits", "100"], "1024"), (["--domain", "a b.example"], "a b.example"),
                        (["--selector", "a b"], "a b")):
        done = relay.ctl("key", "new", "--domain", "x.example", "--selector", "s", "--out", "k.pem", *more)
        assert done.returncode == 64 and wrong in done.stderr and not os.path.exists(relay.path("k.pem")), done
    lab.names.remove("e1._domainkey.example.org")
    done = relay.ctl("key", "test", "--json")
    rows = {row["name"]: row["result"] for row in json.loads(done.stdout)}
    assert done.returncode == 1 and rows == {"r1._domainkey.example.org": "same", "e1._domainkey.example.org": "absent"}
