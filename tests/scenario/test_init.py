# SPDX-License-Identifier: ISC
"""From nothing to the first signed message: what `waxwing init` lays down, and what it leaves alone."""
import grp
import hashlib
import os
import pty
import pwd
import re
import shutil
import socket
import stat
import subprocess

import pytest

from tests.lab.machine import Machine
from tests.lab.process import Process, must, run
from tests.lab.relay import PROGRAM, TREE, letter
from tests.lab.wait import until
from tests.scenario.test_road import signed_by_both

LISTEN = ("--listen", "127.0.0.1:587", "--listen", "127.0.0.1:465")


class Place:
    """A folder that init lays a relay down in, for the user daemon, who stands for the relay's."""

    def __init__(self, lab):
        self.lab, self.folder = lab, lab.folder("place") + "/etc"
        self.file = self.path("waxwing.yaml")

    def path(self, name):
        return os.path.join(self.folder, name)

    def init(self, *options, usual=True, **more):
        usual = ("--run-as", "daemon", "--offline", "--log-format", "json", "--dns-server", "127.0.0.1", *LISTEN) if usual else ()
        return run([PROGRAM, "init", "--directory", self.folder, *usual, *options], stdin=subprocess.DEVNULL, **more)

    def made(self, *options, **more):
        done = self.init(*options, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def text(self):
        with open(self.file, encoding="utf-8") as f:
            return f.read()

    def files(self):
        """Every file with its owner, mode and contents."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    st = os.fstat(f.fileno())
                    found[path] = (st.st_uid, st.st_mode, st.st_mtime_ns, hashlib.sha256(f.read()).hexdigest())
        return found

    def publish(self):
        """As a person would: every line of records.zone that is no comment."""
        with open(self.path("records.zone"), encoding="utf-8") as f:
            for line in f:
                if not line.startswith(";"):
                    name, _, _, kind, data = line.rstrip("\n").split(" ", 4)
                    self.lab.names.set(name.rstrip("."), kind, data)

    def relay(self, printed):
        """The laid down relay, with the login that init showed."""
        relay = self.lab.relay()
        relay.file = self.file
        relay.user, relay.password = re.search(r"user +(\S+)\n +password +(\S+)\n", printed).groups()
        return relay


def test_case_160_init_start_submit_and_a_signed_message_arrives(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    place = Place(lab)
    printed = place.made("--domain", "example.org")
    place.publish()
    relay = place.relay(printed).start()
    reply = relay.submit(["someone@dest.test"])
    assert reply.code == 250 and reply.text.endswith("; note: date-past"), reply  # preflight: note
    signed_by_both(lab, mx.wait().data)
    assert relay.ask("health") == "ready\n"
    checked = relay.ctl("check")
    assert "r2" in checked.stdout and checked.stdout.count("ok       key ") == 3, checked.stdout
    assert not relay.events("alarm"), relay.events("alarm")
    chain = place.path("tls/fullchain.pem")  # which vouches for itself, and for nothing else
    assert "does match" in must(["openssl", "x509", "-in", chain, "-noout", "-checkhost", "relay.example.org"])
    must(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", chain, chain])
    assert "CA:FALSE" in must(["openssl", "x509", "-in", chain, "-noout", "-ext", "basicConstraints"])


def test_case_161_another_init_changes_nothing_and_says_so(lab):
    place = Place(lab)
    place.made("--domain", "example.org")
    before = place.files()
    for options in ((), ("--domain", "example.org", "--run-as", "daemon")):
        printed = place.made(*options, "--offline", usual=False)
        after = place.files()
        zone = place.path("records.zone")
        assert after.pop(zone)[3] == before[zone][3]
        assert after == {k: v for k, v in before.items() if k != zone}
        kept = re.findall(r"^kept +(\S+)", printed, re.M)
        assert len(kept) == 5 and not re.search(r"^(made|changed)", printed, re.M), printed
        assert "password  " not in printed


def test_case_162_an_edited_file_is_left_alone_and_served(lab):
    place = Place(lab)
    place.made("--domain", "example.org")
    with open(place.file, "a", encoding="utf-8") as f:
        f.write("# mine now\nlimits: {recipients: 50}\n")
    os.unlink(place.path("arc/example.org.a%s.pem" % re.search(r"a(20\d\d)", place.text())[1]))
    text = place.text()
    printed = place.made("--domain", "other.example")
    assert place.text() == text and "other.example" not in "".join(os.listdir(place.path("dkim")))
    assert f"kept     {place.file}, which somebody has edited; what was asked for just now is not in it" in printed
    assert re.search(r"made +\S+/arc/example.org.a20\d\d.pem", printed)  # what the file names and is not there
    with open(place.file, "w", encoding="utf-8") as f:  # somebody's own, without a word of init's
        f.write(re.sub(r"(?m)^#.*\n", "", text))
    assert f"kept     {place.file}, which somebody has edited\n" in place.made("--offline", usual=False)


def test_case_163_more_domains_and_logins_come_to_those_that_are_there(lab):
    place = Place(lab)
    place.made("--domain", "example.org")
    keys = {k: v for k, v in place.files().items() if k.endswith(".pem")}
    printed = place.made("--domain", "other.example", "--user", "postfix", "--password-file",
                         lab.file("secret", "horse-battery\n"), "--offline", usual=False)
    assert re.findall(r"^ +- user: (\S+)$", place.text(), re.M) == ["app", "postfix"]
    assert sorted(os.listdir(place.path("dkim"))) == ["example.org", "other.example"]
    assert {k: v for k, v in place.files().items() if k in keys} == keys
    assert "horse-battery" not in printed and len(os.listdir(place.path("dkim/other.example"))) == 2
    with open(place.path("users"), encoding="utf-8") as f:
        assert [line.split(":")[0] for line in f] == ["app", "postfix"]


def test_case_163_another_selector_does_not_sign_before_it_is_published(lab):
    place = Place(lab)
    place.made("--domain", "example.org", "--selector", "r2025")
    before = place.files()
    done = place.init("--selector", "r2026")
    assert done.returncode == 64 and "the keys here have the selector r2025, and another one would sign before" in done.stderr
    assert place.files() == before
    assert sorted(os.listdir(place.path("dkim/example.org"))) == ["e2025.pem", "r2025.pem"]
    place.made("--selector", "r2025")


def test_case_324_keys_that_an_earlier_init_named_one_by_one_stay_so(lab):
    place = Place(lab)
    place.made("--domain", "example.org", "--selector", "r2025")
    for kind in "re":  # as they lay before keys could turn
        os.rename(place.path(f"dkim/example.org/{kind}2025.pem"), place.path(f"dkim/example.org.{kind}2025.pem"))
    os.rmdir(place.path("dkim/example.org"))
    before = {k: v for k, v in place.files().items() if k.endswith("2025.pem")}
    printed = place.made("--domain", "other.example", "--offline", usual=False)
    assert "selector: r2025, file: dkim/example.org.r2025.pem" in place.text() and "directory:" not in place.text()
    assert os.path.exists(place.path("dkim/other.example.e2025.pem")) and "made" in printed
    assert {k: v for k, v in place.files().items() if k in before} == before


def test_case_324_the_keys_of_a_fresh_configuration_can_turn(lab):
    place = Place(lab)
    place.made("--domain", "example.org", "--selector", "r2025")
    out = run([PROGRAM, "-c", place.file, "key", "rotate", "--domain", "example.org"])
    assert "made " in out.stdout and out.returncode in (0, 75), out
    before = sorted(os.listdir(place.path("dkim/example.org")))
    assert len(before) > 2
    place.made("--domain", "example.org", "--offline", usual=False)
    assert sorted(os.listdir(place.path("dkim/example.org"))) == before, "init touches no turn"


def test_case_164_on_a_bare_machine_all_belongs_to_whom_the_unit_runs_as(lab):
    machine = Machine(lab)
    printed = machine.do("/tmp/waxwing", "init", "--domain", "example.org", "--offline", "--yes")
    assert "made     the system user and group waxwing" in printed
    uid = int(machine.do("id", "-u", "waxwing"))
    for path, mode, owner in (("etc/waxwing", 0o755, 0), ("etc/waxwing/waxwing.yaml", 0o644, 0),
                              ("var/lib/waxwing/dkim/example.org", 0o700, uid), ("etc/waxwing/tls", 0o700, uid),
                              ("etc/waxwing/tls/key.pem", 0o600, uid), ("etc/waxwing/users", 0o640, uid),
                              ("var/spool/waxwing", 0o700, uid), ("var/lib/waxwing", 0o700, uid)):
        st = os.stat(machine.path(path))
        assert (stat.S_IMODE(st.st_mode), st.st_uid) == (mode, owner), path
    for key in os.listdir(machine.path("var/lib/waxwing/dkim/example.org")):
        st = os.stat(machine.path("var/lib/waxwing/dkim/example.org/" + key))
        assert (stat.S_IMODE(st.st_mode), st.st_uid) == (0o600, uid), key
    process = Process([*machine.as_service(), "/tmp/waxwing", "run"], machine.path("tmp/log"))
    lab.at_end(process.kill)
    until(lambda: process.output().count(" ready ") == 4 or not process.alive(), process.output)
    assert "[::]:465" in process.output() and machine.do("/tmp/waxwing", "health").startswith("ready")  # there is no DNS
    assert process.stop() == 0


def test_case_165_a_container_says_all_by_its_environment(lab):
    place = Place(lab)
    secret = lab.file("password", "correct-horse")  # without a line break, as secrets are mounted
    env = {"PATH": os.environ["PATH"], "WAXWING_DOMAIN": "example.org, example.net", "WAXWING_HOSTNAME": "out.example.org",
           "WAXWING_USER": "shop", "WAXWING_PASSWORD_FILE": secret, "WAXWING_LISTEN": "127.0.0.1:587 127.0.0.1:465",
           "WAXWING_DIRECTORY": place.folder, "WAXWING_RUN_AS": "daemon", "WAXWING_LOG_FORMAT": "json",
           "WAXWING_DNS_SERVER": "127.0.0.1", "WAXWING_HTTP": "127.0.0.1:0", "WAXWING_SERVICE_PORT": "587"}
    first = run([PROGRAM, "init", "--from-env", "--offline"], env=env)
    assert first.returncode == 0 and not first.stderr, first.stdout + first.stderr
    assert "correct-horse" not in first.stdout
    relay = lab.relay()
    relay.file, relay.user = place.file, "shop"
    relay.start()
    mx = lab.mx("mx.dest.test", domains="dest.test")
    place.publish()
    assert relay.submit(["someone@dest.test"], letter("app@example.net"), sender="app@example.net").code == 250
    assert b"d=example.net" in mx.wait().data
    # A new start says the same, and what it says now is all that counts.
    again = run([PROGRAM, "init", "--from-env", "--offline"], env={**env, "WAXWING_DOMAIN": "example.org"})
    assert again.returncode == 0 and f"changed  {place.file}; waxwing reload" in again.stdout
    assert "example.net" not in place.text()
    for more, told in (({"WAXWING_PASSWORD": "x"}, "a secret comes as a file, named by WAXWING_PASSWORD_FILE"),
                       ({"WAXWING_PASSWORD_FILE": "/nowhere"}, "the password file /nowhere is not there"),
                       ({"WAXWING_DOMAINS": "x.example"}, "WAXWING_DOMAINS says nothing to init")):
        done = run([PROGRAM, "init", "--from-env", "--offline"], env={**env, **more})
        assert told in done.stderr, done.stderr
    changed = run([PROGRAM, "init", "--from-env", "--offline"],
                  env={**env, "WAXWING_PASSWORD_FILE": lab.file("other", "battery\n")})
    assert "kept     the login shop, whose password is not the one of" in changed.stdout
    assert "waxwing user passwd shop <" in changed.stdout


def test_case_165_a_container_has_neither_root_nor_a_name_for_its_user(lab):
    place = Place(lab)
    os.chown(os.path.dirname(place.folder), 12345, 12345)
    env = {"PATH": os.environ["PATH"], "WAXWING_DOMAIN": "example.org", "WAXWING_LISTEN": "127.0.0.1:2587",
           "WAXWING_DIRECTORY": place.folder, "WAXWING_DNS_SERVER": "127.0.0.1", "WAXWING_HTTP": "127.0.0.1:0"}
    nobody = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    done = run([*nobody, PROGRAM, "init", "--from-env", "--offline"], env=env)
    assert done.returncode == 0 and "\nuser:" not in place.text(), done.stdout + done.stderr
    process = Process([*nobody, PROGRAM, "-c", place.file, "run"], lab.folder("log") + "/log", env=env)
    lab.at_end(process.kill)
    until(lambda: " ready " in process.output() or not process.alive(), process.output)
    assert run([*nobody, PROGRAM, "-c", place.file, "health"]).returncode == 0, process.output()
    assert process.stop() == 0


def test_case_166_where_there_is_no_configuration_init_is_named(lab):
    for command in (["check"], ["run"], ["health"]):
        done = run([PROGRAM, "-c", lab.root + "/none.yaml", *command])
        assert done.returncode == 78 and "No such file or directory; waxwing init lays one down" in done.stdout + done.stderr


MISTAKES = [  # (options, exit, what is told)
    ((), 64, "--domain is needed, the domain that mail is sent from"),
    (("--domain", "localhost"), 64, "--domain: 'localhost' has no dot: a full name is wanted, as in example.org"),
    (("--domain", "joe@example.org"), 64, "--domain: 'joe@example.org' is not a domain name"),
    (("--domain", "192.0.2.1"), 64, "--domain: '192.0.2.1' is an address, not a name"),
    (("--domain", "example.org", "--hostname", "relay"), 64, "--hostname: 'relay' has no dot"),
    (("--domain", "example.org", "--user", "a:b"), 64, "--user: 'a:b' is no user name"),
    (("--domain", "example.org", "--user", "a\nb"), 64, "holds a control character"),
    (("--domain", "example.org", "--selector", "a b"), 64, "is no selector"),
    (("--domain", "example.org", "--listen", "1.2.3.4"), 64, "waxwing init: address: '1.2.3.4' is not an address and port"),
    (("--domain", "example.org", "--listen", "70000"), 64, "waxwing init: address: '0.0.0.0:70000' is not an address and port"),
    (("--domain", "example.org", "--network", "10.0.0.1/8"), 64, "waxwing init: network: '10.0.0.1/8' has address bits behind its prefix length"),
    (("--domain", "example.org", "--smarthost", "[smtp.example.net"), 64, "waxwing init: smarthost: '[smtp.example.net' is not a next hop"),
    (("--domain", "example.org", "--smarthost-user", "u"), 64, "--smarthost-user and --smarthost-password-file come together"),
    (("--domain", "example.org", "--tls-chain-file", "/x"), 64, "--tls-chain-file and --tls-key-file come together"),
    (("--domain", "example.org", "--password-file", "/nowhere"), 65, "the password file /nowhere is not there"),
    (("--domain", "example.org", "--password-file", "/dev/null"), 65, "the password file /dev/null holds no password"),
    (("--domain", "example.org", "--run-as", "nobody-here!"), 65, "there is no user 'nobody-here!' for the relay to run as\n"),
    (("--domain", "example.org", "--tls-chain-file", "/x", "--tls-key-file", "/y"), 65, "the certificate /x cannot be read: No such file"),
    (("--domain", "example.org", "--dkim-key-file", "/x"), 65, "key file /x: No such file or directory"),
    (("--domain", "example.org", "--dkim-key-file", "/etc/passwd"), 65, "/etc/passwd"),
    (("--domain", "example.org", "--smarthost", "[x.example]:587", "--smarthost-user", "u", "--smarthost-password-file", "/x"),
     65, "the password file /x cannot be read"),
    (("--domain",), 64, "no value for '--domain'"),
    (("--domian", "example.org"), 64, "unknown option '--domian'"),
    (("example.org",), 64, "unexpected argument 'example.org'"),
]


@pytest.mark.parametrize("options, status, told", MISTAKES)
def test_case_166_a_mistake_is_told_before_anything_is_made(lab, options, status, told):
    place = Place(lab)
    done = place.init(*options)
    assert (done.returncode, told in done.stderr) == (status, True), done.stdout + done.stderr
    assert not os.path.exists(place.folder)


AFTERWARDS = [  # (what somebody does to what init laid down, what `check` tells)
    ("sed -i s/postmaster:/postmastr:/ waxwing.yaml", r"waxwing.yaml:\d+:1: unknown key 'postmastr'; did you mean 'postmaster'"),
    ("sed -i 's/  mode:/  mod:/' waxwing.yaml", r"waxwing.yaml:\d+:3: unknown key 'mod'; did you mean 'mode'"),
    ("sed -i 's/mode: enforce/mode: enforced/' waxwing.yaml", r"waxwing.yaml:\d+:9: mode: 'enforced' is not one of: enforce or shadow"),
    ("echo 'hostname: b.example' >> waxwing.yaml", r"waxwing.yaml:\d+:1: hostname: given twice, first in line \d+"),
    ("sed -i s/:587/:smtp/ waxwing.yaml", r"waxwing.yaml:\d+:14: address: '127.0.0.1:smtp' is not an address and port: IP:PORT"),
    ("echo 'auth: {ban: 15}' >> waxwing.yaml", r"waxwing.yaml:\d+:13: ban: '15' is not a duration such as 90s, 15m"),
    ("echo 'limits: {message_size: 25MB}' >> waxwing.yaml", r"waxwing.yaml:\d+:24: message_size: '25MB' is not a size such as 64KiB"),
    ("sed -i 's/  mode: enforce/  smarthost: \"[smtp.example.net\"/' waxwing.yaml", r"waxwing.yaml:\d+:14: smarthost: '\[smtp.example.net' is not a next hop"),
    ("sed -i 's/^user: daemon/user: waxwng/' waxwing.yaml", r"user: there is no user 'waxwng' on this system"),
    ("rm arc/*", r"waxwing.yaml:\d+:\d+: file: '\S+' cannot be read by user daemon: No such file"),
    ("chown root arc/*", r"waxwing.yaml:\d+:\d+: file: '\S+' cannot be read by user daemon: Permission denied"),
    ("openssl ecparam -genkey -name prime256v1 -noout > tls/key.pem", r"tls/key.pem: the key does not belong to the certificate in \S+fullchain.pem"),
    ("echo nonsense > tls/fullchain.pem", r"tls/fullchain.pem"),
    ("chown root dkim/*/r2*", r"dkim/example.org/r20\d\d.pem"),
    ("chmod 644 dkim/*/r2*", r"signing key \S+ can be read by everybody \(mode 644\)"),
    ("chmod 644 users", r"users file \S+ can be read by everybody \(mode 644\)"),
    ("echo joe:plain >> users", r"users:2: neither a hash that crypt\(5\) knows nor a SCRAM verifier"),
]


@pytest.mark.parametrize("slip, told", AFTERWARDS)
def test_case_166_a_slip_afterwards_is_told_with_its_place(lab, slip, told):
    place = Place(lab)
    place.made("--domain", "example.org")
    must(["sh", "-c", slip], cwd=place.folder)
    done = run([PROGRAM, "-c", place.file, "check", "--offline"])
    assert re.search(told, done.stdout + done.stderr), done.stdout + done.stderr
    assert done.returncode in (1, 78) or "warning" in done.stdout


def test_case_166_what_is_there_and_wrong_is_told(lab):
    place = Place(lab)
    os.makedirs(place.path("tls"))
    with open(place.file, "w", encoding="ascii") as f:
        f.write("hostname: relay.example.org\n\tlisten: []\n")
    done = place.init("--domain", "example.org")
    assert done.returncode == 78 and f"{place.file}:2:" in done.stderr
    assert "mend this configuration or move it away, then run init again" in done.stderr
    os.unlink(place.file)
    with open(place.path("tls/key.pem"), "w", encoding="ascii") as f:
        f.write("half a pair")
    done = place.init("--domain", "example.org")
    assert done.returncode == 65
    assert f"{place.path('tls/key.pem')} is there and {place.path('tls/fullchain.pem')} is not" in done.stderr
    with open(place.path("tls/key.pem"), encoding="ascii") as f:
        assert f.read() == "half a pair" and not os.path.exists(place.file)


def test_case_166_a_login_that_was_made_is_shown_whatever_fails_behind_it(lab):
    place = Place(lab)
    os.makedirs(place.path("records.zone"))  # a folder where a file should be
    done = place.init("--domain", "example.org")
    assert done.returncode == 65 and "cannot write" in done.stderr and re.search(r"password +\S{20}\n", done.stdout)


def test_case_164_a_strict_mask_of_whoever_runs_it_does_not_lock_the_relay_out(lab):
    place = Place(lab)
    place.folder = place.path("deep/below/etc")
    place.file = place.path("waxwing.yaml")
    os.umask(0o077)
    try:
        place.made("--domain", "example.org")
    finally:
        os.umask(0o022)
    must(["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", "cat", place.file, place.path("tls/key.pem")])


def test_case_166_who_may_not_write_there_is_told_what_to_do(lab):
    place = Place(lab)
    done = run(["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", PROGRAM, "init", "--offline",
                "--directory", place.folder, "--domain", "example.org", "--yes"])
    assert done.returncode == 65
    assert (f"cannot make {place.folder}: Permission denied; run it as root, or name a folder of your own with "
            "--directory") in done.stderr


def test_case_166_on_a_terminal_each_answer_is_asked_for_until_it_will_do(lab):
    place = Place(lab)
    parent, child = pty.openpty()
    process = subprocess.Popen([PROGRAM, "init", "--directory", place.folder, "--run-as", "daemon", "--offline", *LISTEN],
                               stdin=child, stdout=child, stderr=child, start_new_session=True)
    os.close(child)
    os.write(parent, b"localhost\nexample.org\n\n\n[smtp.example.net]:587\n")
    shown = b""
    try:
        while chunk := os.read(parent, 65536):
            shown += chunk
    except OSError:  # its end, on a terminal
        pass
    os.close(parent)
    assert process.wait(60) == 0, shown
    for told in (b"Mail domain", b"'localhost' has no dot", b"Name of this relay in the DNS [relay.example.org]:",
                 b"Login that programs send with [app]:", b"mail leaves through another host"):
        assert told in shown, shown
    assert 'smarthost: ["[smtp.example.net]:587"]' in place.text()


def test_case_167_postfix_and_certbot_are_set_up_where_asked(lab):
    for name in ("/etc/postfix", "/etc/letsencrypt"):
        if not os.path.isdir(name):
            os.mkdir(name)
            lab.at_end(lambda n=name: os.rmdir(n))
        must(["mount", "-t", "tmpfs", "none", name])
        lab.at_end(lambda n=name: must(["umount", n]))
    for name, text in (("main.cf", "myhostname = web1.lan\ncompatibility_level = 3.6\nrelayhost = [old.example]\n"),
                       ("master.cf", "")):
        with open("/etc/postfix/" + name, "w", encoding="ascii") as f:
            f.write(text)
    place = Place(lab)
    refused = place.init("--domain", "example.org", "--postfix", "--certbot")
    assert refused.returncode == 65 and "Postfix has relayhost = [old.example]" in refused.stderr
    assert not os.path.exists(place.folder)
    must(["postconf", "-e", "relayhost="])
    place.made("--domain", "example.org")
    again = place.init("--postfix")  # the login is there by now, and nobody knows its password
    assert again.returncode == 65 and "its password not known" in again.stderr
    printed = place.made("--postfix", "--user", "local", "--certbot")
    assert "kept     Postfix hands over to [127.0.0.1]:587 already" in place.made("--postfix")
    value = lambda key: must(["postconf", "-h", key]).strip()  # noqa: E731
    assert (value("relayhost"), value("myorigin"), value("smtp_tls_security_level")) == (
        "[127.0.0.1]:587", "example.org", "encrypt")
    assert must(["postmap", "-q", "root@web1.lan", "regexp:/etc/postfix/waxwing_sender"]) == "root@example.org\n"
    password = re.search(r"^ *password +(\S+)$", printed, re.M)[1]
    assert must(["postmap", "-q", "[127.0.0.1]:587", "texthash:/etc/postfix/waxwing_password"]) == f"local:{password}\n"
    assert stat.S_IMODE(os.stat("/etc/postfix/waxwing_password").st_mode) == 0o600
    # The hook takes the certificate of the relay and of nobody else.
    leaf = lab.ca.leaf("relay.example.org")
    live = lab.folder("live")
    shutil.copy(leaf.chain_file, live + "/fullchain.pem")
    shutil.copy(leaf.key_file, live + "/privkey.pem")
    hook = "/etc/letsencrypt/renewal-hooks/deploy/waxwing"
    before = place.files()
    must([hook], env={**os.environ, "RENEWED_DOMAINS": "www.example.org", "RENEWED_LINEAGE": live})
    assert place.files() == before
    must([hook], env={**os.environ, "RENEWED_DOMAINS": "www.example.org relay.example.org", "RENEWED_LINEAGE": live})
    with open(place.path("tls/fullchain.pem"), "rb") as new, open(leaf.chain_file, "rb") as given:
        assert new.read() == given.read()
    st = os.stat(place.path("tls/key.pem"))
    assert (pwd.getpwuid(st.st_uid).pw_name, grp.getgrgid(st.st_gid).gr_name, stat.S_IMODE(st.st_mode)) == (
        "daemon", "daemon", 0o600)


def test_case_167_a_postfix_on_another_machine_with_the_lines_of_the_readme(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay().start()
    lab.names.set("relay.example.org", "A", "127.0.0.1")
    maps = lab.file("sender_canonical", "/^([^@]+)@web1\\.lan$/  ${1}@example.org\n")
    passwords = lab.file("sasl_passwd", f"[relay.example.org]:587 {relay.user}:{relay.password}\n")
    client = lab.postfix_client("web1.lan", relay, relayhost="[relay.example.org]:587", smtp_tls_security_level="secure",
                                smtp_tls_CAfile=lab.ca.file, smtp_sasl_password_maps="texthash:" + passwords,
                                sender_canonical_maps="regexp:" + maps)
    client.submit("root@web1.lan", ["someone@dest.test"], letter("root@web1.lan"))
    message = mx.wait()
    assert message.sender == "root@example.org" and b"From: root@example.org" in message.header()
    signed_by_both(lab, message.data)


def test_case_168_health_says_whether_the_relay_is_ready_and_why_not(lab):
    relay = lab.relay()
    none = relay.ctl("health")
    assert none.returncode == 75 and "no relay answers on" in none.stderr
    lab.mx("mx.dest.test", domains="dest.test").on("mail", "451 4.7.1 later")
    relay.write(delivery={"retry": ["1h"]}).start()
    assert relay.ask("health") == "ready\n" and relay.json("health") == {"ready": True, "text": "ready"}
    relay.send("someone@dest.test")
    relay.wait("deferred")
    relay.ask("drain")  # it cannot end while a message waits
    draining = relay.ctl("health")
    assert draining.returncode == 1 and draining.stdout == "the relay is draining: it accepts no more\n"


def completed(*words):
    """What bash offers in the place of the last word."""
    script = (f'source <({PROGRAM} completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _waxwing; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return must(["bash", "-c", script, "bash", "waxwing", *words]).split()


def test_case_169_shells_complete_what_the_table_of_commands_has():
    listed = re.findall(r"^  ([a-z]+) ", must([PROGRAM, "help"]), re.M)
    assert set(listed) < set(completed("")) and {"init", "health", "version"} < set(listed)
    assert sorted(completed("queue", "re")) == ["release", "remove", "retry"]
    assert set(completed("queue", "--")) >= {"--domain", "--sender", "--state", "--older", "--json", "--all"}
    assert completed("-c", "/x", "sts", "p") == ["policy"]
    assert completed("completion", "") == ["bash", "zsh", "--help"]
    assert completed("init", "--host") == ["--hostname"]
    zsh = must([PROGRAM, "completion", "zsh"])
    must(["zsh", "-n"], input=zsh)
    assert zsh.startswith("#compdef waxwing\n") and all(f"    '{name}:" in zsh for name in listed)
    assert run([PROGRAM, "completion", "fish"]).returncode == 64
    with open(os.path.join(TREE, "CMakeLists.txt"), encoding="ascii") as f:
        version = re.search(r"VERSION ([\d.]+) LANG", f.read())[1]
    assert must([PROGRAM, "version"]) == f"waxwing {version}\n"
    assert must([PROGRAM, "version", "--json"]) == '{"version":"%s"}\n' % version


def failed_logins(relay):
    """(address, user) of three logins that fail; the last user tries to write log lines of its own."""
    tried = [("127.0.0.1", "app"), ("::1", "app"), ("127.0.0.1", "x mechanism=PLAIN result=failed - auth client=[192.0.2.1] user=y")]
    for address, user in tried:
        relay.address = address
        with relay.client(login=False) as client:
            client.ehlo()
            client.starttls()
            assert client.plain(user, "wrong").code == 535
    return tried


def test_the_filters_of_the_package_read_the_log_as_it_is(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay()
    relay.write(log={"format": "text", "level": "info"}, listen=[{"address": "127.0.0.1:587"}, {"address": "[::1]:587"}])
    relay.start(ready=False)
    until(lambda: relay.process.output().count(" ready ") == 2, relay.told)
    tried = failed_logins(relay)
    relay.address = "127.0.0.1"
    assert relay.submit(["someone@dest.test"]).code == 250
    until(lambda: " delivered " in relay.process.output(), relay.told)
    lines = relay.process.output().splitlines()
    with open(os.path.join(TREE, "debian/fail2ban/waxwing.conf"), encoding="utf-8") as f:
        pattern = re.search(r"^failregex = (.*)$", f.read(), re.M)[1]
    pattern = pattern.replace("%(__prefix_line)s", r"\S+ ").replace("<ADDR>", r"(?P<address>[0-9a-fA-F:.]+)")
    found = [m["address"] for m in (re.match(pattern, line) for line in lines) if m]
    assert found == [address for address, _ in tried], lines
    log = "".join(f"Nov 27 01:02:03 web1 waxwing[12]: {re.sub('^[0-9-]+T[0-9:.]+Z ', '', line)}\n" for line in lines)
    left = run(["grep", "-E", "-v", "-f", os.path.join(TREE, "debian/waxwing.logcheck.ignore.server")], input=log).stdout
    assert left.count("reason=") == 3 and " delivered " not in left and " accept " not in left, left


# Two faults at once, as they come; each is told with place and remedy, none hides the other, but for YAML that cannot
# be read. (what is done to what init laid down, what `check` must say)
PAIRS = [
    ("chown root dkim/*/r2*; echo nonsense > tls/fullchain.pem",
     ["r2026.pem: Permission denied; this mends it: chgrp daemon ", "tls/fullchain.pem holds no c"]),
    ("chown root:root users; chmod 644 dkim/*/e2*", ["users' cannot be read by user daemon: Permission denied; this mends it: chgrp daemon"]),
    ("printf 'delivry: {}\\n\\tmode: enforce\\n' >> waxwing.yaml", [": a tab; in YAML lines are indented with spaces"]),
    ("sed -i 's/.\\*.example.org./\"*.example.org/' waxwing.yaml; echo 'foo: 1' >> waxwing.yaml",
     ["not YAML: ", "); look here and just above for a bracket, quote, colon or space too few"]),
    ("sed -i 's/user: app/user: ap/; s/from: .example.org, .*/from: [example.net]/' waxwing.yaml",
     ["senders: 'ap' has no account in ", "waxwing user add ap", "'app' has an account and no row", "mail from example.net goes out unsigned"]),
    (": > users; rm tls/fullchain.pem", ["tls/fullchain.pem' cannot be read by user daemon: No such file", "waxwing user add app"]),
    ("chown root spool state", ["spool: ", "state: ", "it belongs to root, and the relay runs as daemon; mend it with: chown -R daemon:daemon"]),
    ("for f in spool state; do mount --bind $f $f; mount -o remount,ro,bind $f; done",
     ["spool: its file system is mounted read-only; look at dmesg", "state: its file system is mounted read-only"]),
    ("sed -i 's/^  mode: stub/  mode: recursive/; s|^  servers:.*|  trust_anchor: /nope.key|' waxwing.yaml; sed -i s/postmaster:/postmastr:/ waxwing.yaml",
     ["unknown key 'postmastr'; did you mean 'postmaster'?", "'/nope.key' cannot be read", "No such file or directory; the package dns-root-data"]),
    ("sed -i 's/^delivery:/delivery:\\n  source: [{address: 198.51.100.7}]/' waxwing.yaml; openssl ecparam -genkey -name prime256v1 -noout > tls/key.pem",
     ["the key does not belong to the certificate in "]),
]


@pytest.mark.parametrize("slips, told", PAIRS)
def test_case_436_two_faults_at_once_are_told_each_with_its_remedy(lab, slips, told):
    lab.names.set("7.100.51.198.in-addr.arpa", "PTR", "other.example.")
    place = Place(lab)
    place.made("--domain", "example.org")
    must(["sh", "-ec", slips], cwd=place.folder)
    try:
        done = run([PROGRAM, "-c", place.file, "check"])
    finally:
        run(["umount", "-q", place.path("spool"), place.path("state")])
    assert done.returncode in (1, 78)
    for words in told:
        assert words in done.stdout, (words, done.stdout, done.stderr)


def test_case_436_ports_that_are_taken_and_a_resolver_that_does_not_validate(lab):
    place = Place(lab)
    place.made("--domain", "example.org")
    lab.names.error(".", "DNSKEY", "SERVFAIL")
    with socket.create_server(("127.0.0.1", 587)), socket.create_server(("127.0.0.1", 9587)):
        done = run([PROGRAM, "-c", place.file, "check"])
    for words in ("listen: cannot listen on 127.0.0.1:587: Address already in use: another program has this port (ss -ltnp",
                  "http: cannot listen on 127.0.0.1:9587", "by 127.0.0.1:53; dns.mode: recursive brings a resolver that validates"):
        assert words in done.stdout, (words, done.stdout)
    assert done.stderr == ""
