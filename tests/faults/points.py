"""Places in the code where a process can be made to die, by wrapping functions before it starts.

Which of them is *armed*, at the how manieth pass, and what happens there, is told by a file that the harness writes;
whoever gets there renames it (so that of many threads and children one dies) and does it.
"""

import functools
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACTS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "kill parent": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "sleep": lambda: time.sleep(3),
}


@dataclass(frozen=True, slots=True)
class Point:
    """`where` is module:attribute, as whoever calls it looks it up. `when`: before or after the call, only after one
    that returned something, or halfway through the bytes it was given."""

    name: str
    where: str
    when: str


TRANSMIT = [
    Point("before the claim", "sending.transmit:claim", "before"),
    Point("claimed", "sending.transmit:claim", "after something"),
    Point("people read", "sending.transmit:load", "after"),
    Point("gate asked, not committed", "sending.gate:as_gate_params", "after"),
    Point("intent committed, not heard", "sending.gate_questions:Ticket.reply", "before"),
    Point("offer written", "sending.smtp:SmtpSession.offer", "after"),
    Point("offer answered", "sending.smtp:SmtpSession.hear_offer", "after"),
    Point("granted, before 354", "sending.smtp:SmtpSession.begin_content", "before"),
    Point("354 read", "sending.smtp:SmtpSession.begin_content", "after"),
    Point("half of the content written", "sending.smtp:SmtpSession._write_dot", "halfway"),
    Point("dot written", "sending.smtp:SmtpSession.send_content", "after"),
    Point("reply read, not settled", "sending.smtp:SmtpSession.hear_content", "after"),
    Point("offer taken back", "sending.smtp:SmtpSession.take_back", "after"),
    Point("before the batch's end", "sending.finish:finish", "before"),
    Point("books closed, not committed", "sending.finish:close", "after"),
    Point("handed back, not committed", "sending.requeue:put_back", "after"),
    Point("batch ended", "sending.finish:_finish", "after"),
]
CONTROL = [
    Point("before a plan is written", "sending.plan:_write", "before"),
    Point("batches written, plan not committed", "sending.plan:_write", "after"),
    Point("plan committed, not published", "sending.wake:_publish_all", "before"),
    Point("epoch raised, batch not closed", "sending.takeover:_raise_one", "after something"),
    Point("taken over, not committed", "sending.finish:close", "after"),
    Point("mailing recounted", "sending.completion:mend", "after"),
]
LAUNCH = [
    Point("press: people chosen", "campaigns.launch:choose", "after"),
    Point("press: deliveries written", "sending.press:_deliver", "after"),
    Point("press: lanes opened", "sending.press:_open_lanes", "after"),
    Point("pressed, campaign not marked", "campaigns.launch:press", "after"),
    Point("launched", "campaigns.schedule:launch", "after"),
]
KINDS = {"transmit": TRANSMIT, "transactional": TRANSMIT, "control": [*CONTROL, *LAUNCH]}


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one process: what is armed, and what went off."""

    folder: Path
    name: str

    @property
    def armed(self) -> Path:
        return self.folder / f"armed-{self.name}.json"

    @property
    def fired(self) -> Path:
        return self.folder / f"fired-{self.name}.json"

    def arm(self, point: Point, *, nth: int, act: str = "kill") -> None:
        self.fired.unlink(missing_ok=True)
        fresh = self.armed.with_suffix(".new")
        fresh.write_text(json.dumps({"point": point.name, "nth": nth, "act": act, "turn": time.monotonic_ns()}))
        fresh.replace(self.armed)

    def disarm(self) -> None:
        self.armed.unlink(missing_ok=True)


def find(where: str) -> tuple[Any, str]:
    """The object that holds the function, and its name there. Raises LookupError when there is none."""
    module, _, path = where.partition(":")
    holder: Any = importlib.import_module(module)
    *steps, name = path.split(".")
    for step in steps:
        holder = getattr(holder, step, None)
    if not callable(getattr(holder, name, None)):
        raise LookupError(f"{where} is not there any more; the kill points need to follow")
    return holder, name


def wrap(kind: str, place: Place) -> None:
    """Put all points of a kind of process in. Needs a set-up Django."""
    watch = _Watch(place)
    for point in KINDS.get(kind, []):
        holder, name = find(point.where)
        setattr(holder, name, _wrapped(getattr(holder, name), point, watch))


class _Watch:
    """Counts the passes of what is armed, anew for each time it is armed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._passes: Counter[tuple[int, str]] = Counter()
        self._lock = threading.Lock()

    def is_due(self, point: Point) -> str:
        """What is to happen here and now, or ''."""
        try:
            armed = json.loads(self._place.armed.read_bytes())
        except (OSError, ValueError):
            return ""
        if armed["point"] != point.name:
            return ""
        with self._lock:
            self._passes[armed["turn"], point.name] += 1
            if self._passes[armed["turn"], point.name] < armed["nth"]:
                return ""
        try:
            self._place.armed.rename(self._place.fired)
        except OSError:
            return ""
        print(f"{armed['act']} here: {point.name}", file=sys.stderr, flush=True)
        return str(armed["act"])


def _wrapped(function: Callable[..., Any], point: Point, watch: _Watch) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if point.when in ("before", "halfway") and (act := watch.is_due(point)):
            if point.when == "halfway":
                function(*args[:-1], args[-1][: len(args[-1]) // 2], **kwargs)
            ACTS[act]()
        returned = function(*args, **kwargs)
        passes = point.when == "after" or (point.when == "after something" and returned is not None)
        if passes and (act := watch.is_due(point)):
            ACTS[act]()
        return returned

    return wrapper
