# SPDX-License-Identifier: ISC
"""The operator's day: check, status, queue, reload, drain, stop; the log."""
import json
import os
import signal
import socket
import subprocess

import pytest

from tests.lab.client import Client, Closed
from tests.lab.mx import HANG, Slow
from tests.lab.process import must
from tests.lab.relay import letter
from tests.lab.wait import until


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains="dest.test")


def reachable(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def waiting(relay):
    """The messages that wait, as `queue list --json` tells them."""
    found = relay.json("queue", "list")
    return found if isinstance(found, list) else found["messages"]


def test_queue_list_show_export_retry(lab, mx):
    mx.on("rcpt", "450 4.2.1 busy")
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    one = relay.send("a@dest.test", letter(subject="first"))
    relay.wait("deferred", to="a@dest.test")
    assert [m["id"] for m in until(lambda: waiting(relay), "a message in the list")] == [one]
    assert "a@dest.test" in relay.ask("queue", "show", one) and "4.2.1" in relay.ask("queue", "show", one)
    exported = relay.ask("queue", "export", one)
    assert "Subject: first" in exported and "DKIM-Signature:" in exported and "Hello." in exported
    mx.on("rcpt", None)
    relay.ask("queue", "retry", one)
    mx.wait()
    until(lambda: not waiting(relay), "an empty queue")


def test_queue_hold_release_remove_bounce(lab, mx):
    home = lab.mx("mx.example.org", domains="example.org")
    mx.on("rcpt", "450 4.2.1 busy")
    relay = lab.relay(delivery={"retry": ["1s"]}).start()
    ids = [relay.send(f"u{n}@dest.test") for n in range(3)]
    relay.wait("deferred", to="u2@dest.test")
    relay.ask("queue", "hold", *ids)
    until(lambda: {m["state"] for m in waiting(relay)} == {"held"}, lambda: str(waiting(relay)))
    mx.on("rcpt", None)
    relay.ask("queue", "remove", ids[0])
    relay.ask("queue", "bounce", ids[1])
    assert b"u1@dest.test" in home.wait().data
    assert [m["id"] for m in waiting(relay)] == [ids[2]]
    relay.ask("queue", "release", ids[2])
    assert mx.wait().to() == ["u2@dest.test"]


def test_queue_filters(lab, mx):
    mx.on("rcpt", "450 4.2.1 busy")
    lab.mx("mx.b.test", domains="b.test").on("rcpt", "450 4.2.1 busy")
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    relay.send("a@dest.test")
    other = relay.send("b@b.test", sender="other@example.org")
    relay.wait("deferred", to="b@b.test")

    def ids(*filters):
        found = relay.json("queue", "list", *filters)
        return [m["id"] for m in (found if isinstance(found, list) else found["messages"])]
    assert ids("--domain", "b.test") == [other] and ids("--sender", "other@example.org") == [other]
    assert len(ids("--older", "1h")) == 0 and relay.ctl("queue", "show", "nothing").returncode != 0


def hold_two(lab, mx, **config):
    """A relay with two held messages and one that waits."""
    mx.on("rcpt", "450 4.2.1 busy")
    relay = lab.relay(delivery={"retry": ["1h"]}, **config).start()
    ids = [relay.send(f"u{n}@dest.test", sender=f"s{n}@example.org") for n in range(3)]
    relay.wait("deferred", 3)
    assert relay.ask("queue", "hold", *ids[:2]) == "2 recipients held\n"
    return relay, ids


def test_case_111_an_unknown_word_is_an_error_and_removes_nothing(lab, mx):
    relay, _ = hold_two(lab, mx)
    for words in (["--state", "hold"], ["--state", ""], ["--older", "0"], ["--older", "soon"], ["--all", "--state", "held"],
                  ["--domain", "a b"], ["--stat", "held"], ["--domain", "a.test", "--domain", "b.test"], [],
                  ["--sender"], ["all"]):
        done = relay.ctl("queue", "remove", *words)
        assert done.returncode == 64 and "queue" in done.stderr, (words, done)
    # nor does a program that speaks to the socket itself
    for request in ({"state": "hold"}, {"ids": ["x"]}, {"state": 7}, {}):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(relay.path("control.sock"))
            s.sendall(json.dumps({"verb": "queue-remove", "domain": "dest.test" if request else None, **request}).encode() + b"\n")
            assert json.loads(s.makefile().read())["exit"] == 64, request
    assert len(waiting(relay)) == 3


def test_case_112_filters_say_how_many_and_ask_on_a_terminal(lab, mx):
    relay, ids = hold_two(lab, mx)
    assert relay.ask("queue", "remove", "--state", "held", "--dry-run") == "2 recipients would be removed\n"
    assert relay.ask("queue", "hold", "--all", "--dry-run") == "1 recipient would be held\n"

    def at_a_terminal(answer, *words):
        pid, fd = os.forkpty()
        if pid == 0:
            os.execv(relay.program, [relay.program, "-c", relay.file, "queue", *words])
        os.write(fd, answer)
        out = b""
        try:
            while piece := os.read(fd, 4096):
                out += piece
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.decode()
    status, out = at_a_terminal(b"n\n", "remove", "--state", "held")
    assert status == 1 and "remove 2 recipients? [y/N]" in out and "nothing was done" in out
    assert len(waiting(relay)) == 3
    status, out = at_a_terminal(b"y\n", "remove", "--state", "held")
    assert status == 0 and "2 recipients removed" in out
    assert at_a_terminal(b"", "retry", "--all", "--yes")[1].strip() == "1 recipient tried again now"
    assert {m["id"] for m in waiting(relay)} == {ids[2]}
    assert relay.ctl("queue", "remove", ids[0]).returncode == 1


def test_case_113_operators_verbs_leave_a_line_with_who_asked(lab, mx):
    lab.mx("mx.example.org", domains="example.org")
    relay, ids = hold_two(lab, mx)
    relay.ask("queue", "release", ids[0])
    relay.wait("deferred", 4)
    relay.ask("queue", "retry", ids[2])
    relay.ask("queue", "remove", ids[1])
    relay.wait("deferred", 5)
    relay.ask("queue", "bounce", ids[0])
    told = [(e["verb"], e["id"], e["to"], e["by"]) for e in relay.events("operator")]
    assert told == [("hold", ids[0], "u0@dest.test", "root"), ("hold", ids[1], "u1@dest.test", "root"),
                    ("release", ids[0], "u0@dest.test", "root"), ("retry", ids[2], "u2@dest.test", "root"),
                    ("remove", ids[1], "u1@dest.test", "root"), ("bounce", ids[0], "u0@dest.test", "root")]


def test_case_114_an_export_of_any_size_is_whole(lab, mx):
    mx.without("SIZE").on("rcpt", "450 4.2.1 busy")
    relay = lab.relay(delivery={"retry": ["1h"]}, limits={"message_size": "200MiB"})
    relay.asan_options = "quarantine_size_mb=4"  # what is freed is not to be counted
    relay.start()
    body = (b"%07d\xe9 a line of a large body, to be cut nowhere at all\r\n" % 7) * 2400000
    one = relay.send("a@dest.test", letter(body=body), mail=" BODY=8BITMIME")
    with open(relay.path("exported"), "wb") as out:
        assert subprocess.run([relay.program, "-c", relay.file, "queue", "export", one], stdout=out).returncode == 0
    with open(relay.path("exported"), "rb") as f:
        data = f.read()
    assert data.startswith(b"DKIM-Signature:") and data[data.index(b"\r\n\r\n") + 4:] == body
    assert relay.memory("VmHWM") < 200 << 20  # it never has the message in memory


@pytest.mark.parametrize("words", [
    ("help",), ("help", "queue"), ("queue", "--help"), ("--version",), ("queue", "list"), ("queue", "list", "--json"),
    ("queue", "export", "ID"), ("queue", "show", "ID"), ("queue", "hold", "--all"), ("status",), ("status", "--json"),
    ("run", "--print-config"), ("check", "--offline"), ("user", "list"), ("explain", "dest.test"), ("reload",),
    ("tls", "failures"), ("tls", "failures", "--follow"), ("tls", "policies"), ("spf", "--ip", "192.0.2.1", "--helo", "h.test", "--mail-from", "a@b.test"),
    ("sts", "match", "a.b.test", "*.b.test"), ("message", "verify", "FILE"), ("key", "show", "r1.pem", "--domain", "example.org", "--selector", "s")])
def test_case_115_what_cannot_be_written_is_an_error(lab, mx, words):
    mx.on("rcpt", "450 4.2.1 busy").on("starttls", "454 4.7.0 no")
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    one = relay.send("a@dest.test")
    relay.wait("deferred")
    with open(relay.path("letter"), "wb") as f:
        f.write(letter())
    argv = [one if w == "ID" else relay.path("letter") if w == "FILE" else w for w in words]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([relay.program, "-c", relay.file, *argv], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60, cwd=relay.folder)
    if done.returncode == 0:
        silent = relay.ctl(*argv)
        assert not silent.stdout, (words, silent.stdout)
    else:
        assert "No space left on device" in done.stderr, (words, done.stderr)


def test_case_123_the_queue_has_a_limit_of_memory(lab, mx):
    mx.on("rcpt", "450 4.2.1 busy")
    relay = lab.relay(delivery={"retry": ["1h"]}, limits={"queue_memory": "40KiB"}).start()
    sent = 0
    while True:
        with relay.client() as client:
            reply = client.cmd("MAIL FROM:<app@example.org>")
            if reply.code != 250:
                break
            client.expect(250, f"RCPT TO:<m{sent}@dest.test>")
            assert client.data(letter()).code == 250
        sent += 1
        assert sent < 100
    assert reply.code == 452 and reply.text.startswith("4.3.1") and "memory" in reply.text
    assert 40960 // 900 <= sent
    told = relay.json("status")
    assert 40960 <= told["counters"]["queue_memory"] < 45000 and told["queue_memory_limit"] == 40960
    assert "of 40.0 KiB of memory" in relay.ask("status")
    relay.wait("deferred", sent)
    relay.ask("queue", "remove", "--all")
    until(lambda: relay.json("status")["counters"]["queue_memory"] == 0, "the memory of what was removed")
    with relay.client() as client:
        client.expect(250, "MAIL FROM:<app@example.org>")


def test_status_in_words_and_json(lab, mx):
    relay = lab.relay().start()
    relay.send("a@dest.test")
    mx.wait()
    assert relay.json("status") and relay.ask("status").strip()
    relay.stop()
    assert relay.ctl("status").returncode != 0


def test_case_46_held_and_deferred_survive_a_kill(lab, mx):
    mx.on("rcpt", "450 4.2.1 busy")
    relay = lab.relay(delivery={"retry": ["2h"]}).start()
    held, deferred = relay.send("held@dest.test"), relay.send("later@dest.test")
    relay.wait("deferred", 2)
    relay.ask("queue", "hold", held)
    until(lambda: any(m["state"] == "held" for m in waiting(relay)), "the hold")
    until(lambda: os.path.getsize(relay.path("spool") + "/00000001.log") > 0, "the spool")
    import time
    time.sleep(0.5)  # results ride with the next sync, at most 100 ms later
    relay.kill()
    tries = len(mx.sessions)
    relay.start()
    until(lambda: len(waiting(relay)) == 2, "both messages")
    assert {m["id"] for m in waiting(relay)} == {held, deferred}
    mx.on("rcpt", None)
    relay.ask("queue", "retry", deferred)
    assert mx.wait().to() == ["later@dest.test"] and tries


@pytest.mark.parametrize("way", ["signal", "command"])
def test_reload_takes_the_new_configuration(lab, mx, way):
    relay = lab.relay().start()
    with relay.client() as client:
        client.expect(550, "MAIL FROM:<x@example.com>")
    relay.write(senders=[{"user": "app", "from": ["example.com"]}])
    if way == "signal":
        relay.reload()
    else:
        relay.ask("reload")
    relay.wait("reload")
    with relay.client() as client:
        client.expect(250, "MAIL FROM:<x@example.com>")
        client.expect(250, "RSET")
        client.expect(5, "MAIL FROM:<x@example.org>")


def test_case_141_reload_says_what_only_a_restart_changes(lab, mx):
    relay = lab.relay().start()
    relay.write(spool="elsewhere", workers=3, received="no-client")
    for _ in range(2):  # the second time the file has not changed, and what runs is still another
        said = relay.ask("reload")
        assert "in force, but for what only a restart changes: spool, workers" in said
    relay.reload()
    found = until(lambda: [e["text"] for e in relay.events("reload") if "only a restart" in e["text"]][2:], relay.told)
    assert "spool, workers" in found[0]
    relay.write(spool="spool", workers=2)
    assert relay.ask("reload") == "the new configuration is in force\n"


def test_case_148_reload_opens_and_closes_listeners(lab, mx):
    relay = lab.relay().start()
    staying = relay.client()
    relay.write(listen=[{"address": "127.0.0.1:587"}, {"address": "127.0.0.1:5870"},
                        {"address": "127.0.0.1:4650", "tls": "implicit"}])
    assert relay.ask("reload") == "the new configuration is in force\n"
    until(lambda: not reachable(465), "the closed port")
    with relay.client(port=5870) as client, Client(relay.address, 4650, tls=True):
        client.envelope("app@example.org", ["a@dest.test"])
        assert client.data(letter()).code == 250
    staying.expect(250, "NOOP")  # what stands goes on
    relay.client().quit()
    relay.write(listen=[{"address": "127.0.0.1:587", "tls": "implicit"}])
    relay.ask("reload")
    until(lambda: not reachable(5870) and not reachable(4650), "the closed ports")
    Client(relay.address, 587, tls=True).close()
    staying.expect(250, "NOOP")
    with socket.create_server(("127.0.0.1", 5871)):
        relay.write(listen=[{"address": "127.0.0.1:5871"}])
        assert relay.ctl("reload").returncode == 78
        assert "another program has this port" in relay.wait("reload", level="error")["text"]
    Client(relay.address, 587, tls=True).close()
    mx.wait()


def test_a_bad_reload_keeps_the_old_configuration(lab, mx):
    relay = lab.relay().start()
    good = open(relay.file, encoding="utf-8").read()
    with open(relay.file, "w", encoding="utf-8") as f:
        f.write("nonsense: true\nlisten: 3\n")
    done = relay.ctl("reload")
    assert done.returncode in (1, 78) and "nonsense" in done.stderr + done.stdout
    relay.send("a@dest.test")
    mx.wait()
    with open(relay.file, "w", encoding="utf-8") as f:
        f.write(good)


def test_every_configuration_error_at_once(lab):
    relay = lab.relay()
    with open(relay.file, "w", encoding="utf-8") as f:
        f.write("hostname: relay.example.org\nlisten:\n  - address: \"127.0.0.1:587\"\n    tls: perhaps\n"
                "delivery:\n  expire: soon\nusers: /does/not/exist\nwhat: ever\n")
    done = relay.ctl("check")
    assert done.returncode == 78
    for place in (":4:", ":6:", ":7:", ":8:"):
        assert relay.file + place in done.stderr + done.stdout, (place, done.stderr)


def test_the_spool_is_for_one(lab, mx):
    relay = lab.relay().start()
    second = lab.relay(spool=relay.path("spool"), listen=[{"address": "127.0.0.1:5870"}])
    second.start(ready=False)
    assert second.process.wait() == 75


def test_sigterm_ends_sessions_and_keeps_mail(lab, mx):
    mx.on("greeting", HANG)
    relay = lab.relay().start()
    idle = relay.client()
    relay.send("a@dest.test")
    relay.stop()
    with pytest.raises((Closed, OSError)):
        reply = idle.reply()
        assert reply.code == 421
        idle.reply()
    assert relay.events("stop")
    mx.on("greeting", None)
    relay.start()
    mx.wait()


def test_drain_delivers_and_ends(lab, mx):
    mx.next("mail", Slow("250 2.1.0 ok", delay=3))
    relay = lab.relay().start()
    relay.send("a@dest.test")
    relay.ask("drain")
    with pytest.raises((OSError, Closed, AssertionError)):
        Client(relay.address, relay.port).expect(250, "EHLO x.example.org")
    mx.wait()
    assert relay.process.wait() == 0


def test_privileges_are_dropped(lab, mx):
    relay = lab.relay(user="daemon")
    os.system(f"chown -R daemon {relay.folder}")
    relay.start()
    with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as f:
        status = dict(line.rstrip().split(":\t", 1) for line in f if ":\t" in line)
    assert status["Uid"].split() == ["1"] * 4 and int(status["CapEff"], 16) == 1 << 10
    relay.send("a@dest.test")
    mx.wait()


def test_the_log_has_the_words_of_the_interface(lab, mx):
    relay = lab.relay(log={"format": "json", "level": "info"}).start()
    relay.send("a@dest.test")
    accept, done = relay.wait("accept"), relay.wait("delivered")
    for key in ("id", "client", "user", "from", "size", "rcpts", "sign"):
        assert key in accept, key
    for key in ("id", "to", "host", "ip", "tls", "demand", "source", "proof", "status", "reply", "delay"):
        assert key in done, key
    assert isinstance(accept["size"], int) and accept["rcpts"] == 1 and isinstance(done["delay"], float)
    assert done["id"] == accept["id"] and done["status"] == "2.0.0"
    text = json.dumps(relay.events())
    assert "correct-horse" not in text and "Hello." not in text


def test_hostile_replies_break_no_log_line(lab, mx):
    mx.on("rcpt", b"550 5.1.1 \x1b[2J\xff\" id=forged event=delivered\r\n")
    for form in ("text", "json"):
        relay = lab.relay(log={"format": form, "level": "info"})
        relay.start(ready=False)
        until(lambda r=relay: " ready" in r.process.output() or '"ready"' in r.process.output(), relay.told)
        relay.submit("a@dest.test")
        until(lambda r=relay: "failed" in r.process.output(), relay.told)
        text = relay.process.output()
        assert "\x1b" not in text and '\n550' not in text
        relay.stop()


def test_help_and_usage(lab):
    relay = lab.relay()
    lines = relay.ask("help").splitlines()
    names = [line.split()[0] for line in lines if line.startswith("  ")]
    assert {"run", "check", "queue", "status", "reload", "user", "key", "message", "help"} <= set(names)
    for name in names:
        assert "usage" in relay.ask(name, "--help").lower(), name
    assert relay.ctl("frobnicate").returncode == 64


def test_case_142_options_before_and_behind_the_subcommand(lab, mx):
    relay = lab.relay().start()
    from tests.lab.process import run

    def both(*argv):
        done = run([relay.program, *argv])
        assert done.returncode == 0, (argv, done.stderr)
        return done.stdout
    c = ["-c", relay.file]
    assert both(*c, "queue", "list") == both("queue", "list", *c) == both("queue", *c, "list") == \
        both("-c" + relay.file, "queue", "list")
    for argv in ([*c, "--json", "status"], ["--json", *c, "status"], ["status", "--json", *c],
                 ["--json", "status", *c], [*c, "status", "--json"]):
        told = json.loads(both(*argv))
        assert told["stage"] == "running" and "exit" not in told
    done = run([relay.program, "status", "-c"])
    assert done.returncode == 64 and "-c needs the name of a file" in done.stderr
    assert run([relay.program, "--json", "message", "verify", "--dns-file", lab.file("none.json", "{}"), "-"],
               input="From: a@b.test\r\n\r\nx\r\n").stdout.startswith("{")


def test_certificates_are_read_again(lab, mx):
    import hashlib
    import shutil
    relay = lab.relay().start()
    fresh = lab.ca.leaf("relay.example.org")
    shutil.copy(fresh.key_file, relay.path("key.pem"))
    shutil.copy(fresh.chain_file, relay.path("chain.pem"))
    relay.process.send(signal.SIGHUP)

    def served():
        with relay.client(login=False, implicit=True) as client:
            return hashlib.sha256(client.sock.getpeercert(True)).digest()
    until(lambda: served() == hashlib.sha256(fresh.der()).digest(), "the new certificate")


def test_a_damaged_state_file_is_told_by_status_and_check(lab, mx):
    relay = lab.relay().start()
    assert "state        healthy" in relay.ask("status")
    relay.stop()
    with open(relay.path("state/state.db"), "wb") as f:
        f.write(b"no database at all " * 300)
    relay.start()
    assert "policies and memory lost at" in relay.ask("status")
    assert "policies and memory lost at" in relay.ctl("check", "--offline").stdout
    relay.wait("alarm", what="state")


def test_explain_asks_the_running_relay(lab, mx):
    relay = lab.relay().start()
    relay.send("a@dest.test")
    mx.wait()
    before = relay.json("status")["dns"]["lookups"]
    told = relay.json("explain", "dest.test")
    assert told["verdict"] == "deliver" and [h["host"] for h in told["mx"]] == ["mx.dest.test"]
    assert "exit" not in told and relay.json("status")["dns"]["cache_hits"] > 0
    assert relay.ctl("explain", "elsewhere.test").returncode == 1
    assert relay.json("status")["dns"]["lookups"] > before


def test_tls_asks_the_running_relay(lab, mx):
    mx.on("starttls", "454 4.7.0 not today")
    relay = lab.relay(delivery={"retry": ["1h"]}).start()
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    failures = relay.json("tls", "failures", "--domain", "dest.test")
    assert [f["type"] for f in failures] == ["starttls-not-supported"]
    summary = relay.json("tls", "summary")
    assert [(s["domain"], s["type"], s["sessions"]) for s in summary] == \
        [("dest.test", "starttls-not-supported", 1)]
    report = json.loads(relay.ask("tls", "report", "--day", failures[0]["time"][:10]))
    assert report["policies"][0]["summary"]["total-failure-session-count"] == 1
    assert relay.json("tls", "policies") == {"policies": [], "memory": []}


def test_case_193_a_closed_standard_stream_is_no_file_of_ours(lab):
    relay = lab.relay()
    command = f"exec {relay.program} -c {relay.file} run <&- >&- 2>&-"
    child = subprocess.Popen(["sh", "-c", command])
    until(lambda: relay.ctl("status").returncode == 0, "a relay without streams")
    assert [os.readlink(f"/proc/{child.pid}/fd/{n}") for n in range(3)] == ["/dev/null"] * 3
    child.terminate()
    assert child.wait(30) == 0


def test_case_194_json_on_both_sides_of_any_command_and_unknown_words_of_help(lab):
    relay = lab.relay().start()
    for words in (["status"], ["health"], ["version"], ["reload"], ["queue", "list"], ["drain"]):
        done = relay.ctl("--json", *words, "--json")
        assert done.returncode == 0 and json.loads(done.stdout) is not None, done
    assert relay.ctl("help", "--nonsense").returncode == relay.ctl("help", "run", "x").returncode == 64


def test_case_199_a_failed_reload_is_shown_until_one_succeeds(lab):
    relay = lab.relay(http="127.0.0.1:9587").start()
    ready = lambda: must(["curl", "-sS", "http://127.0.0.1:9587/readyz"])
    good = relay.config["dns"]
    relay.write(dns="nonsense")
    relay.reload()
    relay.wait("alarm", what="reload")
    relay.write(dns=good)
    assert "the configuration before it is in force: see waxwing check" in relay.ask("status")
    assert ready().startswith("ok\nwarning: a reload failed") and len(relay.json("status")["troubles"]) == 1
    relay.ask("reload")
    assert relay.json("status")["troubles"] == [] and ready() == "ok\n"
