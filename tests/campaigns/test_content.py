from datetime import datetime

import pytest

from campaigns.content import Conflict, current, duplicate, restore, save_letter
from campaigns.models import Campaign
from campaigns.schedule import schedule
from tests.campaigns.world import colleague, ready_campaign, write
from tests.cast import newsletter

pytestmark = pytest.mark.django_db


def save(now: datetime, campaign: Campaign, based_on: int, letter: str):
    return save_letter(
        now=now, campaign_id=campaign.pk, based_on=based_on, subject="S", preheader="P", letter=letter, by=None
    )


def test_the_second_of_two_tabs_gets_the_others_text_and_overwrites_nothing(now: datetime) -> None:
    campaign = ready_campaign(now)
    save(now, campaign, 1, "theirs")
    with pytest.raises(Conflict) as caught:
        save(now, campaign, 1, "mine")
    assert caught.value.theirs.letter == "theirs"
    campaign.refresh_from_db()
    assert (current(campaign).letter, campaign.rev) == ("theirs", 2)


def test_restoring_makes_a_new_revision_that_can_itself_be_undone(now: datetime) -> None:
    campaign = ready_campaign(now)
    save(now, campaign, 1, "second")
    restored = restore(now=now, campaign_id=campaign.pk, number=1, based_on=2, by=colleague())
    assert restored.number == 3
    assert restored.letter.startswith("Dear")
    assert restore(now=now, campaign_id=campaign.pk, number=2, based_on=3, by=None).letter == "second"
    assert list(campaign.revisions.values_list("number", flat=True)) == [4, 3, 2, 1]


def test_what_an_author_wrote_comes_back_byte_for_byte(now: datetime) -> None:
    campaign = ready_campaign(now)
    words = "  Two spaces  \n\n\ttab, “quotes”, 😀, {% raw text %} \n\n\n"
    save(now, campaign, 1, words)
    campaign.refresh_from_db()
    assert current(campaign).letter == words


def test_a_copy_has_content_and_audience_and_never_the_schedule(now: datetime) -> None:
    campaign = ready_campaign(now, per_hour=100)
    campaign.excluded_lists.set([newsletter("Partners")])
    write(now, campaign, subject="The newest")
    schedule(now=now, campaign_id=campaign.pk, by=None)
    campaign.refresh_from_db()

    copy = duplicate(now=now, campaign=campaign, by=colleague())

    assert (copy.state, copy.scheduled_for, copy.mailing_id) == ("draft", None, None)
    assert (copy.name, copy.per_hour, copy.created_by) == ("Winter reading list (copy)", 100, colleague())
    assert current(copy).subject == "The newest"
    assert set(copy.included_lists.all()) == set(campaign.included_lists.all())
    assert [one.name for one in copy.excluded_lists.all()] == ["Partners"]
