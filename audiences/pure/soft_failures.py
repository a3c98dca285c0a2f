"""When failing softly, mailing after mailing, means that nobody is there any more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(days=60)
ENOUGH = 5
SPAN = timedelta(days=14)
INACTIVE_APART = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Failure:
    """One mailing that did not reach the mailbox. `kind` is the reply class: full, expired, inactive, …"""

    kind: str
    at: datetime


def verdict(now: datetime, failures: Sequence[Failure]) -> str:
    """Why the address should be suppressed, in a sentence, or an empty string.

    `failures` holds one entry per mailing since the last delivery, open or click. Other senders' rules lie between 3
    and 15 failures; ours asks for time as well, because five mailings in one bad week say little about a mailbox.
    """
    recent = [failure for failure in failures if now - WINDOW <= failure.at <= now]
    if _apart([failure.at for failure in recent if failure.kind == "inactive"], 2, INACTIVE_APART):
        return "The receiver said twice, at least three days apart, that the mailbox is inactive."
    if _apart([failure.at for failure in recent], ENOUGH, SPAN):
        return f"{len(recent)} mailings in 60 days did not reach the mailbox, and none did in between."
    return ""


def _apart(times: list[datetime], count: int, span: timedelta) -> bool:
    return len(times) >= count and max(times) - min(times) >= span
