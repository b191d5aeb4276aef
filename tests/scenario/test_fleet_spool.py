# SPDX-License-Identifier: ISC
"""fleet.spool: required - a 250 that survives the machine that said it."""
import os
import shutil
import signal
import time

import pytest

from tests.lab.client import Closed
from tests.lab.postgres import Postgres
from tests.lab.relay import letter
from tests.lab.wait import until
from tests.scenario.test_crash import Sender
from tests.scenario.test_fleet import made, node

DOMAIN, HOST = "dest.test", "mx.dest.test"
LEASE = {"spool": "required", "lease": "1s"}


@pytest.fixture
def database(lab):
    return Postgres(lab)


def keeper(lab, n, database, lease="1s", **more):
    """Relay number n, whose mail the database has, too."""
    return node(lab, n, database=database, fleet={**LEASE, "lease": lease}, **{"delivery": {"retry": ["1s"]}, **more})


def logs(database):
    """How many rows the journal has, and how many logs."""
    tables = database.fleet("SELECT id FROM waxwing.segment WHERE number > 0")
    rows = sum(int(database.fleet(f"SELECT count(*) FROM waxwing.journal_{i[0]}")[0][0]) for i in tables)
    return rows, int(database.fleet("SELECT count(*) FROM waxwing.log")[0][0])


def throw_away(relay):
    """Its disk: what the spool had, all of it."""
    shutil.rmtree(relay.path("spool"))


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


def got(mx):
    return sorted(address for m in mx.messages for address in m.to())


def test_case_600_what_a_disk_had_comes_back_from_the_journal(lab, database):
    mx = waiting(lab)
    relay = keeper(lab, 1, database)
    made(lab, database, relay)
    relay.start()
    for n in range(3):
        relay.send(f"a{n}@{DOMAIN}")
    relay.send(f"large@{DOMAIN}", letter(body=(b"y" * 70 + b"\r\n") * 20000))
    assert logs(database)[0] >= 4
    relay.kill()
    throw_away(relay)
    relay.start()
    assert len(relay.json("queue", "list")) == 4
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
    relay.kill()
    throw_away(relay)
    relay.start()
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
    relay = keeper(lab, 1, database)
    made(lab, database, relay)
    relay.start()
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
    relay = keeper(lab, 1, database)
    made(lab, database, relay)
    relay.start()
    relay.send(f"a@{DOMAIN}")
    database.fleet("UPDATE waxwing.lease SET epoch = epoch + 1")
    assert relay.process.wait() == 75
    assert "is another's" in relay.wait("alarm", what="fleet")["text"]
    relay.start()
    relay.process.send(signal.SIGSTOP)
    passed(1.5)  # by the clock that counts
    relay.process.send(signal.SIGCONT)
    assert relay.process.wait() == 75
    assert "could not tell" in relay.events("alarm", run=2, what="fleet")[0]["text"]
    relay.start()
    assert len(relay.json("queue", "list")) == 1


def test_case_605_without_the_database_nothing_is_taken_and_the_node_ends(lab, database):
    waiting(lab)
    relay = keeper(lab, 1, database, lease="5s")
    made(lab, database, relay)
    relay.start()
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
    assert len(relay.json("queue", "list")) in (1, 2)


def test_case_606_a_commit_whose_wait_is_cut_short_is_looked_for(lab):
    mx = waiting(lab)
    database = Postgres(lab, wal_level="replica", hot_standby="on")
    relay = keeper(lab, 1, database)
    made(lab, database, relay)
    standby = Postgres(lab, port=5433, follows=database)
    database.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    database.sql("SELECT pg_reload_conf()")
    relay.start()
    relay.send(f"a@{DOMAIN}")
    until(lambda: database.fleet("SELECT 1 FROM waxwing.segment WHERE number < 0"), "nothing else to be written")
    standby.kill()
    client = relay.client()
    client.envelope("app@example.org", [f"b@{DOMAIN}"])
    assert client.cmd("DATA").code == 354
    client.send(letter() + b".\r\n")
    cut = until(lambda: database.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                                     " AND query LIKE '%journal_put%'"), "the wait")
    assert cut
    until(lambda: database.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%journal_open%'"), "the next one")
    standby.start()
    assert client.reply().code == 250
    relay.kill()
    throw_away(relay)
    relay.start()
    opened(mx).wait(2)
    assert got(mx) == [f"a@{DOMAIN}", f"b@{DOMAIN}"]


def test_case_607_leaving_a_fleet_leaves_the_mail_on_this_disk(lab, database):
    mx = waiting(lab)
    relay = keeper(lab, 1, database)
    made(lab, database, relay)
    relay.start()
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


def test_case_608_a_copy_that_is_older_than_its_journal_is_refused(lab, database):
    waiting(lab)
    relay = keeper(lab, 1, database)
    made(lab, database, relay)
    relay.start()
    relay.send(f"a@{DOMAIN}")
    relay.stop()
    shutil.copytree(relay.path("spool"), relay.path("copy"))
    relay.start()
    for n in range(3):
        relay.send(f"b{n}@{DOMAIN}")
    relay.stop()
    throw_away(relay)
    os.rename(relay.path("copy"), relay.path("spool"))
    relay.start(ready=False)
    assert relay.process.wait() == 78
    assert "older than its journal" in relay.wait("alarm", what="start")["text"]
    os.rename(relay.path("spool"), relay.path("away"))
    relay.start()
    assert len(relay.json("queue", "list")) == 4


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
    accepted = {f"{name}@{DOMAIN}" for s in senders for name in s.accepted}
    until(lambda: accepted <= set(got(mx)), lambda: f"missing: {sorted(accepted - set(got(mx)))[:10]}; " + relay.told(), 120)
    tried = {f"{name}@{DOMAIN}" for s in senders for name in s.tried}
    assert set(got(mx)) <= tried
    until(lambda: not relay.json("queue", "list"), "an empty queue")
    twice = len(got(mx)) - len(set(got(mx)))
    print(f"{len(accepted)} accepted, {twice} of {len(got(mx))} arrived again")


def test_case_610_a_full_database_takes_nothing_and_loses_nothing(lab):
    mx = waiting(lab)
    database = Postgres(lab, small=True)
    relay = keeper(lab, 1, database, lease="10s")
    made(lab, database, relay)
    relay.start()
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
    until(lambda: relay.json("fleet", "status")["journal"]["ready"], "the journal")
    relay.send(f"c@{DOMAIN}")
    relay.kill()
    throw_away(relay)
    relay.start()
    opened(mx).wait(2 + refused[0])
    until(lambda: not relay.json("queue", "list"), "an empty queue")
    assert got(mx) == sorted([f"a@{DOMAIN}", f"c@{DOMAIN}"] + [f"b{n}@{DOMAIN}" for n in range(refused[0])])


def two(lab, database, **more):
    one, other = keeper(lab, 1, database, **more), keeper(lab, 2, database, **more)
    made(lab, database, one)
    return one.start(), other.start()


def test_case_611_a_node_that_died_is_taken_over(lab, database):
    mx = waiting(lab)
    one, other = two(lab, database)
    for n in range(3):
        one.send(f"a{n}@{DOMAIN}")
    one.send(f"large@{DOMAIN}", letter(body=(b"y" * 70 + b"\r\n") * 20000))
    other.send(f"b@{DOMAIN}")
    one.kill()
    assert "node-1 does not live any more" in other.wait("alarm", what="fleet")["text"]
    until(lambda: len(other.json("queue", "list")) == 5, other.told)
    assert logs(database)[1] == 1
    other.kill()  # and is there after a restart, and on a new disk
    throw_away(other)
    other.start()
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
    done = other.ctl("fleet", "adopt", "node-1")
    assert done.returncode == 1 and "lives" in done.stderr
    assert other.ctl("fleet", "adopt", "node-9").returncode == 1
    one.stop()
    passed(3)
    assert not other.json("queue", "list")
    until(lambda: other.ctl("fleet", "adopt", "node-1").returncode == 0, other.told)
    until(lambda: len(other.json("queue", "list")) == 1, other.told)
    opened(mx).wait()
    one.start()
    assert not one.json("queue", "list") and len(mx.messages) == 1


def test_case_613_a_node_that_stood_still_too_long_delivers_nothing_of_what_was_taken(lab, database):
    mx = waiting(lab)
    one, other = two(lab, database)
    for n in range(3):
        one.send(f"a{n}@{DOMAIN}")
    one.process.send(signal.SIGSTOP)
    until(lambda: len(other.json("queue", "list")) == 3, other.told)
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
