# SPDX-License-Identifier: ISC
"""Signing keys that turn by themselves, over clocks that the test sets (a time namespace for each step)."""
import glob
import json
import os
import re
import shutil
import signal
import time

import pytest

from tests.lab import verify
from tests.lab.names import key as names_key
from tests.lab.process import run
from tests.lab.relay import TREE
from tests.lab.wait import until

HOUR, WEEK = 3600, 7 * 86400
PUBLISH = """#!/bin/sh
case $1 in
add) printf '%s' "$3" > "$(dirname "$0")/asked/$2" ;;
remove) : > "$(dirname "$0")/asked/$2" ;;
*) exit 64 ;;
esac
"""


class Site:
    """A relay with keys of example.org in a directory, and a publish command that leaves its wishes in a folder,
    which `publish` carries out."""

    def __init__(self, lab, **rotate):
        self.lab, self.now = lab, 0
        self.relay = lab.relay(dkim={"directory": "keys", "domains": [], "rotate": rotate})
        for key in ("r1", "e1"):
            self.put("example.org", key)
        os.mkdir(self.relay.path("asked"))
        self.command = self.relay.path("publish")
        with open(self.command, "w", encoding="utf-8") as f:
            f.write(PUBLISH)
        os.chmod(self.command, 0o755)

    def put(self, domain, key):
        os.makedirs(self.relay.path("keys/" + domain), exist_ok=True)
        shutil.copy(self.relay.path(key + ".pem"), self.relay.path(f"keys/{domain}/{key}.pem"))

    def start(self):
        """Returns when the relay has found nothing to turn, and so looks again after half an hour: steps by two clocks
        would not know what passed."""
        self.relay.start()
        self.relay.wait("key", text="no key of dkim.directory is to turn")
        assert not os.path.exists(self.relay.path("keys/example.org/rotation.json"))

    def line(self, *more, domain="example.org"):
        wall = int(time.time()) + self.now
        return ["unshare", "--time", "--boottime", str(self.now), self.relay.program, "-c", self.relay.file, "key",
                "rotate", "--domain", domain, "--now", str(wall), *more]

    def rotate(self, *more, domain="example.org", status=0):
        done = run(self.line("--publish-command", self.command, *more, domain=domain), cwd=self.relay.folder)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def publish(self):
        for name in os.listdir(self.relay.path("asked")):
            with open(self.relay.path("asked/" + name), encoding="utf-8") as f:
                text = f.read()
            if text:
                self.lab.names.set(name, "TXT", text)
            else:
                self.lab.names.remove(name, "TXT")
            os.unlink(self.relay.path("asked/" + name))

    def later(self, seconds):
        self.now += seconds
        return self

    def files(self, domain="example.org"):
        return sorted(f for f in os.listdir(self.relay.path("keys/" + domain)) if f != "rotation.json")

    def phases(self, domain="example.org"):
        with open(self.relay.path(f"keys/{domain}/rotation.json"), encoding="utf-8") as f:
            return {k["selector"]: k["phase"] for k in json.load(f)["keys"]}

    def selectors(self, mx, count):
        self.relay.send(f"{count}@dest.test")
        message = mx.wait(count)[-1].data if count > 1 else mx.wait().data
        return set(re.findall(rb"s=([a-z0-9]+);", message)), message


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains="dest.test")


def new_of(site):
    return {s.encode() for s in site.phases() if s not in ("r1", "e1")}


def test_case_208_keys_turn_and_mail_on_its_way_keeps_verifying(lab, mx):
    site = Site(lab)
    site.start()
    told = site.rotate()
    assert told.count("made ") == 2 and told.count("add ") == 2
    new = new_of(site)
    assert set(site.phases().values()) == {"next", "active"} and len(new) == 2
    site.later(2 * HOUR).rotate("--auto")  # nobody has published them
    site.publish()
    assert site.selectors(mx, 1)[0] == {b"r1", b"e1"}
    site.rotate("--auto")
    site.later(HOUR // 2).rotate("--auto")
    assert set(site.phases().values()) == {"published", "active"}
    old, message = site.selectors(mx, 2)
    assert old == {b"r1", b"e1"}
    site.later(HOUR // 2).rotate("--auto")
    assert site.selectors(mx, 3)[0] == new
    assert verify.dkimpy(lab.names, message) == [True, True]
    site.later(WEEK - HOUR).rotate("--auto")
    site.publish()
    assert verify.dkimpy(lab.names, message) == [True, True]
    site.later(HOUR).rotate("--auto")
    assert set(site.phases().values()) == {"withdrawn", "active"}
    site.publish()
    assert site.rotate("--auto").count("removed ") == 2
    assert set(site.phases()) == {s.decode() for s in new}
    assert site.files() == sorted(s.decode() + ".pem" for s in new)
    found, message = site.selectors(mx, 4)
    assert found == new and verify.dkimpy(lab.names, message) == [True, True]


def killed(site, call, number):
    """A step that is killed when it begins its number-th call of this kind. False: it made fewer."""
    done = run(["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                f"inject={call}:signal=SIGKILL:when={number}", *site.line("--publish-command", site.command)],
               cwd=site.relay.folder, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    return done.returncode == -signal.SIGKILL


def test_case_207_a_kill_at_any_change_on_disk_leaves_a_turn_that_goes_on(lab, mx):
    site, died, signed = Site(lab), set(), set()
    calls = [(c, n) for n in range(1, 5) for c in ("rename", "renameat2", "fsync", "unlink")]
    for i, (call, number) in enumerate(calls * 3):
        if killed(site, call, number):
            died.add((call, number))
        site.publish()
        signing = {f[:-4] for f in site.files() if f.endswith(".pem")}
        assert {s[0] for s in signing} == {"r", "e"}, site.files()
        for selector in signing:  # whatever signs is found
            assert lab.names.records.get((names_key(f"{selector}._domainkey.example.org"), "TXT")), selector
        signed |= signing
        site.later(WEEK if i % 4 == 3 else HOUR)
        if i % 3 == 2:
            site.rotate("--auto")
            site.publish()
            site.later(HOUR)
    assert {c for c, n in died} == {c for c, n in calls} and len(died) >= 9 and len(signed) >= 6, (died, signed)
    site.relay.start()
    found, message = site.selectors(mx, 1)
    assert len(found) == 2 and verify.dkimpy(lab.names, message) == [True, True]


def test_case_208_without_a_command_people_are_told_what_to_publish(lab):
    site = Site(lab)
    done = run(site.line("--json"), cwd=site.relay.folder)
    steps = json.loads(done.stdout)[0]["steps"]
    asked = [s for s in steps if s["did"] == "publish"]
    assert done.returncode == 0 and len(asked) == 2 and all(s["text"].startswith("v=DKIM1") for s in asked)
    done = site.relay.ctl("key", "rotate", "--domain", "else.test")
    assert done.returncode == 78 and "else.test" in done.stderr
    done = site.relay.ctl("key", "rotate")
    assert done.returncode == 64 and "--domain" in done.stderr


def test_case_208_check_and_audit_say_what_is_to_be_done(lab):
    def told():
        lines = [line for line in site.relay.ctl("check").stdout.splitlines() if " key: " in line]
        done = json.loads(site.relay.ctl("audit", "example.org", "--json").stdout)
        return lines, [f for f in done["findings"] if " key: " in f["text"]]

    site = Site(lab)
    assert told() == ([], [])
    site.rotate()
    lines, findings = told()
    assert len(lines) == 2 and all(line.startswith("warning") and "v=DKIM1" in line for line in lines)
    assert {f["severity"] for f in findings} == {"advice"}
    for finding in findings:
        lab.names.set(finding["publish"]["name"], "TXT", finding["publish"]["record"])
    assert [line.split()[0] for line in told()[0]] == ["ok", "ok"]
    site.rotate("--auto")
    site.later(HOUR).rotate("--auto")
    assert [line.split()[0] for line in told()[0]] == ["ok", "ok"]
    lab.names.remove("r1._domainkey.example.org")  # too early
    lines, findings = told()
    assert sorted(line.split()[0] for line in lines) == ["ERROR", "ok"]
    site.rotate("--auto")
    site.publish()
    site.later(WEEK).rotate("--auto")
    lines, findings = told()
    assert len(lines) == 2 and all("can be removed" in line for line in lines)
    assert {f["severity"] for f in findings} == {"advice"} and not any("publish" in f for f in findings)


def test_case_208_a_failing_command_and_another_domain(lab):
    site = Site(lab)
    site.put("other.test", "r1")
    told = site.rotate("--publish-command", "exit 3; true", status=1)
    assert "exit status 3" in told and not os.listdir(site.relay.path("asked"))
    assert set(site.phases().values()) == {"next", "active"}
    assert site.files("other.test") == ["r1.pem"] and not os.path.exists(site.relay.path("keys/other.test/rotation.json"))
    with open(site.relay.path("keys/example.org/rotation.json"), "w", encoding="utf-8") as f:
        f.write('{"version": 2}')
    done = run(site.line("--publish-command", site.command, domain="other.test"), cwd=site.relay.folder)
    assert done.returncode == 0, done.stderr  # a trouble of the one does not stop the other
    done = site.relay.ctl("key", "rotate", "--auto", "--publish-command", site.command)
    assert done.returncode == 1 and "newer waxwing" in done.stderr and "other.test" in done.stdout


def test_case_208_a_key_that_seals_too_stays(lab):
    site = Site(lab)
    site.relay.write(arc={"domain": "example.org", "selector": "r1", "file": "keys/example.org/r1.pem"})
    told = site.rotate(status=1)
    assert "arc uses this key file" in told
    assert {s[0] for s in site.phases()} == {"r", "e"} and len(site.phases()) == 3


def test_case_208_a_relay_that_cannot_read_again_keeps_the_old_record(lab):
    site = Site(lab)
    site.start()
    site.rotate()
    site.publish()
    site.rotate("--auto")
    chain = site.relay.path("chain.pem")
    shutil.move(chain, chain + ".away")  # so that no reload succeeds
    site.later(HOUR)
    site.rotate("--auto", status=75)
    site.later(3 * WEEK)
    site.rotate("--auto", status=75)
    assert set(site.phases().values()) == {"retired", "active"}
    shutil.move(chain + ".away", chain)
    site.rotate("--auto")
    site.later(WEEK - HOUR).rotate("--auto")
    assert set(site.phases().values()) == {"retired", "active"}
    site.later(HOUR).rotate("--auto")
    assert set(site.phases().values()) == {"withdrawn", "active"}


def older(site, ms):
    """So much time passed in every phase, as a step that ended long ago would have noted."""
    file = site.relay.path("keys/example.org/rotation.json")
    with open(file, encoding="utf-8") as f:
        noted = json.load(f)
    for key in noted["keys"]:
        key["aged_ms"] += ms
    with open(file, "w", encoding="utf-8") as f:
        json.dump(noted, f)


def step_ended(relay):
    """The next one is half an hour away, and one that a restart ends would have to be taken up by it."""
    pid = relay.process.pid

    def children():
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return f.read().split()
    until(lambda: not children(), "the step to end")


@pytest.mark.threads
def test_case_209_the_running_relay_turns_its_keys(lab, mx):
    site = Site(lab)
    site.relay.write(dkim={"rotate": {"every": "180d", "publish_command": site.command}})
    for key in ("r1", "e1"):
        os.utime(site.relay.path(f"keys/example.org/{key}.pem"), (1000000000, 1000000000))
    site.relay.start()
    until(lambda: len(os.listdir(site.relay.path("asked"))) == 2, "two records to publish")
    step_ended(site.relay)
    site.publish()
    new = new_of(site)
    site.relay.restart()
    until(lambda: set(site.phases().values()) == {"published", "active"}, "the records are seen")
    step_ended(site.relay)
    assert site.selectors(mx, 1)[0] == {b"r1", b"e1"}
    site.relay.stop()
    older(site, HOUR * 1000)
    site.relay.start()
    until(lambda: set(site.phases().values()) == {"retired", "active"}, "the new keys are active")
    until(lambda: site.relay.events("reload"), "a reload")
    found, message = site.selectors(mx, 2)
    assert found == new and verify.dkimpy(lab.names, message) == [True, True]


@pytest.mark.threads
def test_case_209_a_stop_does_not_wait_for_a_publish_command(lab):
    site = Site(lab)
    site.relay.write(dkim={"rotate": {"every": "1d", "publish_command": f"touch {site.relay.path('called')}; sleep 100; true"}})
    os.utime(site.relay.path("keys/example.org/r1.pem"), (1000000000, 1000000000))
    site.relay.start()
    until(lambda: os.path.exists(site.relay.path("called")), "the publish command")
    site.relay.stop()


def test_case_208_the_example_for_nsupdate(lab):
    site = Site(lab)
    folder = lab.folder("bin")
    with open(os.path.join(folder, "nsupdate"), "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\necho \"$@\" >> {folder}/said\ncat >> {folder}/said\n")
    os.chmod(os.path.join(folder, "nsupdate"), 0o755)
    example = os.path.join(TREE, "man/examples/publish-nsupdate")
    site.command = f"env PATH={folder}:$PATH NSUPDATE_SERVER=127.0.0.1 {example}"
    site.rotate()
    with open(os.path.join(folder, "said"), encoding="utf-8") as f:
        said = f.read()
    lines = [line for line in said.splitlines() if line.startswith("update add")]
    assert len(lines) == 2 and said.count("server 127.0.0.1") == said.count("send") == 2
    for line in lines:
        name, text = re.fullmatch(r"update add (\S+)\. 3600 TXT (.*)", line).groups()
        assert f"update delete {name}. TXT" in said
        assert all(len(part) <= 255 for part in re.findall(r'"([^"]*)"', text))
        lab.names.set(name, "TXT", *[text])
    site.rotate("--auto")
    assert set(site.phases().values()) == {"published", "active"}


@pytest.mark.threads
def test_case_209_the_relay_alarms_about_records_to_publish_by_hand(lab):
    site = Site(lab, every="180d")
    site.put("other.test", "r1")
    for key in glob.glob(site.relay.path("keys/*/*.pem")):
        os.utime(key, (1000000000, 1000000000))
    with open(site.relay.path("keys/other.test/rotation.json"), "w", encoding="utf-8") as f:
        f.write('{"version": 2}')
    site.relay.start()
    site.relay.wait("key", count=2)
    until(lambda: len([e for e in site.relay.events("alarm", what="dkim") if "to be changed: publish" in e["text"]]) == 2,
          "alarms about two records")
    until(lambda: [e for e in site.relay.events("alarm", what="dkim") if "newer waxwing" in e["text"]], "the other one's trouble")
