"""The list of campaigns: what it shows, how it is narrowed down, and what is put out of sight."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.launch import launch
from campaigns.listing import TABS
from campaigns.models import Campaign
from config.roles import Role
from sending.models import Mailing, MailingCount
from tests.campaigns.world import ready_campaign
from tests.cast import newsletter
from tests.visitors import colleague, member, visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return colleague()


def page(client: Client, **query: str) -> str:
    return " ".join(client.get("/campaigns/", query).content.decode().split())


def draft(name: str, **fields) -> Campaign:
    return Campaign.objects.create(name=name, **fields)


def running(name: str = "On its way") -> Campaign:
    now = timezone.now()
    campaign = ready_campaign(now, name=name)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    assert launch(now=now, campaign_id=campaign.pk) is not None
    campaign.refresh_from_db()
    return campaign


def test_the_audience_is_visible_in_the_list(client) -> None:
    campaign = ready_campaign(timezone.now())
    campaign.excluded_lists.set([newsletter("Staff")])
    assert "Newsletter, without Staff" in page(client)


def test_owner_list_tag_and_search_narrow_it_down_and_stand_in_the_address(client) -> None:
    mara = member("mara", Role.MARKETER)
    spring = draft("Spring sale", created_by=mara, tags=["shop"])
    spring.included_lists.set([newsletter("Regulars")])
    draft("Autumn", created_by=member("jo", Role.MARKETER))
    for asked in ({"owner": str(mara.pk)}, {"list": str(newsletter("Regulars").pk)}, {"tag": "shop"}, {"q": "sale"}):
        seen = page(client, **asked)
        assert "Spring sale</a>" in seen and "Autumn</a>" not in seen, asked
    together = page(client, tag="shop", q="Autumn", status="drafts")
    assert "Nothing found" in together
    assert 'href="?status=sent&amp;tag=shop&amp;q=Autumn"' in together, "another tab keeps what was asked"


def test_older_ones_are_paged_by_key_without_a_gap_and_with_the_same_question(client) -> None:
    for number in range(60):
        draft(f"Letter {number}", tags=["even"] if number % 2 == 0 else [])
    seen: list[str] = []
    there = "?tag=even"
    while there:
        html = client.get(f"/campaigns/{there}").content.decode()
        seen += re.findall(r">Letter (\d+)</a>", html)
        more = re.search(r'href="(\?after=[^"]*)"', html)
        there = more.group(1).replace("&amp;", "&") if more else ""
    assert [int(number) for number in seen] == list(range(58, -1, -2))


def test_each_empty_tab_says_in_its_own_words_what_would_stand_there(client) -> None:
    empty = re.compile(r'class="lp-empty".*?<h2>(.*?)</h2><p>(.*?)</p>')
    said = [found for tab in TABS for found in empty.findall(page(client, status=tab))]
    assert len(said) == len(set(said)) == len(TABS)


def test_rows_under_way_are_put_in_their_place_without_the_links_that_may_have_the_focus(client) -> None:
    campaign = running()
    seen = page(client)
    assert f'hx-get="/campaigns/moving/?ids={campaign.pk}"' in seen and 'hx-swap="none"' in seen
    MailingCount.objects.create(mailing_id=campaign.mailing_id or 0, provider="google", kind="accepted", n=3)
    part = client.get("/campaigns/moving/", {"ids": str(campaign.pk)})
    cells = part.content.decode()
    assert part.status_code == 200
    assert f'id="ac-{campaign.pk}" hx-swap-oob="true">3<' in cells and "25 %" in cells
    assert "<a" not in cells and "<button" not in cells

    Mailing.objects.update(state="done", finished_at=timezone.now())
    over = client.get("/campaigns/moving/", {"ids": str(campaign.pk)})
    assert over.status_code == 286 and "Sent" in over.content.decode()
    assert "/campaigns/moving/" not in page(client)


def test_several_are_archived_at_once_and_come_back(client) -> None:
    old, other, kept = draft("Old"), draft("Other"), draft("Kept")
    ticked = {"campaign": [old.pk, other.pk], "query": "status=drafts"}
    answer = client.post("/campaigns/archive/", ticked)
    assert answer.url == "/campaigns/?status=drafts"
    seen = page(client)
    assert "2 archived. The numbers stay." in seen
    assert "Old</a>" not in seen and "Kept</a>" in seen
    assert "Old</a>" in page(client, status="archived")
    client.post("/campaigns/archive/", {"campaign": [old.pk], "back": "1"})
    assert "Old</a>" in page(client) and Campaign.objects.get(pk=kept.pk).archived_at is None


def test_what_is_scheduled_or_under_way_is_not_archived(client) -> None:
    going = running()
    waiting = draft("Waiting", state="scheduled", scheduled_for=timezone.now(), undo_until=timezone.now())
    client.post("/campaigns/archive/", {"campaign": [going.pk, waiting.pk]})
    assert not Campaign.objects.exclude(archived_at=None).exists()
    assert "What is scheduled or under way was left" in page(client)


def test_nothing_ticked_is_told_and_a_viewer_may_not(client) -> None:
    assert b"Tick some campaigns first." in client.post("/campaigns/archive/", follow=True).content
    draft("One")
    watching = visitor("viewer", Role.VIEWER)
    assert watching.post("/campaigns/archive/", {"campaign": "1"}).status_code == 403
    assert 'name="campaign"' not in page(watching)


def test_tags_are_typed_with_commas_and_go_with_a_copy(client) -> None:
    campaign = draft("Spring")
    there = f"/campaigns/{campaign.pk}/name/"
    client.post(there, {"name": "Spring", "tags": " Shop, spring ,shop,, "})
    campaign.refresh_from_db()
    assert campaign.tags == ["shop", "spring"]
    assert 'value="shop, spring"' in client.get(there).content.decode()
    client.post(f"/campaigns/{campaign.pk}/copy/")
    assert Campaign.objects.get(name="Spring (copy)").tags == ["shop", "spring"]
    assert client.post(there, {"name": "Spring", "tags": "x" * 41}).status_code == 422
