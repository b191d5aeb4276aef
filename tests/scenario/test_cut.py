# SPDX-License-Identifier: ISC
"""Peers that hang up behind any byte of what they say: nothing is lost, nobody is let in, and in the end all is well. Each
byte has a connection of its own, many at once, since what fails is tried again after a while."""
import collections
import itertools
import re
import socket
import threading

from tests.lab.client import Client, Closed
from tests.lab import scramhost
from tests.lab.dovecot import FakeDovecot, password_of
from tests.lab.mx import Gone, Mx
from tests.lab.relay import write_private
from tests.lab.tokenhost import TokenHost
from tests.lab.wait import until
from tests.lab.webhook import Webhook

USER = "shop@example.org"


class Cut:
    """A stream over which only so much of an answer goes as `rule` says of the request."""

    def __init__(self, stream, rule):
        self.stream, self.rule, self.heard, self.most = stream, rule, b"", None

    def recv(self, n):
        data = self.stream.recv(n)
        self.heard += data
        return data

    def sendall(self, data):
        if self.most is None:
            self.most = self.rule(self.heard)
        self.stream.sendall(data[:self.most])
        self.most -= len(data[:self.most])


def cut_first(host, number):
    """The first answer to whom a pattern finds as N in the request ends behind N bytes, later ones are whole; how often
    each came."""
    came, answer = collections.Counter(), host._answer

    def rule(request):
        n = int(re.search(number, request)[1])
        came[n] += 1
        return n if came[n] == 1 else len(request) + 10 ** 6
    host._answer = lambda stream: answer(Cut(stream, rule))
    return came


class CutDovecot(FakeDovecot):
    """Its nth connection hears n bytes; from the `last` on they are whole."""

    last = 10 ** 9
    seen = 0

    def talk(self, sock):
        self.seen += 1
        n = self.seen
        if n >= self.last:
            super().talk(sock)
            return
        said = 0
        try:
            for piece in itertools.chain([self.greeting], self.answers(sock)):
                sock.sendall(piece[:n - said])
                said += len(piece)
                if said >= n:
                    break
        except OSError:
            pass
        sock.close()

    def answers(self, sock):
        for line in sock.makefile("rb"):
            if line.startswith(b"AUTH"):
                yield self.answer(line.rstrip(b"\n").split(b"\t"))


def says(words):
    name, password = password_of(words)
    return b"%s\t%s\tuser=%s\n" % (b"OK" if password == b"secret" else b"FAIL", words[1], name)


def test_case_414_an_auth_service_that_hangs_up_at_any_byte_lets_nobody_in(lab):
    dovecot = CutDovecot(lab, says)
    relay = lab.relay(senders=[{"user": "anna", "from": ["example.org"]}], workers=8, log={"level": "info"},
                      auth={"dovecot": dovecot.socket, "failures": 10 ** 6}, limits={"per_client": 100}).start()
    whole = len(dovecot.greeting) + len(b"OK\t1\tuser=anna\n")
    heard, done = set(), threading.Event()

    def ask(password):
        while not done.is_set():
            with Client(relay.address, relay.port) as client:
                client.ehlo()
                client.starttls()
                heard.add((password, client.plain("anna", password).code))
    askers = [threading.Thread(target=ask, args=(p,)) for p in ("secret", "wrong") * 8]
    for asker in askers:
        asker.start()
    until(lambda: dovecot.seen > whole + 4, lambda: f"{dovecot.seen} of {whole}; {relay.told()}", 120)
    dovecot.last = 0
    until(lambda: ("secret", 235) in heard, lambda: str(heard))
    done.set()
    for asker in askers:
        asker.join(60)
    assert heard <= {("secret", 235), ("secret", 454), ("wrong", 535), ("wrong", 454)}, heard
    relay.stop()


def test_case_415_a_token_endpoint_that_hangs_up_at_any_byte_costs_time_alone(lab):
    host = TokenHost(lab)
    came, whole = cut_first(host, rb"client_id=(\d+)"), 220
    mx = lab.mx("smtp.test", port=587)
    mx.extensions.append("AUTH XOAUTH2")
    secret = lab.file("client.secret", "hush-hush\n")
    rows = [{"user": f"u{n}", "from": ["*"], "next_hop": "[smtp.test]:587", "next_hop_auth": {"user": USER, "oauth": {
        "token_endpoint": host.url, "client_id": str(n), "client_secret_file": secret}}} for n in range(whole)]
    relay = lab.relay(senders=rows, delivery={"retry": ["1s"]}, log={"level": "info"})
    for n in range(whole):
        relay.set_user(f"u{n}", relay.password)
    relay.start()
    for n in range(whole):
        relay.user = f"u{n}"
        assert relay.submit(f"r{n}@dest.test").code == 250
    wanted = {f"r{n}@dest.test" for n in range(whole)}
    until(lambda: {m.to()[0] for m in mx.messages} == wanted,
          lambda: f"{len(mx.messages)} of {whole}; {host.errors}; {relay.told()}", 180)
    assert len(mx.messages) == whole and not relay.events("failed")
    assert all(came[n] > 1 for n in range(150)) and came[whole - 1] == 1, came
    relay.stop()


def test_case_416_a_webhook_that_hangs_up_at_any_byte_hears_everything(lab):
    hook = Webhook(lab)
    came, whole = cut_first(hook, rb"POST /(\d+)"), 130
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(events=[{"name": f"s{n}", "url": hook.url(f"/{n}"), "secret_file": "secret"} for n in range(whole)],
                      log={"level": "info"})
    write_private(relay.path("secret"), hook.secret.encode() + b"\n")
    relay.start()
    ident = relay.send("a@dest.test")
    until(lambda: len(came) == whole and all(s["waiting"] == 0 for s in relay.json("events", "sinks")["sinks"]),
          lambda: f"{came} {hook.errors[-3:]}", 180)
    assert all(came[n] > 1 for n in range(15)) and came[whole - 1] == 1, came
    assert all(ident in body.decode() for _, _, body in hook.posts)
    relay.stop()


class CutClient(Client):
    """Hangs up when it has said `left` bytes of its login."""

    left, counting = 10 ** 9, False

    def send(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        if not self.counting:
            super().send(data)
            return
        super().send(data[:self.left])
        if len(data) > self.left:
            self.close()
            raise Closed("cut")
        self.left -= len(data)


def test_case_643_a_client_that_hangs_up_at_any_byte_of_its_login_is_not_let_in(lab):
    relay = lab.relay(auth={"failures": 10 ** 6}, limits={"per_client": 1000}, log={"level": "info"})
    relay.set_scram("app", relay.password)
    relay.start()

    def attempt(way, left):
        with CutClient(relay.address, relay.port) as client:
            client.ehlo()
            client.starttls()
            client.left, client.counting = left, True
            code = getattr(client, way)("app", relay.password).code
            return code, left - client.left
    for way in ("plain", "login", "scram"):
        code, whole = attempt(way, 10 ** 9)
        assert code == 235
        for left in range(whole):
            try:
                code, _ = attempt(way, left)
            except Closed:
                code = None
            assert code is None, (way, left, code)
    assert len([e for e in relay.events("auth") if e["result"] == "ok"]) == 3
    assert relay.submit("a@dest.test").code in (250, 451)
    relay.stop()


class CutLogin:
    """The socket of a host's session from AUTH on: it says so many bytes, hears what else comes, and is gone."""

    def __init__(self, sock, number, heard):
        self.sock, self.number, self.most, self.heard = sock, number, number, heard

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def sendall(self, data):
        self.sock.sendall(data[:self.most])
        self.most -= len(data[:self.most])
        if self.most <= 0:
            self.sock.shutdown(socket.SHUT_WR)
            while piece := self.sock.recv(4096):
                self.heard.append((self.number, piece))
            raise Gone


def test_case_677_a_next_hop_that_hangs_up_at_any_byte_of_scram_costs_time_alone(lab):
    whole, password = 200, "gehe,im=1"
    hosts = [f"h{n}.hop.test" for n in range(whole)]
    numbers = {lab.address(host): n for n, host in enumerate(hosts)}
    for host in hosts:
        lab.names.set(host, "A", lab.address(host))
    mx = scramhost.guards(Mx(lab, "hop.test", numbers, lab.certificate("good", "*.hop.test"), port=587), USER, password)
    answer, came, heard = mx.always["auth"], collections.Counter(), []

    def auth(session, argument):
        n = numbers[session.sock.getsockname()[0]]
        came[n] += 1
        whole_sock, session.sock = session.sock, CutLogin(session.sock, n if came[n] == 1 else 10 ** 6, heard)
        session.say(answer(session, argument))
        session.sock = whole_sock
        return b""  # all was said
    mx.on("auth", auth)
    secret = lab.file("password", password + "\n")
    relay = lab.relay(log={"level": "info"}, delivery={"retry": ["1s"], "destinations": [
        {"domain": f"d{n}.test", "next_hop": [f"[{host}]:587"], "tls": "webpki", "auth": {"user": USER, "password_file": secret}}
        for n, host in enumerate(hosts)]}).start()
    for n in range(whole):
        assert relay.submit(f"r@d{n}.test").code == 250
    until(lambda: {m.to()[0] for m in mx.messages} == {f"r@d{n}.test" for n in range(whole)},
          lambda: f"{len(mx.messages)} of {whole}; {relay.told()}", 180)
    assert len(mx.messages) == whole and not relay.events("failed")
    last = max(n for n in came if came[n] > 1)  # whose yes was whole
    assert came == {n: 2 if n <= last else 1 for n in range(whole)} and 170 < last < whole - 1, came
    assert {n for n, piece in heard if b"MAIL" in piece} <= {last}
    assert {line.split()[1] for line in mx.commands() if line.startswith(b"AUTH")} == {b"SCRAM-SHA-256"}
    assert all(e["why"] for e in relay.events("deferred"))
    relay.stop()
    for log in relay.log_files:
        with open(log, encoding="utf-8") as f:
            assert password not in f.read()
