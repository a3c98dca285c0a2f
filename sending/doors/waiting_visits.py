"""Visits that wait in this process to be written down together, twice a second.

A click or an open costs its visitor no wait for the database, and goes on while that is away. A process that is killed
(`kill -9`, loss of power) takes the visits of at most its last second along; one that ends writes all of them.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence

from django.db import DatabaseError, DataError, IntegrityError, close_old_connections, connection

from sending import visit_book
from sending.visit_book import Visit

log = logging.getLogger(__name__)

MOST = 100_000
AT_ONCE = 5_000
EVERY_SECONDS = 0.5
# Of a process that ends while the database is away.
LAST_TRIES = 10


class WaitingVisits:
    """A bounded queue in memory, and a thread that empties it for as long as the main thread lives, and once more."""

    def __init__(self, write: Callable[[Sequence[Visit]], object], *, most: int = MOST, at_once: int = AT_ONCE) -> None:
        self._write, self._most, self._at_once = write, most, at_once
        self.forget()

    def forget(self) -> None:
        """Begin empty, with neither thread nor held lock: after a fork they are the parent's."""
        self._visits: deque[Visit] = deque()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._visits)

    def add(self, visit: Visit) -> None:
        with self._lock:
            self._visits.append(visit)
            dropped = self._drop_surplus()
            if self._thread is None:
                self.start()
        _say_dropped(dropped)

    def start(self) -> None:
        """No daemon: the interpreter waits for it at its end. Servers that end without `atexit` are served too."""
        self._thread = threading.Thread(target=self._run, name="visits", daemon=False)
        self._thread.start()

    def flush(self) -> int:
        """Write all that waits, on the calling thread's connection; returns how many were taken off the queue.

        Raises DatabaseError when that is not possible now: then they wait again, in their order.
        """
        taken = 0
        with self._writing:
            while chunk := self._take():
                try:
                    self._write_what_can_be(chunk)
                except BaseException:
                    self._put_back(chunk)
                    raise
                taken += len(chunk)
        return taken

    def _write_what_can_be(self, chunk: Sequence[Visit]) -> None:
        """A visit the database refuses for its own sake is dropped; it must not keep the others from being written."""
        try:
            self._write(chunk)
        except (DataError, IntegrityError) as error:
            if len(chunk) == 1:
                log.error("A visit cannot be written and is dropped: %s", type(error).__name__)
                return
            middle = len(chunk) // 2
            self._write_what_can_be(chunk[:middle])
            self._write_what_can_be(chunk[middle:])

    def _take(self) -> list[Visit]:
        with self._lock:
            return [self._visits.popleft() for _ in range(min(len(self._visits), self._at_once))]

    def _put_back(self, chunk: Sequence[Visit]) -> None:
        with self._lock:
            self._visits.extendleft(reversed(chunk))
            dropped = self._drop_surplus()
        _say_dropped(dropped)

    def _drop_surplus(self) -> int:
        surplus = max(0, len(self._visits) - self._most)
        for _ in range(surplus):
            self._visits.popleft()
        return surplus

    def _run(self) -> None:
        main = threading.main_thread()
        while main.is_alive():
            # A pause that the end of the process cuts short.
            main.join(EVERY_SECONDS)
            self._try()
        for _ in range(LAST_TRIES):
            if self._try():
                break
            threading.Event().wait(EVERY_SECONDS)
        else:
            log.error("%s clicks and opens were lost: the process ended while the database was away.", len(self))
        connection.close()

    def _try(self) -> bool:
        """True when nothing waits any more."""
        if not self._visits:
            return True
        try:
            close_old_connections()
            self.flush()
        except DatabaseError as error:
            connection.close()
            log.warning("%s clicks and opens wait: the database is away (%s)", len(self), type(error).__name__)
            return False
        except Exception:
            connection.close()
            log.exception("%s clicks and opens could not be written and wait", len(self))
            return False
        return True


def _say_dropped(n: int) -> None:
    if n:
        log.error("%s clicks and opens were dropped, the oldest: more than %s wait for the database.", n, MOST)


waiting = WaitingVisits(visit_book.write_in_passing)
os.register_at_fork(after_in_child=waiting.forget)
