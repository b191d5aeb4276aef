# SPDX-License-Identifier: ISC
"""A fleet looked at as one: what waits at each node, and the stories of messages, asked anywhere."""
import json

import pytest

from tests.lab.relay import letter
from tests.lab.wait import until
from tests.scenario.test_fleet import database, nodes  # noqa: F401  (database is a fixture)
from tests.scenario.test_fleet_share import fleet

LATER = "451 4.7.1 <someone@dest.test> later"


def queues(relay, *more):
    return {row["node"]: row for row in relay.json("queue", "list", "--fleet", *more)}


def told(relay, node, recipients, state="waiting"):
    """What a node told, once it has so many in that state."""
    def look():
        row = queues(relay).get(node, {})
        return row if row.get("states", {}).get(state, {}).get("recipients") == recipients else None
    return until(look, lambda: f"{recipients} at {node}: {queues(relay)}")


def refusing(lab):
    mx = lab.mx("mx.dest.test", domains=["dest.test", "other.test"])
    mx.on("rcpt", LATER)
    return mx


@pytest.mark.threads
def test_case_596_each_nodes_queue_is_seen_from_any(lab, database):  # noqa: F811
    mx = refusing(lab)
    one, two = fleet(lab, database, delivery={"retry": ["1h"]})
    one.send(["a@dest.test", "b@dest.test"])
    one.send("c@other.test")
    two.send("d@dest.test")
    row = told(two, "node-1", 3)
    assert row["live"] and not row["self"] and row["number"] == 1 and row["age"] is not None
    first, second = row["rows"]
    assert (first["domain"], first["recipients"], first["state"], first["site"]) == ("dest.test", 2, "waiting", "mx.dest.test:25")
    assert first["attempts"] == 1 and first["next"] > first["oldest"] and first["reason"] and first["act"] and first["why"]
    assert second["domain"] == "other.test" and row["others"] == {"rows": 0, "recipients": 0, "oldest": 0}
    assert told(one, "node-2", 1)["rows"][0]["domain"] == "dest.test"
    text = one.ask("queue", "list", "--fleet")
    assert "node-1 (this one): 3 recipients" in text and "node-2: 1 recipient," in text and "4 recipients in the queues of 2 nodes" in text
    chosen = queues(one, "--domain", "other.test")
    assert [r["domain"] for r in chosen["node-1"]["rows"]] == ["other.test"] and not chosen["node-2"]["rows"]
    assert [r["state"] for r in queues(one, "--state", "held")["node-1"]["rows"]] == []
    assert len(queues(one, "--site", "mx.dest.test")["node-1"]["rows"]) == 2
    for words in (["--sender", "a@b.example"], ["--offline"], ["--older", "1h"]):
        assert one.ctl("queue", "list", "--fleet", *words).returncode == 64
    assert one.ctl("queue", "retry", "--all", "--fleet").returncode == 64
    one.kill()  # what it told is still there, and ages
    until(lambda: queues(two)["node-1"]["age"] > 2, "an age")
    assert queues(two)["node-1"]["states"]["waiting"]["recipients"] == 3
    until(lambda: queues(two)["node-2"]["age"] <= 2, "the age of one that lives")
    mx.on("rcpt", None)
    one.start()
    one.ask("queue", "retry", "--all", "--yes")
    told(two, "node-1", 0)
    two.stop()
    database.stop()
    done = two.ctl("queue", "list", "--fleet")
    assert done.returncode == 75 and "waxwing queue: " in done.stderr


def test_case_597_what_stands_in_the_table_is_read_with_care_and_replies_can_be_left_out(lab, database):  # noqa: F811
    refusing(lab)
    one, two = fleet(lab, database, delivery={"retry": ["1h"]}, log={"mask": True})
    for n in range(120):  # more domains than there are rows
        lab.names.add(f"d{n}.test", "MX", "10 mx.dest.test.")
    one.send([f"a@d{n}.test" for n in range(120)] + ["b@d7.test"])
    row = told(two, "node-1", 121)
    assert len(row["rows"]) == 100 and row["others"]["rows"] == 20 and row["others"]["recipients"] == 20
    assert (row["rows"][0]["domain"], row["rows"][0]["recipients"]) == ("d7.test", 2)
    assert all(r["why"] and not r["reason"] for r in row["rows"])
    assert "someone" not in json.dumps(database.fleet("SELECT body FROM waxwing.queued"))
    assert "20 more recipients" in two.ask("queue", "list", "--fleet")
    one.stop()
    for body in ('{"rows": [{"domain": "\\u001b[2J", "recipients": -1}, 7], "states": 5}', "[", "", '{"others": {"recipients": "x"}}'):
        database.fleet(f"UPDATE waxwing.queued SET body = '{body}' WHERE node = 1")
        assert "\x1b" not in two.ask("queue", "list", "--fleet")
        assert queues(two)["node-1"]["number"] == 1
    database.fleet("DELETE FROM waxwing.queued")
    until(lambda: queues(two)["node-2"].get("states"), "told anew")
    assert queues(two)["node-1"]["age"] is None


def story(relay, what, *more):
    return relay.ctl("trace", what, "--fleet", *more)


def records(relay, what):
    return [json.loads(line) for line in story(relay, what, "--json").stdout.splitlines()]


def written(relay, what):
    """Its records are on disk a moment after they were told."""
    until(lambda: "delivered" in relay.ctl("trace", what).stdout, "the trace")


@pytest.mark.threads
def test_case_598_a_story_is_told_at_any_node(lab, database):  # noqa: F811
    lab.mx("mx.dest.test", domains="dest.test")
    one, two = fleet(lab, database)
    known = one.send("a@dest.test", letter(subject="first"))
    one.wait("delivered")
    written(one, known)
    for what in (known, "a@dest.test", "<first@example.org>", "first@example.org"):
        done = story(two, what)
        assert done.returncode == 0 and done.stdout.startswith("at node-1\n") and "delivered" in done.stdout, (what, done)
    assert story(one, known).stdout.startswith("at node-1 (this node)\n")
    assert {(r["node"], r["id"]) for r in records(two, known)} == {("node-1", known)}
    assert {r["event"] for r in records(two, known)} >= {"received", "delivered"}
    second = two.send("a@dest.test", letter(subject="second"))
    two.wait("delivered")
    written(two, second)
    lines = story(one, "a@dest.test").stdout.splitlines()
    assert [(line.split()[0], line.split()[3]) for line in lines] == [("node-1", known), ("node-2", second)]
    done = story(one, "nobody@dest.test")
    assert done.returncode == 1 and "no node that answered knows of it" in done.stderr
    assert database.fleet("SELECT count(*) FROM waxwing.question") == [["0"]]
    assert database.fleet("SELECT count(*) FROM waxwing.answer") == [["0"]]
    two.kill()
    done = story(one, second)
    assert done.returncode == 1 and "node-2 lives, and has not answered in 10 s" in done.stderr
    assert "that id was given by node-2" in done.stderr
    database.fleet("UPDATE waxwing.node SET seen = now() - interval '1 hour' WHERE name = 'node-2'")
    done = story(one, "a@dest.test")
    assert done.returncode == 0 and "at node-1" in done.stdout and "node-2 is silent for 1h" in done.stderr
    assert one.ctl("trace", "nonsense", "--fleet").returncode == 64
    one.stop()
    database.fleet("UPDATE waxwing.node SET seen = now() - interval '1 hour'")
    database.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")  # whatever waits for a standby waits for ever
    database.sql("SELECT pg_reload_conf()")
    until(lambda: database.sql("SHOW synchronous_standby_names") == [["nobody"]], "the setting")
    done = story(one, known)
    assert done.returncode == 1 and "node-1 is silent" in done.stderr, done
    database.stop()
    assert story(one, known).returncode == 75


def test_case_599_a_node_that_masks_says_so_and_answers_are_read_with_care(lab, database):  # noqa: F811
    lab.mx("mx.dest.test", domains="dest.test")
    one, two = fleet(lab, database, log={"mask": True})
    known = one.send("someone@dest.test", letter(subject="first"))
    one.wait("delivered")
    written(one, known)
    done = story(two, "someone@dest.test")
    assert done.returncode == 1 and "node-1 masks addresses" in done.stderr
    done = story(two, "<first@example.org>", "--full")
    assert done.returncode == 0 and "at node-1" in done.stdout and "someone@" not in done.stdout
    for body in ('{"messages": [{"id": "x", "at": 99999999999999999, "records": [{"id": "x", "event": "\\u001b[2J", "steps": 5}]}]}', "[", "7"):
        database.fleet(f"""CREATE OR REPLACE FUNCTION waxwing.lie() RETURNS trigger LANGUAGE plpgsql AS
            $lie$ BEGIN NEW.body := '{body}'; RETURN NEW; END $lie$;
            CREATE OR REPLACE TRIGGER lie BEFORE INSERT ON waxwing.answer FOR EACH ROW WHEN (NEW.node = 1) EXECUTE FUNCTION waxwing.lie()""")
        done = story(two, known)
        assert done.returncode in (0, 1) and "\x1b" not in done.stdout + done.stderr, done
    assert "node-1 has no traces to look at: its answer cannot be read" in story(two, known).stderr
