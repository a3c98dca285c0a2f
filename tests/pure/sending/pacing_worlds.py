"""Worlds of many mailings on many lanes, and what each of them promises: every function that ends in `_complaints` runs
one world and says in words what did not hold. The planner is an argument, so that a broken one can be shown to fail."""

import math
from collections.abc import Callable
from dataclasses import replace

from sending.pure.lanes import TRANSACTIONAL, Demand, Lane, Plan
from sending.pure.pacing import SHARED_TURN, TURN, plan
from sending.pure.windows import LONGEST_GAP, Budget, Limits, State, is_slow, paced_rate, slots_wanted
from tests.pure.sending.pacing_simulator import Habits, World, broken, key_of

Planner = Callable[..., Plan]

WINDOW = 60.0
# Replies vary and nobody catches up: so much of what limits and replies allow is used while somebody waits.
USED = 0.75
# Where two lanes have to share too few connections, each slot was sized as if its lane had all of them.
USED_TOGETHER = 0.6
IP, IP_2, DOMAIN, DOMAIN_2, HOST = 1, 2, 3, 4, 5


def possible(budget: Budget, habits: Habits) -> float:
    """Messages a minute that marketing can get out of a budget: by the rule, and by connections whose replies vary."""
    per_minute, connections = budget.limits.per_minute or 0, budget.limits.connections or 1
    if is_slow(budget.kind, per_minute):
        return 60 / (60 / per_minute + habits.seconds / 3 + habits.connect + 1)
    slots = slots_wanted(budget.kind, budget.limits, habits.seconds)
    by_rule = paced_rate(budget.kind, per_minute, slots)
    gap = 60 * slots / by_rule
    # The mean of the longer of a gap and a reply, and what it costs to open a connection twice a minute.
    takes = gap + habits.seconds * math.exp(-gap / habits.seconds)
    takes *= 1 + (habits.connect + habits.seconds + habits.coalesced) / SHARED_TURN
    return min(by_rule, slots * 60 / takes, connections * 60 / takes)


def is_idle(world: World, used: float, could: float, share: float = USED) -> bool:
    """Is less used than a world owes whose workers do not stand still? A few more or less are chance."""
    return not world.habits.stalls and used < share * could - 3


def crowd(
    limits: list[tuple[int, int]], *, mailings: int, habits: Habits, seed: int, planner: Planner, tiny_at: float
) -> World:
    """`mailings` that all wait at every provider, one (per minute, connections) each, over one address and one domain,
    and one (number 0) that comes at second `tiny_at` with three messages for each of the first five providers."""
    budgets = {n: Budget(n, "ip", Limits(per_minute=m, connections=c)) for n, (m, c) in enumerate(limits, 1)}
    lanes = [(Lane(1, "a.example", f"p{n}", (n,), habits.seconds),) for n in budgets]
    demand = [Demand(m, one[0].provider, one, fresh=500) for m in range(1, mailings + 1) for one in lanes]
    tiny = range(len(demand), len(demand) + min(5, len(lanes)))
    demand += [Demand(0, one[0].provider, one) for one in lanes[:5]]
    arrivals = [(tiny_at, i, 3) for i in tiny]
    return World(budgets, demand, seed, habits, arrivals=arrivals, planner=planner, look_at=8)


def crowd_complaints(
    limits: list[tuple[int, int]], habits: Habits, seed: int, planner: Planner = plan, mailings: int = 1000
) -> list[str]:
    """Limits are kept, no lane idles, the tiny one is done in one turn, and nobody is served twice before the rest."""
    arrives, ends = 90.0, 270.0
    world = crowd(limits, mailings=mailings, habits=habits, seed=seed, planner=planner, tiny_at=arrives).run(ends)
    found = broken(world)
    for key, budget in world.budgets.items():
        used, could = world.per_minute(key, 60, ends), possible(budget, habits)
        if is_idle(world, used, could):
            found.append(f"lane {key} was idle: {used:.1f} of {could:.1f} a minute")
    # One turn of whoever has the last connection, then the three messages, each a gap or a slow reply apart.
    within = TURN + 4 * (LONGEST_GAP + 5 * habits.seconds)
    if 0 not in world.finished or world.finished[0] > arrives + within:
        found.append(f"the tiny one was not done in {within:.0f} s: {world.finished.get(0)}")
    return found + unfair(world)


def unfair(world: World) -> list[str]:
    """Where all are equal, nobody has two batches more than another at one provider."""
    turns: dict[str, dict[int, int]] = {}
    for one in world.demand:
        if one.mailing:
            turns.setdefault(one.provider, {})[one.mailing] = 0
    for batch in world.batches.values():
        if batch.spec.mailing:
            turns[batch.spec.provider][batch.spec.mailing] += 1
    return [f"{at}: {max(n.values())} turns and {min(n.values())}" for at, n in turns.items() if spread(n) > 1]


def spread(turns: dict[int, int]) -> int:
    return max(turns.values()) - min(turns.values())


def rounds(limits: Limits, tiny: int, habits: Habits) -> float:
    """Seconds for a mailing of `tiny` that takes turns with ten others: the first turn is its own, whatever it came
    behind; what does not fit waits until all had theirs."""
    could = possible(Budget(IP, "ip", limits), habits)
    if is_slow("ip", limits.per_minute or 0):
        return tiny * 11 * 60 / could
    slots = slots_wanted("ip", limits, habits.seconds)
    each = slots * 60 / could
    # The second slot is not always given a full share of the rate.
    turns = math.ceil(tiny / max(1, int(SHARED_TURN / each) // 2))
    return (1 + (turns - 1) * 11 / slots) * 1.5 * (SHARED_TURN + each + habits.connect)


def giants_complaints(limits: Limits, tiny: int, habits: Habits, seed: int, planner: Planner = plan) -> list[str]:
    """Ten mailings of 100,000, and one of a few that comes later: it gets the next turn, whatever it came behind."""
    lane = (Lane(1, "a.example", "google", (IP,), habits.seconds),)
    demand = [Demand(n, "google", lane, fresh=100_000, last_given=None) for n in range(1, 11)]
    demand.append(Demand(99, "google", lane))
    budgets = {IP: Budget(IP, "ip", limits)}
    world = World(budgets, demand, seed, habits, arrivals=[(120.0, 10, tiny)], planner=planner)
    within = TURN + LONGEST_GAP + rounds(limits, tiny, habits)
    world.run(120 + within + 1)
    found = broken(world)
    if 99 not in world.finished or world.finished[99] > 120 + within:
        found.append(f"the tiny one was not done in {within:.0f} s")
    return found


Step = tuple[str, int, int]
"""(what happens, messages a minute, connections): `limit`, `hold`, `open`, `pause`, `go on`."""
STEP = 240.0


def edits_complaints(
    steps: list[Step], habits: Habits, seed: int, planner: Planner = plan, expected: float | None = None
) -> list[str]:
    """Every `STEP` seconds somebody edits a limit, holds or opens the provider, pauses or resumes a mailing: this
    holds in every window that begins after the workers have heard of it, and what is allowed is used.

    `expected`: seconds a message takes as far as the planner knows."""
    lane = (Lane(1, "a.example", "google", (IP, DOMAIN), expected or habits.seconds),)
    first = Limits(per_minute=steps[0][1], connections=steps[0][2])
    budgets = {IP: Budget(IP, "ip", first), DOMAIN: Budget(DOMAIN, "dkim_domain", Limits(per_minute=2000))}
    demand = [Demand(n, "google", lane, fresh=100_000) for n in (1, 2)]
    world = World(budgets, demand, seed, habits, planner=planner)
    found = []
    for n, (what, per_minute, connections) in enumerate(steps):
        since, until = n * STEP, (n + 1) * STEP
        _happens(world, what, Limits(per_minute=per_minute, connections=connections))
        world.run(until)
        found += _after(world, since, until, what)
    total = sum(one.fresh + one.retry for one in world.demand) + sum(batch.left for batch in world.batches.values())
    if total + len(world.dots[IP]) + world.lost != 200_000:
        found.append("somebody was lost or doubled")
    return found


def _happens(world: World, what: str, limits: Limits) -> None:
    budget = world.budgets[IP]
    if what == "limit":
        world.budgets[IP] = replace(budget, limits=limits)
    elif what in ("hold", "open"):
        world.budgets[IP] = replace(budget, state=State.HELD if what == "hold" else State.OPEN)
    elif what == "pause":
        world.paused = {1}
    else:
        world.paused = set()


def _after(world: World, since: float, until: float, what: str) -> list[str]:
    budget, habits = world.budgets[IP], world.habits
    limit = budget.limits.per_minute or 0
    found = []
    # An edit is heard at the next gate: one gap, or one slow reply, after the next plan.
    heard = since + 3 + LONGEST_GAP + 5 * habits.seconds + habits.stall_for * (habits.stalls > 0)
    if (worst := world.worst(IP, WINDOW, since=heard)) > limit:
        found.append(f"{worst} in a minute after {what}, limit {limit}")
    if budget.state == State.HELD:
        late = [at for at in world.dots[IP] if heard < at <= until]
        return found + [f"{len(late)} dots while held"] * bool(late)
    could = possible(budget, habits)
    used = world.per_minute(IP, until - STEP / 2, until)
    if is_idle(world, used, could):
        found.append(f"idle after {what}: {used:.1f} of {could:.1f} a minute")
    return found


def days_complaints(caps: list[int], per_minute: int, seed: int, planner: Planner = plan) -> list[str]:
    """A warm-up's caps, one a day: no day gets more, none less than nine tenths, and none in a rush."""
    lane = (Lane(1, "a.example", "google", (IP,), 0.5),)
    demand = [Demand(n, "google", lane, fresh=100_000) for n in (1, 2, 3)]
    budget = Budget(IP, "ip", Limits(per_minute=per_minute, per_day=caps[0], connections=2))
    habits = Habits(seconds=0.5, tick=60.0, coalesced=20.0)
    world = World({IP: budget}, demand, seed, habits, planner=planner)
    found = []
    for day, cap in enumerate(caps):
        world.budgets[IP] = replace(budget, limits=replace(budget.limits, per_day=cap))
        world.run(86_400.0 * (day + 1))
        today = sorted(at - 86_400 * day for at in world.dots[IP] if 86_400 * day <= at < 86_400 * (day + 1))
        if len(today) > cap:
            found.append(f"{len(today)} on day {day}, cap {cap}")
        if len(today) < int(0.9 * cap):
            found.append(f"only {len(today)} on day {day}, cap {cap}")
        if cap > 24 and today[-1] < 4 * 3600:
            found.append(f"day {day} was spent in {today[-1] / 3600:.1f} hours")
    return found


def shared_complaints(
    ip: int, domains: tuple[int, int], habits: Habits, seed: int, planner: Planner = plan
) -> list[str]:
    """Two domains over one address: together they keep its limit and use it up, each keeps its own, neither starves."""
    budgets = {
        IP: Budget(IP, "ip", Limits(per_minute=ip, connections=6)),
        DOMAIN: Budget(DOMAIN, "dkim_domain", Limits(per_minute=domains[0], connections=6)),
        DOMAIN_2: Budget(DOMAIN_2, "dkim_domain", Limits(per_minute=domains[1], connections=6)),
    }
    lanes = [(Lane(1, f"{key}.example", "google", (IP, key), habits.seconds),) for key in (DOMAIN, DOMAIN_2)]
    demand = [Demand(n, "google", lane, fresh=100_000) for n, lane in enumerate(lanes, 1)]
    world = World(budgets, demand, seed, habits, planner=planner).run(600)
    found = broken(world)
    each = [possible(budgets[key], habits) for key in (DOMAIN, DOMAIN_2)]
    together, could = world.per_minute(IP, 120, 600), min(possible(budgets[IP], habits), sum(each))
    if is_idle(world, together, could, USED_TOGETHER):
        found.append(f"idle: {together:.1f} of {could:.1f} a minute")
    for key, own in zip((DOMAIN, DOMAIN_2), each, strict=True):
        if world.per_minute(key, 120, 600) < 0.4 * min(own, could / 2):
            found.append(f"domain {key} starved: {world.per_minute(key, 120, 600):.1f} a minute")
    return found


def urgent_complaints(limits: Limits, seed: int, seconds: float, mailings: int, planner: Planner = plan) -> list[str]:
    """Transactional mail, now and then, beside marketing that fills everything: in seconds, and inside the limits."""
    lane = (Lane(1, "a.example", "google", (IP,), seconds),)
    demand = [Demand(n, "google", lane, fresh=100_000) for n in range(1, mailings + 1)]
    demand.append(Demand(99, "google", lane, stream=TRANSACTIONAL))
    times = [120.0 + 67 * n for n in range(8)]
    world = World({IP: Budget(IP, "ip", limits)}, demand, seed, Habits(seconds=seconds), planner=planner)
    world.arrivals = [(at, mailings, 1) for at in times]
    world.run(120 + 67 * 9)
    # Its own slot when a connection is free; else the next gate of one that yields, and its reply.
    slow = is_slow("ip", limits.per_minute or 0)
    within = 2 * 60 / (0.97 * (limits.per_minute or 1)) + 5 if slow else LONGEST_GAP + 8 * seconds + 3
    found = broken(world)
    waits = world.waits[TRANSACTIONAL]
    if len(waits) < len(times):
        found.append(f"{len(times) - len(waits)} never left")
    if waits and max(waits) > within:
        found.append(f"one waited {max(waits):.0f} s, at most {within:.0f}")
    return found


def sites_complaints(sites: int, seed: int, planner: Planner = plan, ends: float = 30.0) -> list[str]:
    """One mailing with a lane for each of very many small sites over one address, five with one big lane each. A host
    has 20 threads: the sites must not take them all, and all of them get their turn."""
    host = Budget(HOST, "host", Limits(connections=20))
    budgets = {HOST: host, IP: Budget(IP, "ip", Limits(per_minute=60_000))}
    demand = []
    for n in range(sites):
        demand.append(Demand(1, f"site{n}", (Lane(1, "a.example", f"site{n}", (IP, HOST), 0.2),), fresh=1 + n % 3))
    for n in range(2, 7):
        demand.append(Demand(n, f"big{n}", (Lane(1, "a.example", f"big{n}", (IP, HOST), 0.2),), fresh=100_000))
    habits = Habits(seconds=0.2, connect=0.05, tick=1.0, coalesced=1.0)
    world = World(budgets, demand, seed, habits, planner=planner).run(ends)
    found = broken(world)
    if world.most_connections(HOST) > 20:
        found.append("more connections than threads")
    shares = [world.sent_of[n] + sum(b.sent for b in world.recent if b.spec.mailing == n) for n in range(2, 7)]
    if min(shares) < ends / 0.2 / 2:
        found.append(f"a neighbour starved: {shares}")
    served = {key_of(batch.spec) for batch in world.batches.values() if batch.spec.mailing == 1}
    if len(served) < len([b for b in world.batches.values() if b.spec.mailing == 1 and b.spec.kind == "fresh"]):
        found.append("one site twice before another")
    return found
