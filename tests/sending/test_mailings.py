from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User

from reputation.models import SendingDomain
from sending import mailings
from sending.models import Mailing, MailingChange, MailingLane
from sending.plan import plan
from sending.sweeping import sweep
from tests.cast import newsletter, people, pressed

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    people(20, on=newsletter())
    return pressed(now, newsletter())


def state(of: Mailing) -> str:
    of.refresh_from_db()
    return of.state


def test_a_person_pauses_goes_on_and_stops(now: datetime, mailing: Mailing) -> None:
    assert mailings.pause(now=now, mailing_id=mailing.pk, reason="wrong price")
    assert (state(mailing), mailing.state_reason) == ("paused", "wrong price")
    assert not mailings.pause(now=now, mailing_id=mailing.pk)
    assert mailings.resume(now=now, mailing_id=mailing.pk)
    assert mailings.stop(now=now, mailing_id=mailing.pk)
    assert state(mailing) == "stopped"


def test_what_people_did_is_written_down_once_and_with_who(now: datetime, mailing: Mailing) -> None:
    mara = User.objects.create_user("mara")
    for _twice in range(2):
        mailings.pause(now=now, mailing_id=mailing.pk, by=mara)
    mailings.resume(now=now, mailing_id=mailing.pk, by=mara)
    mailings.pause_provider(now=now, mailing_id=mailing.pk, provider="google", by=mara)
    mailings.change_speed(now=now, mailing_id=mailing.pk, per_hour=1200, by=mara)
    mailings.stop(now=now, mailing_id=mailing.pk, by=mara)

    written = MailingChange.objects.order_by("pk").values_list("kind", "provider", "reason")
    assert list(written) == [
        ("paused", "", ""),
        ("went_on", "", ""),
        ("paused", "google", ""),
        ("speed", "", "At most 1,200 an hour"),
        ("ended", "", ""),
    ]
    assert set(MailingChange.objects.values_list("actor", flat=True)) == {mara.pk}


def test_what_is_done_stays_done(now: datetime, mailing: Mailing) -> None:
    Mailing.objects.update(state="done")
    for act in (mailings.pause, mailings.resume, mailings.stop):
        assert not act(now=now, mailing_id=mailing.pk)
    assert state(mailing) == "done"


def test_one_provider_is_paused_alone(now: datetime, mailing: Mailing) -> None:
    assert mailings.pause_provider(now=now, mailing_id=mailing.pk, provider="google")
    assert set(MailingLane.objects.filter(state="paused").values_list("provider", flat=True)) == {"google"}
    assert mailings.resume_provider(now=now, mailing_id=mailing.pk, provider="google")
    assert not MailingLane.objects.filter(state="paused").exists()


def test_a_domain_whose_authentication_fails_holds_its_campaigns_until_a_person_goes_on(
    now: datetime, mailing: Mailing
) -> None:
    SendingDomain.objects.update(state="held", state_reason="DKIM does not match.")

    sweep(now=now)

    assert state(mailing) == "held"
    assert "DKIM does not match" in mailing.state_reason
    assert "DKIM does not match" in MailingChange.objects.get(kind="held").reason
    assert plan(now=now) == 0
    SendingDomain.objects.update(state="verified")
    sweep(now=now)
    assert state(mailing) == "held"
    assert mailings.resume(now=now, mailing_id=mailing.pk)


@pytest.mark.parametrize(("hours", "expected"), [(71, "running"), (73, "held")])
def test_a_domain_that_cannot_be_looked_up_goes_on_for_three_days(
    now: datetime, mailing: Mailing, hours: int, expected: str
) -> None:
    SendingDomain.objects.update(state="unsure", last_pass_at=now - timedelta(hours=hours))

    sweep(now=now)

    assert state(mailing) == expected


def test_a_test_letter_is_not_held(now: datetime, mailing: Mailing) -> None:
    Mailing.objects.update(is_test=True)
    SendingDomain.objects.update(state="held")

    sweep(now=now)

    assert state(mailing) == "running"
