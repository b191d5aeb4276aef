# SPDX-License-Identifier: ISC
"""Hostile and broken SMTP clients in random order, at least two faults a session, against a relay and its MX.

What must hold, whatever they do: the relay lives; what got 250 arrives once at least, nothing else arrives;
replies stay in step with commands. The seed says everything: RandomClient(lab, relay, mx, seed).session().
"""
import base64
import random
import socket
import ssl
import time

from tests.lab.client import Client, Closed
from tests.lab.relay import letter

# What a session may meet beside its faults: the server ends it, or the client's own rudeness did.
ENDS = (Closed, OSError, ssl.SSLError, socket.timeout, ValueError)
# Codes that the relay may give to a command at all.
CODES = {220, 221, 214, 235, 250, 252, 334, 354, 421, 450, 451, 452, 454, 500, 501, 502, 503, 504, 530, 535, 538, 550,
         552, 553, 554, 555}


class OutOfStep(AssertionError):
    pass


class RandomClient:
    def __init__(self, relay, seed):
        self.relay, self.seed, self.random = relay, seed, random.Random(seed)
        self.number = 0
        self.accepted, self.refused = [], []  # marks of messages that got 250, and that did not for certain
        self.unknown = set()                  # marks whose answer was never heard
        self.story = []

    # --- one session ---

    def session(self):
        """Runs one session; AssertionError when the relay broke a promise."""
        self.story, self.faults, self.began = [], 0, time.monotonic()
        implicit = self.random.random() < 0.2
        try:
            client = Client(self.relay.address, self.relay.implicit_port if implicit else self.relay.port, tls=implicit,
                            bound=30, greet=False)
        except ENDS:
            return
        try:
            self.talk(client)
        except ENDS as end:
            self.told("ended", repr(end)[:60])
        finally:
            self.end(client)
            self.told("over")

    def told(self, *words):
        self.story.append(f"{time.monotonic() - self.began:.2f} " + " ".join(str(w) for w in words))

    def end(self, client):
        if self.random.random() < 0.3:  # a reset instead of an end
            try:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            except OSError:
                pass
        client.close()

    def talk(self, client):
        early = self.random.random() < 0.05
        if early:
            self.fault("early")
            client.send("EHLO early\r\n")
        if self.check(client.reply(), "greeting").code == 220 and early:
            self.check(client.reply(), "early EHLO")  # it came after the silence
        if self.random.random() < 0.9:
            client.ehlo("client.example.org")
        if not client.tls and self.random.random() < 0.8:
            self.fault_maybe("starttls junk", 0.1) and client.send("STARTTLS\r\nMAIL FROM:<x@example.org>\r\n")
            client.starttls()
        if client.tls and self.random.random() < 0.9:
            self.login(client)
        steps = [self.mail, self.mail, self.mail, self.noise, self.noise, self.pipeline, self.out_of_order, self.login]
        for _ in range(self.random.randint(3, 10)):
            self.random.choice(steps)(client)
        while self.faults < 2:
            self.noise(client)
        if self.random.random() < 0.5:
            self.check(client.cmd("QUIT"), "QUIT")

    # --- faults ---

    def fault(self, what):
        self.faults += 1
        self.told("fault:", what)

    def fault_maybe(self, what, chance):
        if self.random.random() >= chance:
            return False
        self.fault(what)
        return True

    def check(self, reply, what):
        self.told(what, "->", reply.code, reply.lines[0][:50])
        if reply.code not in CODES:
            raise OutOfStep(f"{what}: {reply}\n" + "\n".join(self.story))
        return reply

    def in_step(self, client):
        """A question with one possible answer: whatever came before, the next reply is its own."""
        mark = f"x{self.random.randrange(10 ** 8)}"
        reply = self.check(client.cmd(f"{mark}"), "in step?")
        if reply.code == 421:
            raise Closed("421")
        if reply.code != 500:
            raise OutOfStep(f"out of step: {reply}\n" + "\n".join(self.story))

    def noise(self, client):
        r = self.random
        line = r.choice([
            lambda: b"\x00" * r.randint(1, 40), lambda: bytes(r.randrange(1, 256) for _ in range(r.randint(1, 80))),
            lambda: b"MAIL FROM:" + r.randbytes(20).replace(b"\n", b"x"), lambda: b"RCPT TO:<" + b"a" * 3000 + b">",
            lambda: b"x" * r.randint(2040, 70000), lambda: b"EHLO", lambda: b"HELO  ", lambda: b"VRFY x", lambda: b"EXPN x",
            lambda: b"AUTH PLAIN !!!", lambda: b"AUTH PLAIN =", lambda: b"AUTH SCRAM-SHA-1", lambda: b"BDAT x", lambda: b"DATA x",
            lambda: b"BDAT 99999999999999999999", lambda: b"NOOP \xff", lambda: b"XFORWARD SOURCE=LOCAL", lambda: b"RSET x",
            lambda: b"MAIL FROM:<app@example.org> SIZE=99999999999", lambda: b"MAIL FROM:<app@example.org> BODY=X",
            lambda: b"STARTTLS x", lambda: b"XCLIENT ADDR=1.2.3.4", lambda: b"RCPT TO:<>"])()
        end = r.choice([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r\r\n"])
        self.fault(f"noise {line[:24]!r} {len(line)} {end!r}")
        line = line.replace(b"\n", b"?")
        client.send(line + end)
        self.check(client.reply(), "noise")

    def out_of_order(self, client):
        verb = self.random.choice(["RCPT TO:<a@dest.test>", "DATA", "BDAT 5 LAST\r\nhello", "STARTTLS", "AUTH LOGIN",
                                   "EHLO again", "RSET", "MAIL FROM:<app@example.org>\r\nMAIL FROM:<app@example.org>"])
        self.fault("order " + verb[:20])
        count = verb.count("\r\nMAIL") + 1
        client.send(verb + "\r\n" if not verb.startswith("BDAT") else verb)
        for _ in range(count):
            reply = self.check(client.reply(), verb[:10])
            if reply.code == 220 and verb == "STARTTLS":
                client.send(self.random.choice([b"\r\n", b"garbage" * 20, b"\x16\x03\x01\xff\xff"]))
                raise Closed("no handshake")
            if reply.code == 334:
                client.send("*\r\n")
                self.check(client.reply(), "cancel")
            if reply.code == 354:
                client.send(".\r\n")
                self.check(client.reply(), "empty message")
        self.check(client.cmd("RSET"), "RSET")
        self.in_step(client)

    def login(self, client):
        right = self.random.random() < 0.9
        token = f"\0{self.relay.user}\0{self.relay.password if right else 'wrong'}"
        if self.fault_maybe("token", 0.1):
            token = self.random.choice(["\0\0", "x\0app\0y", "\0" * 50, token + "\n", "a" * 9000])
        if self.random.random() < 0.5:
            reply = self.check(client.cmd("AUTH PLAIN " + base64.b64encode(token.encode()).decode()), "AUTH")
        else:
            reply = self.check(client.cmd("AUTH PLAIN"), "AUTH")
            if reply.code == 334:
                self.check(client.cmd(base64.b64encode(token.encode()).decode()), "token")

    # --- messages ---

    def mark(self):
        self.number += 1
        return f"mark-{self.seed}-{self.number}-"

    def mail(self, client):
        mark, r = self.mark(), self.random
        if self.check(client.cmd("MAIL FROM:<app@example.org>"), "MAIL").code != 250:
            return
        took = 0
        for _ in range(r.randint(1, 4)):
            to = r.choice(["a@dest.test", "b@dest.test", "x@[1.2.3.4]", "broken", '"q q"@dest.test', "a@dest.test"])
            took += self.check(client.cmd(f"RCPT TO:<{to}>"), "RCPT").code == 250
        text = letter(subject=mark, body=self.body(mark))
        (self.chunks if r.random() < 0.4 else self.data)(client, mark, text, took)

    def body(self, mark):
        r = self.random
        body = r.choice([b"Hello.\r\n", b".\r\n..\r\n.x\r\n", b"x" * 3000 + b"\r\n", b"", b"line\r\n" * r.randint(1, 9000)])
        if self.fault_maybe("bare line end", 0.15):
            body += r.choice([b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r\n"])
        if self.fault_maybe("smuggling", 0.1):
            body += b"\n.\nMAIL FROM:<app@example.org>\nRCPT TO:<a@dest.test>\nDATA\nSubject: smuggled\n\nx\r\n"
        return body

    def verdict(self, client, mark):
        reply = self.check(client.reply(), "message")
        self.unknown.discard(mark)
        (self.accepted if reply.code == 250 else self.refused).append(mark)
        return reply

    def data(self, client, mark, text, took):
        reply = self.check(client.cmd("DATA"), "DATA")
        if reply.code != 354:
            if took:
                raise OutOfStep(f"DATA with {took} recipients: {reply}\n" + "\n".join(self.story))
            return
        wire = text.replace(b"\r\n.", b"\r\n..")
        wire += b".\r\n" if wire.endswith(b"\r\n") else b"\r\n.\r\n"
        if self.fault_maybe("lost in the message", 0.1):
            client.send(wire[:self.random.randrange(len(wire) - 4)])
            self.refused.append(mark)
            raise Closed("lost")
        self.unknown.add(mark)
        self.send_pieces(client, wire)
        if self.fault_maybe("lost before the answer", 0.05):
            raise Closed("lost")
        self.verdict(client, mark)
        self.in_step(client)

    def send_pieces(self, client, wire):
        if self.random.random() < 0.7:
            client.send(wire)
            return
        cut = self.random.randrange(len(wire))
        client.send(wire[:cut])
        client.send(wire[cut:])

    def chunks(self, client, mark, text, took):
        r = self.random
        parts = [text[:r.randrange(len(text))]]
        parts.append(text[len(parts[0]):])
        if self.fault_maybe("chunk short", 0.1):
            client.send(b"BDAT %d LAST\r\n" % (len(text) + 10) + text)
            self.refused.append(mark)
            raise Closed("lost")
        for n, part in enumerate(parts):
            last = n == len(parts) - 1
            if last and took:
                self.unknown.add(mark)
            client.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if last else b"") + part)
            if last and took:
                self.verdict(client, mark)
            elif self.check(client.reply(), "BDAT").code != 250:
                break
        self.check(client.cmd("RSET"), "RSET")
        self.in_step(client)

    def pipeline(self, client):
        """A whole transaction at once, then the replies; what may not be said is refused, in order."""
        mark = self.mark()
        text = letter(subject=mark)
        client.send(b"MAIL FROM:<app@example.org>\r\nRCPT TO:<a@dest.test>\r\nRCPT TO:<broken>\r\n"
                    b"BDAT %d LAST\r\n" % len(text) + text + b"NOOP\r\n")
        self.fault("pipelined with a broken recipient")
        for command in ("MAIL", "RCPT", "RCPT"):
            self.check(client.reply(), command)
        self.unknown.add(mark)  # an open transaction takes it, even where MAIL was refused
        self.verdict(client, mark)
        if self.check(client.reply(), "NOOP").code != 250:
            raise OutOfStep("NOOP\n" + "\n".join(self.story))
