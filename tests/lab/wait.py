# SPDX-License-Identifier: ISC
"""Waiting: for a condition, never for a time."""
import os
import time

# Sanitizer builds on a busy machine are slow; a bound only ends a story that can no longer succeed.
BOUND = float(os.environ.get("LAB_BOUND", "60"))
DEAR = 1  # seconds between two looks, at most


class Bound(AssertionError):
    """A condition did not come true in its bound."""


def until(condition, what="a condition", bound=None):
    """Returns the first true value of condition(); raises Bound when none came in `bound` seconds."""
    bound = BOUND if bound is None else bound
    end = time.monotonic() + bound
    pause = 0.002
    while True:
        began = time.monotonic()
        value = condition()
        if value:
            return value
        # A command that is asked again and again has the processors for a third of the time at most.
        pause = max(pause, min(2 * (time.monotonic() - began), DEAR))
        if time.monotonic() > end:
            raise Bound(f"waited {bound:.0f} s in vain for {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
