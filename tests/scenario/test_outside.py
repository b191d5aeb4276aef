# SPDX-License-Identifier: ISC
"""Two faults of the world outside at once, and a restart in the middle (cases 180-189)."""
import threading

import pytest

from tests.lab.mx import CLOSE, Slow
from tests.lab.policyhost import policy


def strict(lab, domain="dest.test", host=None, tls="good", mode="enforce", patterns=None, **more):
    host = host or "mx." + domain
    mx = lab.mx(host, tls=tls, domains=domain, **more)
    return mx, lab.policy_host(domain, id="1", body=policy(mode, patterns or [host]))


def test_case_180_requiretls_ends_after_the_second_look(lab):
    """The host is proved by policy and shows another certificate: looked into at once, once more after ten
    seconds, and then the sender is told (RFC 8689 4.2.1)."""
    mx, _ = strict(lab, tls="self-signed")
    mx.extensions.append("REQUIRETLS")
    senders = [{"user": "app", "from": ["example.org"], "require_tls": True},
               {"network": ["127.0.0.1"], "from": ["example.org"]}]
    relay = lab.relay(senders=senders, delivery={"retry": ["1h"]}).start()
    relay.send("a@dest.test")
    relay.wait("failed", to="a@dest.test")
    assert not mx.seen and len(relay.events("deferred")) == 1


def test_case_181_no_more_connections_than_the_total_while_messages_are_loaded(lab):
    """After a restart many lanes begin at the same moment, and each reads its message from the spool first."""
    hosts = [lab.mx(f"mx.d{n}.test", domains=f"d{n}.test") for n in range(10)]
    for mx in hosts:
        mx.on("greeting", "421 4.3.2 later")
    relay = lab.relay(delivery={"retry": ["2s"], "connections": {"total": 2}}, workers=2).start()
    for n in range(10):
        relay.send(f"a@d{n}.test")
    relay.wait("deferred", 10)
    now, most, lock = [0], [0], threading.Lock()

    def greeting(session, _):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        session.mx.closing.wait(0.3)
        with lock:
            now[0] -= 1

    relay.stop()
    for mx in hosts:
        mx.on("greeting", greeting)
    relay.start()
    relay.wait("delivered", 10)
    assert most[0] <= 2


@pytest.mark.parametrize("late", [0, 0.2])
def test_case_183_an_ehlo_answered_twice_costs_no_encryption(lab, late):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    answer = b"250-mx.dest.test\r\n250 STARTTLS\r\n"

    def ehlo(session, _):
        if not session.tls:
            threading.Timer(late, session.sock.sendall, [answer]).start() if late else None
            return answer if late else answer + answer
        return None

    mx.on("ehlo", ehlo)
    mx.on("starttls", Slow("220 2.0.0 go", delay=2 * late))
    relay = lab.relay(delivery={"tls": "opportunistic", "memory": {"level": "off"}, "retry": ["1s"]}).start()
    relay.send("a@dest.test")
    assert relay.wait("delivered", to="a@dest.test")["tls"].startswith("TLS")
    assert not mx.bodies_in_clear() and not relay.events("tls-failure")


@pytest.mark.parametrize("extensions", ["BDAT", "DATA", "one at a time"])
@pytest.mark.parametrize("then", ["closes", "stays"])
def test_case_184_421_to_one_recipient_keeps_nobody_elses_mail(lab, then, extensions):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    for word in {"BDAT": [], "DATA": ["CHUNKING"], "one at a time": ["CHUNKING", "PIPELINING"]}[extensions]:
        mx.without(word)
    relay = lab.relay(delivery={"retry": ["2s"], "connections": {"idle": "0s"}}).start()
    relay.send("before@dest.test")  # so that the next body follows its envelope
    relay.wait("delivered")
    answer = "421 4.2.1 not now"
    mx.on("rcpt", lambda session, to: ([answer, CLOSE] if then == "closes" else answer) if "<bad@" in to else None)
    relay.send([f"a{n}@dest.test" for n in range(3)] + ["bad@dest.test"] + [f"b{n}@dest.test" for n in range(3)])
    relay.wait("delivered", 7)
    relay.wait("deferred", 2, to="bad@dest.test")
    mx.on("rcpt", None)
    relay.wait("delivered", to="bad@dest.test")
    got = [to for message in mx.messages for to in message.to()]
    assert sorted(got) == sorted(set(got)) and len(got) == 8


def test_case_184_421_to_one_recipient_too_many(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    mx.on("rcpt", lambda session, to: ["421 4.5.3 too many", CLOSE] if len(session.rcpts) >= 10 else None)
    relay = lab.relay(delivery={"retry": ["1s"]}).start()
    relay.send([f"a{n}@dest.test" for n in range(35)])
    relay.wait("delivered", 35)
    got = [to for message in mx.messages for to in message.to()]
    assert len(got) == len(set(got)) == 35
