# SPDX-License-Identifier: ISC
"""Every story gets a Lab of its own in a namespace: entered here, when we are not in one yet."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.lab import world  # noqa: E402
from tests.lab.lab import Lab  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--part", metavar="K/N", help="of the stories every Nth, from the Kth (of 0) on")


def pytest_collection_modifyitems(config, items):
    if not config.option.part:
        return
    k, n = (int(word) for word in config.option.part.split("/"))
    config.hook.pytest_deselected(items=[it for i, it in enumerate(items) if i % n != k])
    items[:] = items[k::n]


def pytest_configure(config):
    config.addinivalue_line("markers", "threads: touches several threads; runs under ThreadSanitizer too")
    config.addinivalue_line("markers", "needs(part): the part of the product that a story is about")


def pytest_cmdline_main(config):
    if world.inside() or config.option.collectonly or config.option.help:
        return None
    if os.geteuid() != 0:
        raise pytest.UsageError("the scenarios need root: they live in a network namespace of their own")
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.suspend_global_capture(in_=True)
    world.enter([sys.executable, "-m", "pytest", *config.invocation_params.args])
    return None


@pytest.fixture
def lab():
    with Lab() as it:
        yield it
