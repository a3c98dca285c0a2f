from datetime import datetime, timedelta

import pytest

from reputation import budgets
from reputation.models import Workspace
from sending import mailings
from sending.models import Batch, Mailing, MailingLane, Requeue
from sending.plan import plan
from tests.cast import direct_route, newsletter, people, pressed

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    readers = newsletter()
    people(400, on=readers)
    return pressed(now, readers)


def ip_budget(now: datetime, provider: str, **limits: float | None):
    (found,) = budgets.budgets_for(now=now, kind_scopes=[("ip", "127.0.1.1")], provider=provider)
    budgets.edit(now=now, budget=found, actor=None, reason="test", **limits)
    return found


def test_batches_are_sized_by_the_budgets_and_ranges_do_not_overlap(now: datetime, mailing: Mailing) -> None:
    ip_budget(now, "google", per_minute=300, batch_size=7, connections=3, batch_pause=None)

    assert plan(now=now) > 0

    google = list(Batch.objects.filter(provider="google").order_by("lo"))
    assert 1 <= len(google) <= 3
    assert all(batch.hi - batch.lo + 1 <= 7 for batch in google)
    places = [seq for batch in google for seq in range(batch.lo, batch.hi + 1)]
    assert places == list(range(1, len(places) + 1))
    assert MailingLane.objects.get(mailing=mailing, provider="google").next_seq == len(places) + 1


def test_planning_twice_gives_no_more_than_once(now: datetime, mailing: Mailing) -> None:
    ip_budget(now, "google", per_minute=60, connections=2)
    plan(now=now)
    before = Batch.objects.filter(provider="google").count()

    plan(now=now)

    assert Batch.objects.filter(provider="google").count() == before


def test_a_held_budget_gives_nothing_and_the_others_go_on(now: datetime, mailing: Mailing) -> None:
    budgets.hold(now=now, budget=ip_budget(now, "google"), actor=None, reason="Gmail asked us to stop")

    plan(now=now)

    assert not Batch.objects.filter(provider="google").exists()
    assert Batch.objects.filter(provider="yahoo").exists()


def test_a_paused_mailing_or_provider_gets_no_batch(now: datetime, mailing: Mailing) -> None:
    mailings.pause_provider(now=now, mailing_id=mailing.pk, provider="google")
    plan(now=now)
    assert not Batch.objects.filter(provider="google").exists()
    planned = Batch.objects.count()

    mailings.pause(now=now, mailing_id=mailing.pk)
    mailings.resume_provider(now=now, mailing_id=mailing.pk, provider="google")
    assert plan(now=now) == 0
    assert Batch.objects.count() == planned


def test_stop_all_sending_stops_the_planner(now: datetime, mailing: Mailing) -> None:
    Workspace.objects.update(sending_stopped_at=now)

    assert plan(now=now) == 0


def a_retry(mailing: Mailing, delivery: int, due_at: datetime) -> Requeue:
    return Requeue.objects.create(
        mailing=mailing, delivery=delivery, provider_now="google", due_at=due_at, reason="deferred"
    )


def test_due_retries_are_taken_and_counted_once(now: datetime, mailing: Mailing) -> None:
    MailingLane.objects.filter(mailing=mailing).update(next_seq=101)
    for number in range(1, 6):
        a_retry(mailing, number, now - timedelta(minutes=1))
    a_retry(mailing, 6, now + timedelta(minutes=1))

    plan(now=now)

    batch = Batch.objects.get(provider="google", kind="retry")
    assert (batch.lo, batch.hi) == (1, 5)
    assert Requeue.objects.filter(batch=batch.pk).count() == 5
    assert Requeue.objects.filter(batch=None).count() == 1


def test_a_day_cap_is_not_exceeded_by_all_batches_together(now: datetime, mailing: Mailing) -> None:
    ip_budget(now, "google", per_day=20, per_hour=None, batch_pause=None)

    for second in range(0, 1800, 60):
        at = now + timedelta(seconds=second)
        plan(now=at)
        Batch.objects.filter(state="planned").update(state="running")

    given = sum(batch.hi - batch.lo + 1 for batch in Batch.objects.filter(provider="google"))
    assert 0 < given <= 20


def test_a_mailings_own_hourly_limit_holds_over_all_providers(now: datetime, mailing: Mailing) -> None:
    mailings.change_speed(now=now, mailing_id=mailing.pk, per_hour=40)

    for second in range(0, 600, 10):
        plan(now=now + timedelta(seconds=second))
        for batch in Batch.objects.filter(state="planned"):
            size = batch.hi - batch.lo + 1
            Batch.objects.filter(pk=batch.pk).update(
                state="done", n_sent=size, ended_at=now + timedelta(seconds=second), last_dot_at=now
            )

    assert sum(Batch.objects.values_list("n_sent", flat=True)) <= 40


def test_without_an_active_route_nothing_is_planned(now: datetime, mailing: Mailing) -> None:
    route = direct_route()
    route.active = False
    route.save(update_fields=["active"])

    assert plan(now=now) == 0


def test_a_round_of_planning_takes_few_queries(now: datetime, mailing: Mailing, django_assert_max_num_queries) -> None:
    plan(now=now)
    with django_assert_max_num_queries(25):
        plan(now=now)
