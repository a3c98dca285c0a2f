"""A world of workers and receivers on a simulated clock: what the planner's batches look like to the receivers."""

import heapq
import random
from bisect import bisect_right
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from sending.pure.accounts import PAUSE_MARGIN
from sending.pure.lanes import BatchSpec, Demand, LiveBatch, Plan
from sending.pure.pacing import plan
from sending.pure.windows import MARGINS, Budget, Margins

START = datetime(2026, 3, 2, 0, 0, 0, tzinfo=UTC)

Key = tuple[int, int, str, str]


@dataclass
class Habits:
    """How workers and the net behave. `dies`: chance per message that the batch is lost and counted in full. `stalls`:
    chance per message that its worker stands still between gate and dot, for at most `stall_for` seconds. `ahead`: by
    how many seconds the workers' clock is before the planner's."""

    seconds: float = 0.3
    connect: float = 0.3
    jitter: float = 0.02
    dies: float = 0.0
    stalls: float = 0.0
    stall_for: float = 30.0
    ahead: float = 0.0
    tick: float = 2.0
    coalesced: float = 0.5


@dataclass
class Sim:
    """One batch under way: the worker obeys the gap that the gate before a dot told it, from that dot on."""

    id: int
    spec: BatchSpec
    gap: float
    not_before: float
    sent: int = 0
    stalled: bool = False
    yielding: bool = False
    ended_at: float | None = None

    @property
    def left(self) -> int:
        return 0 if self.ended_at is not None else self.spec.size - self.sent


@dataclass
class World:
    budgets: dict[int, Budget]
    demand: list[Demand]
    seed: int = 0
    habits: Habits = field(default_factory=Habits)
    margins: Margins = MARGINS
    arrivals: list[tuple[float, int, int]] = field(default_factory=list)
    """(second, index in demand, messages): more demand later."""
    planner: Callable[..., Plan] = plan
    look_at: int | None = None
    """So many are shown to the planner of each line, those who waited longest: as `sending.line` does."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.now = 0.0
        self.paused: set[int] = set()
        self.index = {key_of(one): i for i, one in enumerate(self.demand)}
        self.lines: dict[tuple[int, str], OrderedDict[int, None]] = defaultdict(OrderedDict)
        for i, one in enumerate(self.demand):
            self.lines[id(one.lanes), one.stream][i] = None
        self.line_of = {i: line for line in self.lines.values() for i in line}
        self.batches: dict[int, Sim] = {}
        self.recent: list[Sim] = []
        self.events: list[tuple[float, int]] = []
        self.counted: dict[int, Counter[int]] = defaultdict(Counter)
        self.last_dot: dict[int, float] = {}
        self.dots: dict[int, list[float]] = defaultdict(list)
        self.spans: dict[int, list[tuple[float, float]]] = defaultdict(list)
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.finished: dict[int, float] = {}
        self.to_send: Counter[int] = Counter()
        for one in self.demand:
            self.to_send[one.mailing] += waiting_in(one)
        for _at, i, n in self.arrivals:
            self.to_send[self.demand[i].mailing] += n
        self.edits = self.yields = self.lost = self.plans = 0
        self.sent_of: Counter[int] = Counter()
        self.waiting_since: dict[int, float] = {i: 0.0 for i, one in enumerate(self.demand) if one.fresh or one.retry}
        self.sizes: list[int] = []

    def run(self, seconds: float, *, changes: Mapping[float, Callable[["World"], None]] | None = None) -> "World":
        """Until `seconds`: plan at every tick and, coalesced, after batches end; `changes` happen at their second."""
        todo = sorted((changes or {}).items(), key=lambda item: item[0])
        self.arrivals.sort()
        next_plan = self.now
        while self.now < seconds:
            at = min(next_plan, self.events[0][0] if self.events else next_plan)
            if todo and todo[0][0] <= at:
                todo.pop(0)[1](self)
            self.now = max(self.now, at)
            ended = False
            if self.events and self.events[0][0] <= at:
                ended = self._step(self.batches[heapq.heappop(self.events)[1]])
            if at >= next_plan:
                self._plan()
                next_plan = at + self.habits.tick
            elif ended:
                next_plan = min(next_plan, at + self.habits.coalesced)
        return self

    def _plan(self) -> None:
        while self.arrivals and self.arrivals[0][0] <= self.now:
            _at, index, n = self.arrivals.pop(0)
            self.demand[index] = replace(self.demand[index], fresh=self.demand[index].fresh + n)
            self.waiting_since.setdefault(index, self.now)
            self.line_of[index].move_to_end(index, last=False)
        self.plans += 1
        answer = self.planner(
            now=self._instant(self.now),
            budgets=[self._budget(budget) for budget in self.budgets.values()],
            demand=self._seen(),
            running=[self._live(batch) for batch in self._under_way()],
            margins=self.margins,
        )
        for key, gap in answer.edits:
            self.batches[key].gap = gap
            self.edits += 1
        for key in answer.yields:
            self.batches[key].yielding = True
            self.yields += 1
        for spec in answer.batches:
            self._start(spec)

    def _seen(self) -> list[Demand]:
        """What is shown to the planner: all who wait, or those who are next in each line."""
        if self.look_at is None:
            return [one for one in self.demand if one.mailing not in self.paused]
        found: list[Demand] = []
        for line in self.lines.values():
            there = (self.demand[i] for i in line)
            waiting = (one for one in there if waiting_in(one) and one.mailing not in self.paused)
            first = list(islice(waiting, self.look_at))
            found += [replace(one, unseen=(len(line) - len(first)) * (n == 0)) for n, one in enumerate(first)]
        return found

    def _under_way(self) -> list[Sim]:
        self.recent = [b for b in self.recent if b.ended_at is None or b.ended_at > self.now - 60]
        return self.recent

    def _start(self, spec: BatchSpec) -> None:
        index = self.index[key_of(spec)]
        one = self.demand[index]
        if spec.pinned:
            left = tuple((route, n - spec.size * (route == spec.route)) for route, n in one.pinned)
            one = replace(one, pinned=left)
            assert all(n >= 0 for _route, n in left)
        elif spec.kind == "retry":
            one = replace(one, retry=one.retry - spec.size)
        else:
            one = replace(one, fresh=one.fresh - spec.size)
        assert one.fresh >= 0 and one.retry >= 0 and spec.size > 0
        self.demand[index] = replace(one, last_given=self._instant(self.now))
        self.line_of[index].move_to_end(index)
        not_before = self._seconds(spec.not_before)
        begins = max(self.now, not_before - self.habits.ahead)
        if index in self.waiting_since:
            self.waits[spec.stream].append(not_before - self.waiting_since.pop(index))
            if one.fresh or one.retry:
                self.waiting_since[index] = self.now
        batch = Sim(len(self.batches), spec, spec.gap, begins)
        self.batches[batch.id] = batch
        self.recent.append(batch)
        self.sizes.append(spec.size)
        ready = self.now + self.random.expovariate(1 / self.habits.connect)
        heapq.heappush(self.events, (max(begins, ready), batch.id))

    def _step(self, batch: Sim) -> bool:
        """The next gate and, when granted, its dot. Did the batch end?"""
        late = self.now > self._seconds(batch.spec.deadline)
        refused = batch.yielding or batch.spec.mailing in self.paused
        if not batch.stalled and (batch.left == 0 or late or refused):
            return self._end(batch, hand_back=batch.left)
        if not batch.stalled and self.random.random() < self.habits.stalls:
            batch.stalled = True
            heapq.heappush(self.events, (self.now + self.random.uniform(0, self.habits.stall_for), batch.id))
            return False
        batch.stalled = False
        clock = self.now + self.habits.ahead
        if self.random.random() < self.habits.dies:
            self.lost += batch.left
            for key in batch.spec.budgets:
                self.counted[key][int(clock // 60)] += batch.left
                self.last_dot[key] = clock
            return self._end(batch, hand_back=0)
        batch.sent += 1
        seen = self.now + self.random.uniform(0, self.habits.jitter)
        for key in batch.spec.budgets:
            self.dots[key].append(seen)
            self.counted[key][int(clock // 60)] += 1
            self.last_dot[key] = clock
        took = self.random.expovariate(1 / self.habits.seconds)
        # The last message needs no gap after it: its slot is free as soon as the reply is there.
        pause = max(batch.gap, took) if batch.left else took
        heapq.heappush(self.events, (self.now + pause, batch.id))
        return False

    def _end(self, batch: Sim, *, hand_back: int) -> bool:
        batch.ended_at = self.now
        for key in batch.spec.budgets:
            self.spans[key].append((min(batch.not_before, self.now), self.now))
        self.sent_of[batch.spec.mailing] += batch.sent
        if hand_back:
            i = self.index[key_of(batch.spec)]
            self.demand[i] = replace(self.demand[i], retry=self.demand[i].retry + hand_back)
        self.to_send[batch.spec.mailing] -= batch.spec.size - hand_back
        if self.to_send[batch.spec.mailing] == 0:
            self.finished[batch.spec.mailing] = self.now
        return True

    def _budget(self, budget: Budget) -> Budget:
        minute = int(self.now // 60)
        counted = self.counted[budget.id]
        last = self.last_dot.get(budget.id)
        limited = budget.limits.per_hour is not None or budget.limits.per_day is not None
        day = minute // 1440 * 1440
        return replace(
            budget,
            sent_hour=sum(counted[m] for m in range(minute - 60, minute + 1)) if limited else 0,
            sent_today=sum(n for m, n in counted.items() if m >= day) if budget.limits.per_day is not None else 0,
            last_dot_at=None if last is None else self._instant(last),
        )

    def _live(self, batch: Sim) -> LiveBatch:
        return LiveBatch(
            id=batch.id,
            mailing=batch.spec.mailing,
            provider=batch.spec.provider,
            route=batch.spec.route,
            budgets=batch.spec.budgets,
            gap=batch.gap,
            size=batch.spec.size,
            outstanding=batch.left,
            not_before=batch.spec.not_before,
            sent=batch.sent,
            stream=batch.spec.stream,
            yielding=batch.yielding,
            ended_at=None if batch.ended_at is None else self._instant(batch.ended_at),
        )

    @staticmethod
    def _instant(seconds: float) -> datetime:
        return START + timedelta(seconds=seconds)

    @staticmethod
    def _seconds(instant: datetime) -> float:
        return (instant - START).total_seconds()

    # What the receivers saw.

    def worst(self, key: int, seconds: float, *, since: float = 0.0) -> int:
        """The most dots of a budget in any window of `seconds`."""
        dots = sorted(at for at in self.dots[key] if at >= since)
        first = most = 0
        for last, at in enumerate(dots):
            while dots[first] <= at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def most_connections(self, key: int) -> int:
        live = [(b.not_before, self.now) for b in self.recent if b.ended_at is None and key in b.spec.budgets]
        steps = sorted(step for a, b in self.spans[key] + live for step in ((a, 1), (b, -1)))
        level = most = 0
        for _at, step in steps:
            level += step
            most = max(most, level)
        return most

    def largest_burst(self, key: int, pause: float) -> int:
        """The most dots without a pause of at least `pause` seconds; a jitter above the margin is not ours to mend."""
        most = length = 0
        last = float("-inf")
        for at in sorted(self.dots[key]):
            length = 1 if at - last >= pause - max(0.0, self.habits.jitter - PAUSE_MARGIN) else length + 1
            last, most = at, max(most, length)
        return most

    def per_minute(self, key: int, start: float, end: float) -> float:
        dots = sorted(self.dots[key])
        return (bisect_right(dots, end) - bisect_right(dots, start)) / ((end - start) / 60)


def key_of(one: Demand | BatchSpec) -> Key:
    return one.mailing, one.wave, one.provider, one.stream


def waiting_in(one: Demand) -> int:
    return one.fresh + one.retry + sum(n for _route, n in one.pinned)


def broken(world: World) -> list[str]:
    """Every limit that the receivers saw exceeded."""
    found = []
    for key, budget in world.budgets.items():
        limits = budget.limits
        seen = (
            ("minute", limits.per_minute, world.worst(key, 60)),
            ("hour", limits.per_hour, world.worst(key, 3600)),
            ("connections", limits.connections, world.most_connections(key)),
            ("burst", limits.batch_size, world.largest_burst(key, limits.batch_pause) if limits.batch_pause else 0),
        )
        found += [f"{budget.kind} {key}: {n} in {what}, limit {limit}" for what, limit, n in seen if n > (limit or n)]
        days = Counter(int(at // 86400) for at in world.dots[key])
        found += [f"{budget.kind} {key}: {n} on a day" for n in days.values() if n > (limits.per_day or n)]
    return found
