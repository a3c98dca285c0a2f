"""When will it be done? The planner's arithmetic (windows.py) on a simulated clock, in steps instead of batches."""

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import TypeVar

from reputation.pure.warmup import cap_on, hour_at
from sending.pure.guard import AT_LATEST, SETTLE
from sending.pure.lanes import TRANSACTIONAL, Demand, Lane
from sending.pure.pacing import DEFAULT_CONNECTIONS, TURN
from sending.pure.windows import (
    Budget,
    Limits,
    hourly_cap,
    in_force,
    is_slow,
    kept_for_transactional,
    slot_rate,
    slots_wanted,
    slow_gap,
)

STEP = timedelta(minutes=10)
# First parts wait for minutes: the first hours of whoever has one are looked at more closely.
CLOSE_STEP, CLOSELY_FOR = timedelta(minutes=1), timedelta(hours=2)
HOUR = timedelta(hours=1)
# Nobody asks for minutes of the day after tomorrow.
FAR_STEP, FAR_FROM = HOUR, timedelta(days=1)
HORIZON = timedelta(days=60)
# From a batch's last reply to the planning of the next one: the planner runs twice a second.
BETWEEN_BATCHES = 0.5
# Rounds of fair parts in a step: what one mailing leaves in a round is the others' in the next.
ROUNDS = 4
ENOUGH = 1e-6

Key = TypeVar("Key", datetime, date)


@dataclass(frozen=True, slots=True)
class Ladder:
    """The caps of a budget that warms up, from its present day on. A night leads to the next one when at least `used`
    of the day's cap has left and the day is past `stays_until`; after the last one `afterwards` is the cap, or none.
    `hours`: what may leave in an hour of each of these days. `about`: whose caps they are, which sway from day to day
    (`reputation.pure.warmup.cap_on`); empty for caps that do not. `most`, `most_an_hour`: what a person set on the
    budget. On `rests` (weekdays, Monday is 0) nothing but transactional mail leaves, and the cap stays what it is.
    """

    caps: Sequence[int]
    used: float
    hours: Sequence[int] = ()
    stays_until: date | None = None
    afterwards: int | None = None
    afterwards_an_hour: int | None = None
    rests: frozenset[int] = frozenset()
    about: str = ""
    most: int | None = None
    most_an_hour: int | None = None

    def cap_on(self, rung: int, day: date) -> int:
        """What may leave on this day, which is the rung-th of the ladder."""
        cap = cap_on(self.caps[rung], about=self.about, day=day) if self.about else self.caps[rung]
        return cap if self.most is None else min(cap, self.most)

    def hour_at(self, rung: int, at: datetime) -> int | None:
        """What may leave in the hour of `at`, in the zone of the days. None without a limit of the hour."""
        if not self.hours:
            return None
        hour = hour_at(self.hours[rung], about=self.about, at=at) if self.about else self.hours[rung]
        return hour if self.most_an_hour is None else min(hour, self.most_an_hour)


@dataclass(frozen=True, slots=True)
class Coming:
    """Mail that begins to leave at `begins`; None is at once. Of its fresh messages `first_part` go first: the others
    wait until these were answered and `settle` is over, at most `at_latest` from the first one on."""

    demand: Demand
    begins: datetime | None = None
    first_part: int = 0
    settle: timedelta = SETTLE
    at_latest: timedelta = AT_LATEST


@dataclass(frozen=True, slots=True)
class ProviderForecast:
    """`finishes_at`: `None` when `unsent` remain at the horizon. `hours`: (start of the hour from `now`, messages);
    `days`: (date in the zone, messages). Hours and days in which nothing leaves are left out."""

    provider: str
    total: int
    finishes_at: datetime | None
    unsent: int
    hours: tuple[tuple[datetime, int], ...]
    days: tuple[tuple[date, int], ...]


def forecast(
    *,
    now: datetime,
    budgets: Sequence[Budget],
    demand: Sequence[Demand | Coming],
    zone: tzinfo,
    ladders: Mapping[int, Ladder] | None = None,
    horizon: timedelta = HORIZON,
    beside: str = "",
) -> tuple[ProviderForecast, ...]:
    """How the waiting mail of `demand` will leave, one row per provider, sorted by name.

    `ladders`: of the budgets that warm up, in place of their `limits.per_day`. Deferrals are not foreseen, and no day
    of a warm-up that goes wrong; a hold without an end lasts to the horizon, which counts from the last beginning.
    `beside`: the "provider" of those whose end nobody asks for. What they have left when all others are done is unsent.
    """
    sources = {budget.id: _Source(budget, zone, (ladders or {}).get(budget.id), now) for budget in budgets}
    coming = [one if isinstance(one, Coming) else Coming(one) for one in demand]
    flows = [_Flow(members, sources, now) for members in _alike(coming)]
    for flow in flows:
        for source in flow.sources:
            source.meet(flow)
    for at, length in _steps(now, flows, horizon, beside):
        _pass_step(at, length, sources, [flow for flow in flows if flow.begins <= at])
    by_provider: defaultdict[str, list[_Flow]] = defaultdict(list)
    for flow in flows:
        by_provider[flow.demand.provider].append(flow)
    return tuple(_row(provider, members, now, zone) for provider, members in sorted(by_provider.items()))


def _alike(coming: Sequence[Coming]) -> list[list[Coming]]:
    """Those that take the same ways: a thousand mailings of a few senders are a few dozen flows."""
    found: defaultdict[tuple[object, ...], list[Coming]] = defaultdict(list)
    for one in coming:
        demand = one.demand
        alone = demand.mailing if one.first_part else None
        if _waiting(demand):
            found[id(demand.lanes), demand.overflow, demand.stream, demand.provider, one.begins, alone].append(one)
    return list(found.values())


def _steps(
    now: datetime, flows: Sequence["_Flow"], horizon: timedelta, beside: str
) -> Iterator[tuple[datetime, timedelta]]:
    """Until nobody waits any more: (begin, length). Time in which nobody waits is leapt over."""
    beginnings = sorted({flow.begins for flow in flows})
    delicate = [begin for begin in beginnings if any(flow.first for flow in flows if flow.begins == begin)]
    end = max(beginnings, default=now) + horizon
    at = now
    while at < end and any(flow.left > ENOUGH for flow in flows if flow.demand.provider != beside):
        waiting = [flow for flow in flows if flow.left > ENOUGH]
        at = max(at, min(flow.begins for flow in waiting))
        closely = any(begin <= at < begin + CLOSELY_FOR for begin in delicate)
        step = CLOSE_STEP if closely else STEP if at < beginnings[-1] + FAR_FROM else FAR_STEP
        length = min([step, *(begin - at for begin in beginnings if begin > at)])
        yield at, length
        at += length


def _waiting(demand: Demand) -> int:
    return demand.fresh + demand.retry + sum(n for _route, n in demand.pinned)


class _Source:
    """One budget through simulated time."""

    def __init__(self, budget: Budget, zone: tzinfo, ladder: Ladder | None, now: datetime) -> None:
        self.budget, self.zone, self.ladder = budget, zone, ladder
        self.rung = 0
        self.day = now.astimezone(zone).date()
        self.sent_today = float(budget.sent_today)
        # What left within the hour, by the beginnings of its steps; what left before `now` is spread over them.
        steps = HOUR // STEP - 1
        self.hour = deque((now - n * STEP, budget.sent_hour / steps) for n in range(steps, 0, -1))
        self.size = math.inf
        self.seconds = 0.0
        self.left = self.room = self.used = 0.0
        self._known: dict[Limits, float] = {}

    def meet(self, flow: "_Flow") -> None:
        """Remember the batches that flow through here: the smallest, of the slowest messages."""
        self.size = min(self.size, flow.size)
        self.seconds = max(self.seconds, flow.seconds)

    def begin(self, at: datetime, length: timedelta) -> None:
        """What may leave in the step that begins at `at`: `left` for marketing, by pace and windows."""
        day = at.astimezone(self.zone).date()
        if day != self.day:
            self._climb(day)
            self.day, self.sent_today = day, 0.0
        while self.hour and self.hour[0][0] < at + length - HOUR:
            self.hour.popleft()
        limits = in_force(self._of_day(at.astimezone(self.zone)), at)
        self.used = 0.0
        self.room = 0.0 if limits is None else self._throughput(limits) * length.total_seconds() / 60
        self.left = min(self.room, self._window(limits))

    def end(self, at: datetime) -> None:
        if self.used:
            self.sent_today += self.used
            self.hour.append((at, self.used))

    def _climb(self, day: date) -> None:
        """The night before `day`: only a day that was used leads on."""
        ladder = self.ladder
        if ladder is None or self.rung >= len(ladder.caps) or (ladder.stays_until and day <= ladder.stays_until):
            return
        # Small caps are used up to a whole message.
        cap = ladder.cap_on(self.rung, self.day)
        self.rung += self.sent_today > 0 and round(self.sent_today) >= ladder.used * cap

    def _of_day(self, at: datetime) -> Budget:
        ladder = self.ladder
        if ladder is None:
            return self.budget
        limits = self.budget.limits
        if self.rung >= len(ladder.caps):
            limits = replace(limits, per_day=ladder.afterwards, per_hour=ladder.afterwards_an_hour or limits.per_hour)
            return replace(self.budget, limits=limits)
        cap, rests = ladder.cap_on(self.rung, self.day), self.day.weekday() in ladder.rests
        hour = ladder.hour_at(self.rung, at) if ladder.hours else limits.per_hour
        return replace(self.budget, limits=replace(limits, per_day=cap, per_hour=hour, rests=rests))

    def _window(self, limits: Limits | None) -> float:
        if limits is None:
            return 0.0
        left = math.inf
        for limit, sent in ((hourly_cap(limits), sum(n for _at, n in self.hour)), (limits.per_day, self.sent_today)):
            if limit is not None:
                left = min(left, limit - kept_for_transactional(self.budget.kind, limit, limits) - sent)
        return max(0.0, left)

    def _throughput(self, limits: Limits) -> float:
        """Messages a minute by pace, connections and bursts."""
        if limits not in self._known:
            self._known[limits] = throughput(self.budget.kind, limits, self.seconds, self.size)
        return self._known[limits]


def throughput(kind: str, limits: Limits, seconds: float, size: float = math.inf) -> float:
    """Messages a minute that leave when mail always waits: pace, connections, the breaks between batches of at most
    `size`, and pauses between bursts. `seconds`: what a message takes on its connection."""
    if limits.per_minute == 0 or limits.connections == 0:
        return 0.0
    if limits.per_minute is not None and is_slow(kind, limits.per_minute):
        wait = max(slow_gap(limits.per_minute), limits.batch_pause or 0.0)
        return 60 / (wait + BETWEEN_BATCHES)
    gap, slots = _pace(kind, limits, seconds)
    size = min(size, limits.batch_size or math.inf, limits.per_connection or math.inf)
    real_gap = _longer_on_average(gap, seconds)
    if limits.batch_pause:
        burst = max(1, min(size, TURN / real_gap * slots))
        return 60 * burst / (burst * real_gap / slots + limits.batch_pause + BETWEEN_BATCHES)
    batch = max(1, min(size, int(TURN / real_gap) if real_gap else math.inf))
    return 60 * slots * batch / (batch * real_gap + seconds + BETWEEN_BATCHES) if math.isfinite(batch) else math.inf


def _longer_on_average(gap: float, seconds: float) -> float:
    """The mean of the longer of both, where what a message takes varies about its mean as waits do: exponentially.
    Whoever was late once does not catch up."""
    return gap + seconds * math.exp(-gap / seconds) if seconds > 0 else gap


def _pace(kind: str, limits: Limits, seconds: float) -> tuple[float, int]:
    """(gap in seconds, slots) as the planner chooses them when mail always waits."""
    if limits.per_minute is None:
        return 0.0, limits.connections if limits.connections is not None else DEFAULT_CONNECTIONS
    slots = slots_wanted(kind, limits, seconds)
    return 60 / slot_rate(kind, limits, seconds), slots


class _Flow:
    """Mail on its way out, of mailings that take the same ways: in a round each has as much as the others, or all it
    wants."""

    def __init__(self, members: Sequence[Coming], sources: Mapping[int, _Source], now: datetime) -> None:
        self.coming = coming = members[0]
        self.demand = coming.demand
        self.begins = max(now, coming.begins or now)
        lanes: Sequence[Lane] = self.demand.lanes if self.demand.overflow else self.demand.lanes[:1]
        self.ways = [[sources[key] for key in lane.budgets] for lane in lanes]
        self.sources = {source for way in self.ways for source in way}
        self.seconds = max((lane.seconds for lane in lanes), default=0.0)
        limits = [source.budget.limits for source in self.sources]
        self.size = min((min(x.batch_size or math.inf, x.per_connection or math.inf) for x in limits), default=math.inf)
        self.budgets = [source.budget.id for source in self.sources]
        # What each wants in all, the least first; `served` of them have it, and each of the others has had `had`.
        self.wanted = sorted(float(_waiting(one.demand)) for one in members)
        self.served, self.had = 0, 0.0
        self.total = self.left = sum(self.wanted)
        # What of the first part is still to go; the rest waits for `free_at`.
        self.first = float(min(coming.first_part, self.left))
        self.free_at = self.begins if not self.first else None
        self.sent: list[tuple[datetime, float]] = []
        self.done_at: datetime | None = None

    @property
    def mailings(self) -> int:
        """How many still want something."""
        return len(self.wanted) - self.served

    def may_take(self, at: datetime) -> float:
        """How many may leave from `at` on."""
        if self.free_at is not None and at >= self.free_at:
            return self.left
        return self.first

    def take(self, at: datetime, users: Mapping[int, int]) -> None:
        """Take a fair part of what each open way has left. `users`: how many still share each budget in this round."""
        for way in self.ways:
            each = min((source.left / users[source.budget.id] for source in way), default=0.0)
            most = self.may_take(at)
            if min(each * self.mailings, most) > ENOUGH:
                part = self._give(min(each, most))
                for source in way:
                    source.left -= part
                    source.used += part
                self.left = self.left - part if self.mailings else 0.0
                self.first = max(0.0, self.first - part)

    def _give(self, each: float) -> float:
        """At most `each` to everyone; what they took together."""
        took = 0.0
        while self.mailings and self.wanted[self.served] <= self.had + each:
            took += self.wanted[self.served] - self.had
            self.served += 1
        self.had += each
        return took + each * self.mailings

    def note(self, at: datetime, length: timedelta, n: float) -> None:
        """Remember what left in a step. The last one is used only as far as its pace needs."""
        if n <= 0:
            return
        first_ever = not self.sent
        self.sent.append((at, n))
        if self.left <= ENOUGH:
            self.done_at = self._end(at, length)
        if first_ever and self.free_at is None:
            self.free_at = at + self.coming.at_latest
        if self.free_at is not None and self.first <= ENOUGH < self.left:
            self.free_at = min(self.free_at, self._end(at, length) + self.coming.settle)

    def _end(self, at: datetime, length: timedelta) -> datetime:
        return at + length * max((min(1.0, s.used / s.room) for s in self.sources if s.room), default=0.0)


def _pass_step(at: datetime, length: timedelta, sources: Mapping[int, _Source], flows: Sequence[_Flow]) -> None:
    for source in sources.values():
        source.begin(at, length)
    for transactional in (True, False):
        flowing = [
            flow for flow in flows if flow.left > ENOUGH and (flow.demand.stream == TRANSACTIONAL) is transactional
        ]
        before = [flow.left for flow in flowing]
        for _round in range(ROUNDS):
            if not _share_out(at, [flow for flow in flowing if flow.may_take(at) > ENOUGH]):
                break
        for flow, left in zip(flowing, before, strict=True):
            flow.note(at, length, left - flow.left)
    for source in sources.values():
        source.end(at)


def _share_out(at: datetime, flows: Sequence[_Flow]) -> bool:
    """One round; did anything leave?"""
    before = sum(flow.left for flow in flows)
    users: defaultdict[int, int] = defaultdict(int)
    for flow in flows:
        for budget in flow.budgets:
            users[budget] += flow.mailings
    for flow in flows:
        mailings = flow.mailings
        flow.take(at, users)
        for budget in flow.budgets:
            users[budget] -= mailings
    return before - sum(flow.left for flow in flows) > ENOUGH


def _row(provider: str, flows: Sequence[_Flow], now: datetime, zone: tzinfo) -> ProviderForecast:
    total = round(sum(flow.total for flow in flows))
    hours: defaultdict[datetime, float] = defaultdict(float)
    days: defaultdict[date, float] = defaultdict(float)
    for flow in flows:
        for at, n in flow.sent:
            hours[now + timedelta(hours=(at - now) // timedelta(hours=1))] += n
            days[at.astimezone(zone).date()] += n
    ends = [flow.done_at for flow in flows]
    unsent = round(sum(flow.left for flow in flows))
    done = None if unsent or None in ends else max(end for end in ends if end is not None)
    return ProviderForecast(provider, total, done, unsent, tuple(_whole(hours)), tuple(_whole(days)))


def _whole(parts: Mapping[Key, float]) -> list[tuple[Key, int]]:
    """Whole messages with the right sum: what rounding takes from one is the next one's."""
    found = []
    exact, given = 0.0, 0
    for key in sorted(parts):
        exact += parts[key]
        whole = round(exact) - given
        given += whole
        if whole:
            found.append((key, whole))
    return found
