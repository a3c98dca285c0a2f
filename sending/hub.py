"""One thread drives the dialogues of all connections of this process.

A dialogue is written as a plain sequence: say, wait, hear. Hundreds of threads that each do a little of that fight for
the interpreter's lock. So each is a strand (a greenlet) of one thread, the hub, and where a strand would wait, the hub
goes on with another one. The standard library stays as it is: the same calls just block on any other thread.

The thread that brought a dialogue waits for its end, and meanwhile runs its errands: what has to block, such as opening
a connection or asking the database.
"""

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

log = logging.getLogger(__name__)

T = TypeVar("T")
Errands = SimpleQueue[Callable[[], Any] | None]

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
FOREVER = float("inf")


class Outcome:
    """What a call came to, carried to another thread."""

    def __init__(self) -> None:
        self._result: Any = None
        self._error: BaseException | None = None

    def of(self, act: Callable[[], Any]) -> None:
        try:
            self._result = act()
        except BaseException as error:  # noqa: BLE001 whoever asked gets it
            self._error = error

    def get(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


class Strand(greenlet):
    """One of the hub's. `n_waits` names its present wait, so that a call that comes too late wakes nobody."""

    def __init__(self, hub: "Hub", act: Callable[[], None], errands: Errands, parent: greenlet) -> None:
        super().__init__(act, parent)
        self.hub, self.errands = hub, errands
        self.n_waits = 0
        self.until = FOREVER
        # What it is registered for, and whether that is what it waits for now.
        self.sock: socket.socket | None = None
        self.event = READ
        self.waits_for_sock = False


class Hub(threading.Thread):
    """Started at the first need; ends with the process."""

    def __init__(self) -> None:
        super().__init__(name="hub", daemon=True)
        self._main = getcurrent()  # the thread's own, once it runs
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._selector.register(self._bell, READ)
        self._is_rung = False
        self._calls: deque[Callable[[], None]] = deque()
        self._parked: set[Strand] = set()
        self._next_due = FOREVER

    # -- From any thread -----------------------------------------------------------------------------------------------

    def drive(self, act: Callable[[], T]) -> T:
        """Run `act` as a strand of the hub; returns or raises what it does. The calling thread runs its errands."""
        outcome, errands = Outcome(), Errands()

        def whole() -> None:
            outcome.of(act)
            errands.put(None)

        self.call(lambda: self._resume(Strand(self, whole, errands, self._main)))
        while (errand := errands.get()) is not None:
            errand()
        result: T = outcome.get()
        return result

    def call(self, act: Callable[[], None]) -> None:
        """Let the hub's thread call `act` soon."""
        self._calls.append(act)
        if not self._is_rung:
            self._is_rung = True
            self._rope.send(b"!")

    def waker(self, strand: Strand) -> Callable[[], None]:
        """What lets a strand go on that is about to wait; harmless when it went on by itself. For any thread."""
        strand.n_waits += 1
        return partial(self.call, partial(self._wake, strand, strand.n_waits))

    # -- In a strand ---------------------------------------------------------------------------------------------------

    def park(self, strand: Strand, until: float) -> None:
        """Let the others go on until this one is woken, or the instant (of `time.monotonic()`) has come."""
        strand.until = until
        if until < self._next_due:
            self._next_due = until
        self._parked.add(strand)
        self._main.switch()
        strand.n_waits += 1

    def watch(self, strand: Strand, sock: socket.socket, event: int, until: float) -> None:
        """Wait for a socket. It stays registered: most dialogues come back to wait for the same."""
        if strand.sock is not sock or strand.event != event:
            self.forget(strand)
            self._selector.register(sock, event, strand)
            strand.sock, strand.event = sock, event
        strand.waits_for_sock = True
        self.park(strand, until)
        strand.waits_for_sock = False

    def forget(self, strand: Strand) -> None:
        """Before its socket is closed: the number would soon stand for another one."""
        if strand.sock is not None:
            self._selector.unregister(strand.sock)
            strand.sock = None

    # -- The hub's own thread ------------------------------------------------------------------------------------------

    def run(self) -> None:
        self._main = getcurrent()
        while True:
            try:
                self._once()
            except Exception:
                # A defect here must not leave all connections standing for ever.
                log.exception("The hub met something unexpected and goes on")

    def _once(self) -> None:
        seconds = 0.0 if self._calls else max(0.0, self._next_due - time.monotonic())
        for key, _ in self._selector.select(None if seconds == FOREVER else seconds):
            strand = key.data
            if strand is None:
                self._bell.recv(64)
            elif strand.waits_for_sock:
                self._resume(strand)
            else:
                # What nobody waits for now, such as a good-bye, would be reported again and again.
                self.forget(strand)
        # First the flag: who calls from now on rings again.
        self._is_rung = False
        for _ in range(len(self._calls)):
            self._calls.popleft()()
        if time.monotonic() >= self._next_due:
            self._wake_the_due()

    def _wake(self, strand: Strand, n_waits: int) -> None:
        if strand.n_waits == n_waits:
            self._resume(strand)

    def _resume(self, strand: Strand) -> None:
        self._parked.discard(strand)
        strand.switch()

    def _wake_the_due(self) -> None:
        now = time.monotonic()
        for strand in [each for each in self._parked if each.until <= now]:
            self._resume(strand)
        self._next_due = min((each.until for each in self._parked), default=FOREVER)


def strand() -> Strand | None:
    """The strand that is running; None on every thread but the hub's."""
    current = getcurrent()
    return current if isinstance(current, Strand) else None


def errand(act: Callable[[], T]) -> T:
    """Call what blocks: in a strand on the thread that brought it, while the others go on."""
    if (current := strand()) is None:
        return act()
    outcome, wake = Outcome(), current.hub.waker(current)

    def run() -> None:
        outcome.of(act)
        wake()

    current.errands.put(run)
    current.hub.park(current, FOREVER)
    result: T = outcome.get()
    return result
