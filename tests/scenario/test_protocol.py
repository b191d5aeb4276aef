# SPDX-License-Identifier: ISC
"""Everything a client may say wrongly, or cleverly (cases 37, 38, 40)."""
import pytest

from tests.lab.client import Client, Closed, swaks
from tests.lab.relay import letter

SMUGGLED = (b"MAIL FROM:<smuggled@example.org>\r\nRCPT TO:<victim@dest.test>\r\nDATA\r\n"
            b"From: app@example.org\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n")
TRICKS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r.\n", b"\n.\r",
          b"\r\n\0.\r\n", b"\0\r\n.\n", b"\r\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n"]


@pytest.mark.parametrize("trick", TRICKS, ids=[repr(t)[2:-1] for t in TRICKS])
def test_case_37_no_end_of_data_trick_starts_a_second_message(lab, trick):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    with relay.client() as client:
        client.envelope("app@example.org", "someone@dest.test")
        client.expect(354, "DATA")
        client.send(letter(body=b"first") + trick + SMUGGLED + b"QUIT\r\n")
        codes = []
        try:
            while True:
                codes.append(client.reply().code)
        except Closed:
            pass
    assert codes == [550, 221], codes
    assert not relay.events("accept") and not mx.seen


@pytest.mark.parametrize("trick", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n"])
def test_case_37_the_same_by_swaks(lab, trick):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    data = (letter(body=b"first") + trick + SMUGGLED).decode("latin-1")
    path = lab.file("smuggle", data)
    done = relay.swaks("someone@dest.test", "--no-data-fixup", "--data", "@" + path)
    assert done.returncode != 0 and not relay.events("accept") and not mx.seen


def test_case_37_bdat_refuses_bare_line_feeds_too(lab):
    relay = lab.relay().start()
    for body in (b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n"):
        reply = relay.submit("someone@dest.test", letter(body=body), bdat=True)
        assert reply.code == 550 and "5.6.0" in reply.text, reply


def test_bare_line_feeds_are_mended_where_the_operator_says_so(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[{"user": "app", "from": ["example.org"], "bare_lf": "fix"}]).start()
    text = letter(body=b"one\ntwo\r\nthree\n")
    assert relay.submit("someone@dest.test", text, bdat=True).code == 250
    assert mx.wait().body() == b"one\r\ntwo\r\nthree\r\n"
    assert relay.submit("someone@dest.test", letter(body=b"a\rb\r\n")).code == 550


def test_case_38_what_is_pipelined_behind_starttls_is_dropped(lab):
    relay = lab.relay().start()
    with Client(relay.address, relay.port) as client:
        client.ehlo()
        client.send(b"STARTTLS\r\nEHLO injected.example.org\r\nNOOP\r\n")
        client.expect(220)
        client.wrap()
        client.ehlo()
        client.expect(250, "NOOP")
        assert client.plain(relay.user, relay.password).code == 235
        client.expect(221, "QUIT")


def test_case_38_the_state_is_forgotten_with_starttls(lab):
    relay = lab.relay(senders=[{"network": ["127.0.0.0/8"], "tls": "optional", "from": ["example.org"]}]).start()
    with Client(relay.address, relay.port) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<app@example.org>")
        client.expect(250, "RSET")
        client.expect(220, "STARTTLS")
        client.wrap()
        client.expect(503, "MAIL FROM:<app@example.org>")
        client.ehlo()
        client.expect(250, "MAIL FROM:<app@example.org>")


def test_pipelining_keeps_the_order(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    with relay.client() as client:
        client.send(b"MAIL FROM:<app@example.org>\r\nRCPT TO:<a@dest.test>\r\nRCPT TO:<>\r\n"
                    b"RCPT TO:<b@dest.test>\r\nDATA\r\n")
        assert [client.reply().code // 100 for _ in range(5)] == [2, 2, 5, 2, 3]
        client.send(letter() + b".\r\nNOOP\r\nQUIT\r\n")
        assert [client.reply().code for _ in range(3)] == [250, 250, 221]
    assert sorted(mx.wait().to()) == ["a@dest.test", "b@dest.test"]


def test_case_40_early_talkers_gain_nothing(lab):
    relay = lab.relay().start()
    client = Client(relay.address, relay.port, greet=False)
    client.send(b"EHLO early.example.org\r\nMAIL FROM:<app@example.org>\r\n")
    reply = client.reply()
    if reply.code == 220:
        client.expect(250)
        client.expect(530)
    else:
        assert reply.code in (421, 554)


def test_case_40_overlong_and_endless_commands(lab):
    relay = lab.relay().start()
    with relay.client() as client:
        client.expect(500, "NOOP " + "x" * 5000)
        client.expect(250, "NOOP")
    with relay.client() as client:
        codes = []
        try:
            for _ in range(200):
                codes.append(client.cmd("WHAT").code)
        except (Closed, OSError):
            pass
        assert codes[0] in (500, 502) and codes[-1] == 421 and len(codes) < 100


def test_case_40_addresses_of_every_shape(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    with relay.client() as client:
        client.expect(250, "MAIL FROM:<app@example.org>")
        client.expect(250, 'RCPT TO:<"quoted local"@dest.test>')
        client.expect(250, "RCPT TO:<@a.test,@b.test:routed@dest.test>")
        client.expect(250, "RCPT TO:<CaseKept@DEST.test>")
        client.expect(5, "RCPT TO:<grün@dest.test>")
        client.expect(5, "RCPT TO:<no-domain>")
        client.expect(5, "RCPT TO:<two@at@dest.test>")
        client.expect(5, "RCPT TO:<space in@dest.test>")
        client.expect(5, "RCPT TO:<someone@[127.0.0.1]>")
        client.expect(5, f"RCPT TO:<a@{'d' * 300}.test>")
        assert client.data(letter()).code == 250
    rcpts = mx.wait().to()
    assert '"quoted local"@dest.test' in rcpts and "routed@dest.test" in rcpts
    assert any(r.startswith("CaseKept@") for r in rcpts) and len(rcpts) == 3


def test_case_40_message_lines_pass_whatever_their_length(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    body = b"l" * 300000 + b"\r\n"
    assert relay.submit("someone@dest.test", letter(body=body)).code == 250
    assert mx.wait().body() == body


def test_chunks_of_every_size(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    text = letter(body=b"\r\n.\r\n..\r\n" * 40)
    for size in (1, 7, 100, 0):
        with relay.client() as client:
            client.envelope("app@example.org", "someone@dest.test")
            assert client.bdat(text, size).code == 250
    for message in mx.wait(4):
        assert message.body() == text.split(b"\r\n\r\n", 1)[1]


def test_chunks_in_the_wrong_place(lab):
    relay = lab.relay().start()
    with relay.client() as client:
        client.send(b"BDAT 5 LAST\r\nhello")
        client.expect(503)
        client.envelope("app@example.org", "someone@dest.test")
        client.send(b"BDAT 5\r\nFrom:")
        client.expect(250)
        client.expect(503, "DATA")
        client.expect(250, "RSET")
        client.expect(501, "BDAT many")  # what follows may be message or commands: nobody can tell
        assert client.ended()


def test_case_39_parameters_that_are_known_and_unknown(lab):
    relay = lab.relay().start()
    with relay.client() as client:
        client.expect(250, "MAIL FROM:<app@example.org> AUTH=<> BODY=8BITMIME SIZE=1000 RET=HDRS ENVID=QQ")
        client.expect(555, "RCPT TO:<someone@dest.test> WHAT=EVER")
        client.expect(250, "RCPT TO:<someone@dest.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b.test")
        client.expect(250, "RSET")
        client.expect(555, "MAIL FROM:<app@example.org> WHAT=EVER")
        client.expect(501, "MAIL FROM:<app@example.org> SIZE=many")
        client.expect(501, "MAIL FROM:<app@example.org> BODY=WHAT")


def test_a_client_that_vanishes_leaves_nothing(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    client = relay.client()
    client.envelope("app@example.org", "someone@dest.test")
    client.expect(354, "DATA")
    client.send(letter())
    client.close()
    relay.send("other@dest.test")
    assert mx.wait().to() == ["other@dest.test"] and len(relay.events("accept")) == 1


def test_smtp_source_many_sessions(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(senders=[{"network": ["127.0.0.0/8"], "tls": "optional", "from": ["example.org"]}]).start()
    from tests.lab.process import must
    must(["/usr/sbin/smtp-source", "-s", "10", "-m", "200", "-l", "5000", "-f", "app@example.org", "-t",
          "someone@dest.test", f"{relay.address}:{relay.port}"])
    assert len(mx.wait(200)) == 200 and len(relay.wait("accept", count=200)) == 200
    assert swaks(relay.address, relay.port, "--quit-after", "EHLO").returncode == 0
