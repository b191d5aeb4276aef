# SPDX-License-Identifier: ISC
"""Nodes of a fleet that are cut off from the world, the database or both, or that stand still: no two deliver one message,
and each goes on when it heals. Each node delivers from an address of its own, by which the host knows it."""
import os
import signal
import threading

from tests.lab.cut import Cut
from tests.lab.postgres import Postgres
from tests.lab.process import must
from tests.lab.wait import until
from tests.scenario.test_fleet import made, node
from tests.scenario.test_fleet_spool import DOMAIN, HOST, database, holds, passed  # noqa: F401

LEASE_S = 4


def source(n):
    return f"203.0.113.{10 + n}"


def keeper(lab, n, uri, lease=LEASE_S):
    return node(lab, n, uri=uri, fleet={"spool": "required", "lease": f"{lease}s"},
                delivery={"retry": ["1s"], "source": [{"address": source(n)}], "connections": {"idle": "1s"}})


def began(lab, database, uris=None):  # noqa: F811
    relays = [keeper(lab, n, (uris or [database.uri] * 2)[n - 1]) for n in (1, 2)]
    made(lab, database, relays[0])
    for relay in relays:
        relay.start()
    return relays


def world_of(lab, n):
    """The way of one node's deliveries to anybody, and back."""
    if not must(["ip", "rule", "list"]).startswith("200:"):
        must(["ip", "rule", "add", "pref", "200", "lookup", "local"])  # others go before it then
        must(["ip", "rule", "del", "pref", "0"])
    return Cut(lab, *[["rule", "pref", "100", way, source(n), "blackhole"] for way in ("from", "to")])


def peers(mx):
    """Which node delivered what."""
    return sorted((m.session.peer[0], address) for m in mx.messages for address in m.to())


def quiet(mx):
    """No connection is kept that a cut would find in use."""
    until(lambda: not any(s.open for s in mx.sessions), "the connections to end")


def taken_over(relay):
    return [e["text"] for e in relay.events("alarm", what="fleet") if "does not live any more" in e["text"]]


def test_a_node_cut_from_the_world_keeps_its_mail_and_delivers_it_when_it_heals(lab, database):  # noqa: F811
    mx = lab.mx(HOST, domains=DOMAIN)
    one, other = began(lab, database)
    one.send(f"a@{DOMAIN}")
    mx.wait()
    quiet(mx)
    world = world_of(lab, 1)
    world.cut()
    for n in range(3):
        one.send(f"b{n}@{DOMAIN}")
    other.send(f"c@{DOMAIN}")
    one.wait("deferred", 3)
    mx.wait(2)
    passed(2 * LEASE_S)
    holds(one, 3)
    assert not taken_over(other)
    world.heal()
    mx.wait(5)
    until(lambda: not one.json("queue", "list"), "an empty queue")
    assert peers(mx) == sorted([(source(1), f"a@{DOMAIN}"), *((source(1), f"b{n}@{DOMAIN}") for n in range(3)), (source(2), f"c@{DOMAIN}")])


class Gate:
    """A host that leaves a node without an answer to RCPT until it is opened."""

    def __init__(self, mx, n):
        self.opened, self.at = threading.Event(), []
        self.source = source(n)
        mx.on("rcpt", self.rcpt)

    def rcpt(self, session, _):
        if session.peer[0] == self.source:
            self.at.append((session, len(session.replies)))
            self.opened.wait(120)


def ways_to_one_database(lab):
    """That of the first node, the server, and each node's own address of it."""
    ways = [lab.address(f"db{n}.test") for n in (1, 2)]
    for n, address in enumerate(ways):
        lab.names.set(f"db{n + 1}.test", "A", address)
    server = Postgres(lab, address="0.0.0.0", certificate=lab.ca.leaf("db1.test", "db2.test"))
    return Cut(lab, ["route", "blackhole", ways[0], "table", "local"]), server, [f"postgresql://waxwing@db{n}.test/waxwing" for n in (1, 2)]


def under_way(lab, one):
    """Mail in the middle of its delivery, whose end cannot be on its way."""
    mx = lab.mx(HOST, domains=DOMAIN)
    mx.extensions = [e for e in mx.extensions if e not in ("PIPELINING", "CHUNKING")]
    gate = Gate(mx, 1)
    for n in range(3):
        one.send(f"a{n}@{DOMAIN}")
    until(lambda: gate.at, "a delivery under way")
    return mx, gate


THREE = [(source(2), f"a{n}@{DOMAIN}") for n in range(3)]


def is_well_again(one, other, mx, gate):
    """Nothing came from the one that was away, and it goes on with what is new."""
    assert peers(mx) == THREE
    assert not any(line.upper().startswith((b"DATA", b"BDAT")) for session, _ in gate.at for _, line in session.commands)
    assert not one.json("queue", "list") and not other.json("queue", "list")
    one.send(f"b@{DOMAIN}")
    mx.wait(4)
    assert peers(mx) == sorted([*THREE, (source(1), f"b@{DOMAIN}")])


def test_a_node_cut_from_the_world_and_the_database_delivers_nothing_that_another_has(lab):
    way, server, uris = ways_to_one_database(lab)
    one, other = began(lab, server, uris)
    mx, gate = under_way(lab, one)
    world = world_of(lab, 1)
    world.cut()
    way.cut()
    assert one.process.wait() == 75
    gate.opened.set()  # the answer finds nobody
    mx.wait(3)
    until(lambda: not other.json("queue", "list"), "an empty queue")
    world.heal()
    way.heal()
    one.start()
    is_well_again(one, other, mx, gate)


def test_a_node_cut_from_the_database_alone_stops_in_the_middle_of_a_delivery(lab):
    way, server, uris = ways_to_one_database(lab)
    one, other = began(lab, server, uris)
    mx, gate = under_way(lab, one)
    way.cut()
    assert one.process.wait() == 75
    gate.opened.set()
    mx.wait(3)
    until(lambda: not other.json("queue", "list"), "an empty queue")
    way.heal()
    one.start()
    is_well_again(one, other, mx, gate)


def test_a_node_that_stood_still_in_the_middle_of_a_delivery_does_not_go_on_with_it(lab, database):  # noqa: F811
    one, other = began(lab, database)
    mx, gate = under_way(lab, one)
    one.process.send(signal.SIGSTOP)
    mx.wait(3)
    until(lambda: not other.json("queue", "list"), "an empty queue")
    gate.opened.set()  # what it waited for is there when it goes on
    until(lambda: all(len(session.replies) > before for session, before in gate.at), "the answers")
    one.process.send(signal.SIGCONT)
    assert one.process.wait() == 75
    one.start()
    is_well_again(one, other, mx, gate)


def test_a_standby_that_is_cut_off_ends_no_lease_and_loses_nothing(lab):
    mx = lab.mx(HOST, domains=DOMAIN)
    server = Postgres(lab, wal_level="replica", hot_standby="on")
    one, other = began(lab, server)
    standby = Postgres(lab, port=5433, follows=server)
    server.wait_for_standby()
    one.send(f"a@{DOMAIN}")
    mx.wait()
    os.killpg(standby.process.pid, signal.SIGSTOP)
    replies = []
    client = threading.Thread(target=lambda: replies.append(one.submit([f"b@{DOMAIN}"]).code))
    client.start()
    passed(2 * LEASE_S)
    alive = one.process.alive() and other.process.alive()
    os.killpg(standby.process.pid, signal.SIGCONT)
    client.join()
    assert alive and replies == [250]
    mx.wait(2)
    until(lambda: not one.json("queue", "list"), "an empty queue")
    assert not taken_over(one) and not taken_over(other)
    assert set(peers(mx)) == {(source(1), f"a@{DOMAIN}"), (source(1), f"b@{DOMAIN}")}
