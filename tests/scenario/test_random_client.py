# SPDX-License-Identifier: ISC
"""Random clients (case 104): a minute here, as long as wanted by `./dev random client [SECONDS [SEED]]`."""
import os
import re
import time

from tests.lab.randomclient import RandomClient
from tests.lab.wait import until


def marks(mx):
    """The marks of the messages that arrived, with how many copies."""
    found = {}
    for message in mx.seen:
        for mark in re.findall(rb"Subject: (mark-\S+-)", message.data):
            found[mark.decode()] = found.get(mark.decode(), 0) + 1
    return found


def stories(clients, wanted):
    return "\n".join("\n".join(c.story) for c in clients if any(m.startswith(f"mark-{c.seed}-") for m in wanted))


def test_case_104_random_clients(lab):
    seconds = float(os.environ.get("RANDOM_SECONDS", "60"))
    first = int(os.environ.get("RANDOM_SEED", time.time_ns() % 10 ** 9))
    print(f"seed {first}: ./dev random client {seconds:.0f} {first}")
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(auth={"failures": 1000000}, limits={"message_size": "1MiB"}, log={"level": "info"}).start()
    until_s, clients = time.monotonic() + seconds, []
    while time.monotonic() < until_s:
        clients.append(RandomClient(relay, first + len(clients)))
        clients[-1].session()
        assert relay.process.alive(), f"seed {clients[-1].seed}:\n" + "\n".join(clients[-1].story)
    relay.check_faults()
    accepted = {m for c in clients for m in c.accepted}
    refused = {m for c in clients for m in c.refused}
    print(f"{len(clients)} sessions, {len(accepted)} accepted, {len(refused)} refused")
    until(lambda: accepted <= set(marks(mx)), lambda: f"seed {first}: not arrived: {accepted - set(marks(mx))}", 120)
    arrived = set(marks(mx))
    assert not arrived & refused, f"seed {first}: arrived though refused: {arrived & refused}"
    more = arrived - accepted - {m for c in clients for m in c.unknown}
    assert not more, f"seed {first}: arrived without 250: {more}:\n" + stories(clients, more)
    assert not [m for m in mx.seen if b"Subject: smuggled" in m.data.split(b"\r\n\r\n")[0]], f"seed {first}"
    assert accepted and refused
