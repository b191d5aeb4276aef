# SPDX-License-Identifier: ISC
"""Signed zones from Knot: a root, TLDs and domains, each a zone of its own with its delegation, so that a
validator that starts at our root key can prove or disprove everything.

    zones = lab.zones()
    zones.zone("example")                                  signed, delegated securely from the root
    zones.zone("good.example").add("good.example", "MX", "10 mx.good.example.")
    zones.zone("plain.example", signed=False)              delegated without DS: insecure
    zones.zone("liar.example", bogus=True)                 delegated with a wrong DS: bogus
    zones.start()

After lab.use(zones) the actors of the lab put their records here instead of into lab.names. A bogus TLSA beside a good address: make "_tcp.mx.good.example" a zone with bogus=True.
"""
import os
import socket

import dns.flags
import dns.message
import dns.query
import dns.rcode

from tests.lab.process import Process, must
from tests.lab.wait import until

SERVER = "198.51.100.2"


class Zone:
    def __init__(self, name, signed, bogus, server):
        self.name, self.signed, self.bogus, self.server = name.rstrip("."), signed, bogus, server
        self.lines, self.children, self.ds, self.serial = [], [], [], 1

    def add(self, owner, rtype, text, ttl=60):
        if rtype == "TXT" and not text.startswith('"'):
            text = " ".join('"%s"' % text[i:i + 255] for i in range(0, len(text), 255))
        self.lines.append(f"{owner.rstrip('.')}. {ttl} IN {rtype} {text}")
        return self

    def remove(self, owner, rtype):
        start, mark = owner.rstrip(".") + ". ", f" IN {rtype} "
        self.lines = [one for one in self.lines if not (one.startswith(start) and mark in one)]
        return self

    def text(self):
        apex = self.name + "." if self.name else "."
        lines = [f"{apex} 60 IN SOA ns.lab-root. admin.lab-root. {self.serial} 3600 600 86400 5",
                 f"{apex} 60 IN NS ns.lab-root."]
        if not self.name:
            lines.append(f"ns.lab-root. 60 IN A {SERVER}")
        for child in self.children:
            lines.append(f"{child.name}. 60 IN NS {child.ns()}")
            if child.server:
                lines.append(f"{child.ns()} 60 IN A {child.server}")
            lines += [f"{child.name}. 60 IN DS {one}" for one in child.ds]
        return "\n".join(lines + self.lines) + "\n"

    def ns(self):
        return f"ns.{self.name}." if self.server else "ns.lab-root."


class Zones:
    def __init__(self, lab):
        self.lab, self.folder = lab, lab.folder("knot")
        self.by_name = {"": Zone("", True, False, None)}
        self.process = None
        self.conf = os.path.join(self.folder, "knot.conf")
        self.trust_anchor = os.path.join(self.folder, "root.key")
        self.root_hints = os.path.join(self.folder, "root.hints")

    def zone(self, name, signed=True, bogus=False, server=None):
        """A zone below its nearest parent here. `server`: delegated to that address, where somebody else
        (or nobody) answers: Knot does not serve it."""
        zone = Zone(name, signed, bogus, server)
        self.by_name[zone.name] = zone
        parent = zone.name
        while parent not in self.by_name or parent == zone.name:
            parent = parent.partition(".")[2]
        self.by_name[parent].children.append(zone)
        return zone

    def __getitem__(self, name):
        return self.by_name[name.rstrip(".")]

    def nearest(self, name):
        """The zone that a name belongs to."""
        name = name.rstrip(".").lower()
        while name not in self.by_name:
            name = name.partition(".")[2]
        return self.by_name[name]

    def add(self, name, rtype, *texts):
        """Like Names.add, in the nearest zone; seen after start() or reload()."""
        for text in texts:
            self.nearest(name).add(name, rtype, text)
        return self

    def set(self, name, rtype, *texts):
        self.nearest(name).remove(name, rtype)
        return self.add(name, rtype, *texts)

    def served(self):
        return [z for z in self.by_name.values() if not z.server]

    def start(self):
        self._configure()
        for zone in self.served():
            if zone.signed:
                self._make_key(zone)
        for zone in self.served():
            self._write(zone)
        with open(self.root_hints, "w", encoding="ascii") as f:
            f.write(f". 3600 IN NS ns.lab-root.\nns.lab-root. 3600 IN A {SERVER}\n")
        self.process = Process(["knotd", "-c", self.conf], os.path.join(self.folder, "log"))
        self.lab.at_end(self.close)
        until(lambda: all(self._ready(z) for z in self.served()), lambda: self.process.output()[-2000:])
        return self

    def reload(self):
        """Serves what was changed since (add, remove); returns when every zone answers with it."""
        for zone in self.served():
            zone.serial += 1
            self._write(zone)
        must(["knotc", "-c", self.conf, "-b", "zone-reload"])
        until(lambda: all(self._ready(z) for z in self.served()), "the reload of the zones")

    def close(self):
        if self.process:
            self.process.kill()
            self.process = None

    def _write(self, zone):
        with open(self._file(zone), "w", encoding="ascii") as f:
            f.write(zone.text())

    def _file(self, zone):
        return os.path.join(self.folder, (zone.name or "root") + ".zone")

    def _configure(self):
        zones = "".join(f"  - domain: \"{z.name or ''}.\"\n    file: \"{self._file(z)}\"\n"
                        f"    dnssec-signing: {'on' if z.signed else 'off'}\n"
                        f"    zonefile-sync: -1\n    zonefile-load: difference-no-serial\n"
                        f"    journal-content: all\n    acl: all\n"
                        + ("    dnssec-policy: lab\n" if z.signed else "") for z in self.served())
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f"server:\n  rundir: {self.folder}\n  listen: [ {SERVER}@53 ]\n"
                    f"  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 2\n"
                    f"log:\n  - target: stderr\n    any: info\n"
                    f"database:\n  storage: {self.folder}\n  journal-db-max-size: 64M\n"
                    f"  kasp-db-max-size: 64M\n"
                    f"policy:\n  - id: lab\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n"
                    f"    nsec3: off\n    manual: on\n"
                    f"acl:\n  - id: all\n    action: update\n"
                    f"zone:\n{zones}")

    def _make_key(self, zone):
        apex = zone.name + "."
        keymgr = ["keymgr", "-c", self.conf]
        must(keymgr + [apex, "generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes"])
        for line in must(keymgr + [apex, "ds"]).splitlines():
            rdata = line.split(" DS ", 1)[1].strip()
            if rdata.split()[2] == "2":  # SHA-256
                zone.ds = [spoiled(rdata) if zone.bogus else rdata]
        if not zone.name:
            keys = must(keymgr + [".", "dnskey"])
            with open(self.trust_anchor, "w", encoding="ascii") as f:
                f.write("".join(". 3600 IN DNSKEY " + one.split(" DNSKEY ", 1)[1].strip() + "\n"
                                for one in keys.splitlines() if " DNSKEY " in one))

    def _ready(self, zone):
        query = dns.message.make_query(zone.name + ".", "SOA", want_dnssec=True)
        try:
            answer = dns.query.udp(query, SERVER, timeout=2)
        except (OSError, dns.exception.Timeout):
            return False
        signed = any(r.rdtype == dns.rdatatype.RRSIG for r in answer.answer)
        return answer.rcode() == dns.rcode.NOERROR and bool(answer.answer) and signed == zone.signed \
            and self._same(zone)

    def _same(self, zone):
        """Whether the newest record that the story added is served (a reload is done)."""
        if not zone.lines:
            return True
        owner, _, _, rtype, _ = zone.lines[-1].split(" ", 4)
        answer = dns.query.tcp(dns.message.make_query(owner, rtype), SERVER, timeout=2)
        return bool(answer.answer) or bool(answer.authority)


def spoiled(ds):
    """The same DS with another digest."""
    tag, algorithm, kind, digest = ds.split()[:4]
    return f"{tag} {algorithm} {kind} {'0' * 8}{digest[8:]}"


def silent_server(lab, address):
    """An address on port 53 that takes questions and never answers: a dead zone that costs time."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 53))
    lab.at_end(sock.close)
    return sock
