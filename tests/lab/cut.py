# SPDX-License-Identifier: ISC
"""Ways of the network that are not there for a while."""
from tests.lab.process import must


class Cut:
    """Something of the network that is not there for a while; each entry is what `ip` adds and deletes."""

    def __init__(self, lab, *entries):
        self.entries, self.there = entries, True
        lab.at_end(self.heal)

    def cut(self):
        self.there = False
        for kind, *entry in self.entries:
            must(["ip", kind, "add", *entry])

    def heal(self):
        if not self.there:
            for kind, *entry in self.entries:
                must(["ip", kind, "del", *entry])
        self.there = True
