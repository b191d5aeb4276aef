# SPDX-License-Identifier: ISC
"""The relay's own domains as receivers see them: audits, and keys that nobody finds."""
import json
import os
import shutil

import pytest

from tests.lab.relay import letter as lab_letter
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
