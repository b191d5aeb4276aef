# SPDX-License-Identifier: ISC
"""What one relay of a fleet knows, all of them demand; what one is told wrongly, none of them believes."""
import json
import os
import sqlite3
import time

import pytest

from tests.lab.policyhost import policy
from tests.lab.postgres import Postgres
from tests.lab.wait import until
from tests.scenario.test_bans import tries
from tests.scenario.test_fleet import database, made, node  # noqa: F401  (database is a fixture)

DOMAIN, HOST = "dest.test", "mx.dest.test"


def fleet(lab, database, n=2, **config):
    relays = [node(lab, i + 1, database=database, **config) for i in range(n)]
    made(lab, database, *relays)
    return [relay.start() for relay in relays]


def known(relay, what, **match):
    """Rows of what `tls policies` has."""
    rows = relay.json("tls", "policies")[what]
    return [row for row in rows if all(row[key] == value for key, value in match.items())]


def marks(relay):
    """Whether what a host proved is on disk and waits to be told."""
    with sqlite3.connect(f"file:{relay.path('state/state.db')}?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*) FROM shared_mark WHERE kind = 2").fetchone()[0]


def settled(*relays):
    """All of them have told and heard everything."""
    def quiet(relay):
        s = json.loads(relay.ctl("fleet", "status", "--json").stdout)  # 75 while it connects anew
        return s["connected"] and not s["waiting"] and not s["behind"] and s["received"]
    until(lambda: all(quiet(relay) for relay in relays), lambda: f"quiet: {[r.json('fleet', 'status') for r in relays]}")


def two_that_know(lab, database):
    """Two relays that have heard of each other what the host proved, and of nothing else."""
    lab.mx(HOST, domains=DOMAIN)
    one, two = fleet(lab, database)
    one.send(f"a@{DOMAIN}")
    one.wait("delivered")
    until(lambda: known(two, "memory", host=HOST), "the proof")
    settled(one, two)
    return one, two


@pytest.mark.threads
def test_a_policy_and_a_proof_learned_by_one_are_demanded_by_all(lab, database):
    lab.mx(HOST, domains=DOMAIN)
    web = lab.policy_host(DOMAIN, body=policy(mx=[HOST]))
    one, two, three = fleet(lab, database, 3)
    one.send(f"a@{DOMAIN}")
    one.wait("delivered")
    for other in (two, three):
        until(lambda: known(other, "policies", domain=DOMAIN, mode="enforce"), "the policy")
        until(lambda: known(other, "memory", domain=DOMAIN, host=HOST, proved="certificate"), "the proof")
    assert len(web.requests) == 1
    three.kill()  # what it heard it has on disk
    web.close()
    lab.names.set("_mta-sts." + DOMAIN, "TXT", "v=nothing")
    three.start()
    assert known(three, "policies", domain=DOMAIN, mode="enforce")
    plan = three.json("explain", DOMAIN)
    assert plan["mx"][0]["demand"] == "webpki" and plan["mx"][0]["source"] == "mta-sts", plan


def test_case_498_what_a_row_says_raises_and_lowers_nothing(lab, database):
    lab.mx(HOST, domains=DOMAIN)
    web = lab.policy_host(DOMAIN, body=policy(mx=[HOST]))
    one, two = fleet(lab, database)
    one.send(f"a@{DOMAIN}")
    one.wait("delivered")
    until(lambda: known(two, "policies", domain=DOMAIN) and known(two, "memory", host=HOST), "both")
    settled(one, two)
    began = int(time.time())
    until(lambda: time.time() >= began + 2, "a later second")
    bodies = {"1": json.dumps(["2", policy("none"), int(time.time()), int(time.time()) + 90000]),
              "2": json.dumps([1, 0, int(time.time()) + 100])}
    for kind, key in (("1", DOMAIN), ("2", DOMAIN + "\n" + HOST)):
        database.fleet(f"""UPDATE waxwing.fleet SET seq = seq + 200;
            UPDATE waxwing.fact SET body = '{bodies[kind]}', node = 7, at = at + 5000,
            seq = (SELECT seq FROM waxwing.fleet) WHERE kind = {kind} AND key = '{key}'""")
    # The relays ask the domain itself whether its policy is none; it is not.
    until(lambda: len(web.requests) >= 3, "a look of their own")
    nonsense = [(1, DOMAIN, "[1]"), (1, "no domain!", bodies["1"]), (2, "a\nb\nc", "[2, 1, 99999999999]"), (2, "x", "{"),
                (3, "\nnobody", '[1, 2, 3, "x"]'), (3, "a\nb@c.test", '[9, 1, 0, "x\\u001b"]'), (4, "5\nx", "[1, 2, 3]"),
                (9, "x", "[]"), (4, "0\n203.0.113.9", "[-1, 1e99, true]"), (2, f"{DOMAIN}\n{HOST}.", None),
                (1, f"other.{DOMAIN}", json.dumps(["1", policy(mx=["x"]), 10**12, 10**13]))]
    for i, (kind, key, body) in enumerate(nonsense):
        text = "NULL" if body is None else f"$x${body}$x$"
        database.fleet(f"""UPDATE waxwing.fleet SET seq = seq + 200;
            INSERT INTO waxwing.fact SELECT {kind}, $k${key}$k$, {text}, {10**15 if body is None else 1}, {20 + i}, seq FROM waxwing.fleet
            ON CONFLICT(kind, key) DO UPDATE SET body = excluded.body, seq = excluded.seq, node = excluded.node""")
    for relay in (one, two):
        until(lambda: len([a for a in relay.events("alarm", what="fleet") if "believe" in a["text"]]) >= 10, relay.told)
        assert known(relay, "policies", domain=DOMAIN, mode="enforce") and known(relay, "memory", host=HOST, proved="certificate")
        assert not known(relay, "policies", domain="other." + DOMAIN)
    web.body = policy("none")
    lab.names.set("_mta-sts." + DOMAIN, "TXT", "v=STSv1; id=2;")
    one.ask("tls", "refresh", DOMAIN)
    assert not known(one, "policies", domain=DOMAIN, mode="enforce")
    one.send(f"b@{DOMAIN}")
    one.wait("delivered", 2)


def test_case_499_what_an_operator_takes_back_is_taken_back_everywhere(lab, database):
    lab.mx(HOST, domains=DOMAIN)
    one, two = fleet(lab, database, auth={"failures": 2, "ban": "10m"})
    one.send(f"a@{DOMAIN}")
    one.wait("delivered")
    until(lambda: known(two, "memory", host=HOST), "the proof")
    two.ask("tls", "forget", DOMAIN)
    until(lambda: not known(one, "memory", host=HOST), "the memory to be gone")
    one.ask("suppress", "add", "gone@dest.test", "--reason", "no more")
    until(lambda: "gone@dest.test" in two.ask("suppress", "list"), "the address")
    two.ask("suppress", "remove", "gone@dest.test")
    until(lambda: "gone@dest.test" not in one.ask("suppress", "list"), "the address to be gone")
    for _ in range(2):
        tries(one, "wrong", source="127.0.0.99")
    one.wait("ban", client="127.0.0.99")
    heard = two.wait("ban", client="127.0.0.99")
    assert heard["by"] == "the fleet"
    assert tries(two, two.password, source="127.0.0.99") is None
    two.ask("bans", "lift", "--all")
    one.wait("lift", client="127.0.0.99")
    assert tries(one, one.password, source="127.0.0.99") == 235


def test_case_500_what_was_not_shared_while_the_database_was_away_is_shared_afterwards(lab, database):
    lab.mx(HOST, domains=DOMAIN)
    one, two = fleet(lab, database)
    until(lambda: json.loads(one.ctl("fleet", "status", "--json").stdout)["connected"], "the database")
    database.kill()
    one.wait("alarm", what="fleet")
    one.send(f"a@{DOMAIN}")
    one.wait("delivered")
    one.ask("suppress", "add", "gone@dest.test")
    until(lambda: known(one, "memory", host=HOST), "the proof")
    until(lambda: marks(one), "the proof on disk")
    one.kill()
    one.start()
    assert "gone@dest.test" not in two.ask("suppress", "list")
    database.start()
    until(lambda: known(two, "memory", host=HOST, proved="certificate"), "the proof", 120)
    until(lambda: "gone@dest.test" in two.ask("suppress", "list"), "the address")
    settled(one, two)


def test_case_501_a_database_made_anew_is_told_everything_again(lab, database):
    one, two = two_that_know(lab, database)
    database.fleet("DROP SCHEMA waxwing CASCADE")
    one.wait("alarm", what="fleet")
    made(lab, database, one)
    until(lambda: database.fleet("SELECT count(*) FROM waxwing.fact WHERE kind = 2") == [["1"]], "the fact", 120)
    settled(one, two)


def test_case_502_a_database_that_takes_five_seconds_a_commit_holds_up_no_mail(lab):
    lab.mx(HOST, domains=DOMAIN)
    database = Postgres(lab, wal_level="replica", hot_standby="on")
    one, two = [node(lab, i + 1, database=database) for i in range(2)]
    made(lab, database, one)
    Postgres(lab, port=5433, follows=database, recovery_min_apply_delay="5s")
    database.sql("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
    database.wait_for_standby()
    one.start(), two.start()
    began = time.monotonic()
    for n in range(20):
        one.send(f"a{n}@{DOMAIN}")
    one.wait("delivered", 20)
    took = time.monotonic() - began
    until(lambda: known(two, "memory", host=HOST, proved="certificate"), "the proof", 120)
    print(f"20 messages in {took:.1f} s beside commits of 5 s")


def test_case_503_a_full_database_is_told_and_heard_again(lab):
    lab.mx(HOST, domains=DOMAIN)
    database = Postgres(lab, small=True)
    one, two = fleet(lab, database)
    until(lambda: json.loads(one.ctl("fleet", "status", "--json").stdout)["connected"], "the database")
    settled_before = one.json("fleet", "status")["sent"]
    database.fill()
    one.ask("suppress", "import", lab.file("many", "".join(f"a{n}@dest.test\n" for n in range(3000))))
    words = until(lambda: [a["text"] for a in one.events("alarm", what="fleet")], "an alarm", 120)
    assert any("No space left" in w or "could not extend" in w for w in words), words
    one.send(f"a@{DOMAIN}")
    one.wait("delivered")
    database.empty()
    until(lambda: two.ask("suppress", "list").count("@dest.test") >= 3000,
          lambda: f"all of them; {one.json('fleet', 'status')} {database.told()}", 120)
    assert one.json("fleet", "status")["sent"] > settled_before


def test_case_504_a_state_that_was_lost_is_learned_from_the_fleet(lab, database):
    one, _ = two_that_know(lab, database)
    one.stop()
    for name in os.listdir(one.path("state")):
        if name.startswith("state.db"):
            os.unlink(os.path.join(one.path("state"), name))
    one.start()
    until(lambda: known(one, "memory", host=HOST, proved="certificate"), "what it had proved")
