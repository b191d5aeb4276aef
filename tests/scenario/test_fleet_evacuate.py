# SPDX-License-Identifier: ISC
"""waxwing fleet evacuate: a node that lives gives its mail to another."""
import json
import threading

import pytest

from tests.lab.mx import HANG
from tests.lab.postgres import Postgres
from tests.lab.relay import letter
from tests.lab.wait import until
from tests.scenario.test_crash import Sender
from tests.scenario.test_fleet import made, node
from tests.scenario.test_fleet_spool import DOMAIN, all_arrive, begun, database, got, holds, keeper, logs, opened, two, waiting  # noqa: F401
from tests.scenario.test_http import PORT
from tests.scenario.test_pages import page

LEASE = "5s"


class Evacuation:
    """The command, while it waits."""

    def __init__(self, relay, *words):
        self.done = None
        self.thread = threading.Thread(target=self._run, args=(relay, words))
        self.thread.start()

    def _run(self, relay, words):
        self.done = relay.ctl("fleet", "evacuate", *words, bound=200)

    def end(self):
        self.thread.join(220)
        assert self.done
        return self.done


def said(relay, words, event="fleet"):
    return [e["text"] for e in relay.events(event) if words in e["text"]]


def three_and_a_large_one(relay):
    for n in range(3):
        relay.send(f"a{n}@{DOMAIN}")
    relay.send(f"large@{DOMAIN}", letter(body=(b"y" * 70 + b"\r\n") * 20000))


THEIRS = sorted([f"a{n}@{DOMAIN}" for n in range(3)] + [f"large@{DOMAIN}"])


def shown(relay, name="node-1"):
    """What `fleet status` says of it, once the node has looked; it looks every five seconds."""
    rows = json.loads(relay.ctl("fleet", "status", "--json").stdout)["nodes"]
    return {row["name"]: row for row in rows}.get(name, {}).get("evacuation")


def test_case_650_a_node_that_lives_gives_its_mail_to_another(lab, database):  # noqa: F811
    mx = waiting(lab)
    one, other = begun(lab, database, lease=LEASE), keeper(lab, 2, database, lease=LEASE, http=f"127.0.0.1:{PORT}").start()
    three_and_a_large_one(one)
    other.send(f"b@{DOMAIN}")
    done = other.ctl("fleet", "evacuate", "node-1", bound=200)
    assert done.returncode == 0, done
    assert "ends what is under way" in done.stdout and "node-1 was evacuated: 4 messages go on at node-2" in done.stdout
    assert one.process.wait() == 0
    assert said(one, "evacuated: its mail goes on at node-2", "stop") and said(one, "its 4 messages are for node-2 now")
    order = one.wait("operator", verb="fleet-evacuate")
    assert (order["node"], order["to"], order["by"].split("@")[1]) == ("node-1", "node-2", "node-2")
    assert said(other, "node node-1 was evacuated: its 4 messages go on here")
    assert not one.events("alarm") and not other.events("alarm", what="fleet")
    holds(other, 5)
    assert logs(database)[1] == 1
    row = until(lambda: (row := shown(other)) and row["done"] and row, other.told)
    assert row["to"] == "node-2" and row["messages"] == 4
    told = other.ask("fleet", "status")
    assert ">left<" in page("/fleet")[1] and "evacuated to node-2" in page("/fleet")[1]
    assert "left " in told and "its 4 messages went to node-2" in told
    again = other.ctl("fleet", "evacuate", "node-1", "--json", bound=200)  # it is so already
    assert again.returncode == 0 and json.loads(again.stdout) == {"node": "node-1", "to": "node-2", "messages": 4, "kept": False}
    opened(mx).wait(5)
    until(lambda: not other.json("queue", "list"), "an empty queue")
    assert got(mx) == sorted([*THEIRS, f"b@{DOMAIN}"])
    one.start()
    assert said(one, "this node was evacuated, and node-2 has its mail")
    assert not one.json("queue", "list") and not one.events("alarm")
    until(lambda: shown(other) is None, other.told)
    one.send(f"c@{DOMAIN}")
    mx.wait(6)
    assert got(mx) == sorted([*THEIRS, f"b@{DOMAIN}", f"c@{DOMAIN}"])


def refused(relay, *words):
    done = relay.ctl("fleet", "evacuate", *words)
    assert not done.stdout
    return done.returncode, done.stderr


def test_case_651_what_cannot_be_evacuated_is_told_and_nothing_is_changed(lab, database):  # noqa: F811
    waiting(lab)
    one = keeper(lab, 1, database, lease=LEASE)
    made(lab, database, one)
    one.start()
    other, plain = keeper(lab, 2, database, lease=LEASE), node(lab, 3, database=database)
    for words in ([], ["node-1", "node-2"]):
        assert refused(one, *words)[0] == 64
    assert one.ctl("fleet", "status", "--to", "node-2").returncode == 64
    status, text = refused(one, "node-1")
    assert status == 1 and "no other node lives that could take over the mail of node-1" in text
    assert refused(one, "node-9") == (1, "waxwing fleet: the fleet has no node node-9\n")
    status, text = refused(one, "node-1", "--to", "node-1")
    assert status == 1 and "cannot take over its own mail" in text
    plain.start()
    for relay, words, expected in ((plain, ["node-1"], "node-3 has no lease"), (one, ["node-3"], "node-3 has nothing in the journal"),
                                   (one, ["node-1"], "no other node lives"), (one, ["node-1", "--to", "node-3"], "node-3 has no lease")):
        status, text = refused(relay, *words)
        assert status == 1 and expected in text, text
    other.start()
    other.send(f"a@{DOMAIN}")
    other.stop()
    status, text = refused(one, "node-2")
    assert status == 1 and "was stopped: waxwing fleet adopt" in text
    status, text = refused(one, "node-1", "--to", "node-2")
    assert status == 1 and "node-2 has no lease" in text
    assert database.fleet("SELECT count(*) FROM waxwing.evacuation") == [["0"]] and one.process.alive()
    database.fleet("UPDATE waxwing.node SET seen = seen - interval '1 hour' WHERE name = 'node-2';"
                   "UPDATE waxwing.lease SET ended = false FROM waxwing.node WHERE number = node AND name = 'node-2'")
    status, text = refused(one, "node-2")
    assert status == 1 and "does not live: another node takes its mail over by itself" in text
    one.stop()
    database.kill()
    assert refused(one, "node-2")[0] == 75


def test_case_652_the_command_runs_anywhere_and_mail_may_go_on_and_on(lab, database):  # noqa: F811
    mx = waiting(lab)
    one, other = two(lab, database, lease=LEASE)
    third = keeper(lab, 3, database, lease=LEASE).start()
    three_and_a_large_one(one)
    done = one.ctl("fleet", "evacuate", "node-1", bound=200)  # itself: to the first that can
    assert done.returncode == 0 and "4 messages go on at node-2" in done.stdout, done
    done = one.ctl("fleet", "evacuate", "node-2", "--to", "node-3", bound=200)  # whose relay has ended
    assert done.returncode == 0 and "4 messages go on at node-3" in done.stdout, done
    status, text = refused(third, "node-2", "--to", "node-1")
    assert status == 1 and "node-2 was evacuated to node-3 already" in text
    holds(third, 4)
    opened(mx).wait(4)
    one.start(), other.start()
    assert not one.json("queue", "list") and not other.json("queue", "list")
    until(lambda: not third.json("queue", "list"), "an empty queue")
    assert got(mx) == THEIRS


def slow_to_leave(lab, relay):
    """A delivery under way, which a stop waits for some seconds, and another that waits."""
    mx = lab.mx("mx.dest.test", domains=DOMAIN)
    mx.on("rcpt", HANG)
    relay.send(f"a@{DOMAIN}")
    until(lambda: any(line.startswith(b"RCPT") for line in mx.commands()), "a delivery under way")
    relay.send(f"b@{DOMAIN}")
    return mx


def test_case_653_a_node_killed_while_it_leaves_is_taken_over(lab, database):  # noqa: F811
    one, other = two(lab, database, lease=LEASE)
    mx = slow_to_leave(lab, one)
    evacuation = Evacuation(other, "node-1")
    one.wait("stop")
    mx.always.pop("rcpt")
    one.kill()
    done = evacuation.end()
    assert done.returncode == 0 and "node-1 ended before it could give its mail away" in done.stdout, done
    assert "node-1 does not live any more" in other.wait("alarm", what="fleet")["text"]
    mx.wait(2)
    until(lambda: not other.json("queue", "list"), "an empty queue")
    assert got(mx) == [f"a@{DOMAIN}", f"b@{DOMAIN}"]
    one.start()
    assert not one.json("queue", "list")


def test_case_654_an_heir_killed_before_it_has_all_goes_on_when_it_is_back(lab, database):  # noqa: F811
    mx = waiting(lab)
    one, other = two(lab, database, lease=LEASE)
    three_and_a_large_one(one)
    database.fleet("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'not now'; END$$;"
                   "CREATE TRIGGER no BEFORE INSERT ON waxwing.moved FOR EACH ROW EXECUTE FUNCTION no()")
    evacuation = Evacuation(other, "node-1")
    one.wait("stop")
    again = Evacuation(other, "node-1", "--json")  # it can be waited for by several
    watching = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waxwing fleet' AND query LIKE '%given%'"
    until(lambda: database.sql(watching) == [["2"]], "both to wait")
    until(lambda: any("not now" in a["text"] for a in other.events("alarm", what="fleet")), other.told)
    other.kill()
    database.fleet("DROP TRIGGER no ON waxwing.moved")
    one.process.wait()
    one.start()  # it is back before whoever has its mail
    assert not one.json("queue", "list")
    other.start()
    done = evacuation.end()
    assert done.returncode == 0 and "4 messages go on at node-2" in done.stdout, done
    assert json.loads(again.end().stdout)["messages"] == 4
    until(lambda: len(one.json("queue", "list")) + len(other.json("queue", "list")) == 4, other.told)
    opened(mx).wait(4)
    until(lambda: not one.json("queue", "list") and not other.json("queue", "list"), "empty queues")
    assert got(mx) == THEIRS


def test_case_655_an_order_that_nobody_obeys_is_taken_back(lab, database):  # noqa: F811
    mx = waiting(lab)
    one, other = two(lab, database, lease="10s")
    one.send(f"a@{DOMAIN}")
    database.fleet("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'not now'; END$$;"
                   "CREATE TRIGGER no BEFORE UPDATE ON waxwing.evacuation FOR EACH ROW EXECUTE FUNCTION no()")
    done = other.ctl("fleet", "evacuate", "node-1", bound=200)
    assert done.returncode == 75 and "node-1 has not answered" in done.stderr, done
    assert database.fleet("SELECT count(*) FROM waxwing.evacuation") == [["0"]]
    database.fleet("DROP TRIGGER no ON waxwing.evacuation")
    # An order about a lease that is over, or an old one, is none.
    database.fleet("INSERT INTO waxwing.evacuation(node, epoch, heir, asker) SELECT 1, epoch - 1, 2, '' FROM waxwing.lease WHERE node = 1")
    opened(mx).wait()
    database.fleet("UPDATE waxwing.evacuation SET epoch = epoch + 1, at = now() - interval '2 minutes'")
    one.send(f"b@{DOMAIN}")
    mx.wait(2)
    assert one.process.alive() and not one.events("stop") and shown(other) is None


def test_case_656_a_node_whose_heir_went_away_keeps_its_mail(lab, database):  # noqa: F811
    one, other = two(lab, database, lease=LEASE)
    mx = slow_to_leave(lab, one)
    evacuation = Evacuation(one, "node-1", "--to", "node-2")
    one.wait("stop")
    other.stop()
    done = evacuation.end()
    assert done.returncode == 75 and "node-1 has stopped without giving its mail to node-2" in done.stderr, done
    assert one.process.wait() == 0
    assert "could not give its mail to node-2, and keeps it" in one.wait("alarm", what="fleet")["text"]
    mx.always.pop("rcpt")
    one.start()
    mx.wait(2)
    until(lambda: not one.json("queue", "list"), "an empty queue")
    assert got(mx) == [f"a@{DOMAIN}", f"b@{DOMAIN}"]


@pytest.mark.threads
def test_case_657_an_evacuation_under_load_keeps_each_250(lab, database):  # noqa: F811
    mx = lab.mx("mx.dest.test", domains=DOMAIN)
    one, other = two(lab, database, lease="10s", limits={"per_client": 100})
    senders = [Sender(relay, n, n) for n, relay in enumerate((one, one, other))]
    for sender in senders:
        sender.start()
    until(lambda: all(len(s.accepted) > 20 for s in senders), one.told, 120)
    done = other.ctl("fleet", "evacuate", "node-1", bound=200)
    before = len(senders[2].accepted)
    until(lambda: len(senders[2].accepted) > before, other.told, 120)
    for sender in senders:
        sender.done.set()
    for sender in senders:
        sender.join()
    assert done.returncode == 0, done
    assert one.process.wait() == 0
    all_arrive(mx, senders, other)
    until(lambda: not other.json("queue", "list"), "an empty queue", 120)
    one.start()
    assert not one.json("queue", "list")
    assert len(got(mx)) == len(set(got(mx)))


def test_case_658_two_that_are_to_give_their_mail_to_each_other_lose_none(lab, database):  # noqa: F811
    mx = waiting(lab)
    one, other = two(lab, database, lease=LEASE)
    three_and_a_large_one(one)
    other.send(f"b@{DOMAIN}")
    database.fleet("INSERT INTO waxwing.evacuation(node, epoch, heir, asker) SELECT node, epoch, 3 - node, 'root' FROM waxwing.lease")
    assert one.process.wait() == 0 and other.process.wait() == 0
    one.start(), other.start()
    until(lambda: len(one.json("queue", "list")) + len(other.json("queue", "list")) == 5, one.told)
    opened(mx).wait(5)
    until(lambda: not one.json("queue", "list") and not other.json("queue", "list"), "empty queues")
    assert got(mx) == sorted([*THEIRS, f"b@{DOMAIN}"])


def test_case_659_a_handing_over_whose_end_was_not_heard_of_is_known_by_the_next_try(lab):
    server = Postgres(lab, wal_level="replica", hot_standby="on")
    one, other = two(lab, server, lease="10s")
    standby = Postgres(lab, port=5433, follows=server)
    mx = slow_to_leave(lab, one)
    server.wait_for_standby()
    evacuation = Evacuation(other, "node-1")
    one.wait("stop")
    standby.kill()
    hands = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%lease_hand%'"
    until(lambda: server.sql(f"SELECT pid {hands}"), one.told)
    mx.always.pop("rcpt")  # before the other may try it
    until(lambda: server.sql(f"SELECT pg_terminate_backend(pid) {hands}"), one.told)
    standby.start()
    assert one.process.wait() == 0
    assert said(one, "this node was evacuated: its 2 messages are for node-2 now") and not one.events("alarm", what="fleet")
    done = evacuation.end()
    assert done.returncode == 0 and "2 messages go on at node-2" in done.stdout, done
    mx.wait(2)
    until(lambda: not other.json("queue", "list"), "an empty queue")
    assert got(mx) == [f"a@{DOMAIN}", f"b@{DOMAIN}"]
