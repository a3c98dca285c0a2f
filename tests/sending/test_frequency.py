"""Whoever wants fewer letters gets at most one in so many days, by their own choice and with a reason on record."""

from datetime import datetime, timedelta

import pytest
from django.test import Client

from audiences import frequency
from audiences.export_people import about
from audiences.models import MailFrequency, MailingList, Subscriber
from campaigns.audience import audience_of, headcount_of
from campaigns.launch import launch
from campaigns.models import Campaign
from sending.models import Excluded, Mailing
from sending.pure import tokens
from tests.campaigns.world import ready_campaign
from tests.cast import deliveries, newsletter, people, pressed
from tests.sending.test_doors import leave, person, token

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def launched(now: datetime, name: str) -> Mailing:
    campaign = ready_campaign(now, name=name)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    mailing = launch(now=now, campaign_id=campaign.pk)
    assert mailing is not None
    return mailing


def got(mailing: Mailing, somebody: Subscriber) -> bool:
    return any(row.subscriber_id == somebody.pk for row in deliveries(mailing))


def test_campaigns_leave_them_out_until_the_days_are_over(now: datetime) -> None:
    campaign = ready_campaign(now, name="Weeks")
    somebody = Subscriber.objects.earliest("pk")
    frequency.choose_frequency(now=now - 8 * DAY, subscriber_id=somebody.pk, days=frequency.WEEKLY)

    first = launched(now, "First")
    assert got(first, somebody)
    assert headcount_of(audience_of(campaign, now=now + DAY)).left_out == {"wants_fewer": 1}

    second = launched(now + 2 * DAY, "Second")
    assert not got(second, somebody)
    assert Excluded.objects.get(mailing=second).reason == Excluded.Reason.WANTS_FEWER
    assert second.total + second.n_excluded == first.total

    assert got(launched(now + 7 * DAY, "Third"), somebody)


def test_the_letter_in_their_hands_counts(now: datetime) -> None:
    campaign = ready_campaign(now, name="Months")
    somebody = Subscriber.objects.earliest("pk")
    frequency.choose_frequency(now=now, subscriber_id=somebody.pk, days=frequency.MONTHLY)

    assert headcount_of(audience_of(campaign, now=now + 29 * DAY)).left_out == {"wants_fewer": 1}
    assert headcount_of(audience_of(campaign, now=now + 30 * DAY)).left_out == {}


def test_a_test_letter_is_no_letter(now: datetime) -> None:
    people(1, on=newsletter())
    somebody = Subscriber.objects.get()
    frequency.choose_frequency(now=now - 8 * DAY, subscriber_id=somebody.pk, days=frequency.WEEKLY)

    pressed(now, newsletter(), is_test=True)

    assert MailFrequency.objects.get().rests_until == now - DAY


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    people(2, on=newsletter())
    return pressed(now, newsletter())


def test_it_is_chosen_among_the_preferences_and_taken_back_there(mailing: Mailing) -> None:
    page, outside = (
        f"/p/{token('preferences', tokens.Preferences(person(mailing).pk))}",
        Client(enforce_csrf_checks=True),
    )
    lists = [str(newsletter().pk)]

    said = outside.post(page, {"save": "1", "list": lists, "days": "30", "language": "en"}).content.decode()
    assert "Saved." in said
    assert '<option value="30" selected>' in said
    assert about(person(mailing))["at_most_one_letter_in_days"] == 30

    outside.post(page, {"save": "1", "list": lists, "days": "0", "language": "en"})
    assert frequency.frequency_of(person(mailing).pk) == frequency.EVERY


def test_nonsense_changes_nothing(mailing: Mailing) -> None:
    page = f"/p/{token('preferences', tokens.Preferences(person(mailing).pk))}"

    said = Client().post(page, {"save": "1", "list": [str(newsletter().pk)], "days": "-1", "language": "en"})

    assert "Nothing was changed." in said.content.decode()
    assert not MailFrequency.objects.exists()
    with pytest.raises(ValueError, match="3 days"):
        frequency.choose_frequency(now=mailing.launched_at, subscriber_id=person(mailing).pk, days=3)


def test_the_page_for_leaving_offers_fewer_and_reading_it_changes_nothing(mailing: Mailing) -> None:
    outside = Client(enforce_csrf_checks=True)
    assert 'name="fewer"' in outside.get(leave(mailing)).content.decode()
    assert not MailFrequency.objects.exists()

    said = outside.post(leave(mailing), {"fewer": "1"}).content.decode()

    assert "at most one letter a month" in said
    assert frequency.frequency_of(person(mailing).pk) == frequency.MONTHLY


def test_what_changed_is_said_by_name(mailing: Mailing) -> None:
    page = f"/p/{token('preferences', tokens.Preferences(person(mailing).pk))}"
    name = MailingList.objects.get(pk=newsletter().pk).public_name

    left = Client().post(page, {"save": "1", "language": "en"}).content.decode()
    back = Client().post(page, {"save": "1", "list": [str(newsletter().pk)], "language": "en"}).content.decode()

    assert f"Saved. You no longer get {name}." in left
    assert f"Saved. You get {name} from now on." in back
