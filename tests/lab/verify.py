# SPDX-License-Identifier: ISC
"""What others say about a message: dkimpy and opendkim-testmsg, and a DSN taken apart (RFC 3464)."""
import email
import email.policy
import re

import dkim

from tests.lab.process import run


def crlf(data):
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def dkimpy(names, data):
    """One truth value for each DKIM-Signature, top to bottom, with keys from the lab's name server."""
    def txt(name, timeout=5):
        found = names.records.get((name.decode().lower(), "TXT"))
        return "".join(p for p in found[0].split('"') if p.strip()).encode() if found else None

    message = dkim.DKIM(data)
    count = sum(1 for name, _ in message.headers if name.lower() == b"dkim-signature")
    return [verified(message, i, txt) for i in range(count)]


def verified(message, index, txt):
    try:
        return message.verify(idx=index, dnsfunc=txt)
    except dkim.DKIMException:
        return False


def algorithms(data):
    """The a= of each signature."""
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    return [re.search(r"a=\s*([\w-]+)", v)[1] for v in message.get_all("DKIM-Signature", [])]


def opendkim(data):
    """opendkim-testmsg's exit status (0: every signature it understands is good) and words."""
    done = run(["opendkim-testmsg"], input=data, text=False)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


class Dsn:
    """A delivery status notification: its fields for the message and for each recipient."""

    def __init__(self, data):
        self.data = data
        self.message = email.message_from_bytes(data, policy=email.policy.default)
        assert self.message.get_content_type() == "multipart/report", self.message.get_content_type()
        assert self.message.get_param("report-type") == "delivery-status"
        parts = list(self.message.iter_parts())
        assert len(parts) == 3, [p.get_content_type() for p in parts]
        self.text = parts[0].get_content()
        status = parts[1].get_payload()
        assert parts[1].get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        groups = [dict((k.lower(), str(v)) for k, v in block.items()) for block in status]
        self.whole, self.recipients = groups[0], [g for g in groups[1:] if g]
        self.returned = parts[2].get_content_type()
        self.original = parts[2].as_bytes()

    def one(self):
        assert len(self.recipients) == 1, self.recipients
        return self.recipients[0]
