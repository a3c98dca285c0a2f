"""Many mailings, many lanes, and admins who change their minds: what the planner promises in worlds drawn at random,
and that each promise is missed by a planner that is broken in the one way it is about."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sending.pure import accounts, pacing
from sending.pure.lanes import MARKETING, Demand, Lane, LiveBatch, Plan
from sending.pure.pacing import plan
from sending.pure.windows import MARGINS, Budget, Limits
from tests.pure.sending import pacing_worlds as worlds
from tests.pure.sending.pacing_simulator import START, Habits

seeds = st.integers(0, 2**16)
rates, connections = st.integers(1, 300), st.integers(1, 6)
habits = st.builds(
    Habits,
    seconds=st.floats(0.05, 2),
    connect=st.floats(0.01, 1),
    jitter=st.floats(0, 0.1),
    dies=st.sampled_from([0, 0, 0.003]),
    stalls=st.sampled_from([0, 0, 0.01]),
    ahead=st.sampled_from([0, 0, 1.0]),
)
HAPPENINGS = ["limit", "limit", "hold", "open", "pause", "go on"]
steps = st.lists(st.tuples(st.sampled_from(HAPPENINGS), rates, connections), min_size=3, max_size=6)


def drawn(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The same examples every time: a run that fails can be repeated."""
    calm = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, derandomize=True, database=None, suppress_health_check=calm)


@drawn(3)
@given(limits=st.lists(st.tuples(st.integers(9, 90), connections), min_size=30, max_size=30), how=habits, seed=seeds)
def test_a_thousand_mailings_on_thirty_lanes_keep_and_use_every_limit_in_turn(
    limits: list[tuple[int, int]], how: Habits, seed: int
) -> None:
    assert worlds.crowd_complaints(limits, how, seed) == []


@drawn(40)
@given(
    limits=st.builds(Limits, per_minute=rates, connections=connections), tiny=st.integers(1, 20), how=habits, seed=seeds
)
def test_a_tiny_one_among_ten_giants_gets_the_next_turn(limits: Limits, tiny: int, how: Habits, seed: int) -> None:
    assert worlds.giants_complaints(limits, tiny, how, seed) == []


@drawn(25)
@given(steps=steps, how=habits, seed=seeds)
def test_what_is_edited_held_opened_paused_and_resumed_holds_one_window_later_and_is_used(
    steps: list[worlds.Step], how: Habits, seed: int
) -> None:
    assert worlds.edits_complaints(steps, how, seed) == []


@drawn(4)
@given(caps=st.lists(st.integers(10, 1500), min_size=3, max_size=3), per_minute=st.integers(5, 100), seed=seeds)
def test_the_caps_of_a_warm_up_are_kept_and_used_day_by_day(caps: list[int], per_minute: int, seed: int) -> None:
    assert worlds.days_complaints(caps, per_minute, seed) == []


@drawn(15)
@given(ip=st.integers(10, 300), domains=st.tuples(st.integers(10, 300), st.integers(10, 300)), how=habits, seed=seeds)
def test_two_domains_share_one_address_and_neither_starves(
    ip: int, domains: tuple[int, int], how: Habits, seed: int
) -> None:
    assert worlds.shared_complaints(ip, domains, how, seed) == []


@drawn(30)
@given(
    limits=st.builds(Limits, per_minute=rates, connections=connections),
    seconds=st.floats(0.05, 2),
    mailings=st.integers(1, 12),
    seed=seeds,
)
def test_transactional_mail_goes_first(limits: Limits, seconds: float, mailings: int, seed: int) -> None:
    assert worlds.urgent_complaints(limits, seed, seconds, mailings) == []


def test_a_mailing_with_two_thousand_small_lanes_leaves_its_neighbours_what_is_theirs() -> None:
    assert worlds.sites_complaints(2000, seed=1, ends=12.0) == []


def test_one_with_twenty_thousand_tiny_lanes_gets_a_fair_part_of_the_threads() -> None:
    host = Budget(1, "host", Limits(connections=20))
    demand = [
        Demand(1 if n < 20_000 else n, f"site{n}", (Lane(1, "a.example", f"site{n}", (1,), 0.2),), fresh=1 + n % 3)
        for n in range(20_009)
    ]
    given = [spec.mailing for spec in plan(now=START, budgets=[host], demand=demand, running=[]).batches]
    assert len(given) == 20
    assert given.count(1) == 11
    assert set(range(20_000, 20_009)) < set(given)


def test_a_second_budget_with_room_for_many_connections_does_not_slow_the_few_there_are() -> None:
    """The address allows three connections; the domain would have spread its rate over a hundred."""
    assert worlds.edits_complaints([("limit", 258, 3)] * 2, Habits(seconds=1.7), seed=1) == []


# The same promises, asked of planners that are broken.

Broken = Callable[..., Plan]


def never_edits(**given: Any) -> Plan:
    return replace(plan(**given), edits=())


def never_yields(**given: Any) -> Plan:
    return replace(plan(**given), yields=())


def forgets_the_address(*, demand: Sequence[Demand], **given: Any) -> Plan:
    """Two domains that do not know of the address they share."""
    alone = [replace(one, lanes=tuple(replace(lane, budgets=lane.budgets[1:]) for lane in one.lanes)) for one in demand]
    made = plan(demand=alone, **given)
    return replace(
        made, batches=tuple(replace(one, budgets=(worlds.IP, *one.budgets)) for one in made.batches), edits=()
    )


def forgets_the_day(*, budgets: Sequence[Budget], **given: Any) -> Plan:
    return plan(budgets=[replace(one, sent_today=0, sent_hour=0) for one in budgets], **given)


def knows_no_stream(*, demand: Sequence[Demand], **given: Any) -> Plan:
    made = plan(demand=[replace(one, stream=MARKETING) for one in demand], **given)
    urgent = {one.mailing: one.stream for one in demand}
    return replace(made, batches=tuple(replace(spec, stream=urgent[spec.mailing]) for spec in made.batches))


def rests_after_every_batch(*, running: Sequence[LiveBatch], **given: Any) -> Plan:
    """`running`: those that ended in the last minute, too."""
    made = plan(running=running, **given)
    return replace(made, batches=()) if running else made


def serves_the_largest(*, demand: Sequence[Demand], **given: Any) -> Plan:
    """Only ever the one with the most mail left."""
    largest: dict[str, Demand] = {}
    for one in demand:
        if one.lanes[0].provider not in largest or one.fresh > largest[one.lanes[0].provider].fresh:
            largest[one.lanes[0].provider] = one
    return plan(demand=list(largest.values()), **given)


def forgets_who_was_served(*, demand: Sequence[Demand], **given: Any) -> Plan:
    return plan(demand=[replace(one, last_given=None) for one in demand], **given)


CALM = Habits(seconds=0.5)
CROWD = [(20, 2), (60, 3)]


def crowd(planner: Broken) -> list[str]:
    return worlds.crowd_complaints(CROWD, CALM, 1, planner, mailings=12)


def giants(planner: Broken) -> list[str]:
    return worlds.giants_complaints(Limits(per_minute=60, connections=2), 3, CALM, 1, planner)


def edits(planner: Broken) -> list[str]:
    changes = [("limit", 250, 5), *[(what, 30, 5) for what in ("limit", "hold", "open", "hold", "open", "hold")]]
    return worlds.edits_complaints(changes, CALM, 1, planner)


def slower_than_known(planner: Broken) -> list[str]:
    """Batches for quick replies last much longer than a turn where replies are slow."""
    changes = [("limit", 250, 5), ("limit", 12, 5), ("limit", 250, 5), ("limit", 12, 5)]
    return worlds.edits_complaints(changes, Habits(seconds=2.0), 1, planner, expected=0.1)


def days(planner: Broken) -> list[str]:
    return worlds.days_complaints([100, 200], 30, 1, planner)


def shared(planner: Broken) -> list[str]:
    return worlds.shared_complaints(50, (45, 45), CALM, 1, planner)


def urgent(planner: Broken) -> list[str]:
    return worlds.urgent_complaints(Limits(per_minute=60, connections=1), 1, 0.5, 10, planner)


def sites(planner: Broken) -> list[str]:
    return worlds.sites_complaints(300, 1, planner, ends=8.0)


WORLDS = [crowd, giants, edits, slower_than_known, days, shared, urgent, sites]
BROKEN: list[tuple[Callable[[Broken], list[str]], Broken, str]] = [
    (crowd, serves_the_largest, "tiny one"),
    (crowd, rests_after_every_batch, "idle"),
    (crowd, forgets_who_was_served, "turns"),
    (giants, serves_the_largest, "tiny one"),
    (slower_than_known, never_edits, "idle after"),
    (edits, never_yields, "while held"),
    (edits, rests_after_every_batch, "idle after"),
    (days, forgets_the_day, "on day"),
    (shared, forgets_the_address, "in minute, limit 50"),
    (urgent, knows_no_stream, "waited"),
    (urgent, never_yields, "waited"),
]


@pytest.mark.parametrize("world", WORLDS)
def test_a_planner_that_is_whole_keeps_what_the_broken_ones_miss(world: Callable[[Broken], list[str]]) -> None:
    assert world(plan) == []


@pytest.mark.parametrize(("world", "planner", "missed"), BROKEN)
def test_a_broken_planner_is_found_out(world: Callable[[Broken], list[str]], planner: Broken, missed: str) -> None:
    assert any(missed in said for said in world(planner))


def test_a_planner_that_does_not_count_its_own_batches_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts.Account, "debit", lambda account, *, size, gap: None)
    assert any("in connections" in said for said in sites(plan))


def test_a_planner_that_does_not_see_who_has_many_batches_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing._Queue, "mailings_live", lambda queue: 0)
    assert any("starved" in said for said in sites(plan))


def test_a_planner_that_begins_at_once_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """No gap before the first dot of a batch, and no room for the dots at both ends of a window."""
    loose = replace(MARGINS, share=1.0, per_slot=0.0, first_gap=False)
    found = worlds.crowd_complaints(
        [(40, 6)] * 4, Habits(2.0, jitter=0.1), 1, lambda **given: plan(**given | {"margins": loose}), 12
    )
    assert any("in minute" in said for said in found)
