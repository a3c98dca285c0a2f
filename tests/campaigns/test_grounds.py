"""Whoever did not agree is written to only while the law lets it, and nobody is lost from the books over it."""

from datetime import datetime, timedelta

import pytest
from django.urls import reverse

from audiences.models import MailingList, Subscription
from campaigns.audience import audience_of, crowd_of, headcount_of, some_of
from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.preflight import preflight
from reputation.models import Workspace
from sending.models import Delivery, Excluded
from tests.campaigns.world import ready_campaign
from tests.cast import key_for, newsletter
from tests.visitors import colleague

pytestmark = pytest.mark.django_db

DAYS = timedelta(days=1)


@pytest.fixture
def campaign(now: datetime) -> Campaign:
    """Of twelve people, three came 729 days ago, three 731 days ago, the others today."""
    made = ready_campaign(now)
    ids = list(Subscription.objects.order_by("subscriber").values_list("pk", flat=True))
    Subscription.objects.update(since=now)
    Subscription.objects.filter(pk__in=ids[:3]).update(since=now - 729 * DAYS)
    Subscription.objects.filter(pk__in=ids[3:6]).update(since=now - 731 * DAYS)
    return made


def ground(campaign: Campaign, **fields: object) -> None:
    campaign.included_lists.update(occasion="Shop orders, box under the order form", **fields)


def canada(*, on: bool = True) -> None:
    Workspace.objects.update(writes_to_canada=on)


@pytest.mark.parametrize(
    ("word", "writes_to_canada", "left_out"),
    [
        ("consent", True, {}),
        ("sale", False, {}),
        ("sale", True, {"consent_ended": 3}),
        ("inquiry", True, {"consent_ended": 6}),
    ],
)
def test_a_ground_ends_by_the_law_of_canada_where_people_there_are_written_to(
    now, campaign, word, writes_to_canada, left_out
) -> None:
    ground(campaign, ground=word)
    canada(on=writes_to_canada)
    crowd = crowd_of(campaign, now=now)
    assert crowd.left_out == left_out
    assert (
        crowd.total
        == 12
        == crowd.recipients + sum(left_out.values())
        == sum(crowd.by_provider.values()) + sum(left_out.values())
    )


def test_a_sale_counts_from_its_day_where_an_import_said_it(now, campaign) -> None:
    ground(campaign, ground="sale")
    canada()
    Subscription.objects.update(since=now)
    ids = list(Subscription.objects.order_by("subscriber").values_list("pk", flat=True))
    Subscription.objects.filter(pk__in=ids[:2]).update(ground_on=(now - 731 * DAYS).date())
    Subscription.objects.filter(pk__in=ids[2:4]).update(since=now - 800 * DAYS, ground_on=(now - 729 * DAYS).date())
    assert crowd_of(campaign, now=now).left_out == {"consent_ended": 2}


def test_who_is_left_out_stands_in_the_books_of_the_launch_with_the_reason(now, campaign) -> None:
    ground(campaign, ground="sale")
    canada()
    old = set(Subscription.objects.filter(since__lt=now - 730 * DAYS).values_list("subscriber", flat=True))
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    mailing = launch(now=now, campaign_id=campaign.pk)
    assert mailing is not None and mailing.total == 9
    rows = Excluded.objects.filter(mailing=mailing).values_list("subscriber_id", "reason")
    assert dict(rows) == dict.fromkeys(old, "consent_ended")
    assert not Delivery.objects.filter(mailing_id=mailing.pk, subscriber_id__in=old).exists()


def test_whoever_also_agreed_on_another_list_is_chosen_through_it(now, campaign) -> None:
    ground(campaign, ground="sale")
    canada()
    person = Subscription.objects.filter(since__lt=now - 730 * DAYS).values_list("subscriber", flat=True)[0]
    agreed = newsletter("Agreed")
    Subscription.objects.create(subscriber_id=person, list=agreed, state="subscribed", since=now - 900 * DAYS)
    campaign.included_lists.add(agreed)
    assert headcount_of(audience_of(campaign, now=now)).left_out == {"consent_ended": 2}
    assert person in some_of(audience_of(campaign, now=now), 20, start=key_for("anybody"))


def test_preflight_says_how_many_are_left_out_and_reminds_of_similar_products(now, campaign) -> None:
    ground(campaign, ground="sale")
    canada()
    said = {row.id: row for row in preflight(now=now, campaign=campaign) if row.id.startswith("ground.")}
    assert set(said) == {"ground.sale", "ground.ended"}
    assert {row.level.value for row in said.values()} == {"fine"}
    assert said["ground.ended"].sentence.startswith("3 people are left out")


def test_a_list_of_customers_has_to_say_which_sale(db) -> None:
    client = colleague()
    form = {"name": "Customers", "public_name": "Customers", "language": "en", "opt_in": "single", "ground": "sale"}
    answer = client.post(reverse("list-new"), form)
    assert answer.status_code == 422 and "Say what they bought or asked" in answer.content.decode()
    client.post(reverse("list-new"), {**form, "occasion": "Shop orders; a box under the order form"})
    assert MailingList.objects.get().ground == "sale"
