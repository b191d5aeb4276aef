# SPDX-License-Identifier: ISC
"""Claims of reports: nodes of a fleet are killed at each of their steps, and each report goes out once."""
import collections
import random
import sqlite3
import subprocess
import time

import pytest

from tests.lab import collector as rpt
from tests.lab.postgres import AS, BIN
from tests.lab.wait import until
from tests.scenario.test_fleet import database, made, node  # noqa: F401  (database is a fixture)
from tests.scenario.test_fleet_ledger import COLLECTOR, DOMAIN, claims, counted, ended, fleet, long_ago, posted, shared
from tests.scenario.test_tls_reports import APART, SEND, ask, rows, states


class Hold:
    """Holds up each row of `report` that comes to this state, before its commit, until it is released."""

    def __init__(self, lab, database, state):
        self.database = database
        database.fleet("""CREATE OR REPLACE FUNCTION waxwing.hold_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF new.state = TG_ARGV[0] THEN PERFORM pg_advisory_xact_lock_shared(42); END IF; RETURN new; END $$""")
        database.fleet(f"""CREATE TRIGGER hold BEFORE INSERT OR UPDATE ON waxwing.report FOR EACH ROW
            EXECUTE FUNCTION waxwing.hold_up('{state}')""")
        self.session = subprocess.Popen([*AS, f"{BIN}/psql", "-h", database.folder, "-p", str(database.port), "-U", "postgres",
                                         "-d", "waxwing", "-qAtX"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lab.at_end(self.release)
        self.session.stdin.write("SELECT pg_advisory_lock(42), 'held';\n")
        self.session.stdin.flush()
        assert "held" in self.session.stdout.readline()

    def waiting(self):
        return self.database.fleet("SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory'")

    def wait(self):
        until(self.waiting, lambda: f"a statement that is held up; {claims(self.database)}")

    def undo(self):
        """What is held up never happens."""
        self.database.fleet("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'")
        until(lambda: not self.waiting(), "nothing held up")

    def release(self):
        if self.session.poll() is None:
            self.session.stdin.close()
            self.session.wait(60)
            until(lambda: not self.waiting(), "nothing held up")

    def end(self):
        self.release()
        self.database.fleet("DROP TRIGGER IF EXISTS hold ON waxwing.report")


def locked(relay):
    """Nothing can be written to the relay's state until this is closed."""
    db = sqlite3.connect(relay.path("state/state.db"), isolation_level=None, check_same_thread=False)
    db.execute("BEGIN EXCLUSIVE")
    return db


def kill_while(lab, database, relay, state, committed):
    """Killed while the statement that brings a claim to this state is on its way; it comes to its COMMIT, or never does."""
    hold = Hold(lab, database, state)
    relay.start()
    hold.wait()
    relay.kill()
    if not committed:
        hold.undo()
    hold.end()


def kill_before_the_claim_is_committed(lab, database, relay, _):
    kill_while(lab, database, relay, "claimed", False)
    assert not claims(database)


def kill_while_the_claim_is_committed(lab, database, relay, _):
    kill_while(lab, database, relay, "claimed", True)
    assert [r[1:3] for r in claims(database)] == [["claimed", "1"]]


def kill_between_claim_and_going(lab, database, relay, _):
    kill_while(lab, database, relay, "going", False)
    assert [r[1:3] for r in claims(database)] == [["claimed", "1"]]


def kill_while_going_is_committed(lab, database, relay, _):
    kill_while(lab, database, relay, "going", True)
    assert [r[1:3] for r in claims(database)] == [["going", "1"]]


def kill_before_its_own_row_is_claimed(lab, database, relay, _):
    hold = Hold(lab, database, "going")
    relay.start()
    hold.wait()
    lock = locked(relay)
    hold.end()
    until(lambda: [r[1] for r in claims(database)] == ["going"], lambda: str(claims(database)))
    relay.kill()
    lock.close()
    assert rows(relay, "SELECT state FROM report WHERE rua <> ''") == [(0,)]


def kill_while_the_collector_has_it(_lab, _database, relay, web):
    web.hang = True
    relay.start()
    web.wait(1)
    relay.kill()
    web.hang = False


def kill_before_the_answer_is_noted(_lab, _database, relay, web):
    locks = []
    web.before = lambda _: locks.append(locked(relay))
    relay.start()
    until(lambda: relay.events("alarm", what="state"), relay.told)
    relay.kill()
    web.before = None
    locks[0].close()


def kill_before_the_end_is_told(lab, database, relay, _):
    hold = Hold(lab, database, "sent")
    relay.start()
    hold.wait()
    assert rows(relay, "SELECT state FROM report WHERE rua <> ''") == [(3,)]
    relay.kill()
    hold.undo()
    hold.end()
    assert [r[1] for r in claims(database)] == ["going"]


STEPS = [(kill_before_the_claim_is_committed, 1), (kill_while_the_claim_is_committed, 1), (kill_between_claim_and_going, 1),
         (kill_while_going_is_committed, 1), (kill_before_its_own_row_is_claimed, 1), (kill_while_the_collector_has_it, 2),
         (kill_before_the_answer_is_noted, 2), (kill_before_the_end_is_told, 1)]


@pytest.mark.parametrize("step,posts", STEPS)
def test_case_578_killed_at_any_step_of_a_claim_it_goes_out_once(lab, database, step, posts):
    """Where a collector's answer was lost, once more under the same id, as one relay alone does."""
    web = lab.collector(COLLECTOR)
    ask(lab, DOMAIN, f"https://{COLLECTOR}/")
    one, two = fleet(lab, database, (2, 3))
    two.write(tls_report={"send": False}).start()  # what it counted is in the fleet, and it reports nothing yet
    shared(two)
    step(lab, database, one, web)
    two.stop()
    two.write(tls_report=SEND).start()
    until(lambda: states(two), lambda: str(two.json("tls", "reports")))
    one.start()
    done = ended(database, 1)
    until(lambda: all(r["state"] in ("sent", "none") for relay in (one, two) for r in states(relay)), lambda: str([states(one), states(two)]))
    assert posted(web) == (5, 0) and len(web.posts) == posts, (done, web.posts)


@pytest.mark.parametrize("step,posts", STEPS)
def test_case_579_the_other_sends_it_unless_it_may_have_left(lab, database, step, posts):
    """The node that claimed it never comes back."""
    web = lab.collector(COLLECTOR)
    ask(lab, DOMAIN, f"https://{COLLECTOR}/")
    one, two = fleet(lab, database, (2, 3))
    two.write(tls_report={"send": False}).start()
    shared(two)
    step(lab, database, one, web)
    held, left = claims(database), [r[1] for r in claims(database)] == ["going"]
    before = len(web.posts)
    two.stop()
    two.write(tls_report=SEND).start()
    until(lambda: states(two), lambda: str(two.json("tls", "reports")))
    if held:
        until(lambda: any("node-1" in r["answer"] for r in states(two)), lambda: str(states(two)))
        assert len(web.posts) == before and states(two, state="waiting")
    database.fleet("UPDATE waxwing.report SET until = now()")  # the time passes
    if left:
        row = until(lambda: states(two, state="none"), lambda: str(states(two)))[0]
        assert "node-1 was sending it when it was last heard of" in row["answer"] and len(web.posts) == before
    else:
        ended(database, 1)
        assert posted(web) == (5, 0) and len(web.posts) == 1 and claims(database)[0][2] == "2"


@pytest.mark.parametrize("seed", range(3))
def test_case_580_mail_goes_out_once_whenever_nodes_are_killed(lab, database, seed):
    dice = random.Random(seed)
    box = lab.mx("mx.reports.test", domains="reports.test")
    domains = ["a.test", "b.test", "c.test"]
    for domain in domains:
        lab.mx("mx." + domain, domains=domain)
        ask(lab, domain, "mailto:x@reports.test", "mailto:y@reports.test")
    relays = [node(lab, i + 1, database=database, delivery=APART) for i in range(2)]
    made(lab, database, *relays)
    for relay in relays:
        relay.start()
        for domain in domains:
            counted(relay, 1, domain)
    for relay in relays:
        relay.stop()
        relay.write(tls_report=SEND)
    long_ago(database, *relays)
    for relay in relays:
        relay.start(ready=False)
    for _ in range(6):
        time.sleep(0.5 + dice.random())
        victim = dice.choice(relays)
        if victim.process.alive():
            victim.kill()
        victim.start(ready=False)
    for relay in relays:
        relay.kill()
        relay.start()
    ended(database, 6)
    seen = collections.Counter((m.to()[0], rpt.Mailed(m.data).domain, rpt.Mailed(m.data).message["Message-ID"]) for m in box.messages)
    assert len(seen) == 6 and len({(to, domain) for to, domain, _ in seen}) == 6, seen  # a message again is the same message
    assert all(rpt.sessions(rpt.Mailed(m.data).report) == (2, 0) for m in box.messages)


def test_case_579_whoever_takes_over_a_spool_settles_its_reports(lab, database):
    box = lab.mx("mx.reports.test", domains="reports.test").on("rcpt", "450 4.2.1 later")
    ask(lab, DOMAIN, "mailto:x@reports.test")
    one, two = fleet(lab, database, (2, 3), fleet={"spool": "required", "lease": "4s"})
    two.write(tls_report={"send": False}).start()
    shared(two)
    one.start()
    one.wait("deferred")
    until(lambda: [r[1:3] for r in claims(database)] == [["going", "1"]], lambda: str(claims(database)))
    one.kill()
    until(lambda: any("goes on here" in a["text"] for a in two.events("alarm", what="fleet")), two.told)
    box.always.pop("rcpt")
    ended(database, 1)
    assert rpt.sessions(rpt.Mailed(box.wait().data).report) == (5, 0) and claims(database)[0][2] == "1"
    one.start()
    until(lambda: states(one, state="sent"), lambda: str(states(one)))  # it has left this queue
    shared(one)
    assert [r[1] for r in claims(database)] == ["sent"] and len(box.messages) == 1
