# SPDX-License-Identifier: ISC
"""Each failure made for real, and what is said of it held against the catalogue (relay/base/reasons.def): the name and
who must act in the log, the evidence in the sentence, the same name in the reply, the report to the sender and `explain`."""
import json
import os
import re
import socket

import pytest

from tests.lab.client import Client
from tests.lab.mx import CLOSE, HANG
from tests.lab.policyhost import policy
from tests.lab.relay import letter, write_private
from tests.lab.wait import until

# --- what clients are told: (reason, how it is provoked, what the reply says) ---


def mail(relay, line, login=True, **more):
    with relay.client(login=login, **more) as client:
        if not login:
            client.ehlo()
        return client.cmd(line)


def rcpt(relay, line, more=""):
    with relay.client() as client:
        client.expect(250, "MAIL FROM:<app@example.org>" + more)
        return client.cmd(line)


def body(relay, text, **more):
    return relay.submit("a@dest.test", text, **more)


def starttls(relay, line):
    with relay.client(login=False) as client:
        client.ehlo()
        client.starttls()
        return client.cmd(line)


def forwarded(relay, sender, message):
    with relay.client(user="forward") as client:
        client.expect(250, "XFORWARD ADDR=203.0.113.9 NAME=out.test HELO=out.test SOURCE=REMOTE")
        client.envelope(sender, "a@dest.test")
        return client.data(message)


def field(text):
    return letter().replace(b"From: app@example.org\r\n", text)


def over(relay, line, times, user):
    with relay.client(user=user) as client:
        for _ in range(times):
            reply = client.cmd(line)
            if reply.code != 250:
                break
            client.cmd("RSET")
    return reply


FOREIGN = letter(sender="stranger@foreign.test")
REFUSED = [
    ("starttls-required", lambda r: mail(r, "MAIL FROM:<app@example.org>", login=False), "STARTTLS"),
    ("auth-required", lambda r: starttls(r, "MAIL FROM:<app@example.org>"), "Authentication"),
    ("no-sender-row", lambda r: over(r, "MAIL FROM:<app@example.org>", 1, "nobody"), "nobody"),
    ("sender-not-own", lambda r: mail(r, "MAIL FROM:<x@other.test>"), "x@other.test"),
    ("from-not-own", lambda r: body(r, letter(sender="x@other.test")), "x@other.test"),
    ("rate-messages", lambda r: over(r, "MAIL FROM:<app@example.org>", 3, "few"), "few"),
    ("rate-recipients", lambda r: recipients(r, 3, "fewer"), "fewer"),
    ("command-path", lambda r: mail(r, "MAIL <app@example.org>"), "FROM:"),
    ("address-syntax", lambda r: rcpt(r, "RCPT TO:<a b@dest.test>"), "address"),
    ("sender-syntax", lambda r: mail(r, "MAIL FROM:<postmaster>"), "domain"),
    ("parameter-unknown", lambda r: mail(r, "MAIL FROM:<app@example.org> SOLVE=x"), "SOLVE"),
    ("parameter-bad", lambda r: mail(r, "MAIL FROM:<app@example.org> SIZE=x"), "SIZE"),
    ("smtputf8-needed", lambda r: rcpt(r, "RCPT TO:<jos\u00e9@dest.test>"), "SMTPUTF8"),
    ("address-literal", lambda r: rcpt(r, "RCPT TO:<a@[192.0.2.1]>"), "[192.0.2.1]"),
    ("too-many-recipients", lambda r: recipients(r, 4), "recipients"),
    ("message-too-large", lambda r: mail(r, "MAIL FROM:<app@example.org> SIZE=99999999"), "1048576"),
    ("header-too-large", lambda r: body(r, letter(more="X-Large: " + "x " * 20000 + "\r\n")), "32768"),
    ("bare-line-end", lambda r: body(r, letter(body=b"a\rb\r\n")), "RFC 5321"),
    ("line-too-long", lambda r: body(r, letter(body=b"x" * 1500 + b"\r\n"), user="strict"), "1500"),
    ("from-missing", lambda r: body(r, field(b"")), "no From"),
    ("from-twice", lambda r: body(r, field(b"From: app@example.org\r\nFrom: app@example.org\r\n")), "more than one"),
    ("from-unreadable", lambda r: body(r, field(b"From: app@\r\n")), "not a list"),
    ("from-empty", lambda r: body(r, field(b"From: \r\n")), "empty"),
    ("from-group", lambda r: body(r, field(b"From: all:;\r\n")), "group"),
    ("header-line", lambda r: body(r, letter(more="what is this\r\n")), "what is this"),
    ("mail-loop", lambda r: body(r, letter(more="Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n" * 120)), "loop"),
    ("key-missing", lambda r: body(r, letter(sender="a@nokey.test"), user="strict", sender="a@nokey.test"), "nokey.test"),
    ("dmarc-fails", lambda r: forwarded(r, "a@strictly.test", letter(sender="a@strictly.test")), "strictly.test"),
    ("origin-not-shown", lambda r: forwarded(r, "a@strictly.test", letter()), "forward"),
]


def recipients(relay, number, user="app"):
    with relay.client(user=user) as client:
        client.expect(250, "MAIL FROM:<app@example.org>")
        for n in range(number):
            reply = client.cmd(f"RCPT TO:<a{n}@dest.test>")
    return reply


def catalogue(relay):
    return {row["why"]: row for row in relay.json("why")}


def fits(row, text, reason_of=re.compile(r"[A-Z][A-Z]+\b")):
    """The sentence as it was said has the row's words between its evidence."""
    parts = [re.escape(p) for p in reason_of.split(row["sentence"])]
    return re.search(".*".join(p for p in parts if p.strip("\\ ")), text.replace("\\", "")) is not None



# A setting of seconds where RFC 5321 has minutes is ours to mend.
BY_SETTING = {"host-silent": "us"}


def check_line(row, line):
    assert line["why"] == row["why"] and line["reason"], (row, line)
    assert line["status"][2:] == row["status"][2:] or line.get("reply"), (row, line)
    if not line.get("reply"):
        assert line["act"] == BY_SETTING.get(row["why"], row["act"]), (row, line)


def test_each_refusal_of_a_client_has_its_name_and_its_evidence(lab):
    lab.names.add("strictly.test", "MX", "10 mx.strictly.test.")
    lab.names.add("_dmarc.strictly.test", "TXT", "v=DMARC1; p=reject; adkim=s; aspf=s")
    lab.names.add("strictly.test", "TXT", "v=spf1 -all")
    relay = lab.relay(limits={"message_size": "1MiB", "header_size": "32KiB", "recipients": 3}, auth={"failures": 100},
                      arc={"domain": "example.org", "selector": "r1", "file": "r1.pem"})
    lab.names.set("_dmarc.example.org", "TXT", "v=DMARC1; p=reject")
    users = {"nobody": None, "few": {"limits": {"messages": "1/h"}}, "fewer": {"limits": {"recipients": "1/h"}}, "strict": {"require_signature": True, "from": ["example.org", "nokey.test"],
             "long_lines": "refuse"}, "forward": {"forward": True, "xforward": True, "on_dmarc_fail": "refuse"}}
    rows = list(relay.config["senders"])
    for user, row in users.items():
        relay.set_user(user, relay.password)
        if row is not None:
            rows.append({"user": user, "from": ["example.org"], **row})
    relay.write(senders=rows).start()
    known, bad = catalogue(relay), []
    for name, provoke, evidence in REFUSED:
        before = len(relay.events("refuse"))
        reply = provoke(relay)
        lines = until(lambda: relay.events("refuse")[before:], lambda: f"{name}: {reply}; {relay.told()}")
        said = " ".join(reply.lines)
        if reply.code < 400 or evidence not in said:
            bad.append((name, said))
        elif lines[-1].get("why") != name:
            bad.append((name, lines[-1]))
        else:
            check_line(known[name], lines[-1])
    assert not bad, bad


# --- what happens to mail on its way ---

class Case:
    """`make(lab, case)` builds the fault for case.domain and may return the case's row of delivery.destinations."""

    def __init__(self, why, make, evidence="", mail="", message=None, local="a"):
        self.why, self.make, self.evidence, self.mail, self.message = why, make, evidence, mail, message
        self.domain = why + ".test"
        self.host, self.to = "mx." + self.domain, f"{local}@{self.domain}"
        self.rule = None

    def build(self, lab):
        self.rule = self.make(lab, self)
        if self.rule is not None:
            self.rule = {"domain": self.domain, **self.rule}


def host(tls="good", rule=None, secure=False, tlsa=None, **steps):
    """An MX host that answers so at these steps."""
    def make(lab, case):
        mx = lab.mx(case.host, tls=tls(lab, case) if callable(tls) else tls, domains=case.domain)
        if "dot" in steps:
            mx.without("CHUNKING")
        for step, reply in steps.items():
            mx.on(step, reply)
        if secure:
            lab.names.secure(case.domain, case.host, "_25._tcp." + case.host)
        if tlsa:
            lab.names.add("_25._tcp." + case.host, "TLSA", tlsa)
        return rule(lab, case) if callable(rule) else rule
    return make


def names(*records, error=None):
    def make(lab, case):
        for owner, kind, text in records:
            lab.names.add(owner.format(d=case.domain), kind, text.format(d=case.domain))
        if error:
            lab.names.error(error[0].format(d=case.domain), error[1], error[2])
    return make


def offers(**changed):
    """A host that leaves out these extensions, or says another SIZE."""
    def make(lab, case):
        mx = lab.mx(case.host, domains=case.domain)
        mx.without(*changed.get("without", []))
        if "size" in changed:
            mx.extensions = [e if not e.startswith("SIZE") else f"SIZE {changed['size']}" for e in mx.extensions]
    return make


def login(**auth):
    """A next hop that wants a login."""
    def make(lab, case):
        mx = lab.mx(case.host, tls=auth.get("tls", "good"), domains=case.domain)
        mx.extensions += auth.get("offer", ["AUTH PLAIN LOGIN"])
        if "reply" in auth:
            mx.on("auth", auth["reply"])
        password = lab.file(case.domain + ".password", b"secret\n")
        os.chmod(password, 0o600)
        return {"next_hop": [f"[{case.host}]:25"], "tls": auth.get("demand", "webpki"), "auth": {
            "user": "relay", "password_file": auth.get("file", password)}}
    return make


def stranger_policy(lab, case):
    lab.mx(case.host, domains=case.domain)
    lab.policy_host(case.domain, body=policy("enforce", ["other.example"]))


def pinned(_lab, case):
    return {"next_hop": [f"[{case.host}]:25"], "pin": ["sha256:" + "A" * 43 + "="]}


WEBPKI = {"tls": "webpki"}
WRONG = "3 1 1 " + "0" * 64
UTF8 = letter().replace(b"Subject: a letter", "Subject: \u00e9t\u00e9".encode())
CASES = [
    Case("no-such-domain", names(), "no-such-domain.test"),
    Case("null-mx", names(("{d}", "MX", "0 .")), "null MX"),
    Case("mx-is-us", names(("{d}", "MX", "10 relay.example.org.")), "(preference 10) names relay.example.org, which is this relay"),
    Case("mx-name-invalid", names(("{d}", "MX", "10 198.51.100.7.")), "198.51.100.7"),
    Case("no-address", names(("{d}", "MX", "10 nowhere.{d}."), ("nowhere.{d}", "TXT", "here")), "nowhere.no-address.test"),
    Case("addresses-refused", names(("{d}", "MX", "10 mx.{d}."), ("mx.{d}", "A", "10.1.2.3")), "refuse_addresses"),
    Case("mx-lookup-failed", names(error=("{d}", "MX", "SERVFAIL")), "MX"),
    Case("address-lookup-failed", names(("{d}", "MX", "10 mx.{d}."), error=("mx.{d}", "A", "SERVFAIL")), "mx.address-lookup-failed.test"),
    Case("tlsa-lookup-failed", lambda lab, c: (host(secure=True)(lab, c), lab.names.error("_25._tcp." + c.host, "TLSA", "BOGUS"))[0], "TLSA"),
    Case("tlsa-mismatch", host(secure=True, tlsa=WRONG), "TLSA"),
    Case("starttls-not-offered", host(tls=None), "STARTTLS"),
    Case("starttls-refused", host(starttls="454 4.7.0 no certificate"), "no certificate"),
    Case("ehlo-unknown", host(tls=None, ehlo="502 5.5.1 what"), "EHLO"),
    Case("sts-mx-not-listed", stranger_policy, "mx.sts-mx-not-listed.test"),
    Case("certificate-other-name", host(tls="wrong-name", rule=WEBPKI), "other.mx.certificate-other-name.test"),
    Case("certificate-expired", host(tls="expired", rule=WEBPKI), "expired"),
    Case("certificate-untrusted", host(tls="self-signed", rule=WEBPKI), "trusted"),
    Case("certificate-not-yet", host(tls=lambda lab, c: lab.ca.leaf(c.host, days=(5, 90)), rule=WEBPKI), "not valid before"),
    Case("certificate-common-name", host(tls=lambda lab, c: lab.ca.leaf(c.host, sans=False), rule=WEBPKI), "common name"),
    Case("dane-missing", host(rule={"tls": "dane"}), "this relay's rule for the domain (delivery.destinations), and mx.dane-missing.test has no TLSA record"),
    Case("pin-mismatch", host(rule=pinned), "pinned"),
    Case("tls-connection-lost", host(handshake=CLOSE), "handshake"),
    Case("tls-failed", host(handshake=b"this is no TLS at all, not even nearly\r\n"), "failed"),
    Case("connect-failed", names(("{d}", "MX", "10 mx.{d}."), ("mx.{d}", "A", "198.51.100.9")), "connect"),
    Case("host-closed", host(connect=CLOSE), "closed"),
    Case("host-silent", host(mail=HANG), "within 2 s (delivery.timeouts.command; too short: RFC 5321 asks for 5 minutes) after MAIL"),
    Case("mx-greeting-refused", host(greeting="554 5.7.1 go away"), "connection"),
    Case("mx-greeting-deferred", host(greeting="450 4.3.2 not now"), "at this time"),
    Case("ehlo-refused", host(ehlo="554 5.5.0 no"), "EHLO"),
    Case("ehlo-deferred", host(ehlo="450 4.5.0 later"), "EHLO"),
    Case("mail-refused", host(mail="550 5.1.8 no such sender"), "MAIL FROM"),
    Case("mail-deferred", host(mail="450 4.1.8 later"), "MAIL FROM"),
    Case("rcpt-refused", host(rcpt="550 5.1.1 no such user"), "RCPT TO"),
    Case("rcpt-deferred", host(rcpt="450 4.2.1 later"), "RCPT TO"),
    Case("data-refused", host(data="554 5.6.0 no", bdat="554 5.6.0 no"), "refused"),
    Case("data-deferred", host(data="451 4.3.0 later", bdat="451 4.3.0 later"), "at this time"),
    Case("message-refused", host(dot="554 5.7.1 spam"), "the message"),
    Case("message-deferred", host(dot="451 4.7.1 later"), "the message"),
    Case("host-leaves", host(rcpt="421 4.3.2 bye"), "closed the session"),
    Case("reply-senseless", host(mail="354 go on"), "354"),
    Case("reply-not-smtp", host(greeting=b"SSH-2.0-OpenSSH_9.2\r\n"), "not SMTP"),
    Case("host-size", offers(size=100), "100"),
    Case("host-no-8bit", offers(without=["8BITMIME", "SMTPUTF8"]), "8BITMIME", mail="BODY=8BITMIME", message=letter(body="\u00e9\r\n".encode())),
    Case("host-no-utf8", offers(without=["SMTPUTF8"]), "SMTPUTF8", mail="SMTPUTF8", message=UTF8),
    Case("host-no-utf8-address", offers(without=["SMTPUTF8"]), "SMTPUTF8", mail="SMTPUTF8", local="jos\u00e9"),
    Case("requiretls-no-name", host(), "REQUIRETLS", mail="REQUIRETLS"),
    Case("requiretls-not-offered", lambda lab, c: {"next_hop": [f"[{lab.mx(c.host).host}]:25"]}, "REQUIRETLS", mail="REQUIRETLS"),
    Case("auth-no-mechanism", login(offer=["AUTH GSSAPI"]), "log in"),
    Case("auth-refused", login(reply="535 5.7.8 wrong"), "AUTH"),
    Case("auth-deferred", login(reply="454 4.7.0 later"), "AUTH"),
]


def first_failure(relay, case):
    lines = [e for event in ("failed", "deferred", "expired") for e in relay.events(event, to=case.to)]
    return min(lines, key=lambda e: e["time"]) if lines else None


def explained(relay, case):
    """What `explain` calls the reason of a domain that it knows to be unusable; "" where it would try."""
    told = json.loads(relay.ctl("explain", case.domain, "--json").stdout)
    return told["why"] or next((h["why"] for h in told["mx"] if h["why"]), "")


@pytest.fixture
def on_their_way(lab):
    for case in CASES:
        case.build(lab)
    back = lab.mx("mx.example.org", domains="example.org")
    relay = lab.relay(delivery={"retry": ["3s"], "warn_after": "1s", "tls_warn_after": "1s", "destinations": [c.rule for c in CASES if c.rule],
                                "timeouts": {"connect": "2s", "greeting": "2s", "command": "2s", "data": "2s"}}).start()
    for case in CASES:
        relay.send(case.to, case.message, mail=case.mail)
    return relay, back


def test_each_failure_on_the_way_has_its_name_and_its_evidence(lab, on_their_way):
    relay, back = on_their_way
    known, bad, told = catalogue(relay), [], {}
    for case in CASES:
        line = until(lambda c=case: first_failure(relay, c), lambda c=case: f"{c.domain}: {relay.told()}", 60)
        told[case.to] = line["act"]
        if line.get("why") != case.why or case.evidence not in line["reason"]:
            bad.append((case.why, line.get("why"), line["reason"], line.get("reply")))
        elif not line.get("reply"):
            check_line(known[case.why], line)
        refused = {"no-such-domain", "null-mx", "mx-is-us", "mx-name-invalid", "no-address", "addresses-refused",
                   "mx-lookup-failed", "address-lookup-failed", "tlsa-lookup-failed", "sts-mx-not-listed", "dane-missing"}
        if case.why in refused and explained(relay, case) != case.why:
            bad.append((case.why, "explain says", explained(relay, case)))
    assert not bad, bad
    # Every one of them comes back to its sender, under the same name.
    wanted = {c.to: c.why for c in CASES}

    def reports():
        found = {}
        for message in back.messages:
            text = message.data.decode("utf-8", "replace")
            to, why = re.search(r"^Final-Recipient: (?:rfc822|utf-8); (\S+)", text, re.M), re.search(r"^X-Waxwing-Why: ([\w-]+); act=([\w-]+)", text, re.M)
            if to and why:
                found[to[1].strip()] = (why[1], why[2], text)
        return found
    until(lambda: len(reports()) >= len(wanted), lambda: f"{sorted(set(wanted) - set(reports()))}", 90)
    evidence = {c.to: c.evidence for c in CASES}
    for to, (why, act, text) in reports().items():
        # A host that is left alone for a while is told with what it did.
        assert act and (why == wanted[to] or why == "site-shut" and evidence[to] in " ".join(text.split())), (to, why)
        assert f"Its name in the log: {why}" in text.replace("\r\n", "\n"), text
        # Who can fix it is who can fix what shut the host.
        assert act == told[to], (to, why, act, told[to])


# --- the relay itself ---

def test_a_relay_in_trouble_says_so_to_its_clients(lab):
    relay = lab.relay(limits={"per_client": 2, "disk_reserve": "900TiB"}, auth={"failures": 1}).start()
    reply = mail(relay, "MAIL FROM:<app@example.org>")
    assert reply.code == 452 and relay.wait("refuse", why="disk-full")["act"] == "us"
    held = [socket.create_connection((relay.address, relay.port)) for _ in range(2)]
    assert all(one.recv(3) == b"220" for one in held)
    with Client(relay.address, relay.port, greet=False) as third:
        assert third.reply().code == 421
    assert relay.wait("refuse", why="too-many-from-address")["act"] == "sender"
    for one in held:
        one.close()
    until(lambda: relay.json("status")["counters"]["connections_now"] == 0, relay.told)
    with Client(relay.address, relay.port, greet=False) as early:
        early.send(b"EHLO early\r\n")
        assert early.reply().code == 554
    assert relay.wait("refuse", why="client-too-early")["act"] == "sender"
    with relay.client(login=False) as wrong:
        wrong.ehlo(), wrong.starttls(), wrong.plain("app", "wrong")
    with Client(relay.address, relay.port, greet=False) as banned:
        assert banned.reply().code == 421
    assert relay.wait("refuse", why="banned")["act"] == "sender"
    assert relay.wait("auth", why="login-wrong")["act"] == "sender"


def test_logins_that_fail_and_alarms_have_names(lab):
    relay = lab.relay(auth={"failures": 100, "dovecot": "none.sock"}, suppress={"files": ["list"]})
    write_private(relay.path("list"), b"no address at all\n")
    relay.start()
    assert relay.wait("alarm", what="suppress")["why"] == "suppress-file"
    for user, why in (("app", "login-wrong"), ("stranger", "login-backend")):
        with relay.client(login=False) as client:
            client.ehlo(), client.starttls(), client.plain(user, "wrong")
        line = relay.wait("auth", user=user)
        assert line["why"] == why and line["act"], line
    relay.write(hostname="")
    relay.reload()
    assert relay.wait("alarm", what="reload")["act"] == "us"
    names = set(catalogue(relay))
    assert {e["why"] for e in relay.events("alarm") + relay.events("auth")} <= names


def test_an_operator_who_returns_mail_is_named_as_the_reason(lab):
    mx, back = lab.mx("mx.dest.test", domains="dest.test"), lab.mx("mx.example.org", domains="example.org")
    mx.on("rcpt", "450 4.2.1 later")
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    message = relay.send("a@dest.test")
    relay.wait("deferred", why="rcpt-deferred")
    row = relay.json("queue", "list")[0]
    assert row["why"] == "rcpt-deferred" and row["act"], row
    assert "(why rcpt-deferred; for the postmaster of the receiving host)" in relay.ask("queue", "list")
    relay.ask("queue", "bounce", message)
    assert relay.wait("failed", why="operator-returned")["act"] == "us"
    assert b"X-Waxwing-Why: operator-returned; act=us" in back.wait().data


def test_why_prints_a_reason_and_lists_them(lab):
    relay = lab.relay()
    rows = catalogue(relay)
    assert len(rows) > 130 and all(row["means"] and row["advice"] and row["act"] for row in rows.values())
    # No advice names a command that is not there.
    known = set(re.findall(r"^  (\S+) ", relay.ask("help"), re.M))
    named = {word for row in rows.values() for word in re.findall(r"waxwing ([a-z]+)", row["advice"])}
    assert known and named <= known, named - known
    shown = " ".join(relay.ask("why", "tlsa-mismatch").split())
    assert "receiver-host" in shown and "waxwing explain DOMAIN --connect" in shown
    assert relay.ctl("why", "no-such-reason").returncode == 1
    assert relay.ctl("why", "--what").returncode == 64
