# SPDX-License-Identifier: ISC
"""A fleet: several relays on one PostgreSQL, which is there, away, another one, or full of nonsense."""
import json
import os

import pytest

from tests.lab.postgres import PASSWORD, Postgres
from tests.lab.relay import write_private
from tests.lab.wait import until
from tests.scenario.test_http import PORT, get, numbers
from tests.scenario.test_pages import page


@pytest.fixture
def database(lab):
    return Postgres(lab)


def node(lab, n=1, uri=None, database=None, fleet=None, **config):
    """Relay number n, which listens on 127.0.0.n."""
    address = f"127.0.0.{n}"
    relay = lab.relay(listen=[{"address": f"{address}:587"}, {"address": f"{address}:465", "tls": "implicit"}],
                      fleet={"database": uri or database.uri, "name": f"node-{n}", "password_file": "fleet.secret",
                             **(fleet or {})}, **config)
    relay.address = address
    write_private(relay.path("fleet.secret"), PASSWORD.encode() + b"\n")
    return relay


def made(lab, database, *relays):
    """The tables, by whoever owns the database."""
    relay = relays[0] if relays else node(lab, 9, database=database)
    return relay.ask("fleet", "init", "--database", database.owner)


def nodes(relay):
    return {row["name"]: row for row in relay.json("fleet", "status")["nodes"]}


def test_two_nodes_join_and_know_each_other(lab, database):
    one = node(lab, 1, database=database, http=f"127.0.0.1:{PORT}")
    two = node(lab, 2, database=database, delivery={"expire": "3d"})
    assert "are made (version" in made(lab, database, one) and "are there" in made(lab, database, one)
    one.start()
    two.start()
    rows = until(lambda: (r := nodes(one)) and len(r) == 2 and r, "both nodes")
    assert [rows[name]["number"] for name in ("node-1", "node-2")] == [1, 2]
    assert rows["node-1"]["self"] and rows["node-1"]["live"] and rows["node-2"]["live"] and not rows["node-1"]["differs"]
    until(lambda: "delivery" in nodes(one)["node-2"]["differs"], "what differs")
    assert "hostname" not in rows["node-2"]["differs"] and "listen" not in rows["node-2"]["differs"]
    text = page("/fleet")[1]
    for words in ("node-1", "node-2", ">lives<", "delivery", "answers", 'href="/fleet"'):
        assert words in text, words
    n = numbers()
    assert n["waxwing_fleet_connected"] == 1 and n['waxwing_fleet_nodes{state="live"}'] == 2
    two.stop()
    assert "differs from this node's in: " in one.ask("fleet", "status")
    told = one.ctl("check", "--dns-file", "/dev/null").stdout
    assert "with 2 nodes" in told and "the node node-2 of the fleet has another configuration: delivery" in told, told
    assert [row["name"] for row in json.loads(two.ask("fleet", "status", "--json"))["nodes"]] == ["node-1", "node-2"]


def test_a_relay_without_a_fleet_has_no_thread_and_no_page_of_one(lab, database):
    alone = lab.relay(http=f"127.0.0.1:{PORT}").start()
    with_fleet = node(lab, 2, database=database)
    made(lab, database, with_fleet)
    with_fleet.start()
    threads = [len(os.listdir(f"/proc/{r.process.pid}/task")) for r in (alone, with_fleet)]
    assert threads[1] == threads[0] + 1
    assert 'href="/fleet"' not in page("/")[1] and "waxwing_fleet" not in get("/metrics")[2]
    assert "this relay is alone" in page("/fleet")[1]
    done = alone.ctl("fleet", "status")
    assert done.returncode == 78 and "no fleet.database" in done.stderr


def test_case_490_a_database_that_goes_and_comes_back_stops_no_mail(lab, database):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = node(lab, 1, database=database, http=f"127.0.0.1:{PORT}")
    made(lab, database, relay)
    relay.start()
    until(lambda: numbers()["waxwing_fleet_connected"], "the database")
    database.kill()
    alarm = relay.wait("alarm", what="fleet")
    assert "mail goes on" in alarm["text"]
    relay.send("a@dest.test")
    relay.wait("delivered")
    done = relay.ctl("fleet", "status")
    assert done.returncode == 75 and "cannot be asked" in done.stdout
    told = relay.ctl("check", "--dns-file", "/dev/null").stdout
    assert "warning  the fleet cannot be asked: " in told and "mail goes on" in told, told
    ready, _, text = get("/readyz")
    assert ready == 200 and "warning: the fleet cannot be asked" in text
    relay.restart()  # it has its number: it needs nobody
    relay.send("b@dest.test")
    relay.wait("delivered", 2)
    database.start()
    until(lambda: numbers()["waxwing_fleet_connected"], "the database again")
    assert nodes(relay)["node-1"]["live"]
    relay.wait("fleet", text=f"node-1 is node 1 of the fleet of 127.0.0.1:{database.port}")


def test_case_491_a_node_without_a_number_waits_for_the_database(lab, database):
    relay = node(lab, 1, database=database)
    relay.start(ready=False)
    assert relay.process.wait() == 78  # there is a database, and no fleet in it
    assert "waxwing fleet init" in relay.wait("alarm", what="start")["text"]
    assert "ERROR    the fleet cannot be asked: " in relay.ctl("check", "--dns-file", "/dev/null").stdout
    made(lab, database, relay)
    database.kill()
    relay.start(ready=False)
    assert relay.process.wait() == 75
    assert "needs the database" in relay.events("alarm", run=2)[-1]["text"]
    database.start()
    relay.start()
    with open(relay.path("state/fleet.node"), encoding="ascii") as f:
        assert f.read().split()[:2] == ["1", "1"]


@pytest.mark.parametrize("version,words", [(99, "newer than"), (0, "no fleet was made")])
def test_case_492_a_schema_of_another_version_is_told_and_mail_goes_on(lab, database, version, words):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = node(lab, 1, database=database)
    made(lab, database, relay)
    relay.start()
    relay.stop()
    if version:
        database.fleet(f"UPDATE waxwing.fleet SET version = {version}")
    else:
        database.fleet("DROP SCHEMA waxwing CASCADE")
    done = relay.ctl("fleet", "status")
    assert done.returncode == 78 and words in done.stderr
    if version:
        done = relay.ctl("fleet", "init", "--database", database.owner)
        assert done.returncode == 78 and words in done.stderr
    relay.start()
    assert words in relay.wait("alarm", what="fleet")["text"]
    relay.send("a@dest.test")
    relay.wait("delivered")
    if not version:
        made(lab, database, relay)
        relay.wait("fleet", 2)


def test_case_493_a_second_relay_of_a_name_is_told(lab, database):
    one, two = node(lab, 1, database=database), node(lab, 2, database=database, fleet={"name": "node-1"})
    made(lab, database, one)
    one.start()
    until(lambda: nodes(one), "the node")
    two.start(ready=False)
    assert two.process.wait() == 75
    assert "another relay calls itself node-1" in two.wait("alarm", what="start")["text"]


def test_case_494_a_server_elsewhere_proves_who_it_is(lab):
    address = lab.address("db.test")
    lab.names.set("db.test", "A", address)
    lab.names.set("other.test", "A", address)
    database = Postgres(lab, address=address, certificate=lab.ca.leaf("db.test"))
    good = node(lab, 1, database.uri.replace(address, "db.test"))
    made(lab, database, good)
    good.start()
    until(lambda: nodes(good), "the node")
    ssl = database.fleet("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'waxwing'")
    assert ssl and all(row == ["t"] for row in ssl)
    bad = node(lab, 2, database.uri.replace(address, "other.test"))
    done = bad.ctl("fleet", "status")
    assert done.returncode == 75 and "does not match host name" in done.stderr
    stranger = node(lab, 3, database.uri.replace(address, "db.test"), fleet={"ca_file": "/etc/ssl/certs/ca-certificates.crt"})
    done = stranger.ctl("fleet", "status")
    assert done.returncode == 75 and "certificate verify failed" in done.stderr
    for uri, words in ((database.uri + "?sslmode=require", "verify-full"),
                       (database.uri.replace("waxwing@", "waxwing:secret@"), "password_file"),
                       (database.uri + "?sslrootcert=/tmp/x", "has no place there")):
        done = node(lab, 4, uri).ctl("fleet", "status")
        assert done.returncode == 78 and words in done.stderr, done.stderr


def test_case_495_the_standby_takes_over_and_the_nodes_follow(lab):
    first = Postgres(lab, wal_level="replica", hot_standby="on")
    relay = node(lab, 1, "postgresql://waxwing@127.0.0.1:5432,127.0.0.1:5433/waxwing", http=f"127.0.0.1:{PORT}")
    made(lab, first, relay)
    second = Postgres(lab, port=5433, follows=first)
    first.wait_for_standby()
    relay.start()
    until(lambda: json.loads(relay.ctl("fleet", "status", "--json").stdout)["synchronous"] == 1, "a standby that is waited for")
    first.kill()
    relay.wait("alarm", what="fleet")
    second.promote()
    relay.wait("fleet", text="node-1 is node 1 of the fleet of 127.0.0.1:5433")
    assert relay.json("fleet", "status")["database"] == "127.0.0.1:5433"
    assert nodes(relay)["node-1"]["number"] == 1 and second.fleet("SELECT name FROM waxwing.node") == [["node-1"]]


def test_case_496_what_stands_in_the_tables_is_read_with_care(lab, database):
    relay = node(lab, 1, database=database, http=f"127.0.0.1:{PORT}")
    made(lab, database, relay)
    relay.start()
    database.fleet("""INSERT INTO waxwing.node(number, name, instance, program, hostname, started, configuration, taken)
                      VALUES(7, E'<i>\\x1b[2J', 'x', E'\\x07<b>', '', -5, '[1, {"a": 2}', -9)""")
    rows = until(lambda: (r := nodes(relay)) and len(r) == 2 and r, "both rows")
    assert "delivery" in rows["<i>\x1b[2J"]["differs"]
    assert "\x1b" not in relay.ask("fleet", "status")
    text = page("/fleet")[1]
    assert "<i>" not in text and "<b>" not in text
    database.fleet("UPDATE waxwing.node SET configuration = repeat('9', 8000)")
    until(lambda: numbers()['waxwing_fleet_nodes{state="live"}'] == 2, "both nodes")
    assert relay.process.alive()
