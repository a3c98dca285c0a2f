"""Warm-up of addresses and domains: caps that bind, nights that decide, and people who step in."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reputation import budgets, ledger, plans, warmup
from reputation.ledger import Entry
from reputation.models import Alert, Budget, BudgetChange, WarmupPlan

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("steady")]
SCOPE = ("ip", "192.0.2.1")


@pytest.fixture
def plan() -> WarmupPlan:
    return WarmupPlan.objects.create(name="Small", days={"google": [100, 200, 400, 800], "*": [10, 20, 40]})


@pytest.fixture
def google(now: datetime, berlin: ZoneInfo, plan: WarmupPlan) -> Budget:
    [budget] = budgets.budgets_for(now=now, kind_scopes=[SCOPE], provider="google")
    warmup.start(now=now, zone=berlin, kind=SCOPE[0], scope=SCOPE[1], plan=plan)
    return _again(budget)


def _again(budget: Budget) -> Budget:
    return Budget.objects.select_related("warmup").get(pk=budget.pk)


def _night_after(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(0, 10), tzinfo=zone)


def _send(budget: Budget, day: date, zone: ZoneInfo, sent: int, **more: Any) -> None:
    noon = datetime.combine(day, time(12), tzinfo=zone)
    ledger.record(entries=[Entry([budget.pk], noon, sent=sent, accepted=sent - sum(more.values()), **more)], zone=zone)


def _limits(budget: Budget, now: datetime, zone: ZoneInfo) -> budgets.Limits:
    return budgets.limits_of(_again(budget), now=now, zone=zone)


def test_the_cap_of_the_day_binds_and_says_where_it_is_from(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    limits = _limits(google, now, berlin)
    assert (limits.per_day, limits.per_hour, limits.connections, limits.warmup_cap) == (100, 13, 1, 100)
    assert limits.sources["per_day"] == "warm-up “Small”, day 1"
    assert "100 a day: warm-up “Small”, day 1." in budgets.explain(google, now=now, zone=berlin)


@pytest.mark.parametrize("provider", ["google", "yahoo", "apple"])
@pytest.mark.parametrize("cap", [12, 20, 24, 25, 50, 100, 380, 22_000])
def test_a_days_cap_takes_six_hours_at_least(now: datetime, berlin: ZoneInfo, provider: str, cap: int) -> None:
    plan = WarmupPlan.objects.create(name=f"Flat {cap}", days={provider: [cap] * 3})
    budget = Budget.objects.create(kind="ip", scope="127.0.1.9", provider=provider, warmup=plan, warmup_day=1)
    limits = _limits(budget, now, berlin)
    assert limits.per_day == cap
    assert limits.per_hour is not None
    assert limits.per_day / limits.per_hour >= 6


def test_a_limit_set_by_hand_below_the_cap_stays(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    budgets.edit(now=now, budget=google, actor=None, reason="Careful", per_day=60, connections=3)
    limits = _limits(google, now, berlin)
    assert (limits.per_day, limits.connections) == (60, 3)
    budgets.edit(now=now, budget=google, actor=None, reason="Bold", per_day=5000)
    assert _limits(google, now, berlin).per_day == 100


def test_a_provider_met_later_starts_its_own_warm_up(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    [yahoo] = budgets.budgets_for(now=now, kind_scopes=[SCOPE], provider="yahoo")
    assert _limits(yahoo, now, berlin).per_day == 10
    [other] = budgets.budgets_for(now=now, kind_scopes=[("ip", "192.0.2.2")], provider="yahoo")
    assert _limits(other, now, berlin).per_day is None


def test_a_used_day_leads_on_and_the_night_may_run_twice(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    day = now.date()
    _send(google, day, berlin, 95)
    night = _night_after(day, berlin)
    assert warmup.advance(now=night, zone=berlin) == 1
    assert warmup.advance(now=night + timedelta(minutes=30), zone=berlin) == 0
    assert _again(google).warmup_day == 2
    assert _limits(google, night, berlin).per_day == 200


def test_an_unused_day_stays_where_it_is(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    _send(google, now.date(), berlin, 50)
    assert warmup.advance(now=_night_after(now.date(), berlin), zone=berlin) == 0
    assert warmup.advance(now=_night_after(now.date() + timedelta(days=1), berlin), zone=berlin) == 0
    assert _again(google).warmup_day == 1


def test_a_step_by_hand_ends_at_the_last_day_which_still_has_its_cap(
    now: datetime, berlin: ZoneInfo, google: Budget
) -> None:
    assert warmup.step(now=now, zone=berlin, budget=google, by=30, actor=None, reason="We know better")
    assert _again(google).warmup_day == 4
    assert _limits(google, now, berlin).per_day == 800
    [yahoo] = budgets.budgets_for(now=now, kind_scopes=[SCOPE], provider="yahoo")
    warmup.advance(now=now, zone=berlin)
    assert warmup.step(now=now, zone=berlin, budget=_again(yahoo), by=30, actor=None, reason="We know better")
    assert _again(yahoo).warmup_day == 3
    assert _limits(yahoo, now, berlin).per_day == 40


def test_bad_days_lead_back_and_a_blocklist_is_a_day_of_silence(
    now: datetime, berlin: ZoneInfo, google: Budget
) -> None:
    warmup.step(now=now, zone=berlin, budget=google, by=2, actor=None, reason="We know better")
    day = now.date()
    _send(google, day, berlin, 400, bounced=40)
    warmup.advance(now=_night_after(day, berlin), zone=berlin)
    assert _again(google).warmup_day == 2
    day += timedelta(days=1)
    _send(google, day, berlin, 200)
    noon = datetime.combine(day, time(12), tzinfo=berlin)
    BudgetChange.objects.create(budget=google, at=noon, what="Held", evidence={"class": "blocklist"})
    night = _night_after(day, berlin)
    warmup.advance(now=night, zone=berlin)
    assert _again(google).warmup_day == 1
    assert _limits(google, night, berlin).closed_until == night + timedelta(hours=24)


def test_after_the_last_day_there_is_no_cap_any_more(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    day = now.date()
    for cap in (100, 200, 400, 800):
        assert _limits(google, _night_after(day - timedelta(days=1), berlin), berlin).per_day == cap
        _send(google, day, berlin, cap)
        assert warmup.advance(now=_night_after(day, berlin), zone=berlin) == 1
        day += timedelta(days=1)
    assert _again(google).warmup is None
    assert _limits(google, now, berlin).per_day is None
    assert BudgetChange.objects.filter(budget=google, what__startswith="Warmed up").exists()


def test_idle_weeks_lead_back_once_each(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    warmup.step(now=now, zone=berlin, budget=google, by=2, actor=None, reason="")
    _send(google, now.date(), berlin, 400)
    days = {}
    for idle in range(1, 35):
        warmup.advance(now=_night_after(now.date() + timedelta(days=idle - 1), berlin), zone=berlin)
        days[idle] = _again(google).warmup_day
    assert (days[1], days[13], days[14], days[29], days[30], days[34]) == (4, 4, 2, 2, 1, 1)


def test_a_held_day_is_not_left_however_well_it_goes(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    assert warmup.hold(now=now, zone=berlin, budget=google, days=3, actor=None, reason="Holidays")
    moved = []
    for offset in range(5):
        day = now.date() + timedelta(days=offset)
        _send(google, day, berlin, 100)
        moved.append(warmup.advance(now=_night_after(day, berlin), zone=berlin))
    assert moved == [0, 0, 0, 1, 0]


def test_forecasts_see_the_caps_of_days_to_come(now: datetime, google: Budget) -> None:
    assert [rung.day for rung in warmup.ladder_of(google)] == [100, 200, 400, 800]
    warmup.step(now=now, zone=ZoneInfo("UTC"), budget=google, by=2, actor=None, reason="Known")
    assert [rung.day for rung in warmup.ladder_of(_again(google))] == [400, 800]


def test_a_day_s_figures_and_what_followed_are_written_down(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    _send(google, now.date(), berlin, 95)
    _send(google, now.date() + timedelta(days=1), berlin, 100)
    for offset in range(2):
        warmup.advance(now=_night_after(now.date() + timedelta(days=offset), berlin), zone=berlin)
    decided = list(google.changes.filter(evidence__has_key="decided").order_by("pk").values_list("evidence", "reason"))
    assert [(one["decided"], one["warmup_day"], one["cap"], one["sent"]) for one, _why in decided] == [
        (1, 1, 100, 95),
        (0, 2, 200, 100),
    ]
    assert "80 %" in decided[1][1]


@pytest.mark.parametrize(
    ("figures", "day", "alerts"),
    [
        ({"sent": 100, "bounced": 4}, 1, 1),
        ({"sent": 100, "bounced": 9}, 1, 1),
        ({"sent": 50}, 1, 0),
        ({"sent": 95}, 2, 0),
    ],
)
def test_admins_hear_of_a_day_over_a_threshold_and_not_of_one_that_was_not_used(
    now: datetime, berlin: ZoneInfo, google: Budget, figures: dict[str, int], day: int, alerts: int
) -> None:
    _send(google, now.date(), berlin, **figures)
    warmup.advance(now=_night_after(now.date(), berlin), zone=berlin)
    warmup.advance(now=_night_after(now.date(), berlin) + timedelta(minutes=15), zone=berlin)
    assert _again(google).warmup_day == day
    assert Alert.objects.filter(budget=google, kind="warmup").count() == alerts


def test_a_weekend_that_is_skipped_leaves_transactional_mail_its_day(
    now: datetime, berlin: ZoneInfo, google: Budget, plan: WarmupPlan
) -> None:
    plans.set_weekends(plan=plan, skips=True)
    saturday = datetime(2026, 3, 14, 12, tzinfo=berlin)
    assert _limits(google, saturday, berlin).rests
    assert _limits(google, saturday, berlin).per_day == 100
    assert not _limits(google, saturday + timedelta(days=2), berlin).rests
    assert "Weekends are skipped" in " ".join(budgets.explain(_again(google), now=saturday, zone=berlin))


def test_transactional_mail_of_a_skipped_weekend_leads_no_warm_up_on(
    now: datetime, berlin: ZoneInfo, google: Budget, plan: WarmupPlan
) -> None:
    plans.set_weekends(plan=plan, skips=True)
    saturday = now.astimezone(berlin).date() + timedelta(days=(5 - now.astimezone(berlin).weekday()) % 7)
    _send(google, saturday, berlin, sent=95)
    warmup.advance(now=_night_after(saturday, berlin), zone=berlin)
    assert _again(google).warmup_day == 1


def test_a_plan_is_a_copy_that_can_be_edited(plan: WarmupPlan) -> None:
    made = plans.make(name="Ours", preset="standard")
    plans.set_caps(plan=made, provider="google", caps={2: 123})
    assert plans.table(made, providers=["google", "*"]).rows[1] == (2, [123, 30])
    assert plans.make(name="Again", preset="standard").days["google"][1] == 220
    with pytest.raises(ValueError, match="no day 99"):
        plans.set_caps(plan=made, provider="google", caps={99: 5})
    with pytest.raises(ValueError, match="no warm-up preset"):
        plans.make(name="Bad", preset="brave")


def test_every_change_of_a_plan_is_a_version_that_can_be_put_back(plan: WarmupPlan) -> None:
    made = plans.make(name="Ours", preset="standard")
    was = dict(made.days)
    plans.set_caps(plan=made, provider="google", caps={2: 123, 3: 456})
    plans.set_caps(plan=made, provider="google", caps={2: 123})
    plans.set_weekends(plan=made, skips=True)
    assert made.days["google"][1:3] == [123, 456]
    versions = list(made.versions.order_by("number").values_list("number", "what"))
    assert [number for number, _what in versions] == [1, 2, 3]
    assert "day 2: 220 → 123; day 3: 330 → 456" in versions[1][1]
    assert plans.put_back(plan=made, number=1)
    assert (made.days, made.skips_weekends, made.version) == (was, False, 4)
    assert not plans.put_back(plan=made, number=1)
    assert not plans.put_back(plan=made, number=99)


def test_ending_a_warm_up_lifts_every_cap(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    warmup.stop(now=now, kind=SCOPE[0], scope=SCOPE[1], actor=None, reason="Known address")
    assert _limits(google, now, berlin).per_day is None
    assert not Budget.objects.filter(warmup__isnull=False).exists()
