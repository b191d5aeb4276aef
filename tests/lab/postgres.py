# SPDX-License-Identifier: ISC
"""Debian's PostgreSQL: a server in a folder of its own, or a standby that follows one."""
import glob
import os
import pwd
import shutil
import signal
import subprocess
import threading

from tests.lab.process import Process, must, run
from tests.lab.wait import until

BIN = (sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [""])[-1]
AS = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
ROLE, PASSWORD = "waxwing", "kestrel"


# Where processes share what is made once (tests/lab/relay.py), the folder of a new server is such a thing.
TEMPLATE = "LAB_KEYS" in os.environ and os.path.join(os.environ["LAB_KEYS"], "postgres")


def new(folder, *more):
    must([*AS, f"{BIN}/initdb", "-D", folder, "-U", "postgres", "--no-sync", "--no-locale", "-E", "UTF8", "--wal-segsize=1",
          "--auth-local=trust", "--auth-host=scram-sha-256", *more], cwd="/")


def template(folder):
    """The folder of a new server, made in this one if it is not there."""
    if not os.path.exists(TEMPLATE):
        own, copy = os.path.join(folder, "new"), f"{TEMPLATE}.{os.getpid()}.{os.urandom(4).hex()}"
        new(own)
        must(["cp", "-a", own, copy])
        try:
            os.rename(copy, TEMPLATE)
        except OSError:  # two made it at once
            shutil.rmtree(copy)
    return TEMPLATE


class Asked:
    """A session that is asked statement by statement: one program for all of a story's questions."""
    END = "\\echo that was all"

    def __init__(self, argv):
        self.lock = threading.Lock()
        self.child = subprocess.Popen([*argv, "-v", "ON_ERROR_STOP=1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True)

    def lines(self, text):
        """What it answers; None where it has ended."""
        bound, found = threading.Timer(60, self.child.kill), []
        with self.lock:
            bound.start()
            try:
                print(f"{text};\n{self.END}", file=self.child.stdin, flush=True)
                for line in iter(self.child.stdout.readline, ""):
                    if line == self.END[6:] + "\n":
                        return found
                    found.append(line[:-1])
            except OSError:
                pass
            finally:
                bound.cancel()
        return None

    def end(self):
        self.child.kill()
        self.child.communicate()


class Postgres:
    """The superuser comes in over the socket without a password, the role of the nodes over TCP with one."""

    def __init__(self, lab, port=5432, address="127.0.0.1", follows=None, certificate=None, small=False, **settings):
        self.lab, self.port, self.address = lab, port, address
        self.folder = lab.folder("postgres")
        self.data = os.path.join(self.folder, "data")
        postgres = pwd.getpwnam("postgres")
        os.chown(self.folder, postgres.pw_uid, postgres.pw_gid)
        self.process, self.asked, more = None, {}, []
        if small:  # all but what is written ahead lies on a disk that can be filled
            os.mkdir(self.data)
            must(["mount", "-t", "tmpfs", "-o", f"size=90m,mode=700,uid={postgres.pw_uid},gid={postgres.pw_gid}", "tmpfs", self.data])
            lab.at_end(lambda: must(["umount", "-l", self.data]))
            more = ["--waldir", os.path.join(self.folder, "wal")]
        if follows:
            must([*AS, f"{BIN}/pg_basebackup", "-h", follows.folder, "-p", follows.port, "-U", "postgres", "-D", self.data,
                  "-R", "-X", "stream", "-c", "fast", "--no-sync"])
        elif small or not TEMPLATE:
            new(self.data, *more)
        else:
            must(["cp", "-a", template(self.folder), self.data])
        self.configure(port=port, listen_addresses=f"'{address}'", unix_socket_directories=f"'{self.folder}'",
                       fsync="off", max_connections=40, shared_buffers="16MB", **settings)
        if certificate:
            self.encrypt(certificate)
        lab.at_end(self.close, behind_all=True)  # relays end with a database and its standby
        self.start()
        if not follows:
            self.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
            self.sql(f"CREATE DATABASE {ROLE}")

    def configure(self, **settings):
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as f:
            f.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def encrypt(self, certificate):
        for name, source in (("server.crt", certificate.chain_file), ("server.key", certificate.key_file)):
            shutil.copy(source, os.path.join(self.data, name))
            shutil.chown(os.path.join(self.data, name), "postgres", "postgres")
            os.chmod(os.path.join(self.data, name), 0o600)
        with open(os.path.join(self.data, "pg_hba.conf"), "a", encoding="ascii") as f:
            f.write("hostssl all all 198.51.100.0/24 scram-sha-256\n")
        self.configure(ssl="on")

    # --- life ---

    def start(self):
        self.process = Process([*AS, f"{BIN}/postgres", "-D", self.data], os.path.join(self.folder, "log"), cwd="/")
        until(lambda: self.answers() or not self.process.alive(), self.told)
        assert self.process.alive(), self.told()
        return self

    def told(self):
        return "postgres; its log:\n" + self.process.output()[-2000:]

    def answers(self):
        return run([*AS, f"{BIN}/pg_isready", "-q", "-h", self.folder, "-p", self.port]).returncode == 0

    def stop(self):
        """At once, with its sessions; what is committed stays."""
        self.process.stop(signal.SIGINT)

    def kill(self):
        self.process.send(signal.SIGQUIT)
        self.process.wait()

    def promote(self):
        must([*AS, f"{BIN}/pg_ctl", "promote", "-w", "-D", self.data])

    def wait_for_standby(self):
        """From here on with each commit."""
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.sql("SELECT pg_reload_conf()")

    def close(self):
        for asked in self.asked.values():
            asked.end()
        if self.process and self.process.alive():
            self.kill()

    def fill(self):
        """Its disk, to the last byte."""
        with open(os.path.join(self.data, "filler"), "wb", buffering=0) as f:
            try:
                while f.write(b"x" * 65536):
                    pass
            except OSError:
                pass

    def empty(self):
        os.unlink(os.path.join(self.data, "filler"))

    # --- asking ---

    def psql(self, database):
        return [*AS, f"{BIN}/psql", "-h", self.folder, "-p", str(self.port), "-U", "postgres", "-d", database, "-qAtX"]

    def sql(self, text, database="postgres"):
        """As the superuser; the rows, fields parted by |. Several statements are one transaction."""
        lines = None
        if ";" not in text:
            asked = self.asked.get(database) or self.asked.setdefault(database, Asked(self.psql(database)))
            lines = asked.lines(text)
        if lines is None:  # its session has ended, or it was wrong, which this tells
            if asked := self.asked.pop(database, None):
                asked.end()
            lines = must([*self.psql(database), "-v", "ON_ERROR_STOP=1", "-c", text]).splitlines()
        return [line.split("|") for line in lines]

    def session(self):
        """A function that runs what it gets in one session, so that a transaction can stay open."""
        child = subprocess.Popen(self.psql(ROLE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lab.at_end(lambda: (child.kill(), child.communicate()))

        def ask(text):
            print(text + ";\n\\echo done", file=child.stdin, flush=True)
            while child.stdout.readline() not in ("done\n", ""):
                pass

        return ask

    def fleet(self, text):
        return self.sql(text, ROLE)

    @property
    def uri(self):
        return f"postgresql://{ROLE}@{self.address}:{self.port}/{ROLE}"

    @property
    def owner(self):
        return f"postgresql:///{ROLE}?host={self.folder}&port={self.port}&user=postgres"
