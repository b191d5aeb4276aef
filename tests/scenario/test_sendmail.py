# SPDX-License-Identifier: ISC
"""sendmail over the relay's Unix socket: what programs of the machine send, each as the user it runs as (cases 210-214)."""
import os
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

from tests.lab.client import Client
from tests.lab.process import run
from tests.lab.wait import until

ROOT, WWW, GAMES, NOBODY = 0, 33, 5, 65534


@pytest.fixture
def place(lab):
    """A folder that every user may enter, as /run/waxwing is."""
    folder = tempfile.mkdtemp(dir="/tmp")
    os.chmod(folder, 0o755)
    lab.at_end(lambda: shutil.rmtree(folder))
    return folder


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains=("dest.test", "example.org"))


@pytest.fixture
def relay(lab, place, mx):
    relay = lab.relay()
    relay.socket = place + "/submit.sock"
    relay.write(listen=relay.config["listen"] + [{"address": "unix:" + relay.socket}],
                senders=relay.config["senders"] + [
                    {"unix_user": "www-data", "from": ["example.org"]},
                    {"unix_user": "root", "from": ["example.org"]},
                    {"unix_user": "games", "from": ["alerts@example.org"], "limits": {"messages": "3/h"}}])
    relay.start()
    relay.called = place + "/sendmail"
    shutil.copy(relay.program, relay.called)
    return relay


def call(relay, uid, *arguments, text="", socket_at=None):
    """The program under its old name, as a user of the machine."""
    return run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", relay.called,
                "--socket=" + (socket_at or relay.socket), *arguments], input=text)


def good(relay, *call_as, **more):
    done = call(relay, *call_as, **more)
    assert done.returncode == 0 and not done.stderr, done
    return done


def test_case_210_php_and_cron_and_mailx(relay, mx):
    good(relay, WWW, "-t", "-i", text="To: a@dest.test\nCc: Ann <b@dest.test>\nBcc: c@dest.test\nSubject: php\n"
         "From: Shop <shop@example.org>\n\nOne\n.\nTwo\n")
    good(relay, ROOT, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root",
         text="From: root (Cron Daemon)\nTo: root\nSubject: cron\n\nout\n")
    good(relay, GAMES, "-oi", "-f", "alerts@example.org", "--", "d@dest.test", text="hello\n")
    good(relay, WWW, "e@dest.test", text="Subject: dot\r\n\r\nabove\r\n.\r\nbelow\r\n")
    by = {m.to()[0] if len(m.to()) == 1 else "all": m for m in mx.wait(4)}
    php, cron, mailx, dot = by["all"], by["admin@example.org"], by["d@dest.test"], by["e@dest.test"]
    assert sorted(php.to()) == ["a@dest.test", "b@dest.test", "c@dest.test"] and b"c@dest" not in php.header()
    assert php.sender == "www-data@example.org" and b"\r\nOne\r\n.\r\nTwo\r\n" in php.data
    assert cron.sender == "root@example.org" and b'From: "Cron Daemon" <root@example.org>' in cron.header()
    assert mailx.sender == "alerts@example.org" and b"From: <alerts@example.org>" in mailx.header() and mailx.data.endswith(b"hello\r\n")
    assert dot.data.endswith(b"above\r\n") and b"below" not in dot.data
    for message in by.values():
        header = message.header()
        assert b"DKIM-Signature:" in header and b"Date:" in header and b"Message-ID:" in header


def test_case_211_rows_decide_who_sends_as_what(relay, mx):
    letter = "From: {0}\nTo: a@dest.test\n\nx\n"
    refused = call(relay, NOBODY, "-t", text=letter.format("nobody@example.org"))
    assert refused.returncode == 77 and "user 65534 of this machine" in refused.stderr
    assert call(relay, GAMES, "-t", "-f", "root@example.org", text=letter.format("alerts@example.org")).returncode == 77
    assert call(relay, GAMES, "-t", text=letter.format("root@example.org")).returncode == 77
    good(relay, GAMES, "-t", text=letter.format("games"))  # in the one name it has
    assert mx.wait().sender == "alerts@example.org"
    late = [call(relay, GAMES, "-t", text=letter.format("games")).returncode for _ in range(3)]
    assert late[-1] == 75  # three an hour
    assert {e["user"] for e in relay.events("accept")} == {"unix:games"}
    assert {e["client"] for e in relay.events("connect", listen="unix:" + relay.socket)} == {"[uid:65534]", "[uid:5]"}


def test_case_212_what_went_wrong_is_an_exit_status_and_a_sentence(relay, mx):
    for arguments, text, status, says in (
            ((), "x", 64, "to whom"), (("-t",), "Subject: x\n\ny\n", 65, "no recipient"), (("-Y", "a@dest.test"), "x", 64, "-Y"),
            (("a@dest.test\nRCPT TO:<b@dest.test>",), "x", 65, "no address"), (("-bd",), "", 64, "waxwing run"),
            (("a@dest.test",), "Subject: x\n\nbare\rcr\n", 65, "nothing was sent"), (("a b@dest.test",), "x", 65, "no address"),
            (("a@dest.test", "c@[192.0.2.1]"), "x", 65, "c@[192.0.2.1]")):
        done = call(relay, WWW, *arguments, text=text)
        assert done.returncode == status and says in done.stderr, done
    assert call(relay, WWW, "a@dest.test", text="x", socket_at="/nowhere").returncode == 75
    assert "try again later" in call(relay, WWW, "a@dest.test", text="x", socket_at="/nowhere").stderr
    relay.stop()
    down = call(relay, WWW, "a@dest.test", text="x")
    assert down.returncode == 75 and "does not answer" in down.stderr
    relay.start()
    good(relay, WWW, "a@dest.test", text="x")
    assert mx.wait().to() == ["a@dest.test"]


def test_case_213_smtp_on_standard_input_and_no_tls_there(relay, mx):
    said = good(relay, WWW, "-bs", text="EHLO x\r\nSTARTTLS\r\nAUTH PLAIN AA==\r\nMAIL FROM:<www-data@example.org>\r\n"
                "RCPT TO:<a@dest.test>\r\nDATA\r\nFrom: www-data@example.org\r\n\r\nx\r\n.\r\nQUIT\r\n").stdout
    assert "250-STARTTLS" not in said and "250-AUTH" not in said and "250-XORIGIN example.org\n" in said
    assert re.findall(r"(?m)^(\d\d\d) ", said)[:4] == ["220", "250", "503", "538"]
    assert mx.wait().to() == ["a@dest.test"]


def hold(path, uid, count, wanted):
    """Connections of a user that says nothing more; how many were served."""
    script = ("import socket, sys, time\nheld = []\nfor _ in range(int(sys.argv[2])):\n    s = socket.socket(socket.AF_UNIX)\n"
              "    s.connect(sys.argv[1])\n    held.append(s)\n"
              "print(sum(s.recv(3) == b'220' for s in held), flush=True)\ntime.sleep(600)\n")
    child = subprocess.Popen(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "/usr/bin/python3", "-c", script, path, str(count)],
                             stdout=subprocess.PIPE, text=True)
    assert int(child.stdout.readline()) <= wanted
    return child


def test_case_214_a_hostile_user_harms_nobody_else(relay, mx):
    held = hold(relay.socket, NOBODY, 1000, wanted=100)
    try:
        good(relay, WWW, "-t", text="To: a@dest.test\n\nx\n")
        with Client(relay.address, relay.port) as client:
            client.ehlo()
    finally:
        held.kill()
        held.wait()
    endless = subprocess.Popen(["setpriv", f"--reuid={WWW}", f"--regid={WWW}", "--clear-groups", relay.called, "--socket=" + relay.socket,
                                "b@dest.test"], stdin=open("/dev/zero", "rb"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    told = endless.communicate(timeout=300)[1]  # 50 MiB are the most
    assert endless.returncode in (65, 75), told
    assert "nothing was sent" in told or "not sent" in told
    assert call(relay, WWW, "-t", text="To: " + "a" * (2 << 20) + "\n\nx\n").returncode == 65
    s = socket.socket(socket.AF_UNIX)
    s.connect(relay.socket)
    s.sendall(b"A" * 100000)
    s.close()
    good(relay, WWW, "c@dest.test", text="x" * (1 << 20) + "\n")
    assert sorted(m.to()[0] for m in mx.wait(2)) == ["a@dest.test", "c@dest.test"]


def test_the_socket_follows_the_configuration(relay, mx, place):
    assert os.stat(relay.socket).st_mode & 0o777 == 0o666
    listen = relay.config["listen"][:-1] + [{"address": "unix:" + relay.socket, "mode": "0600"},
                                            {"address": f"unix:{place}/more.sock"}]
    relay.write(listen=listen).reload()
    until(lambda: os.path.exists(place + "/more.sock") and os.stat(relay.socket).st_mode & 0o777 == 0o600, relay.told)
    assert call(relay, WWW, "a@dest.test", text="x").returncode == 77
    good(relay, WWW, "a@dest.test", text="x", socket_at=place + "/more.sock")
    relay.write(listen=relay.config["listen"][:2]).reload()
    until(lambda: call(relay, ROOT, "a@dest.test", text="x").returncode == 75, relay.told)
    assert mx.wait().to() == ["a@dest.test"]
