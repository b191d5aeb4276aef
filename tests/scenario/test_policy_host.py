# SPDX-License-Identifier: ISC
"""Policy hosts as enemies: what their certificates must prove, what they may cost, whom they may delay."""
import json
import os
import random

import pytest

from tests.lab.pki import Authority, large_key
from tests.lab.policyhost import policy
from tests.lab.process import must
from tests.lab.wait import until

HERE = os.path.dirname(os.path.abspath(__file__))


def get(relay, domain="dest.test"):
    """(exit, answer) of `waxwing sts get`."""
    done = relay.ctl("sts", "get", domain, "--json")
    print(done.stdout, done.stderr)
    return done.returncode, json.loads(done.stdout)


def host(lab, certificate=None, domain="dest.test", **more):
    lab.mx("mx." + domain, domains=domain)
    web = lab.policy_host(domain, body=policy(mx=["mx." + domain]), **more)
    if certificate:
        web.certificate = certificate
    return web


@pytest.mark.parametrize("kind,word", [("expired", "expired at"), ("wrong-name", "not for mta-sts.dest.test"),
                                       ("untrusted", "not trusted"), ("self-signed", "not trusted")])
def test_case_76_each_fault_of_a_certificate_is_told(lab, kind, word):
    web = host(lab, tls=kind)
    status, told = get(lab.relay())
    assert status == 1 and told["type"] == "sts-webpki-invalid" and word in told["error"]
    assert not web.requests  # nothing is asked of a host that is not the right one


def test_case_76_a_common_name_is_no_name(lab):
    web = host(lab)
    web.certificate = lab.ca.leaf("mta-sts.dest.test", sans=False)
    status, told = get(lab.relay())
    assert status == 1 and "does not count" in told["error"] and not web.requests
    web.certificate = lab.ca.leaf("mta-sts.dest.test", cn="another.test")
    assert get(lab.relay())[0] == 0


def test_case_76_no_store_but_the_configured_one_counts(lab):
    """An authority that the system trusts, and the operator does not."""
    other = Authority(lab.ca.folder, "System CA")
    system = lab.folder("system-certs")
    for name in ("ca-certificates.crt", "4711.0", "system.pem"):
        with open(other.file, "rb") as f, open(os.path.join(system, name), "wb") as to:
            to.write(f.read())
    must(["mount", "--bind", system, "/etc/ssl/certs"])
    lab.at_end(lambda: must(["umount", "/etc/ssl/certs"]))
    host(lab, other.leaf("mta-sts.dest.test"))
    status, told = get(lab.relay())
    assert status == 1 and "not trusted" in told["error"]


def test_case_77_a_reload_reaches_the_store_of_policy_hosts(lab):
    other = Authority(lab.ca.folder, "Other CA")
    mx = lab.mx("mx.dest.test", domains="dest.test", tls="self-signed")
    web = host(lab, other.leaf("mta-sts.dest.test"), "other.test")
    web = lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    web.certificate = other.leaf("mta-sts.dest.test")
    relay = lab.relay().start()
    assert "not trusted" in relay.ctl("tls", "refresh", "other.test").stdout
    relay.write(delivery={"ca_file": other.file})
    relay.reload()
    relay.send("a@dest.test")
    assert relay.wait("tls-refused")["source"] == "mta-sts"
    assert not mx.seen


def test_case_78_hosts_that_hang_delay_nobody_else(lab):
    """More of them than may run at once, wherever they stand."""
    for n in range(40):
        lab.mx(f"mx.slow{n}.test", domains=f"slow{n}.test")
        lab.policy_host(f"slow{n}.test", body=policy(mx=["x.test"])).hang = True
    host(lab)
    relay = lab.relay().start()
    for n in range(40):
        relay.send(f"a@slow{n}.test")
    until(lambda: relay.json("queue", "list"), what="they are in the queue")
    relay.send("a@dest.test")
    assert relay.wait("delivered", to="a@dest.test")["source"] == "mta-sts"
    assert len(relay.events("delivered")) == 1


def test_case_78_nor_those_who_share_their_address(lab):
    names = ["mta-sts.dest.test"] + [f"mta-sts.slow{n}.test" for n in range(6)]
    web = host(lab, lab.ca.leaf(*names))
    web.hang = lambda request: "mta-sts.slow" in request
    for n in range(6):
        lab.mx(f"mx.slow{n}.test", domains=f"slow{n}.test")
        lab.names.set(f"mta-sts.slow{n}.test", "A", web.address)
        lab.names.set(f"_mta-sts.slow{n}.test", "TXT", "v=STSv1; id=1;")
    relay = lab.relay().start()
    for n in range(6):
        relay.send(f"a@slow{n}.test")
    until(lambda: len(web.requests) >= 2, relay.told)
    relay.send("a@dest.test")
    assert relay.wait("delivered", to="a@dest.test")["source"] == "mta-sts"
    assert len(relay.events("delivered")) == 1


def test_case_79_a_hostile_key_costs_no_arithmetic(lab):
    key = large_key(os.path.join(HERE, "..", "unit", "data", "rsa-8448.key"))
    web = host(lab, lab.ca.leaf("mta-sts.dest.test", key=key))
    status, told = get(lab.relay())
    assert status == 75 and not web.requests and "gnutls_handshake" in told["error"]


def test_case_79_an_answer_that_is_no_http_proves_nothing(lab):
    web = host(lab)
    web.raw = policy(mx=["mx.dest.test"]).encode()
    status, told = get(lab.relay())
    assert status == 75 and told["type"] == "sts-policy-fetch-error"


def answer(body, status="200 OK", type="text/plain", more=()):
    head = [f"HTTP/1.1 {status}", f"Content-Type: {type}", *more]
    if not any(m.startswith(("Content-Length", "Transfer-Encoding")) for m in more):
        head.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


# Each takes (policy host, body, other header lines) and changes what is answered; two of them at once.
FAULTS = {
    "status": lambda w, a: a.update(status="503 No"), "redirect": lambda w, a: a.update(
        status="302 There", more=a["more"] + ["Location: https://mta-sts.dest.test/other"]),
    "type": lambda w, a: a.update(type="text/html"), "no type": lambda w, a: a.update(type=""),
    "gzip": lambda w, a: a.update(more=a["more"] + ["Content-Encoding: gzip"]),
    "negative length": lambda w, a: a.update(more=["Content-Length: -5"]),
    "two lengths": lambda w, a: a.update(more=["Content-Length: 5", "Content-Length: 50"]),
    "too long a length": lambda w, a: a.update(more=["Content-Length: 999999999999"]),
    "chunk of a terabyte": lambda w, a: a.update(more=["Transfer-Encoding: chunked"],
                                                 body=b"FFFFFFFFFF\r\n" + a["body"]),
    "chunk that is none": lambda w, a: a.update(more=["Transfer-Encoding: chunked"], body=b"zz\r\n" + a["body"]),
    "large": lambda w, a: a.update(body=a["body"] + b"x: " + b"y" * 70000),
    "header without end": lambda w, a: a.update(more=a["more"] + ["X-%d: %s" % (n, "y" * 1000) for n in range(200)]),
    "a hundred continues": lambda w, a: setattr(w, "before", b"HTTP/1.1 100 Continue\r\n\r\n" * 3000),
    "zeros": lambda w, a: a.update(body=a["body"].replace(b"mode", b"mo\0de")),
    "other encoding": lambda w, a: a.update(body=a["body"].decode().encode("utf-16")),
    "no mode": lambda w, a: a.update(body=a["body"].replace(b"mode", b"mood")),
    "flood": lambda w, a: setattr(w, "flood", b"\x1b[31m" * 3000),
    "slow": lambda w, a: setattr(w, "pause", 0.0002), "cut off": lambda w, a: a.update(cut=True),
    "expired": lambda w, a: setattr(w, "certificate", w.lab_certificate("expired")),
    "another name": lambda w, a: setattr(w, "certificate", w.lab_certificate("wrong-name")),
}


def test_case_90_two_faults_at_once_never_make_a_policy(lab):
    """Whatever two of them come together: no policy, a reason with its type, and no harm."""
    seed = int(os.environ.get("LAB_SEED", 0)) or random.SystemRandom().getrandbits(32)
    print("LAB_SEED =", seed)
    chance = random.Random(seed)
    web = host(lab)
    web.lab_certificate = lambda kind: lab.certificate(kind, "mta-sts.dest.test")
    sound, relay = web.certificate, lab.relay().start()
    for _ in range(25):
        chosen = chance.sample(sorted(FAULTS), 2)
        print(chosen)
        web.certificate, web.pause, web.flood, web.before = sound, 0.0, None, b""
        said = {"body": policy(mx=["mx.dest.test"]).encode(), "status": "200 OK", "type": "text/plain", "more": [],
                "cut": False}
        for fault in chosen:
            FAULTS[fault](web, said)
        cut = said.pop("cut")
        web.raw = web.before + answer(**said)
        web.raw = web.raw[:len(web.raw) // 2] if cut else web.raw
        status, told = get(relay)
        if status == 0:  # borne: what was sent is the policy all the same
            assert told["mode"] == "enforce" and set(chosen) <= {"slow", "flood", "gzip"}, told
        else:
            assert status in (1, 75) and told["error"] and told["type"].startswith("sts-"), told
    web.certificate, web.pause, web.flood, web.raw = sound, 0.0, None, None
    web.body = policy("testing", ["elsewhere.test"])
    relay.send("a@dest.test")
    relay.wait("delivered", to="a@dest.test")
    assert "testing" in relay.ask("tls", "policies")
