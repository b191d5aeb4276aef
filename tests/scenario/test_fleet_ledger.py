# SPDX-License-Identifier: ISC
"""One ledger: what several relays counted is reported once, whoever is killed, whatever becomes of the database."""
import collections
import os
import os
import shutil

import pytest

from tests.lab import collector as rpt
from tests.lab.postgres import Postgres
from tests.lab.wait import until
from tests.scenario.test_fleet import database, made, node, nodes  # noqa: F401  (database is a fixture)
from tests.scenario.test_tls_reports import APART, SEND, age, ask, change, days_ago, rows, states

DOMAIN, COLLECTOR = "dest.test", "collect.reports.test"
DAY = 2  # days ago, in all of these


def counted(relay, count, domain=DOMAIN):
    for n in range(count):
        relay.wait("delivered", id=relay.send(f"m{n}@{domain}"))


def shared(relay):
    """All that it has marked is in the fleet's database."""
    until(lambda: rows(relay, "SELECT count(*) FROM count_mark") == [(0,)], lambda: str(relay.json("fleet", "status")))


def summed(relay, count):
    """Sessions of all nodes, as any of them shows them."""
    until(lambda: sum(r["sessions"] for r in relay.json("tls", "summary", "--fleet")) == count,
          lambda: str(relay.json("tls", "summary", "--fleet")))


def long_ago(database, *relays):
    """What the stopped relays counted, and the fleet they were in, were so two days earlier."""
    for relay in relays:
        age(relay, DAY)
        change(relay, f"UPDATE count_book SET since = since - {DAY}", "DELETE FROM count_mark",
               "INSERT INTO count_mark SELECT DISTINCT day, domain, 1 FROM kind")
    database.fleet("DELETE FROM waxwing.ledger")
    database.fleet(f"UPDATE waxwing.book SET since = since - {DAY}, whole = whole - {DAY} - 1")


def fleet(lab, database, counts, domain=DOMAIN, **config):
    """A relay a count, each of which made so many sessions two days ago; stopped, and ready to report."""
    lab.mx("mx." + domain, domains=domain)
    relays = [node(lab, i + 1, database=database, delivery=APART, **config) for i in range(len(counts))]
    made(lab, database, *relays)
    for relay, count in zip(relays, counts):
        relay.start()
        counted(relay, count, domain)
    for relay in relays:
        relay.stop()
        relay.write(tls_report=SEND)
    long_ago(database, *relays)
    return relays


def claims(database):
    """(rua, state, node, number) of each claim."""
    return database.fleet("SELECT rua, state, node, number FROM waxwing.report ORDER BY rua")


def ended(database, count, state="sent"):
    return until(lambda: (c := claims(database)) and len([r for r in c if r[1] == state]) == count and c,
                 lambda: f"{claims(database)}")


def posted(web):
    """The one report that came, however often; its sessions."""
    reports = web.reports()
    assert len({r["report-id"] for r in reports}) == 1, reports
    return rpt.sessions(reports[-1])


@pytest.mark.threads
def test_case_577_one_report_of_all_nodes_counts_what_all_of_them_did(lab, database):
    web, box = lab.collector(COLLECTOR), lab.mx("mx.reports.test", domains="reports.test")
    ask(lab, DOMAIN, f"https://{COLLECTOR}/", "mailto:x@reports.test")
    relays = fleet(lab, database, (2, 3, 4))
    for relay in relays:
        relay.start()
    ended(database, 2)
    until(lambda: all(r["state"] in ("sent", "none") for relay in relays for r in states(relay)) and
          all(len(states(relay)) == 2 for relay in relays), lambda: str([states(r) for r in relays]))
    assert len(web.posts) == 1 and len(box.messages) == 1
    assert posted(web) == (9, 0)
    mailed = rpt.Mailed(box.messages[0].data)
    assert mailed.report == web.reports()[0] and mailed.report["report-id"] == f"{days_ago(DAY)}.{DOMAIN}@relay.example.org"
    everything = [r for relay in relays for r in states(relay)]
    assert collections.Counter(r["state"] for r in everything) == {"sent": 2, "none": 4}
    assert all("has sent it" in r["answer"] for r in everything if r["state"] == "none"), everything
    # What is shown is what was sent, asked anywhere.
    for relay in relays:
        assert relay.json("tls", "report", "--fleet", "--day", days_ago(DAY), "--domain", DOMAIN) == mailed.report
        sums = relay.json("tls", "summary", "--fleet")
        assert sum(r["sessions"] for r in sums if r["domain"] == DOMAIN) == 9, sums
        assert {r["to"] for r in relay.json("tls", "reports", "--fleet")} == {f"https://{COLLECTOR}/", "mailto:x@reports.test"}
    assert relays[0].json("tls", "summary")[0]["sessions"] == 2
    for relay in relays:
        relay.restart()  # says nothing twice
    for relay in relays:
        shared(relay)
    assert len(web.posts) == 1 and len(box.messages) == 1


def hours_pass(relay):
    """A day of tries is over for what waits at the stopped relay."""
    change(relay, "UPDATE report SET until_ms = 1 WHERE until_ms > 0")


def test_case_581_without_the_database_a_report_waits_and_is_given_up_in_words(lab, database):
    web = lab.collector(COLLECTOR)
    ask(lab, DOMAIN, f"https://{COLLECTOR}/")
    one, two = fleet(lab, database, (2, 3))
    for relay in (one, two):
        relay.write(tls_report={"send": False}).start()
        shared(relay)
        relay.stop()
        relay.write(tls_report=SEND)
    database.stop()
    for relay in (one, two):
        relay.start()
        line = relay.wait("report-deferred", domain=DOMAIN)
        assert "the fleet cannot be asked" in line["reason"], line
    two.kill()
    hours_pass(two)
    two.start()
    row = until(lambda: states(two, state="failed"), lambda: str(states(two)))[0]
    assert "the fleet cannot be asked" in row["answer"] and not web.posts
    database.start()
    ended(database, 1)
    assert posted(web) == (5, 0) and len(web.posts) == 1 and claims(database)[0][2] == "1"
    again = two.ctl("tls", "report", "--send", "--day", days_ago(DAY))
    assert "node-1 has sent it" in again.stdout and len(web.posts) == 1, again


@pytest.mark.parametrize("state", ["claimed", "going"])
def test_case_582_a_failover_while_a_claim_is_committed_sends_it_once(lab, state):
    """The standby has the commit and confirms nothing: it is done, and nobody has heard of it."""
    web = lab.collector(COLLECTOR)
    ask(lab, DOMAIN, f"https://{COLLECTOR}/")
    first = Postgres(lab, wal_level="replica", hot_standby="on")
    relays = fleet(lab, first, (2, 3))
    for relay in relays:
        relay.write(fleet={"database": "postgresql://waxwing@127.0.0.1:5432,127.0.0.1:5433/waxwing"}, tls_report={"send": False})
        relay.start()
        shared(relay)
        relay.stop()
        relay.write(tls_report=SEND)
    second = Postgres(lab, port=5433, follows=first)
    first.sql("ALTER ROLE waxwing SET synchronous_commit = 'local'")
    first.wait_for_standby()
    until(lambda: first.sql("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), "the standby")
    first.fleet("""CREATE FUNCTION waxwing.confirmed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.state = TG_ARGV[0] THEN PERFORM set_config('synchronous_commit', 'remote_apply', true); END IF; RETURN new; END $$""")
    first.fleet(f"""CREATE TRIGGER confirmed BEFORE INSERT OR UPDATE ON waxwing.report FOR EACH ROW
        EXECUTE FUNCTION waxwing.confirmed('{state}')""")
    second.sql("SELECT pg_wal_replay_pause()")
    for relay in relays:
        relay.start()
    until(lambda: first.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"), lambda: f"{claims(first)}")
    until(lambda: first.sql("SELECT 1 FROM pg_stat_replication WHERE flush_lsn >= pg_current_wal_flush_lsn()"), "the commit at the standby")
    first.kill()
    second.promote()
    second.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
    second.sql("SELECT pg_reload_conf()")
    assert [r[1:3] in ([state, "1"], [state, "2"]) for r in claims(second)[:1]] == [True], claims(second)
    ended(second, 1)
    until(lambda: all(r["state"] in ("sent", "none") for relay in relays for r in states(relay)), lambda: str([states(r) for r in relays]))
    assert posted(web) == (5, 0) and len(web.posts) == 1, claims(second)


def lose_state(relay):
    for name in os.listdir(relay.path("state")):
        if name.startswith("state.db"):
            os.unlink(os.path.join(relay.path("state"), name))


def test_case_583_a_lost_state_counts_beside_what_it_had_told(lab, database):
    web = lab.collector(COLLECTOR)
    ask(lab, DOMAIN, f"https://{COLLECTOR}/")
    lab.mx("mx." + DOMAIN, domains=DOMAIN)
    one, two = [node(lab, i + 1, database=database, delivery=APART) for i in range(2)]
    made(lab, database, one)
    one.start(), two.start()
    counted(one, 3)
    summed(one, 3)
    one.stop()
    lose_state(one)
    one.start()
    counted(one, 2)
    counted(two, 1)
    summed(two, 6)
    one.stop(), two.stop()
    assert database.fleet("SELECT count(*) FROM waxwing.book") == [["3"]]
    # All of it two days ago, in the fleet alone.
    database.fleet(f"UPDATE waxwing.ledger SET day = day - {DAY}")
    database.fleet(f"UPDATE waxwing.book SET since = since - {DAY}, whole = whole - {DAY}")
    for relay in (one, two):
        age(relay, DAY)
        change(relay, f"UPDATE count_book SET since = since - {DAY}")
        relay.write(tls_report=SEND).start()
    ended(database, 1)
    assert posted(web) == (6, 0) and len(web.posts) == 1


def test_case_584_what_a_dead_node_counted_is_reported_by_one_that_lives(lab, database):
    box = lab.mx("mx.reports.test", domains="reports.test")
    lab.mx("mx.lone.test", domains="lone.test")
    ask(lab, "lone.test", "mailto:x@reports.test")
    one, two = fleet(lab, database, (1, 1))  # DOMAIN asks for no reports
    three = node(lab, 3, database=database, delivery=APART)
    three.start()
    counted(three, 4, "lone.test")
    three.stop()
    age(three, DAY)
    change(three, f"UPDATE count_book SET since = since - {DAY}", "INSERT INTO count_mark SELECT DISTINCT day, domain, 1 FROM kind")
    database.fleet(f"DELETE FROM waxwing.ledger WHERE domain = 'lone.test'")
    three.start()
    shared(three)
    three.kill()
    database.fleet("UPDATE waxwing.book SET at = now() - interval '3 minutes'")
    one.start(), two.start()
    mail = box.wait()
    assert rpt.sessions(rpt.Mailed(mail.data).report) == (4, 0)
    ended(database, 1)
    three.write(tls_report=SEND).start()  # comes back
    until(lambda: states(three, state="none"), lambda: str(states(three)))
    assert len(box.messages) == 1


def test_case_585_an_older_schema_is_told_and_migrated(lab, database):
    relay, = fleet(lab, database, (2,))
    for name in ("book", "ledger", "report"):
        database.fleet(f"DROP TABLE waxwing.{name} CASCADE")
    database.fleet("DROP TABLE waxwing.evacuation; DROP FUNCTION waxwing.lease_hand; DROP FUNCTION waxwing.report_waits;"
                   "DROP FUNCTION waxwing.report_claim; UPDATE waxwing.fleet SET version = 6")
    relay.write(tls_report={"send": False}).start()
    alarm = relay.wait("alarm", what="fleet")
    assert "older than" in alarm["text"] and "waxwing fleet init" in alarm["text"], alarm
    done = relay.ctl("tls", "summary", "--fleet")
    assert done.returncode == 78 and "older than" in done.stderr
    counted(relay, 1)
    made(lab, database, relay)
    summed(relay, 3)
    alone = lab.relay(listen=[{"address": "127.0.0.8:587"}])
    done = alone.ctl("tls", "summary", "--fleet")
    assert done.returncode == 78 and "no fleet.database" in done.stderr
    for words in (["failures", "--fleet", "--follow"], ["report", "--fleet", "--send", "--day", days_ago(1)], ["policies", "--fleet"]):
        assert relay.ctl("tls", *words).returncode == 64


def test_case_586_what_stands_in_the_ledger_is_read_with_care(lab, database):
    web = lab.collector(COLLECTOR)
    ask(lab, DOMAIN, f"https://{COLLECTOR}/")
    one, two = fleet(lab, database, (2, 3))
    day = database.fleet(f"SELECT extract(epoch FROM date '{days_ago(DAY)}')::bigint / 86400")[0][0]
    for i, body in enumerate(("", "[", '{"s":[],"r":[[]]}', '{"s":[],"r":7}', "9" * 5000,
                              '{"s":[[1,"d","",""]],"r":[[0,"mx","",false,false,"","","",-5,1,"","","",""]]}')):
        database.fleet(f"INSERT INTO waxwing.ledger VALUES({day}, '{DOMAIN}', lpad('{i}', 32, 'a'), '{body}')")
        database.fleet(f"INSERT INTO waxwing.book VALUES(lpad('{i}', 32, 'a'), {20 + i}, true, {day}, {day})")
    database.fleet(f"INSERT INTO waxwing.ledger VALUES({day}, E'<i>\\x1b[2J', lpad('0', 32, 'b'), "
                   """'{"s":[[1,"d","",""]],"r":[[0,"\\u001b<b>","certificate-expired",true,false,"","","",5,1,"","","","\\u0007"]]}')""")
    one.start(), two.start()
    ended(database, 1)
    assert posted(web) == (5, 0) and len(web.posts) == 1
    alarms = {a["text"] for relay in (one, two) for a in relay.events("alarm", what="fleet")}
    assert len([a for a in alarms if "nobody can believe" in a]) == 6, alarms
    failures = one.ask("tls", "failures", "--fleet")
    assert "5 sessions" in failures and "\x1b" not in failures and "\x07" not in failures
    assert one.json("tls", "failures", "--fleet")[0]["sessions"] == 5


def test_case_587_a_report_waits_for_whoever_lives_and_has_not_told_its_day(lab, database):
    web = lab.collector(COLLECTOR)
    ask(lab, DOMAIN, f"https://{COLLECTOR}/")
    relay, = fleet(lab, database, (2,))
    day = int(database.fleet(f"SELECT extract(epoch FROM date '{days_ago(DAY)}')::bigint / 86400")[0][0])
    database.fleet(f"INSERT INTO waxwing.node(number, name, instance) VALUES(7, 'node-7', 'x'), (8, 'node-8', 'x')")
    database.fleet(f"""INSERT INTO waxwing.book VALUES(lpad('7', 32, 'a'), 7, true, {day - 5}, {day - 1}, now() + interval '1 hour'),
                       (lpad('8', 32, 'a'), 8, true, {day - 5}, {day - 1}, now() - interval '1 hour')""")
    relay.start()
    line = relay.wait("report-deferred", domain=DOMAIN)
    assert line["reason"] == "node-7 has yet to tell what it counted that day" and not claims(database), line
    database.fleet(f"UPDATE waxwing.book SET whole = {day} WHERE node = 7")
    ended(database, 1)
    assert posted(web) == (2, 0)


def test_case_588_a_copied_state_database_gets_a_generation_of_its_own(lab, database):
    lab.mx("mx." + DOMAIN, domains=DOMAIN)
    one, two = [node(lab, i + 1, database=database, delivery=APART) for i in range(2)]
    made(lab, database, one)
    one.start()
    counted(one, 2)
    summed(one, 2)
    one.stop()
    for name in os.listdir(one.path("state")):
        if name.startswith("state.db") and not name.endswith("-lock"):
            shutil.copy(os.path.join(one.path("state"), name), two.path("state"))
    one.start()
    shared(one)
    two.start()
    assert "is a copy of one" in two.wait("alarm", what="fleet")["text"]
    counted(one, 1)
    counted(two, 1)
    summed(one, 6)
    assert database.fleet("SELECT count(*) FROM waxwing.book") == [["2"]]


def test_case_589_days_before_a_node_joined_are_its_own(lab, database):
    web = lab.collector(COLLECTOR)
    ask(lab, DOMAIN, f"https://{COLLECTOR}/")
    lab.mx("mx." + DOMAIN, domains=DOMAIN)
    relay = node(lab, 1, database=database, delivery=APART)
    made(lab, database, relay)
    relay.start()
    counted(relay, 2)
    relay.stop()
    age(relay, DAY)  # it joined today
    relay.write(tls_report=SEND).start()
    until(lambda: states(relay, state="sent"), lambda: str(states(relay)))
    assert posted(web) == (2, 0) and web.reports()[0]["report-id"] == f"{days_ago(DAY)}.{DOMAIN}.node-1@relay.example.org"
    assert not claims(database) and not [r for r in relay.json("tls", "summary", "--fleet") if r["day"] == days_ago(DAY)]
