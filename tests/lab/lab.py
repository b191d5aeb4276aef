# SPDX-License-Identifier: ISC
"""The Lab: makes actors, knows their folders, and takes everything away at the end."""
import os
import shutil
import tempfile

from tests.lab import collector, policyhost, postfix, proxy, world, zones
from tests.lab.mx import Mx
from tests.lab.names import Names
from tests.lab.pki import Authority, self_signed
from tests.lab.relay import Relay


class Lab:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="lab.", dir="/tmp")
        os.chmod(self.root, 0o755)
        self.endings, self.hosts, self.count = [], {}, 0
        world.build(self.root)
        self._ca = self._names = None

    # --- life ---

    def at_end(self, action, behind_all=False):
        """The last one first; behind_all: when whatever needs it has ended."""
        self.endings.insert(0 if behind_all else len(self.endings), action)

    def close(self):
        problems = []
        for action in reversed(self.endings):
            try:
                action()
            except Exception as problem:  # every other actor must still go
                problems.append(problem)
        shutil.rmtree(self.root, ignore_errors=True)
        if problems:
            raise problems[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- places ---

    def folder(self, name):
        self.count += 1
        path = os.path.join(self.root, f"{self.count}.{name}")
        os.mkdir(path, 0o755)
        return path

    def file(self, name, data):
        path = os.path.join(self.root, name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(path, 0o644)
        return path

    def address(self, host, family=4):
        """The address of a host, the same each time it is asked."""
        number = self.hosts.setdefault(host, len(self.hosts) + 10)
        return f"198.51.100.{number}" if family == 4 else f"2001:db8::{number:x}"

    # --- actors ---

    @property
    def ca(self):
        """The authority that relays here trust."""
        if self._ca is None:
            self._ca = Authority(self.folder("pki"))
        return self._ca

    @property
    def names(self):
        """The name server on 127.0.0.1 that relays here ask (stub mode)."""
        if self._names is None:
            self._names = Names(self)
        return self._names

    def use(self, zones):
        """Actors made from now on put their records into these zones."""
        self._names = zones
        return zones

    def certificate(self, kind, host):
        """good, self-signed, wrong-name, expired, untrusted; or a Certificate as it is; None: none."""
        if kind == "good":
            return self.ca.leaf(host)
        if kind == "self-signed":
            return self_signed(self.ca.folder, host)
        if kind == "wrong-name":
            return self.ca.leaf("other." + host)
        if kind == "expired":
            return self.ca.leaf(host, days=(-9, -1))
        if kind == "untrusted":
            return Authority(self.ca.folder, "Stranger CA").leaf(host)
        return kind

    def mx(self, host, tls="good", domains=(), preference=10, families=(4,), **more):
        """A fake MX host with its address records, and MX records of the domains that it serves."""
        addresses = [self.address(host, f) for f in families]
        for family, address in zip(families, addresses):
            self.names.set(host, "A" if family == 4 else "AAAA", address)
        for domain in [domains] if isinstance(domains, str) else domains:
            self.names.add(domain, "MX", f"{preference} {host}.")
        return Mx(self, host, addresses, self.certificate(tls, host), **more)

    def postfix_mx(self, host, domains, tls="good", **settings):
        address = self.address(host)
        self.names.set(host, "A", address)
        for domain in domains:
            self.names.add(domain, "MX", f"10 {host}.")
        return postfix.receiver(self, host, address, self.certificate(tls, host), domains, **settings)

    def postfix_client(self, name, relay, **settings):
        return postfix.client(self, name, f"[{relay.address}]:{relay.port}", relay.user, relay.password,
                              **settings)

    def relay(self, **config):
        return Relay(self, config)

    def recursive(self, zones):
        """The `dns` part of a configuration that resolves from the root of these zones."""
        return {"mode": "recursive", "trust_anchor": zones.trust_anchor, "root_hints": zones.root_hints}

    def policy_host(self, domain, **more):
        """The HTTPS host of an MTA-STS policy, with its TXT and address records."""
        return policyhost.PolicyHost(self, domain, **more)

    def collector(self, host, **more):
        """The HTTPS host that TLS reports are posted to."""
        return collector.Collector(self, host, **more)

    def strip_proxy(self, host, upstream):
        return proxy.Proxy(self, (self.address(host), 25), (upstream, 25))

    def swap_proxy(self, host, upstream, certificate):
        return proxy.Proxy(self, (self.address(host), 25), (upstream, 25), certificate)

    def zones(self):
        """Knot with a signed tree of zones, for recursive mode and the signed stories."""
        return zones.Zones(self)
