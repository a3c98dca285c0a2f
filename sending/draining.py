"""Shutting down without dropping anything: every wait in a worker is `draining.wait`, and it ends when draining begins.

Threads can't be killed, so nothing here may sleep by other means.
"""

import threading
import time

from sending import hub

# A dialogue looks so often whether the process drains.
_LOOK_AGAIN_SECONDS = 0.1

_draining = threading.Event()


def begin() -> None:
    """Take no further messages: finish those on the wire, hand the rest back. Safe to call from a signal handler."""
    _draining.set()


def is_draining() -> bool:
    return _draining.is_set()


def wait(seconds: float) -> bool:
    """Wait at most so long (none at all for 0 or less); true as soon as the process drains."""
    if (current := hub.strand()) is None:
        return _draining.wait(seconds) if seconds > 0 else _draining.is_set()
    until = time.monotonic() + seconds
    while not _draining.is_set() and (now := time.monotonic()) < until:
        current.hub.park(current, min(until, now + _LOOK_AGAIN_SECONDS))
    return _draining.is_set()


def forget() -> None:
    """Start afresh: for a process that serves on after a drain (a pool that restarts, a test)."""
    _draining.clear()
