"""Tallies: what budgets spent by minute and by day, from many workers at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from reputation import budgets, ledger
from reputation.ledger import Entry
from reputation.models import Budget, DayTally, Tally

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(now: datetime) -> list[int]:
    scopes = [("ip", "192.0.2.1"), ("dkim_domain", "news.example")]
    return [budget.pk for budget in budgets.budgets_for(now=now, kind_scopes=scopes, provider="google")]


def test_a_message_is_spent_from_all_budgets_of_its_lane(now: datetime, pair: list[int], berlin: ZoneInfo) -> None:
    entry = Entry(pair, now, sent=3, accepted=1, deferred=1, bounced=1, unknown_users=1)
    ledger.record(entries=[entry, entry], zone=berlin)
    assert (
        list(Tally.objects.values_list("sent", "accepted", "deferred", "bounced", "unknown_users"))
        == [(6, 2, 2, 2, 2)] * 2
    )
    assert DayTally.objects.filter(budget__in=pair, day=date(2026, 3, 10), sent=6).count() == 2


def test_a_day_is_the_calendar_day_of_the_zone(pair: list[int], berlin: ZoneInfo) -> None:
    late = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)  # half past midnight in Berlin
    ledger.record(entries=[Entry(pair[:1], late, sent=1)], zone=berlin)
    assert DayTally.objects.get().day == date(2026, 3, 11)


def test_what_comes_back_later_counts_on_the_day_it_comes(now: datetime, pair: list[int], berlin: ZoneInfo) -> None:
    ledger.record(entries=[Entry(pair, now, sent=5)], zone=berlin)
    ledger.record_later(now=now, zone=berlin, budget_ids=pair, complained=1)
    ledger.record_later(now=now, zone=berlin, budget_ids=pair, unsubscribed=2)
    assert set(DayTally.objects.values_list("sent", "complained", "unsubscribed")) == {(5, 1, 2)}
    with pytest.raises(TypeError, match="sent"):
        ledger.record_later(now=now, zone=berlin, budget_ids=pair, sent=1)


def test_usage_never_says_too_little(now: datetime, pair: list[int], berlin: ZoneInfo) -> None:
    at = now + timedelta(minutes=30, seconds=40)
    for back, sent in [(0, 1), (1, 2), (59, 4), (60, 8), (61, 16)]:
        ledger.record(entries=[Entry(pair[:1], at - timedelta(minutes=back), sent=sent)], zone=berlin)
    used = budgets.usage(now=at, zone=berlin, budget_ids=pair)
    assert (used[pair[0]].last_minute, used[pair[0]].last_hour, used[pair[0]].today) == (3, 15, 31)
    assert used[pair[1]] == budgets.Usage()


def test_the_last_real_dot_only_moves_forward(now: datetime, pair: list[int], berlin: ZoneInfo) -> None:
    for seconds in (30, 10):
        dot = now + timedelta(seconds=seconds)
        ledger.record(entries=[Entry(pair, now, sent=1, last_dot_at=dot)], zone=berlin)
    assert set(Budget.objects.values_list("last_dot_at", flat=True)) == {now + timedelta(seconds=30)}


def test_a_deleted_budget_does_not_lose_the_others(now: datetime, pair: list[int], berlin: ZoneInfo) -> None:
    Budget.objects.filter(pk=pair[0]).delete()
    ledger.record(entries=[Entry(pair, now, sent=1)], zone=berlin)
    assert Tally.objects.get().budget_id == pair[1]


def test_minutes_no_window_reaches_are_pruned(now: datetime, pair: list[int], berlin: ZoneInfo) -> None:
    for back in (timedelta(days=3), timedelta(hours=1)):
        ledger.record(entries=[Entry(pair[:1], now - back, sent=1)], zone=berlin)
    assert ledger.prune(now=now) == 1
    assert Tally.objects.count() == 1
    assert DayTally.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_many_workers_lose_nothing_and_never_deadlock(now: datetime, berlin: ZoneInfo) -> None:
    scopes = [("ip", f"192.0.2.{n}") for n in range(6)]
    ids = [budget.pk for budget in budgets.budgets_for(now=now, kind_scopes=scopes, provider="google")]

    def work(worker: int) -> None:
        for turn in range(25):
            order = ids[worker % 6 :] + ids[: worker % 6]
            minute = now + timedelta(minutes=turn % 3)
            ledger.record(entries=[Entry(order[::-1], minute, sent=1, last_dot_at=minute)], zone=berlin)
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert {tally.sent for tally in DayTally.objects.all()} == {200}
