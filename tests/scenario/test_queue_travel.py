# SPDX-License-Identifier: ISC
"""Messages on their way from one spool to another: export, import, and the spool of a relay that is stopped."""
import json
import os
import pty
import socket
import subprocess
import threading

import pytest

from tests.lab.relay import letter
from tests.lab.wait import until

LARGE = b"a large body, line by line \xe9\r\n" * 20000


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains="dest.test")


def queue(relay, *words, data=None):
    """Bytes in, bytes out; must succeed."""
    done = subprocess.run([relay.program, "-c", relay.file, "queue", *words], input=data, capture_output=True, timeout=60)
    assert done.returncode == 0, (words, done)
    return done.stdout


def filled(lab, mx):
    """A relay whose queue has a small, a large, a held and a half delivered message."""
    mx.on("rcpt", "450 4.2.1 wait")
    lab.mx("mx.good.test", domains="good.test")
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    relay.send("small@dest.test", letter(subject="small"), mail=" ENVID=abc RET=HDRS", rcpt=" NOTIFY=FAILURE")
    relay.send("large@dest.test", letter(subject="large", body=LARGE), mail=" BODY=8BITMIME")
    held = relay.send("held@dest.test", letter(subject="held"))
    relay.send(["half@dest.test", "done@good.test"], letter(subject="half"))
    relay.wait("deferred", 4)
    relay.wait("delivered", to="done@good.test")
    relay.ask("queue", "hold", held)
    return relay, held


def told(rows):
    return sorted((r["from"], r["to"], r["state"], r["size"], r["created"], r["next"]) for r in rows)


def test_case_120_the_spool_of_a_stopped_relay(lab, mx):
    relay, held = filled(lab, mx)
    done = relay.ctl("queue", "list", "--offline")
    assert done.returncode == 75 and "another relay is using" in done.stderr
    running = relay.json("queue", "list")
    exported = queue(relay, "export", held)
    whole = queue(relay, "export", "--all")
    relay.stop()
    assert told(relay.json("queue", "list", "--offline")) == told(running)
    assert [r["to"] for r in relay.json("queue", "list", "--offline", "--state", "held")] == ["held@dest.test"]
    assert queue(relay, "export", held, "--offline") == exported
    assert sorted(queue(relay, "export", "--all", "--offline").split(b"message ")) == sorted(whole.split(b"message "))
    assert relay.ctl("queue", "show", held, "--offline").returncode == 64
    assert relay.ctl("queue", "hold", "--site", "mx.dest.test", "--offline").returncode == 64
    assert relay.ctl("queue", "remove", "--state", "hold", "--offline").returncode == 64
    assert relay.ask("queue", "remove", held, "--offline") == "1 recipient removed\n"
    assert relay.ctl("queue", "remove", held, "--offline").returncode == 1
    mx.on("rcpt", None)
    relay.start()
    assert held not in {r["id"] for r in relay.json("queue", "list")}
    relay.ask("queue", "retry", "--all")
    assert {m.to()[0] for m in mx.wait(3)} == {"small@dest.test", "large@dest.test", "half@dest.test"}


@pytest.mark.parametrize("how", ["offline", "running"])
def test_case_121_an_exported_queue_lives_on_elsewhere(lab, mx, how):
    relay, held = filled(lab, mx)
    before = relay.json("queue", "list")
    whole = queue(relay, "export", "--all")
    relay.stop()
    other = lab.relay(delivery={"retry": ["1h"]})
    words = ["import", "-"]
    if how == "offline":
        out = queue(other, *words, "--offline", data=whole)
        other.start()
    else:
        other.start()
        out = queue(other, *words, data=whole)
        assert {e["verb"] for e in other.events("operator")} == {"import"}
    assert out == b"4 messages imported\n"
    assert told(other.json("queue", "list")) == told(before)  # sizes, times, the hold; nobody who was served
    mx.on("rcpt", None)
    other.ask("queue", "retry", "--all")
    other.ask("queue", "release", "--all")
    got = {m.to()[0]: m for m in mx.wait(4)}
    assert set(got) == {"small@dest.test", "large@dest.test", "held@dest.test", "half@dest.test"}
    assert got["large@dest.test"].body() == LARGE and b"DKIM-Signature" in got["small@dest.test"].data
    params = got["small@dest.test"].params
    assert params["ENVID"] == "abc" and params["RET"] == "HDRS"


def test_case_121_a_bare_message_needs_an_envelope(lab, mx):
    relay = lab.relay().start()
    assert relay.ctl("queue", "import", "-", data=letter().decode()).returncode == 64
    text = letter(subject="bare").replace(b"\r\n", b"\n").decode()
    done = relay.ctl("queue", "import", "-", "--sender", "app@example.org", "--to", "a@dest.test", "--to", "b@dest.test", data=text)
    assert done.returncode == 0, done
    assert mx.wait().to() == ["a@dest.test", "b@dest.test"] and mx.messages[0].data == letter(subject="bare")


def test_case_121_what_is_cut_or_changed_is_not_imported(lab, mx):
    relay, _ = filled(lab, mx)
    whole = queue(relay, "export", "--all")
    relay.stop()
    one = queue(relay, "export", "--state", "held", "--envelope", "--offline")
    other = lab.relay().start()
    bad = [whole[:-1], whole[:len(whole) // 2], one[:40], one.replace(b"WXQUEUE 1", b"WXQUEUE 2"),
           one.replace(b"header-bytes", b"header-lines"), one.replace(b"rcpt: ", b"rect: "), one + b"x", b"WXQUEUE 1\nmessage 1 99999999\n"]
    for data in bad:
        done = subprocess.run([other.program, "-c", other.file, "queue", "import", "-"], input=data, capture_output=True)
        assert done.returncode == 65 and done.stderr.startswith(b"waxwing: "), (data[:60], done)
    states = {r["to"] for r in other.json("queue", "list")}
    assert states <= {"small@dest.test", "large@dest.test", "half@dest.test", "held@dest.test"}


def test_case_122_what_the_first_program_wrote_is_read(lab, mx):
    """Spool, state database and configuration of the first release (tests/data/first)."""
    here = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "first")
    mx.on("rcpt", "450 4.2.1 wait")
    for spool in ("spool", "crashed"):
        relay = lab.relay(delivery={"retry": ["1h"]})
        subprocess.run(["cp", "-r", f"{here}/{spool}/.", relay.path("spool")], check=True)
        subprocess.run(["cp", f"{here}/state.db", relay.path("state/state.db")], check=True)
        with open(f"{here}/waxwing.yaml", encoding="utf-8") as f:
            first = json.load(f)
        relay.write(**{key: first[key] for key in first if key != "delivery"})
        relay.start()
        rows = {r["to"]: r for r in relay.json("queue", "list")}
        assert set(rows) == {"a@dest.test", "held@dest.test", "large@dest.test"}
        assert rows["held@dest.test"]["state"] == "held" and rows["large@dest.test"]["attempts"] >= 1
        assert b"a large body, line by line\r\n" * 10000 in queue(relay, "export", rows["large@dest.test"]["id"])
        policies = relay.json("tls", "policies")
        assert [m["host"] for m in policies["memory"]], policies
        assert not relay.events("alarm"), relay.events("alarm")
        relay.stop()


def test_case_122_what_stands_beside_the_segments_is_made_anew(lab, mx):
    """The first program wrote version 1, and none of the files beside; this one writes version 2."""
    relay, _ = filled(lab, mx)
    relay.stop()
    names = os.listdir(relay.path("spool"))
    for name in names:
        if name.endswith(".log"):
            with open(os.path.join(relay.path("spool"), name), "rb") as f:
                assert f.read(12) == b"WXSPOOL\n\2\0\0\0"
    assert {n.split(".")[-1] for n in names if n[0].isdigit()} == {"log", "head"}
    for name in names:
        if name.endswith(".head") or name.startswith("reserve.") or name == "underway":
            os.unlink(os.path.join(relay.path("spool"), name))
    relay.start()
    assert len(relay.json("queue", "list")) == 4 and not relay.events("alarm")
    until(lambda: any(n.endswith(".head") for n in os.listdir(relay.path("spool"))), relay.told)


@pytest.mark.parametrize("how", ["offline", "running"])
def test_case_195_an_imported_envelope_writes_no_commands(lab, mx, how):
    relay, _ = filled(lab, mx)
    one = queue(relay, "export", "--state", "held", "--envelope")
    relay.stop()
    other = lab.relay()
    if how == "running":
        other.start()
    for old, new in ((b"from: app@", rb"from: a\x0d\x0aRSET@"), (b"from: app@", b"from: a>b@"), (b"rcpt: held@dest.test", b"rcpt: held"),
                     (b"rcpt: held@", rb"rcpt: \x0aQUIT@"), (b"domain: dest.test", b"domain: other.test"),
                     (b"\nattempts:", b"\norcpt: rfc822\\x0d\\x0aRSET;x\nattempts:")):
        size = int(one.split()[3])
        data = one.replace(b"message %d " % size, b"message %d " % (size + len(new) - len(old)), 1).replace(old, new, 1)
        done = subprocess.run([other.program, "-c", other.file, "queue", "import", "-", *(["--offline"] if how == "offline" else [])],
                              input=data, capture_output=True)
        assert done.returncode == 65 and b"an address of the exported message cannot be one" in done.stderr, (new, done)
    assert other.json("queue", "list", *(["--offline"] if how == "offline" else [])) == []


@pytest.mark.parametrize("there", [False, True])
def test_case_196_one_message_that_is_gone_or_damaged_keeps_no_other_from_being_exported(lab, there):
    relay = lab.relay()
    server = socket.socket(socket.AF_UNIX)
    server.bind(relay.path("control.sock"))
    server.listen(8)
    row = b'{"id":"0cr9rqn0qkx80"}\n'
    said = {"list": row + b'{"id":"0cr9rqn0trmr0"}\n{"exit":0}', "0cr9rqn0qkx80": b'{"error":"what happened","exit":1}',
            "0cr9rqn0trmr0": b'{"content":"content","words":"words","bytes":7}\n{"exit":0}',
            "again": row + b'{"exit":0}' if there else b'{"exit":1}'}

    def serve():
        for _ in range(4):
            connection, _ = server.accept()
            asked = json.loads(connection.makefile().readline())
            again = "again" if asked.get("ids") else "list"
            connection.sendall(said[asked.get("id", again)])
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    done = relay.ctl("queue", "export", "--all")
    assert done.stdout == "WXQUEUE 1\nmessage 5 7\nwordscontent\n"
    assert done.returncode == (1 if there else 0) and "0cr9rqn0qkx80 is not in the export" in done.stderr, done


def test_case_197_a_terminal_obeys_no_exported_message(lab, mx):
    mx.on("rcpt", "450 4.2.1 wait")
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    name = relay.send("a@dest.test", letter(body=b"evil \x1b]0;title\x07 letter\r\n"))
    child, terminal = pty.fork()
    if child == 0:
        os.execv(relay.program, [relay.program, "-c", relay.file, "queue", "export", name])
    shown = b""
    try:
        while piece := os.read(terminal, 65536):
            shown += piece
    except OSError:
        pass  # the other side is closed
    assert os.waitpid(child, 0)[1] == 0
    assert b"evil ?]0;title? letter" in shown and b"\x1b" in queue(relay, "export", name)
