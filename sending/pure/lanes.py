"""The values the planner takes and gives. Instants are aware; durations are seconds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

Kind = Literal["fresh", "retry"]
TRANSACTIONAL = "transactional"
MARKETING = "marketing"
# What a message is taken to need on a connection before any was sent there.
SECONDS_UNTIL_KNOWN = 0.5


@dataclass(frozen=True, slots=True)
class Lane:
    """(route, DKIM domain, provider) and the ids of ALL budgets it spends from: address or account, domain, those of
    the provider `*`, a mailing's own hourly limit, a host's worker slots. `seconds`: what one message takes on a
    connection, as measured for route and provider."""

    route: int
    domain: str
    provider: str
    budgets: tuple[int, ...]
    seconds: float = SECONDS_UNTIL_KNOWN


@dataclass(frozen=True, slots=True)
class Demand:
    """What waits of one wave of a running mailing at one provider (`tail` for the many small sites).

    `lanes`: the pool's routes in order; give mailings with equal routes the same tuple (it is compared by identity
    first). `overflow`: may the next lane take what the first cannot? `fresh`: released and not handed out; `retry`:
    rows of the requeue that are due and free; `pinned`: the same by the route they must go by. `last_given`: when a
    batch was last planned for this mailing at this provider; `None` = never. `unseen`: so many more, about, wait for
    the same lanes behind those that are given; said by one of them.
    """

    mailing: int
    provider: str
    lanes: tuple[Lane, ...]
    fresh: int = 0
    retry: int = 0
    pinned: tuple[tuple[int, int], ...] = ()
    wave: int = 0
    stream: str = MARKETING
    overflow: bool = False
    deadline: datetime | None = None
    last_given: datetime | None = None
    unseen: int = 0


class LiveBatch(NamedTuple):
    """A batch that is planned or running, or (`ended_at`) that ended less than 60 s ago: its dots are still in the
    window, and what it used of the transactional reserve too, so those must be given as well.

    `size`: messages at planning; `sent`: dots so far; `outstanding`: may still be sent (0 when ended). `gap` as planned
    or edited since; 0 = not paced. `not_before`: as planned.
    """

    id: int
    mailing: int
    provider: str
    route: int
    budgets: tuple[int, ...]
    gap: float
    size: int
    outstanding: int
    not_before: datetime
    sent: int = 0
    stream: str = MARKETING
    yielding: bool = False
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """One connection's worth of messages to plan: at most `size`, dots ≥ `gap` seconds apart (0: as they come), the
    first one not before `not_before` (connect earlier), nothing after `deadline`. `pinned`: retries of this route."""

    mailing: int
    wave: int
    provider: str
    route: int
    domain: str
    stream: str
    kind: Kind
    pinned: bool
    size: int
    gap: float
    not_before: datetime
    deadline: datetime
    budgets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`edits`: (batch, new gap) for running batches. `yields`: batches that end at their next gate. `wake_at`: when
    time alone opens a lane that has demand (a pause ends); signals and ended batches open others sooner."""

    batches: tuple[BatchSpec, ...]
    edits: tuple[tuple[int, float], ...] = ()
    yields: tuple[int, ...] = ()
    wake_at: datetime | None = None
