# SPDX-License-Identifier: ISC
"""Where events go: a webhook over HTTPS, good or bad, as an application that checks what it gets."""
import hashlib
import hmac
import json
import time

from tests.lab.collector import Collector
from tests.lab.wait import until


class Webhook(Collector):
    """Keeps every post; what it answered with 200 counts as taken (fields as in Collector)."""

    def __init__(self, lab, host="hook.test", secret="s3cret", **more):
        self.secret, self.taken = secret, []
        super().__init__(lab, host, **more)
        self.before = self._take

    def url(self, path="/hook"):
        return f"https://{self.host}:{self.port}{path}"

    def _take(self, body):
        if self.status == 200 and not self.cut and not self.hang:
            self.taken += json.loads(body)["events"]

    def events(self, kind=None, **fields):
        """What was taken, each number once, in the order in which it came first."""
        seen = {}
        for event in self.taken:
            seen.setdefault(event["seq"], event)
        return [e for e in seen.values() if kind in (None, e["event"]) and
                all(e.get(k) == v for k, v in fields.items())]

    def await_event(self, kind, **fields):
        until(lambda: self.events(kind, **fields), lambda: f"{kind} {fields}; {self.taken[-5:]} {self.errors}")
        return self.events(kind, **fields)[0]

    def check(self):
        """Every post is signed over its time and body, and the numbers of each rise."""
        for _, headers, body in self.posts:
            assert verified(headers["waxwing-signature"], body, self.secret), headers
            assert headers["content-type"] == "application/json"
            numbers = [e["seq"] for e in json.loads(body)["events"]]
            assert numbers == sorted(set(numbers)) and 0 < len(numbers) <= 100, numbers


def verified(header, body, *secrets, age=300):
    """As waxwing-events(7) says that a receiver does it."""
    parts = [part.split("=", 1) for part in header.split(",")]
    stamp = next(value for key, value in parts if key == "t")
    signatures = [value for key, value in parts if key == "v1"]
    wanted = [hmac.new(s.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest() for s in secrets]
    fresh = abs(time.time() - int(stamp)) < age
    return fresh and any(hmac.compare_digest(a, b) for a in signatures for b in wanted)
