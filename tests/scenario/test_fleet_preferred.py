# SPDX-License-Identifier: ISC
"""fleet.spool: preferred - while the database is away, mail goes on on one disk."""
import json
import os
import shutil

import pytest

from tests.lab.machine import unit
from tests.lab.postgres import PASSWORD, Postgres
from tests.lab.relay import letter, write_private
from tests.lab.wait import until
from tests.scenario.test_crash import Sender
from tests.scenario.test_fleet import made
from tests.scenario.test_fleet_spool import DOMAIN, HOST, all_arrive, accepted, got, holds, keeper, logs, mirrored, new_disk, opened, under_way, waiting
from tests.scenario.test_http import PORT, numbers
from tests.scenario.test_trouble import fill, small_disk

PREFERRED = {"spool": "preferred"}


@pytest.fixture
def database(lab):
    return Postgres(lab)


def preferring(lab, n, database, lease="4s", **more):
    relay = keeper(lab, n, database, lease=lease, **more)
    return relay.write(fleet=PREFERRED)


def begun(lab, database, **more):
    relay = preferring(lab, 1, database, **more)
    made(lab, database, relay)
    return relay.start()


def goes_on(relay):
    """It has ended to begin again, as a service manager lets it."""
    assert relay.process.wait() == 75, relay.told()
    return relay.start()


def alone(relay):
    """Its next run has no journal."""
    goes_on(relay)
    assert disk(relay)["alone"], relay.told()
    return relay


def disk(relay):
    """Of what `fleet status` says, which exits with 75 while the database is away."""
    return json.loads(relay.ctl("fleet", "status", "--json").stdout)["one_disk"]


def joined(relay):
    """All of its mail is in the journal."""
    goes_on(relay)
    until(lambda: disk(relay) == {"alone": False, "messages": 0, "frozen": 0}, relay.told)
    return relay


def cut(relay, database):
    """From the database, as long as others have it."""
    write_private(relay.path("fleet.secret"), b"another\n")
    name = relay.config["fleet"]["name"]
    database.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waxwing {name}'")


def mended(relay):
    write_private(relay.path("fleet.secret"), PASSWORD.encode() + b"\n")
    return relay


def shut(mx):
    mx.on("rcpt", "450 4.2.1 later")
    return mx


def test_case_660_without_the_database_mail_goes_on_on_this_disk_alone(lab, database):
    mx = waiting(lab)
    relay = begun(lab, database, http=f"127.0.0.1:{PORT}")
    assert disk(relay) == {"alone": False, "messages": 0, "frozen": 0}
    relay.send(f"a@{DOMAIN}")
    journaled = relay.json("queue", "list")[0]["id"]
    database.kill()
    alone(relay)
    assert "1 messages of the journal are frozen" in next(e["text"] for e in relay.events("alarm", run=2, what="fleet") if "frozen" in e["text"])
    opened(mx)
    relay.send(f"b@{DOMAIN}")
    mx.wait()
    until(lambda: disk(relay) == {"alone": True, "messages": 0, "frozen": 1}, relay.told)
    shut(mx)
    relay.send(f"c@{DOMAIN}")
    relay.send(f"large@{DOMAIN}", letter(body=(b"y" * 70 + b"\r\n") * 20000))
    assert disk(relay) == {"alone": True, "messages": 2, "frozen": 1}
    n = numbers()
    assert n["waxwing_fleet_one_disk"] == 2 and n["waxwing_fleet_frozen"] == 1
    assert "this disk alone, which 2 messages stand on" in relay.ctl("fleet", "status").stdout
    assert relay.ctl("fleet", "adopt", "node-2").returncode == 1
    for asked in (["show", journaled], ["list"], ["remove", journaled]):
        assert "1 message is frozen until" in relay.ctl("queue", *asked).stderr, asked
    holds(relay, 2)
    assert got(mx) == [f"b@{DOMAIN}"]
    database.start()
    joined(relay)
    assert sorted(os.listdir(relay.path("spool"))).count("alone") == 0
    holds(relay, 3)
    assert "no message stands on this disk alone" in relay.ask("fleet", "status")
    new_disk(relay)  # what stood on one disk is in the journal, too
    opened(mx).wait(4)
    until(lambda: not relay.json("queue", "list"), relay.told)
    assert got(mx) == [f"a@{DOMAIN}", f"b@{DOMAIN}", f"c@{DOMAIN}", f"large@{DOMAIN}"]


def test_case_661_what_was_taken_over_meanwhile_is_delivered_there_and_the_rest_here(lab, database):
    mx = waiting(lab)
    one = begun(lab, database, lease="1s")
    other = preferring(lab, 2, database).start()
    one.send(f"a@{DOMAIN}")
    cut(one, database)
    alone(one)
    assert "node-1 does not live any more" in other.wait("alarm", what="fleet")["text"]
    one.send(f"b@{DOMAIN}")
    holds(other, 1)
    opened(mx).wait(2)  # either has one
    shut(mx)
    one.send(f"c@{DOMAIN}")
    joined(mended(one))
    assert "is put aside" in one.wait("alarm", run=3, what="fleet")["text"]
    holds(one, 1)
    opened(mx).wait(3)
    until(lambda: not one.json("queue", "list") and not other.json("queue", "list"), one.told)
    assert got(mx) == [f"a@{DOMAIN}", f"b@{DOMAIN}", f"c@{DOMAIN}"]


def test_case_662_a_kill_in_any_phase_keeps_all_and_doubles_nothing(lab, database):
    mx = waiting(lab)
    relay = begun(lab, database)
    relay.send(f"a@{DOMAIN}")
    relay.kill()
    database.kill()
    relay.start()  # with the database away from the start
    assert disk(relay) == {"alone": True, "messages": 0, "frozen": 1}
    for n in range(5):
        relay.send(f"b{n}@{DOMAIN}")
    relay.kill()
    relay.start()
    assert disk(relay) == {"alone": True, "messages": 5, "frozen": 1}
    shutil.copytree(relay.path("spool/alone"), relay.path("copy"))
    database.start()
    joined(relay)
    holds(relay, 6)
    relay.kill()
    os.rename(relay.path("copy"), relay.path("spool/joining"))  # as a kill leaves it, before anything was noted there
    database.kill()
    relay.start()
    assert disk(relay) == {"alone": True, "messages": 0, "frozen": 6}  # where it lies it may be in the journal
    relay.send(f"c@{DOMAIN}")
    database.start()
    opened(mx)
    joined(relay)
    mx.wait(7)
    until(lambda: not relay.json("queue", "list"), relay.told)
    assert not {"alone", "joining", "joined"} & set(os.listdir(relay.path("spool")))
    relay.restart()
    assert got(mx) == sorted([f"a@{DOMAIN}", f"c@{DOMAIN}"] + [f"b{n}@{DOMAIN}" for n in range(5)])


def test_case_663_mail_on_one_disk_is_not_left_behind(lab, database):
    mx = waiting(lab)
    relay = begun(lab, database)
    database.kill()
    alone(relay).send(f"a@{DOMAIN}")
    relay.stop()
    said = relay.ctl("fleet", "leave")
    assert said.returncode == 78 and "stands on this disk alone" in said.stderr
    relay.write(fleet={"spool": "off"})
    relay.start(ready=False)
    assert relay.process.wait() == 78
    database.start()
    relay.write(fleet={"spool": "required"})
    relay.start()
    opened(mx).wait()
    until(lambda: logs(database)[0] >= 2, relay.told)
    relay.stop()
    assert "on this disk alone" in relay.ask("fleet", "leave")


def test_case_664_a_standby_that_does_not_answer_is_not_waited_for_long(lab):
    mx = waiting(lab)
    _, standby, relay = mirrored(lab, preferring)
    standby.kill()
    with under_way(relay):  # is neither taken nor refused
        alone(relay)
    opened(mx)
    relay.send(f"c@{DOMAIN}")
    mx.wait()
    standby.start()
    joined(relay)
    mx.wait(2)
    until(lambda: not relay.json("queue", "list"), relay.told)
    assert set(got(mx)) >= {f"a@{DOMAIN}", f"c@{DOMAIN}"} and len(got(mx)) == len(set(got(mx)))


def test_case_666_a_kill_in_the_middle_of_the_way_into_the_journal_doubles_nothing(lab, database):
    mx = waiting(lab)
    relay = begun(lab, database, http=f"127.0.0.1:{PORT}")
    database.kill()
    alone(relay)
    client = relay.client()
    names = [f"a{n}@{DOMAIN}" for n in range(64)]  # as many as go together
    for name in names:
        client.envelope("app@example.org", [name])
        assert client.data(letter()).code == 250
    relay.send(f"large@{DOMAIN}", letter(body=(b"y" * 70 + b"\r\n") * 20000))
    database.start()
    database.fleet("ALTER TABLE waxwing.body ADD CONSTRAINT none CHECK (false)")
    goes_on(relay)
    opened(mx).wait(64)
    until(lambda: disk(relay) == {"alone": False, "messages": 1, "frozen": 0}, relay.told)
    assert "1 messages stand on this disk alone" in relay.ask("fleet", "status")
    assert numbers()["waxwing_fleet_one_disk"] == 1
    assert "not all in the journal yet" in next(e["text"] for e in relay.events("alarm", run=3, what="fleet") if "alone" in e["text"])
    until(lambda: not relay.json("queue", "list"), relay.told)
    relay.kill()
    database.fleet("ALTER TABLE waxwing.body DROP CONSTRAINT none")
    relay.start()
    mx.wait(65)
    until(lambda: disk(relay) == {"alone": False, "messages": 0, "frozen": 0}, relay.told)
    relay.restart()
    assert got(mx) == sorted([*names, f"large@{DOMAIN}"])


def test_case_665_the_database_comes_and_goes_under_load(lab, database):
    mx = lab.mx(HOST, domains=DOMAIN)
    relay = begun(lab, database, limits={"per_client": 100})
    senders = [Sender(relay, n, n) for n in range(3)]
    for sender in senders:
        sender.start()

    def taken(n):
        before = len(accepted(senders))
        until(lambda: len(accepted(senders)) >= before + n or not relay.process.alive(), relay.told, 120)

    for _ in range(3):
        taken(20)
        database.kill()
        alone(relay)
        taken(20)
        relay.kill()
        relay.start()
        taken(20)
        database.start()
        goes_on(relay)
        taken(20)
        relay.kill()
        relay.start()
    for sender in senders:
        sender.done.set()
    for sender in senders:
        sender.join()
    all_arrive(mx, senders, relay)
    until(lambda: not relay.json("queue", "list"), "an empty queue")
    twice = len(got(mx)) - len(set(got(mx)))
    print(f"{len(accepted(senders))} accepted, {twice} of {len(got(mx))} arrived again")


def test_case_690_a_disk_that_is_full_on_the_way_into_the_journal_leaves_nothing_behind(lab, database):
    mx = waiting(lab)
    relay = preferring(lab, 1, database, limits={"disk_reserve": "0"})
    small_disk(relay, "spool", "100m")
    made(lab, database, relay)
    relay.start()
    database.kill()
    alone(relay)
    relay.send(f"large@{DOMAIN}", letter(body=(b"y" * 70 + b"\r\n") * 20000))
    database.start()
    assert relay.process.wait() == 75, relay.told()
    opened(mx)
    filler = fill(relay, "spool")
    os.truncate(filler, os.path.getsize(filler) - 1000000)  # too little for a large message
    relay.start()
    until(lambda: any("cannot be read or stored, and stays where it is" in a["text"] for a in relay.events("alarm", run=3, what="fleet")), relay.told)
    os.unlink(filler)
    mx.wait()
    until(lambda: not {"alone", "joining", "joined"} & set(os.listdir(relay.path("spool"))), relay.told)
    assert got(mx) == [f"large@{DOMAIN}"]
    assert not [name for name in os.listdir(relay.path("spool")) if name.startswith("left-")]


def test_case_692_a_folder_that_is_not_the_relays_does_not_stand_in_the_way_of_later_mail(lab, database):
    mx = lab.mx(HOST, domains=DOMAIN)
    relay = begun(lab, database)
    for n in range(3):
        database.kill()
        alone(relay).send(f"a{n}@{DOMAIN}")
        os.makedirs(relay.path("spool/alone/somebodys"), exist_ok=True)
        database.start()
        joined(relay)
        until(lambda: not {"alone", "joining", "joined"} & set(os.listdir(relay.path("spool"))), relay.told)
        mx.wait(n + 1)
    assert len([name for name in os.listdir(relay.path("spool")) if name.startswith("left-")]) == 3
    assert "that is not mail" in relay.wait("alarm", what="fleet", run=3)["text"]


def test_case_693_a_new_disk_while_the_database_is_away_has_the_mail_of_the_old_one_when_it_is_back(lab, database):
    mx = waiting(lab)
    relay = begun(lab, database)
    relay.send(f"a@{DOMAIN}")
    relay.kill()
    shutil.rmtree(relay.path("spool"))
    database.kill()
    relay.start()
    assert disk(relay) == {"alone": True, "messages": 0, "frozen": 0}
    relay.send(f"b@{DOMAIN}")
    database.start()
    joined(relay)
    opened(mx).wait(2)
    until(lambda: not relay.json("queue", "list"), relay.told)
    assert got(mx) == [f"a@{DOMAIN}", f"b@{DOMAIN}"]


def test_case_694_systemd_does_not_give_up_a_relay_whose_database_comes_and_goes():
    pause, starts, seconds = (int(unit(section)[key]) for section, key in
                              (("Service", "RestartSec"), ("Unit", "StartLimitBurst"), ("Unit", "StartLimitIntervalSec")))
    assert starts * (pause + 5 + 1) > seconds
    assert starts * (pause + 1) < seconds  # but one that falls at once
