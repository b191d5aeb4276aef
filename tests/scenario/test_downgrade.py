# SPDX-License-Identifier: ISC
"""The enemy on the way, in any order of policy, cache, restart and outage: never a message in clear, never
one to a wrong key. The order is drawn from a seed that is printed."""
import os
import random

import pytest

from tests.lab.policyhost import policy
from tests.lab.wait import until


class Story:
    """One domain whose MX sits behind two enemies; the steps that may happen, and the promise to keep."""

    def __init__(self, lab, kind, chance):
        self.lab, self.kind, self.chance = lab, kind, chance
        self.mx = lab.mx("hidden.test", port=2525)
        self.host = "mx.dest.test"
        lab.names.ttl = 1  # what is changed below is met
        lab.names.add("dest.test", "MX", f"10 {self.host}.").set(self.host, "A", lab.address(self.host))
        from tests.lab.proxy import Proxy
        at = (self.mx.addresses[0], 2525)
        self.mx.certificate = lab.ca.leaf(self.host)
        stranger = lab.certificate("untrusted", self.host)
        self.enemies = [Proxy(lab, (lab.address(n), 25), at, c)
                        for n, c in ((self.host, None), ("swap.test", stranger))]
        self.calm()
        self.web = None
        if kind == "dane":
            lab.names.add(f"_25._tcp.{self.host}", "TLSA", self.mx.certificate.tlsa())
            lab.names.secure("dest.test", self.host, f"_25._tcp.{self.host}")
        elif kind == "sts":
            self.web = lab.policy_host("dest.test", body=policy(mx=[self.host]))
        delivery = {"tls": "opportunistic", "retry": ["1s"], "memory": {"level": "certificate", "days": 30}}
        if kind != "memory":
            delivery["memory"]["level"] = "off"  # each protection by itself
        self.relay = lab.relay(delivery=delivery).start()
        self.count, self.id = 0, 1

    # --- steps ---

    def calm(self):
        self.lab.names.set(self.host, "A", self.lab.address(self.host))
        self.enemies[0].honest = True

    def strip(self):
        self.enemies[0].honest = False

    def swap(self):
        self.lab.names.set(self.host, "A", self.lab.address("swap.test"))

    def restart(self):
        self.relay.restart()

    def kill(self):
        self.relay.kill()
        self.relay.start()

    def lose_proof(self):
        """The records that demand proof fail or vanish: TLSA answers SERVFAIL, the policy's TXT is gone."""
        if self.kind == "dane":
            self.lab.names.error(f"_25._tcp.{self.host}", "TLSA", self.chance.choice(["SERVFAIL", "TIMEOUT"]))
        elif self.web:
            self.lab.names.error("_mta-sts.dest.test", "TXT", self.chance.choice(["SERVFAIL", "NXDOMAIN"]))
            self.web.close()

    def find_proof(self):
        self.lab.names.error(f"_25._tcp.{self.host}", "TLSA", None)
        self.lab.names.error("_mta-sts.dest.test", "TXT", None)
        if self.web and not self.web.listener:
            self.web.open()

    def renew(self):
        """The owner turns something over: another TLSA record beside the first, a new policy id."""
        if self.kind == "dane":
            self.lab.names.set(f"_25._tcp.{self.host}", "TLSA", self.mx.certificate.tlsa(),
                               f"3 1 1 {self.chance.getrandbits(256):064x}")
        elif self.web:
            self.id += 1
            self.lab.names.set("_mta-sts.dest.test", "TXT", f"v=STSv1; id={self.id};")

    def reload(self):
        self.relay.reload()

    def look_again(self):
        self.relay.ctl("tls", "refresh", "dest.test")

    def send(self):
        self.count += 1
        assert self.relay.submit(f"u{self.count}@dest.test").code == 250

    def promise(self):
        for enemy in self.enemies:
            assert b"Hello." not in enemy.seen_clear, "a message went out in clear"
            assert b"Hello." not in enemy.stolen, "a message went to the wrong key"


@pytest.mark.parametrize("kind", ["dane", "sts", "memory"])
def test_no_order_of_events_is_a_downgrade(lab, kind):
    seed = int(os.environ.get("LAB_SEED", random.randrange(1 << 30)))
    print("LAB_SEED", seed)
    chance = random.Random(seed)
    story = Story(lab, kind, chance)
    story.send()  # first contact is honest: an MTA-STS policy must be seen once to protect
    until(lambda: story.mx.messages, story.relay.told)
    if kind == "memory":  # written once a second: what a kill takes before that was never known
        story.restart()
    steps = [story.calm, story.strip, story.swap, story.restart, story.kill, story.lose_proof,
             story.find_proof, story.renew, story.reload, story.look_again, story.send, story.send, story.send]
    for _ in range(40):
        step = chance.choice(steps)
        print(step.__name__)
        step()
        story.promise()
    story.calm()
    story.find_proof()
    story.relay.ctl("tls", "refresh", "dest.test")
    until(lambda: story.relay.ctl("queue", "retry", "--all") and
          {t for m in story.mx.messages for t in m.to()} == {f"u{n + 1}@dest.test" for n in range(story.count)},
          story.relay.told, 120)
    story.promise()
