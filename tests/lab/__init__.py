# SPDX-License-Identifier: ISC
"""The laboratory: a small Internet in a network namespace, and the actors that live in it.

A story is written with a `Lab`: it makes names, certificates, MX hosts, proxies, policy hosts, Postfix
instances, clients and relays, and takes all of them away again. Everything waits for conditions with a
generous bound; nothing asserts how long something took.
"""
from tests.lab.lab import Lab  # noqa: F401
from tests.lab.wait import Bound, until  # noqa: F401
