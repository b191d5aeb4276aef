#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What a 250 costs that means the fleet's database, too: one workload without a journal, with one, and with one whose
database waits for a standby; PostgreSQL with its syncs, on the same disk and the same cores.

usage: fleet.py [--build DIR] [--messages N] [--rounds N]
"""
import argparse
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, TREE)

from tests.bench import bench, relays, workloads  # noqa: E402
from tests.lab import world  # noqa: E402
from tests.lab.lab import Lab  # noqa: E402
from tests.lab.postgres import PASSWORD, Postgres  # noqa: E402
from tests.lab.relay import write_private  # noqa: E402
from tests.lab.wait import until  # noqa: E402

KINDS = ("off", "required", "required, with a standby")


def durable(database):
    database.configure(fsync="on")
    database.stop()
    return database.start()


class Node(relays.Waxwing):
    """The relay of the benchmark as a node of a fleet. `wal`: bytes that each database wrote ahead."""

    wal = []

    def __init__(self, lab, program, work, kind):
        super().__init__(lab, program, work)
        self.kind = kind
        database = durable(Postgres(lab, wal_level="replica", hot_standby="on"))
        self.relay.write(fleet={"database": database.uri, "name": "node-1", "password_file": "fleet.secret",
                                "spool": "off" if kind == "off" else "required"})
        write_private(self.relay.path("fleet.secret"), PASSWORD.encode() + b"\n")
        self.relay.ask("fleet", "init", "--database", database.owner)
        if kind == KINDS[2]:
            durable(Postgres(lab, port=5433, follows=database))
            database.wait_for_standby()
            until(lambda: database.sql("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), "the standby")
        before = database.sql("SELECT pg_current_wal_lsn()")[0][0]
        lab.at_end(lambda: self.wal.append(int(database.sql(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{before}')::bigint")[0][0])))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not world.inside():
        world.enter([sys.executable, *sys.argv])
    options.workload, options.scale, options.quick, options.only = ["reused"], 1, False, None
    run = bench.Bench(options)
    work = workloads.BY_NAME["reused"]
    found = {kind: [] for kind in KINDS}
    for _ in range(options.rounds):  # in turns, so that what else the machine does falls on all of them
        for kind in KINDS:
            found[kind].append(run.measure(work, options.messages, lambda lab, k=kind: Node(lab, run.program, work, k)))
    # A quarter more is sent at half of the rate.
    wal = {kind: statistics.median(Node.wal[i::len(KINDS)]) / options.messages / 1.25 for i, kind in enumerate(KINDS)}
    for kind in KINDS:
        rate, p50, p99 = (statistics.median(f[key] for f in found[kind]) for key in ("accepted_rate", "half_p50", "half_p99"))
        print(f"{kind:26} {rate:8.0f} messages/s accepted; at half of that a 250 takes {p50:.1f} ms, 99 % within {p99:.1f} ms; "
              f"{wal[kind] / 1024:.1f} KiB of WAL a message")


if __name__ == "__main__":
    main()
