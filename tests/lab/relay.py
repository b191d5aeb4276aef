# SPDX-License-Identifier: ISC
"""The relay under test: writes its configuration, runs it, reads its log, asks it, kills it."""
import base64
import crypt
import json
import os
import re
import shutil
import signal
import time

from cryptography.hazmat.primitives import serialization

from tests.lab import pki
from tests.lab.client import Client, swaks
from tests.lab.process import Process, run
from tests.lab.wait import until

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
PROGRAM = os.path.abspath(os.environ.get("WAXWING", os.path.join(TREE, "build/dev/waxwing")))
FAULTS = re.compile(r"Sanitizer|runtime error:|Assertion `|core dumped")

# Made once a process: keys cost time, and every relay may have the same. LAB_KEYS names a folder where processes share
# them.
_cache = {}
KEYS = os.environ.get("LAB_KEYS")


def cached(name, make):
    if name not in _cache:
        _cache[name] = make()
    return _cache[name]


def cached_key(name, kind):
    return cached(name, lambda: shared_key(os.path.join(KEYS, name + ".key"), kind) if KEYS else pki.new_key(kind))


def shared_key(path, kind):
    """The key that is there, or a new one; where two are made at once, whoever is first."""
    if not os.path.exists(path):
        own = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"  # pids are not one space here
        write_private(own, pki.private_bytes(pki.new_key(kind)))
        try:
            os.link(own, path)
        except FileExistsError:
            pass
        os.unlink(own)
    with open(path, "rb") as f:
        return serialization.load_pem_private_key(f.read(), None)


class Relay:
    """`config` overrides the defaults below, nested keys by nested dicts (a list replaces a list)."""

    def __init__(self, lab, config=None, program=None):
        self.lab, self.program = lab, program or PROGRAM
        self.folder = lab.folder("relay")
        self.address, self.port, self.implicit_port = "127.0.0.1", 587, 465
        self.user, self.password = "app", "correct-horse"
        self.names = lab.names
        self.runs, self.process, self.log_files = 0, None, []
        self.asan_options = ""
        self._read = {}
        self._make_files()
        self.config = merged(self._defaults(), config or {})
        self.file = os.path.join(self.folder, "waxwing.yaml")
        self.write()
        lab.at_end(self.close)

    # --- files ---

    def path(self, name):
        return os.path.join(self.folder, name)

    def _make_files(self):
        certificate = self.lab.ca.leaf("relay.example.org", "localhost")
        shutil.copy(certificate.chain_file, self.path("chain.pem"))
        shutil.copy(certificate.key_file, self.path("key.pem"))
        os.chmod(self.path("key.pem"), 0o600)
        self.set_user(self.user, self.password)
        self.set_user("postfix", self.password)
        for name, kind in (("r1", "rsa"), ("e1", "ed25519")):
            key = cached_key("dkim." + kind, kind)
            write_private(self.path(name + ".pem"), pki.private_bytes(key))
            self.names.set(f"{name}._domainkey.example.org", "TXT", dkim_record(key, kind))
        for name in ("spool", "state"):
            os.mkdir(self.path(name), 0o700)

    def set_user(self, name, password):
        """Sets the password of a user; None removes the user."""
        users = {}
        if os.path.exists(self.path("users")):
            with open(self.path("users"), encoding="utf-8") as f:
                users = dict(line.rstrip("\n").split(":", 1) for line in f if ":" in line)
        users.pop(name, None)
        if password is not None:
            users[name] = cached(("crypt", password), lambda: crypt.crypt(
                password, crypt.mksalt(crypt.METHOD_SHA512, rounds=1000)))
        write_private(self.path("users"), "".join(f"{k}:{v}\n" for k, v in users.items()).encode())

    def set_scram(self, name, password):
        """The same with a verifier, as `waxwing user` makes it."""
        self.set_user(name, None)
        done = run([self.program, "user", "add", name, "--scram", "--file", self.path("users")], input=password + "\n")
        assert done.returncode == 0, done.stderr

    def _defaults(self):
        return {
            "hostname": "relay.example.org", "postmaster": "admin@example.org",
            "listen": [{"address": f"{self.address}:{self.port}"},
                       {"address": f"{self.address}:{self.implicit_port}", "tls": "implicit"}],
            "certificate": {"chain": "chain.pem", "key": "key.pem"},
            "users": "users",
            "senders": [{"user": self.user, "from": ["example.org", "*.example.org"]},
                        {"user": "postfix", "from": ["example.org"]}],
            "dkim": {"domains": [{"domain": "example.org", "subdomains": True, "keys": [
                {"selector": "r1", "file": "r1.pem"}, {"selector": "e1", "file": "e1.pem"}]}]},
            "dns": {"mode": "stub", "servers": ["127.0.0.1"]},
            "delivery": {"ca_file": self.lab.ca.file, "families": ["ipv4"], "retry": ["1s"],
                         "connections": {"idle": "2s"}},
            "limits": {"disk_reserve": "16MiB"},
            "tls_report": {"send": False},
            "spool": "spool", "state": "state/state.db", "control": "control.sock", "http": "",
            "log": {"format": "json", "level": "debug"}, "workers": 2, "user": "root",
        }

    def write(self, **changes):
        self.config = merged(self.config, changes)
        with open(self.file, "w", encoding="utf-8") as f:
            json.dump(self.config, f, indent=1)  # JSON is YAML
        os.chmod(self.file, 0o644)
        return self

    # --- life ---

    def start(self, ready=True, wrap=()):
        self.runs += 1
        log = self.path(f"log.{self.runs}")
        self.log_files.append(log)
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:" + self.asan_options,
                   UBSAN_OPTIONS="print_stacktrace=1",
                   TSAN_OPTIONS="second_deadlock_stack=1:suppressions=" + os.path.join(TREE, "tests/tsan.supp"))
        env.pop("NOTIFY_SOCKET", None)
        self.process = Process([*wrap, self.program, "-c", self.file, "run"], log, env=env, cwd=self.folder)
        if ready:
            until(lambda: len(self._found("ready", run=self.runs)) >= len(self.config["listen"]) or not self.process.alive(), self.told)
            assert self.process.alive(), self.told()
        return self

    def told(self):
        return "the relay; its log:\n" + (self.process.output()[-2500:] if self.process else "")

    def memory(self, field="VmRSS"):
        """Bytes in memory now, or VmHWM: at the most."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(field)) * 1024

    def stop(self):
        """SIGTERM and a clean end: exit 0, nothing that a sanitizer or an assertion had to say."""
        status = self.process.stop()
        self.check_faults()
        assert status == 0, f"exit {status}\n{self.told()}"

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.check_faults()

    def restart(self):
        self.stop()
        return self.start()

    def close(self):
        if self.process and self.process.alive():
            self.stop()
        elif self.process:
            self.check_faults()

    def check_faults(self):
        for log in self.log_files:
            with open(log, encoding="utf-8", errors="replace") as f:
                text = f.read()
            match = FAULTS.search(text)
            assert not match, f"{log}:\n{text[max(0, match.start() - 200):match.start() + 4000]}"

    # --- asking ---

    def ctl(self, *argv, data=None, bound=60):
        """A subcommand; CompletedProcess."""
        return run([self.program, "-c", self.file, *argv], input=data, timeout=bound, cwd=self.folder)

    def ask(self, *argv):
        """A subcommand that must succeed; what it printed."""
        done = self.ctl(*argv)
        assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *argv):
        return json.loads(self.ask(*argv, "--json"))

    def reload(self):
        self.process.send(signal.SIGHUP)

    # --- the log ---

    def events(self, event=None, run=None, **match):
        """Log lines as dicts: of one event, whose keys have these values (as text). The writer lets lines gather for
        a moment: what was logged before this was called is waited for."""
        self._settle()
        return self._found(event, run, **match)

    def _settle(self):
        seen = -1
        for _ in range(20):
            size = sum(os.path.getsize(log) for log in self.log_files)
            if size == seen or not (self.process and self.process.alive()):
                return
            seen = size
            time.sleep(0.03)

    def _found(self, event=None, run=None, **match):
        found = []
        for log in self.log_files if run is None else [self.log_files[run - 1]]:
            found += self._lines(log)
        return [e for e in found if (event is None or e.get("event") == event)
                and all(str(e.get(k)) == str(v) for k, v in match.items())]

    def _lines(self, log):
        """The events of one file; what was read once is not read again."""
        offset, events = self._read.get(log, (0, []))
        with open(log, "rb") as f:
            f.seek(offset)
            data = f.read()
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].splitlines():
            if line.startswith(b"{"):
                events.append(json.loads(line))
        self._read[log] = (offset + whole, events)
        return events

    def wait(self, event, count=1, bound=None, **match):
        """The first `count` such log lines (one: itself)."""
        found = until(lambda: e if len(e := self._found(event, **match)) >= count else None,
                      lambda: f"{count} x {event} {match}; " + self.told(), bound)
        return found[0] if count == 1 else found[:count]

    # --- submitting ---

    def client(self, login=True, implicit=False, port=None, user=None, **more):
        client = Client(self.address, port or (self.implicit_port if implicit else self.port),
                        tls=implicit, **more)
        if login:
            client.ehlo()
            if not client.tls:
                client.starttls()
            reply = client.plain(user or self.user, self.password)
            assert reply.code == 235, reply
        return client

    def submit(self, to, message=None, sender="app@example.org", bdat=False, mail="", rcpt="", user=None, **more):
        """One message, logged in over TLS as the user (the relay's own for None); the reply to its data."""
        with self.client(user=user, **more) as client:
            client.envelope(sender, to, mail, rcpt)
            text = letter() if message is None else message
            reply = client.bdat(text) if bdat else client.data(text)
            client.quit()
            return reply

    def send(self, to, message=None, **more):
        """submit() that must be accepted; the id that the log gave it."""
        before = len(self._found("accept"))
        reply = self.submit(to, message, **more)
        assert reply.code == 250, reply
        return self.wait("accept", before + 1)[-1]["id"] if before else self.wait("accept")["id"]

    def swaks(self, to, *arguments, sender="app@example.org", data=None):
        return swaks(self.address, self.port, "--tls", "--auth", "PLAIN", "--auth-user", self.user,
                     "--auth-password", self.password, "--from", sender, "--to", to, *arguments, data=data)


def letter(sender="app@example.org", to="someone@dest.test", subject="a letter", body=b"Hello.\r\n",
           more=""):
    """A small message, CRLF line ends."""
    head = (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n"
            f"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <{subject.replace(' ', '.')}@example.org>"
            f"\r\n{more}\r\n")
    return head.encode("utf-8", "surrogateescape") + body


def merged(base, change):
    out = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


def write_private(path, data):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, 0o600)


def dkim_record(key, kind):

    public = key.public_key()
    if kind == "ed25519":
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    else:
        raw = public.public_bytes(serialization.Encoding.DER,
                                  serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k={kind}; p={base64.b64encode(raw).decode()}"
