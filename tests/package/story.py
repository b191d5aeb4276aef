#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The road of a newcomer: package, init, publish, start, first signed message, in a bare Debian root with its own
Postfix; then what the package does when it goes. Prints what the newcomer sees. Runs in tests/lab/inside.

usage: story.py ROOT LINTIAN_REPORT
"""
import os
import re
import shutil
import socket
import sys

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TREE)

from tests.lab import verify, zones  # noqa: E402
from tests.lab.client import Client  # noqa: E402
from tests.lab.lab import Lab  # noqa: E402
from tests.lab.process import Process, must, run  # noqa: E402
from tests.lab.relay import letter  # noqa: E402
from tests.lab.wait import until  # noqa: E402

DOMAIN, HOST = "example.org", "relay.example.org"
EXPOSURE_MOST = 2.0


class Newcomer:
    """Root on the machine in the folder, which is booted with its own systemd in the network of the lab."""

    def __init__(self, lab, root):
        self.root = root
        self.machine = Process(["systemd-nspawn", "--quiet", "--directory=" + root, "--boot", "--register=no", "--keep-unit",
                                "--machine=newcomer", "--resolv-conf=off", "--timezone=off"], lab.folder("boot") + "/log")
        lab.at_end(self.shut_down)
        self.leader = int(until(self._leader, self.machine.output))
        until(lambda: self.quietly("systemctl is-system-running").stdout.strip() in ("running", "degraded"), self.machine.output)

    def _leader(self):
        children = must(["cat", f"/proc/{self.machine.pid}/task/{self.machine.pid}/children"]).split()
        named = [c for c in children if run(["cat", f"/proc/{c}/comm"]).stdout.strip() == "systemd"]
        return named[0] if named else None

    def shut_down(self):
        self.quietly("systemctl poweroff --no-block")
        try:
            self.machine.wait(60)
        finally:
            self.machine.kill()

    def path(self, name):
        return self.root + name

    def quietly(self, command, **more):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "HOME": "/root"}
        return run(["nsenter", "-t", self.leader, "-m", "-u", "-i", "-p", "-r", "-w", "sh", "-c", command], env=env, timeout=600, **more)

    def does(self, command, shown=None):
        print(f"\n# {command}", flush=True)
        done = self.quietly(command)
        text = done.stdout + done.stderr
        print(shown(text) if shown else text, flush=True)
        assert done.returncode == 0, f"exit {done.returncode}\n{self.journal()}"
        return text

    def journal(self):
        return self.quietly("journalctl --no-pager -o cat -u waxwing").stdout


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


def published(newcomer, folder="/etc/waxwing"):
    """Command three as README has it; the tool of the lab's name server stands for nsupdate."""
    command = f"(sed -n 's/^[^;]/update add &/p' {folder}/records.zone; echo send) | nsupdate"
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
    newcomer.does("apt install -y /root/waxwing_*.deb", lambda text: "\n".join(text.splitlines()[-8:]))
    below_our_root(dns, newcomer)
    printed = newcomer.does(f"waxwing init --domain {DOMAIN} --hostname {HOST} --postfix --yes")
    published(newcomer)
    newcomer.does("systemctl enable --now waxwing")
    newcomer.does("echo hello | sendmail you@dest.example")
    message = mx.wait(bound=60)
    print("\nWhat arrived at mx.dest.example:\n\n" + message.data.decode(), flush=True)
    assert message.tls and signed(dns, message) and re.search(rb"(?m)^From: .*root@example\.org", message.header())
    assert "password" in printed and printed.count("made ") > 3
    return dns, mx


def afterwards(newcomer):
    """What an operator does next, each command read."""
    newcomer.does("waxwing health")
    # What it says of the machine's names is the lab's affair, not the newcomer's.
    assert newcomer.does("waxwing check || test $? = 1").count(": published") >= 2
    newcomer.does("waxwing init --yes --offline")
    newcomer.does("waxwing version")
    # Every other sender of the machine: what cron and daemons write as.
    assert newcomer.quietly("echo cron | sendmail -f root@web1.lan you@dest.example").returncode == 0
    until(lambda: newcomer.journal().count(" delivered ") == 2, newcomer.journal)
    newcomer.does("systemctl reload waxwing && systemctl --no-pager status waxwing")
    # An upgrade restarts a relay that runs, and a fall is followed by a start.
    pid = newcomer.quietly("systemctl show -p MainPID --value waxwing").stdout
    newcomer.does("dpkg -i /root/waxwing_*.deb && systemctl is-active waxwing")
    assert newcomer.quietly("systemctl show -p MainPID --value waxwing").stdout != pid
    assert newcomer.quietly("systemctl kill -s KILL waxwing").returncode == 0
    until(lambda: newcomer.quietly("waxwing health").returncode == 0, newcomer.journal)
    newcomer.does("systemctl stop waxwing; waxwing health; test $? = 75")
    # One that does not run is not started by an upgrade.
    newcomer.does("dpkg -i /root/waxwing_*.deb; test $(systemctl is-active waxwing) = inactive")


def sockets(newcomer):
    """systemd holds the ports while the relay is away; a client that comes then waits for it."""
    newcomer.does("systemctl stop waxwing && systemctl enable --now waxwing.socket && systemctl start waxwing")
    newcomer.does("systemctl stop waxwing.service && waxwing check --offline | grep waxwing.socket")
    with socket.create_connection(("127.0.0.1", 587), timeout=120) as early:
        assert early.recv(100).startswith(b"220 "), "the socket starts the relay"
    until(lambda: newcomer.quietly("waxwing health").returncode == 0, newcomer.journal)
    assert "what=listen" not in newcomer.journal()
    newcomer.does("systemctl disable --now waxwing.socket; systemctl stop waxwing")


CONTAINER = f"""WAXWING_DOMAIN={DOMAIN} WAXWING_HOSTNAME={HOST} WAXWING_USER=shop WAXWING_PASSWORD_FILE=/run/secret \\
    WAXWING_LISTEN=2587 WAXWING_SELECTOR=c1 WAXWING_DIRECTORY=/srv/waxwing WAXWING_LOG_FORMAT=json WAXWING_HTTP=127.0.0.1:0"""


def container(dns, mx, newcomer):
    """The same road by the environment alone, as a container's entry goes it: no root, no name, no terminal."""
    nobody = "setpriv --reuid=12345 --regid=12345 --clear-groups env -i PATH=$PATH"
    newcomer.quietly("printf correct-horse > /run/secret && install -d -o 12345 -g 12345 /srv/waxwing")
    newcomer.does(f"{CONTAINER} \\\n    waxwing init --from-env".replace("WAXWING_DOMAIN", nobody + " WAXWING_DOMAIN", 1))
    published(newcomer, "/srv/waxwing")
    newcomer.does(f"({nobody} waxwing -c /srv/waxwing/waxwing.yaml run > /run/container.log 2>&1 & "
                  "echo $! > /run/container.pid; wait $!; echo ended $? >> /run/container.log) > /dev/null 2>&1 &")
    healthy = f"{nobody} waxwing -c /srv/waxwing/waxwing.yaml health"
    until(lambda: newcomer.quietly(healthy).returncode == 0, lambda: newcomer.quietly("cat /run/container.log").stdout)
    with Client("127.0.0.1", 2587) as client:
        client.ehlo()
        client.starttls()
        assert client.plain("shop", "correct-horse").code == 235
        client.envelope("shop@example.org", ["you@dest.example"])
        assert client.data(letter("shop@example.org", "you@dest.example")).code == 250
    message = mx.wait(3)[-1]
    assert signed(dns, message) and b"s=c1;" in message.header()
    newcomer.quietly("kill $(cat /run/container.pid)")
    until(lambda: "ended 0" in newcomer.quietly("cat /run/container.log").stdout, lambda: newcomer.quietly("cat /run/container.log").stdout)


def going(newcomer):
    """remove keeps all, a purge without an answer as well, and one that was answered leaves nothing."""
    keys = newcomer.path("/var/lib/waxwing/dkim/example.org")
    for command, kept in (("apt-get -qq -y remove waxwing", True), ("apt-get -qq -y purge waxwing", True)):
        assert newcomer.quietly(command).returncode == 0 and bool(os.listdir(keys)) == kept, command
    assert newcomer.quietly("dpkg -i /root/waxwing_*.deb && echo waxwing waxwing/purge boolean true | "
                            "debconf-set-selections && apt-get -qq -y purge waxwing").returncode == 0
    for folder in ("/etc/waxwing", "/var/spool/waxwing", "/var/lib/waxwing"):
        assert not os.path.exists(newcomer.path(folder)), folder


def installed_anew(newcomer):
    """What Debian's autopkgtest runs, on a machine that knows nothing of the relay any more."""
    shutil.copy(os.path.join(TREE, "debian/tests/smoke"), newcomer.path("/root/smoke"))
    newcomer.does("dpkg -i /root/waxwing_*.deb && sh -eu /root/smoke", lambda text: "\n".join(text.splitlines()[-12:]))


def exposure(newcomer):
    """systemd's own judgement of the unit as it is in force."""
    out = newcomer.quietly("systemd-analyze security --no-pager waxwing").stdout
    level = float(re.search(r"exposure level for waxwing.service: ([\d.]+)", out)[1])
    assert level <= EXPOSURE_MOST, out
    return level


def main():
    with open(sys.argv[2], encoding="utf-8") as f:
        assert not re.search(r"^[EW]:", f.read(), re.M), "lintian complains"
    with Lab() as lab:
        newcomer = Newcomer(lab, sys.argv[1])
        dns, mx = road(lab, newcomer)
        afterwards(newcomer)
        sockets(newcomer)
        level = exposure(newcomer)
        container(dns, mx, newcomer)
        going(newcomer)
        installed_anew(newcomer)
    print(f"\nfive commands, a signed message; lintian clean; exposure {level}")
    print("1 passed, 0 failed")


main()
