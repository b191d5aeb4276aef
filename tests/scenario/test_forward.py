# SPDX-License-Identifier: ISC
"""Mail that is forwarded: Postfix takes it from outside and hands it on with XFORWARD; the relay seals what is
foreign, signs what is shown to be ours, and refuses to launder a forgery (cases 10-13)."""
import smtplib

import dkim
import pytest
from cryptography.hazmat.primitives import serialization

from tests.lab import relay as lab_relay
from tests.lab.milters import OpenDkim, Rspamd
from tests.lab.others import Dkimpy, MailDkim
from tests.lab.relay import letter
from tests.lab.wait import until

FORWARDER = {"user": "postfix", "from": ["example.org"], "forward": True, "xforward": True}


def foreign(lab, **more):
    """A letter of another domain, with SPF for 198.51.100.50 and a DKIM signature of its own."""
    key = lab_relay.cached_key("foreign", "rsa")
    lab.names.set("f._domainkey.else.test", "TXT", lab_relay.dkim_record(key, "rsa"))
    lab.names.set("else.test", "TXT", "v=spf1 ip4:198.51.100.50 -all")
    lab.names.set("_dmarc.else.test", "TXT", "v=DMARC1; p=reject")
    text = letter(sender="friend@else.test", **more)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                            serialization.NoEncryption())
    return dkim.sign(text, b"f", b"else.test", pem) + text


@pytest.fixture
def road(lab):
    """outside -> Postfix (mx.example.org) -> relay -> mx.dest.test"""
    own_published(lab)  # before the relay, whose audit would remember that there was nothing
    final = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[FORWARDER], arc={"domain": "example.org", "selector": "r1", "file": "r1.pem"})
    relay.start()
    address = lab.address("mx.example.org")
    postfix = lab.postfix_client("mx.example.org", relay, address=address, port=25, smtp_send_xforward_command="yes",
                                 smtp_sasl_password_maps=f"static:postfix:{relay.password}",
                                 mynetworks="198.51.100.0/24", smtpd_client_restrictions="")
    return final, relay, postfix


def inject(postfix, message, sender, client="198.51.100.50"):
    with smtplib.SMTP(postfix.address, 25, source_address=(client, 0)) as smtp:
        smtp.sendmail(sender, ["someone@dest.test"], message)


def test_foreign_mail_is_sealed_with_the_original_client_s_spf(lab, road):
    final, relay, postfix = road
    inject(postfix, foreign(lab), "friend@else.test")
    message = final.wait()
    assert Dkimpy(lab).validate(message.data) == "pass" and MailDkim(lab).validate(message.data) == "pass"
    results = message.header().decode()
    assert "ARC-Authentication-Results: i=1; relay.example.org" in results
    assert "spf=pass" in results and "dkim=pass" in results and "dmarc=pass" in results
    assert b"d=example.org" not in message.data.split(b"ARC-Seal")[0]
    assert relay.wait("sealed")


def test_a_forged_own_domain_is_refused_and_never_signed(lab, road):
    final, relay, postfix = road
    inject(postfix, letter(sender="ceo@example.org"), "x@else.test", client="198.51.100.66")
    refusal = relay.wait("refuse")
    assert "5.7.1" in str(refusal)
    assert not final.seen and not strangers_signed(relay)


def through_xforward(relay, message, sender, attributes, to="a@dest.test"):
    """What Postfix does, said by hand: one message with these XFORWARD attributes; the reply."""
    relay.user = "postfix"
    with relay.client() as client:
        if attributes:
            client.expect(250, "XFORWARD " + attributes)
        client.envelope(sender, to)
        return client.data(message)


OWN = {"own network": "NAME=h ADDR=198.51.100.50 PROTO=ESMTP HELO=h SOURCE=REMOTE",
       "local": "NAME=localhost SOURCE=LOCAL", "stranger": "NAME=h ADDR=203.0.113.66 HELO=h SOURCE=REMOTE",
       "nothing said": ""}


def own_published(lab):
    lab.names.set("_dmarc.example.org", "TXT", "v=DMARC1; p=none")
    lab.names.set("example.org", "TXT", "v=spf1 -all")


def test_no_laundering_each_way_to_show_origin_and_none(lab):
    final = lab.mx("mx.dest.test", domains="dest.test")
    sender = dict(FORWARDER, own_networks=["198.51.100.50/32"], trust_results_of=["mx.example.org"])
    own_published(lab)
    relay = lab.relay(senders=[sender], arc={"domain": "example.org", "selector": "r1", "file": "r1.pem"}).start()
    said = "Authentication-Results: mx.example.org; auth=%s smtp.auth=app\r\n"
    trusted, untrusted = (said % word + letter().decode() for word in ("pass", "fail"))
    aligned = Dkimpy(lab).sign(letter(), "example.org", "r1", relay.path("r1.pem"))
    shown = [(letter(), OWN["own network"]), (letter(), OWN["local"]), (trusted.encode(), ""), (aligned, "")]
    for n, (message, attributes) in enumerate(shown):
        assert through_xforward(relay, message, "app@example.org", attributes).code == 250, n
        data = final.wait(n + 1)[-1].data if n else final.wait().data
        assert Dkimpy(lab).verify(data)[:2] == ["pass", "pass"] and b"ARC-Seal" not in data
    hidden = [(letter(), OWN["stranger"]), (letter(), ""), (untrusted.encode(), ""),
              (aligned.replace(b"Hello.", b"Jello."), ""), (b"Received: by x.test; x\r\n" + trusted.encode(), "")]
    for message, attributes in hidden:
        reply = through_xforward(relay, message, "app@example.org", attributes)
        assert reply.code == 550 and reply.text.startswith("5.7.1"), reply
    assert len(final.seen) == len(shown) and not relay.events("sealed")


def test_what_postfix_s_own_users_write_is_signed(lab, road):
    final, relay, postfix = road
    postfix.submit("app@example.org", ["someone@dest.test"], letter().replace(b"\r\n", b"\n"))
    assert Dkimpy(lab).verify(final.wait().data) == ["pass", "pass"]
    assert relay.events("accept")[0]["sign"] == "example.org/r1,example.org/e1"


def test_foreign_mail_that_fails_dmarc_goes_as_configured(lab):
    final = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[FORWARDER, dict(FORWARDER, user="app", on_dmarc_fail="refuse")],
                      arc={"domain": "example.org", "selector": "r1", "file": "r1.pem"}).start()
    foreign(lab)
    forged = letter(sender="friend@else.test")
    assert through_xforward(relay, forged, "friend@else.test", OWN["stranger"]).code == 250
    assert "dmarc=fail" in final.wait().header().decode()
    with relay.client(login=False) as client:
        client.ehlo(), client.starttls()
        assert client.plain("app", relay.password).code == 235
        client.expect(250, "XFORWARD " + OWN["stranger"])
        client.envelope("friend@else.test", "a@dest.test")
        reply = client.data(forged)
        assert reply.code == 550 and "else.test" in reply.text
        client.envelope("friend@else.test", "a@dest.test")
        assert client.data(foreign(lab)).code == 250
    assert "dmarc=pass" in final.wait(2)[1].header().decode()


def test_the_log_tells_what_was_found(lab, road):
    final, relay, postfix = road
    inject(postfix, foreign(lab), "friend@else.test")
    final.wait()
    accept, sealed = relay.wait("accept"), relay.wait("sealed")
    assert {"id", "client", "user", "from", "size", "rcpts", "sign"} <= set(accept)
    assert accept["sign"] == "arc:example.org/r1" and accept["id"] == sealed["id"]
    assert sealed["results"] == accept["results"] == "spf=pass dkim=pass arc=none dmarc=pass"


@pytest.mark.parametrize("other", [Dkimpy, MailDkim])
def test_a_chain_of_others_goes_on_and_a_broken_one_ends(lab, road, other):
    final, relay, postfix = road
    key = lab_relay.cached_key("foreign", "rsa")
    pem = lab.file("f.pem", key.private_bytes(serialization.Encoding.PEM,
                   serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
    text = b"Authentication-Results: hop.else.test; spf=pass\r\n" + foreign(lab)
    chain = other(lab).seal(text, "else.test", "f", pem, "hop.else.test")
    inject(postfix, chain, "friend@else.test")
    good = final.wait().data
    assert b"i=2; relay.example.org" in good and b"cv=pass" in good
    for judge in (Dkimpy(lab), MailDkim(lab)):
        assert judge.validate(good) == "pass"
    inject(postfix, chain.replace(b"Hello.", b"Jello."), "friend@else.test")
    ended = final.wait(2)[1].data
    assert ended.count(b"ARC-Seal:") == 2 and b"cv=fail" in ended
    for judge in (Dkimpy(lab), MailDkim(lab)):
        assert judge.validate(ended) == "fail"
    inject(postfix, ended, "friend@else.test")  # closed: nothing is added (case 10)
    again = final.wait(3)[2].data
    assert again.count(b"ARC-Seal:") == 2 and b"Authentication-Results: relay.example.org" in again


def test_case_12_results_that_claim_to_be_ours_are_removed(lab, road):
    final, _, postfix = road
    claim = b"Authentication-Results: relay.example.org; dkim=pass header.d=bank.test\r\n"
    other = b"Authentication-Results: relay.example.org.evil.test; dkim=pass header.d=bank.test\r\n"
    inject(postfix, claim + other + foreign(lab), "friend@else.test")
    header = final.wait().header().decode()
    assert "header.d=bank.test" in header and header.count("bank.test") == 1
    assert "evil.test" not in header.split("ARC-Authentication-Results")[1].split("\r\nAuthentication")[0]


def test_case_13_the_order_on_top(lab, road):
    final, _, postfix = road
    inject(postfix, foreign(lab), "friend@else.test")
    names = [line.split(":")[0] for line in final.wait().header().decode().split("\r\n")
             if line and line[0] not in " \t"]
    at = names.index("ARC-Seal")
    assert names[at:at + 3] == ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"]


def test_a_dead_name_server_is_temporary_and_stops_nobody(lab, road):
    final, relay, postfix = road
    text = foreign(lab)
    lab.names.error("f._domainkey.else.test", "TXT", "TIMEOUT")
    lab.names.error("else.test", "TXT", "TIMEOUT")
    inject(postfix, text, "friend@else.test")
    relay.wait("session", to="judging")
    relay.user = "postfix"
    with relay.client() as client:  # while that one waits
        client.envelope("pal@nowhere.test", "b@dest.test")
        assert client.data(letter(sender="pal@nowhere.test")).code == 250
    assert final.wait().to() == ["b@dest.test"] and len(relay.events("sealed")) == 1
    header = final.wait(2, bound=120)[1].header().decode()
    assert "dkim=temperror" in header and "spf=temperror" in header and "dmarc=temperror" in header


def test_one_dead_key_takes_nothing_from_spf_and_dmarc(lab, road):
    final, _, postfix = road
    text = foreign(lab)
    lab.names.set("else.test", "TXT", "v=spf1 include:one.else.test -all")
    lab.names.set("one.else.test", "TXT", "v=spf1 include:two.else.test -all")
    lab.names.set("two.else.test", "TXT", "v=spf1 ip4:198.51.100.50 -all")
    lab.names.error("f._domainkey.else.test", "TXT", "TIMEOUT")
    inject(postfix, text, "friend@else.test")
    header = final.wait(bound=120).header().decode()
    assert "dkim=temperror" in header and "spf=pass" in header and "dmarc=pass" in header


def test_an_own_domain_that_the_dns_cannot_tell_of_waits(lab):
    relay = lab.relay(senders=[FORWARDER]).start()
    lab.names.error("_dmarc.example.org", "TXT", "SERVFAIL")
    reply = through_xforward(relay, letter(), "app@example.org", OWN["stranger"])
    assert reply.code == 451 and reply.text.startswith("4.4.3"), reply


def test_a_chain_waits_for_the_dns_and_is_not_broken_by_it(lab, road):
    final, relay, postfix = road
    key = lab_relay.cached_key("foreign", "rsa")
    pem = lab.file("f.pem", key.private_bytes(serialization.Encoding.PEM,
                   serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
    text = foreign(lab)
    lab.names.set("g._domainkey.else.test", "TXT", *lab.names.records[("f._domainkey.else.test.", "TXT")])
    chain = Dkimpy(lab).seal(b"Authentication-Results: hop.else.test; spf=pass\r\n" + text, "else.test", "g", pem,
                             "hop.else.test")
    lab.names.error("g._domainkey.else.test", "TXT", "SERVFAIL")
    inject(postfix, chain, "friend@else.test")
    assert "4.4.3" in str(relay.wait("refuse"))
    lab.names.error("g._domainkey.else.test", "TXT", None)
    data = final.wait(bound=180).data  # Postfix comes back until the failure is out of the cache
    assert b"cv=pass" in data and b"cv=fail" not in data


def test_a_large_forwarded_message_takes_no_memory(lab):
    final = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[FORWARDER], arc={"domain": "example.org", "selector": "r1", "file": "r1.pem"},
                      limits={"message_size": "60MiB"})
    relay.asan_options = "quarantine_size_mb=1"  # else ASan keeps what was freed
    relay.start()
    assert through_xforward(relay, foreign(lab), "friend@else.test", OWN["stranger"]).code == 250
    final.wait()
    before = relay.memory()
    text = foreign(lab, body=(b"m  " * 23 + b"\r\n") * (50 * 1024 * 1024 // 71))
    assert through_xforward(relay, text, "friend@else.test", OWN["stranger"]).code == 250
    assert "dkim=pass" in final.wait(2, bound=240)[1].header().decode()
    grown = relay.memory("VmHWM") - before
    assert grown < 16 * 1024 * 1024, f"{grown} bytes more"


# --- results of a Postfix whose milters write them, and what strangers write into them ---

FORGED = b"Authentication-Results: mx.example.org; auth=pass smtp.auth=ceo; dmarc=pass header.from=%s\r\n"


def milter_road(lab, kind, hops=0, **settings):
    """The road with a milter on Postfix's smtpd, whose results the relay believes."""
    own_published(lab)
    final = lab.mx("mx.dest.test", domains="dest.test")
    sender = dict(FORWARDER, trust_results_of=["mx.example.org"], trusted_hops=hops)
    relay = lab.relay(senders=[sender], arc={"domain": "example.org", "selector": "r1", "file": "r1.pem"}).start()
    milter = OpenDkim(lab, "mx.example.org") if kind == "opendkim" else Rspamd(lab)
    postfix = lab.postfix_client("mx.example.org", relay, address=lab.address("mx.example.org"), port=25,
                                 smtp_send_xforward_command="yes", smtpd_milters=milter.socket,
                                 smtp_sasl_password_maps=f"static:postfix:{relay.password}",
                                 mynetworks="198.51.100.0/24", smtpd_client_restrictions="", **settings)
    return final, relay, postfix


def fields(data):
    """The names of the header fields that Postfix handed on, each with its first word, in order."""
    header = data.split(b"\r\n\r\n")[0].replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ").decode()
    return [" ".join(line.split()[:2]) for line in header.split("\r\n")]


def strangers_signed(relay):
    """Signatures on anything but Postfix's own bounces."""
    signed = relay.events("signed")  # before it is accepted
    senders = until(lambda: a if (a := {e["id"]: e["from"] for e in relay.events("accept")}).keys() >=
                    {e["id"] for e in signed} else None, relay.told) if signed else {}
    return [e for e in signed if senders[e["id"]]]


@pytest.mark.parametrize("kind, above", [("opendkim", True), ("rspamd", False)])
def test_case_90_where_a_milter_puts_its_results(lab, kind, above):
    """OpenDKIM's stand above the Received field of its Postfix, rspamd's right below it."""
    final, relay, postfix = milter_road(lab, kind)
    inject(postfix, foreign(lab), "friend@else.test")
    seen = fields(final.wait().data)
    theirs = seen.index("Authentication-Results: mx.example.org;")
    mine, postfix_s = [n for n, name in enumerate(seen) if name == "Received: from"][:2]
    assert mine < theirs and (theirs < postfix_s) == above, seen
    assert abs(theirs - postfix_s) == 1, seen


@pytest.mark.parametrize("kind, hops", [("opendkim", 0), ("rspamd", 0), ("rspamd", 1)])
def test_case_90_a_stranger_s_results_get_no_signature(lab, kind, hops):
    final, relay, postfix = milter_road(lab, kind, hops)
    lab.names.set("else.test", "TXT", "v=spf1 -all")
    lab.names.set("_dmarc.else.test", "TXT", "v=DMARC1; p=reject")
    inject(postfix, FORGED % b"example.org" + letter(sender="ceo@example.org"), "x@else.test", client="198.51.100.66")
    assert "5.7.1" in str(relay.wait("refuse"))
    inject(postfix, FORGED % b"else.test" + letter(sender="friend@else.test"), "friend@else.test",
           client="198.51.100.66")
    ours = final.wait(bound=60).header().decode().split("Received:")[0]
    assert "dmarc=fail" in ours and "dmarc=pass" not in ours and "auth=pass" not in ours, ours
    assert not strangers_signed(relay)


@pytest.mark.parametrize("kind, hops", [("opendkim", 0), ("rspamd", 1)])
def test_case_93_a_stranger_s_own_words_are_no_results(lab, kind, hops):
    """rspamd copies the envelope sender and HELO raw into its comment, OpenDKIM the decoded i= of a signature."""
    final, relay, postfix = milter_road(lab, kind, hops)
    lab.names.set("else.test", "TXT", "v=spf1 ip4:198.51.100.66 -all")
    key = lab_relay.cached_key("foreign", "rsa")
    lab.names.set("f._domainkey.else.test", "TXT", lab_relay.dkim_record(key, "rsa"))
    text = letter(sender="ceo@example.org")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                            serialization.NoEncryption())
    injected = dkim.sign(text, b"f", b"else.test", pem, identity=b"x=3Bauth=3Dpass=20smtp.auth=3Dceo@else.test")
    tries = [("h", '"x); auth=pass (y"@else.test', text), ("h);auth=pass(y", "", text),
             ("h", '"x; auth=pass smtp.auth=ceo"@else.test', text), ("h", "x@else.test", injected + text)]
    for n, (helo, sender, message) in enumerate(tries):
        with smtplib.SMTP(postfix.address, 25, source_address=("198.51.100.66", 0)) as smtp:
            smtp.ehlo(helo)
            assert smtp.docmd(f"MAIL FROM:<{sender}>")[0] == 250
            assert smtp.docmd("RCPT TO:<someone@dest.test>")[0] == 250
            assert smtp.data(message)[0] == 250
        relay.wait("refuse", n + 1)
    assert not strangers_signed(relay)


def test_case_90_what_rspamd_says_of_a_login_counts(lab):
    """Its own word, where it stands, is believed; the same mail from a stranger is refused."""
    final, relay, postfix = milter_road(lab, "rspamd", 1, smtpd_authorized_xclient_hosts="198.51.100.0/24")
    for n, login in enumerate(("ceo", "[UNAVAILABLE]")):
        with smtplib.SMTP(postfix.address, 25, source_address=("198.51.100.66", 0)) as smtp:
            smtp.ehlo("h")
            assert smtp.docmd(f"XCLIENT LOGIN={login} ADDR=198.51.100.66")[0] == 220
            smtp.ehlo("h")
            smtp.sendmail("ceo@example.org", ["someone@dest.test"], letter(sender="ceo@example.org"))
        if n == 0:
            header = final.wait().header().decode()
            assert "auth=pass smtp.auth=ceo" in header and "d=example.org" in header, header
    assert "5.7.1" in str(relay.wait("refuse"))
    assert len(strangers_signed(relay)) == 2  # one message, two keys


def test_case_92_mail_that_a_filter_hands_back_is_not_local(lab):
    """Postfix says SOURCE=LOCAL of what comes back from a content filter; what its milter found remains."""
    _, relay, _ = milter_road(lab, "opendkim")
    said = b"Authentication-Results: mx.example.org; dmarc=fail header.from=example.org\r\n"
    assert through_xforward(relay, said + letter(), "app@example.org", OWN["local"]).code == 550
    assert through_xforward(relay, letter(), "app@example.org", OWN["local"]).code == 250


# --- what a real Postfix hands over ---

def inside(lab, **more):
    """A Postfix that hands its users' mail and its own notices to the relay; its host lies below no own domain."""
    sender = {"user": "postfix", "from": ["example.org"], **more}
    relay = lab.relay(senders=[sender]).start()
    postfix = lab.postfix_client("mta.inside.test", relay, address=lab.address("mta.inside.test"), port=25,
                                 smtp_sasl_password_maps=f"static:postfix:{relay.password}",
                                 mynetworks="198.51.100.0/24", smtpd_client_restrictions="")
    return relay, postfix


def test_case_100_postfix_hands_over_smtputf8_mail(lab):
    final = lab.mx("mx.dest.test", domains="dest.test", extensions=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "STARTTLS"))
    relay, postfix = inside(lab)
    with smtplib.SMTP(postfix.address, 25, source_address=("198.51.100.50", 0)) as smtp:
        smtp.sendmail("app@example.org", ["j\u00f6rg@dest.test"], letter(to="j\u00f6rg@dest.test"), ["SMTPUTF8"],
                      ["NOTIFY=FAILURE"])
    message = final.wait()
    assert message.to() == ["j\u00f6rg@dest.test"], message.to()
    assert "ORCPT=rfc822;j+C3+B6rg@dest.test" in str(message.session.commands), message.session.commands


def test_case_100_postfix_s_own_bounces_pass_where_its_host_is_named(lab):
    final = lab.mx("mx.example.org", domains="example.org")
    relay, postfix = inside(lab, bounces_from=["mta.inside.test"])
    postfix.submit("app@example.org", ["nobody@[999.1.2.3]"], letter().replace(b"\r\n", b"\n"))
    message = final.wait()
    assert message.to() == ["app@example.org"] and b"MAILER-DAEMON@mta.inside.test" in message.data
    relay.write(senders=[{"user": "postfix", "from": ["example.org"]}]).reload()
    relay.wait("reload")
    postfix.submit("app@example.org", ["nobody@[999.1.2.3]"], letter().replace(b"\r\n", b"\n"))
    assert "mta.inside.test is not in its senders.bounces_from" in str(relay.wait("refuse"))


def test_case_90_check_says_what_the_other_host_has_to_see_to(lab):
    relay = lab.relay(senders=[dict(FORWARDER, trust_results_of=["mx.example.org"], trusted_hops=1),
                               {"user": "app", "from": ["example.org"], "forward": True}])
    told = relay.ctl("check", "--offline").stdout
    assert "mx.example.org has to remove every Authentication-Results field" in told
    assert "senders: app: needs 'xforward: true'" in told
