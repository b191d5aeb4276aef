# SPDX-License-Identifier: ISC
"""A message of somebody else, as a forwarding host has it: with a DKIM signature of its domain, and an ARC set of a list
in between. Their keys are in the zones."""
import dkim
from cryptography.hazmat.primitives import serialization

from tests.lab import pki, relay as lab_relay

LINE = b"The quick brown fox jumps over the lazy dog, and then again, and once m\r\n"
HEADER = (b"From: Friend <friend@else.bench>\r\nTo: r0@d0.bench\r\nSubject: hello\r\n"
          b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@else.bench>\r\n\r\n")


def message(lab, names):
    """The path of a file that holds it."""
    pems = {}
    for domain, selector in (("else.bench", "f"), ("list.bench", "l")):
        key = lab_relay.cached("bench " + domain, lambda: pki.new_key("rsa"))
        names.set(f"{selector}._domainkey.{domain}", "TXT", lab_relay.dkim_record(key, "rsa"))
        pems[domain] = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                         serialization.NoEncryption())
    text = HEADER + LINE * 55
    text = dkim.sign(text, b"f", b"else.bench", pems["else.bench"], include_headers=[b"from", b"subject", b"date"]) + text
    text = b"Authentication-Results: list.bench; dkim=pass header.d=else.bench\r\n" + text
    seal = dkim.arc_sign(text, b"l", b"list.bench", pems["list.bench"], b"list.bench",
                         include_headers=[b"from", b"subject", b"date"])
    return lab.file("forwarded", b"".join(seal) + text)
