# SPDX-License-Identifier: ISC
"""What happened stands beside what would happen: the last success and failure of each host, what waits and since when,
what changed since mail was taken last, and what a route waits for at this moment."""
import json
import os
import pty
import re
import subprocess
import threading
import time

from tests.lab.mx import HANG
from tests.lab.policyhost import policy
from tests.lab.process import must
from tests.lab.tokenhost import TokenHost
from tests.lab.wait import until
from tests.scenario.test_dane import dane_host
from tests.scenario.test_next_hop import USER, client, sender_way
from tests.scenario.test_trouble import fill, small_disk

ONCE = {"retry": ["1h"], "connections": {"messages": 1}}  # a connection a message


def explained(relay, *more, domain="dest.test"):
    done = relay.ctl("explain", domain, *more)
    print(done.stdout, done.stderr)
    return done.returncode, " ".join(done.stdout.split())


def recent(relay, domain="dest.test"):
    return json.loads(relay.ctl("explain", domain, "--json").stdout)["recent"]


def host_of(told, name="mx.dest.test"):
    return next(h for h in told["hosts"] if h["host"] == name)


def delivered(relay, to="a@dest.test"):
    relay.send(to)
    return relay.wait("delivered", to=to)


def deferred(relay, to="b@dest.test"):
    relay.send(to)
    return relay.wait("deferred", to=to)


def test_case_360_the_headline_never_contradicts_mail_that_waits(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(delivery=ONCE).start()
    told = recent(relay)
    assert told["state"] == "none" and told["hosts"] == [] and told["waiting"] is None
    assert "none that is remembered" in explained(relay)[1]
    delivered(relay)
    status, text = explained(relay)
    assert status == 0 and text.startswith("dest.test: mail would be delivered") and "took mail" in text
    assert recent(relay)["state"] == "ok"
    mx.on("mail", "451 4.3.0 come back later")
    deferred(relay)
    status, text = explained(relay)
    assert status == 0 and "would be delivered" not in text and "the last attempts FAILED" in text
    assert "1 message waits after failing" in text and "come back later" in text
    told = json.loads(relay.ctl("explain", "dest.test", "--json").stdout)
    assert told["verdict"] == "deliver" and told["recent"]["state"] == "failing"
    host = host_of(told["recent"])
    assert host["why"] == relay.events("deferred")[-1]["why"] and host["reply"].startswith("451 4.3.0")
    assert host["failures"] == 1 and host["failing"] and host["delivered"] and host["tls"] == "TLSv1.3"
    waiting = told["recent"]["waiting"]
    assert (waiting["messages"], waiting["recipients"]) == (1, 1) and abs(waiting["since"] - time.time()) < 60
    assert waiting["why"] == host["why"]
    mx.on("mail", None)
    relay.ask("queue", "retry", "--all", "--yes")
    relay.wait("delivered", to="b@dest.test")
    told = recent(relay)
    assert told["state"] == "ok" and not host_of(told)["failing"] and host_of(told)["why"]
    assert explained(relay)[1].startswith("dest.test: mail would be delivered")


def test_case_361_what_happened_survives_a_restart(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(delivery=ONCE).start()
    delivered(relay)
    mx.on("starttls", "454 4.7.0 not today")
    deferred(relay)
    before = recent(relay)
    relay.restart()
    told = recent(relay)
    assert told["state"] == "failing" and told["hosts"] == before["hosts"] and told["delivered"]
    assert host_of(told)["why"] == "starttls-refused"
    assert told["waiting"]["messages"] == 1  # nobody knows its reason any more, but that it waits
    assert "the last attempts FAILED" in explained(relay)[1]
    relay.stop()
    told = json.loads(relay.ctl("explain", "--offline", "--state", relay.path("state/state.db"), "dest.test", "--json").stdout)
    assert told["recent"]["hosts"] == before["hosts"]


def test_case_362_what_changed_since_mail_was_taken_last(lab):
    lab.names.ttl = 1
    mx = dane_host(lab)
    web = lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    relay = lab.relay(delivery=ONCE).start()
    assert delivered(relay)["proof"] == "dane-ee"
    assert recent(relay)["changed"] == []
    good = mx.certificate
    mx.certificate = lab.certificate("good", "mx.dest.test")
    deferred(relay)
    changed = {c["what"]: c for c in recent(relay)["changed"]}
    assert set(changed) == {"certificate"} and changed["certificate"]["host"] == "mx.dest.test"
    assert changed["certificate"]["before"] != changed["certificate"]["now"] and changed["certificate"]["seen"]
    assert "issuer CN=Lab CA" in changed["certificate"]["now"]
    # New records, which no delivery has met: the plan knows them.
    lab.names.set("_25._tcp.mx.dest.test", "TLSA", mx.certificate.tlsa())
    lab.mx("mx2.dest.test", domains="dest.test", preference=20)
    lab.names.set("_mta-sts.dest.test", "TXT", "v=STSv1; id=2;")
    web.body = policy(mx=["*.dest.test"])
    relay.ask("tls", "refresh", "dest.test")
    until(lambda: {c["what"] for c in seen(relay)} == {"certificate", "tlsa", "mx", "policy"}, lambda: seen(relay))
    changed = {c["what"]: c for c in recent(relay)["changed"]}
    assert changed["tlsa"]["before"] == good.tlsa() and changed["tlsa"]["now"] == mx.certificate.tlsa()
    assert changed["mx"]["now"] == "10 mx.dest.test, 20 mx2.dest.test"
    assert changed["policy"]["before"] == "enforce, id 1" and changed["policy"]["now"] == "enforce, id 2"
    text = explained(relay)[1]
    assert "CHANGED since mail was taken last: tlsa of mx.dest.test" in text
    relay.ask("queue", "retry", "--all", "--yes")
    relay.wait("delivered", to="b@dest.test")
    assert recent(relay)["changed"] == []  # what is so now is what is good


def seen(relay):
    return recent(relay)["changed"]


def test_case_363_a_dead_resolver_and_a_host_with_a_wrong_certificate(lab):
    """Two faults at once: the answer comes within its bound and names what is still being asked, and of whom."""
    lab.names.ttl = 1
    mx = dane_host(lab)
    relay = lab.relay(delivery=ONCE).start()
    delivered(relay)
    mx.certificate = lab.certificate("self-signed", "mx.dest.test")
    deferred(relay)
    lab.names.error("_25._tcp.mx.dest.test", "TLSA", "TIMEOUT")
    time.sleep(1.1)  # the time that the cache keeps what it has
    began = time.monotonic()
    done = on_a_screen(relay, "explain", "dest.test")
    first = done.split("With what was looked up meanwhile")[0]
    assert "still running: TLSA of _25._tcp.mx.dest.test, asked" in first and "127.0.0.1" in first, done
    assert "would be delivered" not in done and "FAILED" in first
    assert "With what was looked up meanwhile" in done and time.monotonic() - began < 50
    told = json.loads(relay.ctl("explain", "dest.test", "--json").stdout)
    assert told["verdict"] == "defer" and host_of(told["recent"])["why"] == "tlsa-mismatch"


def on_a_screen(relay, *words):
    """What a terminal of 80 columns sees, white space folded."""
    leader, follower = pty.openpty()
    child = subprocess.Popen([relay.program, "-c", relay.file, *words], stdout=follower, stderr=subprocess.DEVNULL,
                             cwd=relay.folder, env=dict(os.environ, TERM="dumb"))
    os.close(follower)
    text = b""
    try:
        while chunk := os.read(leader, 65536):
            text += chunk
    except OSError:  # the other side has closed
        pass
    os.close(leader)
    child.wait(60)
    return " ".join(text.decode().split())


def test_case_364_queue_show_says_what_a_route_waits_for(lab):
    dane_host(lab)
    lab.names.error("_25._tcp.mx.dest.test", "TLSA", "TIMEOUT")
    relay = lab.relay(delivery=ONCE).start()
    one = relay.send("a@dest.test")
    text = until(lambda: (t := " ".join(relay.ask("queue", "show", one).split())) and "TLSA of" in t and t,
                 lambda: relay.ask("queue", "show", one))
    assert re.search(r"waits for TLSA of _25\._tcp\.mx\.dest\.test, asked \d+ s ago of 127\.0\.0\.1", text), text
    row = json.loads(relay.ask("queue", "show", one, "--json"))[0]
    assert row["state"] == "routing" and row["waits_for"][0]["what"] == "TLSA"


def test_case_365_queue_show_names_a_policy_that_is_being_fetched(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    web = lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    web.hang = True
    relay = lab.relay(delivery=ONCE).start()
    one = relay.send("a@dest.test")
    text = until(lambda: (t := " ".join(relay.ask("queue", "show", one).split())) and "policy of" in t and t,
                 lambda: relay.ask("queue", "show", one))
    assert re.search(r"waits for the MTA-STS policy of dest\.test, asked \d+ s ago of mta-sts\.dest\.test", text), text


def test_case_379_queue_show_names_a_token_that_is_being_fetched(lab):
    host = TokenHost(lab)
    host.pause = threading.Event()
    host.guards(lab.mx("smtp.test", port=587), USER)
    relay = lab.relay(senders=[sender_way(lab, "smtp.test", oauth=client(lab, host))]).start()
    one = relay.send("a@dest.test")
    text = until(lambda: (t := " ".join(relay.ask("queue", "show", one).split())) and "token of" in t and t,
                 lambda: relay.ask("queue", "show", one))
    assert re.search(rf"waits for token of {USER}, asked \d+ s ago of https://login\.test/token", text), text
    host.pause.set()
    relay.wait("delivered", to="a@dest.test")


def test_case_366_a_full_disk_of_the_state_loses_no_fact(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(delivery=ONCE)
    small_disk(relay, "state", "1m")
    relay.start()
    filler = fill(relay, "state")
    delivered(relay)
    relay.wait("alarm", what="state")  # it was written to, in vain
    mx.on("mail", "451 4.3.0 later")
    deferred(relay)
    assert recent(relay)["state"] == "failing"
    os.unlink(filler)
    relay.restart()
    told = recent(relay)
    assert told["state"] == "failing" and host_of(told)["delivered"] and host_of(told)["reply"] == "451 4.3.0 later"


def test_case_366_a_state_database_that_is_gone_begins_anew(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(delivery=ONCE).start()
    delivered(relay)
    relay.stop()
    must(["sh", "-c", f"rm {relay.path('state')}/state.db*"])
    relay.start()
    assert recent(relay)["state"] == "none"
    mx.on("mail", "451 4.3.0 later")
    deferred(relay)
    assert recent(relay)["state"] == "failing"


def test_case_367_an_address_is_told_what_rules_do_to_it(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(delivery={"destinations": [{"domain": "dest.test", "connections": 2, "tls": "encrypt"}]},
                      senders=[{"user": "app", "from": ["example.org"], "limits": {"messages": "10/h"}},
                               {"user": "postfix", "from": ["example.org"], "next_hop": ["[mx.dest.test]"],
                                "suppressed": "drop"}]).start()
    delivered(relay)
    relay.ask("suppress", "add", "gone@dest.test", "--reason", "asked for it")
    status, text = explained(relay, domain="gone@dest.test")
    assert status == 0 and "suppression: refused: mail of app to it is refused: asked for it" in text
    assert "suppression: dropped: mail of postfix" in text and "mail of postfix goes to next hops of its own" in text
    assert "allows 2 connections at once" in text and "the site is open" in text
    text = explained(relay, "--sender", "app", domain="gone@dest.test")[1]
    assert "app may send 10 messages in 3600 s" in text and "postfix" not in text.split("What rules do")[1]
    assert "it is not on the suppression list" in explained(relay, domain="other@dest.test")[1]
    told = json.loads(relay.ctl("explain", "postmaster@relay.example.org", "--json").stdout)
    assert {"what": "postmaster", "effect": "redirected"}.items() <= told["address"][0].items()
    assert "What rules do" not in explained(relay)[1]


def test_case_368_a_paused_site_would_not_deliver(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    delivered(relay)
    relay.ask("pause", "dest.test", "--reason", "their wish")
    status, text = explained(relay)
    assert status == 75 and "mail would WAIT" in text and "paused by" in text and "their wish" in text
    told = json.loads(relay.ctl("explain", "dest.test", "--json").stdout)
    assert (told["verdict"], told["why"], told["act"]) == ("defer", "site-paused", "us")
    relay.ask("resume", "dest.test")
    assert explained(relay)[0] == 0


def test_case_369_connect_shows_what_changed_and_decides(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    relay = lab.relay(delivery=ONCE).start()
    delivered(relay)
    mx.certificate = lab.certificate("untrusted", "mx.dest.test")
    status, text = explained(relay, "--connect")
    assert status == 75 and "mail would WAIT" in text and "CHANGED since mail was taken last: certificate" in text
    assert "issuer CN=Stranger CA" in text and "no delivery has met it yet" in text
    mx.certificate = lab.certificate("good", "mx.dest.test")
    mx.on("mail", "451 4.3.0 later")
    deferred(relay)
    status, text = explained(relay, "--connect")
    assert status == 0 and "the hosts do what is asked now, but the last attempts FAILED" in text


def test_case_370_each_host_has_its_own_sentence(lab):
    """The first host fails, the second takes the mail: the domain is well, and both are told."""
    bad = lab.mx("mx1.dest.test", domains="dest.test", preference=10).on("greeting", "554 5.7.1 go away")
    lab.mx("mx2.dest.test", domains="dest.test", preference=20)
    relay = lab.relay().start()
    delivered(relay)
    told = recent(relay)
    assert told["state"] == "ok" and bad.sessions
    one, two = host_of(told, "mx1.dest.test"), host_of(told, "mx2.dest.test")
    assert one["failing"] and one["why"] and "go away" in one["reply"] and not one["delivered"]
    assert two["delivered"] and not two["failed"]
    assert explained(relay)[1].startswith("dest.test: mail would be delivered")


def test_case_370_a_host_that_hangs_and_a_person_who_does_not_exist(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "550 5.1.1 nobody")
    relay = lab.relay(delivery={**ONCE, "timeouts": {"greeting": "1s"}}).start()
    relay.send("nobody@dest.test")
    relay.wait("failed", to="nobody@dest.test")
    told = until(lambda: (r := recent(relay))["hosts"] and r, lambda: recent(relay))
    assert told["state"] == "none"  # that says nothing of the way there
    mx.on("greeting", HANG).close()  # and the idle connection ends
    mx.open()
    deferred(relay)
    assert host_of(recent(relay))["why"] == "host-silent"


RAW = re.compile(r"\b(act[ =]|who can mend it: (us|network|sender|receiver|receiver-host|receiver-dns|heals)\b)")


def test_case_530_what_a_host_said_of_one_recipient_is_remembered(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(http="127.0.0.1:9587", delivery=ONCE).start()
    mx.on("rcpt", "550 5.1.1 no such user <here>")
    relay.send("nobody@dest.test")
    relay.wait("failed", to="nobody@dest.test")
    until(lambda: recent(relay)["hosts"], lambda: recent(relay))
    for again in (False, True):  # a restart forgets nothing of it
        status, text = explained(relay)
        assert status == 0 and text.startswith("dest.test: mail would be delivered") and "FAILED" not in text
        assert re.search(r"refused one recipient (just now|\d+s ago): 5\.1\.1 the host refused RCPT TO: 550 5\.1\.1 no such user "
                         r"<here> \(why rcpt-refused\); that is about this recipient alone", text), text
        assert "rcpt-refused: whoever sends it The host says that there is no such mailbox. Check the address for typing mistakes" in text
        page = must(["curl", "-sS", "http://127.0.0.1:9587/domain/dest.test"])
        assert "550 5.1.1 no such user &lt;here&gt;" in page and "Check the address for typing mistakes" in page
        if not again:
            relay.restart()
    # A list that names us is for us, whatever the step.
    mx.on("rcpt", "550 5.7.1 Service unavailable; client host blocked using zen.spamhaus.org")
    relay.send("somebody@dest.test")
    relay.wait("failed", to="somebody@dest.test")
    text = until(lambda: (t := explained(relay)[1]) and "spamhaus" in t and t, relay.told)
    assert "rcpt-refused: whoever runs this relay The host takes no mail from this relay, because the relay's address or domain is on a block list" in text
    assert "Find the cause first" in text and "the reply says where" in text
    assert text.startswith("dest.test: mail would be tried, but the host REFUSES mail of this relay")


def test_case_531_a_resumed_session_says_whose_certificate_it_was(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    lab.policy_host("dest.test", body=policy(mx=["mx.dest.test"]))
    relay = lab.relay(delivery=ONCE).start()
    delivered(relay)
    second = relay.send("b@dest.test")
    relay.wait("delivered", to="b@dest.test")
    assert relay.wait("session", host="mx.dest.test", resumed=1) and mx.sessions
    text = until(lambda: (t := " ".join(relay.ctl("trace", second).stdout.split())) and "delivered" in t and t, relay.told)
    first, told = (" ".join(relay.ask("trace", one).split()) for one in ("a@dest.test", "b@dest.test"))
    fingerprint = re.search(r"sha256 ([0-9a-f]{64})", first)[1]
    assert ", resumed; proof webpki" in text and fingerprint in told
    assert "chain of the session that was resumed: CN=mx.dest.test, issuer CN=Lab CA" in text, text
    status, text = explained(relay)
    assert status == 0 and re.search(r"took mail \S+( ago| now) \(TLSv1\.3, resumed, proof webpki\)", text), text
    assert "certificate last shown: mx.dest.test, issuer CN=Lab CA" in text and fingerprint in text
    assert host_of(recent(relay))["resumed"] is True


def test_case_532_who_must_act_is_told_in_words(lab):
    """`explain`, the queue and the trace: who, and what to do; never the log's word for it."""
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(delivery=ONCE).start()
    mx.on("starttls", "454 4.7.0 no certificate")
    one = relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    status, text = explained(relay)
    assert "starttls-refused: the postmaster of the receiving host The host offers encryption (STARTTLS) and then "\
        "refuses it: most often it has no certificate. The postmaster of mx.dest.test has to correct its TLS." in text, text
    shown = " ".join(relay.ask("queue", "show", one).split())
    assert "(why starttls-refused; for the postmaster of the receiving host)" in shown, shown
    assert "what to do: The postmaster of mx.dest.test has to correct its TLS." in shown
    assert "what to do" not in relay.ask("queue", "list")
    trace = until(lambda: (t := " ".join(relay.ctl("trace", one).stdout.split())) and "deferred" in t and t, relay.told)
    assert "(why starttls-refused; for the postmaster of the receiving host)" in trace
    relay.ask("pause", "dest.test", "--reason", "their wish")
    paused = explained(relay)[1]
    assert "site-paused: whoever runs this relay An operator of this relay stopped deliveries" in paused and "waxwing resume" in paused
    for said in (text, shown, trace, paused, " ".join(relay.ask("status").split())):
        assert not RAW.search(said), said


def test_case_533_what_is_due_is_due_now(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "421 4.3.2 bye")
    relay = lab.relay(delivery={**ONCE, "shaping": {"start": 1}}).start()
    deferred(relay)
    relay.ask("pause", "dest.test")
    relay.ask("queue", "retry", "--all", "--yes")
    until(lambda: "tried again now" in explained(relay)[1] or "to be tried again in" not in explained(relay)[1], relay.told)
    text = explained(relay)[1]
    assert not re.search(r"\b0s\b", text) and "  " not in text and mx.sessions
    assert "the host closed the session: 421 4.3.2 bye" in text, text


def test_case_371_the_page_shows_the_same(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(http="127.0.0.1:9587", delivery=ONCE).start()
    delivered(relay)
    page = lambda: must(["curl", "-sS", "http://127.0.0.1:9587/domain/dest.test"])
    assert "nothing waits" in page() and "Last deliveries" in page()
    mx.on("mail", "451 4.3.0 <b>later</b>")
    mx.certificate = lab.certificate("good", "mx.dest.test")
    deferred(relay)
    text = until(lambda: (t := page()) and "451 4.3.0" in t and t, page)
    assert "&lt;b&gt;later" in text and "Mail would be delivered" not in text and "Changed since" in text


# --- what a reader who sees nothing else has to find in it ---

def failing(relay, domain, **more):
    relay.send("a@" + domain, **more)
    until(lambda: relay.events("deferred", to="a@" + domain) or relay.events("failed", to="a@" + domain), relay.told)
    return explained(relay, domain=domain)[1], json.loads(relay.ctl("explain", domain, "--json").stdout)["recent"]


def test_case_541_the_headline_says_whether_other_mail_is_concerned(lab):
    kinds = {"site": ({"mail": "451 4.3.0 later"}, "the last attempts FAILED All mail for the domain is concerned."),
             "repute": ({"rcpt": "554 5.7.1 blocked using zen.spamhaus.org"}, "the host REFUSES mail of this relay"),
             "sender": ({"dot": "550 5.7.26 Unauthenticated email from example.org is not accepted"}, "mail of example.org was REFUSED All mail of that domain to that host is concerned"),
             "message": ({"dot": "554 5.7.1 Message rejected as spam"}, "one message was REFUSED That is about this message alone"),
             "recipient": ({"rcpt": "550 5.1.1 no such user"}, "one recipient was REFUSED That is about this recipient alone"),
             "greylist": ({"rcpt": "450 4.2.0 Greylisted"}, "mail is GREYLISTED: it goes by itself, a little later")}
    for kind, (steps, _said) in kinds.items():
        mx = lab.mx(f"mx.{kind}.test", domains=f"{kind}.test").without("CHUNKING")
        for step, reply in steps.items():
            mx.on(step, reply)
    lab.mx("mx.example.org", domains="example.org")
    relay = lab.relay(delivery=ONCE).start()
    for kind, (_steps, said) in kinds.items():
        text, told = failing(relay, f"{kind}.test")
        assert said in text.split("Who can mend it")[0], (kind, text)
        assert told["trouble"] == kind and told["waiting" if kind in ("site", "greylist") else "hosts"], told
        given_up = kind not in ("site", "greylist")
        host = host_of(told, f"mx.{kind}.test")
        row = host["recipient"] if kind == "recipient" else host
        assert row["outcome"] in (("bounced",) if given_up else ("", "waits")) and row["to"] == f"a@{kind}.test", (kind, row)
        assert row["sender"] == "example.org" and row["local"], row
        end = "given up, and its sender was told" if given_up else \
            r"(If nothing changes|Only if it is never taken), it is given up in (5d 0h|4d 23h), at .*, and its sender gets a report then"
        assert re.search(end, text), (kind, text)
        assert ("waxwing queue retry --domain site.test" in text) == (kind == "site"), (kind, text)
    text = explained(relay, domain="sender.test")[1]
    assert "waxwing audit example.org shows SPF" in text and "This relay has a key that signs mail of example.org" in text
    assert "waxwing trace a@sender.test" in text
    text = explained(relay, domain="repute.test")[1]
    assert re.search(r"The connection came from \d[\d.]+\.", text), text
    relay.restart()
    assert host_of(recent(relay, "message.test"), "mx.message.test")["outcome"] == "bounced"


def test_case_542_a_fault_of_ours_is_told_as_ours(lab):
    lab.mx("mx.slow.test", domains="slow.test").on("mail", HANG)
    lab.mx("mx.dane.test", domains="dane.test")
    lab.names.add("here.test", "MX", "10 relay.example.org.")
    lab.names.error("broken.test", "MX", "SERVFAIL")
    relay = lab.relay(delivery={**ONCE, "timeouts": {"command": "2s"}, "destinations": [{"domain": "dane.test", "tls": "dane"}]}).start()
    text, told = failing(relay, "slow.test")
    assert told["trouble"] == "ours" and "THIS RELAY stands in its own way" in text
    assert "did not answer within 2 s (delivery.timeouts.command; too short: RFC 5321 asks for 5 minutes) after MAIL" in text and relay.file in text
    text = failing(relay, "dane.test")[0]
    assert "mail would WAIT: THIS RELAY stands in its own way" in text and "its zone is not signed" in text
    assert "change tls: dane of the rule for dane.test in delivery.destinations to tls: webpki (a valid certificate is enough)" in text
    assert "waxwing dane lookup mx.dane.test" in text
    relay.write(delivery={"destinations": [{"domain": "dane.test", "tls": "webpki"}]}).ask("reload")  # what it says lets mail go
    relay.ask("queue", "retry", "--domain", "dane.test")
    relay.wait("delivered", to="a@dane.test")
    text = failing(relay, "here.test")[0]
    assert "the best one (preference 10) names relay.example.org, which is this relay (hostname)" in text and "Is this relay meant to take mail for here.test" in text
    assert "No key of this relay signs mail of here.test" in text and "It is given up at once, and its sender is told." in text
    text = failing(relay, "broken.test")[0]
    assert "Asked was 127.0.0.1:53: looking up MX of broken.test: SERVFAIL." in text
    assert "waxwing explain broken.test --resolver IP" in text
    assert relay.wait("deferred", to="a@broken.test")["server"] == "127.0.0.1:53"


def test_case_545_a_next_hop_that_is_this_relay_is_told_with_its_address(lab):
    lab.names.add("own.test", "A", "127.0.0.1")
    relay = lab.relay(delivery={**ONCE, "destinations": [{"domain": "dest.test", "next_hop": ["[own.test]:587"]}]}).start()
    text = failing(relay, "dest.test")[0]
    assert "own.test is this relay itself: 127.0.0.1 is an address that it listens on" in text
    assert "Is this relay meant to take mail for dest.test" in text and "It is tried again." in text


def test_case_543_a_paused_site_says_who_and_how_it_ends(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    delivered(relay)
    relay.ask("pause", "dest.test", "--reason", "until Monday")
    relay.send("b@dest.test")
    text = until(lambda: (t := explained(relay)[1]) and "1 message waits" in t and t, relay.told)
    assert "its deliveries are paused: nothing has failed" in text and "waits after failing" not in text
    assert re.search(r'paused by root (just now|\d+s ago), with these words: "until Monday"', text), text
    assert "it does not end by itself: waxwing resume mx.dest.test:25" in text and "connections in use" not in text
    assert re.search(r"Its sender gets a delay notice in \d.*, at 20\d\d-", text), text
    relay.ask("pause", "dest.test", "--for", "2h")
    assert re.search(r"it goes on by itself in (1h 59m|2h)", explained(relay)[1])


def test_case_544_what_the_host_shows_can_be_compared_with_its_records(lab):
    mx = dane_host(lab)
    relay = lab.relay(delivery=ONCE).start()
    delivered(relay)
    mx.certificate = lab.certificate("good", "mx.dest.test")
    deferred(relay)
    text = explained(relay)[1]
    assert "its key, as TLSA 3 1 1: " + mx.certificate.tlsa().split()[-1] in text, (mx.certificate.tlsa(), text)
    assert "its certificate, as TLSA 3 0 1: " in text and host_of(recent(relay))["key"]
