# SPDX-License-Identifier: ISC
"""A fleet under load whose nodes are killed, their disks thrown away, its database failing over in between: what got 250
arrives. Five kills here; ./dev fleet-test N makes as many as are asked for."""
import json
import os
import random
import shutil

from tests.lab.postgres import Postgres
from tests.lab.wait import until
from tests.scenario.test_crash import Sender
from tests.scenario.test_fleet import node
from tests.scenario.test_fleet_spool import DOMAIN, HOST, LEASE, accepted, all_arrive, got, throw_away

KILLS = int(os.environ.get("FLEET_KILLS", 5))
PORTS = 5432, 5433


class Pair:
    """A database server, and its synchronous standby, which takes its place."""

    def __init__(self, lab):
        self.lab = lab
        self.primary = Postgres(lab, port=PORTS[0], wal_level="replica", hot_standby="on")
        self.standby = None
        self.role = self.primary.uri.split("@")[0]

    @property
    def uri(self):
        return f"{self.role}@127.0.0.1:{PORTS[0]},127.0.0.1:{PORTS[1]}/waxwing"

    def follow(self):
        free = PORTS[1] if self.primary.port == PORTS[0] else PORTS[0]
        self.standby = Postgres(self.lab, port=free, follows=self.primary)
        self.primary.wait_for_standby()

    def fail_over(self):
        former = self.primary
        former.kill()
        shutil.rmtree(former.folder)
        self.primary = self.standby
        self.primary.promote()
        self.follow()


def revive(relays):
    """What a service manager does with those that ended."""
    for relay in relays:
        if not relay.process or not relay.process.alive():
            relay.start()


def empty(relays):
    """Whether all of them run, and nothing waits: with a lease of a second a busy machine ends one now and then."""
    revive(relays)
    looks = [relay.ctl("queue", "list", "--json") for relay in relays]
    return all(look.returncode == 0 and json.loads(look.stdout) == [] for look in looks)


def kill_one(relays, pair, chance):
    victim = chance.choice(relays)
    what = chance.random()
    victim.kill()
    throw_away(victim)
    if what < 0.2:
        pair.fail_over()
    elif what < 0.4:  # long enough for the other to take over
        name = victim.config["fleet"]["name"]
        until(lambda: (revive([r for r in relays if r is not victim]) or
                       pair.primary.fleet(f"SELECT holder FROM waxwing.lease JOIN waxwing.node ON number = node WHERE name = '{name}'")
                       == [[""]]), victim.told, 120)
    revive(relays)


def test_case_619_kills_with_disks_thrown_away_lose_nothing(lab):
    seed = int(os.environ.get("LAB_SEED", random.randrange(1 << 30)))
    print("LAB_SEED", seed)
    chance = random.Random(seed)
    mx = lab.mx(HOST, domains=DOMAIN)
    pair = Pair(lab)
    relays = [node(lab, n, uri=pair.uri, fleet={**LEASE, "lease": "1s"}, delivery={"retry": ["1s"]}, limits={"per_client": 100}, log={"level": "info"})
              for n in (1, 2)]
    relays[0].ask("fleet", "init", "--database", pair.primary.owner)
    pair.follow()
    senders = [Sender(relay, 10 * i + n, seed + 10 * i + n) for i, relay in enumerate(relays) for n in range(2)]
    revive(relays)
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        before = len(accepted(senders))
        enough = chance.randrange(5, 40)
        until(lambda b=before, e=enough: revive(relays) or len(accepted(senders)) >= b + e, relays[0].told, 120)
        kill_one(relays, pair, chance)
    for sender in senders:
        sender.done.set()
    for sender in senders:
        sender.join()
    until(lambda: revive(relays) or accepted(senders) <= set(got(mx)), "all that was accepted", 120)
    all_arrive(mx, senders, relays[0])
    until(lambda: empty(relays), "empty queues", 120)
    print(f"{KILLS} kills, {len(accepted(senders))} accepted, {len(got(mx))} arrived, {len(got(mx)) - len(set(got(mx)))} of them again")
    for relay in relays:
        relay.stop()
