# SPDX-License-Identifier: ISC
"""A token endpoint (RFC 6749) as Microsoft's and Google's are, and the eyes of an SMTP host for its tokens."""
import base64
import json
import threading
import urllib.parse

from tests.lab.httpshost import HttpsHost


class TokenHost(HttpsHost):
    """https://HOST/token. Fields may be changed while it runs: lives (seconds), refuse (an error word: a 400), status
    (another answer), rotate (each refresh token serves once, and brings the next), known (the refresh tokens that are
    good), pause (an event that an answer waits for). `requests` are the forms, `tokens` what was given."""

    def __init__(self, lab, host="login.test"):
        self.host, self.lives, self.refuse, self.status, self.rotate, self.known = host, 3600, None, 200, False, set()
        self.requests, self.tokens, self.errors, self.pause = [], [], [], None
        self.address = lab.address(host)
        self.certificate = lab.certificate("good", host)
        lab.names.set(host, "A", self.address)
        self.closing, self.listener, self.lock = threading.Event(), None, threading.Lock()
        self.open()
        lab.at_end(self.close)

    @property
    def url(self):
        return f"https://{self.host}/token"

    def _answer(self, stream):
        request = b""
        while b"\r\n\r\n" not in request:
            request += stream.recv(65536)
        head, body = request.split(b"\r\n\r\n", 1)
        length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")))
        while len(body) < length:
            body += stream.recv(65536)
        form = {k: v[0] for k, v in urllib.parse.parse_qs(body.decode(), strict_parsing=True).items()}
        self.requests.append(form)
        if self.pause:
            self.pause.wait(60)
        status, answer = self._judge(form)
        text = json.dumps(answer).encode()
        stream.sendall(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                       % (status, len(text), text))

    def _judge(self, form):
        if self.status != 200:
            return self.status, {"error": "temporarily_unavailable"}
        refresh = form.get("refresh_token")
        if self.refuse or (refresh and refresh not in self.known):
            return 400, {"error": self.refuse or "invalid_grant", "error_description": f"not {refresh} for {form.get('client_secret')}"}
        with self.lock:
            token = f"token-{len(self.tokens)}-for-{form.get('client_id', 'a')}"
            self.tokens.append(token)
        answer = {"token_type": "Bearer", "expires_in": self.lives, "access_token": token}
        if refresh and self.rotate:
            self.known = {f"refresh-{len(self.tokens)}"}
            answer["refresh_token"] = next(iter(self.known))
        return 200, answer

    def guards(self, mx, user):
        """The MX asks for XOAUTH2 and takes this host's last token alone."""
        mx.extensions.append("AUTH LOGIN XOAUTH2")

        def auth(session, argument):
            name, _, word = argument.partition(" ")
            said = base64.b64decode(word).decode()
            if name == "XOAUTH2" and self.tokens and said == f"user={user}\x01auth=Bearer {self.tokens[-1]}\x01\x01":
                return "235 2.7.0 Authentication successful"
            session.say("334 " + base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode())
            session.acknowledged = session.line()
            return "535 5.7.3 Authentication unsuccessful"
        mx.on("auth", auth)
        return mx
