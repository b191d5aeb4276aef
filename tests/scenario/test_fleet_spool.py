# SPDX-License-Identifier: ISC
"""fleet.spool: required - a 250 that survives the machine that said it."""
import json
import os
import shutil
import signal
import time

import pytest

from tests.lab.client import Closed
from tests.lab.cut import Cut
from tests.lab.mx import HANG
from tests.lab.postgres import Postgres
from tests.lab.relay import letter
from tests.lab.wait import until
from tests.scenario.test_crash import Sender
from tests.scenario.test_fleet import made, node

DOMAIN, HOST = "dest.test", "mx.dest.test"
LASTS = 5  # seconds of a lease: a relay of a busy machine renews it in time
LEASE = {"spool": "required", "lease": f"{LASTS}s"}


@pytest.fixture
def database(lab):
    return Postgres(lab)


def keeper(lab, n, database, lease=LEASE["lease"], **more):
    """Relay number n, whose mail the database has, too."""
    return node(lab, n, database=database, fleet={**LEASE, "lease": lease}, **{"delivery": {"retry": ["1s"]}, **more})


def begun(lab, database, **more):
    """One such relay that runs, of a fleet that was just made."""
    relay = keeper(lab, 1, database, **more)
    made(lab, database, relay)
    return relay.start()


def logs(database):
    """How many rows the journal has, and how many logs."""
    tables = database.fleet("SELECT id FROM waxwing.segment WHERE number > 0")
    rows = sum(int(database.fleet(f"SELECT count(*) FROM waxwing.journal_{i[0]}")[0][0]) for i in tables)
    return rows, int(database.fleet("SELECT count(*) FROM waxwing.log")[0][0])


def throw_away(relay):
    """Its disk: what the spool had, all of it."""
    shutil.rmtree(relay.path("spool"))


def new_disk(relay):
    """Killed, and begun again with nothing of what it had."""
    relay.kill()
    throw_away(relay)
    relay.start()


def waiting(lab):
    """A host that takes nothing until it is opened."""
    mx = lab.mx(HOST, domains=DOMAIN)
    return mx.on("rcpt", "450 4.2.1 later")


def opened(mx):
    mx.always.pop("rcpt")
    return mx


def passed(seconds):
    """So much time, as leases are counted."""
    end = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    until(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > end, "time to pass")


def holds(relay, count):
    """So many messages; one that goes from worker to worker is in no list."""
    until(lambda: len(relay.json("queue", "list")) == count, relay.told)


def got(mx):
    return sorted(address for m in mx.messages for address in m.to())


def test_case_600_what_a_disk_had_comes_back_from_the_journal(lab, database):
    mx = waiting(lab)
    relay = begun(lab, database)
    for n in range(3):
        relay.send(f"a{n}@{DOMAIN}")
    relay.send(f"large@{DOMAIN}", letter(body=(b"y" * 70 + b"\r\n") * 20000))
    assert logs(database)[0] >= 4
    new_disk(relay)
    holds(relay, 4)
    opened(mx).wait(4)
    assert got(mx) == [f"a0@{DOMAIN}", f"a1@{DOMAIN}", f"a2@{DOMAIN}", f"large@{DOMAIN}"]
    assert len(mx.messages[-1].body()) == 72 * 20000 or any(len(m.body()) == 72 * 20000 for m in mx.messages)
    relay.wait("delivered", 4)
    relay.restart()
    assert logs(database)[1] == 1  # the old log is gone
    assert not relay.json("queue", "list") and len(mx.messages) == 4


def test_case_601_what_was_there_before_is_in_the_journal_too(lab, database):
    mx = waiting(lab)
    relay = node(lab, 1, database=database)
    made(lab, database, relay)
    relay.start()
    relay.send(f"a@{DOMAIN}")
    relay.restart()
    relay.send(f"b@{DOMAIN}")
    relay.kill()
    relay.write(fleet=LEASE)
    relay.start()
    new_disk(relay)
    opened(mx).wait(2)
    assert got(mx) == [f"a@{DOMAIN}", f"b@{DOMAIN}"]


def test_case_602_a_spool_of_a_fleet_is_not_for_a_relay_without(lab, database):
    relay = keeper(lab, 1, database)
    made(lab, database, relay)
    relay.start().stop()
    relay.write(fleet={"spool": "off"})
    relay.start(ready=False)
    assert relay.process.wait() == 78
    assert "waxwing fleet leave" in relay.wait("alarm", what="start")["text"]


def test_case_603_a_disk_that_was_away_too_long_counts_no_more(lab, database):
    mx = waiting(lab)
    relay = begun(lab, database)
    relay.send(f"a@{DOMAIN}")
    relay.kill()
    os.rename(relay.path("spool"), relay.path("old"))
    relay.start()  # a new disk
    opened(mx).wait()
    relay.wait("delivered")
    relay.stop()
    shutil.rmtree(relay.path("spool"))
    os.rename(relay.path("old"), relay.path("spool"))
    relay.start()
    assert "is put aside" in relay.wait("alarm", what="fleet")["text"]
    assert not relay.json("queue", "list") and len(mx.messages) == 1
    assert any(name.endswith(".log") for name in os.listdir(relay.path("spool/taken")))
    relay.send(f"b@{DOMAIN}")
    mx.wait(2)


def test_case_604_who_has_no_lease_any_more_ends(lab, database):
    waiting(lab)
    relay = begun(lab, database)
    relay.send(f"a@{DOMAIN}")
    client = relay.client(login=False)
    database.fleet("UPDATE waxwing.lease SET epoch = epoch + 1")
    assert relay.process.wait() == 75
    with pytest.raises(ConnectionResetError):  # so that nothing goes out behind it
        client.sock.recv(1)
    assert "is another's" in relay.wait("alarm", what="fleet")["text"]
    relay.start()
    held = database.session()  # so that it is not quick enough to renew it after all
    held("BEGIN; LOCK TABLE waxwing.lease IN ACCESS EXCLUSIVE MODE")
    relay.process.send(signal.SIGSTOP)
    passed(LASTS + 0.5)  # by the clock that counts
    relay.process.send(signal.SIGCONT)
    assert relay.process.wait() == 75
    held("COMMIT")
    assert any("could not tell" in a["text"] for a in relay.events("alarm", run=2, what="fleet")), relay.told()
    relay.start()
    holds(relay, 1)


def test_case_605_without_the_database_nothing_is_taken_and_the_node_ends(lab, database):
    waiting(lab)
    relay = begun(lab, database)
    relay.send(f"a@{DOMAIN}")
    client = relay.client()
    database.kill()
    client.envelope("app@example.org", [f"b@{DOMAIN}"])
    try:
        assert client.data(letter()).code == 451
    except (Closed, OSError, EOFError):
        pass
    assert relay.process.wait() == 75
    database.start()
    relay.start()
    until(lambda: len(relay.json("queue", "list")) in (1, 2), relay.told)


def mirrored(lab, keep):
    """A database, its standby, which is waited for, and a relay that has one message in both."""
    database = Postgres(lab, wal_level="replica", hot_standby="on")
    relay = keep(lab, 1, database)
    made(lab, database, relay)
    standby = Postgres(lab, port=5433, follows=database)
    database.wait_for_standby()
    relay.start()
    relay.send(f"a@{DOMAIN}")
    return database, standby, relay


def under_way(relay):
    """A client whose message to b was sent and has no answer."""
    client = relay.client()
    client.envelope("app@example.org", [f"b@{DOMAIN}"])
    assert client.cmd("DATA").code == 354
    client.send(letter() + b".\r\n")
    return client


def test_case_606_a_commit_whose_wait_is_cut_short_is_looked_for(lab):
    mx = waiting(lab)
    database, standby, relay = mirrored(lab, keeper)
    until(lambda: database.fleet("SELECT 1 FROM waxwing.segment WHERE number < 0"), "nothing else to be written")
    standby.kill()
    client = under_way(relay)
    cut = until(lambda: database.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                                     " AND query LIKE '%journal_put%'"), "the wait")
    assert cut
    until(lambda: database.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%journal_open%'"), "the next one")
    standby.start()
    assert client.reply().code == 250
    new_disk(relay)
    opened(mx).wait(2)
    assert got(mx) == [f"a@{DOMAIN}", f"b@{DOMAIN}"]


def test_case_607_leaving_a_fleet_leaves_the_mail_on_this_disk(lab, database):
    mx = waiting(lab)
    relay = begun(lab, database)
    relay.send(f"a@{DOMAIN}")
    assert relay.ctl("fleet", "leave").returncode == 75  # it runs
    relay.stop()
    assert "on this disk alone" in relay.ask("fleet", "leave")
    assert logs(database) == (0, 0)
    relay.write(fleet={"spool": "off"})
    relay.start()
    opened(mx).wait()
    relay.stop()
    assert "has no journal" in relay.ask("fleet", "leave")


def is_refused(relay):
    """The copy of its spool, which is older than the journal."""
    throw_away(relay)
    os.rename(relay.path("copy"), relay.path("spool"))
    relay.start(ready=False)
    assert relay.process.wait() == 78
    assert "older than its journal" in relay.wait("alarm", what="start")["text"]


def test_case_608_a_copy_that_is_older_than_its_journal_is_refused(lab, database):
    waiting(lab)
    relay = begun(lab, database)
    relay.send(f"a@{DOMAIN}")
    relay.stop()
    shutil.copytree(relay.path("spool"), relay.path("copy"))
    relay.start()
    for n in range(3):
        relay.send(f"b{n}@{DOMAIN}")
    relay.stop()
    is_refused(relay)
    os.rename(relay.path("spool"), relay.path("away"))
    relay.start()
    holds(relay, 4)


def test_case_609_five_kills_with_the_disk_thrown_away(lab, database):
    mx = lab.mx(HOST, domains=DOMAIN)
    relay = keeper(lab, 1, database, limits={"per_client": 100})
    made(lab, database, relay)
    senders = [Sender(relay, n, n) for n in range(4)]
    for sender in senders:
        sender.start()
    for _ in range(5):
        relay.start()
        before = sum(len(s.accepted) for s in senders)
        until(lambda b=before: sum(len(s.accepted) for s in senders) >= b + 30, relay.told, 120)
        relay.kill()
        throw_away(relay)
    for sender in senders:
        sender.done.set()
    for sender in senders:
        sender.join()
    relay.start()
    all_arrive(mx, senders, relay)
    until(lambda: not relay.json("queue", "list"), "an empty queue")
    twice = len(got(mx)) - len(set(got(mx)))
    print(f"{len(accepted(senders))} accepted, {twice} of {len(got(mx))} arrived again")


def journal_is_ready(relay):
    """A node that a full database has just refused says until its next try that it has lost it: exit 75."""
    said = relay.ctl("fleet", "status", "--json")
    return said.returncode == 0 and json.loads(said.stdout)["journal"]["ready"]


def test_case_610_a_full_database_takes_nothing_and_loses_nothing(lab):
    mx = waiting(lab)
    database = Postgres(lab, small=True)
    relay = begun(lab, database, lease="10s")
    relay.send(f"a@{DOMAIN}")
    database.fill()
    refused = []
    for n in range(40):
        client = relay.client()
        client.envelope("app@example.org", [f"b{n}@{DOMAIN}"])
        if client.data(letter(body=b"z" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 3000)).code != 250:
            refused.append(n)
            break
    assert refused
    database.empty()
    until(lambda: journal_is_ready(relay), relay.told)
    relay.send(f"c@{DOMAIN}")
    new_disk(relay)
    opened(mx).wait(2 + refused[0])
    until(lambda: not relay.json("queue", "list"), "an empty queue")
    assert got(mx) == sorted([f"a@{DOMAIN}", f"c@{DOMAIN}"] + [f"b{n}@{DOMAIN}" for n in range(refused[0])])


def two(lab, database, **more):
    return begun(lab, database, **more), keeper(lab, 2, database, **more).start()


def test_case_611_a_node_that_died_is_taken_over(lab, database):
    mx = waiting(lab)
    one, other = two(lab, database)
    for n in range(3):
        one.send(f"a{n}@{DOMAIN}")
    one.send(f"large@{DOMAIN}", letter(body=(b"y" * 70 + b"\r\n") * 20000))
    other.send(f"b@{DOMAIN}")
    one.kill()
    assert "node-1 does not live any more" in other.wait("alarm", what="fleet")["text"]
    holds(other, 5)
    until(lambda: logs(database)[1] == 1, other.told)
    new_disk(other)  # and is there after a restart, and on a new disk
    opened(mx).wait(5)
    assert got(mx) == [f"a0@{DOMAIN}", f"a1@{DOMAIN}", f"a2@{DOMAIN}", f"b@{DOMAIN}", f"large@{DOMAIN}"]
    one.start()
    assert "is put aside" in one.wait("alarm", what="fleet")["text"]
    assert not one.json("queue", "list")
    one.send(f"c@{DOMAIN}")
    mx.wait(6)


def test_case_612_a_node_that_was_stopped_is_left_alone_until_it_is_asked_for(lab, database):
    mx = waiting(lab)
    one, other = two(lab, database)
    one.send(f"a@{DOMAIN}")
    # It is refused always; as alive once the other has looked who has mail there.
    until(lambda: (done := other.ctl("fleet", "adopt", "node-1")).returncode == 1 and "lives" in done.stderr, other.told)
    assert other.ctl("fleet", "adopt", "node-9").returncode == 1
    one.stop()
    passed(2 * LASTS)
    assert not other.json("queue", "list")
    until(lambda: other.ctl("fleet", "adopt", "node-1").returncode == 0, other.told)
    holds(other, 1)
    opened(mx).wait()
    one.start()
    assert not one.json("queue", "list") and len(mx.messages) == 1


def test_case_613_a_node_that_stood_still_too_long_delivers_nothing_of_what_was_taken(lab, database):
    mx = waiting(lab)
    one, other = two(lab, database)
    for n in range(3):
        one.send(f"a{n}@{DOMAIN}")
    one.process.send(signal.SIGSTOP)
    holds(other, 3)
    opened(mx).wait(3)
    one.process.send(signal.SIGCONT)
    assert one.process.wait() == 75
    one.start()
    assert not one.json("queue", "list")
    assert got(mx) == [f"a{n}@{DOMAIN}" for n in range(3)]


def test_case_614_of_many_who_claim_one_wins(lab, database):
    mx = waiting(lab)
    relays = [keeper(lab, n, database) for n in range(1, 5)]
    made(lab, database, relays[0])
    for relay in relays:
        relay.start()
    for n in range(3):
        relays[0].send(f"a{n}@{DOMAIN}")
    relays[0].kill()
    until(lambda: sum(len(r.json("queue", "list")) for r in relays[1:]) == 3, relays[1].told)
    assert sum(len(r.events("alarm", what="fleet")) for r in relays[1:]) == 1
    opened(mx).wait(3)
    until(lambda: not any(r.json("queue", "list") for r in relays[1:]), "empty queues")
    assert got(mx) == [f"a{n}@{DOMAIN}" for n in range(3)]


def accepted(senders):
    return {f"{name}@{DOMAIN}" for s in senders for name in list(s.accepted)}


def all_arrive(mx, senders, relay):
    """What got 250, and nothing that was not sent."""
    until(lambda: accepted(senders) <= set(got(mx)), lambda: f"missing: {sorted(accepted(senders) - set(got(mx)))[:10]}; " + relay.told(), 120)
    assert set(got(mx)) <= {f"{name}@{DOMAIN}" for s in senders for name in s.tried}


def test_case_615_a_connection_lost_in_any_commit_keeps_each_250(lab, database):
    mx = lab.mx(HOST, domains=DOMAIN)
    relay = begun(lab, database, lease="30s", limits={"per_client": 100})
    senders = [Sender(relay, n, n) for n in range(4)]
    for sender in senders:
        sender.start()
    cut = 0
    while cut < 20:
        before = len(accepted(senders))
        cut += database.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%journal_put%'"
                            " AND pid <> pg_backend_pid()") != [["0"]]
        until(lambda b=before: len(accepted(senders)) > b, relay.told, 120)
    for sender in senders:
        sender.done.set()
    for sender in senders:
        sender.join()
    new_disk(relay)
    all_arrive(mx, senders, relay)
    print(f"{len(accepted(senders))} accepted, {len(got(mx))} arrived")


def test_case_616_a_server_that_was_passed_over_is_not_written_to(lab):
    mx = waiting(lab)
    first = Postgres(lab, wal_level="replica", hot_standby="on")
    role = first.uri.split("@")[0]
    relay = node(
        lab, 1, uri=f"{role}@127.0.0.1:5432,127.0.0.1:5433/waxwing", fleet=LEASE, delivery={"retry": ["1s"]})
    relay.ask("fleet", "init", "--database", first.owner)
    second = Postgres(lab, port=5433, follows=first)
    first.wait_for_standby()
    relay.start()
    relay.send(f"a@{DOMAIN}")
    assert relay.json("fleet", "status")["journal"]["standby"]
    first.kill()
    second.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
    second.promote()
    before = second.fleet("SELECT count FROM waxwing.renewal")
    until(lambda: not relay.process.alive() or second.fleet("SELECT count FROM waxwing.renewal") != before, relay.told)
    if not relay.process.alive():  # its lease was over before it found the other
        assert relay.process.wait() == 75
        relay.start()
    relay.send(f"b@{DOMAIN}")
    relay.kill()
    second.stop()
    first.start()  # and takes what anybody writes to it
    relay.start(ready=False)
    until(lambda: [a for a in relay.events("alarm", run=relay.runs) if "was passed over" in a["text"]], relay.told)
    second.start()
    opened(mx).wait(2)
    assert got(mx) == [f"a@{DOMAIN}", f"b@{DOMAIN}"]
    relay.stop()


def test_case_617_a_claimant_that_dies_in_the_middle_begins_again(lab, database):
    mx = waiting(lab)
    one, other = two(lab, database)
    third = keeper(lab, 3, database).start()
    for n in range(200):
        one.send(f"a{n}@{DOMAIN}")
    one.kill()
    winner = until(lambda: next((r for r in (other, third) if r.events("alarm", what="fleet")), None), "a claim")
    until(lambda: database.fleet("SELECT count(*) FROM waxwing.moved") != [["0"]] or winner.events("fleet", text="200 messages were taken over"),
          "it to begin")
    winner.kill()
    rest = other if winner is third else third
    until(lambda: len(rest.json("queue", "list")) == 200, rest.told, 120)
    winner.start()
    opened(mx).wait(200)
    until(lambda: not rest.json("queue", "list") and not winner.json("queue", "list"), "empty queues", 120)
    assert got(mx) == sorted(f"a{n}@{DOMAIN}" for n in range(200))


def test_case_618_a_node_that_the_database_does_not_answer_is_taken_over(lab, database):
    mx = lab.mx(HOST, domains=DOMAIN)
    one, other = two(lab, database, limits={"per_client": 100})
    senders = [Sender(one, n, n) for n in range(3)]
    for sender in senders:
        sender.start()
    until(lambda: len(accepted(senders)) > 50, one.told)
    # The server answers this node alone no more: its sessions stand still.
    backends = database.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'waxwing node-1'")
    for (pid,) in backends:
        os.kill(int(pid), signal.SIGSTOP)
    assert one.process.wait() == 75
    for sender in senders:
        sender.done.set()
    for sender in senders:
        sender.join()
    for (pid,) in backends:
        os.kill(int(pid), signal.SIGCONT)
    other.wait("alarm", what="fleet")
    until(lambda: not other.json("queue", "list") and other.events("fleet", run=1), other.told)
    all_arrive(mx, senders, other)
    one.start()
    assert not one.json("queue", "list")
    print(f"{len(accepted(senders))} accepted, {len(got(mx)) - len(set(got(mx)))} twice")


def test_case_620_a_node_cut_off_from_the_database_ends_and_comes_back_when_it_heals(lab):
    mx = lab.mx(HOST, domains=DOMAIN)
    ways = [lab.address(f"db{n}.test") for n in (1, 2)]  # each node's own way to the same server
    for n, address in enumerate(ways):
        lab.names.set(f"db{n + 1}.test", "A", address)
    database = Postgres(lab, address="0.0.0.0", certificate=lab.ca.leaf("db1.test", "db2.test"))
    one, other = [node(lab, n, uri=f"postgresql://waxwing@db{n}.test/waxwing", fleet=LEASE, delivery={"retry": ["1s"]}) for n in (1, 2)]
    made(lab, database, one)
    one.start(), other.start()
    way = Cut(lab, ["route", "blackhole", ways[0], "table", "local"])
    senders = [Sender(one, n, n) for n in range(3)]
    for sender in senders:
        sender.start()
    for _ in range(3):
        before = len(accepted(senders))
        until(lambda b=before: len(accepted(senders)) > b + 20, one.told, 120)
        way.cut()
        assert one.process.wait() == 75
        until(lambda: database.fleet("SELECT holder FROM waxwing.lease WHERE node = 1") == [[""]], other.told)
        way.heal()
        one.start()
    for sender in senders:
        sender.done.set()
    for sender in senders:
        sender.join()
    until(lambda: not one.json("queue", "list") and not other.json("queue", "list"), "empty queues", 120)
    all_arrive(mx, senders, other)
    print(f"{len(accepted(senders))} accepted, {len(got(mx)) - len(set(got(mx)))} again")


def test_case_621_a_delivery_is_not_to_blame_for_the_end_of_a_lease(lab, database):
    mx = lab.mx(HOST, domains=DOMAIN)
    relay = keeper(lab, 1, database)
    made(lab, database, relay)
    mx.on("dot", HANG)
    relay.start()
    relay.send(f"a@{DOMAIN}")
    for run in range(3):  # as often as a delivery may end a relay before it is held
        until(lambda r=run: len(mx.seen) > r, relay.told)
        database.fleet("UPDATE waxwing.lease SET epoch = epoch + 1")
        assert relay.process.wait() == 75
        relay.start()
    mx.always.pop("dot")
    relay.wait("delivered")


def taken(relay):
    """How many messages it took over, as it says itself."""
    return sum(int(e["text"].split()[0]) for e in relay.events("fleet") if e["text"].endswith("messages were taken over"))


def test_what_cannot_be_read_stays_in_the_journal_until_it_can(lab, database):
    mx = waiting(lab)
    one, other = two(lab, database)
    for name in "abc":
        one.send(f"{name}@{DOMAIN}", letter(body=b"of " + name.encode() + b"\r\n"))
    segment = database.fleet("SELECT s.id FROM waxwing.segment AS s JOIN waxwing.log AS l ON l.name = s.log WHERE number > 0 AND l.node = 1")[0][0]
    one.kill()
    row = f"UPDATE waxwing.journal_{segment} SET bytes = %s WHERE position('of a'::bytea IN bytes) > 0"
    database.fleet(f"CREATE TABLE whole AS SELECT at, bytes FROM waxwing.journal_{segment}")
    database.fleet(row % "overlay(bytes PLACING 'OF A'::bytea FROM position('of a'::bytea IN bytes))")
    until(lambda: taken(other) == 2, other.told)
    assert any("cannot be read or stored, and stays where it is" in a["text"] for a in other.events("alarm", what="fleet"))
    for _ in range(2):  # no start forgets it
        other.restart()
        holds(other, 2)
        assert logs(database)[1] == 2
    database.fleet(f"UPDATE waxwing.journal_{segment} AS j SET bytes = w.bytes FROM whole AS w WHERE w.at = j.at")
    other.restart()
    holds(other, 3)
    assert logs(database)[1] == 1
    opened(mx).wait(3)
    assert got(mx) == [f"{name}@{DOMAIN}" for name in "abc"]


def test_what_a_takeover_stored_before_it_failed_is_delivered_when_it_goes_on(lab, database):
    mx = waiting(lab)
    one, other = two(lab, database)
    for n in range(3):
        one.send(f"a{n}@{DOMAIN}")
    database.fleet("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'not now'; END$$;"
                   "CREATE TRIGGER no BEFORE INSERT ON waxwing.moved FOR EACH ROW EXECUTE FUNCTION no()")
    one.kill()
    until(lambda: any("not now" in a["text"] for a in other.events("alarm", what="fleet")), other.told)
    database.fleet("DROP TRIGGER no ON waxwing.moved")
    until(lambda: len(other.json("queue", "list")) == 3 and taken(other) == 3, other.told)
    opened(mx).wait(3)
    assert got(mx) == [f"a{n}@{DOMAIN}" for n in range(3)]


def test_case_691_who_takes_over_from_a_node_that_was_taking_over_delivers_nothing_twice(lab, database):
    mx = waiting(lab)
    one, other = two(lab, database)
    third = keeper(lab, 3, database).start()
    for n in range(3):
        one.send(f"a{n}@{DOMAIN}")
    database.fleet("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'not now'; END$$;"
                   "CREATE TRIGGER no BEFORE INSERT ON waxwing.moved FOR EACH ROW EXECUTE FUNCTION no()")
    one.kill()
    winner = until(lambda: next((r for r in (other, third) if any("not now" in a["text"] for a in r.events("alarm", what="fleet"))), None), "a claim")
    rest = other if winner is third else third
    winner.kill()  # what it stored is in two logs
    table = "waxwing.journal_" + database.fleet("SELECT s.id FROM waxwing.segment AS s JOIN waxwing.log AS l ON l.name = s.log"
                                                f" WHERE number > 0 AND l.node = {int(winner.config['fleet']['name'][-1])} ORDER BY s.log DESC, s.number")[0][0]
    database.fleet(f"ALTER TABLE {table} RENAME TO away; DROP TRIGGER no ON waxwing.moved")  # of the second log
    opened(mx)
    until(lambda: any("not all here yet" in a["text"] for a in rest.events("alarm", what="fleet")), rest.told)
    database.fleet(f"ALTER TABLE waxwing.away RENAME TO {table.split('.')[1]}")
    until(lambda: database.fleet("SELECT count(*) FROM waxwing.log") == [["1"]], rest.told)
    until(lambda: not rest.json("queue", "list"), rest.told)
    assert got(mx) == [f"a{n}@{DOMAIN}" for n in range(3)]


def test_a_claim_whose_end_was_not_heard_of_is_gone_on_with(lab):
    mx = waiting(lab)
    database = Postgres(lab, wal_level="replica", hot_standby="on")
    one, other = two(lab, database)
    standby = Postgres(lab, port=5433, follows=database)
    database.wait_for_standby()
    one.send(f"a@{DOMAIN}")
    until(lambda: len(database.fleet("SELECT 1 FROM waxwing.segment WHERE number < 0")) == 2, "nothing else to be written")
    standby.kill()
    one.kill()
    until(lambda: database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                               " AND query LIKE '%lease_claim%'"), "the claim's commit")
    standby.start()
    holds(other, 1)
    opened(mx).wait()


def test_who_came_back_after_it_was_asked_for_is_asked_for_no_more(lab, database):
    waiting(lab)
    one, other = two(lab, database, lease="8s")
    one.send(f"a@{DOMAIN}")
    one.stop()
    # The node comes and goes between the question and the next look, which waits for the table.
    looked = "SELECT query_start FROM pg_stat_activity WHERE application_name = 'waxwing node-2' AND query LIKE '%LIMIT 255%'"
    held = database.session()
    while True:
        held("BEGIN; LOCK TABLE waxwing.lease IN ACCESS EXCLUSIVE MODE")
        asked = other.ctl("fleet", "adopt", "node-1").returncode
        held(f"UPDATE waxwing.lease SET epoch = epoch + {1 - asked} WHERE node = 1; COMMIT")
        if asked == 0:
            break
        passed(0.5)
    for _ in range(2):
        before = database.sql(looked)
        until(lambda b=before: database.sql(looked) not in (b, []), other.told)
    assert not other.json("queue", "list")
    until(lambda: other.ctl("fleet", "adopt", "node-1").returncode == 0, other.told)
    until(lambda: other.json("queue", "list"), other.told)


def test_a_start_brings_large_bodies_to_what_is_open(lab, database):
    mx = waiting(lab)
    relay = begun(lab, database)
    relay.send(f"a@{DOMAIN}")
    for name in "bc":
        relay.send(f"{name}@{DOMAIN}", letter(body=(name.encode() * 70 + b"\r\n") * 20000))
    bodies = "SELECT name, piece, length(bytes) FROM waxwing.body ORDER BY name, piece"
    pieces = database.fleet(bodies)
    assert len(pieces) == 4
    relay.stop()
    database.fleet("INSERT INTO waxwing.body SELECT log, repeat(d, 32), 0, 'x' FROM waxwing.body, unnest('{0,f}'::text[]) AS d GROUP BY log, d;"
                   f"DELETE FROM waxwing.body WHERE name = '{pieces[0][0]}' AND piece = 0")
    relay.start()
    assert database.fleet(bodies) == pieces
    new_disk(relay)
    opened(mx).wait(3)
    assert got(mx) == [f"{name}@{DOMAIN}" for name in "abc"]
    assert sorted(len(m.body()) for m in mx.messages)[1:] == [72 * 20000] * 2


def test_a_copy_of_a_segment_that_grew_afterwards_is_refused_too(lab, database):
    waiting(lab)
    relay = begun(lab, database)
    relay.send(f"a@{DOMAIN}")
    shutil.copytree(relay.path("spool"), relay.path("copy"))
    for n in range(3):
        relay.send(f"b{n}@{DOMAIN}")
    relay.kill()
    is_refused(relay)
    throw_away(relay)
    relay.start()
    holds(relay, 4)
