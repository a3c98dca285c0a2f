from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.people_lists import TOPICS
from tests.campaigns.world import colleague, ready_campaign

pytestmark = pytest.mark.django_db

DRAFT_PAGES = ["", "name/", "audience/", "sender/", "tracking/", "letter/", "letter/preview/", "letter/pictures/",
               "letter/versions/", "test/", "review/"]  # fmt: skip
LAUNCHED_PAGES = ["monitor/", "progress/", "problems/", "pace/", "report/", "letter/", "letter/versions/"]
LISTS = sorted(TOPICS.keys() - {"answered"})


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(colleague())
    return client


@pytest.fixture
def real_now() -> datetime:
    """Views read the real clock, so what they judge is made now."""
    return timezone.now()


@pytest.fixture
def launched(real_now: datetime) -> Campaign:
    campaign = ready_campaign(real_now)
    Campaign.objects.filter(pk=campaign.pk).update(
        state="scheduled", scheduled_for=real_now, undo_until=real_now, scheduled_by=colleague()
    )
    assert launch(now=real_now, campaign_id=campaign.pk) is not None
    campaign.refresh_from_db()
    return campaign


@pytest.mark.parametrize("page", DRAFT_PAGES)
def test_every_page_of_a_draft_answers_with_few_queries(
    client, real_now, django_assert_max_num_queries, page: str
) -> None:
    campaign = ready_campaign(real_now)
    with django_assert_max_num_queries(60):
        answer = client.get(f"/campaigns/{campaign.pk}/{page}")
    assert answer.status_code == 200


@pytest.mark.parametrize("page", DRAFT_PAGES)
def test_every_page_of_an_empty_draft_answers(client, real_now, page: str) -> None:
    campaign = Campaign.objects.create(name="Empty")
    assert client.get(f"/campaigns/{campaign.pk}/{page}").status_code == 200


@pytest.mark.parametrize("page", LAUNCHED_PAGES)
def test_every_page_of_a_launched_campaign_answers(client, launched, page: str) -> None:
    assert client.get(f"/campaigns/{launched.pk}/{page}").status_code == 200


@pytest.mark.parametrize("topic", LISTS)
def test_every_number_has_its_list_and_its_csv(client, launched, topic: str) -> None:
    assert client.get(f"/campaigns/{launched.pk}/people/{topic}/").status_code == 200
    csv = client.get(f"/campaigns/{launched.pk}/people/{topic}/export.csv")
    assert b"".join(csv.streaming_content).startswith(b"email,what,answer,at")


def test_home_answers_empty_and_full(client, launched) -> None:
    assert b"Winter reading list" in client.get("/").content
    Campaign.objects.all().delete()
    assert b"No campaign yet" in client.get("/").content
