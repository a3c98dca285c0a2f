"""What a check remembers of itself: when it passed, since when it fails, and when a failure is to be believed.

A failure is believed when it was seen twice, ten minutes apart or more, with no pass in between. What could not be
looked up proves nothing: it neither begins nor ends a failure.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

FAILS_APART = timedelta(minutes=10)


class Event(StrEnum):
    """What is worth telling. BROKE: it had passed before, and now fails for certain. MENDED: it passes again."""

    BROKE = "broke"
    MENDED = "mended"


@dataclass(frozen=True, slots=True)
class Memory:
    """`result` is pass, fail, unknown, or empty when it was never looked at."""

    result: str = ""
    since: datetime | None = None
    passed_at: datetime | None = None
    failing_since: datetime | None = None
    confirmed: bool = False


def after(memory: Memory, result: str, now: datetime) -> tuple[Memory, Event | None]:
    """The memory once a check came out as `result` at `now`, and what there is to tell."""
    since = memory.since if memory.result == result and memory.since else now
    known = replace(memory, result=result, since=since)
    if result == "pass":
        mended = Event.MENDED if memory.confirmed and memory.passed_at else None
        return replace(known, passed_at=now, failing_since=None, confirmed=False), mended
    if result != "fail":
        return known, None
    first = memory.failing_since or now
    confirmed = memory.confirmed or now - first >= FAILS_APART
    broke = Event.BROKE if confirmed and not memory.confirmed and memory.passed_at else None
    return replace(known, failing_since=first, confirmed=confirmed), broke
