# SPDX-License-Identifier: ISC
"""The HTTPS host of an MTA-STS policy, good or bad: a socket that speaks just enough HTTP to misbehave."""
import threading

from tests.lab.httpshost import HttpsHost


def policy(mode="enforce", mx=(), max_age=604800, version="STSv1"):
    """The text of a policy, CRLF line ends."""
    lines = [f"version: {version}", f"mode: {mode}"] + [f"mx: {m}" for m in mx] + [f"max_age: {max_age}"]
    return "".join(line + "\r\n" for line in lines)


class PolicyHost(HttpsHost):
    """Serves https://mta-sts.DOMAIN/.well-known/mta-sts.txt. Fields may be changed while it runs:
    status, type, body (bytes or text), location, pause (seconds between bytes: a slow drip), chunked (body
    in chunks, without a length), end (of the chunks), flood (bytes sent again and again for ever, behind the answer), hang (accepts,
    then says nothing; or says of a request whether to), raw (bytes sent in the place of an answer)."""

    def __init__(self, lab, domain, body="", tls="good", id="1", address=None):
        self.host = "mta-sts." + domain
        self.status, self.type, self.body, self.location = 200, "text/plain", body, None
        self.pause, self.chunked, self.hang, self.raw = 0.0, False, False, None
        self.end, self.flood, self.flooded = b"0\r\n\r\n", None, 0
        self.requests, self.errors, self.threads = [], [], []
        self.address = address or lab.address(self.host)
        self.certificate = lab.certificate(tls, self.host)
        lab.names.set(self.host, "A", self.address)
        lab.names.set("_mta-sts." + domain, "TXT", f"v=STSv1; id={id};")
        self.closing = threading.Event()
        self.listener = None
        self.open()
        lab.at_end(self.close)

    def _answer(self, stream):
        request = b""
        while b"\r\n\r\n" not in request:
            data = stream.recv(65536)
            if not data:
                return
            request += data
        self.requests.append(request.decode("latin-1"))
        if self.hang(self.requests[-1]) if callable(self.hang) else self.hang:
            self.closing.wait(120)
            return
        self._send(stream, self.raw or self._response())
        while self.flood and not self.closing.is_set():
            stream.sendall(self.flood)
            self.flooded += len(self.flood)

    def _response(self):
        body = self.body if isinstance(self.body, bytes) else self.body.encode()
        head = [f"HTTP/1.1 {self.status} Whatever", f"Content-Type: {self.type}", "Connection: close"]
        if self.location:
            head.append("Location: " + self.location)
        head.append("Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {len(body)}")
        start = ("\r\n".join(head) + "\r\n\r\n").encode()
        if not self.chunked:
            return start + body
        chunks = [body[i:i + 4096] for i in range(0, len(body), 4096)]
        return start + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + self.end

    def _send(self, stream, data):
        if not self.pause:
            stream.sendall(data)
            return
        for i in range(len(data)):
            stream.sendall(data[i:i + 1])
            if self.closing.wait(self.pause):
                return
