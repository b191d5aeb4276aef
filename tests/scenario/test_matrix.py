# SPDX-License-Identifier: ISC
"""Every state of the DNS x every policy x every certificate, against a table written from RFC 7672 2.2 and
RFC 8461 5: what happens, what the log says, what the ledger keeps and what `explain` tells must agree."""
import itertools
import json

import pytest

from tests.lab.policyhost import policy
from tests.lab.wait import Bound, until

DNS = ["tlsa good", "tlsa wrong", "tlsa unusable", "tlsa bogus", "no tlsa", "insecure"]
STS = ["no policy", "enforce", "enforce, other host", "testing, other host"]
CERTIFICATES = ["good", "self-signed", "none"]

# What a host owes: RFC 7672 2.2 first, then RFC 8461 5, then delivery.tls (encrypt).
DEMAND = {
    "tlsa good": dict.fromkeys(STS, "dane"),
    "tlsa wrong": dict.fromkeys(STS, "dane"),
    "tlsa bogus": dict.fromkeys(STS, "refuse"),
}
for state in ("tlsa unusable", "no tlsa", "insecure"):
    DEMAND[state] = {"no policy": "encrypt", "enforce": "webpki", "enforce, other host": "refuse",
                     "testing, other host": "encrypt"}

# (demand, TLSA state, certificate) -> the result type of RFC 8460, or None: delivered. "*": any state.
RESULT = {
    ("dane", "tlsa good", "good"): None,
    ("dane", "tlsa good", "self-signed"): None,
    ("dane", "tlsa wrong", "good"): "tlsa-invalid",
    ("dane", "tlsa wrong", "self-signed"): "tlsa-invalid",
    ("dane", "*", "none"): "starttls-not-supported",
    ("encrypt", "*", "good"): None,
    ("encrypt", "*", "self-signed"): None,
    ("encrypt", "*", "none"): "starttls-not-supported",
    ("webpki", "*", "good"): None,
    ("webpki", "*", "self-signed"): "certificate-not-trusted",
    ("webpki", "*", "none"): "starttls-not-supported",
}


class Cell:
    def __init__(self, number, dns, sts, certificate):
        self.dns, self.sts, self.certificate = dns, sts, certificate
        self.domain = f"c{number}.example"
        self.host, self.to = "mx." + self.domain, "a@" + self.domain
        self.demand = DEMAND[dns][sts]
        key = (self.demand, dns, certificate)
        self.type = "refused" if self.demand == "refuse" else RESULT[
            key if key in RESULT else (self.demand, "*", certificate)]
        self.mx = None

    def __str__(self):
        return f"{self.domain}: {self.dns}; {self.sts}; certificate {self.certificate}"

    def build(self, lab):
        self.mx = lab.mx(self.host, domains=self.domain,
                         tls=None if self.certificate == "none" else self.certificate)
        leaf = self.mx.certificate or lab.ca.leaf(self.host)
        text = {"tlsa wrong": "3 1 1 " + "0" * 64, "insecure": "3 1 1 " + "0" * 64, "no tlsa": None,
                "tlsa unusable": "1 1 1 " + "0" * 64}.get(self.dns, leaf.tlsa())
        if text:
            lab.names.add("_25._tcp." + self.host, "TLSA", text)
        if self.sts != "no policy":
            lab.policy_host(self.domain, body=policy(
                self.sts.split(",")[0], [self.host if self.sts == "enforce" else "other.example"]))

    def mark_stub(self, names):
        if self.dns != "insecure":
            names.secure(self.domain, self.host, "_25._tcp." + self.host)
        if self.dns == "tlsa bogus":
            names.error("_25._tcp." + self.host, "TLSA", "BOGUS")

    def make_zone(self, zones):
        zones.zone(self.domain, signed=self.dns != "insecure")
        if self.dns == "tlsa bogus":
            zones.zone("_tcp." + self.host, bogus=True)

    def complaints(self, relay):
        """What does not agree with the table, after the mail was sent."""
        wanted = "delivered" if self.type is None else "deferred"
        try:
            until(lambda: relay.events(wanted, to=self.to), str(self), 60)
        except Bound:
            return [f"{self}: not {wanted}"]
        bad = []
        if self.type is None:
            line = relay.events("delivered", to=self.to)[0]
            if line["demand"] != self.demand:
                bad.append(f"{self}: demand {line['demand']}, not {self.demand}")
            if not self.mx.seen[0].tls:
                bad.append(f"{self}: in clear")
            return bad
        if self.mx.seen:
            bad.append(f"{self}: a body went out")
        lines = relay.events("tls-refused", domain=self.domain)
        if not lines:
            bad.append(f"{self}: no tls-refused")
        elif self.type != "refused" and lines[0]["type"] != self.type:
            bad.append(f"{self}: type {lines[0]['type']}, not {self.type}")
        elif lines[0]["type"] not in relay.ctl("tls", "failures", "--domain", self.domain).stdout:
            bad.append(f"{self}: not in the ledger as {lines[0]['type']}")
        return bad

    def explained(self, relay):
        told = json.loads(relay.ctl("explain", self.domain, "--json").stdout or "{}")
        demand = (told.get("mx") or [{}])[0].get("demand")
        verdict = "defer" if self.demand == "refuse" else "deliver"
        if (told.get("verdict"), demand) != (verdict, self.demand):
            return [f"{self}: explain says {told.get('verdict')}, {demand}; not {verdict}, {self.demand}"]
        return []


@pytest.mark.parametrize("mode", ["stub", "recursive"])
def test_every_combination_agrees_with_the_rfcs(lab, mode):
    cells = [Cell(n, *c) for n, c in enumerate(itertools.product(DNS, STS, CERTIFICATES))]
    assert len(cells) >= 60
    more = {}
    if mode == "recursive":
        zones = lab.use(lab.zones())
        for name in ("example", "example.org"):
            zones.zone(name)
        for cell in cells:
            cell.make_zone(zones)
        more["dns"] = lab.recursive(zones)
    for cell in cells:
        cell.build(lab)
        if mode == "stub":
            cell.mark_stub(lab.names)
    relay = lab.relay(delivery={"retry": ["1h"]}, **more)
    if mode == "recursive":
        zones.start()
    relay.start()
    for cell in cells:
        assert relay.submit(cell.to).code == 250
    bad = [line for cell in cells for line in cell.complaints(relay)]
    bad += [line for cell in cells for line in cell.explained(relay)]
    assert not bad, "\n".join([f"{len(bad)} disagreements:"] + bad)
