"""What a connection asks the gate, and what it hears."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sending import hub
from sending.settle import Settled

GRANTED = "granted"
SUPPRESSED = "suppressed"
SETTLED = "settled"
STALE = "stale"
# The row is locked by a takeover or an edit: the gate thread itself asks again.
AGAIN = "again"
# The database did not take it, even alone.
FAILED = "failed"
# No answer in time: no database, no mail.
SILENT = "silent"

GRANT_SECONDS = 1.0
# Newer than any question of a slot.
LAST_TOKEN = 2**62


# Values, all of them; not frozen, because a frozen one takes three times as long to make, and a message needs several.
@dataclass(slots=True, kw_only=True)
class Intent:
    """The delivery whose final dot comes next. `key_then` at launch, `key_now` of the address it has today."""

    delivery: int
    attempt: int
    key_then: UUID
    key_now: UUID
    via_scope: str = ""


@dataclass(slots=True)
class Counters:
    """Absolute, so that repeating a question changes nothing."""

    cursor: int = 0
    sent: int = 0
    accepted: int = 0
    deferred: int = 0
    bounced: int = 0
    skipped: int = 0
    last_dot_at: datetime | None = None

    def now(self) -> "Counters":
        """A copy, for a question: these go on."""
        return Counters(
            self.cursor, self.sent, self.accepted, self.deferred, self.bounced, self.skipped, self.last_dot_at
        )


@dataclass(slots=True)
class Question:
    """One slot's question; without an intent it only settles. `token` grows with each new question of the slot."""

    batch: int
    epoch: int
    token: int
    intent: Intent | None
    counters: Counters
    settled: Sequence[Settled] = ()

    def renewed(self) -> "Question":
        """The same once more, for a grant that grew old."""
        return replace(self, settled=())

    def without_intent(self) -> "Question":
        return replace(self, intent=None)


@dataclass(slots=True)
class Answer:
    """`verdict`: granted, settled, suppressed, stale, failed, silent, sending_stopped, mailing_<state> or lane_paused.

    `asked_at` is the `time.monotonic()` just before the statement was sent: a grant's life begins there.
    """

    verdict: str
    gap: float | None = None
    yield_requested: bool = False
    mailing_state: str = ""
    asked_at: float = 0.0

    @property
    def is_granted(self) -> bool:
        return self.verdict == GRANTED

    @property
    def is_refusal_of_one(self) -> bool:
        """About this person only; the connection goes on with the next."""
        return self.verdict == SUPPRESSED

    def is_fresh(self, *, monotonic: float) -> bool:
        return monotonic - self.asked_at < GRANT_SECONDS


class Ticket:
    """A question under way. The asker may withdraw its intent; what it settles is carried out all the same."""

    __slots__ = ("_waker", "answer", "is_answered", "question")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.answer = Answer(SILENT)
        self.is_answered = False
        self._waker: Callable[[], object] | None = None

    def reply(self, answer: Answer) -> None:
        self.answer = answer
        self.is_answered = True
        if (wake := self._waker) is not None:
            wake()

    def wait(self, seconds: float) -> Answer:
        """The answer; `silent` when there is none in time, and the intent is withdrawn then."""
        if not self.is_answered:
            self._wait(seconds)
        if not self.is_answered:
            self.withdraw()
        return self.answer if self.is_answered else Answer(SILENT)

    def _wait(self, seconds: float) -> None:
        """First the waker, then one more look: an answer that comes between the two is not missed."""
        if (current := hub.strand()) is not None:
            self._waker = current.hub.waker(current)
            if not self.is_answered:
                current.hub.park(current, time.monotonic() + seconds)
        else:
            heard = threading.Event()
            self._waker = heard.set
            if not self.is_answered:
                heard.wait(seconds)

    def strip_texts(self) -> None:
        """Leave out what came from outside, so that at least the outcome is recorded."""
        bare = tuple(replace(settled, reason="", remote_id="") for settled in self.question.settled)
        self.question = replace(self.question, settled=bare)

    def withdraw(self) -> None:
        self.question = self.question.without_intent()
