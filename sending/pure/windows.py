"""Limits of a budget, and the arithmetic that keeps them over rolling windows.

A live batch is one slot: a row of final dots at least `gap` seconds apart, so a window of 60 s holds at most `60 / gap
+ 1` of them. A batch's first dot comes no earlier than one gap after its planning: batches that follow each other in
a slot count as one row of dots, whatever the number of boundaries in the window. Hence the rule for paced budgets:

    Σ 60 / gap  ≤  0.97 × per_minute − reserve − the most slots live at once in the last minute

The 3 % are for the receiver's clock, which sees our dots through a network. Below about eight a minute one slot at a
time is left (*slow*): a batch of one, the next one a full gap after its real dot; `ceil(0.97 × limit)` dots a minute.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

# A worker does not sleep longer than this between two messages of a connection.
LONGEST_GAP = 10.0
SLOWEST_RATE = 60 / LONGEST_GAP
# providers.md §3.2: the day's cap over the sending window, × 1.3 in any hour; so eight hours give at least six.
SPREAD_HOURS = 8
HOURLY_SURGE = 1.3
# A day's cap this small is not spread: it would leave one or two an hour.
SMALL_DAY = 24
# Replies take longer now and then, and nobody catches up: with slots for the mean alone a seventh of the rate is lost.
HEADROOM = 2.0
TRANSACTIONAL_SHARE = 0.1
# The budgets that both streams may share; the others serve one mailing or one site.
RESERVING_KINDS = frozenset({"ip", "dkim_domain", "account"})


class State(StrEnum):
    OPEN = "open"
    SLOWED = "slowed"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent; `None` = no limit. `batch_pause` in seconds. `rests`: of the hour's and the day's limit
    nothing is for marketing (a weekend that a warm-up skips)."""

    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    connections: int | None = None
    per_connection: int | None = None
    batch_size: int | None = None
    batch_pause: float | None = None
    rests: bool = False


@dataclass(frozen=True, slots=True)
class Margins:
    """The safety in the rule above. Only tests change it, to show that the limits break without it."""

    share: float = 0.97
    per_slot: float = 1.0
    first_gap: bool = True


MARGINS = Margins()


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget as the planner sees it: limits already merged with the catalogue and the warm-up cap of the day.

    `sent_hour`: sum of the last 61 one-minute buckets, the running minute among them. `sent_today`: of the calendar day
    in the workspace's zone. Both without what live batches have still to send. `slowed`: `share` of the rates and
    connections until `until`, or one connection with one message when `probe`. `held`: until `until`; `None` = until a
    person acts. Any id will do that is unique in one call: a mailing's own hourly limit is a budget too.
    """

    id: int
    kind: str
    limits: Limits
    state: State = State.OPEN
    until: datetime | None = None
    share: float = 1.0
    probe: bool = False
    sent_hour: int = 0
    sent_today: int = 0
    last_dot_at: datetime | None = None


def in_force(budget: Budget, now: datetime) -> Limits | None:
    """The limits as the state leaves them at `now`; `None` while the budget is held."""
    over = budget.until is not None and budget.until <= now
    if budget.state == State.OPEN or over:
        return budget.limits
    if budget.state == State.HELD:
        return None
    slowed = replace(
        budget.limits,
        per_minute=_part(budget.limits.per_minute, budget.share),
        per_hour=_part(budget.limits.per_hour, budget.share),
        connections=_part(budget.limits.connections, budget.share),
    )
    return replace(slowed, connections=1, batch_size=1, per_connection=1) if budget.probe else slowed


def hourly_cap(limits: Limits) -> int | None:
    """Messages in any rolling hour: the limit, and the day's cap spread over at least six hours."""
    if limits.per_day is None or limits.per_day <= SMALL_DAY:
        return limits.per_hour
    spread = math.ceil(limits.per_day / SPREAD_HOURS * HOURLY_SURGE)
    return spread if limits.per_hour is None else min(limits.per_hour, spread)


def kept_for_transactional(kind: str, limit: int, limits: Limits) -> int:
    """Messages of an hour's or day's `limit`, one of `limits`, that marketing leaves alone."""
    if limits.rests:
        return limit
    return int(TRANSACTIONAL_SHARE * limit) if kind in RESERVING_KINDS else 0


def minute_reserve(kind: str, per_minute: int) -> int:
    """Messages of a minute that go outside the pace, the moment they wait: for transactional mail only."""
    return max(1, int(TRANSACTIONAL_SHARE * per_minute)) if kind in RESERVING_KINDS else 0


def paced_rate(kind: str, per_minute: int, slots: int, margins: Margins = MARGINS) -> float:
    """Messages a minute that `slots` paced batches may have together; may be negative."""
    return margins.share * per_minute - minute_reserve(kind, per_minute) - margins.per_slot * slots


def is_slow(kind: str, per_minute: int, margins: Margins = MARGINS) -> bool:
    """Would even a single slot have to wait longer between two messages than a worker may?"""
    return paced_rate(kind, per_minute, 1, margins) < SLOWEST_RATE


def slow_gap(per_minute: int, margins: Margins = MARGINS) -> float:
    """Seconds from one real dot to the next when they go strictly one after the other. ∞ for a limit of nothing."""
    return 60 / (margins.share * per_minute) if per_minute > 0 else math.inf


def slots_wanted(
    kind: str, limits: Limits, seconds: float, margins: Margins = MARGINS, connections: int | None = None
) -> int:
    """Connections that a paced budget's whole rate needs when a message takes `seconds`: as few as will do.

    `connections`: those of the whole lane, when another of its budgets allows fewer."""
    per_minute = limits.per_minute or 0
    needed = math.ceil(paced_rate(kind, per_minute, 1, margins) * seconds * HEADROOM / 60)
    # More slots than this would leave each of them less than a worker's slowest pace.
    bearable = int(paced_rate(kind, per_minute, 0, margins) / (SLOWEST_RATE + margins.per_slot))
    allowed = limits.connections if connections is None else connections
    return max(1, min(needed, bearable, bearable if allowed is None else allowed))


def slot_rate(
    kind: str,
    limits: Limits,
    seconds: float,
    peak: int = 0,
    margins: Margins = MARGINS,
    connections: int | None = None,
) -> float:
    """Messages a minute for each of the slots that a fast paced budget wants: equal shares. See `slots_wanted`."""
    wanted = slots_wanted(kind, limits, seconds, margins, connections)
    return paced_rate(kind, limits.per_minute or 0, max(wanted, peak), margins) / wanted


# A live batch's dots leave within so long, deadline and one slow reply included; for when they leave a window again.
BATCH_LASTS = timedelta(minutes=3)


def window_opens(
    *, now: datetime, limit: int, length: timedelta, buckets: Mapping[datetime, int], held: int, ahead: int
) -> datetime:
    """When a rolling window has room for one message more, after `ahead` others that wait before it.

    `length`: of the window with its running minute, 61 minutes for an hour. `buckets`: messages by minute, those of the
    window at least; `held`: what live batches may still send. `limit` ≥ 1. Whoever waits is let in as those before
    leave, and leaves a `length` later: the same times again for every `limit` that wait.
    """
    gone = [minute + length for minute, sent in sorted(buckets.items()) for _ in range(sent) if minute + length > now]
    gone += [now + BATCH_LASTS + length] * held
    rounds, place = divmod(ahead, limit)
    first = len(gone) - limit + place
    return (gone[first] if first >= 0 else now) + rounds * length


def day_opens(*, now: datetime, zone: ZoneInfo, limit: int, spent: int, ahead: int) -> datetime:
    """The same for calendar days in `zone`; `spent`: sent today and still held."""
    room = max(0, limit - spent)
    if ahead < room:
        return now
    day = now.astimezone(zone).date() + timedelta(days=1 + (ahead - room) // limit)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _part(limit: int | None, share: float) -> int | None:
    return None if limit is None else min(limit, max(1, math.ceil(limit * share)) if limit else 0)
