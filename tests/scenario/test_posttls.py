# SPDX-License-Identifier: ISC
"""posttls-finger, Postfix's own eye, beside `waxwing explain --connect`: at the dane and secure levels both say
the same of good and of bad hosts."""
import json
import os
import random

import pytest

from tests.lab.pki import Authority, pem, self_signed
from tests.lab.policyhost import policy
from tests.lab.process import run
from tests.lab.relay import PROGRAM


def finger(lab, level, domain, *match):
    """True when Postfix calls the connection verified."""
    folder = lab.folder("finger")
    with open(os.path.join(folder, "main.cf"), "w", encoding="ascii") as f:
        f.write("compatibility_level = 3.6\nmyhostname = finger.example.org\ninet_protocols = ipv4\n"
                "smtp_dns_support_level = dnssec\n")
    done = run(["posttls-finger", "-c", "-t", "10", "-T", "10", "-L", "summary", "-l", level, "-F", lab.ca.file,
                domain, *match], env=dict(os.environ, MAIL_CONFIG=folder), timeout=60)
    told = done.stdout + done.stderr
    print(told)
    return "Verified TLS connection established" in told


def explained(relay, domain):
    """What `explain --connect` says of the first host: (demand, result, proof, type)."""
    told = json.loads(run([PROGRAM, "-c", relay.file, "explain", domain, "--connect", "--json"],
                          timeout=60).stdout)
    look = (told.get("connect") or [{}])[0]
    print(told)
    return told["mx"][0]["demand"], look.get("result"), look.get("proof"), look.get("type")


def chained(authority, leaf):
    with open(leaf.chain_file, "ab") as f, open(authority.file, "rb") as ca:
        f.write(ca.read())
    return leaf


def dane_hosts(lab):
    """kind -> (certificate, TLSA texts, is it good)."""
    private = Authority(lab.ca.folder, "Private CA")
    ours = self_signed(lab.ca.folder, "whatever.invalid")
    old = self_signed(lab.ca.folder, "whatever.invalid", days=(-30, -2))
    below = chained(private, private.leaf("mx.dest.test"))
    named = chained(private, private.leaf("other.test"))
    late = chained(private, private.leaf("mx.dest.test", days=(-9, -1)))
    evil = chained(private, Authority(lab.ca.folder, "Evil CA").leaf("mx.dest.test"))
    anchor = [private.certificate.tlsa(2, 0, 1)]
    return {"ee": (ours, [ours.tlsa()], True), "ee, expired": (old, [old.tlsa()], True),
            "ee, whole": (ours, [ours.tlsa(3, 0, 2)], True),
            "ee, wrong": (ours, ["3 1 1 " + "0" * 64], False),
            "ee, wrong beside right": (ours, ["3 1 1 " + "0" * 64, ours.tlsa()], True),
            "ta": (below, anchor, True), "ta, key": (below, [private.certificate.tlsa(2, 1, 1)], True),
            "ta, name": (named, anchor, False), "ta, expired": (late, anchor, False),
            "ta, stranger": (evil, anchor, False)}


KINDS = ["ee", "ee, expired", "ee, whole", "ee, wrong", "ee, wrong beside right", "ta", "ta, key", "ta, name",
         "ta, expired", "ta, stranger"]


@pytest.mark.parametrize("kind", KINDS)
def test_dane_as_postfix_sees_it(lab, kind):
    certificate, records, good = dane_hosts(lab)[kind]
    mx = lab.mx("mx.dest.test", domains="dest.test", tls=certificate)
    lab.names.add("_25._tcp.mx.dest.test", "TLSA", *records)
    lab.names.secure("dest.test", "mx.dest.test", "_25._tcp.mx.dest.test")
    relay = lab.relay()
    demand, result, proof, kind_of_failure = explained(relay, "dest.test")
    assert demand == "dane" and (result == "proved") == good
    assert proof.startswith("dane-") == good and bool(kind_of_failure) != good
    assert finger(lab, "dane", "dest.test") == good
    assert not mx.seen


def small_world(lab):
    """Certificates by name; a cross-signed twin has the key and subject of its original, another issuer."""
    folder = lab.ca.folder
    root, old = Authority(folder, "Matrix Root"), Authority(folder, "Matrix Old Root")
    sub = Authority(folder, "Matrix Sub", parent=root)

    def twin(authority):
        return old._sign(f"twin{random.random()}", authority.name, authority.certificate.key, [], ca=True,
                         issuer=old.certificate)
    return {"root": root.certificate, "old": old.certificate, "sub": sub.certificate, "root'": twin(root),
            "sub'": twin(sub), "leaf": sub.leaf("mx.dest.test"), "lone": self_signed(folder, "mx.dest.test")}


CHAINS = ["leaf", "leaf sub", "leaf sub root", "leaf sub root'", "leaf sub root' old", "leaf sub' old",
          "leaf sub sub' root old", "lone"]
SIGNER = {"root": "root", "root'": "old", "old": "old", "sub": "root", "sub'": "old", "leaf": "sub"}


def must_hold(chain, usage, selector, matching, target):
    """From who signed whom alone."""
    def key(name):
        return name.rstrip("'")
    if usage == 3:
        return key(target) == key(chain[0]) if selector else target == chain[0]
    if chain[0] == "lone":
        return target == "lone"
    reached = {SIGNER[chain[0]]}
    for _ in chain:
        reached |= {SIGNER[c] for c in chain[1:] if key(c) in reached}
    there = any(key(c) == key(target) if selector else c == target for c in chain)
    return (there or matching == 0) and key(target) in reached


@pytest.mark.parametrize("part", range(4))
def test_case_75_anchors_anywhere_in_the_chain_as_postfix_sees_them(lab, part):
    """A sample, drawn anew each time, of what tests/unit/test_dane_matrix.c tries as a whole."""
    seed = int(os.environ.get("LAB_SEED", 0)) or random.SystemRandom().getrandbits(32)
    print("LAB_SEED =", seed)
    chance = random.Random(seed)
    world = small_world(lab)
    relay, mx = lab.relay(), None
    for _ in range(6):
        chain = chance.choice(CHAINS).split()
        usage, selector, matching = chance.choice([2, 2, 2, 3]), chance.choice([0, 1]), chance.choice([0, 1, 2])
        target = chance.choice(chain * 3 + list(world))
        record = world[target].tlsa(usage, selector, matching)
        told = f"{chain} {usage} {selector} {matching} of {target}"
        with open(world[chain[0]].chain_file, "wb") as f:
            f.write(b"".join(pem(world[c].certificate) for c in chain))
        if mx:
            mx.close()
        mx = lab.mx("mx.dest.test", domains="dest.test", tls=world[chain[0]])
        lab.names.set("_25._tcp.mx.dest.test", "TLSA", record)
        lab.names.secure("dest.test", "mx.dest.test", "_25._tcp.mx.dest.test")
        good = must_hold(chain, usage, selector, matching, target)
        assert (explained(relay, "dest.test")[1] == "proved") == good, told
        if (chain[0], usage) == ("lone", 2):
            continue  # the next story
        seen = finger(lab, "dane", "dest.test")
        # OpenSSL follows the first issuer it finds; with a certificate and its twin in the chain it may miss the anchor.
        two_roads = any(c + "'" in chain for c in chain)
        assert seen == good or (two_roads and good), told


def test_case_75_a_self_signed_leaf_is_its_own_anchor(lab):
    """OpenSSL, which Postfix asks, looks for a DANE-TA record behind the leaf alone, or for a bare key that signed it;
    here the leaf that signed itself counts by any record that names it."""
    lone = self_signed(lab.ca.folder, "mx.dest.test")
    relay = lab.relay()
    lab.mx("mx.dest.test", domains="dest.test", tls=lone)
    for selector in (0, 1):
        for matching in (0, 1, 2):
            lab.names.set("_25._tcp.mx.dest.test", "TLSA", lone.tlsa(2, selector, matching))
            lab.names.secure("dest.test", "mx.dest.test", "_25._tcp.mx.dest.test")
            assert explained(relay, "dest.test")[1:3] == ("proved", "dane-ta"), (selector, matching)
            assert finger(lab, "dane", "dest.test") == ((selector, matching) == (1, 0)), (selector, matching)


@pytest.mark.parametrize("kind,good", [("good", True), ("self-signed", False), ("expired", False),
                                       ("wrong-name", False), ("untrusted", False), (None, False)])
def test_secure_as_postfix_sees_it(lab, kind, good):
    mx = lab.mx("mx.dest.test", domains="dest.test", tls=kind)
    lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    relay = lab.relay()
    demand, result, _, kind_of_failure = explained(relay, "dest.test")
    assert demand == "webpki" and (result == "proved") == good and bool(kind_of_failure) != good
    assert finger(lab, "secure", "dest.test", "mx.dest.test") == good
    assert not mx.seen


def test_a_host_that_policy_refuses_is_not_called_proved(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    lab.policy_host("dest.test", body=policy(mx=["elsewhere.test"]))
    demand, result, _, kind = explained(lab.relay(), "dest.test")
    assert (demand, result, kind) == ("refuse", "failed", "validation-failure")


def test_what_is_only_watched_is_told(lab):
    lab.mx("mx.dest.test", domains="dest.test", tls="self-signed")
    lab.policy_host("dest.test", body=policy("testing", ["mx.dest.test"]))
    relay = lab.relay()
    told = json.loads(run([PROGRAM, "-c", relay.file, "explain", "dest.test", "--connect", "--json"],
                          timeout=60).stdout)
    look = told["connect"][0]
    assert look["result"] == "proved" and look["watched"]["type"] == "certificate-not-trusted"


def explain(relay, *more):
    done = run([PROGRAM, "-c", relay.file, "explain", "dest.test", *more], timeout=60)
    print(done.stdout, done.stderr)
    return done.returncode, done.stdout


def test_case_88_connect_decides_the_verdict(lab):
    """The plan is sound; what the host shows is not."""
    mx = lab.mx("mx.dest.test", domains="dest.test", tls="expired")
    lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    relay = lab.relay()
    assert explain(relay)[0] == 0
    status, told = explain(relay, "--connect")
    assert status == 75 and told.startswith("dest.test: mail would WAIT") and "expired" in told.split("MX")[0]
    assert json.loads(explain(relay, "--connect", "--json")[1])["verdict"] == "defer"
    mx.certificate = lab.certificate("good", "mx.dest.test")
    assert explain(relay, "--connect")[0] == 0
    mx.close()
    status, told = explain(relay, "--connect")
    assert status == 75 and "WAIT" in told


def test_case_88_fresh_failures_are_told_beside_the_plan(lab):
    """What stands in the way is not in any record: mail waits, and the plan alone would say it goes."""
    lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "451 4.3.0 come back later")
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    status, told = explain(relay)
    told = " ".join(told.split())
    assert status == 0 and "1 message waits after being put off" in told and "come back later" in told
    told = json.loads(explain(relay, "--json")[1])
    assert told["verdict"] == "deliver" and told["waiting"]["recipients"] == 1


def test_case_88_fresh_tls_failures_too(lab):
    lab.mx("mx.dest.test", domains="dest.test", tls="self-signed")
    lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    told = explain(relay)[1]
    assert "1 message waits" in told and "TLS failures of the last hour" in told
    assert "certificate-not-trusted" in told
