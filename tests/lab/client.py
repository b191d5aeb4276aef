# SPDX-License-Identifier: ISC
"""An SMTP client that sends exactly the bytes it is told, and swaks."""
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl

from tests.lab.process import run


def mac(key, text):
    return hmac.digest(key, text.encode(), "sha256")


class Reply:
    def __init__(self, code, lines):
        self.code, self.lines, self.text = code, lines, "\n".join(lines)

    def __repr__(self):
        return f"{self.code} {self.text!r}"


class Closed(Exception):
    """The server ended the connection."""


class Client:
    """connect, then any of the verbs; `tls=True` starts with TLS. `source`: the address it comes from."""

    def __init__(self, address, port, tls=False, source=None, bound=60, greet=True, context=None):
        self.sock = socket.create_connection((address, port), bound,
                                             source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(bound)
        self.buffer, self.tls = b"", False
        self.made_context = context
        if tls:
            self.wrap()
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def wrap(self):
        context = self.made_context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not self.made_context:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock, server_hostname="relay.example.org")
        self.tls = True

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape"))

    def line(self):
        while b"\r\n" not in self.buffer:
            try:
                data = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError) as error:
                raise Closed(str(error)) from error
            if not data:
                raise Closed(f"closed after {self.buffer!r}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "surrogateescape")

    def reply(self):
        lines = []
        while True:
            line = self.line()
            assert re.match(r"\d\d\d([ -]|$)", line), f"not a reply: {line!r}"
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), lines)

    def cmd(self, line):
        self.send((line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")) + b"\r\n")
        return self.reply()

    def expect(self, code, line=None):
        """A command (or the next reply) that must be answered with this code (or class, one digit)."""
        reply = self.cmd(line) if line is not None else self.reply()
        assert str(reply.code).startswith(str(code)), f"{line!r}: wanted {code}, got {reply}"
        return reply

    def ended(self):
        """True when the server closes, whatever it says before."""
        try:
            while True:
                self.line()
        except Closed:
            return True
        except (TimeoutError, socket.timeout):
            return False

    def ehlo(self, name="client.example.org"):
        reply = self.expect(250, "EHLO " + name)
        self.extensions = {line.split()[0].upper(): line.split()[1:] for line in reply.lines[1:] if line}
        return reply

    def starttls(self):
        self.expect(220, "STARTTLS")
        self.wrap()
        return self.ehlo()

    def plain(self, user, password, authzid=""):
        token = base64.b64encode(f"{authzid}\0{user}\0{password}".encode()).decode()
        return self.cmd("AUTH PLAIN " + token)

    def login(self, user, password):
        self.expect(334, "AUTH LOGIN")
        self.expect(334, base64.b64encode(user.encode()).decode())
        return self.cmd(base64.b64encode(password.encode()).decode())

    def scram(self, user, password, flag="n,,", middle=None):
        """SCRAM-SHA-256 to its end; `middle` is called between the two messages. The last reply."""
        nonce = base64.b64encode(os.urandom(18)).decode()
        bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        reply = self.cmd("AUTH SCRAM-SHA-256 " + base64.b64encode((flag + bare).encode()).decode())
        if reply.code != 334:
            return reply
        first = base64.b64decode(reply.text).decode()
        asked = dict(part.split("=", 1) for part in first.split(","))
        assert asked["r"].startswith(nonce)
        self.salt, self.iterations = asked["s"], int(asked["i"])
        if middle:
            middle()
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(self.salt), self.iterations)
        key, server = mac(salted, "Client Key"), mac(salted, "Server Key")
        final = f"c={base64.b64encode(flag.encode()).decode()},r={asked['r']}"
        text = f"{bare},{first},{final}"
        proof = bytes(a ^ b for a, b in zip(key, mac(hashlib.sha256(key).digest(), text)))
        reply = self.cmd(base64.b64encode(f"{final},p={base64.b64encode(proof).decode()}".encode()).decode())
        if reply.code != 334:
            return reply
        assert base64.b64decode(reply.text).decode() == "v=" + base64.b64encode(mac(server, text)).decode()
        return self.cmd("")

    def envelope(self, sender, rcpts, mail="", rcpt=""):
        self.expect(250, f"MAIL FROM:<{sender}>{' ' if mail else ''}{mail}")
        for to in [rcpts] if isinstance(rcpts, str) else rcpts:
            self.expect(250, f"RCPT TO:<{to}>{' ' if rcpt else ''}{rcpt}")

    def data(self, message):
        """DATA with dots stuffed; adds the last CRLF where it lacks, as RFC 5321 4.1.1.4 has it."""
        self.expect(354, "DATA")
        wire = re.sub(rb"(\A|\r\n)\.", rb"\1..", message)
        self.send(wire + (b"" if wire.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        return self.reply()

    def bdat(self, message, chunk=0):
        chunk = chunk or max(len(message), 1)
        parts = [message[i:i + chunk] for i in range(0, len(message), chunk)] or [b""]
        for n, part in enumerate(parts):
            last = n == len(parts) - 1
            self.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if last else b"") + part)
            reply = self.reply()
            if last or reply.code != 250:
                return reply

    def quit(self):
        try:
            self.cmd("QUIT")
        except (Closed, OSError):
            pass
        self.close()

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass


def queue_id(reply):
    """The id that the relay named in its 250."""
    words = re.findall(r"[0-9A-Za-z][0-9A-Za-z._-]{5,}", reply.text)
    assert words, f"no id in {reply}"
    return words[-1]


def swaks(server, port, *arguments, data=None):
    """Runs swaks; CompletedProcess, its transcript in stdout."""
    argv = ["swaks", "--server", server, "--port", str(port), "--timeout", "60", *arguments]
    if data is not None:
        argv += ["--data", "-"]
    return run(argv, input=data)
