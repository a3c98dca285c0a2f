"""When will a campaign be done, provider by provider? The limits that the planner keeps, run ahead on a coarse clock.

No batches, no single messages: in every step each budget can bear so much, shared fairly by all who want it. That is
within a step or two of what the planner does, as long as the receivers take what we send.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

from sending.pure.windows import SLOWEST_RATE, Limits, hourly_cap, kept_for_transactional, paced_rate, slow_gap

FINE, COARSE = timedelta(minutes=5), timedelta(hours=1)
# Two months: whoever is not done by then gets "more than two months" for an answer.
LONGEST = timedelta(days=60)
# What one message takes on a connection, in seconds, while nobody has measured it.
SECONDS = 0.5
OURS = 0


@dataclass(frozen=True, slots=True)
class Spending:
    """One budget over the days to come.

    `days[n]` are its limits on the n-th day from today; after the last one nothing changes any more. Nothing leaves
    before `closed_until`; `closed` without it is until a person acts, and so for good here.
    """

    kind: str
    days: Sequence[Limits]
    sent_today: int = 0
    closed: bool = False
    closed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What one campaign (`OURS`, or the number of another one under way) still wants to send at one provider.

    `lanes`: the budgets' ids of each route, in the pool's order; the next one is used only when `overflow`.
    """

    who: int
    provider: str
    people: int
    lanes: Sequence[Sequence[int]]
    overflow: bool = False


@dataclass(slots=True)
class Forecast:
    """One provider. `done_at` None: not within two months, or not before a person opens something."""

    provider: str
    people: int
    begins_at: datetime | None = None
    done_at: datetime | None = None
    by_day: dict[date, float] = field(default_factory=dict)


def forecast(
    *, now: datetime, starts_at: datetime, zone: ZoneInfo, budgets: Mapping[int, Spending], wishes: Sequence[Wish]
) -> list[Forecast]:
    """Our providers, the largest first, when we start at `starts_at` and the others have started already."""
    run = _Run(now, zone, budgets, wishes)
    for at, step in _steps(now, max(now, starts_at)):
        run.step(at, step, [wish for wish in wishes if wish.who != OURS or at >= starts_at])
        if not run.ours_left():
            break
    return sorted(run.found.values(), key=lambda row: -row.people)


def _steps(now: datetime, starts_at: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """Coarse until we start, fine for a day, coarse again."""
    at = now
    while at < starts_at + LONGEST:
        step = FINE if starts_at <= at < starts_at + timedelta(days=1) else COARSE
        if at < starts_at < at + step:
            step = starts_at - at
        yield at, step
        at += step


class _Run:
    """The state of one run: who is left, and what each budget has spent on the day at hand."""

    def __init__(self, now: datetime, zone: ZoneInfo, budgets: Mapping[int, Spending], wishes: Sequence[Wish]) -> None:
        self.zone, self.budgets = zone, budgets
        self.first_day = self.day = now.astimezone(zone).date()
        self.spent = {key: float(budget.sent_today) for key, budget in budgets.items()}
        self.left = {(wish.who, wish.provider): float(wish.people) for wish in wishes}
        self.found = {wish.provider: Forecast(wish.provider, wish.people) for wish in wishes if wish.who == OURS}
        self.rooms: dict[int, float] = {}

    def ours_left(self) -> bool:
        return any(n > 0 for (who, _), n in self.left.items() if who == OURS)

    def step(self, at: datetime, step: timedelta, wishes: Sequence[Wish]) -> None:
        """First everybody gets an equal part of what they share, then what nobody else took."""
        self._begin(at, step)
        active = [wish for wish in wishes if wish.lanes and self.left[wish.who, wish.provider] > 0]
        users = Counter(key for wish in active for key in wish.lanes[0])
        parts = [min((self.rooms[key] / users[key] for key in wish.lanes[0]), default=inf) for wish in active]
        for wish, part in zip(active, parts, strict=True):
            self._take(wish, wish.lanes[0], part, at, step)
        for wish in active:
            for lane in wish.lanes if wish.overflow else wish.lanes[:1]:
                self._take(wish, lane, inf, at, step)

    def _begin(self, at: datetime, step: timedelta) -> None:
        day = at.astimezone(self.zone).date()
        if day != self.day:
            self.day, self.spent = day, dict.fromkeys(self.spent, 0.0)
        ahead = (day - self.first_day).days
        self.rooms = {key: _room(budget, self.spent[key], ahead, at, step) for key, budget in self.budgets.items()}

    def _take(self, wish: Wish, lane: Sequence[int], part: float, at: datetime, step: timedelta) -> None:
        left = self.left[wish.who, wish.provider]
        n = max(0.0, min(left, part, *(self.rooms[key] for key in lane)))
        if n == 0:
            return
        for key in lane:
            self.rooms[key] -= n
            self.spent[key] += n
        # Half a person is a rounding error.
        self.left[wish.who, wish.provider] = left - n if left - n > 0.5 else 0.0
        if wish.who == OURS:
            self._note(self.found[wish.provider], n, at, step)

    def _note(self, row: Forecast, n: float, at: datetime, step: timedelta) -> None:
        row.begins_at = row.begins_at or at
        row.by_day[self.day] = row.by_day.get(self.day, 0.0) + n
        if not self.left[OURS, row.provider]:
            row.done_at = at + step


def _room(budget: Spending, spent: float, ahead: int, at: datetime, step: timedelta) -> float:
    if budget.closed and (budget.closed_until is None or at < budget.closed_until):
        return 0.0
    limits = budget.days[min(ahead, len(budget.days) - 1)]
    minutes = step / timedelta(minutes=1)
    rooms = [rate * minutes for rate in _rates(budget.kind, limits)]
    if limits.per_day is not None:
        rooms.append(limits.per_day - kept_for_transactional(budget.kind, limits.per_day) - spent)
    return max(0.0, min(rooms, default=inf))


def _rates(kind: str, limits: Limits) -> Iterator[float]:
    """Messages a minute that each limit allows."""
    if limits.per_minute is not None:
        yield max(paced_rate(kind, limits.per_minute, 1), min(SLOWEST_RATE, 60 / slow_gap(limits.per_minute)))
    if (hourly := hourly_cap(limits)) is not None:
        yield (hourly - kept_for_transactional(kind, hourly)) / 60
    if limits.connections is not None:
        yield limits.connections * 60 / SECONDS
    if limits.batch_size and limits.batch_pause:
        burst = limits.batch_size * SECONDS + limits.batch_pause
        yield limits.batch_size / burst * 60 * (limits.connections or 1)
