# SPDX-License-Identifier: ISC
"""`waxwing trace`: the story of a message, from files that outlive the relay."""
import glob
import json
import os

from tests.lab.policyhost import policy
from tests.lab.relay import letter
from tests.lab.wait import until
from tests.scenario.test_http import page


def records(relay, what, *more):
    """The records as the command prints them, once there is one."""
    def read():
        done = relay.ctl("trace", what, "--json", *more)
        return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else None
    return until(read, relay.told)


def ended(relay, what, event="delivered"):
    return until(lambda: (all_ := records(relay, what)) and any(r["event"] == event for r in all_) and all_,
                 relay.told)


def test_case_340_greylisting_a_downgrade_a_policy_and_success_read_as_a_story(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    mx.next("rcpt", "450 4.2.0 Greylisted, come back in a moment")
    relay = lab.relay(delivery={"retry": ["4s"], "connections": {"idle": "1s"}}).start()
    id = relay.send("someone@dest.test", letter(subject="a secret"))
    relay.wait("deferred", to="someone@dest.test")
    mx.on("ehlo", "250-mx.dest.test\n250 SIZE 1000000")  # somebody on the way takes STARTTLS out
    relay.wait("tls-refused")
    until(lambda: len(relay.events("deferred")) >= 2, relay.told)
    mx.on("ehlo", None)
    lab.policy_host("dest.test", id="7", body=policy(mx=["mx.dest.test"]))
    relay.ask("tls", "refresh", "dest.test")
    relay.wait("delivered")
    ended(relay, id)
    told = relay.ask("trace", id)
    print(told)
    lines = told.splitlines()
    assert len(lines) <= 40, "more than a screen"
    order = ["received", "signed", "route", "attempt 1", "450 4.2.0 Greylisted", "deferred", "attempt 2", "STARTTLS",
             "deferred", "changed", "enforce id 7", "attempt", "TLSv1.3", "as before", "delivered"]
    place = 0
    for word in order:
        assert word in told[place:], f"no {word!r} behind {told[:place][-200:]}"
        place = told.index(word, place)
    assert "Hello." not in told and "a secret" not in told
    for name in ("someone@dest.test", "app@example.org", "<a.secret@example.org>"):
        assert relay.ask("trace", name) == told
    relay.stop()
    assert relay.ask("trace", id) == told  # the files are enough


def test_case_341_what_hosts_say_and_show_cannot_break_the_telling(lab):
    """A reply of 512 lines, control bytes in replies."""
    mx = lab.mx("mx.dest.test", domains="dest.test")
    mx.on("greeting", b"220-\x1b[2Jhello \xff\xfe \xe2\x80\xae\xc2\x9b\r\n220 mx ESMTP <script>\r\n")
    mx.on("dot", b"".join(b"550-5.7.1 %d \x1b]0;no\x07 </pre><b>\r\n" % n for n in range(511)) + b"550 5.7.1 end\r\n")
    mx.on("bdat", lambda session, argument: b"".join(b"550-5.7.1 %d \x1b]0;no\x07 </pre><b>\r\n" % n for n in range(511))
          + b"550 5.7.1 end\r\n")
    relay = lab.relay(http="127.0.0.1:9587").start()
    id = relay.send("a@dest.test")
    relay.wait("failed", to="a@dest.test")
    ended(relay, id, "failed")
    attempt = next(r for r in records(relay, id) if r["event"] == "attempt")
    said = [step[2] for step in attempt["steps"] if len(step) > 2 and step[2].startswith("550-5.7.1 0 ")]
    assert said and said[0].count("\n") >= 90, attempt["steps"]
    raw = run_raw(relay, "trace", id, "--json") + run_raw(relay, "trace", id, "--full") + run_raw(relay, "trace", id)
    for bad in (b"\x1b", b"\x07", b"\xc2\x9b", b"\xe2\x80\xae", b"\xff", b"\x7f"):
        assert bad not in raw, bad
    files = b"".join(open(f, "rb").read() for f in glob.glob(relay.path("state/trace/*.trace")))
    assert b"\x1b" not in files and b"\xe2\x80\xae" not in files and len(files) < 200000
    text = page(f"/message/{id}")[1]
    assert "attempt 1" in text and "<b>" not in text and "<script>" not in text
    assert "***@dest.test" in text.split("whole story")[1] and "a@dest.test" not in text.split("whole story")[1]


def run_raw(relay, *argv):
    import subprocess
    return subprocess.run([relay.program, "-c", relay.file, *argv], cwd=relay.folder, capture_output=True, timeout=60,
                          check=True).stdout


def test_case_342_a_kill_costs_no_more_than_the_newest_lines(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    ids = [relay.send(f"u{n}@dest.test") for n in range(5)]
    relay.wait("delivered", count=5)
    ended(relay, ids[-1])
    relay.kill()
    newest = sorted(glob.glob(relay.path("state/trace/*.trace")))[-1]
    with open(newest, "ab") as f:
        f.write(b"0123456789abcdef {\"id\":\"" + ids[0].encode())  # torn in the middle of a write
    for id in ids:
        assert any(r["event"] == "delivered" for r in records(relay, id))
    relay.start()
    more = relay.send("later@dest.test")
    ended(relay, more)
    for id in ids:
        assert any(r["event"] == "delivered" for r in records(relay, id))


def test_case_343_a_full_disk_costs_traces_alone_and_heals(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    small = lab.folder("small")
    os.system(f"mount -t tmpfs -o size=1m none {small}")
    lab.at_end(lambda: os.system(f"umount {small}"))
    relay = lab.relay(trace={"directory": small + "/trace", "size": "1GiB"}).start()
    first = relay.send("a@dest.test")
    ended(relay, first)
    filler = os.open(small + "/filler", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(filler, b"x" * 4096):
            pass
    except OSError:
        os.close(filler)
    count = 0
    while not relay.events("alarm", what="trace"):
        relay.send(f"u{count}@dest.test")
        count += 1
        relay.wait("delivered", to=f"u{count - 1}@dest.test")
        assert count < 2000
    os.unlink(small + "/filler")
    after = []

    def told():
        after.append(relay.send("healed@dest.test"))
        # The newest one's records may still wait to be written.
        return any(relay.ctl("trace", id).returncode == 0 for id in after[-3:])
    until(told, relay.told)
    assert relay.ctl("trace", first).returncode == 0


def test_case_344_a_directory_that_nobody_may_write_stops_no_mail(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    place = lab.file("plain", b"no directory")
    relay = lab.relay(trace={"directory": place + "/trace"}).start()
    id = relay.send("a@dest.test")
    relay.wait("delivered", to="a@dest.test")
    alarm = relay.wait("alarm", what="trace")
    assert alarm["why"] == "trace-disk" and alarm["act"] == "us"
    assert relay.ctl("trace", id).returncode == 75


def test_case_345_switched_off_it_keeps_nothing_and_takes_away_what_was_there(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    ended(relay, relay.send("a@dest.test"))
    relay.write(trace={"size": "0B"})
    relay.reload()
    until(lambda: not glob.glob(relay.path("state/trace/*")), relay.told)
    relay.send("b@dest.test")
    relay.wait("delivered", to="b@dest.test")
    done = relay.ctl("trace", "b@dest.test")
    assert done.returncode == 1 and not glob.glob(relay.path("state/trace/*"))


def test_case_346_masked_addresses_are_in_no_file(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(log={"mask": True}).start()
    id = relay.send("somebody@dest.test")
    ended(relay, id)
    told = relay.ask("trace", id)
    assert "***@dest.test" in told and "somebody" not in told
    files = b"".join(open(f, "rb").read() for f in glob.glob(relay.path("state/trace/*")))
    assert b"somebody" not in files
    done = relay.ctl("trace", "somebody@dest.test")
    assert done.returncode == 1 and "log.mask" in done.stderr


def test_case_347_bounces_refusals_and_several_messages_of_one_address(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    home = lab.mx("mx.example.org", domains="example.org")
    mx.on("rcpt", "550 5.1.1 unknown")
    relay = lab.relay().start()
    one, two = relay.send("a@dest.test"), relay.send("a@dest.test")
    relay.wait("failed", count=2)
    home.wait()
    ended(relay, two, "failed")
    listed = until(lambda: (t := relay.ctl("trace", "a@dest.test").stdout) and t.count("failed") == 2 and t, relay.told)
    assert one in listed and two in listed and listed.index(one) < listed.index(two)
    assert relay.ctl("trace", "a@dest.test", "--limit", "1").stdout.count("route") == 1
    report = next(e for e in relay.events("delivered", to="app@example.org"))
    assert [r["event"] for r in ended(relay, report["id"])] == ["made", "attempt", "delivered"]
    refused = relay.submit("a@dest.test", letter(sender="stranger@elsewhere.test"))
    assert refused.code == 550
    told = until(lambda: (d := relay.ctl("trace", "a@dest.test").stdout) and "refused" in d and d, relay.told)
    assert told.count("\n") == 3
    assert relay.ctl("trace", "nobody@dest.test").returncode == 1
    assert relay.ctl("trace", "no-name").returncode == 64


def test_case_348_a_million_plain_messages_fit_into_the_default(lab):
    """What a plain message takes, measured: with 20,000 of them over reused connections it is about 980 bytes."""
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    count = 60
    with relay.client() as client:
        for n in range(count):
            client.envelope("app@example.org", f"somebody.{n}@dest.test")
            assert client.data(letter(subject=f"a letter {n}")).code == 250
        client.quit()
    relay.wait("delivered", count=count)
    relay.stop()
    size = sum(os.path.getsize(f) for f in glob.glob(relay.path("state/trace/*")))
    assert size / count < 2 * 1024 ** 3 / 1e6, size
