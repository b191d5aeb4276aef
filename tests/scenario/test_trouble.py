# SPDX-License-Identifier: ISC
"""Trouble in the running relay: ends, reloads and drains under load; disks that fill up; files, ports and
users that are not as they should be. LAB_ROUNDS says how often the stories of load go round."""
import hashlib
import json
import os
import random
import resource
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from tests.lab.client import Client, Closed
from tests.lab.mx import HANG
from tests.lab.preload import preloaded
from tests.lab.process import must, run
from tests.lab.relay import letter, write_private
from tests.lab.wait import until

HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS = int(os.environ.get("LAB_ROUNDS", "1"))
SENDERS = 12


class Sender(threading.Thread):
    """Submits until told to stop, several messages a session; notes what was accepted."""

    def __init__(self, relay, number):
        super().__init__(daemon=True)
        self.relay, self.number, self.accepted, self.done = relay, number, [], threading.Event()
        self.odd = []

    def run(self):
        count = 0
        while not self.done.is_set():
            try:
                client = self.relay.client(bound=30)
                while not self.done.is_set():
                    count += 1
                    domain = ("dest.test", "hang.test", "slow.test")[count % 3]
                    self.one(client, f"m-{self.number}-{count}@{domain}")
            except (OSError, Closed, AssertionError, EOFError):
                time.sleep(0.02)

    def one(self, client, to):
        client.envelope("app@example.org", [to])
        body = b"x" * 70 + b"\r\n"
        reply = client.data(letter(to=to, body=body * (5000 if random.random() < 0.02 else 10)))
        if reply.code == 250:
            self.accepted.append(to)
        elif reply.code >= 500:
            self.odd.append(reply)


@pytest.fixture
def hosts(lab):
    """A good host, one that never answers, one that is refused and tried again."""
    return {"dest.test": lab.mx("mx.dest.test", domains="dest.test"),
            "hang.test": lab.mx("mx.hang.test", domains="hang.test").on("ehlo", HANG),
            "slow.test": lab.mx("mx.slow.test", domains="slow.test").on("rcpt", "450 4.2.1 wait")}


def loaded(lab, **config):
    """A relay, and senders that do not stop."""
    relay = lab.relay(**{"limits": {"per_client": 200}, "log": {"level": "info"}, **config})
    senders = [Sender(relay, n) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    return relay, senders


def accepted(senders):
    return [to for s in senders for to in list(s.accepted)]


def more(relay, senders, count):
    before = len(accepted(senders))
    until(lambda: len(accepted(senders)) >= before + count, relay.told)


def finish(senders):
    for sender in senders:
        sender.done.set()
    for sender in senders:
        sender.join(60)
        assert not sender.odd, sender.odd


def recover(hosts):
    hosts["hang.test"].on("ehlo", None).close()
    hosts["hang.test"].open()
    hosts["slow.test"].on("rcpt", None)


def all_arrive(relay, hosts, senders):
    """What got its 250 arrives, once the hosts are well again."""
    recover(hosts)
    wanted = set(accepted(senders))

    def missing():
        return wanted - {m.to()[0] for mx in hosts.values() for m in list(mx.messages)}
    until(lambda: not missing(), lambda: f"{len(missing())} of {len(wanted)} messages; " + relay.told(), 120)


@pytest.mark.threads
def test_sigterm_under_load_loses_nothing(lab, hosts):
    relay, senders = loaded(lab)
    for _ in range(ROUNDS):
        relay.start()
        more(relay, senders, 60)
        began = time.monotonic()
        relay.stop()
        assert time.monotonic() - began < 45  # 10 s for deliveries under way, 5 s for last words, a slow build
    finish(senders)
    relay.start()
    all_arrive(relay, hosts, senders)
    relay.stop()


@pytest.mark.threads
def test_reloads_under_load(lab, hosts):
    relay, senders = loaded(lab)
    relay.start()
    for n in range(ROUNDS * 10):
        relay.write(delivery={"retry": [f"{1 + n % 2}s"]}, authserv_id=f"r{n}.example.org")
        relay.reload()
        relay.wait("reload", n + 1)
        more(relay, senders, 5)
    finish(senders)
    assert not relay.events("alarm", what="reload")
    all_arrive(relay, hosts, senders)
    relay.stop()


@pytest.mark.threads
def test_drain_under_load_delivers_and_ends(lab, hosts):
    relay, senders = loaded(lab)
    home = lab.mx("mx.example.org", domains="example.org")
    hosts["dest.test"].next("rcpt", *["550 5.1.1 nobody"] * 5)
    relay.start()
    more(relay, senders, 60)
    relay.ask("drain")
    finish(senders)
    recover(hosts)
    assert relay.process.wait(60) == 0, relay.told()
    arrived = [m.to()[0] for mx in hosts.values() for m in mx.messages]
    assert len(set(accepted(senders)) - set(arrived)) == 5 == len(home.messages)


@pytest.mark.threads
def test_questions_under_way_do_not_outlive_the_relay(lab, hosts):
    relay, senders = loaded(lab)
    relay.start()
    stop = threading.Event()

    def ask(*words):
        while not stop.is_set():
            relay.ctl(*words)
    askers = [threading.Thread(target=ask, args=words, daemon=True) for words in (
        ("status",), ("queue", "list", "--json"), ("tls", "failures"), ("tls", "policies"),
        ("tls", "refresh", "dest.test"), ("explain", "slow.test"))]
    for asker in askers:
        asker.start()
    more(relay, senders, 60)
    relay.stop()
    stop.set()
    finish(senders)
    for asker in askers:
        asker.join(60)


# --- disks ---

def small_disk(relay, name, size):
    must(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", relay.path(name)])
    relay.lab.at_end(lambda: must(["umount", "-l", relay.path(name)]))


def fill(relay, name, filler="filler"):
    """Takes all that is free; the file to remove."""
    path = relay.path(name) + "/" + filler
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with pytest.raises(OSError):
        while True:
            os.write(fd, b"x" * 4096)
    os.close(fd)
    return path


def test_case_46_a_full_disk_refuses_politely_and_loses_nothing(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "450 4.2.1 wait")
    relay = lab.relay(limits={"disk_reserve": "1MiB"})
    small_disk(relay, "spool", "100m")
    relay.start()
    relay.send("early@dest.test")
    filler = fill(relay, "spool")

    def refused():
        with relay.client() as client:
            reply = client.cmd("MAIL FROM:<app@example.org>")
            return reply if reply.code != 250 else None
    reply = until(refused, "a refusal")
    assert reply.code == 452 and reply.text.startswith("4.3.1")
    relay.restart()  # it starts with a full disk as well, and knows what it has
    os.unlink(filler)
    mx.on("rcpt", None)
    assert mx.wait().to() == ["early@dest.test"]
    until(lambda: not refused(), "room again")
    relay.send("late@dest.test")
    mx.wait(2)


def test_case_46_the_disk_fills_while_messages_are_written(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "450 4.2.1 wait")
    relay = lab.relay(limits={"disk_reserve": "0"}, delivery={"retry": ["1s"]})
    small_disk(relay, "spool", "8m")
    relay.start()
    replies = {}
    for n in range(80):
        with relay.client() as client:
            reply = client.cmd("MAIL FROM:<app@example.org>")
            if reply.code == 250:
                client.expect(250, f"RCPT TO:<m{n}@dest.test>")
                reply = client.data(letter(body=(b"%d" % (n % 10) * 76 + b"\r\n") * 2600))
            replies[f"m{n}@dest.test"] = reply
    kept = {to for to, reply in replies.items() if reply.code == 250}
    assert 10 < len(kept) < 80
    assert {(r.code, r.text[:5]) for r in replies.values() if r.code != 250} <= {
        (452, "4.3.1"), (451, "4.3.1"), (451, "4.3.0")}
    relay.kill()
    relay.start()
    mx.on("rcpt", None)
    until(lambda: kept <= {m.to()[0] for m in mx.messages}, relay.told)
    assert {m.to()[0] for m in mx.messages} == kept
    until(lambda: taken(relay, "again@dest.test"), relay.told)


class Greedy(threading.Thread):
    """Takes every byte of a disk that becomes free, until told to stop; then gives all back."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.path, self.done = folder + "/greedy", threading.Event()
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        self.start()

    def run(self):
        while not self.done.wait(0.002):
            try:
                while True:
                    os.write(self.fd, b"x" * 4096)
            except OSError:
                pass

    def stop(self):
        self.done.set()
        self.join()
        os.close(self.fd)
        os.unlink(self.path)


def takes_mail(relay):
    with relay.client() as client:
        return client.cmd("MAIL FROM:<app@example.org>").code == 250


def taken(relay, to):
    """Whether the relay takes a message, if it takes any."""
    with relay.client() as client:
        if client.cmd("MAIL FROM:<app@example.org>").code != 250:
            return False
        client.expect(250, f"RCPT TO:<{to}>")
        return client.data(letter(to=to)).code == 250


def reserves(relay):
    return len([n for n in os.listdir(relay.path("spool")) if n.startswith("reserve.")])


@pytest.mark.parametrize("kills", [0, 1, 3])
@pytest.mark.parametrize("size", ["24m", "200m"])
def test_case_117_a_full_disk_heals_by_itself(lab, size, kills):
    """Not a byte is free, at any moment: what is delivered is recorded all the same, before and after kills."""
    mx = lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "450 4.2.1 wait")
    relay = lab.relay(limits={"disk_reserve": "1MiB"}, delivery={"retry": ["1s"]})
    small_disk(relay, "spool", size)
    relay.start()
    sent = [f"m{n}@dest.test" for n in range(120)]
    with relay.client() as client:
        for to in sent:
            client.envelope("app@example.org", [to])
            assert client.data(letter(to=to, body=b"x" * 70 + b"\r\n")).code == 250
    relay.wait("deferred", len(sent))
    relay.kill()
    greedy = Greedy(relay.path("spool"))
    relay.start()
    until(lambda: not takes_mail(relay), relay.told)
    for n in range(kills):
        before = len(mx.messages)
        mx.next("rcpt", *["250 2.1.5 ok"] * 20)
        mx.wait(before + 20)
        until(lambda b=before: len(relay.events("delivered")) >= b + 20, relay.told)
        time.sleep(0.5)  # what was delivered is recorded within 100 ms
        relay.kill()
        relay.start()
    mx.on("rcpt", None)
    until(lambda: {m.to()[0] for m in mx.messages} == set(sent), relay.told)
    until(lambda: relay.json("status")["counters"]["queued"] == 0, relay.told)
    time.sleep(0.5)
    relay.kill()
    relay.start()
    assert relay.json("status")["counters"]["queued"] == 0  # every result was recorded
    assert sorted(m.to()[0] for m in mx.messages) == sorted(sent)
    greedy.stop()
    until(lambda: taken(relay, "late@dest.test"), relay.told)
    until(lambda: reserves(relay) == 8, relay.told)
    assert relay.json("status")["spool"]["segments"] < 12


def test_case_118_what_is_on_its_way_counts_against_the_reserve(lab):
    relay = lab.relay(limits={"disk_reserve": "16MiB", "message_size": "50MiB"})
    small_disk(relay, "spool", "200m")
    relay.start()
    os.posix_fallocate(taken := os.open(relay.path("spool") + "/filler", os.O_WRONLY | os.O_CREAT),
                       0, (os.statvfs(relay.path("spool")).f_bavail - 10000) * 4096)  # 40 MB are left
    os.close(taken)
    time.sleep(1.1)  # the look at the disk is a second old at the most
    with relay.client() as one, relay.client() as two:
        assert one.cmd("MAIL FROM:<app@example.org> SIZE=30000000").code == 452
        one.expect(250, "MAIL FROM:<app@example.org> SIZE=20000000")
        assert two.cmd("MAIL FROM:<app@example.org> SIZE=20000000").code == 452
        one.expect(250, "RSET")
        two.expect(250, "MAIL FROM:<app@example.org> SIZE=20000000")


def test_case_46_every_write_fails_for_a_while(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test").next("rcpt", "450 4.2.1 wait")
    relay = lab.relay(delivery={"retry": ["1s"]}).start()
    relay.send("early@dest.test")
    relay.wait("deferred", to="early@dest.test")
    pid = relay.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # as if the disk said EIO
    replies = [relay.submit(f"m{n}@dest.test") for n in range(5)]
    assert {(r.code, r.text[:5]) for r in replies} == {(451, "4.3.0")}
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    until(lambda: relay.submit("late@dest.test").code == 250, relay.told)
    assert {m.to()[0] for m in mx.wait(2)} == {"early@dest.test", "late@dest.test"}
    relay.restart()
    relay.send("last@dest.test")
    mx.wait(3)
    assert [m.to()[0] for m in mx.messages].count("early@dest.test") == 1


def test_a_state_folder_that_cannot_be_written(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test").on("starttls", "454 4.7.0 later")
    relay = lab.relay(delivery={"retry": ["1h"]})
    small_disk(relay, "state", "4m")
    must(["mount", "-o", "remount,ro", relay.path("state")])
    relay.start()
    relay.wait("alarm", what="state")
    relay.send("a@dest.test")
    relay.wait("deferred", to="a@dest.test")
    assert "CANNOT BE WRITTEN" in relay.ask("status")
    must(["mount", "-o", "remount,rw", relay.path("state")])
    until(lambda: "state        healthy" in relay.ask("status"), lambda: relay.ask("status"))
    until(lambda: relay.json("tls", "failures"), "what was waiting to be written")
    assert mx.sessions


def test_a_state_disk_that_is_full_for_a_while(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay()
    small_disk(relay, "state", "1m")
    relay.start()
    filler = fill(relay, "state")
    for n in range(20):
        relay.send(f"m{n}@dest.test")
    mx.wait(20)
    os.unlink(filler)
    relay.restart()
    assert "state        healthy" in relay.ask("status")


# --- what is there before the start ---

def refused_start(relay, status):
    """What a relay says that does not start, and with which status it ends."""
    relay.start(ready=False)
    assert relay.process.wait() == status, relay.told()
    return relay.process.output()


def test_a_socket_left_behind_by_a_crash(lab):
    relay = lab.relay().start()
    relay.kill()
    assert os.path.exists(relay.path("control.sock"))
    relay.start()
    relay.ask("status")


def test_the_spool_is_locked_however_the_rest_differs(lab):
    relay = lab.relay().start()
    other = lab.relay(spool=relay.path("spool"), listen=[{"address": "127.0.0.1:5870"}])
    assert "another relay is using" in refused_start(other, 75)
    relay.ask("status")


def test_case_139_a_state_database_is_for_one(lab):
    relay = lab.relay().start()
    other = lab.relay(state=relay.path("state/state.db"), listen=[{"address": "127.0.0.1:5870"}])
    assert "another relay is using " + relay.path("state/state.db") in refused_start(other, 75)
    relay.ask("status")


def test_case_138_a_state_database_that_is_gone_is_told(lab):
    relay = lab.relay().start()
    relay.stop()
    assert "lost" not in relay.ctl("check", "--offline").stdout
    shutil.rmtree(relay.path("state"))
    relay.start()
    assert "was gone" in relay.wait("alarm", what="state")["text"]
    assert "was gone" in relay.ask("status") and "was gone" in relay.ctl("check", "--offline").stdout
    relay.stop()
    os.truncate(relay.path("state/state.db"), 0)
    assert "was empty" in relay.ctl("check", "--offline").stdout
    relay.start()
    assert "was empty" in relay.ask("status")


@pytest.mark.parametrize("by", ["another program", "another relay"])
def test_a_port_that_is_taken(lab, by):
    if by == "another relay":
        lab.relay().start()
    else:
        taken = socket.create_server(("127.0.0.1", 587))
        lab.at_end(taken.close)
    assert "cannot listen on 127.0.0.1:587: Address already in use" in refused_start(lab.relay(), 75)


def test_a_user_that_does_not_exist(lab):
    relay = lab.relay(user="nobody-of-that-name")
    assert "there is no user 'nobody-of-that-name'" in refused_start(relay, 78)
    done = relay.ctl("check", "--offline")
    assert done.returncode == 78 and "nobody-of-that-name" in done.stdout + done.stderr


def test_a_configuration_file_that_is_not_there(lab):
    relay = lab.relay()
    os.unlink(relay.file)
    assert f"{relay.file}:1:1: cannot be read: No such file" in refused_start(relay, 78)
    assert relay.ctl("check").returncode == 78 and relay.ctl("status").returncode == 78


def test_files_that_only_root_can_read(lab):
    relay = lab.relay(user="daemon")
    for name in ("spool", "state", "key.pem", "users", "e1.pem"):
        shutil.chown(relay.path(name), "daemon")
    out = refused_start(relay, 78)
    assert "r1.pem" in out and "cannot be read by user daemon: Permission denied" in out
    assert "key.pem" not in out and relay.file + ":" in out
    done = relay.ctl("check", "--offline")
    assert done.returncode == 78 and "by user daemon" in done.stdout + done.stderr
    shutil.chown(relay.path("r1.pem"), "daemon")
    lab.mx("mx.dest.test", domains="dest.test")
    relay.start()
    relay.send("a@dest.test")
    relay.ask("reload")


def test_a_spool_that_the_user_cannot_write(lab):
    relay = lab.relay(user="daemon")
    for name in ("state", "key.pem", "users", "e1.pem", "r1.pem"):
        shutil.chown(relay.path(name), "daemon")
    out = refused_start(relay, 75)
    assert relay.path("spool") in out and "Permission denied" in out


def test_bad_lines_in_the_users_file(lab):
    relay = lab.relay()
    good = open(relay.path("users"), "rb").read()
    write_private(relay.path("users"), b"no colon here\n" + good + b"plain:secret\n")
    relay.start()
    assert f"{relay.path('users')}:1: not a line of the form name:hash" in relay.process.output()
    relay.client().quit()
    write_private(relay.path("users"), good + b"plain:secret\n")
    until(lambda: any("users:3: neither a hash" in e.get("text", "") for e in relay.events("reload")), relay.told)
    relay.client().quit()


# --- certificates ---

def served(relay):
    with relay.client(login=False, implicit=True) as client:
        return hashlib.sha256(client.sock.getpeercert(True)).digest()


def test_a_certificate_is_replaced_and_nobody_says_so(lab):
    relay = lab.relay().start()
    fresh = lab.ca.leaf("relay.example.org")
    shutil.copy(fresh.key_file, relay.path("key.pem"))  # half of a renewal: it does not fit the chain
    relay.wait("alarm", what="reload")
    old = served(relay)
    shutil.copy(fresh.chain_file, relay.path("chain.pem"))
    until(lambda: served(relay) == hashlib.sha256(fresh.der()).digest(), "the new certificate")
    assert served(relay) != old


def ready():
    try:
        with urllib.request.urlopen("http://127.0.0.1:9587/readyz", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_case_140_a_key_that_cannot_be_read_keeps_no_user_in_or_out(lab):
    relay = lab.relay(http="127.0.0.1:9587", auth={"failures": 100000}, certificate=[
        {"chain": "chain.pem", "key": "key.pem"}, {"chain": "chain2.pem", "key": "key2.pem"}])
    other = lab.ca.leaf("other.example.org")
    shutil.copy(other.chain_file, relay.path("chain2.pem"))
    shutil.copy(other.key_file, relay.path("key2.pem"))
    relay.start()
    good = open(relay.path("key.pem"), "rb").read()
    write_private(relay.path("key.pem"), b"no key at all\n")
    fresh = lab.ca.leaf("other.example.org")  # the other one is renewed as it should be
    shutil.copy(fresh.key_file, relay.path("key2.pem"))
    shutil.copy(fresh.chain_file, relay.path("chain2.pem"))
    relay.set_user("new", "correct-horse")
    relay.set_user("app", None)

    def may(user):
        with relay.client(login=False) as client:
            client.ehlo()
            client.starttls()
            return client.plain(user, "correct-horse").code == 235
    until(lambda: may("new"), relay.told)
    until(lambda: not may("app"), relay.told)
    assert served(relay) != hashlib.sha256(fresh.der()).digest()  # the first serves whoever names nobody
    told = relay.wait("alarm", what="reload")["text"]
    assert f"{relay.file}:" in told and "key.pem" in told and "the old one stays" in told
    troubles = relay.json("status")["troubles"]
    assert len(troubles) == 1 and "key.pem" in troubles[0] and "TROUBLE" in relay.ask("status")
    status, text = ready()
    assert status == 200 and "warning: a changed file cannot be used" in text and "key.pem" in text
    write_private(relay.path("key.pem"), good)
    until(lambda: relay.json("status")["troubles"] == [], relay.told)
    assert len(relay.events("alarm", what="reload")) == 1 and ready() == (200, "ok\n")


def test_an_expired_certificate_is_served_and_told(lab):
    relay = lab.relay()
    expired = lab.ca.leaf("relay.example.org", days=(-9, -1))
    shutil.copy(expired.key_file, relay.path("key.pem"))
    shutil.copy(expired.chain_file, relay.path("chain.pem"))
    relay.start()
    assert "has expired" in relay.wait("alarm", what="certificate")["text"]
    assert served(relay) == hashlib.sha256(expired.der()).digest()
    done = relay.ctl("check", "--offline")
    assert done.returncode == 1 and "chain.pem: the certificate has expired" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if "expired" in line] == ["ERROR"]


@pytest.mark.threads
def test_a_token_command_that_hangs_goes_with_the_relay(lab):
    mx = lab.mx("mx.dest.test").without("AUTH")
    mx.extensions.append("AUTH XOAUTH2")
    mark = str(random.randrange(10**6, 10**9))
    relay = lab.relay(delivery={"destinations": [
        {"domain": "dest.test", "next_hop": ["[mx.dest.test]"], "tls": "webpki", "auth": {
            "user": "relay", "oauth": {"token_command": f"sleep {mark} & sleep {mark}; true"}}}]}).start()

    def sleepers():
        return run(["pgrep", "-f", f"^sleep {mark}"]).stdout.split()
    relay.send("a@dest.test")
    until(lambda: len(sleepers()) == 2, relay.told)
    relay.stop()
    assert not sleepers()


# --- descriptors ---

@pytest.mark.threads
def test_case_134_clients_cannot_take_every_descriptor(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(http="127.0.0.1:9587", limits={"per_client": 10000}, log={"format": "json", "level": "info"})
    relay.start(wrap=["prlimit", "--nofile=170"])
    crowd = [Client(relay.address, relay.port) for _ in range(400)]
    heard = [client.greeting.code for client in crowd]
    assert set(heard) <= {220, 421} and 421 in heard
    relay.ask("status")
    with urllib.request.urlopen("http://127.0.0.1:9587/healthz", timeout=30) as answer:
        assert answer.status == 200
    for client in crowd:
        client.sock.close()
    until(lambda: relay.json("status")["counters"]["connections_now"] == 0, "an empty relay")
    relay.send("a@dest.test")
    mx.wait()
    assert relay.json("status")["counters"]["log_lost"] == 0


def test_case_134_without_any_descriptor_there_is_one_alarm_and_no_flood(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(log={"format": "json", "level": "info"}, limits={"per_client": 10000}).start()
    # Threads still open what they need after `ready`: it has begun when it has looked names up and sent mail.
    relay.send("first@dest.test")
    mx.wait()
    until(lambda: relay.json("status")["dns"]["validation"] == "ok", relay.told)
    in_use = len(os.listdir(f"/proc/{relay.process.pid}/fd"))
    resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (in_use, in_use + 1000))
    size = os.path.getsize(relay.log_files[-1])
    crowd = [Client(relay.address, relay.port) for _ in range(50)]
    told = relay.wait("alarm", what="accept")["text"]
    assert "Too many open files" in told and "LimitNOFILE" in told
    assert [c.greeting.code for c in crowd[-5:]] == [421] * 5  # with the spare one
    assert len(relay.events("alarm", what="accept")) <= 2  # one a listener, whatever the workers
    assert os.path.getsize(relay.log_files[-1]) - size < 65536
    resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (in_use + 1000, in_use + 1000))
    relay.send("a@dest.test")
    mx.wait(2)
    relay.stop()


def short_of(relay, **settings):
    """What stands before a program whose opening calls fail now and then."""
    return preloaded(relay, "shortage", **{f"SHORTAGE_{k.upper()}": v for k, v in settings.items()})


def test_case_135_a_shortage_at_the_start_is_told_and_nothing_crashes(lab):
    relay = lab.relay()
    for after in range(0, 300, int(os.environ.get("LAB_SHORTAGE_STEP", "12"))):
        relay.start(ready=False, wrap=short_of(relay, every=1, after=after, **{"for": 1}))
        until(lambda: relay.events("ready", run=relay.runs) or not relay.process.alive(), relay.told)
        if relay.process.alive():
            relay.stop()
            continue
        assert relay.process.wait() in (75, 78), f"after {after}: {relay.told()}"
        assert relay.process.output().strip(), f"after {after}: not a word"


@pytest.mark.parametrize("every", [2, 3, 7])
def test_case_135_a_shortage_in_the_middle_of_work_heals(lab, every):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(http="127.0.0.1:9587", delivery={"retry": ["1s"]})
    relay.start(ready=False, wrap=short_of(relay, every=every, after=300, **{"for": 300}))
    until(lambda: len(relay.events("ready")) == 2 or not relay.process.alive(), relay.told)
    accepted = 0
    while relay.json("status") and accepted < 60:
        try:
            accepted += relay.submit(f"m{accepted}@dest.test").code == 250
        except (OSError, Closed, AssertionError):
            assert relay.process.alive(), relay.told()
    mx.wait(60)
    relay.stop()


# --- the log ---

@pytest.mark.threads
def test_case_133_a_log_that_nobody_reads_stops_nothing(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay()
    os.mkfifo(relay.path("fifo"))
    reader = os.open(relay.path("fifo"), os.O_RDWR)  # and it does not read
    lab.at_end(lambda: os.close(reader))
    relay.start(ready=False, wrap=["sh", "-c", f'exec "$@" 2> {relay.path("fifo")}', "sh"])
    until(lambda: os.path.exists(relay.path("control.sock")) and relay.ctl("status").returncode == 0, "the relay")
    with relay.client() as client:
        for n in range(150):  # far more lines than a pipe holds
            client.envelope("app@example.org", [f"m{n}@dest.test"])
            assert client.data(letter()).code == 250
    mx.wait(150)
    relay.ask("status")
    os.set_blocking(reader, False)
    text = b""
    while b"m149@dest.test" not in text:
        try:
            text += os.read(reader, 65536)
        except BlockingIOError:
            time.sleep(0.05)
    lines = [json.loads(line) for line in text.splitlines()[:-1]]
    accepted = [line["id"] for line in lines if line["event"] == "accept"]
    assert len(accepted) == 150 and accepted == sorted(accepted)
    relay.stop()


# The end waits for nobody who does not listen.
def test_a_port_without_a_reader_does_not_hold_the_end(lab):
    relay = lab.relay().start()
    idle = [Client(relay.address, relay.port) for _ in range(50)]
    deaf = relay.client()
    deaf.send(b"NOOP\r\n" * 200000)  # and never reads an answer
    relay.stop()
    for client in idle:
        assert client.ended()
