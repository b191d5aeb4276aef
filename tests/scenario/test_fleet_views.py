# SPDX-License-Identifier: ISC
"""A fleet looked at as one: what waits at each node, asked anywhere."""
import json

import pytest

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
