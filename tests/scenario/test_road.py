# SPDX-License-Identifier: ISC
"""The whole road with the real parts: in by Postfix and swaks, out to Postfix over TLS, checked by others."""
import os

from tests.lab import verify
from tests.lab.relay import letter


def signed_by_both(lab, mail):
    """Both signatures hold, for dkimpy (RSA and Ed25519) and for opendkim-testmsg."""
    text = verify.crlf(mail)
    text = text[text.index(b"DKIM-Signature:"):] if text.startswith(b"Return-Path") else text
    assert sorted(verify.algorithms(text)) == ["ed25519-sha256", "rsa-sha256"]
    assert verify.dkimpy(lab.names, text) == [True, True]
    status, words = verify.opendkim(text)
    assert status == 0, words


def test_swaks_to_postfix_over_tls(lab):
    mx = lab.postfix_mx("mx.dest.test", ["dest.test"])
    relay = lab.relay().start()
    done = relay.swaks("someone@dest.test", "--header", "Subject: by swaks")
    assert done.returncode == 0, done.stdout
    mail = mx.wait()
    assert b"Subject: by swaks" in mail and b"TLSv1.3" in mail
    signed_by_both(lab, mail)
    delivered = relay.wait("delivered", to="someone@dest.test")
    assert delivered["host"] == "mx.dest.test" and delivered["tls"]


def test_postfix_relayhost_to_postfix_over_tls(lab):
    mx = lab.postfix_mx("mx.dest.test", ["dest.test"])
    relay = lab.relay().start()
    client = lab.postfix_client("web.example.org", relay)
    client.submit("app@example.org", ["someone@dest.test"], letter(body="Grüße\r\n".encode()))
    mail = mx.wait()
    assert "Grüße".encode() in mail
    signed_by_both(lab, mail)
    assert client.logged(r"status=sent")


def test_implicit_tls_carries_mail_as_well(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    relay.send("someone@dest.test", implicit=True)
    message = mx.wait()
    assert message.tls and message.sni == "mx.dest.test" if hasattr(message, "sni") else message.tls
    assert message.to() == ["someone@dest.test"]


def bodies():
    long_line = b"x" * 5000 + b"\r\n"
    return {
        "8-bit": bytes(range(128, 256)) + b"\r\n",
        "long lines": long_line * 3,
        "leading dots": b".\r\n..\r\n.hidden\r\n...\r\nend\r\n",
        "empty": b"",
        "blank lines": b"\r\n\r\n\r\n",
    }


def test_case_8_bodies_arrive_byte_identical(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    for n, (name, body) in enumerate(bodies().items()):
        for bdat in (False, True):
            assert relay.submit("someone@dest.test", letter(subject=name, body=body), bdat=bdat,
                                mail="BODY=8BITMIME").code == 250
    for message in mx.wait(2 * len(bodies())):
        name = next(k for k in bodies() if b"Subject: " + k.encode() + b"\r\n" in message.data)
        assert message.body() == bodies()[name], name
        assert verify.dkimpy(lab.names, message.data) == [True, True], name


def test_case_8_a_large_attachment_over_both_roads(lab):
    with_bdat = lab.mx("mx.a.test", domains="a.test")
    with_data = lab.mx("mx.b.test", domains="b.test").without("CHUNKING")
    relay = lab.relay().start()
    body = b"".join(os.urandom(54).hex().encode()[:76] + b"\r\n" for _ in range(30 * 1024 * 1024 // 78))
    assert relay.submit(["x@a.test", "y@b.test"], letter(body=body)).code == 250
    for mx in (with_bdat, with_data):
        message = mx.wait(bound=240)
        assert message.body() == body and message.bdat == (mx is with_bdat)
    assert verify.dkimpy(lab.names, with_data.messages[0].data) == [True, True]


def test_case_43_without_a_last_newline(lab):
    with_bdat = lab.mx("mx.a.test", domains="a.test")
    with_data = lab.mx("mx.b.test", domains="b.test").without("CHUNKING")
    relay = lab.relay().start()
    body = b"no newline at the end"
    assert relay.submit(["x@a.test", "y@b.test"], letter(body=body), bdat=True).code == 250
    assert with_bdat.wait().body() == body
    assert with_data.wait().body() == body + b"\r\n"
    for mx in (with_bdat, with_data):
        assert verify.dkimpy(lab.names, mx.messages[0].data) == [True, True]


def test_case_8_missing_fields_come_before_signing_and_bcc_goes(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    text = (b"From: app@example.org\r\nTo: a@dest.test\r\nBcc: secret@dest.test,\r\n other@dest.test\r\n"
            b"Return-Path: <x@example.org>\r\nSubject: s\r\nResent-Bcc: third@dest.test\r\n\r\nbody\r\n")
    assert relay.submit("a@dest.test", text).code == 250
    message = mx.wait()
    header = message.header().lower()
    assert b"bcc:" not in header and b"secret@" not in header and b"return-path:" not in header
    assert header.count(b"\r\ndate:") == 1 and header.count(b"\r\nmessage-id:") == 1
    assert header.count(b"\r\nreceived:") + header.startswith(b"received:") == 1
    assert verify.dkimpy(lab.names, message.data) == [True, True]


def test_case_9_fields_are_signed_and_oversigned(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    relay.send("someone@dest.test", letter(more="Reply-To: other@example.org\r\nList-Id: <l.example.org>\r\n"))
    text = mx.wait().data
    added = text.replace(b"Subject: a letter", b"Subject: a letter\r\nSubject: another")
    assert verify.dkimpy(lab.names, text) == [True, True]
    assert verify.dkimpy(lab.names, added) == [False, False]
    assert verify.dkimpy(lab.names, b"Reply-To: evil@example.net\r\n" + text) == [False, False]
    assert verify.dkimpy(lab.names, text.replace(b"List-Id: <l.", b"List-Id: <m.")) == [False, False]


def test_message_sign_on_the_command_line(lab):
    relay = lab.relay()
    text = letter().decode()
    for selector in ("r1", "e1"):
        done = relay.ctl("message", "sign", "--domain", "example.org", "--selector", selector, "--key",
                         relay.path(selector + ".pem"), "-", data=text)
        assert done.returncode == 0 and done.stdout.startswith("DKIM-Signature:"), done.stderr
        field = verify.crlf(done.stdout.encode()).rstrip() + b"\r\n"
        assert verify.dkimpy(lab.names, field + text.encode()) == [True]


def test_a_new_key_signs_what_its_record_verifies(lab):
    relay = lab.relay()
    for kind in ("rsa", "ed25519"):
        out = relay.path(kind + ".new")
        record = relay.ask("key", "new", "--domain", "example.org", "--selector", "n", "--type", kind,
                           "--out", out)
        assert os.stat(out).st_mode & 0o777 == 0o600
        text = "".join(record.split('"')[1::2])
        assert "v=DKIM1" in text and f"k={kind}" in text, record
        lab.names.set("n._domainkey.example.org", "TXT", text)
        field = relay.ask("message", "sign", "--domain", "example.org", "--selector", "n", "--key", out,
                          lab.file("letter", letter()))
        signed = verify.crlf(field.encode()).rstrip() + b"\r\n" + letter()
        assert verify.dkimpy(lab.names, signed) == [True]
        assert text.split("p=")[1][:40] in "".join(relay.ask("key", "show", out, "--domain", "example.org",
                                                             "--selector", "n").split('"'))
