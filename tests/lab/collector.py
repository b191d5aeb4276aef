# SPDX-License-Identifier: ISC
"""Where TLS reports go: an HTTPS collector, good or bad, and what RFC 8460 says a report looks like."""
import email
import email.policy
import gzip
import json
import re
import threading

from tests.lab.httpshost import HttpsHost
from tests.lab.wait import until

DOMAIN = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?)*"
DOT_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
FILE_NAME = re.compile(rf"(?P<sender>{DOMAIN})!(?P<domain>{DOMAIN})!(?P<begin>[0-9]+)!(?P<end>[0-9]+)"
                       r"(![A-Za-z0-9]+)?\.json(\.gz)?\Z")  # section 5.1
SUBJECT = re.compile(rf"Report[ \t\r\n]+Domain:[ \t\r\n]+(?P<domain>{DOMAIN})[ \t\r\n]+Submitter:[ \t\r\n]+"
                     rf"(?P<submitter>{DOMAIN})[ \t\r\n]+Report-ID:[ \t\r\n]+<(?P<id>{DOT_ATOM}@{DOMAIN})>\Z")
RESULT_TYPES = {"starttls-not-supported", "certificate-host-mismatch", "certificate-expired",
                "certificate-not-trusted", "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required",
                "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"}


class Collector(HttpsHost):
    """https://HOST/…: takes POSTs. Fields may be changed while it runs: status, words (of the answer), location,
    cut (takes the request and hangs up), hang (takes it and says nothing), before (called with each body, before
    the answer). `posts`: (path, headers, body)."""

    def __init__(self, lab, host, tls="good", address=None, port=443):
        self.host, self.address, self.port = host, address or lab.address(host), port
        self.status, self.words, self.location, self.cut, self.hang = 200, "thank you", None, False, False
        self.posts, self.errors, self.before = [], [], None
        self.certificate = lab.certificate(tls, host)
        lab.names.set(host, "A", self.address)
        self.closing, self.listener = threading.Event(), None
        self.open()
        lab.at_end(self.close)

    def _answer(self, stream):
        data = b""
        while b"\r\n\r\n" not in data:
            more = stream.recv(65536)
            if not more:
                return
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = dict((k.lower(), v.strip()) for k, v in (line.split(":", 1) for line in lines[1:]))
        while len(body) < int(headers.get("content-length", 0)):
            body += stream.recv(65536)
        method, path, _ = lines[0].split(" ")
        assert method == "POST", lines[0]
        self.posts.append((path, headers, body))
        if self.before:
            self.before(body)
        if self.hang:
            self.closing.wait(120)
        if self.hang or self.cut:
            return
        answer = [f"HTTP/1.1 {self.status} Whatever", "Content-Type: text/plain", f"Content-Length: {len(self.words)}",
                  "Connection: close"] + (["Location: " + self.location] if self.location else [])
        stream.sendall(("\r\n".join(answer) + "\r\n\r\n" + self.words).encode())

    # --- what a story asks ---

    def wait(self, count=1):
        until(lambda: len(self.posts) >= count, lambda: f"{count} posts at {self.host}; {self.posts} {self.errors}")
        return self.posts

    def reports(self):
        """What was posted, checked and unpacked."""
        for _, headers, _ in self.posts:
            assert headers["content-type"] == "application/tlsrpt+gzip" and "expect" not in headers, headers
        return [checked(body) for _, _, body in self.posts]


def checked(packed):
    """The JSON of a gzip that fits section 4.4."""
    doc = json.loads(gzip.decompress(packed))
    assert set(doc) == {"organization-name", "date-range", "contact-info", "report-id", "policies"}, doc
    assert all(isinstance(doc[k], str) and doc[k] for k in ("organization-name", "contact-info", "report-id"))
    start, end = doc["date-range"]["start-datetime"], doc["date-range"]["end-datetime"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", start) and end == start[:10] + "T23:59:59Z", doc
    assert doc["policies"]
    for part in doc["policies"]:
        check_policy(part)
    return doc


def check_policy(part):
    assert set(part) <= {"policy", "summary", "failure-details"}, part
    policy, summary = part["policy"], part["summary"]
    assert policy["policy-type"] in ("tlsa", "sts", "no-policy-found") and policy["policy-domain"]
    for key in ("policy-string", "mx-host"):
        assert isinstance(policy.get(key, []), list) and all(isinstance(s, str) for s in policy.get(key, []))
    assert set(summary) == {"total-successful-session-count", "total-failure-session-count"}, summary
    details = part.get("failure-details", [])
    assert all(d["result-type"] in RESULT_TYPES for d in details), details
    assert sum(d["failed-session-count"] for d in details) == summary["total-failure-session-count"], part


def sessions(doc):
    """(successes, failures) of a report."""
    parts = [p["summary"] for p in doc["policies"]]
    return (sum(p["total-successful-session-count"] for p in parts),
            sum(p["total-failure-session-count"] for p in parts))


def day_of(doc):
    return doc["date-range"]["start-datetime"][:10]


class Mailed:
    """A report that came by mail, taken apart (section 5.3); `report` is its JSON."""

    def __init__(self, data):
        self.message = email.message_from_bytes(data, policy=email.policy.compat32)
        assert self.message.get_content_type() == "multipart/report"
        assert self.message.get_param("report-type") == "tlsrpt"
        assert b'report-type="tlsrpt"' in data
        text, part = self.message.get_payload()
        assert text.get_content_type() == "text/plain" and text.get_payload()
        assert part.get_content_type() == "application/tlsrpt+gzip"
        self.report = checked(part.get_payload(decode=True))
        self.file = FILE_NAME.match(part.get_filename())
        assert self.file, part.get_filename()
        self.subject = SUBJECT.match(self.message["Subject"])
        assert self.subject, self.message["Subject"]
        self.domain = self.message["TLS-Report-Domain"]
        assert self.domain == self.subject["domain"] == self.file["domain"]
        assert self.message["TLS-Report-Submitter"] == self.subject["submitter"] == self.file["sender"]
        assert self.subject["id"] == self.report["report-id"] and self.message["TLS-Required"] == "No"
        assert int(self.file["end"]) - int(self.file["begin"]) == 86399 and int(self.file["begin"]) % 86400 == 0
        assert self.message["Message-ID"] and self.message["Date"] and "@" in self.message["From"]
