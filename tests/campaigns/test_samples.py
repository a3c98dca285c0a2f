"""Whose copies are shown while a letter is written."""

from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiences.models import Subscriber, Subscription, Suppression
from campaigns.audience import choice_of, few_of
from campaigns.models import Campaign
from tests.campaigns.world import ready_campaign
from tests.cast import newsletter, people

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(now: datetime) -> Campaign:
    return ready_campaign(now, readers=300)


def test_a_few_recipients_are_found_without_looking_at_everybody(campaign: Campaign) -> None:
    with CaptureQueriesContext(connection) as asked:
        found = few_of(choice_of(campaign), 8)
    assert len(set(found)) == 8
    assert few_of(choice_of(campaign), 8) == found
    assert "subscriber_id = ANY(" in asked[-1]["sql"]


def test_they_stay_the_same_while_people_join(campaign: Campaign) -> None:
    found = few_of(choice_of(campaign), 8)
    first, last = (Subscriber.objects.order_by(order)[0].pk for order in ("pk", "-pk"))
    room = (1 << (last - first).bit_length()) - (last - first + 1)
    joined = {person.pk for person in people(min(room, 20), on=newsletter(), prefix="newcomer")}
    assert set(few_of(choice_of(campaign), 8)) - joined <= set(found)


def test_whoever_left_is_suppressed_or_on_an_excluded_list_is_never_among_them(
    now: datetime, campaign: Campaign
) -> None:
    everybody = list(Subscriber.objects.order_by("pk"))
    left, suppressed, excluded, stay = everybody[:100], everybody[100:200], everybody[200:290], everybody[290:]
    Subscription.objects.filter(subscriber__in=left).update(state="unsubscribed")
    Suppression.objects.bulk_create(
        Suppression(address_key=person.address_key, scope="*", reason="bounced", source="test", created_at=now)
        for person in suppressed
    )
    staff = newsletter("Staff")
    Subscription.objects.bulk_create(
        Subscription(subscriber=person, list=staff, state="subscribed", since=now) for person in excluded
    )
    campaign.excluded_lists.set([staff])
    # The few who are left are found, wherever they are in the list.
    assert set(few_of(choice_of(campaign), 8)) <= {person.pk for person in stay}
    assert len(few_of(choice_of(campaign), 8)) == 8
    assert set(few_of(choice_of(campaign), 200)) == {person.pk for person in stay}


def test_without_a_list_there_is_nobody(campaign: Campaign) -> None:
    campaign.included_lists.clear()
    assert few_of(choice_of(campaign), 8) == []
