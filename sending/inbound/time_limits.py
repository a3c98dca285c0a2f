"""A limit in seconds for what strangers make us do."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TakesTooLong(Exception):
    """A message that was made to hold up its reader."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TakesTooLong when the block lasts longer. Only in a process's first thread: signals reach no other."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TakesTooLong(f"It took more than {seconds:g} seconds to take apart.")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
