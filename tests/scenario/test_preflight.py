# SPDX-License-Identifier: ISC
"""Pre-flight: what receivers will not like, told to the application with its 250, or refused, and by hand."""
import json
import os
from email.utils import formatdate

import pytest

from tests.lab.relay import letter
from tests.lab.wait import until
from tests.scenario.test_http import PORT, numbers

BULK = "List-Id: News <news.example.org>\r\n"
ONE_CLICK = ("List-Unsubscribe: <https://example.org/u?1>\r\n"
             "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains="dest.test")


def now(**more):
    return letter(**more).replace(b"Thu, 01 Jan 2026 00:00:00 +0000", formatdate().encode())


def reply(relay, message, user="app", **more):
    return relay.submit("a@dest.test", message, user=user, **more)


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as f:
        return f.read()


def relay_with(lab, preflight="note", rows=(), **more):
    relay = lab.relay(preflight=preflight, http=f"127.0.0.1:{PORT}", **more)
    for user, row in dict(rows).items():
        relay.set_user(user, relay.password)
        relay.config["senders"].append({"user": user, "from": ["example.org"], **row})
    return relay.write().start()


@pytest.mark.threads
def test_case_387_the_note_stands_in_the_250_the_log_an_event_and_the_numbers(lab, mx):
    relay = relay_with(lab, events=[{"name": "app", "file": "events.jsonl", "types": ["noted"]}])
    assert reply(relay, now()).text.startswith("2.0.0 queued as ") and relay.wait("accept").get("note") is None
    told = reply(relay, now(more=BULK + "X-Waxwing-Tag: news-7\r\n", subject="news"))
    assert told.code == 250 and told.text.endswith("; note: unsubscribe-missing"), told
    line = relay.wait("accept", 2)[1]
    assert line["note"] == "unsubscribe-missing"
    event = json.loads(until(lambda: read(relay.path("events.jsonl")), "an event").split("\n")[0])
    assert event["event"] == "noted" and event["note"] == "unsubscribe-missing" and event["tag"] == "news-7"
    assert event["id"] == line["id"] and "List-Id" in event["reason"] and "to" not in event
    n = numbers()
    assert n['waxwing_preflight_total{result="noted"}'] == 1
    assert n['waxwing_preflight_findings_total{finding="unsubscribe-missing"}'] == 1
    mx.wait(2)


def test_case_388_a_problem_is_refused_where_the_row_says_so_and_advice_is_not(lab, mx):
    relay = relay_with(lab, "off", {"strict": {"preflight": "refuse"}, "told": {"preflight": "note"}})
    twice = now(more="Subject: again\r\n")
    assert reply(relay, twice).text.startswith("2.0.0 queued as ") and "note" not in reply(relay, twice).text
    assert reply(relay, twice, "told").text.endswith("; note: field-twice")
    refused = reply(relay, twice, "strict")
    assert refused.code == 550 and refused.text.startswith("5.6.0 the field Subject is there 2 times (field-twice). Let")
    line = relay.wait("refuse")
    assert line["why"] == "field-twice" and line["act"] == "sender" and line["status"] == "5.6.0"
    assert reply(relay, now(more=BULK + ONE_CLICK).replace(b"Subject: a letter\r\n", b""), "strict").text.endswith("; note: subject-missing")
    assert numbers()['waxwing_preflight_total{result="refused"}'] == 1
    relay.write(preflight="refuse")
    relay.reload()
    relay.wait("reload")
    assert reply(relay, twice).code == 550


def test_case_389_nothing_of_a_message_comes_back_in_its_250(lab, mx):
    relay = relay_with(lab)
    forged = (b"From: app@example.org\r\nTo: x\x1b[2J\r\n 250 2.0.0 forged\r\nSubject: \x07a\r\n"
              b"Message-ID: \"250 ok\"\r\nList-Id: ; note: none\r\nDate: now\r\n\r\nx\r\n")
    told = reply(relay, forged)
    assert told.code == 250 and "forged" not in told.text and len(told.text) < 500
    names = told.text.split("; note: ")[1].split(", ")
    assert {"field-control", "to-unreadable", "date-unreadable", "message-id-unreadable"} <= set(names)
    assert all(name.replace("-", "").isalnum() for name in names)
    relay.write(preflight="refuse")
    relay.reload()
    relay.wait("reload")
    refused = reply(relay, forged)
    assert refused.code == 550 and all(" " <= c <= "~" for c in refused.text)


def test_case_390_headers_at_every_limit_are_looked_at_and_taken(lab, mx):
    relay = relay_with(lab, limits={"header_size": "1MiB"})
    many = now(more="".join(f"X-{n}: =?utf-8?q?a?= =?x?\r\n" for n in range(1990)))
    assert "note" not in reply(relay, many).text
    large = now(more="X-Large: " + ("x" * 900 + "\r\n ") * 1000 + "x\r\n")
    assert reply(relay, large).text.endswith("note: header-large")
    assert reply(relay, now(more="X-A: b\r\n" * 10000)).code == 550
    assert relay.wait("refuse")["why"] == "header-fields"


def test_case_391_a_body_in_a_file_is_not_said_to_lack_its_parts(lab, mx):
    relay = relay_with(lab)
    mime = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    part = b"--b\r\n\r\n" + b"x" * 70 + b"\r\n"
    assert "note" not in reply(relay, now(more=mime, body=part * 10 + b"--b--\r\n")).text
    assert reply(relay, now(more=mime, body=part)).text.endswith("note: boundary-unclosed")
    assert "note" not in reply(relay, now(more=mime, body=part * 9000 + b"--b--\r\n")).text
    assert "note" not in reply(relay, now(more=mime, body=b"y" * 70 + b"\r\n" + (b"x" * 70 + b"\r\n") * 9000)).text


def test_case_402_a_message_that_the_receiver_will_not_take_is_told_before(lab, mx):
    relay = relay_with(lab, "refuse")
    mx.extensions = [e for e in mx.extensions if not e.startswith("SIZE")] + ["SIZE 1000000"]
    large = now(body=b"x" * 70 + b"\r\n" + (b"x" * 70 + b"\r\n") * 20000)
    assert reply(relay, now()).code == 250  # from which the relay learns what the host takes
    mx.wait()
    refused = reply(relay, large)
    assert refused.code == 552 and "dest.test took 1000448 at most" in refused.text and "(size-over-receiver" in refused.text
    assert relay.wait("refuse")["why"] == "size-over-receiver"
    assert relay.submit("a@elsewhere.test", large).code == 250  # nothing is known of it


def test_case_392_mail_of_others_is_not_looked_at(lab, mx):
    relay = relay_with(lab, rows={"forward": {"forward": True}},
                       arc={"domain": "example.org", "selector": "r1", "file": "r1.pem"})
    assert "note" not in reply(relay, letter(sender="x@foreign.test", more=BULK), "forward", sender="x@foreign.test").text


def test_by_hand_with_the_dns(lab):
    relay = lab.relay()
    def flight(message, *more):
        done = relay.ctl("preflight", "--json", *more, "-", data=message.decode("latin-1"))
        return done.returncode, json.loads(done.stdout) if done.stdout else None
    lab.names.set("_dmarc.example.org", "TXT", "v=DMARC1; p=none; rua=mailto:d@example.org")
    assert flight(now()) == (0, {"verdict": "ok", "bulk": None, "dns_failed": False, "findings": []})
    status, told = flight(now(more=BULK).replace(b"\r\n", b"\n"))
    assert status == 1 and told["bulk"] == "List-Id" and told["findings"][0]["why"] == "unsubscribe-missing"
    assert told["findings"][0]["act"] == "sender" and "Gmail" in told["findings"][0]["prevents"]
    # A key above a From domain whose policy is strict is not aligned, which only the DNS tells.
    lab.names.set("_dmarc.sub.example.org", "TXT", "v=DMARC1; p=none; adkim=s")
    status, told = flight(now(sender="a@sub.example.org"), "--sender", "a@sub.example.org")
    assert status == 1 and [f["why"] for f in told["findings"]] == ["from-not-aligned"]
    lab.names.remove("_dmarc.example.org")
    status, told = flight(now())
    assert status == 1 and [f["why"] for f in told["findings"]] == ["dmarc-missing"]
    assert flight(now(), "--offline")[0] == 0
    lab.names.error("_dmarc.example.org", "TXT", "SERVFAIL")
    status, told = flight(now())
    assert status == 75 and told["verdict"] == "unknown" and told["findings"] == []
    assert flight(b"no header at all\n")[0] == 65
    assert relay.ctl("preflight", "/no/such/file").returncode == 65 and relay.ctl("preflight").returncode == 64
    assert "field-twice" in relay.ctl("why", "field-twice").stdout
