"""The list of campaigns: what it shows, how it is narrowed down, and what is put out of sight."""

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.launch import launch
from campaigns.listing import TABS
from campaigns.models import Campaign
from config.roles import Role
from reputation.models import Workspace
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


# -- The calendar ------------------------------------------------------------------------------------------------------


def month(client: Client, **query: str) -> str:
    return " ".join(client.get("/campaigns/calendar/", query).content.decode().split())


def at(name: str, when: str, **fields) -> Campaign:
    moment = datetime.fromisoformat(when)
    return draft(name, state="scheduled", scheduled_for=moment, undo_until=moment, **fields)


def day_of(seen: str, name: str) -> str:
    """The cell's number."""
    [cell] = [cell for cell in seen.split("<td ") if f">{name}</a>" in cell]
    [number] = re.findall(r"</span>(\d+)<span", cell)
    return str(number)


def test_the_calendar_has_each_campaign_on_its_day_by_the_clock_of_the_workspace(client) -> None:
    Workspace.objects.update(time_zone="Europe/Warsaw")
    at("Late in the evening", "2027-02-10T23:30+00:00")
    at("The month before", "2027-01-12T09:00+00:00")
    draft("Without a time")
    seen = month(client, month="2027-02")
    assert day_of(seen, "Late in the evening") == "11" and "00:30" in seen
    assert "The month before" not in seen and "Without a time" not in seen
    assert "1 campaign has its time here, by the clock of Europe/Warsaw." in seen
    assert "?month=2027-01" in seen and "?month=2027-03" in seen
    assert "The month before" in month(client, month="2027-01")


def test_what_is_on_its_way_stands_on_the_day_it_began(client) -> None:
    campaign = running()
    seen = month(client)
    assert f'href="/campaigns/{campaign.pk}/monitor/"' in seen and "Sending" in seen


def test_the_calendar_is_narrowed_down_as_the_list_is_and_either_leads_to_the_other(client) -> None:
    at("Spring letter", "2027-02-10T09:00+00:00", tags=["spring"])
    at("Another letter", "2027-02-11T09:00+00:00")
    seen = month(client, month="2027-02", tag="spring")
    assert "Spring letter" in seen and "Another letter" not in seen
    assert 'href="/campaigns/?tag=spring"' in seen and '<input type="hidden" name="month" value="2027-02">' in seen
    assert 'href="/campaigns/calendar/?tag=spring"' in page(client, tag="spring")


def test_a_month_asks_as_many_questions_for_one_campaign_as_for_ten(client) -> None:
    at("One", "2027-02-10T09:00+00:00")
    month(client, month="2027-02")
    with CaptureQueriesContext(connection) as one:
        month(client, month="2027-02")
    for number in range(9):
        at(f"Another {number}", "2027-02-11T09:00+00:00")
    with CaptureQueriesContext(connection) as ten:
        month(client, month="2027-02")
    assert len(ten) == len(one)


# -- Views that somebody keeps -----------------------------------------------------------------------------------------


def test_a_view_is_kept_under_a_name_for_whoever_kept_it_and_can_be_removed(client) -> None:
    draft("Spring letter", tags=["spring"])
    seen = page(client, tag="spring", status="drafts")
    assert "Keep this view" in seen and "Keep this view" not in page(client)
    client.post("/campaigns/views/keep/", {"name": " My  spring ", "query": "tag=spring&status=drafts&after=7&x=1"})
    kept = '<a href="?status=drafts&amp;tag=spring"'
    assert f"{kept}>My spring</a>" in page(client)
    assert "My spring" not in page(visitor("vera", Role.VIEWER))
    seen = page(client, status="drafts", tag="spring")
    assert f'{kept} aria-current="page">My spring</a>' in seen
    [view] = re.findall(r'name="view" value="(\d+)"', seen)
    visitor("vera", Role.VIEWER).post("/campaigns/views/forget/", {"view": view})
    assert "My spring" in page(client)
    client.post("/campaigns/views/forget/", {"view": view})
    assert "My spring" not in page(client)


def test_a_view_kept_under_the_same_name_takes_the_others_place(client) -> None:
    for tag in ("spring", "autumn"):
        client.post("/campaigns/views/keep/", {"name": "Mine", "query": f"tag={tag}"})
    seen = page(client)
    assert "?tag=autumn" in seen and "?tag=spring" not in seen


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [("", "tag=spring", "Give the view a name."), ("Mine", "after=7", "Choose something first")],
)
def test_a_view_without_a_name_or_of_everything_is_refused_in_a_sentence(client, name, query, said) -> None:
    answer = client.post("/campaigns/views/keep/", {"name": name, "query": query}, follow=True)
    assert said in answer.content.decode() and "Your views" not in answer.content.decode()


def test_there_are_twenty_views_at_most(client) -> None:
    for number in range(21):
        client.post("/campaigns/views/keep/", {"name": f"View {number}", "query": "tag=spring"})
    assert page(client).count('href="?tag=spring"') == 20


def test_it_is_narrowed_down_to_the_days_when_something_was_sent_or_will_be(client) -> None:
    Workspace.objects.update(time_zone="Europe/Warsaw")
    at = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)  # the 11th in Warsaw
    draft("Planned", state="scheduled", scheduled_for=at, undo_until=at, zone="UTC")
    draft("Only begun")
    sent = running("Long ago")
    Mailing.objects.filter(pk=sent.mailing_id or 0).update(launched_at=datetime(2026, 3, 1, 12, tzinfo=UTC))

    def shown(**query: str) -> set[str]:
        seen = page(client, **query)
        return {name for name in ("Planned", "Only begun", "Long ago") if f">{name}</a>" in seen}

    assert shown() == {"Planned", "Only begun", "Long ago"}
    assert shown(**{"from": "2026-03-11"}) == {"Planned"} == shown(**{"from": "2026-03-11", "to": "2026-03-11"})
    assert shown(to="2026-03-10") == {"Long ago"}
    assert shown(**{"from": "2026-03-01", "to": "2026-03-11"}) == {"Planned", "Long ago"}
    assert shown(**{"from": "2026-03-11", "to": "2026-03-01"}) == {"Planned", "Long ago"}
    assert shown(**{"from": "soon", "to": "0001-01-01"}) == {"Planned", "Only begun", "Long ago"}


def test_days_are_kept_in_a_view_and_in_the_address_of_older_pages(client) -> None:
    client.post("/campaigns/views/keep/", {"name": "March", "query": "from=2026-03-01&to=2026-03-31"})
    seen = page(client)
    assert "?from=2026-03-01&amp;to=2026-03-31" in seen
    seen = page(client, **{"from": "2026-03-01", "to": "2026-03-31"})
    assert 'name="from" min="2000-01-01" max="2099-12-31" value="2026-03-01"' in seen and "Show all" in seen
