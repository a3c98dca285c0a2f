"""Shutting down without dropping anything: every wait in a worker is `draining.wait`, and it ends when draining begins.

Threads can't be killed, so nothing here may sleep by other means.
"""

import threading

_draining = threading.Event()


def begin() -> None:
    """Take no further messages: finish those on the wire, hand the rest back. Safe to call from a signal handler."""
    _draining.set()


def is_draining() -> bool:
    return _draining.is_set()


def wait(seconds: float) -> bool:
    """Wait at most so long (none at all for 0 or less); true as soon as the process drains."""
    return _draining.wait(seconds) if seconds > 0 else _draining.is_set()


def forget() -> None:
    """Start afresh: for a process that serves on after a drain (a pool that restarts, a test)."""
    _draining.clear()
