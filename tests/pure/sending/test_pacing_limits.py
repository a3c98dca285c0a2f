"""No budget is exceeded on the receivers' clocks, whatever workers, nets and admins do."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sending.pure.lanes import TRANSACTIONAL, Demand, Lane
from sending.pure.windows import Budget, Limits, Margins, State
from tests.pure.sending.pacing_simulator import Habits, World, broken

IP, IP_2, DOMAIN, DOMAIN_2 = 1, 2, 3, 4


def one_lane(*budgets: Budget, fresh: int = 100_000, seconds: float = 0.3, **habits: float) -> World:
    lane = Lane(route=1, domain="a.example", provider="google", budgets=tuple(b.id for b in budgets), seconds=seconds)
    demand = [Demand(mailing=1, provider="google", lanes=(lane,), fresh=fresh)]
    return World({b.id: b for b in budgets}, demand, habits=Habits(seconds=seconds, **habits))


def ip(**limits: float) -> Budget:
    return Budget(IP, "ip", Limits(**limits))  # type: ignore[arg-type]


def domain(**limits: float) -> Budget:
    return Budget(DOMAIN, "dkim_domain", Limits(**limits))  # type: ignore[arg-type]


@pytest.mark.parametrize("per_minute", [1, 2, 5, 8, 9, 20, 60, 300])
def test_a_minute_is_kept_and_used(per_minute: int) -> None:
    world = one_lane(ip(per_minute=per_minute, connections=5)).run(1200)
    assert broken(world) == []
    # Small fast limits leave a tenth (one at least) to transactional mail and one to the slot.
    least = 0.8 if per_minute >= 30 or per_minute <= 8 else 0.7
    assert world.per_minute(IP, 180, 1200) >= least * per_minute


def test_without_the_slack_the_minute_is_exceeded() -> None:
    """The check can fail: the same world, planned without the safety of the rule."""
    budgets = [Budget(1, "host", Limits(per_minute=40, connections=8))]
    kept = one_lane(*budgets, seconds=5.0, jitter=0.5).run(1800)
    loose = one_lane(*budgets, seconds=5.0, jitter=0.5)
    loose.margins = Margins(share=1.0, per_slot=0.0, first_gap=False)
    assert broken(kept) == []
    assert broken(loose.run(1800)) != []


@pytest.mark.parametrize(
    "limits",
    [
        {"per_hour": 200, "per_minute": 60, "connections": 2},
        {"per_hour": 20, "connections": 1},
        {"per_minute": 300, "connections": 3, "batch_size": 20, "batch_pause": 15.0},
        {"per_minute": 120, "connections": 10, "per_connection": 5},
        {"per_day": 150, "per_hour": 40, "connections": 1},
        {"per_minute": 6, "batch_size": 3, "batch_pause": 30.0},
    ],
)
def test_hours_days_bursts_and_connections_are_kept(limits: dict[str, float]) -> None:
    world = one_lane(ip(**limits), domain(per_minute=200)).run(3 * 3600)
    assert broken(world) == []
    assert len(world.dots[IP]) > 0
    assert max(world.sizes) <= limits.get("per_connection", limits.get("batch_size", 10_000))


def test_a_pause_follows_every_burst_and_the_bursts_are_full() -> None:
    world = one_lane(ip(per_minute=600, connections=4, batch_size=30, batch_pause=20.0)).run(900)
    assert world.largest_burst(IP, 20.0) == 30


def test_a_day_is_spread_over_six_hours_at_least_and_used() -> None:
    world = one_lane(ip(per_day=240, connections=2, batch_size=10), tick=20.0).run(24 * 3600)
    assert broken(world) == []
    assert len(world.dots[IP]) == 240 * 0.9
    assert sorted(world.dots[IP])[-1] >= 5 * 3600


def test_a_hurried_day_would_not_be_spread() -> None:
    """A day's cap too small to be spread goes out as it comes."""
    world = one_lane(ip(per_day=20, connections=1)).run(3600)
    assert len(world.dots[IP]) == 18


def shared(limits: dict[int, Limits], habits: Habits, seed: int) -> World:
    """Two addresses, two domains, every pair of them a lane; three mailings, one with transactional mail."""
    kinds = {IP: "ip", IP_2: "ip", DOMAIN: "dkim_domain", DOMAIN_2: "dkim_domain"}
    budgets = {key: Budget(key, kinds[key], limit) for key, limit in limits.items()}

    def lanes(name: str, key: int) -> tuple[Lane, ...]:
        first = Lane(1, name, "google", (IP, key), habits.seconds)
        return first, replace(first, route=2, budgets=(IP_2, key))

    one, two = lanes("a.example", DOMAIN), lanes("b.example", DOMAIN_2)
    demand = [
        Demand(mailing=1, provider="google", lanes=one, fresh=5000, overflow=True),
        Demand(mailing=2, provider="google", lanes=two, fresh=5000, retry=50, pinned=((2, 7),), overflow=True),
        Demand(mailing=3, provider="google", lanes=one[::-1], fresh=40),
        Demand(mailing=4, provider="google", lanes=two, stream=TRANSACTIONAL),
    ]
    arrivals = [(float(at), 3, 1 + at % 3) for at in range(5, 3600, 97)]
    return World(budgets, demand, seed=seed, habits=habits, arrivals=arrivals)


some_limits = st.builds(
    Limits,
    per_minute=st.one_of(st.none(), st.integers(1, 12), st.integers(13, 400)),
    per_hour=st.one_of(st.none(), st.integers(5, 4000)),
    per_day=st.one_of(st.none(), st.integers(10, 3000)),
    connections=st.integers(1, 6),
    per_connection=st.one_of(st.none(), st.integers(1, 30)),
    batch_size=st.one_of(st.none(), st.integers(1, 40)),
    batch_pause=st.one_of(st.none(), st.floats(1, 30)),
)
some_habits = st.builds(
    Habits,
    seconds=st.floats(0.02, 4),
    connect=st.floats(0.01, 2),
    jitter=st.floats(0, 0.1),
    dies=st.sampled_from([0, 0, 0.01]),
    tick=st.sampled_from([1, 2, 5]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    limits=st.fixed_dictionaries(dict.fromkeys((IP, IP_2, DOMAIN, DOMAIN_2), some_limits)),
    habits=some_habits,
    seed=st.integers(0, 2**16),
)
def test_no_window_of_shared_budgets_is_exceeded(limits: dict[int, Limits], habits: Habits, seed: int) -> None:
    world = shared(limits, habits, seed).run(2400)
    assert broken(world) == []


@pytest.mark.parametrize("after", [Limits(per_minute=30, connections=2), Limits(per_minute=4, connections=1)])
def test_a_lowered_limit_holds_from_one_window_after_the_edit(after: Limits) -> None:
    world = one_lane(ip(per_minute=300, connections=5), seconds=1.0)

    def lower(world: World) -> None:
        world.budgets[IP] = replace(world.budgets[IP], limits=after)

    world.run(900, changes={300.0: lower})
    assert world.edits > 0
    assert world.worst(IP, 60, since=365) <= (after.per_minute or 0)
    assert world.per_minute(IP, 420, 900) >= 0.7 * (after.per_minute or 0)


def test_a_limit_set_on_an_unlimited_budget_holds_from_one_window_after() -> None:
    world = one_lane(ip(connections=3), seconds=0.1)

    def limit(world: World) -> None:
        world.budgets[IP] = replace(world.budgets[IP], limits=Limits(per_minute=60, connections=3))

    world.run(600, changes={200.0: limit})
    assert world.worst(IP, 60, since=265) <= 60


def test_a_hold_ends_live_batches_at_their_next_gate() -> None:
    world = one_lane(ip(per_minute=120, connections=2))

    def hold(world: World) -> None:
        world.budgets[IP] = replace(world.budgets[IP], state=State.HELD)

    world.run(600, changes={100.0: hold})
    assert world.yields > 0
    assert max(world.dots[IP]) <= 103
    assert world.demand[0].retry + world.demand[0].fresh + len(world.dots[IP]) == 100_000


def test_a_probe_is_one_connection_with_one_message() -> None:
    budget = replace(ip(per_minute=120, connections=4), state=State.SLOWED, probe=True)
    world = one_lane(budget).run(120)
    assert set(world.sizes) == {1}
    assert world.most_connections(IP) == 1


def test_a_slowed_budget_gives_its_share() -> None:
    budget = replace(ip(per_minute=200, connections=4), state=State.SLOWED, share=0.5)
    world = one_lane(budget).run(900)
    assert world.worst(IP, 60) <= 100
    assert world.per_minute(IP, 120, 900) >= 80


def test_ten_slots_that_end_at_once_do_not_lend_their_places_to_one_fast_batch() -> None:
    """Slow receivers need many slots; when they turn fast, one slot takes the whole rate."""
    world = one_lane(Budget(IP, "host", Limits(per_minute=90, connections=12)), seconds=5.0)

    def quick(world: World) -> None:
        world.habits.seconds = 0.1
        lane = replace(world.demand[0].lanes[0], seconds=0.1)
        world.demand[0] = replace(world.demand[0], lanes=(lane,))

    world.run(900, changes={400.0: quick})
    assert broken(world) == []
