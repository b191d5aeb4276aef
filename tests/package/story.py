#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The road of a newcomer: package, init, publish, start, first signed message, in a bare Debian root with its own
Postfix; then what the package does when it goes. Prints what the newcomer sees. Runs in tests/lab/inside.

usage: story.py ROOT LINTIAN_REPORT
"""
import configparser
import os
import re
import shutil
import sys

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TREE)

from tests.lab import verify, zones  # noqa: E402
from tests.lab.lab import Lab  # noqa: E402
from tests.lab.process import Process, must, run  # noqa: E402
from tests.lab.wait import until  # noqa: E402

DOMAIN, HOST = "example.org", "relay.example.org"
EXPOSURE_MOST = 2.0


class Newcomer:
    """Root on the machine in the folder."""

    def __init__(self, root):
        self.root = root
        for mount in (("-t", "proc", "proc", "/proc"), ("--bind", "/dev", "/dev"), ("-t", "tmpfs", "none", "/run")):
            must(["mount", *mount[:-1], root + mount[-1]])

    def path(self, name):
        return self.root + name

    def quietly(self, command, **more):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "HOME": "/root"}
        return run(["chroot", self.root, "sh", "-c", command], env=env, timeout=600, **more)

    def does(self, command, shown=None):
        print(f"\n# {command}", flush=True)
        done = self.quietly(command)
        text = done.stdout + done.stderr
        print(shown(text) if shown else text, flush=True)
        assert done.returncode == 0, f"exit {done.returncode}"
        return text

    def unit(self):
        parser = configparser.ConfigParser(strict=False, delimiters="=", interpolation=None)
        parser.optionxform = str
        parser.read(self.path("/lib/systemd/system/waxwing.service"))
        return parser["Service"]

    def starts_the_unit(self):
        """What systemd does for `systemctl start`: the unit's folders, user, capability and mask, then its command."""
        print("\n# systemctl enable --now waxwing", flush=True)
        unit = self.unit()
        for key, where in (("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib")):
            assert self.quietly(f"install -d -o {unit['User']} -g {unit['Group']} -m {unit.get(key + 'Mode', '0755')} "
                                f"{where}/{unit[key]}").returncode == 0
        capability = unit["AmbientCapabilities"].lower().replace("cap_", "+")
        wrap = (f"umask {unit['UMask']} && exec setpriv --reuid={unit['User']} --regid={unit['Group']} --init-groups "
                f"--no-new-privs --inh-caps=-all,{capability} --ambient-caps=-all,{capability} "
                f"--bounding-set=-all,{capability} {unit['ExecStart']}")
        process = Process(["chroot", self.root, "sh", "-c", wrap], self.path("/tmp/waxwing.log"))
        until(lambda: process.output().count(" ready ") >= 4 or not process.alive(), process.output)
        assert process.alive(), process.output()
        print(process.output(), flush=True)
        return process


def world(lab):
    """A signed DNS from the root down, which the relay resolves itself, and a host that takes mail."""
    dns = lab.zones()
    for name in ("org", DOMAIN, "example", "dest.example"):
        dns.zone(name)
    dns.add(HOST, "A", "198.51.100.1")  # the machine was there before
    lab.use(dns)
    mx = lab.mx("mx.dest.example", domains="dest.example", tls="self-signed")
    dns.start()
    return dns, mx


def below_our_root(dns, newcomer):
    """The root of the lab in the place of the world's, where dns-root-data keeps that."""
    shutil.copy(dns.root_hints, newcomer.path("/usr/share/dns/root.hints"))
    shutil.copy(dns.trust_anchor, newcomer.path("/usr/share/dns/root.key"))


def published(newcomer):
    """Command three as README has it; the tool of the lab's name server stands for nsupdate."""
    command = "(sed -n 's/^[^;]/update add &/p' /etc/waxwing/records.zone; echo send) | nsupdate"
    print(f"\n# {command}", flush=True)
    text = newcomer.quietly(command.replace("| nsupdate", "| cat")).stdout
    must(["knsupdate"], input=f"server {zones.SERVER}\nzone {DOMAIN}.\n{text}")


def signed(dns, message):
    """Both signatures, with the keys that the name server gives out."""
    def txt(name, timeout=5):
        answer = must(["kdig", f"@{zones.SERVER}", name.decode(), "TXT", "+short"])
        return "".join(p for p in answer.split('"') if p.strip()).encode()
    import dkim
    assert sorted(verify.algorithms(message.data)) == ["ed25519-sha256", "rsa-sha256"]
    checked = dkim.DKIM(message.data)
    return [verify.verified(checked, i, txt) for i in range(2)] == [True, True]


def road(lab, newcomer):
    dns, mx = world(lab)
    began = newcomer.quietly("postconf -e inet_interfaces=loopback-only && postfix start")
    assert began.returncode == 0, began.stdout + began.stderr
    lab.at_end(lambda: newcomer.quietly("postfix stop"))
    newcomer.does("apt install -y /root/waxwing_*.deb", lambda text: "\n".join(text.splitlines()[-8:]))
    below_our_root(dns, newcomer)
    printed = newcomer.does(f"waxwing init --domain {DOMAIN} --hostname {HOST} --postfix --yes")
    published(newcomer)
    relay = newcomer.starts_the_unit()
    newcomer.does("echo hello | sendmail you@dest.example")
    message = mx.wait(bound=60)
    print("\nWhat arrived at mx.dest.example:\n\n" + message.data.decode(), flush=True)
    assert message.tls and signed(dns, message) and re.search(rb"(?m)^From: .*root@example\.org", message.header())
    assert "password" in printed and printed.count("made ") > 3
    return relay


def afterwards(lab, newcomer, relay):
    """What an operator does next, each command read."""
    newcomer.does("waxwing health")
    newcomer.does("waxwing check")
    newcomer.does("waxwing init --yes --offline")
    newcomer.does("waxwing version")
    # Every other sender of the machine: what cron and daemons write as.
    assert newcomer.quietly("echo cron | sendmail -f root@web1.lan you@dest.example").returncode == 0
    log = newcomer.path("/tmp/waxwing.log")
    until(lambda: open(log, encoding="utf-8").read().count(" delivered ") == 2, lambda: open(log, encoding="utf-8").read())
    assert relay.stop() == 0
    newcomer.does("waxwing health; test $? = 75")


def going(newcomer):
    """remove keeps all, a purge without an answer as well, and one that was answered leaves nothing."""
    keys = newcomer.path("/etc/waxwing/dkim")
    for command, kept in (("apt-get -qq -y remove waxwing", True), ("apt-get -qq -y purge waxwing", True)):
        assert newcomer.quietly(command).returncode == 0 and bool(os.listdir(keys)) == kept, command
    assert newcomer.quietly("dpkg -i /root/waxwing_*.deb && echo waxwing waxwing/purge boolean true | "
                            "debconf-set-selections && apt-get -qq -y purge waxwing").returncode == 0
    for folder in ("/etc/waxwing", "/var/spool/waxwing", "/var/lib/waxwing"):
        assert not os.path.exists(newcomer.path(folder)), folder


def exposure():
    """systemd's own judgement of the unit."""
    out = must(["systemd-analyze", "security", "--offline=true", "--no-pager", os.path.join(TREE, "debian/waxwing.service")])
    level = float(re.search(r"exposure level for waxwing.service: ([\d.]+)", out)[1])
    assert level <= EXPOSURE_MOST, out
    return level


def main():
    with open(sys.argv[2], encoding="utf-8") as f:
        assert not re.search(r"^[EW]:", f.read(), re.M), "lintian complains"
    with Lab() as lab:
        newcomer = Newcomer(sys.argv[1])
        relay = road(lab, newcomer)
        afterwards(lab, newcomer, relay)
        going(newcomer)
    print(f"\nfive commands, a signed message; lintian clean; exposure {exposure()}")
    print("1 passed, 0 failed")


main()
