"""When will it be done? The planner's arithmetic (windows.py) on a simulated clock, in steps instead of batches."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import TypeVar

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
HORIZON = timedelta(days=60)
# From a batch's last reply to the planning of the next one: the planner runs twice a second.
BETWEEN_BATCHES = 0.5
# Rounds of fair parts in a step: what one mailing leaves in a round is the others' in the next.
ROUNDS = 4
ENOUGH = 1e-6

Key = TypeVar("Key", datetime, date)


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
    demand: Sequence[Demand],
    zone: tzinfo,
    day_caps: Mapping[int, Sequence[int | None]] | None = None,
    horizon: timedelta = HORIZON,
    step: timedelta = STEP,
) -> tuple[ProviderForecast, ...]:
    """How the waiting mail of `demand` will leave, one row per provider, sorted by name.

    `day_caps`: for budgets that warm up, the cap of today, tomorrow, …, in place of `limits.per_day`; after the last
    one there is no cap. Deferrals are not foreseen; a hold without an end lasts to the horizon. `step` divides an hour.
    """
    sources = {budget.id: _Source(budget, zone, (day_caps or {}).get(budget.id), now, step) for budget in budgets}
    flows = [_Flow(one, sources) for one in demand if _waiting(one)]
    for flow in flows:
        for source in flow.sources:
            source.meet(flow)
    at = now
    while at < now + horizon and any(flow.left > ENOUGH for flow in flows):
        _pass_step(at, step, sources, flows)
        at += step
    by_provider: defaultdict[str, list[_Flow]] = defaultdict(list)
    for flow in flows:
        by_provider[flow.demand.provider].append(flow)
    return tuple(_row(provider, members, now, zone) for provider, members in sorted(by_provider.items()))


def _waiting(demand: Demand) -> int:
    return demand.fresh + demand.retry + sum(n for _route, n in demand.pinned)


class _Source:
    """One budget through simulated time."""

    def __init__(
        self, budget: Budget, zone: tzinfo, caps: Sequence[int | None] | None, now: datetime, step: timedelta
    ) -> None:
        self.budget, self.zone, self.caps, self.step = budget, zone, caps, step
        self.first_day = self.day = now.astimezone(zone).date()
        self.sent_today = float(budget.sent_today)
        # The steps that an hour remembers besides the one at hand; what left before `now` is spread over them.
        steps = int(timedelta(hours=1) / step) - 1
        self.hour = deque([budget.sent_hour / steps] * steps if steps else [], maxlen=steps)
        self.size = math.inf
        self.seconds = 0.0
        self.left = self.room = self.used = 0.0
        self._known: dict[Limits, float] = {}

    def meet(self, flow: "_Flow") -> None:
        """Remember the batches that flow through here: the smallest, of the slowest messages."""
        self.size = min(self.size, flow.size)
        self.seconds = max(self.seconds, flow.seconds)

    def begin(self, at: datetime) -> None:
        """What may leave in the step that begins at `at`: `left` for marketing, by pace and windows."""
        day = at.astimezone(self.zone).date()
        if day != self.day:
            self.day, self.sent_today = day, 0.0
        limits = in_force(self._of_day(), at)
        self.used = 0.0
        self.room = 0.0 if limits is None else self._throughput(limits) * self.step.total_seconds() / 60
        self.left = min(self.room, self._window(limits))

    def end(self) -> None:
        self.sent_today += self.used
        self.hour.append(self.used)

    def _of_day(self) -> Budget:
        if self.caps is None:
            return self.budget
        index = (self.day - self.first_day).days
        cap = self.caps[index] if index < len(self.caps) else None
        return replace(self.budget, limits=replace(self.budget.limits, per_day=cap))

    def _window(self, limits: Limits | None) -> float:
        if limits is None:
            return 0.0
        left = math.inf
        for limit, sent in ((hourly_cap(limits), sum(self.hour)), (limits.per_day, self.sent_today)):
            if limit is not None:
                left = min(left, limit - kept_for_transactional(self.budget.kind, limit) - sent)
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
    real_gap = max(gap, seconds)
    if limits.batch_pause:
        burst = max(1, min(size, TURN / real_gap * slots))
        return 60 * burst / (burst * real_gap / slots + limits.batch_pause + BETWEEN_BATCHES)
    batch = max(1, min(size, int(TURN / real_gap) if real_gap else math.inf))
    return 60 * slots * batch / (batch * real_gap + seconds + BETWEEN_BATCHES) if math.isfinite(batch) else math.inf


def _pace(kind: str, limits: Limits, seconds: float) -> tuple[float, int]:
    """(gap in seconds, slots) as the planner chooses them when mail always waits."""
    if limits.per_minute is None:
        return 0.0, limits.connections if limits.connections is not None else DEFAULT_CONNECTIONS
    slots = slots_wanted(kind, limits, seconds)
    return 60 / slot_rate(kind, limits, seconds), slots


class _Flow:
    """One demand's mail on its way out."""

    def __init__(self, demand: Demand, sources: Mapping[int, _Source]) -> None:
        self.demand = demand
        lanes: Sequence[Lane] = demand.lanes if demand.overflow else demand.lanes[:1]
        self.ways = [[sources[key] for key in lane.budgets] for lane in lanes]
        self.sources = {source for way in self.ways for source in way}
        self.seconds = max((lane.seconds for lane in lanes), default=0.0)
        limits = [source.budget.limits for source in self.sources]
        self.size = min((min(x.batch_size or math.inf, x.per_connection or math.inf) for x in limits), default=math.inf)
        self.left = float(_waiting(demand))
        self.sent: list[tuple[datetime, float]] = []
        self.done_at: datetime | None = None

    def take(self, users: Mapping[int, int]) -> None:
        """Take a fair part of what each open way has left. `users`: who still shares each budget in this round."""
        for way in self.ways:
            part = min((source.left / users[source.budget.id] for source in way), default=0.0)
            part = min(part, self.left)
            if part > ENOUGH:
                for source in way:
                    source.left -= part
                    source.used += part
                self.left -= part

    def note(self, at: datetime, step: timedelta, n: float) -> None:
        """Remember what left in a step. The last one is used only as far as its pace needs."""
        if n > 0:
            self.sent.append((at, n))
        if n > 0 and self.left <= ENOUGH:
            self.done_at = at + step * max((min(1.0, s.used / s.room) for s in self.sources if s.room), default=0.0)


def _pass_step(at: datetime, step: timedelta, sources: Mapping[int, _Source], flows: Sequence[_Flow]) -> None:
    for source in sources.values():
        source.begin(at)
    for transactional in (True, False):
        flowing = [
            flow for flow in flows if flow.left > ENOUGH and (flow.demand.stream == TRANSACTIONAL) is transactional
        ]
        before = [flow.left for flow in flowing]
        for _round in range(ROUNDS):
            if not _share_out([flow for flow in flowing if flow.left > ENOUGH]):
                break
        for flow, left in zip(flowing, before, strict=True):
            flow.note(at, step, left - flow.left)
    for source in sources.values():
        source.end()


def _share_out(flows: Sequence[_Flow]) -> bool:
    """One round; did anything leave?"""
    before = sum(flow.left for flow in flows)
    users = Counter(source.budget.id for flow in flows for source in flow.sources)
    for flow in flows:
        flow.take(users)
        users.subtract(source.budget.id for source in flow.sources)
    return before - sum(flow.left for flow in flows) > ENOUGH


def _row(provider: str, flows: Sequence[_Flow], now: datetime, zone: tzinfo) -> ProviderForecast:
    total = sum(_waiting(flow.demand) for flow in flows)
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
