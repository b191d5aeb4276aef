# SPDX-License-Identifier: ISC
"""What a log line or a report tells whoever has nothing else: what was tried now and what is remembered, who can mend
it and what is next."""
import glob
import os
import re

from tests.lab import verify
from tests.lab.relay import letter


def next_hop(lab, name, **steps):
    """A next hop that wants a login, and its row of delivery.destinations."""
    mx = lab.mx("mx." + name, domains=name)
    mx.extensions += ["AUTH PLAIN LOGIN"]
    for step, reply in steps.items():
        mx.on(step, reply)
    password = lab.file(name + ".password", b"secret\n")
    os.chmod(password, 0o600)
    return mx, {"domain": name, "next_hop": [f"[{mx.host}]:25"], "tls": "webpki",
                "auth": {"user": "relay", "password_file": password}}


def test_case_550_a_host_that_is_left_alone_is_told_without_an_old_reply_as_a_new_one(lab):
    mx, row = next_hop(lab, "dest.test", auth="535 5.7.8 Error: authentication failed")
    relay = lab.relay(delivery={"retry": ["1s", "1h"], "destinations": [row]}).start()
    relay.send("a@dest.test")
    first, second = relay.wait("deferred", 2, to="a@dest.test")
    assert first["reply"].startswith("535 5.7.8") and first["status"] == "4.7.8" and first["tls"] == "TLSv1.3"
    assert "for good" in first["kept"] and "connected" not in first
    assert second["why"] == "auth-refused" and second["act"] == first["act"] == "us", second
    assert second["connected"] == "no" and second["next"] > 0, second
    assert not second["reply"] and not {"tls", "proof"} & set(second), second
    assert second["reason"].startswith("no connection was made this time") and "535 5.7.8" in second["reason"], second
    assert len(mx.sessions) == 1


def test_case_551_the_line_of_a_site_says_in_words_what_it_gets(lab):
    lab.names.add("dest.test", "MX", "10 mx.dest.test.")
    lab.names.add("mx.dest.test", "A", "198.51.100.9")
    relay = lab.relay(delivery={"retry": ["1h"], "timeouts": {"connect": "2s"}}).start()
    relay.send("a@dest.test")
    line = relay.wait("site", state="shut")
    assert line["next"] == line["pause"] > 0 and line["sign"] == "away", line
    assert "no connection to a host of it comes about" in line["text"] and "then one message is tried" in line["text"]
    assert "no limit of messages a minute" in line["text"] and "per_minute" not in line and line["class"] == "network"


def test_case_552_a_pause_names_its_site_whose_it_is_and_how_it_ends(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    relay.ask("pause", "dest.test", "--for", "1h", "--reason", "their wish")
    relay.send("a@dest.test")
    line = relay.wait("deferred", to="a@dest.test")
    assert "mx.dest.test:25" in line["reason"] and "root" in line["reason"] and "their wish" in line["reason"]
    assert re.search(r"until 20\d\d-", line["reason"]) and 3000 < line["next"] <= 3600, line
    assert line["connected"] == "no"
    assert "waxwing resume mx.dest.test:25" in line["because"], line  # before that, nothing but the end of the pause


def test_case_553_requiretls_says_why_it_is_looked_at_twice_and_then_given_up(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    relay.send("a@dest.test", mail="REQUIRETLS")
    first = relay.wait("deferred", to="a@dest.test")
    assert "looked up once more" in first["because"] and 0 < first["next"] <= 10, first
    last = relay.wait("failed", to="a@dest.test", bound=60)
    assert "a second time" in last["because"] and last["rule"] == last["why"] == "requiretls-no-name", last
    assert last["type"] == "validation-failure"


def test_case_557_a_report_has_all_that_is_needed_to_follow_it(lab):
    home = lab.mx("mx.example.org", domains="example.org")
    _, row = next_hop(lab, "dest.test")
    row["auth"]["password_file"] = lab.file("secret.password", b"secret\n")
    os.chmod(row["auth"]["password_file"], 0o600)
    relay = lab.relay(delivery={"retry": ["1s", "1h"], "warn_after": "1s", "destinations": [row]}).start()
    os.remove(row["auth"]["password_file"])
    identity = relay.send("a@dest.test", letter(subject="quarterly figures"))
    line = relay.wait("deferred", why="password-unreadable")
    assert row["auth"]["password_file"] in line["reason"]  # for whoever runs the relay
    message = home.wait()
    assert row["auth"]["password_file"].encode() not in message.data
    text = " ".join(verify.Dsn(message.data).text.split())
    for fact in ("Subject: quarterly figures", "Message-ID: <", f"Id in the log of this relay: {identity}",
                 "The next attempt is at", "Who can fix it: those who run this relay ("):
        assert fact in text, (fact, text)


def test_case_559_a_refusal_of_ours_says_whom_to_ask(lab):
    relay = lab.relay(limits={"disk_reserve": "900TiB"}).start()
    with relay.client() as client:
        reply = client.cmd("MAIL FROM:<app@example.org>")
    text = " ".join(reply.lines)
    assert reply.code == 452 and "Please tell " + relay.config["postmaster"] in text, text
    assert "was not accepted: keep it, and send it again later" in text, text
    with relay.client(login=False) as client:  # a stranger is told no address
        client.ehlo(), client.starttls()
        reply = client.plain("app", "wrong")
    text = " ".join(reply.lines)
    assert reply.code == 535 and "so no mail is accepted" in text and "ask the postmaster of relay.example.org" in text and len(text) < 200, text
    assert relay.config["postmaster"] not in text


def test_case_647_each_wait_has_its_reason_and_its_end_and_says_who_is_told(lab):
    home = lab.mx("mx.example.org", domains="example.org")
    mx = lab.mx("mx.dest.test", domains="dest.test")
    mx.on("rcpt", "450 4.3.0 not now")
    relay = lab.relay(delivery={"retry": ["30s", "1h"], "warn_after": "2s", "expire": "1m"}).start()
    relay.send("a@dest.test")
    first, second = relay.wait("deferred", 2, to="a@dest.test")
    assert first["because"] == "step 1 of delivery.retry, 30 s, shortened so that a try comes before the delay notice"
    assert first["next"] <= 2 and "told" not in first, first
    assert second["because"].startswith("step 2 of delivery.retry, 3600 s, shortened so that a last try"), second
    assert second["told"] == "sender-of-delay", second  # the delay notice goes out now
    assert first["expires"] == second["expires"] and re.fullmatch(r"20\d\d-[-\dT:]+Z", first["expires"]), first
    assert home.wait().to()[0] == "app@example.org"


def test_case_648_of_what_was_not_connected_nothing_is_told_that_a_connection_shows(lab):
    lab.names.add("away.test", "MX", "10 mx.away.test.")
    lab.names.add("mx.away.test", "A", "198.51.100.9")
    lab.mx("mx.rule.test", domains="rule.test")
    full = lab.mx("mx.full.test", domains="full.test")
    full.on("rcpt", "452 4.2.2 over quota")
    listed = lab.mx("mx.listed.test", domains="listed.test")
    listed.on("rcpt", "554 5.7.1 Service unavailable; Client host [198.51.100.1] blocked using zen.spamhaus.org")
    relay = lab.relay(delivery={"retry": ["1h"], "destinations": [{"domain": "rule.test", "tls": "dane"}]}).start()
    names = ("away", "rule", "full", "listed", "nobody")
    for name in names:
        relay.send(f"a@{name}.test")
    line = {name: relay.wait("failed" if name in ("listed", "nobody") else "deferred", to=f"a@{name}.test") for name in names}
    for name in ("away", "rule", "nobody"):
        assert line[name]["connected"] == "no" and not {"tls", "proof"} & set(line[name]), line[name]
    assert relay.wait("tls-refused", domain="rule.test")["connected"] == "no"
    assert "connected" not in line["full"] and line["full"]["tls"] == "TLSv1.3" and line["full"]["proof"]
    assert line["full"]["reason"] == "the host refused RCPT TO at this time: the mailbox is full", line["full"]
    assert line["listed"]["told"] == line["nobody"]["told"] == "sender-of-failure" and "expires" not in line["nobody"]
    shut = relay.wait("site", site="mx.listed.test:25")
    assert shut["class"] == "reputation" and "block list" in shut["text"] and "less mail" not in shut["text"], shut


def test_case_649_what_only_the_operator_may_know_stands_in_the_log(lab):
    relay = lab.relay(limits={"disk_reserve": "900TiB"}).start()
    with relay.client() as client:
        assert client.cmd("MAIL FROM:<app@example.org>").code == 452
    refused = relay.wait("refuse", why="disk-full")
    assert refused["path"] == relay.path("spool") and refused["reserve"] == 900 << 40, refused
    assert 0 <= refused["free"] < refused["reserve"], refused
    for name, said in (("app", "the password is wrong"), ("stranger", "nobody has this name")):
        with relay.client(login=False) as client:
            client.ehlo(), client.starttls()
            assert client.plain(name, "wrong").code == 535
        assert said in relay.wait("auth", result="failed", user=name)["detail"]


def test_case_568_a_message_whose_body_is_lost_is_named_by_its_subject(lab):
    home = lab.mx("mx.example.org", domains="example.org")
    lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "450 4.2.1 later")
    relay = lab.relay(delivery={"retry": ["2s", "1h"]}).start()
    relay.send("a@dest.test", letter(subject="quarterly figures", body=(b"y" * 70 + b"\r\n") * 60000))
    relay.wait("deferred", to="a@dest.test")
    large = [f for f in glob.glob(os.path.dirname(relay.file) + "/**/large/*", recursive=True) if os.path.isfile(f)]
    assert large
    for file in large:
        os.remove(file)
    report = verify.Dsn(home.wait().data)
    text = " ".join(report.text.split())
    for fact in ("This relay has lost the message: send it again now.", "Subject: quarterly figures", "Message-ID: <"):
        assert fact in text, (fact, text)
