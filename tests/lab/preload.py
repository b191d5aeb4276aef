# SPDX-License-Identifier: ISC
"""A library of the lab's that stands before the relay's own calls: shortage.c, faults.c."""
import os

from tests.lab.process import must

HERE = os.path.dirname(os.path.abspath(__file__))


def preloaded(relay, name, **settings):
    """The `wrap` of Relay.start() that puts tests/lab/NAME.c before the program, with these variables set."""
    library = os.path.join(relay.lab.root, name + ".so")
    if not os.path.exists(library):
        must(["cc", "-shared", "-fPIC", "-O1", "-o", library, os.path.join(HERE, name + ".c"), "-ldl"])
    relay.asan_options = "verify_asan_link_order=0:"
    return ["env", f"LD_PRELOAD={library}", *(f"{k}={v}" for k, v in settings.items())]
