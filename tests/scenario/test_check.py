# SPDX-License-Identifier: ISC
"""`waxwing check`: what an administrator got wrong, told before it hurts."""
import json
import os
import socket

import pytest

from tests.lab.relay import write_private

RECORDS = {"1.0.0.127.in-addr.arpa": {"PTR": ["relay.example.org"]}, "relay.example.org": {"A": ["127.0.0.1"]}}


def check(lab, relay, records=None, status=None):
    """{verdict: texts} of a check against these records."""
    own = {f"{s}._domainkey.example.org": {"TXT": ["v=DKIM1; p="]} for s in ("r1", "e1")}
    names = lab.file("names.json", json.dumps({"records": {**own, **(RECORDS if records is None else records)}}))
    done = relay.ctl("check", "--json", "--dns-file", names)
    if status is not None:
        assert done.returncode == status, done.stdout
    found = json.loads(done.stdout)
    said = {"ok": [], "warning": [], "error": []}
    for finding in found["findings"]:
        said[finding["verdict"]].append(finding["text"])
    assert (len(said["error"]), len(said["warning"])) == (found["errors"], found["warnings"])
    return said


def has(texts, *words):
    return any(all(word in text for word in words) for text in texts)


def test_case_144_senders_accounts_keys_and_certificates(lab):
    relay = lab.relay(senders=[{"user": "app", "from": ["example.org", "*.example.org", "a@elsewhere.test"]},
                               {"user": "ghost", "from": ["*"]}])
    said = check(lab, relay)
    assert has(said["error"], "'ghost' has no account", "waxwing user add ghost")
    assert has(said["warning"], "'postfix' has an account and no row")
    assert has(said["warning"], "mail from elsewhere.test goes out unsigned")
    assert not has(said["warning"], "example.org goes out unsigned") and has(said["ok"], "a certificate is for relay")
    relay.write(hostname="other.example.org")
    assert has(check(lab, relay)["warning"], "no certificate is for other.example.org")


def test_case_144_ports_addresses_and_folders(lab):
    relay = lab.relay(listen=[{"address": "127.0.0.1:587"}, {"address": "192.88.99.7:25"}],
                      delivery={"source": [{"address": "192.88.99.8"}, {"address": "127.0.0.1"}]})
    with socket.create_server(("127.0.0.1", 587)):
        said = check(lab, relay, status=1)
    assert has(said["error"], "127.0.0.1:587", "another program has this port")
    assert has(said["error"], "192.88.99.7:25", "no such address")
    assert has(said["error"], "delivery.source: 192.88.99.8", "no such address")
    assert has(said["ok"], "127.0.0.1 is an address of this machine")
    relay.write(listen=[{"address": "127.0.0.1:587"}], spool=relay.file + "/spool", user="daemon",
                state="state/state.db")
    os.system(f"chown daemon {relay.path('key.pem')} {relay.path('users')} {relay.path('r1.pem')} {relay.path('e1.pem')}")
    said = check(lab, relay)
    assert has(said["error"], "spool: ", "cannot be made", relay.file + " is no directory")
    assert has(said["error"], "state: ", "Permission denied", "mend it with: chown")


def test_case_144_names_that_lead_back(lab):
    relay = lab.relay(delivery={"source": [{"address": "127.0.0.1"}]})
    assert has(check(lab, relay)["ok"], "127.0.0.1 is relay.example.org, and that leads back")
    assert has(check(lab, relay, {})["error"], "127.0.0.1 has no PTR record", "should be relay.example.org")
    astray = {**RECORDS, "relay.example.org": {"A": ["127.0.0.2"]}}
    assert has(check(lab, relay, astray)["error"], "says relay.example.org, and that name does not lead back")
    other = {"1.0.0.127.in-addr.arpa": {"PTR": ["x.test", "host.test"]}, "host.test": {"A": ["127.0.0.9", "127.0.0.1"]}}
    assert has(check(lab, relay, other)["warning"], "is called host.test", "says relay.example.org")


def test_case_144_one_class_of_errors_does_not_hide_the_next(lab):
    relay = lab.relay(listen=[{"address": "192.88.99.7:25"}],
                      senders=[{"user": "app", "from": ["*.b.test"]}, {"user": "ghost", "from": ["example.org"]}])
    write_private(relay.path("r1.pem"), b"no key\n")
    write_private(relay.path("key.pem"), b"no key\n")
    write_private(relay.path("e1.pem"), open(relay.path("e1.pem"), "rb").read())
    os.chmod(relay.path("e1.pem"), 0o644)
    said = check(lab, relay, status=78)
    for name in ("r1.pem", "key.pem"):  # with the place that names it
        assert any(text.startswith(relay.file + ":") and name in text for text in said["error"]), said["error"]
    assert has(said["error"], "e1.pem can be read by everybody", "chmod o=")
    assert has(said["error"], "192.88.99.7:25") and has(said["warning"], "below b.test goes out unsigned")
    assert has(said["error"], "'ghost' has no account")


@pytest.mark.parametrize("make, words", [
    ("echo junk > key.pem", "key.pem holds no private key that can be read"),
    (": > key.pem", "key.pem holds no private key that can be read"),
    ("cp chain.pem key.pem", "key.pem holds no private key that can be read"),
    ("cp key.pem chain.pem", "chain.pem holds no certificate that can be read"),
    (": > chain.pem", "chain.pem holds no certificate that can be read"),
    ("openssl pkey -in key.pem -aes256 -passout pass:x -out k && cat k > key.pem", "key.pem: the key is encrypted"),
    ("openssl ecparam -genkey -name prime256v1 -noout > key.pem", "key.pem: the key does not belong to the certificate in")])
def test_case_198_what_is_wrong_with_a_certificate_is_a_sentence(lab, make, words):
    relay = lab.relay()
    assert os.system(f"cd {relay.folder} && {make}") == 0
    assert has(check(lab, relay, status=78)["error"], relay.file + ":", words)


def test_case_625_a_priority_that_is_not_accepted_is_told_at_the_start(lab):
    relay = lab.relay(delivery={"tls_priority": "NORMAL:+NONSENSE"})
    assert has(check(lab, relay, status=78)["error"], "delivery.tls_priority", "NONSENSE")


def test_case_145_a_start_tells_of_keys_that_everybody_can_read(lab):
    relay = lab.relay(log={"format": "json", "level": "info"})
    os.chmod(relay.path("r1.pem"), 0o644)
    relay.start()
    told = [e for e in relay.events("start") if "can be read by everybody" in e["text"]]
    assert len(told) == 1 and told[0]["level"] == "warning" and "r1.pem" in told[0]["text"]
    assert all(line.startswith("{") for line in relay.process.output().splitlines())
