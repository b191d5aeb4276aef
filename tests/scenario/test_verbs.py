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


def test_case_311_redirected_mail_goes_elsewhere(lab, mx):
    relay, ids = busy(lab, mx)
    other = lab.mx("mx.elsewhere.test", domains="elsewhere.test")
    for hop in ("mx..test", "127.0.0.1", "[mx.elsewhere.test", "a b", "relay.example.org"):
        done = relay.ctl("queue", "redirect", *ids, "--to-next-hop", hop)
        assert done.returncode == 64 and done.stderr, hop
    assert relay.ctl("queue", "redirect", *ids).returncode == 64
    relay.ask("queue", "hold", ids[2])
    relay.restart()
    assert relay.ask("queue", "redirect", "--all", "--to-next-hop", "[mx.elsewhere.test]", "--dry-run") == \
        "3 recipients would be redirected to [mx.elsewhere.test]\n"
    assert relay.ask("queue", "redirect", ids[0], ids[2], "--to-next-hop", "[MX.elsewhere.test]").startswith("2 recipients redirected")
    assert other.wait().to() == ["u0@dest.test"]
    line = relay.wait("operator", verb="redirect", to="u0@dest.test")
    assert line["next_hop"] == "[mx.elsewhere.test]" and line["by"] == "root"
    relay.restart()  # what is held stays held, and keeps where it was sent
    row, = relay.json("queue", "list", "--state", "held")
    assert row["id"] == ids[2] and row["next_hop"] == "[mx.elsewhere.test]"
    relay.ask("queue", "redirect", ids[2], "--to-next-hop", "")
    assert relay.json("queue", "list", "--state", "held")[0]["next_hop"] is None
    relay.ask("queue", "redirect", ids[2], "--to-next-hop", "elsewhere.test")
    relay.ask("queue", "release", ids[2])
    assert other.wait(2)[1].to() == ["u2@b.test"]


def test_case_311_a_next_hop_that_is_not_there_returns_nothing(lab, mx, home):
    relay, ids = busy(lab, mx)
    relay.ask("queue", "redirect", ids[0], "--to-next-hop", "no-such-name.test")
    relay.wait("deferred", 4)
    row, = relay.json("queue", "list", "--domain", "dest.test", "--smaller", "50KiB")
    assert row["state"] == "waiting" and row["next_hop"] == "no-such-name.test"
    assert not home.messages and not relay.events("failed")


def test_case_312_all_verbs_work_on_a_stopped_relay(lab, mx, home):
    relay, ids = busy(lab, mx)
    other = lab.mx("mx.elsewhere.test", domains="elsewhere.test")
    relay.stop()
    assert relay.ask("queue", "hold", "--all", "--offline", "--dry-run") == "3 recipients would be held\n"
    assert relay.ask("queue", "hold", "--all", "--offline") == "3 recipients held\n"
    assert {row["state"] for row in relay.json("queue", "list", "--offline")} == {"held"}
    assert relay.ask("queue", "redirect", ids[0], "--to-next-hop", "[mx.elsewhere.test]", "--offline") == \
        "1 recipient redirected to [mx.elsewhere.test]\n"
    assert relay.ask("queue", "release", ids[0], "--offline") == "1 recipient released\n"
    assert relay.ctl("queue", "release", ids[0], "--offline").returncode == 1
    assert relay.ask("queue", "bounce", "--larger", "50KiB", "--offline") == "1 recipient bounced\n"
    assert relay.ask("queue", "remove", "--domain", "b.test", "--offline") == "1 recipient removed\n"
    assert relay.ctl("queue", "redirect", ids[0], "--to-next-hop", "relay.example.org", "--offline").returncode == 64
    relay.start()
    assert other.wait().to() == ["u0@dest.test"]
    report = home.wait()
    assert report.sender == "" and b"u1@dest.test" in report.data and b"5.7.1" in report.data and b"DKIM-Signature" in report.data
    until(lambda: relay.json("queue", "list") == [], "an empty queue")
    assert mx.messages == []


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
