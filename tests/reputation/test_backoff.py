"""What receivers' replies do to budgets: one step for a storm, silence, a probe, and the way back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from reputation import backoff, budgets, ledger, workspace
from reputation.ledger import Entry
from reputation.models import Budget, BudgetChange

pytestmark = pytest.mark.django_db
UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True)
class Heard:
    class_: str
    scope: str
    retry_hint_seconds: float | None = None
    rule_id: str = "google.rate_ip"
    enhanced: str | None = "4.7.28"


@pytest.fixture
def lane(now: datetime) -> list[int]:
    workspace.workspace()
    scopes = [("ip", "192.0.2.1"), ("dkim_domain", "news.example")]
    at_google = budgets.budgets_for(now=now, kind_scopes=scopes, provider="google")
    together = budgets.budgets_for(now=now, kind_scopes=scopes[:1], provider="*")
    return [budget.pk for budget in (*at_google, *together)]


def _hear(now: datetime, lane: list[int], verdict: Heard, **more: Any) -> list[int]:
    text = "421 4.7.28 unusual rate of mail for jane@gmail.com originating from your IP address"
    return backoff.hear(now=now, budget_ids=lane, verdict=verdict, reply_text=text, provider="google", **more)


def _limits(pk: int, now: datetime) -> budgets.Limits:
    budget = Budget.objects.select_related("warmup").get(pk=pk)
    return budgets.limits_of(budget, now=now, zone=UTC_ZONE)


def test_a_rate_reply_about_the_address_closes_only_the_address(now: datetime, lane: list[int]) -> None:
    assert _hear(now, lane, Heard("rate", "ip")) == lane[:1]
    limits = _limits(lane[0], now)
    assert limits.closed
    assert limits.closed_until == now + timedelta(minutes=10)
    assert limits.reason == "Gmail asked us to slow down at 09:00; next try 09:10"
    assert not _limits(lane[1], now).closed
    assert Budget.objects.get(pk=lane[2]).state == "open"


@pytest.mark.parametrize(
    ("scope", "closed"),
    [
        ("ip", {"ip"}),
        ("netblock", {"ip"}),
        ("dkim_domain", {"dkim_domain"}),
        ("mailfrom_domain", {"dkim_domain"}),
        ("url_domain", {"dkim_domain"}),
        ("ip+dkim+mailfrom", {"ip", "dkim_domain"}),
        ("ip+domain", {"ip", "dkim_domain"}),
        ("route", {"ip"}),
        ("rcpt", set()),
        ("campaign", set()),
        ("conn", set()),
        ("unknown", set()),
    ],
)
def test_the_scope_of_a_reply_says_who_is_meant(now: datetime, lane: list[int], scope: str, closed: set[str]) -> None:
    _hear(now, lane, Heard("rate", scope))
    assert set(Budget.objects.exclude(state="open").values_list("kind", flat=True)) == closed


@pytest.mark.parametrize("class_", ["temp", "greylist", "rcpt_rate", "rcpt_policy", "unknown", "full", "content"])
def test_a_reply_about_a_mailbox_changes_no_budget(now: datetime, lane: list[int], class_: str) -> None:
    assert _hear(now, lane, Heard(class_, "ip+domain")) == []
    assert not BudgetChange.objects.exists()


def test_a_relay_is_slowed_by_what_is_said_about_its_address(now: datetime) -> None:
    [account] = budgets.budgets_for(now=now, kind_scopes=[("account", "relay-1")], provider="google")
    assert _hear(now, [account.pk], Heard("rate", "ip")) == [account.pk]


def test_a_number_in_the_reply_wins_up_to_a_day(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip", retry_hint_seconds=90))
    assert _limits(lane[0], now).closed_until == now + timedelta(seconds=100)
    _hear(now, lane, Heard("rate", "dkim_domain", retry_hint_seconds=10**6))
    assert _limits(lane[1], now).closed_until == now + timedelta(hours=24)


def test_a_demonstration_waits_less(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip"), time_factor=60.0)
    assert _limits(lane[0], now).closed_until == now + timedelta(seconds=10)


@pytest.mark.django_db(transaction=True)
def test_a_storm_of_equal_replies_is_one_step(now: datetime, lane: list[int]) -> None:
    def reply(second: int) -> int:
        try:
            return len(_hear(now + timedelta(milliseconds=second), lane, Heard("rate", "ip+dkim+mailfrom")))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        changed = sum(pool.map(reply, range(300)))
    assert changed == 2
    assert BudgetChange.objects.count() == 2


def test_what_was_said_is_kept_without_the_persons_address(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip"))
    change = BudgetChange.objects.get()
    assert change.evidence["rule"] == "google.rate_ip"
    assert "jane@gmail.com" not in change.evidence["reply"] + change.reason
    assert "unusual rate" in change.reason


def test_after_the_silence_one_connection_probes_even_before_the_tick(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip"))
    limits = _limits(lane[0], now + timedelta(minutes=10))
    assert (limits.closed, limits.connections) == (False, 1)
    assert (limits.batch_size, limits.per_connection) == (1, 1)  # and one message


def _accepted(at: datetime, lane: list[int], n: int = 5) -> None:
    ledger.record(entries=[Entry(lane, at, sent=n, accepted=n, last_dot_at=at)], zone=UTC_ZONE)


def test_a_budget_comes_back_step_by_step_and_is_open_at_the_end(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip"))
    at, seen = now + timedelta(minutes=10), []
    while Budget.objects.get(pk=lane[0]).state != "open":
        assert backoff.recover(now=at) == 1
        limits = _limits(lane[0], at)
        seen.append((limits.connections, limits.batch_size, limits.per_minute))
        _accepted(at, lane)
        probing = Budget.objects.get(pk=lane[0]).ladder_step == 1
        at += timedelta(seconds=1) if probing else timedelta(minutes=15)
    assert seen == [
        (1, 1, 150), (2, 50, 150), (3, 50, 180), (4, 50, 210), (5, 50, 240), (5, 50, 270), (5, 50, 300),
    ]  # fmt: skip
    assert Budget.objects.get(pk=lane[0]).state_reason == ""


def test_the_probe_waits_for_its_answer_and_is_over_with_it(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip"))
    probe = now + timedelta(minutes=10)
    backoff.recover(now=probe)
    assert Budget.objects.get(pk=lane[0]).state_reason.startswith("Gmail slowed us down; one message over one")
    assert backoff.recover(now=probe + timedelta(seconds=5)) == 0
    _accepted(probe + timedelta(seconds=6), lane, 1)
    assert backoff.recover(now=probe + timedelta(seconds=7)) == 1
    budget = Budget.objects.get(pk=lane[0])
    assert (budget.ladder_step, budget.rate_share, budget.connection_cap) == (2, 0.5, 2)
    assert budget.state_reason == "Coming back after Gmail slowed us down; at 50% of the rate, next step 09:25"


def test_fifty_accepted_are_worth_a_connection_before_the_step_is_over(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip"))
    backoff.recover(now=now + timedelta(minutes=10))
    _accepted(now + timedelta(minutes=10), lane, 1)
    backoff.recover(now=now + timedelta(minutes=10, seconds=1))
    caps = []
    for minute in range(11, 16):
        at = now + timedelta(minutes=minute)
        _accepted(at, lane, 25)
        caps += [Budget.objects.get(pk=lane[0]).connection_cap] if backoff.recover(now=at) else []
        assert backoff.recover(now=at) == 0
    assert caps == [3, 4]
    assert Budget.objects.get(pk=lane[0]).rate_share == 0.5


def test_the_fewer_connections_are_told_the_less_of_the_rate_is_lost(now: datetime, lane: list[int]) -> None:
    windows = {lane[0]: 20}
    assert _hear(now, lane, Heard("rate", "ip"), windows=windows) == lane[:1]
    assert Budget.objects.get(pk=lane[0]).rate_share == 0.975
    for second in range(1, 30):
        at = now + timedelta(seconds=second)
        assert _hear(at, lane, Heard("rate", "ip"), windows=windows) == []
        share = Budget.objects.get(pk=lane[0]).rate_share
        assert share == pytest.approx(max(0.5, 1 - 0.025 * (second + 1)))
    late = now + timedelta(minutes=5)  # what is told much later was on its way before
    _hear(late, lane, Heard("rate", "ip"), windows=windows)
    assert Budget.objects.get(pk=lane[0]).rate_share == 0.5
    assert BudgetChange.objects.count() == 1


def test_a_later_reply_may_name_a_longer_time_and_never_a_shorter_one(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip"))
    assert _hear(now, lane, Heard("rate", "ip", retry_hint_seconds=60)) == []
    assert _hear(now, lane, Heard("rate", "ip", retry_hint_seconds=3590)) == lane[:1]
    limits = _limits(lane[0], now)
    assert limits.closed_until == now + timedelta(hours=1)
    assert limits.reason == "Gmail asked us to slow down at 09:00; next try 10:00"


def test_a_netblock_is_all_our_addresses_in_it(now: datetime, lane: list[int]) -> None:
    scopes = [("ip", "192.0.2.77"), ("ip", "192.0.3.1"), ("ip", "2001:db8::1")]
    near, far, other = budgets.budgets_for(now=now, kind_scopes=scopes, provider="google")
    [elsewhere] = budgets.budgets_for(now=now, kind_scopes=scopes[:1], provider="yahoo")
    assert _hear(now, lane, Heard("rate", "netblock")) == sorted([lane[0], near.pk])
    assert {row.state for row in Budget.objects.filter(pk__in=[far.pk, other.pk, elsewhere.pk])} == {"open"}


def test_after_a_hold_it_begins_at_a_quarter(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("reputation", "ip"))
    at = now + timedelta(hours=2)
    backoff.recover(now=at)
    _accepted(at, lane, 1)
    backoff.recover(now=at + timedelta(seconds=1))
    assert Budget.objects.get(pk=lane[0]).rate_share == 0.25


def test_a_step_without_an_accepted_message_proves_nothing(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip"))
    probe = now + timedelta(minutes=10)
    backoff.recover(now=probe)
    ledger.record(entries=[Entry(lane, probe, sent=1, deferred=1)], zone=UTC_ZONE)
    assert backoff.recover(now=probe + timedelta(minutes=15)) == 0
    assert Budget.objects.get(pk=lane[0]).ladder_step == 1
    assert backoff.recover(now=probe + timedelta(minutes=20)) == 0  # not due before another quarter of an hour
    assert backoff.recover(now=probe + timedelta(hours=24)) == 1
    assert Budget.objects.get(pk=lane[0]).state == "open"


def test_a_failed_probe_is_silent_again(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip"))
    probe = now + timedelta(minutes=10)
    backoff.recover(now=probe)
    again = probe + timedelta(minutes=1)
    assert _hear(again, lane, Heard("rate", "ip")) == lane[:1]
    assert _limits(lane[0], again).closed_until == again + timedelta(minutes=10)
    assert Budget.objects.get(pk=lane[0]).rate_share == 0.5  # nothing was tried at that rate yet


def test_reputation_holds_longer_each_time_and_outranks_a_slow_down(now: datetime, lane: list[int]) -> None:
    _hear(now, lane, Heard("rate", "ip"))
    assert _hear(now, lane, Heard("reputation", "ip")) == lane[:1]
    assert _hear(now, lane, Heard("reputation", "ip")) == []
    assert _hear(now, lane, Heard("rate", "ip")) == []
    assert Budget.objects.get(pk=lane[0]).state == "held"
    at, waits = now, []
    for _ in range(4):
        limits = _limits(lane[0], at)
        assert limits.closed_until is not None
        waits.append((limits.closed_until - at) / timedelta(hours=1))
        at = limits.closed_until
        backoff.recover(now=at)
        _hear(at, lane, Heard("reputation", "ip"))
    assert waits == [2, 4, 12, 12]


def test_fewer_connections_for_an_hour_and_once_a_minute_only(now: datetime, lane: list[int]) -> None:
    full = Heard("conn_limit", "route")
    assert _hear(now, lane, full) == lane[:1]
    assert _hear(now + timedelta(seconds=5), lane, full) == []
    limits = _limits(lane[0], now)
    assert (limits.connections, limits.per_minute, limits.closed) == (4, 300, False)
    later = now + timedelta(minutes=2)
    assert _hear(later, lane, full) == lane[:1]
    assert _limits(lane[0], later).connections == 3
    ledger.record(entries=[Entry(lane, later, sent=5, accepted=5)], zone=UTC_ZONE)
    backoff.recover(now=later + timedelta(hours=1))
    assert _limits(lane[0], later + timedelta(hours=1)).connections == 4


def test_what_a_person_holds_no_tick_releases(now: datetime, lane: list[int]) -> None:
    budget = Budget.objects.get(pk=lane[0])
    assert budgets.hold(now=now, budget=budget, actor=None, reason="We moved")
    assert backoff.recover(now=now + timedelta(days=9)) == 0
    limits = _limits(lane[0], now + timedelta(days=9))
    assert (limits.closed, limits.closed_until) == (True, None)
    assert budgets.release(now=now, budget=budget, actor=None, reason="Done")
    assert not _limits(lane[0], now).closed
