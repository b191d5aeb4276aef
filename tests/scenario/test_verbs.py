# SPDX-License-Identifier: ISC
"""What operators do to mail that waits: which, where to, how many at a time, and with the relay stopped."""
import json
import os
import socket
import subprocess

import pytest

from tests.lab.relay import letter
from tests.lab.wait import until


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains="dest.test")


@pytest.fixture
def home(lab):
    return lab.mx("mx.example.org", domains="example.org")


def busy(lab, mx, **config):
    """A relay with three messages that wait: two for dest.test (one of them large), one for b.test."""
    mx.on("rcpt", "450 4.2.1 busy")
    lab.mx("mx.b.test", domains="b.test").on("rcpt", "421 4.7.28 too fast")
    relay = lab.relay(delivery={"retry": ["1h"]}, **config).start()
    ids = [relay.send("u0@dest.test"), relay.send("u1@dest.test", letter(body=b"x" * 70 + b"\r\n" + b"y\r\n" * 20000)),
           relay.send("u2@b.test", sender="other@example.org")]
    relay.wait("deferred", 3)
    return relay, ids


def test_case_310_every_filter_narrows(lab, mx):
    relay, ids = busy(lab, mx)

    def found(*words):
        return {row["id"] for row in relay.json("queue", "list", *words)}
    for words, wanted in ((["--login", "app"], ids), (["--login", "nobody"], []), (["--sender", "@example.org"], ids),
                          (["--site", "mx.dest.test"], ids[:2]), (["--site", "mx.dest.test:25", "--larger", "50KiB"], [ids[1]]),
                          (["--smaller", "50KiB"], [ids[0], ids[2]]), (["--class", "rate"], [ids[2]]),
                          (["--newer", "1h"], ids), (["--newer", "1h", "--site", "mx.other.test"], [])):
        assert found(*words) == set(wanted), words
    for words in (["--class", "no-such"], ["--larger", "0"], ["--newer", "soon"], ["--site", ""]):
        assert relay.ctl("queue", "hold", *words).returncode == 64, words
    # a program that asks for what this relay does not know gets nothing done
    for more in ({"colour": "red"}, {"domain": 7}, {"larger": "1"}, {"older_ms": -1}):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(relay.path("control.sock"))
            s.sendall(json.dumps({"verb": "queue-remove", "state": "waiting", **more}).encode() + b"\n")
            assert json.loads(s.makefile().read())["exit"] == 64, more
    relay.restart()
    done = relay.ask("queue", "hold", "--site", "mx.dest.test")
    assert done == "0 recipients held; 3 more have no known site or class since the start and are left alone\n"
    assert found() == set(ids)


def at_a_terminal(relay, *words):
    """What stdout and stderr show together."""
    pid, fd = os.forkpty()
    if pid == 0:
        os.execv(relay.program, [relay.program, "-c", relay.file, "queue", *words])
    out = b""
    try:
        while piece := os.read(fd, 4096):
            out += piece
    except OSError:
        pass
    assert os.waitpid(pid, 0)[1] == 0
    return out


def many(relay, one, n):
    """The spool of the stopped relay gets n copies of an exported message."""
    words = [relay.program, "-c", relay.file, "queue"]
    whole = subprocess.run([*words, "export", "--envelope", one, "--offline"], capture_output=True).stdout
    first, rest = whole.split(b"\n", 1)
    done = subprocess.run([*words, "import", "-", "--offline"], input=first + b"\n" + rest * n, capture_output=True)
    assert done.stdout == b"%d messages imported\n" % n, done


def test_case_313_many_are_changed_piece_by_piece(lab, mx):
    """Changed is on disk when the command ends: a kill -9 right behind it forgets nothing."""
    relay, ids = busy(lab, mx)
    relay.ask("queue", "hold", ids[0])
    relay.stop()
    many(relay, ids[0], 2500)
    relay.start()
    out = at_a_terminal(relay, "redirect", "--domain", "dest.test", "--state", "held", "--to-next-hop", "[mx.elsewhere.test]", "--yes")
    assert b"2501 recipients redirected to [mx.elsewhere.test]\r\n" in out
    relay.kill()
    relay.start()
    assert [row["next_hop"] for row in relay.json("queue", "list", "--state", "held")] == ["[mx.elsewhere.test]"] * 2501
    assert relay.ask("queue", "remove", "--state", "held") == "2501 recipients removed\n"
    assert {row["id"] for row in relay.json("queue", "list")} == set(ids[1:])


def test_case_314_hundreds_returned_at_once_are_told_each(lab, mx, home):
    relay, ids = busy(lab, mx)
    relay.ask("queue", "hold", ids[0])
    relay.stop()
    many(relay, ids[0], 700)
    relay.start()
    assert relay.ask("queue", "bounce", "--state", "held") == "701 recipients bounced\n"
    until(lambda: len(home.messages) == 701, lambda: f"reports: {len(home.messages)}")
    assert len(relay.json("queue", "list")) == 2
