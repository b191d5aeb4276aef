# SPDX-License-Identifier: ISC
"""HAProxy before two relays, as waxwing-two-machines(7) has it: nobody's mail is refused because one of them goes."""
import os
import re
import signal
import socket
import threading

import pytest

from tests.lab.client import Client, Closed
from tests.lab.haproxy import SOURCE, TREE, HAProxy, example
from tests.lab.relay import letter
from tests.lab.wait import until

CLIENT = "127.0.0.77"


@pytest.fixture
def two(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    return [behind(lab, 1).start(), behind(lab, 2).start()]


@pytest.fixture
def front(lab, two):
    balancer = HAProxy(lab)
    balancer.sees(node_1="UP", node_2="UP")
    return balancer


def behind(lab, n):
    address = f"127.0.0.{n}"
    listen = [{"address": f"{address}:587", "proxy": [SOURCE]}, {"address": f"{address}:465", "tls": "implicit", "proxy": [SOURCE]}]
    relay = lab.relay(hostname=f"node-{n}.example.org", listen=listen, http=f"{address}:9587")
    relay.address = address
    return relay


def begun(front, relay):
    """A session through the balancer; None where its relay says that it goes, or goes: one connects again."""
    try:
        client = Client(front.address, 587, source=CLIENT)
        assert client.greeting.code in (220, 421), client.greeting
        if client.greeting.code == 421:
            return None
        client.ehlo()
        client.starttls()
        assert client.plain(relay.user, relay.password).code == 235
        return client
    except (Closed, OSError):
        return None
    except AssertionError as problem:
        if "421" in str(problem):
            return None
        raise


def taken(client, to):
    """Whether a message got 250. False: the session ended before MAIL was answered. Anything else is a fault."""
    try:
        reply = client.cmd("MAIL FROM:<app@example.org>")
    except (Closed, OSError):
        return False
    if reply.code == 421:
        return False
    assert reply.code == 250, reply
    client.expect(250, f"RCPT TO:<{to}>")
    reply = client.data(letter(subject=to))
    assert reply.code == 250, reply
    return True


class Senders:
    """Some at once, with two messages a session, until they are told to end."""

    def __init__(self, front, relay, killed=False):
        self.front, self.relay, self.accepted, self.faults, self.killed = front, relay, [], [], killed
        self.end = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(3)]
        for thread in self.threads:
            thread.start()

    def run(self, n):
        count = 0
        try:
            while not self.end.is_set():
                client = begun(self.front, self.relay)
                for _ in range(2 if client else 0):
                    to = f"m{n}-{count}@dest.test"
                    if not self.one(client, to):
                        break
                    self.accepted.append(to)
                    count += 1
                if client:
                    client.close()
        except Exception as problem:  # told by whoever waits
            self.faults.append(problem)

    def one(self, client, to):
        try:
            return taken(client, to)
        except (Closed, OSError):
            if self.killed:  # without 250 a client sends it again
                return False
            raise

    def more(self, n=6):
        """Waits for so many messages to be accepted from now on."""
        begun_with = len(self.accepted)
        until(lambda: len(self.accepted) >= begun_with + n or self.faults, "messages")
        assert not self.faults, self.faults

    def close(self):
        self.end.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.faults, self.faults
        return set(self.accepted)


def arrived(*relays):
    return {e["to"] for relay in relays for e in relay._found("delivered")}


def inside(front, relay):
    """A client in the middle of a message at this relay."""
    def attempt():
        client = begun(front, relay)
        if client and relay.config["hostname"] in client.greeting.text:
            client.expect(250, "MAIL FROM:<app@example.org>")
            return client
        if client:
            client.close()
        return None
    return until(attempt, "a session at that relay")


def gone(relay):
    with socket.socket() as sock:
        return sock.connect_ex((relay.address, 587)) != 0


def nobody_is_turned_away(front, relay):
    """Once the relay refuses connections, whether or not that was noticed yet, each client gets to the other one."""
    until(lambda: gone(relay), "no listener")
    for _ in range(8):
        client = begun(front, relay)
        assert client, "a client was turned away"
        client.close()


def test_case_590_a_drain_behind_a_balancer_refuses_nobody_and_a_return_is_seen(lab, two, front):
    one, other = two
    senders = Senders(front, one)
    senders.more()
    client = inside(front, one)
    one.ask("drain")
    nobody_is_turned_away(front, one)
    front.sees(node_1="DOWN", node_2="UP")
    client.expect(250, "RCPT TO:<inside@dest.test>")  # it began before, and is heard to its end
    assert client.data(letter(subject="inside")).code == 250
    client.close()
    senders.more()
    assert one.process.wait() == 0
    one.start()
    front.sees(node_1="UP", node_2="UP")
    before = len(one._found("accept"))
    until(lambda: len(one._found("accept")) > before or senders.faults, "mail for the first relay again")
    sent = senders.close() | {"inside@dest.test"}
    until(lambda: sent <= arrived(one, other), lambda: f"{sent - arrived(one, other)}")
    assert {e["client"] for e in one._found("accept")} == {f"[{CLIENT}]"}  # from the header; the balancer's own is SOURCE


def test_case_591_a_relay_that_dies_is_left_and_what_it_had_is_delivered_when_it_is_back(lab, two, front):
    one, other = two
    senders = Senders(front, one, killed=True)
    senders.more()
    one.kill()
    nobody_is_turned_away(front, one)
    front.sees(node_1="DOWN", node_2="UP")
    senders.more()
    sent = senders.close()
    one.start()
    front.sees(node_1="UP", node_2="UP")
    until(lambda: sent <= arrived(one, other), lambda: f"{sent - arrived(one, other)}")


def test_case_592_a_relay_that_hangs_is_taken_out_and_comes_back(lab, two, front):
    one, other = two
    one.process.send(signal.SIGSTOP)
    try:
        front.sees(node_1="DOWN", node_2="UP")
        for n in range(4):
            client = begun(front, other)
            assert taken(client, f"m{n}@dest.test")
            client.close()
        assert len(other.wait("accept", 4)) == 4
    finally:
        one.process.send(signal.SIGCONT)
    front.sees(node_1="UP", node_2="UP")


def test_the_manual_shows_what_the_example_has(lab):
    with open(os.path.join(TREE, "man/waxwing-two-machines.7"), encoding="ascii") as f:
        block = re.search(r"\.Bd [^\n]*\ndefaults\n(.*?)\.Ed", f.read(), re.S)[1]
    has = {line.strip() for line in example().splitlines()}
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    assert len(lines) > 12 and not [line for line in lines if line not in has]
