# SPDX-License-Identifier: ISC
"""Daily TLS reports (RFC 8460): who gets what, by which way, once, whatever happens in between."""
import collections
import datetime
import os
import random
import signal
import sqlite3
import threading
import time

import pytest

from tests.lab import collector as rpt
from tests.lab import verify
from tests.lab.policyhost import policy
from tests.lab.wait import until

SEND = {"send": True, "spread": "0s", "from": "tls-reports@example.org", "organization": "Example Org"}
APART = {"connections": {"messages": 1, "idle": "1s"}, "retry": ["1s"]}


def ask(lab, domain, *rua):
    """The TLS-RPT record of a domain."""
    lab.names.set("_smtp._tls." + domain, "TXT", "v=TLSRPTv1; rua=" + ",".join(rua))


def days_ago(count):
    return (datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=count)).isoformat()


def change(relay, *statements):
    with sqlite3.connect(relay.path("state/state.db")) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def rows(relay, statement):
    with sqlite3.connect(relay.path("state/state.db")) as db:
        found = db.execute(statement).fetchall()
    db.close()
    return found


def age(relay, days=1):
    """What the stopped relay has in its ledger happened so many days earlier."""
    change(relay, f"UPDATE kind SET day = day - {days}, last_ms = last_ms - {days * 86400000}",
           f"UPDATE detail SET time_ms = time_ms - {days * 86400000}")


def a_day(relay, *domains, count=1):
    """A day of mail to these domains, each message in a session of its own; it is the day before yesterday then."""
    relay.start()
    for domain in domains:
        for number in range(count):
            ident = relay.send(f"m{number}@{domain}")
            relay.wait("delivered", id=ident)
    relay.stop()
    age(relay, 2)


def states(relay, **match):
    return [r for r in relay.json("tls", "reports") if r["to"] and all(r[k] == v for k, v in match.items())]


def settled(relay, count):
    """Every address has its end: the rows."""
    return until(lambda: (r := states(relay, state="sent")) if len(states(relay, state="sent")) >= count else None,
                 lambda: str(relay.json("tls", "reports")))


@pytest.mark.threads
def test_case_150_two_days_three_domains(lab):
    """Real sessions of two days; each domain's owner gets each day's report, and it counts what happened."""
    one = lab.mx("mx.one.test", domains="one.test")
    lab.policy_host("one.test", body=policy("enforce", ["mx.one.test"]))
    two = lab.mx("mx.two.test", domains="two.test")
    bad = lab.mx("mx0.three.test", domains="three.test", preference=1, tls="expired")
    three = lab.mx("mx.three.test", domains="three.test")
    lab.policy_host("three.test", body=policy("enforce", ["*.three.test"]))
    nine = lab.mx("mx.nine.test", domains="nine.test")  # asks for no reports
    web, box = lab.collector("collect.reports.test"), lab.mx("mx.reports.test", domains="reports.test")
    ask(lab, "one.test", "https://collect.reports.test/v1?who=one")
    ask(lab, "two.test", "mailto:two%2Btls@reports.test")
    ask(lab, "three.test", "mailto:three@reports.test", "https://collect.reports.test/v1", "gopher://x/",
        "HTTPS://Collect.Reports.Test:443/v1", "mailto:nobody")
    relay = lab.relay(delivery=APART)
    counts = {}
    for number, many in ((2, 2), (1, 3)):
        before = {h.host: len(h.sessions) for h in (one, two, three, bad, nine)}
        relay.start()
        for domain in ("one.test", "two.test", "three.test", "nine.test"):
            for n in range(many):
                relay.wait("delivered", id=relay.send(f"m{n}@{domain}"))
        relay.stop()
        age(relay, number if number == 1 else 1)
        now = {h.host: len(h.sessions) - before[h.host] for h in (one, two, three, bad, nine)}
        counts[number] = {"one.test": (now["mx.one.test"], 0), "two.test": (now["mx.two.test"], 0),
                          "three.test": (now["mx.three.test"], now["mx0.three.test"])}
    age(relay)  # so: three and two days ago
    wanted = {(days_ago(n + 1), d): c for n, all_ in counts.items() for d, c in all_.items()}
    assert all(bad_ == (0 if d != "three.test" else bad_) and good for (_, d), (good, bad_) in wanted.items()), wanted
    assert sum(c[1] for c in wanted.values()) > 0

    relay.write(tls_report=SEND).start()
    until(lambda: len(web.posts) >= 4 and len(box.messages) >= 4, lambda: f"{web.posts} {box.messages} {relay.told()}")
    done = settled(relay, 8)

    posted = web.reports()
    got = collections.Counter((rpt.day_of(d), d["policies"][0]["policy"]["policy-domain"]) for d in posted)
    assert got == {(day, d): 1 for day, d in wanted if d != "two.test"}, got
    assert {p for p, _, _ in web.posts} == {"/v1?who=one", "/v1"}
    mailed = [rpt.Mailed(m.data) for m in box.messages]
    assert collections.Counter((rpt.day_of(m.report), m.domain) for m in mailed) == {
        (day, d): 1 for day, d in wanted if d != "one.test"}
    for day, domain, doc in ([(rpt.day_of(d), d["policies"][0]["policy"]["policy-domain"], d) for d in posted]
                             + [(rpt.day_of(m.report), m.domain, m.report) for m in mailed]):
        assert rpt.sessions(doc) == wanted[(day, domain)], (day, domain, doc)
        printed = relay.json("tls", "report", "--day", day, "--domain", domain)
        assert printed == doc  # what is shown is what was sent
    for message in box.messages:
        assert verify.dkimpy(lab.names, message.data) == [True, True] and b"d=example.org" in message.header()
        assert message.sender == "tls-reports@example.org"
    assert {a for m in box.messages for a in m.to()} == {"two+tls@reports.test", "three@reports.test"}
    assert {r["answer"] for r in done if r["to"].startswith("https")} == {"200 thank you"}
    assert {r["answer"] for r in done if r["to"].startswith("mailto")} == {"250 2.0.0 queued"}
    assert {r["state"] for r in relay.json("tls", "reports", "--domain", "nine.test")} == {"none"}
    assert len(relay.events("report-sent")) == 8 and not relay.events("report-failed")

    relay.restart()  # says nothing twice
    relay.json("tls", "report", "--send", "--day", days_ago(3), "--domain", "one.test")
    assert len(web.posts) == 4 and len(box.messages) == 4
    relay.stop()  # what waits is in the ledger now, and reports are not
    assert not rows(relay, "SELECT * FROM kind WHERE domain = 'reports.test'")


def test_case_151_a_dead_collector_and_a_restart_lose_nothing(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    web = lab.collector("collect.reports.test")
    ask(lab, "dest.test", "https://collect.reports.test/")
    relay = lab.relay(delivery=APART)
    a_day(relay, "dest.test")
    web.close()
    relay.write(tls_report=SEND).start()
    relay.wait("report-deferred", 2, domain="dest.test")
    relay.restart()
    relay.wait("report-deferred", 3, domain="dest.test")
    relay.kill()
    web.status, web.words = 503, "busy \x1b[2J"
    web.open()
    relay.start()
    web.wait(2)
    until(lambda: any(r["answer"].startswith("503 busy") for r in states(relay)), lambda: str(states(relay)))
    assert "\x1b" not in relay.ask("tls", "reports")
    web.status = 202
    done = settled(relay, 1)
    count = len(web.posts)
    assert done[0]["answer"].startswith("202") and done[0]["attempts"] > 4
    assert len({body for _, _, body in web.posts}) == 1  # the same report, byte for byte
    relay.restart()
    relay.json("tls", "report", "--send", "--day", days_ago(2))
    assert len(web.posts) == count and len(relay.events("report-sent")) == 1


def test_case_152_killed_while_the_collector_has_it(lab):
    """Its answer is lost: it goes out once more and not a third time, and that is said."""
    lab.mx("mx.dest.test", domains="dest.test")
    web = lab.collector("collect.reports.test")
    ask(lab, "dest.test", "https://collect.reports.test/")
    relay = lab.relay(delivery=APART)
    a_day(relay, "dest.test")
    web.hang = True
    relay.write(tls_report=SEND).start()
    web.wait(1)
    relay.kill()
    relay.start()
    web.wait(2)
    relay.kill()
    relay.start()
    until(lambda: states(relay, state="unknown"), lambda: str(states(relay)))
    again = relay.ctl("tls", "report", "--send", "--day", days_ago(2), "--json")
    assert again.returncode == 75 and len(web.posts) == 2
    assert len({doc["report-id"] for doc in web.reports()}) == 1


def test_case_152_an_answer_that_a_collector_keeps_to_itself(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    web = lab.collector("collect.reports.test")
    ask(lab, "dest.test", "https://collect.reports.test/")
    relay = lab.relay(delivery=APART)
    a_day(relay, "dest.test")
    web.cut = True
    relay.write(tls_report=SEND).start()
    line = relay.wait("report-failed", domain="dest.test")
    assert len(web.posts) == 2 and line["attempts"] == 2 and states(relay, state="unknown")


def test_case_151_a_stop_waits_for_the_collectors_answer(lab):
    """SIGTERM while a collector has the report: its answer is awaited, and the next start sends nothing."""
    lab.mx("mx.dest.test", domains="dest.test")
    web = lab.collector("collect.reports.test")
    ask(lab, "dest.test", "https://collect.reports.test/")
    relay = lab.relay(delivery=APART)
    a_day(relay, "dest.test")
    go_on = threading.Event()
    web.before = lambda _: go_on.wait(60)
    relay.write(tls_report=SEND).start()
    web.wait(1)
    relay.process.send(signal.SIGTERM)
    relay.wait("stop")
    go_on.set()
    assert relay.process.wait() == 0, relay.told()
    relay.start()
    settled(relay, 1)
    assert len(web.posts) == 1


def test_case_151_an_answer_that_cannot_be_noted_yet(lab):
    """The collector has it, and the state database is locked: noted when that is over, and nothing is posted again."""
    lab.mx("mx.dest.test", domains="dest.test")
    web = lab.collector("collect.reports.test")
    ask(lab, "dest.test", "https://collect.reports.test/")
    relay = lab.relay(delivery=APART)
    a_day(relay, "dest.test")
    locked = []

    def lock(_):
        db = sqlite3.connect(relay.path("state/state.db"), isolation_level=None, check_same_thread=False)
        db.execute("BEGIN EXCLUSIVE")
        locked.append(db)

    web.before = lock
    relay.write(tls_report=SEND).start()
    until(lambda: relay.events("alarm", what="state"), relay.told)
    assert not relay.events("report-sent")
    locked[0].execute("ROLLBACK")
    locked[0].close()
    settled(relay, 1)
    assert len(web.posts) == 1 and len(relay.events("report-sent")) == 1


def test_case_150_a_report_larger_than_what_stays_in_memory(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    box = lab.mx("mx.reports.test", domains="reports.test")
    ask(lab, "dest.test", "mailto:x@reports.test")
    relay = lab.relay(delivery=APART)
    a_day(relay, "dest.test")
    change(relay, *(f"INSERT INTO subject(type, domain, string, patterns) VALUES(1, 'dest.test', 'mode: {n}', '')"
                    for n in range(9)),
           "INSERT INTO kind(day, domain, subject, mx_host, result, refused, shadow, demand, source, proof, count,"
           " detailed, last_ms) SELECT k.day, k.domain, s.id, 'mx.dest.test', 'certificate-expired', 1, 0, '', '', '',"
           " 900, 900, k.last_ms FROM (SELECT * FROM kind LIMIT 1) k, subject s WHERE s.string LIKE 'mode: %'",
           "INSERT INTO detail(kind, time_ms, mx_ip, local_ip, mx_helo, protocol, cipher, reason, message)"
           " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
           " SELECT k.id, k.last_ms, '192.0.2.1', '', '', '', '', hex(randomblob(60)), 0 FROM kind k, n"
           " WHERE k.refused")
    relay.write(tls_report=SEND).start()
    mail = box.wait()
    report = rpt.Mailed(mail.data).report
    assert len(mail.data) > 400000 and rpt.sessions(report) == (1, 8100)
    assert verify.dkimpy(lab.names, mail.data) == [True, True]
    settled(relay, 1)
    assert not os.listdir(relay.path("spool/large"))


def test_case_157_a_reload_begins_to_send(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    web = lab.collector("collect.reports.test")
    ask(lab, "dest.test", "https://collect.reports.test/")
    relay = lab.relay(delivery=APART)
    a_day(relay, "dest.test")
    relay.start()
    relay.wait("ready", 2)
    assert relay.json("tls", "reports") == []
    relay.write(tls_report=SEND).reload()
    web.wait(1)
    settled(relay, 1)


@pytest.mark.parametrize("seed", range(4))
def test_case_153_killed_at_any_moment_mail_goes_out_once(lab, seed):
    dice = random.Random(seed)
    lab.mx("mx.dest.test", domains=["a.test", "b.test", "c.test"])
    box = lab.mx("mx.reports.test", domains="reports.test")
    for domain in ("a.test", "b.test", "c.test"):
        ask(lab, domain, "mailto:x@reports.test", "mailto:y@reports.test")
    relay = lab.relay(delivery=APART)
    a_day(relay, "a.test", "b.test", "c.test")
    relay.write(tls_report=SEND)
    for _ in range(5):
        relay.start()
        time.sleep(1 + dice.random() * 0.4)  # the reporter begins after a second
        relay.kill()
    relay.start()
    settled(relay, 6)
    seen = collections.Counter((m.to()[0], rpt.Mailed(m.data).domain, rpt.Mailed(m.data).message["Message-ID"])
                               for m in box.messages)
    # The spool may deliver a message again whose result a kill took away; it is the same message then.
    assert len(seen) == 6 and len({(to, domain) for to, domain, _ in seen}) == 6, seen


def test_case_154_no_reports_about_reports(lab):
    """A report's own delivery fails TLS, goes on all the same (TLS-Required: No), and is counted nowhere."""
    lab.mx("mx.dest.test", domains="dest.test")
    box = lab.mx("mx.reports.test", domains="reports.test", tls="expired")
    lab.policy_host("reports.test", body=policy("enforce", ["mx.reports.test"]))
    ask(lab, "dest.test", "mailto:x@reports.test")
    ask(lab, "reports.test", "mailto:x@reports.test")
    relay = lab.relay(delivery=APART)
    a_day(relay, "dest.test")
    relay.write(tls_report=SEND).start()
    box.wait(1)
    settled(relay, 1)
    relay.stop()
    assert {d for d, in rows(relay, "SELECT DISTINCT domain FROM kind")} == {"dest.test"}


def test_case_155_mail_that_is_refused_is_told_to_nobody_but_us(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    box = lab.mx("mx.reports.test", domains="reports.test").on("rcpt", "550 5.1.1 no such collector")
    home = lab.mx("mx.example.org", domains="example.org")
    ask(lab, "dest.test", "mailto:x@reports.test")
    relay = lab.relay(delivery=APART)
    a_day(relay, "dest.test")
    relay.write(tls_report=SEND).start()
    row = until(lambda: states(relay, state="failed"), lambda: str(states(relay)))[0]
    assert "550 5.1.1 no such collector" in row["answer"] and not box.messages
    relay.send("a@dest.test")
    relay.wait("delivered", to="a@dest.test")
    assert not home.seen and not relay.events("dsn")


def test_case_35_what_counts_as_no_address(lab):
    """Two records are none, junk is passed over, our own network is no collector, a redirect is no answer."""
    for domain in ("twice.test", "junk.test", "inward.test", "away.test"):
        lab.mx("mx." + domain, domains=domain)
    ask(lab, "twice.test", "mailto:x@reports.test")
    lab.names.add("_smtp._tls.twice.test", "TXT", "v=TLSRPTv1; rua=mailto:y@reports.test")
    ask(lab, "junk.test", "ftp://x", "mailto:%0aBcc%3a@x.test", "https://u:p@x.test/", "mailto:a@b.test%2Cc@d.test",
        "https://192.0.2.1/", "mailto:")
    inward = lab.collector("inward.reports.test", address="127.0.0.77")
    ask(lab, "inward.test", "https://inward.reports.test/")
    away, elsewhere = lab.collector("away.reports.test"), lab.collector("elsewhere.reports.test")
    away.status, away.location = 307, "https://elsewhere.reports.test/"
    ask(lab, "away.test", "https://away.reports.test/")
    relay = lab.relay(delivery=APART)
    a_day(relay, "twice.test", "junk.test", "inward.test", "away.test")
    relay.write(tls_report=SEND).start()
    relay.wait("report-deferred", domain="away.test")
    line = relay.wait("report-deferred", domain="inward.test")
    assert "refuse_addresses" in line["reason"] and not inward.posts
    assert away.posts and not elsewhere.posts
    for domain, word in (("twice.test", "2 TLS-RPT records"), ("junk.test", "")):
        only, = relay.json("tls", "reports", "--domain", domain)
        assert only["state"] == "none" and word in only["answer"], only


def test_case_156_suppressed_domains_get_none(lab):
    for domain in ("a.quiet.test", "b.test", "c.test"):
        lab.mx("mx." + domain, domains=domain)
    web = lab.collector("collect.reports.test")
    box = lab.mx("mx.noisy.test", domains="noisy.test")
    for domain in ("a.quiet.test", "b.test"):
        ask(lab, domain, "https://collect.reports.test/" + domain)
    ask(lab, "c.test", "mailto:x@noisy.test")
    relay = lab.relay(delivery=APART)
    a_day(relay, "a.quiet.test", "b.test", "c.test")
    relay.write(tls_report=dict(SEND, suppress=["*.quiet.test", "noisy.test"])).start()
    settled(relay, 1)
    until(lambda: len([r for r in relay.json("tls", "reports") if r["state"] == "none"]) == 2,
          lambda: relay.ask("tls", "reports"))
    assert [p for p, _, _ in web.posts] == ["/b.test"] and not box.seen


def test_case_157_by_hand(lab):
    """Sending is off; an operator sends one day of one domain, sees what the collector says, and cannot do it twice."""
    for domain in ("a.test", "b.test"):
        lab.mx("mx." + domain, domains=domain)
        ask(lab, domain, "https://collect.reports.test/" + domain)
    web = lab.collector("collect.reports.test")
    relay = lab.relay(delivery=APART)
    a_day(relay, "a.test", "b.test")
    relay.start()
    day, today = days_ago(2), days_ago(0)
    text = relay.ask("tls", "report", "--send", "--day", day, "--domain", "a.test")
    assert "https://collect.reports.test/a.test" in text and "200 thank you" in text
    assert [p for p, _, _ in web.posts] == ["/a.test"]
    relay.ask("tls", "report", "--send", "--day", day, "--domain", "a.test")
    assert len(web.posts) == 1
    early = relay.ctl("tls", "report", "--send", "--day", today)
    assert early.returncode == 64 and "not over yet" in early.stderr
    nothing = relay.ctl("tls", "report", "--send", "--day", days_ago(9))
    assert nothing.returncode == 1 and "no session is recorded" in nothing.stderr
    assert not states(relay, domain="b.test")
    assert relay.json("status")["counters"]["reports_sent"] == 1


def test_case_158_a_record_that_cannot_be_had_is_asked_for_again(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    web = lab.collector("collect.reports.test")
    ask(lab, "dest.test", "https://collect.reports.test/")
    lab.names.error("_smtp._tls.dest.test", "TXT", "SERVFAIL")
    relay = lab.relay(delivery=APART)
    a_day(relay, "dest.test")
    relay.write(tls_report=SEND).start()
    relay.wait("report-deferred", domain="dest.test")
    relay.restart()
    lab.names.error("_smtp._tls.dest.test", "TXT", None)
    lab.names.ttl = 1
    settled(relay, 1)
    assert len(web.posts) == 1
