# SPDX-License-Identifier: ISC
"""What we sign and seal others verify, and what they sign and seal we do: dkimpy, Mail::DKIM, OpenDKIM."""
import base64
import json
import os
import random
import re
import subprocess

import dkim
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
PROGRAM = os.path.abspath(os.environ.get("WAXWING", os.path.join(TREE, "build/dev/waxwing")))
DOMAIN = "example.org"
CANONS = ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"]

DATE = b"Date: Sat, 21 Nov 2026 20:49:00 +0000\r\n"
MESSAGES = {
    "plain": DATE + b"From: Joe <joe@example.org>\r\nTo: a@b.example\r\nSubject: hello\r\n\r\nHello  world \r\n",
    "blank ends": DATE + b"From: joe@example.org\r\nSubject: two  spaces \r\n\r\n x\t y \r\n\r\n\r\n\r\n",
    "empty body": DATE + b"From: joe@example.org\r\nTo: a@b.example\r\n\r\n",
    "folded": DATE + b"From: \"Joe\r\n =?utf-8?q?J=C3=B6?=\" <joe@example.org>\r\nSubject: a\r\n\tfolded\r\n   subject\r\n"
                     b"Received: by x\r\nReceived: by y\r\n\r\n..\r\n.\r\ndots\r\n",
    "eight bit": DATE + "From: joe@example.org\r\nSubject: grüße\r\n\r\nÄöü €\r\n".encode(),
    "many": DATE + b"".join(b"X-Field-%d: %s\r\n" % (i, b"v " * i) for i in range(40))
            + b"From: joe@example.org\r\nReferences: <1@x>\r\n <2@x>\r\nList-Id: <l.example.org>\r\n\r\n"
            + b"".join(b"line %d %s\r\n" % (i, b"z" * (i % 300)) for i in range(3000)),
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The files of two keys and the zone that publishes them."""
    folder = tmp_path_factory.mktemp("keys")
    records = {}
    for name, kind in (("r", "rsa"), ("e", "ed25519")):
        waxwing("key", "new", "--type", kind, "--domain", DOMAIN, "--selector", name, "--out", folder / f"{name}.pem")
        shown = json.loads(waxwing("key", "show", folder / f"{name}.pem", "--domain", DOMAIN, "--selector", name,
                                   "--json"))
        records[shown["name"]] = {"TXT": [shown["record"]]}
    (folder / "zone.json").write_text(json.dumps({"records": records}))
    subprocess.run(["openssl", "rsa", "-traditional", "-in", folder / "r.pem", "-out", folder / "r1.pem"],
                   check=True, capture_output=True)
    made = Keys(folder, records)
    yield made
    made.perl.stdin.close()
    assert made.perl.wait(30) == 0


class Keys:
    def __init__(self, folder, records):
        self.folder, self.records = folder, records
        self.zone = folder / "zone.json"
        self.perl = subprocess.Popen([os.path.join(HERE, "maildkim.pl"), self.zone], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)

    def dns(self, name, timeout=5):
        record = self.records.get(name.decode().rstrip("."))
        return record["TXT"][0].encode() if record else None


def waxwing(*argv, text=b"", rc=0):
    r = subprocess.run([PROGRAM, *map(str, argv)], input=text, capture_output=True, timeout=60, check=False)
    assert r.returncode == rc, (argv, r.returncode, r.stderr.decode())
    return r.stdout


def sign(keys, message, selector="r", canon="relaxed/relaxed"):
    return waxwing("message", "sign", "--domain", DOMAIN, "--selector", selector, "--key",
                   keys.folder / f"{selector}.pem", "--canon", canon, "--full", "-", text=message)


def verify(keys, message):
    return json.loads(waxwing("message", "verify", "--json", "--dns-file", keys.zone, "-", text=message))


def seal(keys, message, rc=0):
    return waxwing("message", "seal", "--domain", DOMAIN, "--selector", "r", "--key", keys.folder / "r.pem",
                   "--authserv-id", "relay.example.org", "--dns-file", keys.zone, "--full", "-", text=message, rc=rc)


def perl(keys, verb, message, cv=""):
    keys.perl.stdin.write(f"{len(message)} {verb} {DOMAIN} r {keys.folder / 'r1.pem'} {cv}\n".encode() + message)
    keys.perl.stdin.flush()
    length = keys.perl.stdout.readline()
    assert length, f"it ended: {keys.perl.wait(30)}"
    return keys.perl.stdout.read(int(length))


def perl_says(keys, verb, message):
    return perl(keys, verb, message).decode().split()[0]


def dkimpy_arc(keys, message):
    return dkim.arc_verify(message, dnsfunc=keys.dns)[0].decode().lower()


def dkimpy_seal(keys, message):
    """dkimpy seals what the one Authentication-Results of its own says."""
    status = dkimpy_arc(keys, message)
    message = re.sub(rb"Authentication-Results: mx.python.example;[^\r]*\r\n", b"", message)
    message = (b"Authentication-Results: mx.python.example; arc=%s; spf=pass smtp.mailfrom=joe@example.org\r\n"
               % status.encode() + message)
    fields = dkim.arc_sign(message, b"r", DOMAIN.encode(), (keys.folder / "r1.pem").read_bytes(),
                           b"mx.python.example", include_headers=[b"from", b"to", b"subject"])
    return b"".join(fields) + message


def opendkim(keys, message, tmp_path, mode, canon="relaxed/relaxed"):
    """What OpenDKIM's filter would do with a message: the headers it inserts, in its test mode."""
    public, config, mail = tmp_path / "keys", tmp_path / "opendkim.conf", tmp_path / "mail"
    public.write_text("".join(f"{name} {record['TXT'][0]}\n" for name, record in keys.records.items()))
    signing = (f"Domain {DOMAIN}\nSelector r\nKeyFile {keys.folder}/r.pem\nCanonicalization {canon}\n"
               "SignatureAlgorithm rsa-sha256\nInternalHosts 0.0.0.0/0\n")
    config.write_text(f"TestPublicKeys {public}\nMode {mode}\nSocket local:{tmp_path}/socket\nUserID root\n"
                      "RequireSafeKeys no\n" + (signing if mode == "s" else ""))
    mail.write_bytes(message)
    r = subprocess.run(["opendkim", "-x", config, "-t", mail, "-v", "-v"], capture_output=True, timeout=60, check=False)
    return (r.stdout + r.stderr).decode()


def opendkim_signs(keys, message, tmp_path, canon):
    said = opendkim(keys, message, tmp_path, "s", canon)
    value = re.search(r"hname='DKIM-Signature' hvalue='([^']*)'", said)
    assert value, said
    return b"DKIM-Signature: " + value[1].strip().replace("\n", "\r\n").encode() + b"\r\n" + message


@pytest.mark.parametrize("name", MESSAGES)
def test_they_verify_what_we_sign(keys, name, tmp_path):
    for canon in CANONS:
        for selector in "re":
            message = sign(keys, MESSAGES[name], selector, canon)
            assert dkim.verify(message, dnsfunc=keys.dns), (canon, selector)
            if selector == "r":
                assert perl_says(keys, "verify", message) == "pass", canon
                assert "dkim=pass" in opendkim(keys, message, tmp_path, "v"), canon


def test_they_refuse_what_was_changed(keys, tmp_path):
    message = sign(keys, MESSAGES["plain"]).replace(b"hello", b"jello")
    assert not dkim.verify(message, dnsfunc=keys.dns)
    assert perl_says(keys, "verify", message) == "fail"
    assert "dkim=fail" in opendkim(keys, message, tmp_path, "v")


@pytest.mark.parametrize("name", MESSAGES)
def test_we_verify_what_they_sign(keys, name, tmp_path):
    message = MESSAGES[name]
    for canon in CANONS:
        pair = tuple(c.encode() for c in canon.split("/"))
        signature = dkim.sign(message, b"r", DOMAIN.encode(), (keys.folder / "r1.pem").read_bytes(), canonicalize=pair)
        signed = {"dkimpy": signature + message, "Mail::DKIM": perl(keys, "sign", message, canon),
                  "OpenDKIM": opendkim_signs(keys, message, tmp_path, canon)}
        for who, text in signed.items():
            found = verify(keys, text)["dkim"]
            assert [f["result"] for f in found] == ["pass"], (who, canon, found)
            assert [f["result"] for f in verify(keys, text.replace(b"joe@", b"jim@"))["dkim"]] == ["fail"], who


def test_we_verify_their_ed25519(keys):
    raw = subprocess.run(["openssl", "pkey", "-in", keys.folder / "e.pem", "-outform", "DER"], check=True,
                         capture_output=True).stdout[-32:]
    signature = dkim.sign(MESSAGES["plain"], b"e", DOMAIN.encode(), base64.b64encode(raw),
                          signature_algorithm=b"ed25519-sha256")
    assert [f["result"] for f in verify(keys, signature + MESSAGES["plain"])["dkim"]] == ["pass"]


@pytest.mark.parametrize("name", MESSAGES)
def test_five_hops_of_changing_makers(keys, name):
    """Each hop is sealed by one of the three; after each all three agree that the chain passes."""
    makers = {"us": lambda m: seal(keys, m), "dkimpy": lambda m: dkimpy_seal(keys, m),
              "Mail::DKIM": lambda m: perl(keys, "seal", ar(m), "pass" if b"ARC-Seal" in m else "none")}
    order = random.Random(name)
    for first in makers:
        message, path = MESSAGES[name], []
        for hop in range(1, 6):
            path.append(first if hop == 1 else order.choice(sorted(makers)))
            message = makers[path[-1]](message)
            arc = verify(keys, message)["arc"]
            assert (arc["cv"], arc["instances"], arc["oldest_pass"]) == ("pass", hop, 0), (path, arc)
            assert dkimpy_arc(keys, message) == "pass", path
            assert perl_says(keys, "validate", message) == "pass", path


def ar(message):
    return b"Authentication-Results: mx.perl.example; spf=pass smtp.mailfrom=joe@example.org\r\n" + message


def test_a_failing_chain_fails_for_all_and_is_closed_once(keys):
    message = seal(keys, seal(keys, MESSAGES["plain"]))
    changed = message.replace(b"hello", b"jello")
    assert verify(keys, changed)["arc"]["cv"] == "fail"
    assert dkimpy_arc(keys, changed) == "fail"
    assert perl_says(keys, "validate", changed) == "fail"
    closed = seal(keys, changed)
    assert re.search(rb"ARC-Seal:[^:]*cv=fail", closed)
    assert verify(keys, closed)["arc"]["cv"] == "fail"
    assert perl_says(keys, "validate", closed) == "fail"
    assert seal(keys, closed, rc=1) == b""
    # The other way round: they close, we add nothing.
    theirs = perl(keys, "seal", ar(changed), "fail")
    assert verify(keys, theirs)["arc"]["cv"] == "fail"
    assert seal(keys, theirs, rc=1) == b""


def test_a_torn_chain_fails_for_all(keys):
    message = seal(keys, seal(keys, MESSAGES["plain"]))
    for torn in (message.replace(b"ARC-Message-Signature", b"X-Gone", 1), message.replace(b"cv=pass", b"cv=none", 1),
                 message.replace(b"i=2; relay", b"i=2; other", 1)):
        assert verify(keys, torn)["arc"]["cv"] == "fail"
        assert dkimpy_arc(keys, torn) == "fail"
        assert perl_says(keys, "validate", torn) == "fail"


def test_our_own_claims_are_left_out_of_what_is_sealed(keys):
    forged = b"Authentication-Results: relay.example.org; dkim=pass header.d=bank.example\r\n"
    sealed = seal(keys, forged + MESSAGES["plain"])
    assert b"bank.example" not in sealed
    assert verify(keys, sealed)["arc"]["cv"] == "pass"


# Of a process of its own: what a fork of this one held before exec would count as the program's.
MEASURE = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
print(os.wait4(child.pid, 0)[2].ru_maxrss)
"""


def test_a_large_message_streams(keys, tmp_path):
    """50 MB under five signatures: read once, in the memory of a small one."""
    body = (b"0123456789 abcdefghijklmnopqrstuvwxyz \t ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n" * 15000)
    header = b"From: joe@example.org\r\nTo: a@b.example\r\nSubject: large\r\n\r\n"
    peaks = []
    for copies in (1, 50):
        plain = header + body * copies
        fields = [waxwing("message", "sign", "--domain", DOMAIN, "--selector", s, "--key", keys.folder / f"{s}.pem",
                          "--canon", c, "-", text=plain)
                  for s, c in (("r", CANONS[0]), ("r", CANONS[1]), ("r", CANONS[2]), ("r", CANONS[3]), ("e", CANONS[3]))]
        mail = tmp_path / "large"
        mail.write_bytes(b"".join(fields) + plain)
        said = subprocess.run(["/usr/bin/python3", "-c", MEASURE, PROGRAM, "message", "verify", "--json", "--dns-file",
                               keys.zone, mail], capture_output=True, timeout=300, check=True).stdout.splitlines()
        assert [f["result"] for f in json.loads(said[0])["dkim"]] == ["pass"] * 5
        peaks.append(int(said[1]))
        mail.unlink()
    assert peaks[1] < peaks[0] + 8192, peaks  # KiB
