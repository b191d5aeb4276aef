# SPDX-License-Identifier: ISC
"""Any call on a socket may fail, or do half of what was asked: of clients, filters, auth services, token endpoints, next
hops, webhooks and readers of events. No crash, nothing lost, the right reply, and in the end all is well. Seeds are printed; FAULT_SEED and
FAULT_SECONDS choose them (./dev random faults)."""
import mmap
import os
import random
import struct
import time

import pytest

from tests.lab.client import Client, Closed
from tests.lab.dovecot import Dovecot
from tests.lab.eventsocket import Receiver
from tests.lab.milters import OpenDkim
from tests.lab.preload import preloaded
from tests.lab.relay import letter, write_private
from tests.lab.tokenhost import TokenHost
from tests.lab.wait import until
from tests.lab.webhook import Webhook

USER = "shop@example.org"
LAYOUT = struct.Struct("=IIQQQQQ")  # tests/lab/faults.c


class Faults:
    """Calls of a relay fail while `every` is not 0. `wrap`: what stands before it."""

    def __init__(self, relay):
        path = relay.path("faults")
        with open(path, "w+b") as f:
            f.truncate(LAYOUT.size)
            self.map = mmap.mmap(f.fileno(), LAYOUT.size)
        self.wrap = preloaded(relay, "faults", FAULTS=path)

    def set(self, every, seed=0):
        struct.pack_into("=II", self.map, 0, every, seed)

    def struck(self):
        """How many connects, accepts, writes and reads have failed."""
        return LAYOUT.unpack_from(self.map)[3:]


class Stage:
    """One relay with every kind of peer."""

    def __init__(self, lab):
        self.hook, tokens = Webhook(lab), TokenHost(lab)
        self.mx = tokens.guards(lab.mx("smtp.test", port=587), USER)
        oauth = {"token_endpoint": tokens.url, "client_id": "4711",
                 "client_secret_file": lab.file("client.secret", "hush-hush\n")}
        self.relay = lab.relay(
            senders=[{"user": "anna", "from": ["example.org"], "next_hop": ["[smtp.test]:587"],
                      "next_hop_auth": {"user": USER, "oauth": oauth}}],
            auth={"dovecot": Dovecot(lab, {"anna": "secret"}).socket, "failures": 10 ** 6},
            milters=[{"name": "opendkim", "address": OpenDkim(lab, "filter.test").address}],
            events=[{"name": "app", "url": self.hook.url(), "secret_file": "secret"},
                    {"name": "shop", "socket": "shop.sock", "acknowledge": True}],
            delivery={"retry": ["1s"]}, log={"level": os.environ.get("FAULT_LOG", "info")}, limits={"per_client": 100})
        write_private(self.relay.path("secret"), self.hook.secret.encode() + b"\n")
        self.reader = Receiver(self.relay.path("shop.sock"), "keep")
        self.faults = Faults(self.relay)
        self.relay.start(wrap=self.faults.wrap)
        self.wanted = set()

    def submit(self, to):
        """One message over a connection of its own; the last reply, None where there was none."""
        try:
            with Client(self.relay.address, self.relay.port) as client:
                client.ehlo()
                client.starttls()
                reply = client.plain("anna", "secret")
                if reply.code == 235:
                    client.envelope("anna@example.org", [to])
                    reply = client.data(letter(sender="anna@example.org"))
                return reply
        except TimeoutError:
            raise AssertionError(f"{to}: the relay is silent; {self.relay.told()}") from None
        except (OSError, Closed, AssertionError):
            assert self.relay.process.alive(), self.relay.told()
            return None

    def storm(self, seed, every, messages=25):
        """Messages while calls fail, then all is well again."""
        before, began = len(self.wanted), time.monotonic()
        self.faults.set(every, seed)
        for n in range(messages):
            to = f"r{seed}-{n}@dest.test"
            reply = self.submit(to)
            if reply and reply.code == 250:
                self.wanted.add(to)
            else:
                assert not reply or reply.code // 100 == 4, f"seed {seed}: {reply}"
        self.faults.set(0)
        until(lambda: (r := self.submit(f"healed{seed}@dest.test")) and r.code == 250, self.relay.told)
        self.wanted.add(f"healed{seed}@dest.test")
        late = 120 + 2 * (time.monotonic() - began)  # what failed for so long waits as long again before its next try
        until(lambda: self.wanted <= {m.to()[0] for m in self.mx.messages},
              lambda: f"seed {seed}: {self.wanted - {m.to()[0] for m in self.mx.messages}}; {self.relay.told()}", late)
        until(lambda: self.wanted <= {e["to"] for e in self.hook.events("delivered")},
              lambda: f"seed {seed}: untold: {self.wanted - {e['to'] for e in self.hook.events('delivered')}}", late)
        until(lambda: self.wanted <= {e["to"] for e in self.reader.kept if e["event"] == "delivered"},
              lambda: f"seed {seed}: untold at the socket: {self.wanted - {e['to'] for e in self.reader.kept}}", late)
        assert not self.relay.events("failed"), f"seed {seed}"
        return len(self.wanted) - before


@pytest.mark.threads
def test_case_640_any_call_on_a_socket_may_fail(lab):
    stage = Stage(lab)
    end = time.monotonic() + float(os.environ.get("FAULT_SECONDS", "0"))
    rounds = 0
    while rounds < 4 or time.monotonic() < end:
        seed = int(os.environ.get("FAULT_SEED", random.randrange(1 << 30)))
        every = (6, 15, 40, 100)[rounds % 4]
        print("FAULT_SEED", seed, "one of", every, "taken", stage.storm(seed, every))
        rounds += 1
    struck = stage.faults.struck()
    print("struck", struck)
    assert all(struck), struck  # every kind of call
    stage.hook.check()
    stage.relay.stop()
    stage.reader.listener.close()
