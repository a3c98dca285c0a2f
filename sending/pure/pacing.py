"""The planner: gives out the next capacity of every budget as batches, one connection's worth of messages each.

Pure: the same arguments give the same plan. How rolling limits are kept is told in `windows.py`; hour and day are
reserved when a batch is planned, and what it leaves unsent is free again when it has ended.

Order: transactional mail first (it may leave outside the pace, out of a tenth of every minute that is kept for it; when
it still has to wait, one marketing batch is asked to yield). Then round by round, the mailings with the fewest live
batches first, then those that waited longest (a near deadline counts double, a very near one fourfold).
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from sending.pure.accounts import PLENTY, Account, fewest_connections, spans_of
from sending.pure.edits import cut_down, in_the_way, make_room
from sending.pure.lanes import TRANSACTIONAL, BatchSpec, Demand, Kind, Lane, LiveBatch, Plan
from sending.pure.windows import LONGEST_GAP, MARGINS, Budget, Margins

# How long one batch may keep its slot: alone, and while others wait for it.
TURN = 60.0
SHARED_TURN = 30.0
LONGEST_BATCH = 120.0
# What fits into one turn of all connections is divided among them, so that all have something to do until the end;
# but no turn is shorter for that, since each has its price.
SHORTEST_TURN = 10.0
# However quick its messages are: all of a batch is in memory, and goes back at once when it must end.
LARGEST_BATCH = 500
# Batches planned together for one lane get turns between a whole one and this part of it: they would else end
# together, and nobody would send until the next ones have begun. The golden ratio's multiples lie far apart.
SHORTEST_PART = 0.5
_SPREAD = (math.sqrt(5) - 1) / 2
# How far ahead of its first dot a batch that must wait is planned: one tick and the wake-up.
LEAD = 2.0
# Connections of a lane whose budgets name no limit.
DEFAULT_CONNECTIONS = 20
# Seconds a message takes at the least, whatever was measured.
QUICKEST = 0.001
# A scarce hour is not split finer than this between mailings that wait: every batch costs a connection.
SMALLEST_SPLIT = 5

Entry = tuple[float, float, float, int, int, int, int]


def plan(
    *,
    now: datetime,
    budgets: Iterable[Budget],
    demand: Sequence[Demand],
    running: Sequence[LiveBatch],
    margins: Margins = MARGINS,
) -> Plan:
    """Batches to plan at `now`, edits and yields for live ones.

    `budgets`: every one that a lane of `demand` or a batch of `running` names (KeyError otherwise: a budget nobody
    checks would be exceeded). `running`: all live batches and those that ended less than 60 s ago. Write the whole plan
    in one transaction under the planner's lock; a batch that is not written must not be sent.
    """
    return plan_at(Desk(now, budgets, running, margins), demand)


def plan_at(desk: "Desk", demand: Sequence[Demand], *, waiting: Iterable[Lane] = ()) -> Plan:
    """The same at a desk that was asked before what is open. A desk is for one plan.

    `waiting`: first lanes of those who wait and are not in `demand`, since nothing is open to them.
    """
    now = desk.now
    edits, yields = cut_down(desk.accounts)
    urgent, rest = _by_lane(desk, demand)
    _give_out(desk, urgent)
    yields |= _asked_to_yield(urgent, yields)
    edits |= make_room(now, desk.accounts, [*(queue.lanes[0].lane for queue in rest), *waiting], edits)
    _give_out(desk, rest)
    wake_at = None if desk.opens_in is None else now + timedelta(seconds=desk.opens_in)
    return Plan(tuple(desk.specs), tuple(sorted(edits.items())), tuple(sorted(yields)), wake_at)


class Desk:
    """All accounts, and what has been given out in this call."""

    def __init__(
        self, now: datetime, budgets: Iterable[Budget], running: Sequence[LiveBatch], margins: Margins = MARGINS
    ) -> None:
        """As for `plan`."""
        self.now = now
        spending: defaultdict[int, list[LiveBatch]] = defaultdict(list)
        for batch in running:
            for key in batch.budgets:
                spending[key].append(batch)
        spans = spans_of(running, now)
        self.accounts = {budget.id: Account(budget, now, spending[budget.id], margins, spans) for budget in budgets}
        live = [batch for batch in running if batch.ended_at is None]
        self.at_provider = Counter((batch.mailing, batch.provider) for batch in live)
        self.of_mailing = Counter(batch.mailing for batch in live)
        self.on_lane = Counter((batch.route, batch.provider) for batch in live)
        self.margins = margins
        self.specs: list[BatchSpec] = []
        self.opens_in: float | None = None

    def takes(self, lane: Lane, stream: str) -> bool:
        """Would this lane take one more batch now?"""
        return self.lane(lane).offer(stream == TRANSACTIONAL) is not None

    def lane(self, lane: Lane) -> "_OpenLane":
        return _OpenLane(lane, [self.accounts[key] for key in lane.budgets], self)

    def opens_later(self, seconds: float) -> None:
        """Remember the earliest instant at which time alone opens a lane; ∞ (a limit of nothing) never does."""
        if seconds < math.inf:
            self.opens_in = min(seconds, self.opens_in if self.opens_in is not None else seconds)


@dataclass(frozen=True, slots=True)
class _Offer:
    """What a lane can take now: at most `room` messages, `gap` seconds apart, the first one in `wait` seconds."""

    room: int
    gap: float
    wait: float


class _OpenLane:
    """A lane with its accounts: what it can offer to one more batch."""

    def __init__(self, lane: Lane, accounts: list[Account], desk: Desk) -> None:
        if not accounts:
            raise ValueError(f"Route {lane.route} has no budget at {lane.provider}: nothing would limit it.")
        self.lane, self.accounts, self.desk = lane, accounts, desk
        self.slow = any(account.slow for account in accounts)
        self.fast = [account for account in accounts if account.fast]
        self.connections = fewest_connections(accounts)
        self.given = 0

    def part_of_turn(self) -> float:
        """How much of its turn the next batch gets; the first one all of it."""
        return 1 - (1 - SHORTEST_PART) * (self.given * _SPREAD % 1)

    @cached_property
    def connections_wanted(self) -> int:
        """How many are of use here, busy ones among them: those that are allowed, and that the pace needs."""
        allowed = DEFAULT_CONNECTIONS if self.connections == PLENTY else self.connections
        return min([allowed, *(account.slots_wanted(self.lane.seconds, allowed) for account in self.fast)])

    def offer(self, transactional: bool) -> _Offer | None:
        """The best offer for one more batch, or nothing: no connection, no room in a window, no rate, or not yet."""
        if not all(account.takes(transactional) for account in self.accounts) or self._crowded():
            return None
        if transactional and not self.slow and all(account.express > 0 for account in self.fast):
            gap, room = 0.0, min((account.express for account in self.fast), default=PLENTY)
        else:
            gap, room = self._paced_gap(), PLENTY
        wait = self._wait(gap)
        if math.isinf(gap) or wait > max(LEAD, gap):
            return None
        room = min(room, *(account.window(transactional) for account in self.accounts))
        return _Offer(min(room, *(min(account.size, account.burst) for account in self.accounts)), gap, wait)

    def _crowded(self) -> bool:
        live = self.desk.on_lane[self.lane.route, self.lane.provider]
        return self.connections == PLENTY and live >= DEFAULT_CONNECTIONS

    def _paced_gap(self) -> float:
        """Seconds between dots that every paced budget can bear; ∞ = none left now; 0 = none is paced."""
        if not self.fast:
            return LONGEST_GAP if self.slow else 0.0
        rate = min(account.rate_for(self.lane.seconds, self.connections) for account in self.fast)
        return 60 / rate if rate > 0 else math.inf

    def _wait(self, gap: float) -> float:
        """Seconds to the first dot: the pauses, and one gap (why: windows.py) after batches edited now obey."""
        earliest = max(account.earliest for account in self.accounts)
        if earliest > max(LEAD, gap):
            self.desk.opens_later(earliest - LEAD)
        if not self.fast or gap == 0.0 or not self.desk.margins.first_gap:
            return earliest
        return max(earliest, gap + max(account.edit_lag for account in self.fast))

    def take(self, *, size: int, gap: float, mailing: int) -> None:
        for account in self.accounts:
            account.debit(size=size, gap=gap)
        self.given += 1
        self.desk.on_lane[self.lane.route, self.lane.provider] += 1
        self.desk.at_provider[mailing, self.lane.provider] += 1
        self.desk.of_mailing[mailing] += 1


@dataclass(slots=True)
class _Waiting:
    """One demand's messages that may go by the lanes of one queue."""

    demand: Demand
    retry: int
    fresh: int
    pinned: bool = False

    @property
    def n(self) -> int:
        return self.retry + self.fresh

    @property
    def kind(self) -> Kind:
        return "retry" if self.retry else "fresh"

    def hand_out(self, room: int) -> int:
        """Take at most `room` messages of one kind, retries first; how many they are."""
        size = min(room, self.retry or self.fresh)
        if self.retry:
            self.retry -= size
        else:
            self.fresh -= size
        return size


class _Queue:
    """All that waits for the same lanes. The order is made only when a lane is open: most are busy most of the
    time, and there may be thousands waiting."""

    def __init__(self, desk: Desk, lanes: Sequence[_OpenLane], transactional: bool) -> None:
        self.desk, self.lanes, self.transactional = desk, lanes, transactional
        self.demand: list[Demand] = []
        self.unseen = 0
        self.pinned: list[_Waiting] = []
        self.waiting: list[_Waiting] = []
        self.n_waiting = 0
        self.entries: list[Entry] = []

    def best_offer(self) -> tuple[_OpenLane, _Offer] | None:
        """The first lane, in the pool's order, that can take one more batch."""
        for lane in self.lanes:
            offer = lane.offer(self.transactional)
            if offer is not None:
                return lane, offer
        return None

    def line_up(self) -> bool:
        """Make the order; is anybody there?"""
        self.waiting = self._everybody()
        self.unseen = sum(one.unseen for one in self.demand)
        self.n_waiting = sum(one.n for one in self.waiting)
        live, provider = self.desk.at_provider, self.lanes[0].lane.provider
        self.entries = [
            self._entry(index, waiting, live[waiting.demand.mailing, provider])
            for index, waiting in enumerate(self.waiting)
        ]
        heapq.heapify(self.entries)
        return bool(self.entries)

    def _everybody(self) -> list[_Waiting]:
        return [_Waiting(one, one.retry, one.fresh) for one in self.demand if one.retry or one.fresh] + self.pinned

    def nobody_served(self) -> bool:
        """Does somebody wait here who has no batch at this provider?"""
        live = self.desk.at_provider
        everybody = self.waiting or self._everybody()
        return any(one.n and not live[one.demand.mailing, one.demand.provider] for one in everybody)

    def _entry(self, index: int, waiting: _Waiting, live: int) -> Entry:
        """Who is next: fewest batches live here, then the longest wait, the nearest deadline, the smallest."""
        demand, now = waiting.demand, self.desk.now
        weight, left = 1.0, math.inf
        if demand.deadline is not None:
            left = (demand.deadline - now).total_seconds()
            weight = 4.0 if left <= 3600 else 2.0 if left <= 6 * 3600 else 1.0
        waited = math.inf if demand.last_given is None else (now - demand.last_given).total_seconds()
        return (live / weight, -waited * weight, left, waiting.n, demand.mailing, demand.wave, index)

    def mailings_live(self) -> int:
        return self.desk.of_mailing[self.entries[0][4]]

    def give_next(self, lane: _OpenLane, offer: _Offer) -> None:
        """Plan one batch for who is next, and put them back with their turn taken."""
        entry = heapq.heappop(self.entries)
        waiting = self.waiting[entry[-1]]
        kind = waiting.kind
        size = waiting.hand_out(self._fair_room(lane, offer))
        demand = waiting.demand
        lane.take(size=size, gap=offer.gap, mailing=demand.mailing)
        self.desk.specs.append(_spec(self.desk.now, demand, lane.lane, offer, kind, size, waiting.pinned))
        if waiting.n:
            live = self.desk.at_provider[demand.mailing, demand.provider]
            again = self._entry(entry[-1], waiting, live)
            heapq.heappush(self.entries, (again[0], 0.0, *again[2:]))

    def _fair_room(self, lane: _OpenLane, offer: _Offer) -> int:
        """How many messages this turn is worth: what fits into its time, and a fair part of a scarce hour."""
        others = len(self.entries) + self.unseen
        turn = SHARED_TURN if others else TURN
        each = max(offer.gap, lane.lane.seconds, QUICKEST)
        part = -(-self.n_waiting // lane.connections_wanted)
        if self.unseen or part > turn / each:
            fitting = int(turn * lane.part_of_turn() / each)
        else:
            # All that is left: those that begin together may end together, since nobody has to begin anew.
            fitting = max(part, int(SHORTEST_TURN / each))
        room = min(offer.room, max(1, min(fitting, LARGEST_BATCH)))
        if others:
            left = min(account.window(self.transactional) for account in lane.accounts)
            room = min(room, max(SMALLEST_SPLIT, -(-left // (others + 1))))
        return max(1, min(room, *(account.burst_part(lane.lane.seconds) for account in lane.accounts)))


def _spec(now: datetime, demand: Demand, lane: Lane, offer: _Offer, kind: Kind, size: int, pinned: bool) -> BatchSpec:
    not_before = now + timedelta(seconds=offer.wait)
    return BatchSpec(
        mailing=demand.mailing,
        wave=demand.wave,
        provider=demand.provider,
        route=lane.route,
        domain=lane.domain,
        stream=demand.stream,
        kind=kind,
        pinned=pinned,
        size=size,
        gap=offer.gap,
        not_before=not_before,
        deadline=not_before + timedelta(seconds=LONGEST_BATCH),
        budgets=lane.budgets,
    )


def _by_lane(desk: Desk, demand: Sequence[Demand]) -> tuple[list[_Queue], list[_Queue]]:
    """Queues of transactional and of other demand, each with its lanes."""
    groups: defaultdict[tuple[int, bool, str], list[Demand]] = defaultdict(list)
    for one in demand:
        groups[id(one.lanes), one.overflow, one.stream].append(one)
    queues: dict[tuple[tuple[Lane, ...], bool], _Queue] = {}

    def queue_for(choice: tuple[Lane, ...], transactional: bool) -> _Queue:
        queue = queues.get((choice, transactional))
        if queue is None:
            queue = queues[choice, transactional] = _Queue(desk, [desk.lane(lane) for lane in choice], transactional)
        return queue

    for (_key, overflow, stream), members in groups.items():
        choice = members[0].lanes if overflow else members[0].lanes[:1]
        if choice:
            queue_for(choice, stream == TRANSACTIONAL).demand += members
        for pinned_to, pinned in _pinned(members):
            queue_for((pinned_to,), stream == TRANSACTIONAL).pinned.append(pinned)
    return (
        [queue for queue in queues.values() if queue.transactional],
        [queue for queue in queues.values() if not queue.transactional],
    )


def _pinned(members: Sequence[Demand]) -> Iterator[tuple[Lane, _Waiting]]:
    """Retries that must go by one route; those whose route is not in the pool any more wait for a person."""
    for one in members:
        if one.pinned:
            by_route = {lane.route: lane for lane in one.lanes}
            for route, n in one.pinned:
                if n > 0 and route in by_route:
                    yield by_route[route], _Waiting(one, n, 0, pinned=True)


def _give_out(desk: Desk, queues: Sequence[_Queue]) -> None:
    """Batch by batch, the queue first whose next mailing has the fewest live batches anywhere: a mailing with
    hundreds of small sites does not take the connections that they share with others."""
    order: list[tuple[int, Entry, int]] = []
    for index, queue in enumerate(queues):
        if queue.best_offer() is not None and queue.line_up():
            order.append((queue.mailings_live(), queue.entries[0], index))
    heapq.heapify(order)
    while order:
        live, _entry, index = heapq.heappop(order)
        queue = queues[index]
        if queue.mailings_live() > live:
            heapq.heappush(order, (queue.mailings_live(), queue.entries[0], index))
            continue
        found = queue.best_offer()
        if found is not None:
            queue.give_next(*found)
            if queue.entries:
                heapq.heappush(order, (queue.mailings_live(), queue.entries[0], index))


def _asked_to_yield(urgent: Sequence[_Queue], already: set[int]) -> set[int]:
    """One marketing batch for each provider where transactional mail waits and has no batch at all."""
    asked: set[int] = set()
    for queue in urgent:
        if queue.nobody_served():
            first = queue.lanes[0]
            for account in first.accounts:
                asked |= in_the_way(account, first.lane.seconds, first.connections, already | asked)
    return asked
