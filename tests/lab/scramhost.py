# SPDX-License-Identifier: ISC
"""The server's side of SCRAM-SHA-256 for fake hosts, written from RFC 5802."""
import base64
import hashlib
import hmac


def mac(key, text):
    return hmac.digest(key, text.encode(), "sha256")


def wrap(text):
    return base64.b64encode(text.encode()).decode()


def guards(mx, user, password, salt=b"salt of the lab!", iterations=4096):
    """The MX takes this login by SCRAM-SHA-256 alone, though it offers PLAIN and LOGIN."""
    mx.extensions.append("AUTH PLAIN LOGIN SCRAM-SHA-256")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored, server = hashlib.sha256(mac(salted, "Client Key")).digest(), mac(salted, "Server Key")

    def auth(session, argument):
        mechanism, _, word = argument.partition(" ")
        if mechanism != "SCRAM-SHA-256":
            return "535 5.7.8 no"
        bare = base64.b64decode(word).decode().split(",", 2)[2]
        name, nonce = (part[2:] for part in bare.split(",")[:2])
        first = f"r={nonce}of-the-lab,s={base64.b64encode(salt).decode()},i={iterations}"
        session.say("334 " + wrap(first))
        without, _, proof = base64.b64decode(session.line()).decode().rpartition(",p=")
        text = f"{bare},{first},{without}"
        key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), mac(stored, text)))
        if name != user or hashlib.sha256(key).digest() != stored:
            return "535 5.7.8 no"
        session.say("334 " + wrap("v=" + base64.b64encode(mac(server, text)).decode()))
        session.line()
        return "235 2.7.0 welcome"
    mx.on("auth", auth)
    return mx
