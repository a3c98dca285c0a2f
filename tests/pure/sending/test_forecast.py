"""The forecast agrees with what the planner and its workers then do."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sending.pure.forecast import Coming, Ladder, ProviderForecast, forecast
from sending.pure.guard import AT_LATEST, SETTLE, first_part
from sending.pure.lanes import Demand, Lane, Plan
from sending.pure.pacing import plan
from sending.pure.windows import Budget, Limits, State
from tests.pure.sending.pacing_simulator import START, Habits, World, broken

DAY = timedelta(days=1)


def lane(*budgets: int, provider: str = "google", seconds: float = 0.3) -> tuple[Lane, ...]:
    return (Lane(1, "a.example", provider, budgets, seconds),)


def foreseen(budgets: list[Budget], demand: Sequence[Demand | Coming], **more: object) -> tuple[ProviderForecast, ...]:
    return forecast(now=START, budgets=budgets, demand=demand, zone=UTC, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "total", "seconds"),
    [
        (Limits(per_minute=300, connections=5), 20_000, 0.3),
        (Limits(per_minute=60, connections=2, per_connection=20), 3_000, 0.3),
        (Limits(per_minute=5, connections=1), 500, 0.3),
        (Limits(per_minute=120, connections=3, batch_size=30, batch_pause=20.0), 3_000, 0.2),
        (Limits(connections=2, per_connection=50), 8_000, 0.5),
        (Limits(per_hour=300, per_minute=100), 2_000, 0.2),
        (Limits(per_day=900, connections=2), 2_000, 0.2),
    ],
)
def test_it_is_within_a_tenth_of_what_the_simulated_workers_need(limits: Limits, total: int, seconds: float) -> None:
    budget = Budget(1, "ip", limits)
    demand = [Demand(mailing=1, provider="google", lanes=lane(1, seconds=seconds), fresh=total)]
    (row,) = foreseen([budget], demand)
    assert row.finishes_at is not None
    took = (row.finishes_at - START).total_seconds()
    world = World({1: budget}, demand, habits=Habits(seconds, tick=20.0 if took > 20_000 else 2.0)).run(1.2 * took)
    assert broken(world) == []
    assert took == pytest.approx(world.finished[1], rel=0.1)


def test_two_mailings_that_share_budgets_are_foreseen_too() -> None:
    budgets = [
        Budget(1, "ip", Limits(per_minute=100, connections=4)),
        Budget(2, "dkim_domain", Limits(per_minute=40)),
        Budget(3, "dkim_domain", Limits(per_minute=200)),
    ]
    demand = [
        Demand(mailing=1, provider="google", lanes=lane(1, 2), fresh=1_500),
        Demand(mailing=2, provider="google", lanes=lane(1, 3), fresh=5_000),
    ]
    (row,) = foreseen(budgets, demand)
    world = World({budget.id: budget for budget in budgets}, demand).run(8_000)
    assert row.finishes_at is not None
    assert (row.finishes_at - START).total_seconds() == pytest.approx(max(world.finished.values()), rel=0.1)


def test_a_warm_up_finishes_on_the_day_its_caps_add_up_to_the_audience() -> None:
    caps = [100, 150, 220, 340, 500]
    demand = [Demand(mailing=1, provider="google", lanes=lane(1), fresh=700)]
    (row,) = foreseen([Budget(1, "ip", Limits(connections=1))], demand, ladders={1: Ladder(caps, used=0.8)})
    # A tenth of every day is kept for transactional mail: 90 + 135 + 198 = 423, and the rest on the fourth day.
    assert [n for _day, n in row.days] == [90, 135, 198, 277]
    assert row.finishes_at is not None
    assert (row.finishes_at - START) // DAY == 3


def test_after_the_last_day_of_a_warm_up_there_is_no_cap() -> None:
    demand = [Demand(mailing=1, provider="google", lanes=lane(1), fresh=5_000)]
    (row,) = foreseen([Budget(1, "ip", Limits(connections=1))], demand, ladders={1: Ladder([50], used=0.8)})
    assert [n for _day, n in row.days] == [45, 4955]


def test_a_day_that_was_not_used_leads_no_further() -> None:
    # From ten in the evening two hours are left of the day: at 13 an hour no four fifths of the hundred.
    evening = START + timedelta(hours=22)
    ladder = Ladder([100, 200, 400], used=0.8, hours=[13, 26, 52])
    (row,) = forecast(
        now=evening,
        budgets=[Budget(1, "ip", Limits(connections=1))],
        demand=[Demand(mailing=1, provider="google", lanes=lane(1), fresh=400)],
        zone=UTC,
        ladders={1: ladder},
    )
    assert [n for _day, n in row.days][1:3] == [90, 180]
    assert row.days[0][1] < 40


def test_what_begins_next_week_finds_the_warm_up_where_nobody_used_it() -> None:
    ladders = {1: Ladder([100, 200, 400], used=0.8)}
    demand = Demand(mailing=1, provider="google", lanes=lane(1), fresh=250)
    budgets = [Budget(1, "ip", Limits(connections=1))]
    (row,) = foreseen(budgets, [Coming(demand, begins=START + 7 * DAY)], ladders=ladders)
    assert row.days == (((START + 7 * DAY).date(), 90), ((START + 8 * DAY).date(), 160))


def test_a_held_warm_up_stays_on_its_day_and_a_weekend_is_left_out() -> None:
    # START is a Monday.
    friday = START + 4 * DAY
    demand = [Demand(mailing=1, provider="google", lanes=lane(1), fresh=600)]
    ladder = Ladder([100, 200, 400], used=0.8, stays_until=friday.date() + 3 * DAY, rests=frozenset({5, 6}))
    budgets = [Budget(1, "ip", Limits(connections=1))]
    (row,) = forecast(now=friday, budgets=budgets, demand=demand, zone=UTC, ladders={1: ladder})
    # Friday, Monday on the same day still, then on.
    assert [((day - friday.date()).days, n) for day, n in row.days] == [(0, 90), (3, 90), (4, 180), (5, 240)]


def test_others_who_send_until_we_begin_are_out_of_our_way() -> None:
    budgets = [Budget(1, "ip", Limits(per_minute=60, connections=2))]
    theirs = Demand(mailing=2, provider="(others)", lanes=lane(1), fresh=3_000)
    ours = Demand(mailing=1, provider="google", lanes=lane(1), fresh=3_000)
    alone = {row.provider: row for row in foreseen(budgets, [ours])}["google"]
    later = {row.provider: row for row in foreseen(budgets, [theirs, Coming(ours, begins=START + timedelta(hours=6))])}[
        "google"
    ]
    beside = {row.provider: row for row in foreseen(budgets, [theirs, ours])}["google"]
    assert alone.finishes_at and later.finishes_at and beside.finishes_at
    assert later.finishes_at - timedelta(hours=6) == pytest.approx(alone.finishes_at, abs=timedelta(minutes=2))
    assert beside.finishes_at > alone.finishes_at + timedelta(minutes=30)


@pytest.mark.parametrize("people", [2_000, 20_000, 100_000])
@pytest.mark.parametrize("per_minute", [30, 240, 1_200])
def test_the_wait_for_the_answers_of_the_first_part_is_foreseen(people: int, per_minute: int) -> None:
    """Against simulated workers, to whom the rest is released as the guard does it."""
    budget = Budget(1, "ip", Limits(per_minute=per_minute, connections=8))
    first = first_part(people)
    demand = Demand(mailing=1, provider="google", lanes=lane(1), fresh=people)
    (row,) = foreseen([budget], [Coming(demand, first_part=first)])
    assert row.finishes_at is not None
    took = (row.finishes_at - START).total_seconds()
    world = World({1: budget}, [replace(demand, fresh=first)], habits=Habits(0.3, tick=_tick(took)))
    world.to_send[1] = people
    look = _release_as_the_guard_does(world, people - first)

    def plan_and_look(**asked: Any) -> Plan:
        look()
        return plan(**asked)

    world.planner = plan_and_look
    world.run(1.3 * took)
    assert took == pytest.approx(world.finished[1], rel=0.1)


def _release_as_the_guard_does(world: World, rest: int) -> Callable[[], None]:
    """Looks with every plan; releases once, when the first part is out and settled, or when the time is over."""
    seen: dict[str, float] = {}

    def look() -> None:
        if "released" in seen:
            return
        dots = world.dots[1]
        if dots:
            seen.setdefault("began", dots[0])
        if world.demand[0].fresh + world.demand[0].retry == 0 and not any(b.left for b in world.batches.values()):
            seen.setdefault("tried", world.now)
        settled = "tried" in seen and world.now >= seen["tried"] + SETTLE.total_seconds()
        if settled or ("began" in seen and world.now >= seen["began"] + AT_LATEST.total_seconds()):
            seen["released"] = world.now
            world.demand[0] = replace(world.demand[0], fresh=world.demand[0].fresh + rest)

    return look


def _tick(seconds: float) -> float:
    """The planner looks often enough not to be what is measured."""
    return min(20.0, max(1.0, seconds / 2_000))


@pytest.mark.parametrize("about", ["", "192.0.2.1 google"])
@pytest.mark.parametrize("growth", [1.3, 1.5, 2.0])
@pytest.mark.parametrize("start", [50, 300])
@pytest.mark.parametrize("people", [900, 6_000])
@pytest.mark.parametrize("begins_at", [6, 21])
def test_a_warm_up_s_end_is_within_a_tenth_of_the_simulated_one(
    about: str, growth: float, start: int, people: int, begins_at: int
) -> None:
    """Against simulated workers, whose cap is moved at midnight by what was really sent, as the night does it. `about`:
    with days and hours that sway."""
    caps = [round(start * growth**day) for day in range(30)]
    ladder = Ladder(caps, used=0.8, hours=[max(1, cap // 7) for cap in caps] if about else (), about=about)
    opening = timedelta(hours=begins_at)
    budget = _on_its_day(Budget(1, "ip", Limits(connections=2)), ladder, 0, START + opening)
    demand = [Demand(mailing=1, provider="google", lanes=lane(1), fresh=people)]
    (row,) = forecast(now=START + opening, budgets=[budget], demand=demand, zone=UTC, ladders={1: ladder})
    assert row.finishes_at is not None
    took = (row.finishes_at - START).total_seconds()
    world = World({1: budget}, demand, habits=Habits(0.3, tick=300.0, coalesced=60.0))
    world.now = opening.total_seconds()
    days = int(took / 86_400) + 3
    climb = _Climb(ladder)
    world.run(days * 86_400.0, changes={3_600.0 * hour: climb.hour(hour) for hour in range(begins_at + 1, 24 * days)})
    begun = opening.total_seconds()
    assert took - begun == pytest.approx(world.finished[1] - begun, rel=0.1)


def _on_its_day(budget: Budget, ladder: Ladder, rung: int, at: datetime) -> Budget:
    limits = replace(budget.limits, per_day=ladder.cap_on(rung, at.date()), per_hour=ladder.hour_at(rung, at))
    return replace(budget, limits=limits)


class _Climb:
    """Moves the cap as the nights do, by what was really sent; and the hour's, where hours differ."""

    def __init__(self, ladder: Ladder) -> None:
        self.ladder, self.rung = ladder, 0

    def hour(self, hour: int) -> Callable[[World], None]:
        def change(world: World) -> None:
            if hour % 24 == 0:
                self._night(world, hour // 24)
            at = START + timedelta(hours=hour)
            world.budgets[1] = _on_its_day(world.budgets[1], self.ladder, self.rung, at)

        return change

    def _night(self, world: World, day: int) -> None:
        sent = sum(86_400.0 * (day - 1) <= at < 86_400.0 * day for at in world.dots[1])
        before = (START + timedelta(days=day - 1)).date()
        if sent >= 0.8 * self.ladder.cap_on(self.rung, before) and self.rung + 1 < len(self.ladder.caps):
            self.rung += 1


def test_what_a_person_allows_is_not_exceeded_by_a_warm_up() -> None:
    ladder = Ladder([100, 400], used=0.8, hours=[20, 80], about="a google", most=200, most_an_hour=30)
    assert ladder.cap_on(0, START.date()) <= 100 and ladder.cap_on(1, START.date()) == 200
    assert (ladder.hour_at(0, START) or 0) <= 20 and ladder.hour_at(1, START) == 30


def test_days_are_those_of_the_workspaces_zone() -> None:
    demand = [Demand(mailing=1, provider="google", lanes=lane(1), fresh=100)]
    budgets = [Budget(1, "ip", Limits(connections=1, per_day=20), sent_today=15)]
    tokyo = forecast(now=START, budgets=budgets, demand=demand, zone=ZoneInfo("Asia/Tokyo"))
    (row,) = tokyo
    assert row.days[0] == ((START + timedelta(hours=9)).date(), 3)
    # Midnight in Tokyo is 15:00 UTC.
    assert row.hours[1][0] == START + timedelta(hours=15)


def test_what_a_hold_leaves_unsent_has_no_date() -> None:
    demand = [Demand(mailing=1, provider="google", lanes=lane(1), fresh=100)]
    (row,) = foreseen([Budget(1, "ip", Limits(), state=State.HELD)], demand)
    assert (row.finishes_at, row.unsent, row.days) == (None, 100, ())
    until = START + timedelta(hours=5)
    (row,) = foreseen([Budget(1, "ip", Limits(), state=State.HELD, until=until)], demand)
    assert row.finishes_at is not None
    assert until <= row.finishes_at <= until + timedelta(minutes=15)


def test_every_message_is_in_the_hours_and_in_the_days() -> None:
    budgets = [Budget(1, "ip", Limits(per_hour=37, connections=1)), Budget(2, "ip", Limits(per_minute=7))]
    demand = [
        Demand(mailing=1, provider="google", lanes=lane(1), fresh=301, retry=5),
        Demand(mailing=2, provider="google", lanes=lane(1), fresh=99, pinned=((1, 3),)),
        Demand(mailing=2, provider="yahoo", lanes=lane(2, provider="yahoo"), fresh=1000),
    ]
    rows = foreseen(budgets, demand)
    assert [(row.provider, row.total) for row in rows] == [("google", 408), ("yahoo", 1000)]
    for row in rows:
        assert sum(n for _hour, n in row.hours) == sum(n for _day, n in row.days) == row.total
    assert all(n <= 37 for _hour, n in rows[0].hours)


def test_a_hundred_thousand_over_thirty_days_take_about_a_second() -> None:
    """Goal: one second. The bound is wide: other work shares the machine."""
    caps = [int(150 * 1.15**day) for day in range(45)]
    providers = ["google", "microsoft", "yahoo", "apple", "gmx", "m365", "comcast", "orange"]
    budgets, demand = [], []
    for n, provider in enumerate(providers):
        budgets += [Budget(2 * n, "ip", Limits(connections=2)), Budget(2 * n + 1, "dkim_domain", Limits(per_minute=60))]
        demand += [Demand(m, provider, lane(2 * n, 2 * n + 1, provider=provider), 4_167) for m in range(3)]
    started = time.process_time()
    rows = foreseen(budgets, demand, ladders={2 * n: Ladder(caps, used=0.8) for n in range(len(providers))})
    took = time.process_time() - started
    assert sum(row.total for row in rows) == 100_008
    assert all(row.finishes_at and 15 <= (row.finishes_at - START) // DAY <= 30 for row in rows)
    assert took < 3


def test_a_thousand_mailings_that_take_the_same_ways_are_foreseen_as_they_are_one_by_one() -> None:
    budgets = [Budget(1, "ip", Limits(per_minute=300, connections=5)), Budget(2, "dkim_domain", Limits(per_hour=9000))]
    together = lane(1, 2)
    sizes = [40 + 7 * number % 300 for number in range(60)]

    def finishes(shared: bool) -> list[ProviderForecast]:
        beside = [
            Demand(mailing=n, provider="(others)", lanes=together if shared else lane(1, 2), fresh=size)
            for n, size in enumerate(sizes, 2)
        ]
        ours = Demand(mailing=1, provider="google", lanes=lane(1, 2), fresh=700)
        return list(foreseen(budgets, [ours, *beside]))

    for one, other in zip(finishes(True), finishes(False), strict=True):
        assert (one.total, one.unsent) == (other.total, other.unsent)
        assert one.finishes_at is not None
        assert other.finishes_at is not None
        assert abs(one.finishes_at - other.finishes_at) < timedelta(minutes=10)


def test_it_ends_with_those_whose_end_is_asked_for() -> None:
    budgets = [Budget(1, "ip", Limits(per_minute=300, connections=5)), Budget(2, "ip", Limits(per_day=1))]
    ours = Demand(mailing=1, provider="google", lanes=lane(1), fresh=100)
    # Would last years.
    theirs = Demand(mailing=2, provider="(others)", lanes=lane(2), fresh=100_000)
    others, google = foreseen(budgets, [ours, theirs], beside="(others)")
    assert google.finishes_at == foreseen(budgets, [ours])[0].finishes_at
    assert (others.finishes_at, others.unsent > 99_000) == (None, True)
