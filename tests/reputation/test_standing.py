"""What the planner is told of budgets: as limits and usage say, in one statement, and never what was true before."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pytest_django import DjangoAssertNumQueries

from reputation import budgets, ledger, warmup
from reputation.ledger import Entry
from reputation.models import Budget, WarmupPlan
from reputation.standing import Key, Standing, standings

pytestmark = pytest.mark.django_db

GOOGLE: Key = ("ip", "192.0.2.1", "google")
EVERYWHERE: Key = ("ip", "192.0.2.1", "*")
DOMAIN: Key = ("dkim_domain", "news.example", "google")
KEYS = (GOOGLE, EVERYWHERE, DOMAIN)


@pytest.fixture
def google(now: datetime) -> Budget:
    return budgets.budgets_of(now=now, wanted=KEYS)[GOOGLE]


def told(now: datetime, berlin: ZoneInfo, keys: Sequence[Key] = KEYS) -> dict[Key, Standing]:
    return standings(now=now, zone=berlin, wanted=keys)


def as_pages_say(now: datetime, berlin: ZoneInfo) -> dict[Key, budgets.Limits]:
    rows = Budget.objects.select_related("warmup")
    return {
        (row.kind, row.scope, row.provider): budgets.limits_of(row, now=now, zone=berlin)
        for row in rows
        if (row.kind, row.scope, row.provider) in KEYS
    }


def test_budgets_that_are_not_there_yet_are_made_and_read_in_one_statement_from_then_on(
    now: datetime, berlin: ZoneInfo, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    made = told(now, berlin)
    assert set(made) == set(KEYS)
    with django_assert_num_queries(1):
        again = told(now, berlin, [*KEYS, *KEYS])
    assert again == made
    assert told(now, berlin, []) == {}


def test_an_edit_a_hold_and_a_release_are_told_at_once(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    told(now, berlin)
    budgets.edit(now=now, budget=google, actor=None, reason="", per_minute=7, batch_pause=2.5)
    assert told(now, berlin)[GOOGLE].limits.per_minute == 7
    budgets.edit(now=now, budget=google, actor=None, reason="", per_minute=None)
    assert told(now, berlin)[GOOGLE].limits.per_minute == 300

    budgets.hold(now=now, budget=google, actor=None, reason="Moving", until=now + timedelta(hours=1))
    assert told(now, berlin)[GOOGLE].limits.closed
    # Time alone opens it.
    assert not told(now + timedelta(hours=2), berlin)[GOOGLE].limits.closed
    budgets.release(now=now, budget=google, actor=None, reason="")
    assert not told(now, berlin)[GOOGLE].limits.closed
    assert {key: one.limits for key, one in told(now, berlin).items()} == as_pages_say(now, berlin)


def test_a_warm_up_is_told_as_pages_say_it_and_an_edited_plan_too(
    now: datetime, berlin: ZoneInfo, google: Budget
) -> None:
    plan = WarmupPlan.objects.create(name="Ours", days={"google": [100, 200], "*": [10]})
    warmup.start(now=now, zone=berlin, kind="ip", scope="192.0.2.1", plan=plan)
    assert 92 <= (told(now, berlin)[GOOGLE].limits.per_day or 0) <= 100
    assert {key: one.limits for key, one in told(now, berlin).items()} == as_pages_say(now, berlin)

    WarmupPlan.objects.filter(pk=plan.pk).update(days={"google": [60, 200], "*": [10]})
    assert 55 <= (told(now, berlin)[GOOGLE].limits.per_day or 0) <= 60
    assert {key: one.limits for key, one in told(now, berlin).items()} == as_pages_say(now, berlin)


def test_what_was_spent_is_told_by_hour_and_day(now: datetime, berlin: ZoneInfo, google: Budget) -> None:
    long_ago, just_now = now - timedelta(hours=2), now - timedelta(minutes=5)
    entries = [
        Entry([google.pk], long_ago, sent=3, last_dot_at=long_ago),
        Entry([google.pk], just_now, sent=5, last_dot_at=just_now),
    ]
    ledger.record(entries=entries, zone=berlin)
    known = told(now, berlin)
    usage = budgets.usage(now=now, zone=berlin, budget_ids=[google.pk])[google.pk]
    assert (known[GOOGLE].sent_hour, known[GOOGLE].sent_today) == (5, usage.today) == (usage.last_hour, 8)
    assert known[GOOGLE].last_dot_at == just_now
    assert (known[EVERYWHERE].sent_hour, known[EVERYWHERE].last_dot_at) == (0, None)
