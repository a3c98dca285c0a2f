"""Hosts that send, the gates they ask and the one PostgreSQL behind them, as a simulation of single events.

A connection asks the gate, waits, writes and signs its message, hands it over, and asks again. A host's process asks
for all of its connections that wait at once, one statement at a time. A statement takes a core of the database, then
waits for the disk together with those that commit meanwhile. Every hundredth message of a connection a batch begins:
reading people and closing books takes the database's cores, too. Times are milliseconds.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

from sending.gate import FEW, GATHER_SECONDS, GATHER_TIMES

Then = Callable[[], None]

BATCH = 100
# A batch is about so many statements; others have their turn between them.
STATEMENTS = 10


@dataclass(frozen=True)
class Costs:
    """What was measured: milliseconds of a core, of the disk, of the network."""

    statement: float
    question: float
    batch_share: float
    """Of the database for a message outside its gate: its part of a batch."""
    commit: float
    """One flush of the write-ahead log, whatever commits by it."""
    worker: float
    """Of a worker for a message."""
    others: float = 0.0
    """Of the planner and the broker for a message: on the database's machine."""
    network: float = 0.5
    """To the database and back."""
    reply: float = 0.0
    """What the receiver takes: round trips and its own time."""


@dataclass(frozen=True)
class Machines:
    """`shared`: everything on the cores of one machine, those of the database."""

    hosts: int = 1
    processes: int = 2
    connections: int = 16
    host_cores: int = 2
    database_cores: int = 2
    shared: bool = False


@dataclass(frozen=True)
class Seen:
    """Rates a second; shares of what there is."""

    messages: float
    gates: float
    database_share: float
    disk_share: float
    host_share: float
    gate_p95_ms: float
    questions: float
    possible: float
    """What the connections could carry if nothing but replies took time."""

    @property
    def limit(self) -> str:
        """What is used up; the first of them that is. A disk that always flushes holds up nobody by itself: as many
        commit at once as wait."""
        if self.database_share > 0.95:
            return "the database's cores"
        if self.host_share > 0.95:
            return "the hosts' cores"
        if self.disk_share > 0.95 and self.messages < 0.9 * self.possible:
            return "the disk's flushes"
        return "connections and replies"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._events: list[tuple[float, int, Then]] = []

    def after(self, ms: float, then: Then) -> None:
        heapq.heappush(self._events, (self.now + ms, next(self._order), then))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, then = heapq.heappop(self._events)
            then()
        self.now = until


class Cores:
    """First come, first served, by so many at once."""

    def __init__(self, clock: Clock, n: int) -> None:
        self.clock, self.n, self.busy, self.used = clock, n, 0, 0.0
        self._waiting: deque[tuple[float, Then]] = deque()

    def run(self, ms: float, then: Then) -> None:
        self._waiting.append((ms, then))
        self._next()

    def _next(self) -> None:
        while self.busy < self.n and self._waiting:
            ms, then = self._waiting.popleft()
            self.busy += 1
            self.used += ms
            self.clock.after(ms, partial(self._done, then))

    def _done(self, then: Then) -> None:
        self.busy -= 1
        then()
        self._next()


class Disk:
    """Everything that commits while it flushes waits for the next flush, together."""

    def __init__(self, clock: Clock, ms: float) -> None:
        self.clock, self.ms, self.flushes = clock, ms, 0
        self._waiting: list[Then] = []
        self._flushing = False

    def commit(self, then: Then) -> None:
        self._waiting.append(then)
        if not self._flushing:
            self._flush()

    def _flush(self) -> None:
        self._flushing, taken, self._waiting = True, self._waiting, []
        self.flushes += 1
        self.clock.after(self.ms, partial(self._flushed, taken))

    def _flushed(self, taken: list[Then]) -> None:
        self._flushing = False
        for then in taken:
            then()
        if self._waiting and not self._flushing:
            self._flush()


class Process:
    """One sending process: one thing at a time in its interpreter, one statement at a time at its gate."""

    def __init__(self, world: "World", cores: Cores, connections: int) -> None:
        self.world, self.cores, self.connections = world, cores, connections
        self.interpreter = Cores(world.clock, 1)
        self.waiting: list[tuple[float, int]] = []
        self.asking = False
        for _ in range(connections):
            # Nothing begins together, and no two are at the same place of their batch.
            at, sent = world.random.uniform(0, max(1.0, world.costs.reply)), world.random.randrange(BATCH)
            world.clock.after(0.0 if world.together else at, partial(self._begin, sent))

    def _compute(self, ms: float, then: Then) -> None:
        """The interpreter is one, and needs a core of its machine."""
        self.interpreter.run(0.0, partial(self._on_core, ms, then))

    def _on_core(self, ms: float, then: Then) -> None:
        self.interpreter.busy += 1
        self.cores.run(ms, partial(self._off_core, then))

    def _off_core(self, then: Then) -> None:
        self.interpreter.busy -= 1
        then()
        self.interpreter._next()

    def _begin(self, sent: int) -> None:
        """The next message; at the end of a batch its books, and those of the next."""
        outside = self.world.costs.batch_share + self.world.costs.others
        if sent % BATCH == BATCH - 1 and outside:
            self._books(BATCH * outside / STATEMENTS, STATEMENTS, sent)
        else:
            self._ask(sent)

    def _books(self, ms: float, left: int, sent: int) -> None:
        after = partial(self._books, ms, left - 1, sent) if left > 1 else partial(self._ask, sent)
        self.world.database.run(ms, after)

    def _ask(self, sent: int) -> None:
        self.waiting.append((self.world.clock.now, sent))
        self._gather()

    def _gather(self) -> None:
        if self.asking or not self.waiting:
            return
        if self.world.together and len(self.waiting) < self.connections:
            return
        self.asking = True
        self._look(GATHER_TIMES if self.connections // 2 >= FEW else 0)

    def _look(self, times: int) -> None:
        """A statement waits until half of the connections ask, so many times at most."""
        if times == 0 or len(self.waiting) >= self.connections // 2:
            self._state()
        else:
            self.world.clock.after(1000 * GATHER_SECONDS, partial(self._look, times - 1))

    def _state(self) -> None:
        taken, self.waiting = self.waiting, []
        world, costs = self.world, self.world.costs
        work = costs.statement + costs.question * len(taken)
        world.gates += 1
        world.questions += len(taken)

        answer = partial(world.clock.after, costs.network / 2, partial(self._answered, taken))
        world.clock.after(costs.network / 2, partial(world.database.run, work, partial(world.disk.commit, answer)))

    def _answered(self, taken: list[tuple[float, int]]) -> None:
        self.asking = False
        for asked_at, sent in taken:
            self.world.waits.append(self.world.clock.now - asked_at)
            self._compute(self.world.costs.worker, partial(self._hand_over, sent))
        self._gather()

    def _hand_over(self, sent: int) -> None:
        reply = self.world.costs.reply * self.world.random.uniform(0.8, 1.2)
        self.world.clock.after(reply, partial(self._accepted, sent))

    def _accepted(self, sent: int) -> None:
        self.world.sent += 1
        self._begin(sent + 1)


class World:
    """`together`: a process asks when all of its connections wait, as `benchmarks.database` does."""

    def __init__(self, costs: Costs, machines: Machines, together: bool = False) -> None:
        self.costs, self.clock, self.together = costs, Clock(), together
        self.random = random.Random(1)
        self.sent = self.gates = self.questions = 0
        self.waits: list[float] = []
        self.database = Cores(self.clock, machines.database_cores)
        self.disk = Disk(self.clock, costs.commit)
        here = machines.shared
        self.hosts = [self.database if here else Cores(self.clock, machines.host_cores) for _ in range(machines.hosts)]
        self.processes = [
            Process(self, cores, machines.connections) for cores in self.hosts for _ in range(machines.processes)
        ]

    def forget(self) -> None:
        self.sent = self.gates = self.questions = self.disk.flushes = 0
        self.waits = []
        for cores in (self.database, *self.hosts):
            cores.used = 0.0


def simulated(
    costs: Costs, machines: Machines, *, seconds: float = 5.0, first: float = 2.0, together: bool = False
) -> Seen:
    """After `first` seconds of running in."""
    world = World(costs, machines, together)
    world.clock.run(1000 * first)
    world.forget()
    world.clock.run(1000 * (first + seconds))
    ms = 1000 * seconds
    waits = sorted(world.waits) or [0.0]
    return Seen(
        messages=world.sent / seconds,
        gates=world.gates / seconds,
        database_share=world.database.used / (ms * world.database.n),
        disk_share=world.disk.flushes * costs.commit / ms,
        host_share=max(cores.used / (ms * cores.n) for cores in world.hosts),
        gate_p95_ms=waits[int(0.95 * len(waits))],
        questions=world.questions / max(1, world.gates),
        possible=machines.hosts * machines.processes * machines.connections * 1000 / max(costs.reply, 0.001),
    )


def without_hosts(costs: Costs) -> Costs:
    """The database alone: hosts that ask again at once."""
    return replace(costs, worker=0.0, batch_share=0.0, others=0.0, reply=0.0)
