# SPDX-License-Identifier: ISC
"""A scriptable SMTP server: an MX host with manners, good or bad, that records every byte.

At each step of a session it asks its script for a reply, else answers as a good server does:

    mx.on("rcpt", "550 5.1.1 no such user")         always
    mx.next("dot", "451 4.3.0 later", None)         the first time so, the second time as usual
    mx.on("ehlo", lambda session, argument: ...)    a reply, or None for the usual one

Steps: connect starttls handshake greeting ehlo helo auth mail rcpt data bdat dot rset noop quit, and any
other verb in lower case. A reply is text (a line each line of the reply), bytes (sent as they are), one of
CLOSE, RESET, HANG, a Slow(...), or a list of these.
"""
import re
import socket
import ssl
import struct
import threading
import time

from tests.lab.wait import until

CLOSE, RESET, HANG = "<close>", "<reset>", "<hang>"
EXTENSIONS = ["PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING",
              "ENHANCEDSTATUSCODES", "STARTTLS"]


class Slow:
    """A reply sent a byte at a time, `pause` seconds apart; or whole after `delay` seconds."""

    def __init__(self, reply, pause=0.0, delay=0.0):
        self.reply, self.pause, self.delay = reply, pause, delay


class NamedSocket(ssl.SSLSocket):
    """Knows its session, so that the callback for the server name finds it."""

    session_of_lab = None


class Gone(Exception):
    """The session is over."""


class Message:
    """One transaction whose data ended. `data`: unstuffed bytes; `wire`: as they came in."""

    def __init__(self, session):
        self.session, self.mx, self.tls = session, session.mx, session.tls
        self.sender, self.params, self.rcpts = session.sender, session.params, list(session.rcpts)
        self.wire, self.data, self.bdat, self.reply, self.accepted = b"", b"", False, "", False
        self.time = 0.0

    def to(self):
        return [address for address, _ in self.rcpts]

    def header(self):
        return self.data.split(b"\r\n\r\n", 1)[0] + b"\r\n"

    def body(self):
        return self.data.split(b"\r\n\r\n", 1)[1]


class Session(threading.Thread):
    def __init__(self, mx, sock, peer):
        super().__init__(daemon=True)
        self.mx, self.sock, self.peer = mx, sock, peer
        self.buffer, self.injected = b"", b""
        self.tls, self.sni, self.resumed = None, None, None
        self.helo, self.commands, self.replies = "", [], []
        self.sender, self.params, self.rcpts, self.chunks = None, {}, [], None
        self.open = True

    # --- bytes ---

    def fill(self):
        data = self.sock.recv(262144)
        if not data:
            raise Gone
        self.buffer += data

    def line(self):
        while b"\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line + b"\n"

    def exactly(self, count):
        parts, have = [self.buffer[:count]], min(len(self.buffer), count)
        self.buffer = self.buffer[count:]
        while have < count:
            data = self.sock.recv(min(262144, count - have))
            if not data:
                raise Gone
            parts.append(data)
            have += len(data)
        return b"".join(parts)

    def until_dot(self):
        parts, tail = [], b"\r\n"
        while True:
            where = (tail + self.buffer).find(b"\r\n.\r\n")
            if where >= 0:
                end = where + 5 - len(tail)
                parts.append(self.buffer[:end])
                self.buffer = self.buffer[end:]
                return b"".join(parts)
            parts.append(self.buffer)
            tail = (tail + self.buffer)[-4:]
            self.buffer = b""
            self.fill()

    def say(self, reply):
        if isinstance(reply, list):
            for part in reply:
                self.say(part)
            return
        if isinstance(reply, Slow):
            self.mx.closing.wait(reply.delay)
            data = wire_reply(reply.reply)
            for byte in range(len(data)) if reply.pause else ():
                self.sock.sendall(data[byte:byte + 1])
                if self.mx.closing.wait(reply.pause):
                    raise Gone
            if not reply.pause:
                self.sock.sendall(data)
            return
        if reply in (CLOSE, RESET):
            if reply == RESET:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Gone
        if reply == HANG:
            while not self.mx.closing.is_set():
                self.fill()
            raise Gone
        self.replies.append(reply)
        self.sock.sendall(wire_reply(reply))

    def answer(self, step, usual, argument=None):
        """The scripted reply, else the usual one; returns what was said."""
        reply = self.mx.scripted(step, self, argument)
        reply = usual if reply is None else reply
        self.say(reply)
        return first_text(reply)

    # --- the session ---

    def run(self):
        try:
            self.sock.settimeout(600)
            if self.mx.scripted("connect", self, None) in (CLOSE, RESET):
                raise Gone
            if self.mx.implicit_tls:
                self.handshake()
            self.answer("greeting", f"220 {self.mx.host} ESMTP lab")
            while True:
                self.command(self.line())
        except (Gone, OSError, ssl.SSLError, ValueError):
            pass
        finally:
            self.open = False
            try:
                self.sock.close()
            except OSError:
                pass

    def command(self, line):
        self.commands.append((self.tls is not None, line))
        text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
        verb, _, argument = text.partition(" ")
        verb = verb.lower()
        handler = getattr(self, "on_" + verb, None)
        if handler:
            handler(argument)
        else:
            self.answer(verb, "502 5.5.1 what?", argument)
        if verb == "quit":
            raise Gone

    def on_ehlo(self, argument):
        self.helo = argument
        self.forget()
        lines = [e for e in self.mx.extensions if not (e == "STARTTLS" and self.tls)]
        self.answer("ehlo", "\n".join(["250 " + self.mx.host] + ["250 " + e for e in lines]), argument)

    def on_helo(self, argument):
        self.helo = argument
        self.forget()
        self.answer("helo", "250 " + self.mx.host, argument)

    def on_starttls(self, argument):
        usual = "220 2.0.0 go on" if self.mx.certificate else "502 5.5.1 no"
        if self.answer("starttls", usual, argument).startswith("220"):
            self.injected, self.buffer = self.buffer, b""
            self.handshake()

    def handshake(self):
        scripted = self.mx.scripted("handshake", self, None)
        if isinstance(scripted, bytes):  # an answer to ClientHello that is none
            self.fill()
            self.sock.sendall(scripted)
        if scripted is not None:
            raise Gone
        try:
            context = self.mx.context(self.mx.certificate)
            self.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
            self.sock.session_of_lab = self
            self.sock.do_handshake()
        except (ssl.SSLError, OSError) as error:
            self.mx.tls_errors.append(str(error))
            raise Gone from error
        self.tls, self.resumed = self.sock.version(), self.sock.session_reused
        self.client_certificate = self.sock.getpeercert(True)
        self.forget()

    def forget(self):
        self.sender, self.params, self.rcpts, self.chunks = None, {}, [], None

    def on_auth(self, argument):
        self.answer("auth", "235 2.7.0 welcome", argument)

    def on_mail(self, argument):
        self.forget()
        if self.answer("mail", "250 2.1.0 ok", argument).startswith("2"):
            self.sender, self.params = path(argument)

    def on_rcpt(self, argument):
        usual = "503 5.5.1 MAIL first" if self.sender is None else "250 2.1.5 ok"
        if self.answer("rcpt", usual, argument).startswith("2"):
            self.rcpts.append(path(argument))

    def on_data(self, argument):
        usual = "354 go" if self.rcpts else "554 5.5.1 no valid recipients"
        if not self.answer("data", usual, argument).startswith("3"):
            return
        wire = self.until_dot()
        message = Message(self)
        message.wire = wire
        message.data = re.sub(rb"(\A|\r\n)\.", rb"\1", wire[:-3])
        self.end(message)

    def on_bdat(self, argument):
        size, _, last = argument.partition(" ")
        chunk = self.exactly(int(size))
        self.chunks = (self.chunks or []) + [chunk]
        if last.strip().upper() != "LAST":
            self.answer("bdat", f"250 2.0.0 {size} octets", argument)
            return
        if not self.rcpts:
            self.answer("bdat", "554 5.5.1 no valid recipients", argument)
            self.forget()
            return
        message = Message(self)
        message.wire = message.data = b"".join(self.chunks)
        message.bdat = True
        self.end(message)

    def end(self, message):
        message.time = time.time()
        self.forget()
        self.mx.seen.append(message)
        reply = self.mx.scripted("dot", self, message)
        reply = "250 2.0.0 queued" if reply is None else reply
        message.reply = first_text(reply)
        message.accepted = message.reply.startswith("2")
        if message.accepted:  # before it is said: whoever saw the reply finds the message
            self.mx.messages.append(message)
        self.say(reply)

    def on_rset(self, argument):
        self.forget()
        self.answer("rset", "250 2.0.0 ok", argument)

    def on_noop(self, argument):
        self.answer("noop", "250 2.0.0 ok", argument)

    def on_quit(self, argument):
        self.answer("quit", "221 2.0.0 bye", argument)


class Mx:
    """`certificate` None: no STARTTLS. `addresses`: where it listens, port 25 unless said."""

    def __init__(self, lab, host, addresses, certificate=None, port=25, extensions=None, implicit_tls=False):
        self.host, self.addresses, self.port = host, list(addresses), port
        self.certificate, self.implicit_tls = certificate, implicit_tls
        self.extensions = list(EXTENSIONS if extensions is None else extensions)
        if certificate is None and "STARTTLS" in self.extensions:
            self.extensions.remove("STARTTLS")
        self.tls_versions, self.ciphers = None, None  # (minimum, maximum) of ssl.TLSVersion
        self.asks_certificate = None  # a CA file: clients are asked for a certificate from there
        self.name_alert = None  # the alert that answers a client which names the server
        self.always, self.queue, self.lock = {}, {}, threading.Lock()
        self.sessions, self.messages, self.seen, self.tls_errors = [], [], [], []
        self.closing, self.listeners = threading.Event(), []
        self.contexts = {}
        self.open()
        lab.at_end(self.close)

    def open(self):
        """Listens (again, after close)."""
        self.closing.clear()
        for address in self.addresses:
            listener = socket.create_server(
                (address, self.port), family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                backlog=512, reuse_port=False)
            self.listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                sock, peer = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self, sock, peer)
            self.sessions.append(session)
            session.start()

    def close(self):
        """No more listening, and every session cut."""
        self.closing.set()
        for listener in self.listeners:
            for action in (lambda s=listener: s.shutdown(socket.SHUT_RDWR), listener.close):
                try:
                    action()
                except OSError:
                    pass
        self.listeners = []
        for session in self.sessions:
            try:
                session.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # --- script ---

    def on(self, step, reply):
        self.always[step] = reply
        return self

    def next(self, step, *replies):
        with self.lock:
            self.queue.setdefault(step, []).extend(replies)
        return self

    def without(self, *names):
        """Does not offer these extensions (by their first word)."""
        self.extensions = [e for e in self.extensions if e.split()[0] not in names]
        return self

    def scripted(self, step, session, argument):
        with self.lock:
            queue = self.queue.get(step)
            reply = queue.pop(0) if queue else self.always.get(step)
        return reply(session, argument) if callable(reply) else reply

    def context(self, certificate):
        """One for each certificate, so that session tickets work."""
        context = self.contexts.get(certificate.chain_file)
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if self.ciphers:  # first: they say which keys may be loaded
                context.set_ciphers(self.ciphers)
            context.load_cert_chain(certificate.chain_file, certificate.key_file)
            if self.tls_versions:
                context.minimum_version, context.maximum_version = self.tls_versions
            if self.asks_certificate:
                context.verify_mode = ssl.CERT_OPTIONAL
                context.load_verify_locations(self.asks_certificate)
            context.sni_callback = self._name_asked
            context.sslsocket_class = NamedSocket
            self.contexts[certificate.chain_file] = context
        return context

    def _name_asked(self, sock, name, _context):
        sock.session_of_lab.sni = name
        return self.name_alert if name else None

    # --- what a story asks ---

    def wait(self, count=1, bound=None):
        """The first `count` messages that were accepted."""
        until(lambda: len(self.messages) >= count,
              lambda: f"{count} messages at {self.host}; there are {len(self.messages)}, "
                      f"the sessions said {[s.commands for s in self.sessions[-3:]]}", bound)
        return self.messages[:count] if count > 1 else self.messages[0]

    def commands(self):
        return [line for session in self.sessions for _, line in session.commands]

    def bodies_in_clear(self):
        return [m for m in self.seen if not m.tls]


def wire_reply(reply):
    """"250 a\\n250 b" -> b"250-a\\r\\n250 b\\r\\n"; bytes pass."""
    if isinstance(reply, bytes):
        return reply
    lines = reply.split("\n")
    joined = [line[:3] + "-" + line[4:] for line in lines[:-1]] + [lines[-1]]
    return "".join(line + "\r\n" for line in joined).encode("utf-8", "surrogateescape")


def first_text(reply):
    while isinstance(reply, (list, Slow)):
        reply = reply[0] if isinstance(reply, list) else reply.reply
    return reply.decode("latin-1") if isinstance(reply, bytes) else reply


def path(argument):
    """"FROM:<a@b> SIZE=3 BODY=8BITMIME" -> ("a@b", {"SIZE": "3", "BODY": "8BITMIME"})."""
    match = re.match(r'(?i)(?:FROM|TO):\s*<((?:"(?:\\.|[^"\\])*"|[^>"])*)>(.*)', argument)
    if not match:
        return argument, {}
    params = {}
    for word in match[2].split():
        name, _, value = word.partition("=")
        params[name.upper()] = value
    return match[1], params
