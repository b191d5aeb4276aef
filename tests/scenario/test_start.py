# SPDX-License-Identifier: ISC
"""As whom the relay starts, and what it finds there: root's default, the shipped unit, what root left."""
import os
import re
import shutil

from tests.lab.machine import Machine
from tests.lab.process import Process, run
from tests.lab.relay import TREE
from tests.lab.wait import until


def ids_of(pid):
    """(the four user ids, the effective capabilities) of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        status = dict(line.rstrip().split(":\t", 1) for line in f if ":\t" in line)
    return status["Uid"].split(), int(status["CapEff"], 16)


def configured(lab):
    """A machine with the package and the shipped example, keys and a user made as its comments say."""
    machine = Machine(lab)
    machine.install()
    shutil.copy(os.path.join(TREE, "man/waxwing.yaml.example"), machine.path("etc/waxwing/waxwing.yaml"))
    leaf = lab.ca.leaf("relay.example.org")
    shutil.copy(leaf.chain_file, machine.path("etc/waxwing/tls/fullchain.pem"))
    shutil.copy(leaf.key_file, machine.path("etc/waxwing/tls/key.pem"))
    machine.do("chgrp", "waxwing", "/etc/waxwing/tls/key.pem")
    machine.do("chmod", "640", "/etc/waxwing/tls/key.pem")
    machine.do("/tmp/waxwing", "key", "new", "--domain", "example.org", "--selector", "r2026", "--out",
               "/etc/waxwing/dkim/example.org.r2026.pem")
    machine.do("/tmp/waxwing", "user", "add", "app", data="correct-horse\n")
    return machine


def started(lab, machine, *before):
    process = Process([*before, "/tmp/waxwing", "run"], machine.path("tmp/log"))
    lab.at_end(process.kill)
    until(lambda: process.output().count(" ready ") == 4 or not process.alive(), process.output)
    assert process.alive(), process.output()
    return process


def test_case_130_the_default_configuration_does_not_stay_root(lab):
    machine = configured(lab)
    process = started(lab, machine, *machine.inside())
    uid = machine.do("id", "-u", "waxwing").strip()
    assert ids_of(process.pid) == ([uid] * 4, 1 << 10)
    assert process.stop() == 0


def test_case_130_root_does_not_start_without_somebody_to_become(lab):
    for user, told in (("", "root has to become somebody else"), ("toor", "'toor' is root by another name")):
        relay = lab.relay(user=user)
        with open("/etc/passwd", encoding="ascii") as f:
            users = f.read() + "toor:x:0:0::/root:/bin/sh\n"
        passwd = lab.file("passwd", users)
        relay.start(ready=False, wrap=["unshare", "--mount", "sh", "-c",
                                       f'mount --bind {passwd} /etc/passwd && exec "$@"', "sh"])
        assert relay.process.wait() == 78 and told in relay.process.output(), relay.told()


def test_case_131_the_shipped_unit_and_configuration_work_together(lab):
    machine = configured(lab)
    process = started(lab, machine, *machine.as_service())
    uid = machine.do("id", "-u", "waxwing").strip()
    assert uid != "0" and ids_of(process.pid) == ([uid] * 4, 1 << 10)
    assert "alarm" not in re.sub(r"alarm what=(audit|dns)", "", process.output()), process.output()
    machine.do("/tmp/waxwing", "status")
    machine.do("/tmp/waxwing", "reload")
    assert process.stop() == 0
    assert machine.do("sh", "-c", "ls /var/spool/waxwing /var/lib/waxwing").count(".log") == 1


def test_case_132_what_root_left_is_told_with_what_mends_it(lab):
    relay = lab.relay(user="root").start()
    relay.stop()
    relay.write(user="daemon")
    for name in ("key.pem", "users", "e1.pem", "r1.pem"):
        shutil.chown(relay.path(name), "daemon")
    relay.start(ready=False)
    assert relay.process.wait() == 75
    out = relay.process.output()
    mends = re.findall(r"mend it with: (chown[^\"\n]*)", out)
    assert len(mends) == 2 and f"chown -R daemon:daemon {relay.path('spool')}" in mends, out
    for mend in mends:
        assert run(["sh", "-c", mend]).returncode == 0, mend
    relay.start()
