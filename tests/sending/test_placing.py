from datetime import datetime, timedelta

import pytest

from reputation.models import RecipientDomain
from sending.models import Batch, MailingCount, Outcome, Requeue, Route
from sending.placing import place
from sending.plan import plan
from tests.cast import newsletter, people, pool_of, pressed

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(now: datetime):
    readers = newsletter()
    people(5, on=readers, domain="nobody-knows.example")
    people(4, on=readers, domain="gmail.com")
    return pressed(now, readers)


def lane_totals(mailing) -> dict[str, int]:
    return dict(mailing.lanes.filter(total__gt=0).values_list("provider", "total"))


def test_an_unknown_domain_waits_and_is_no_bounce(now: datetime, waiting) -> None:
    place(now=now)

    assert Requeue.objects.filter(provider_now="unknown", reason="not_looked_up").count() == 5
    assert not Outcome.objects.exists()
    assert lane_totals(waiting) == {"unknown": 5, "google": 4}


def test_once_known_it_moves_to_its_provider_and_the_sums_hold(now: datetime, waiting) -> None:
    place(now=now)
    RecipientDomain.objects.create(domain="nobody-knows.example", state="ok", provider="google", expires_at=now)

    assert place(now=now) == 5

    assert set(Requeue.objects.values_list("provider_now", flat=True)) == {"google"}
    assert lane_totals(waiting) == {"google": 9}
    assert place(now=now) == 0


def test_a_small_host_moves_to_the_tail(now: datetime, waiting) -> None:
    place(now=now)
    RecipientDomain.objects.create(
        domain="nobody-knows.example",
        state="ok",
        provider="other:hoster.example",
        expires_at=now,
    )

    place(now=now)

    assert lane_totals(waiting) == {"tail": 5, "google": 4}


def test_a_domain_confirmed_not_to_exist_bounces_only_after_a_day(now: datetime, waiting) -> None:
    place(now=now)
    RecipientDomain.objects.create(domain="nobody-knows.example", state="not_found", bad_since=now, expires_at=now)

    assert place(now=now + timedelta(hours=23)) == 0
    assert place(now=now + timedelta(hours=25)) == 5

    assert set(Outcome.objects.values_list("kind", "reason")) == {("bounced_hard", "bad_domain")}
    assert MailingCount.objects.get(mailing=waiting, kind="bounced_hard").n == 5
    assert not Requeue.objects.exists()


def test_a_domain_that_never_answers_ends_as_our_refusal(now: datetime, waiting) -> None:
    place(now=now)

    place(now=now + timedelta(hours=49))

    assert set(Outcome.objects.values_list("kind", "reason")) == {("refused", "not_looked_up")}


def test_a_paused_mailing_is_left_alone(now: datetime, waiting) -> None:
    waiting.state = "paused"
    waiting.save(update_fields=["state"])

    place(now=now)

    assert not Requeue.objects.exists()


def test_waiting_for_dns_is_no_try(now: datetime, waiting) -> None:
    place(now=now)
    RecipientDomain.objects.create(domain="nobody-knows.example", state="ok", provider="google", expires_at=now)

    place(now=now + timedelta(hours=47))

    assert set(Requeue.objects.values_list("first_tried_at", flat=True)) == {None}


def test_a_domain_that_was_bad_only_lately_is_no_bounce_after_two_days(now: datetime, waiting) -> None:
    place(now=now)
    RecipientDomain.objects.create(
        domain="nobody-knows.example", state="no_mail", bad_since=now + timedelta(hours=48), expires_at=now
    )

    place(now=now + timedelta(hours=49))

    assert set(Outcome.objects.values_list("kind", "reason")) == {("refused", "not_looked_up")}


def test_a_mailing_by_relays_only_waits_for_nobodys_dns(now: datetime) -> None:
    readers = newsletter()
    people(5, on=readers, domain="nobody-knows.example")
    relay = Route.objects.create(name="a relay", kind="relay", host="smtp.example.com")
    mailing = pressed(now, readers, pool_id=pool_of(relay).pk)

    assert place(now=now) == 0 and not Requeue.objects.exists()
    assert plan(now=now) > 0

    assert set(Batch.objects.values_list("mailing", "provider")) == {(mailing.pk, "unknown")}


def test_a_mailing_with_a_direct_route_is_never_planned_for_unknown_domains(now: datetime, waiting) -> None:
    plan(now=now)

    assert not Batch.objects.filter(provider="unknown").exists() and Batch.objects.exists()
