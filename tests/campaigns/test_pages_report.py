"""The report's page: every number leads to as many people, is explained, compared, drawn, and can be taken along."""

import csv
import io
import re
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.core import signing
from django.db import connection
from django.test import Client
from django.utils import timezone

from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.pure.definitions import DEFINITIONS
from config.roles import Role
from reputation.models import Workspace
from sending import answers, visit_book
from sending.first_visits import over_time
from sending.models import Delivery, Event, Mailing, MailingCount, MailingLane
from sending.visit_book import Visit
from tests.campaigns.test_report import settle
from tests.campaigns.world import colleague, ready_campaign
from tests.cast import shop
from tests.visitors import visitor

pytestmark = pytest.mark.django_db

LINK = re.compile(r'<a [^>]*class="[^"]*lp-num-a[^"]*"[^>]*href="([^"]+)"[^>]*>\s*([\d,]+)\s*</a>')


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(colleague())
    return client


def sent_campaign(at: datetime, *, readers: int = 24, name: str = "Winter reading list") -> Campaign:
    """Launched, everybody tried, most of them accepted, some did something with it."""
    campaign = ready_campaign(at, readers=readers, name=name)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=at, undo_until=at)
    mailing = launch(now=at, campaign_id=campaign.pk)
    assert mailing is not None
    kinds = ["bounced_hard", "bounced_hard", "unknown", "skipped", "blocked", "bounced_policy"]
    rows = list(Delivery.objects.filter(mailing_id=mailing.pk).order_by("id"))
    for number, row in enumerate(rows):
        settle(at, row, kinds[number] if number < len(kinds) else "accepted")
    for lane in MailingLane.objects.filter(mailing=mailing):
        MailingLane.objects.filter(pk=lane.pk).update(next_seq=lane.release_seq + 1)
    with connection.cursor() as cursor:
        answers.recount(cursor, mailing.pk)
    Mailing.objects.filter(pk=mailing.pk).update(
        state="done", finished_at=at + timedelta(hours=1), first_sent_at=at, state_since=at
    )
    campaign.refresh_from_db()
    return campaign


def visited(campaign: Campaign, at: datetime) -> None:
    mailing = campaign.mailing_id or 0
    accepted = list(Delivery.objects.filter(mailing_id=mailing).order_by("id"))[6:]
    visit_book.write(
        [
            Visit(mailing, accepted[0].id, "clicked", at, 0),
            Visit(mailing, accepted[1].id, "clicked", at + timedelta(hours=3), 0),
            Visit(mailing, accepted[1].id, "clicked", at + timedelta(hours=60), 0),
            Visit(mailing, accepted[2].id, "clicked", at + timedelta(hours=70), 0),
            Visit(mailing, accepted[3].id, "clicked", at, 0, True),
            Visit(mailing, accepted[0].id, "opened", at),
            Visit(mailing, accepted[4].id, "opened", at, None, True),
        ]
    )
    for kind, row in (("unsubscribed", accepted[5]), ("complained", accepted[6]), ("bounced", accepted[7])):
        Event.objects.create(mailing_id=mailing, delivery=row.id, kind=kind, at=at)
        MailingCount.objects.create(mailing_id=mailing, provider=row.provider, kind=kind, n=1)


@pytest.fixture
def campaign() -> Campaign:
    at = timezone.now() - timedelta(days=4)
    made = sent_campaign(at)
    visited(made, at)
    return made


def page(client: Client, campaign: Campaign, name: str = "report", **query: str) -> str:
    answer = client.get(f"/campaigns/{campaign.pk}/{name}/", query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_every_number_leads_to_as_many_people(client, campaign) -> None:
    links = {(unescape(href), int(n.replace(",", ""))) for href, n in LINK.findall(page(client, campaign))}
    topics = {href.split("/")[4] for href, _ in links}
    assert topics >= {
        "everyone", "accepted", "bounced", "not_sent", "unknown", "clicked", "clicked_by_machine", "opened",
        "opened_by_machine", "unsubscribed", "complained", "bounced_later", "answered",
    }  # fmt: skip
    assert any("provider=" in href for href, _ in links)
    assert any("link=" in href for href, _ in links)
    for href, n in links:
        listed = client.get(href).content.decode()
        assert listed.count('<tr><th scope="row"') == n, href


def test_every_number_is_explained_and_no_explanation_is_left_over(client, campaign) -> None:
    seen = page(client, campaign)
    asked = set(re.findall(r'popovertarget="def-(\w+)"', seen))
    assert asked == set(re.findall(r'id="def-(\w+)" popover', seen))
    assert asked | {"waiting"} == DEFINITIONS.keys()


def test_the_sentence_compares_with_ones_own_last_campaigns(client) -> None:
    now = timezone.now()
    for days, clicks in ((40, 1), (30, 2), (20, 3)):
        earlier = sent_campaign(now - timedelta(days=days), name=f"Earlier {days}")
        mailing = earlier.mailing_id or 0
        provider = Delivery.objects.filter(mailing_id=mailing)[0].provider
        MailingCount.objects.create(mailing_id=mailing, provider=provider, kind="clicked", n=clicks)
    newest = sent_campaign(now - timedelta(days=4))
    visited(newest, now - timedelta(days=4))
    seen = page(client, newest)
    assert "3 people clicked. At 16.6 % it did better than 2 of your last 3 campaigns; your median is 11.1 %." in seen
    assert "your median" not in page(client, Campaign.objects.get(name="Earlier 20"))


def test_what_is_not_counted_is_not_shown_as_nothing(client, campaign) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(track_clicks=False, track_opens=False)
    seen = page(client, campaign)
    assert "not counted in this campaign" in seen
    assert "Opens are not counted in this campaign." in seen
    assert "people clicked" not in seen


def test_clicks_over_time_add_up_to_the_counter(client, campaign) -> None:
    begin = Mailing.objects.get(pk=campaign.mailing_id).launched_at
    found = over_time(mailing_id=campaign.mailing_id or 0, kind="clicked", begin=begin, length=timedelta(hours=2), n=24)
    assert (list(found.people)[:3], sum(found.people), found.later) == ([1, 1, 0], 2, 1)
    seen = page(client, campaign, "report/over-time")
    assert "First 48 hours" in seen
    assert seen.count('<rect class="bar"') == 24
    assert "1 more came later." in seen
    assert " style=" not in seen
    assert "opened for the first time" in page(client, campaign, "report/over-time", of="opened")


def test_the_letter_shows_how_many_followed_each_link(client, campaign) -> None:
    answer = client.get(f"/campaigns/{campaign.pk}/report/click-map/")
    html = answer.content.decode()
    assert ">3 · 100 %</span>" in html
    assert "See what came in" in html
    assert "link.invalid" not in html
    assert answer["Content-Security-Policy"].startswith("sandbox allow-same-origin; default-src 'none'")
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    seen = page(client, campaign, links="mail")
    assert f'src="/campaigns/{campaign.pk}/report/click-map/"' in seen


def shared_link(client: Client, campaign: Campaign) -> str:
    found = re.search(r'id="share-link">[^<]*(/report/[^<]+)</code>', page(client, campaign, "report/share"))
    assert found is not None
    return unescape(found[1])


def test_a_link_to_the_report_is_taken_back_before_its_time_and_its_page_says_by_whom(client, campaign) -> None:
    stranger, old = Client(), shared_link(client, campaign)
    assert "Winter reading list" in stranger.get(old).content.decode()
    old_form = f"/report/{signing.dumps(campaign.pk, salt='campaign-report')}/"
    assert stranger.get(old_form).status_code == 200

    answer = client.post(f"/campaigns/{campaign.pk}/report/share/end/", follow=True)

    assert "Every link given out so far has ended." in answer.content.decode()
    for link in (old, old_form):
        gone = stranger.get(link)
        assert gone.status_code == 404 and "This link has ended" in gone.content.decode()
    new = shared_link(client, campaign)
    assert new != old and stranger.get(new).status_code == 200
    assert re.search(r"Ended .* by mara", page(client, campaign, "report/share"))


def test_a_viewer_takes_no_link_back(campaign) -> None:
    assert visitor("watching", Role.VIEWER).post(f"/campaigns/{campaign.pk}/report/share/end/").status_code == 403
    campaign.refresh_from_db()
    assert campaign.links_ended == 0


def test_all_numbers_can_be_taken_along_and_name_nobody(client, campaign) -> None:
    answer = client.get(f"/campaigns/{campaign.pk}/report/numbers.csv")
    lines = list(csv.DictReader(io.StringIO(answer.content.decode())))
    total = lines.pop()
    assert total["provider"] == "All"
    for column in ("people", "accepted", "bounced", "clicked", "unsubscribed"):
        assert sum(int(line[column]) for line in lines) == int(total[column])
    assert (total["people"], total["accepted"], total["clicked"], total["bounced later"]) == ("24", "18", "3", "1")
    assert "@" not in answer.content.decode()


def test_the_report_asks_as_many_questions_whatever_happened(client, campaign, django_assert_max_num_queries) -> None:
    page(client, campaign)
    with django_assert_max_num_queries(22):
        page(client, campaign)


def test_where_visits_have_no_names_the_report_says_so_and_leads_to_nobody(now: datetime, client: Client) -> None:
    shop()
    Workspace.objects.update(totals_only=True)
    campaign = sent_campaign(now)
    visited(campaign, now)
    page = client.get(f"/campaigns/{campaign.pk}/report/").content.decode()
    assert "counted without names" in page
    for topic in ("clicked", "clicked_by_machine", "opened", "opened_by_machine"):
        there = f"/campaigns/{campaign.pk}/people/{topic}/"
        assert there not in page
        answer = client.get(there).content.decode()
        assert "counted without names" in answer and "@" not in answer.split("<main")[1]
    assert f"/campaigns/{campaign.pk}/people/accepted/" in page
    assert 'value="clicked"' not in page and 'value="not_clicked"' not in page
    assert client.post(f"/campaigns/{campaign.pk}/report/go-on/", {"whom": "not_clicked"}).status_code == 404


def test_with_names_it_leads_to_each_of_them(now: datetime, client: Client) -> None:
    campaign = sent_campaign(now)
    visited(campaign, now)
    page = client.get(f"/campaigns/{campaign.pk}/report/").content.decode()
    assert "counted without names" not in page
    for topic in ("clicked", "clicked_by_machine", "opened", "opened_by_machine"):
        assert f'href="/campaigns/{campaign.pk}/people/{topic}/' in page
