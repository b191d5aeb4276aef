# SPDX-License-Identifier: ISC
"""Filters behind the milter protocol: Debian's rspamd, clamav-milter and OpenDKIM, and one that lies. They see mail before
it is signed, change it, hold it, refuse it; and none of them, dead or lying, stops anybody else."""
import os
import struct
import urllib.request

import pytest

from tests.lab.milters import INFECTED, ClamAv, LyingMilter, OpenDkim, Rspamd, packet
from tests.lab.others import Dkimpy, MailDkim
from tests.lab.relay import letter
from tests.lab.wait import until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


def filtered(lab, *milters, **more):
    """A relay and the host it delivers to; `milters`: rows, or an actor and its name."""
    final = lab.mx("mx.dest.test", domains="dest.test")
    rows = [m if isinstance(m, dict) else {"name": type(m).__name__.lower(), "address": m.address} for m in milters]
    relay = lab.relay(milters=rows, **more).start()
    return final, relay


def send(relay, text=None, **more):
    return relay.submit("someone@dest.test", text or letter(**more))


def verdicts(relay):
    return [(e["milter"], e["result"]) for e in relay.events("filter")]


def test_rspamd_sees_mail_before_it_is_signed(lab):
    final, relay = filtered(lab, Rspamd(lab))
    assert send(relay).code == 250
    message = final.wait()
    queue_id = relay.wait("accept")["id"]
    assert f"X-Rspamd-Queue-Id: {queue_id}" in message.header().decode()
    assert Dkimpy(lab).verify(message.data) == ["pass", "pass"] and b"relay.example.org;" not in message.header()
    reply = send(relay, body=GTUBE.encode() + b"\r\n")
    assert reply.code == 554 and "Gtube" in reply.text, reply
    until(lambda: verdicts(relay) == [("rspamd", "changed"), ("rspamd", "refused")], relay.told)
    assert relay.wait("refuse")["why"] == "filter-refused"


def test_case_226_clamav_refuses_and_holds_what_is_infected(lab):
    final, relay = filtered(lab, ClamAv(lab))
    assert send(relay).code == 250
    assert b"X-Virus-Status: Clean" in final.wait().header()
    reply = send(relay, body=INFECTED + b"\r\n")
    assert reply.code == 550 and "Lab.Test" in reply.text, reply
    relay.stop()
    held = ClamAv(lab, on_infected="Quarantine")
    relay.write(milters=[{"name": "clamav", "address": held.address}])
    relay.start()
    assert send(relay, body=INFECTED + b"\r\n").code == 250
    row = relay.wait("accept", count=2)[-1]
    assert row["held"].startswith("clamav: ")
    held = relay.json("queue", "list", "--state", "held")
    assert "clamav: " in str(held)
    relay.kill()  # what waits for an operator waits on, with its reason
    assert "clamav: " in relay.ask("queue", "list", "--offline", "--json")
    relay.start()
    assert relay.json("queue", "list", "--state", "held") == held
    relay.ask("queue", "release", row["id"])
    assert INFECTED in final.wait(2)[-1].data


def test_case_227_a_large_message_passes_through_clamav_whole(lab):
    final, relay = filtered(lab, ClamAv(lab))
    body = b"0123456789abcdef" * 60 + b"\r\n"
    assert send(relay, body=body * 2000).code == 250
    message = final.wait()
    assert message.body() == body * 2000 and Dkimpy(lab).verify(message.data) == ["pass", "pass"]
    assert send(relay, body=body * 2000 + INFECTED + b"\r\n").code == 550


def test_opendkim_and_others_in_their_order(lab):
    last = LyingMilter(lab)
    final, relay = filtered(lab, OpenDkim(lab, "filter.example.org"), last)
    assert send(relay).code == 250
    header = final.wait().header().decode()
    assert "Authentication-Results: filter.example.org;" in header
    assert any(code == b"L" and data.startswith(b"Authentication-Results\0") for code, data in last.seen)
    assert not any(code == b"L" and data.startswith(b"DKIM-Signature") for code, data in last.seen)


def test_case_222_forwarded_mail_is_verified_before_and_sealed_after(lab):
    liar = LyingMilter(lab)
    liar.lies[b"E"] = packet(b"h", b"X-Checked\0yes\0") + packet(b"b", b"Another body.\r\n") + packet(b"c")
    final, relay = filtered(lab, liar, senders=[{"user": "app", "from": ["example.org"], "forward": True}],
                            arc={"domain": "example.org", "selector": "r1", "file": "r1.pem"})
    lab.names.set("else.test", "TXT", "v=spf1 -all")
    reply = relay.submit("someone@dest.test", letter(sender="x@else.test"), sender="x@else.test")
    assert reply.code == 250, reply
    message = final.wait()
    assert message.body() == b"Another body.\r\n" and b"X-Checked: yes" in message.header()
    assert Dkimpy(lab).validate(message.data) == "pass" and MailDkim(lab).validate(message.data) == "pass"


def test_macros_tell_who_sends(lab):
    liar = LyingMilter(lab)
    final, relay = filtered(lab, liar)
    assert send(relay).code == 250
    said = dict(pair for code, data in liar.seen if code == b"D" for pair in pairs(data[1:]))
    assert said[b"{auth_authen}"] == b"app" and said[b"{auth_type}"] == b"PLAIN"
    assert said[b"{tls_version}"].startswith(b"TLS") and said[b"{cipher}"] and said[b"j"] == b"relay.example.org"
    assert said[b"{mail_addr}"] == b"app@example.org" and said[b"{rcpt_addr}"] == b"someone@dest.test"
    assert said[b"i"].decode() == relay.wait("accept")["id"] and said[b"{client_addr}"] == b"127.0.0.1"


def pairs(data):
    words = data.split(b"\0")[:-1]
    return zip(words[::2], words[1::2])


def up():
    with urllib.request.urlopen("http://127.0.0.1:9587/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('waxwing_milter_up{milter="liar"}'))


def test_case_221_a_filter_that_is_away_is_told_of_and_heals(lab):
    liar = LyingMilter(lab)
    senders = [{"user": "app", "from": ["example.org"]},
               {"network": ["127.0.0.0/8"], "from": ["example.org"], "milters": "none"}]
    final, relay = filtered(lab, {"name": "liar", "address": liar.address}, senders=senders,
                            http="127.0.0.1:9587")
    liar.close()
    reply = send(relay)
    assert reply.code == 451 and "4.7.1" in reply.text
    assert relay.wait("refuse")["why"] == "filter-away"
    assert relay.wait("alarm")["what"] == "milter"
    with relay.client(login=False) as other:
        other.ehlo()
        other.envelope("app@example.org", "someone@dest.test")
        assert other.data(letter()).code == 250
    assert relay.ctl("check", "--offline").returncode == 0 and "filter liar" in relay.ctl("check").stdout
    assert "liar DOES NOT DO ITS WORK" in relay.ask("status")
    assert up() == 0
    liar.open()
    assert send(relay).code == 250
    assert "answers again" in relay.wait("milter")["text"]
    assert up() == 1
    assert len(final.wait(2)) == 2


def test_a_reload_changes_filters(lab):
    liar = LyingMilter(lab)
    liar.lies[b"M"] = packet(b"y", b"550 5.7.1 not this one\0")
    final, relay = filtered(lab)
    assert send(relay).code == 250
    relay.write(milters=[{"name": "liar", "address": liar.address}])
    assert relay.ask("reload")
    assert "not this one" in send(relay).text
    relay.write(milters=[])
    assert relay.ask("reload")
    assert send(relay).code == 250


@pytest.mark.threads
def test_case_220_lies_cost_nobody_but_the_mail_they_are_about(lab):
    liar = LyingMilter(lab)
    final, relay = filtered(lab, {"name": "liar", "address": liar.address})
    garbage = [None, b"\xff\xff\xff\xff" + b"x" * 64, b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n", packet(b"Z")]
    for step in (b"O", b"C", b"R", b"L", b"B", b"E"):
        for lie in garbage:
            liar.lies = {step: lie}
            assert send(relay).code == 451
    liar.lies = {b"E": packet(b"p") * 300000}
    assert send(relay).code == 451
    liar.lies = {b"E": packet(b"b", b"x" * 60000) * 1000}
    assert send(relay).code == 451
    liar.lies = {b"E": packet(b"m", struct.pack(">I", 1) + b"Subject\0other\0") + packet(b"c")}
    assert send(relay).code == 250
    assert b"\r\nSubject: other\r\n" in final.wait().data


def test_case_228_the_relay_ends_while_a_filter_thinks(lab):
    liar = LyingMilter(lab)
    liar.silent = b"E"
    final, relay = filtered(lab, {"name": "liar", "address": liar.address})
    for end in (relay.kill, relay.stop):
        liar.seen.clear()
        client = relay.client()
        client.envelope("app@example.org", "someone@dest.test")
        client.cmd("DATA")
        client.send(letter(body=b"0123456789abcdef" * 60 + b"\r\n") * 600 + b".\r\n")
        until(lambda: any(code == b"E" for code, _ in liar.seen), "the filter to have it all")
        assert os.listdir(relay.path("spool/large"))
        end()
        relay.start()
        assert relay.json("queue", "list") == [] and os.listdir(relay.path("spool/large")) == []
    assert not final.seen
