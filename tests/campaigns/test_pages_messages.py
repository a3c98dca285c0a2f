"""Did Jane get it? From the address to the answer in two clicks."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audiences.models import Subscriber
from campaigns.launch import launch
from campaigns.models import Campaign
from sending.message_story import story_of
from sending.models import Delivery, Event, Mailing, Outcome, Reply, Requeue
from tests.campaigns.test_pages_report import sent_campaign
from tests.campaigns.test_report import settle
from tests.campaigns.world import colleague, ready_campaign
from tests.cast import direct_route

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(colleague())
    return client


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    campaign = ready_campaign(now, readers=8)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    made = launch(now=now, campaign_id=campaign.pk)
    assert made is not None
    return made


def first(mailing: Mailing) -> tuple[Delivery, Subscriber]:
    row = Delivery.objects.filter(mailing_id=mailing.pk).order_by("id")[0]
    return row, Subscriber.objects.get(pk=row.subscriber_id)


def tried(mailing: Mailing, row: Delivery, kind: str, at: datetime, attempt: int = 1, text: str = "2.0.0 OK") -> None:
    code = 250 if kind == "accepted" else 451
    reply, _ = Reply.objects.get_or_create(
        digest=f"00000000-0000-4000-8000-0000000{code:05}",
        defaults={
            "provider": row.provider,
            "code": code,
            "text": text,
            "reply_class": "" if kind == "accepted" else "greylist",
            "first_seen_at": at,
        },
    )
    Outcome.objects.create(
        mailing_id=mailing.pk,
        delivery=row.id,
        attempt=attempt,
        kind=kind,
        provider=row.provider,
        reply_id=reply.pk,
        route_id=direct_route().pk,
        at=at,
    )


def page(client: Client, path: str, **query: str) -> str:
    answer = client.get(path, query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_two_clicks_lead_from_an_address_to_the_answer(client, now, mailing) -> None:
    row, person = first(mailing)
    tried(mailing, row, "deferred", now + timedelta(minutes=1), text="4.7.1 Greylisted")
    tried(mailing, row, "accepted", now + timedelta(minutes=16), attempt=2)
    looked_up = page(client, "/messages/", q=person.email[:-3].upper())
    link = re.search(rf'href="(/messages/{mailing.pk}/\d+/)"', looked_up)
    assert link is not None
    assert "Accepted by the receiver" in looked_up
    seen = page(client, link.group(1))
    assert f"Did {person.email} get “Winter reading list”?" in seen
    assert re.search(r'class="lp-word ok">.*?Yes</p>', seen)
    for words in ("Chosen as a recipient", "451 4.7.1 Greylisted", "250 2.0.0 OK", "Attempt 2", "from 127.0.1.1"):
        assert words in seen


def test_the_pages_of_a_person_and_of_each_number_lead_there_too(client, now, mailing) -> None:
    row, person = first(mailing)
    tried(mailing, row, "accepted", now)
    campaign = Campaign.objects.get(mailing=mailing)
    there = f'href="/messages/{mailing.pk}/{row.id}/"'
    assert there in page(client, f"/people/{person.pk}/messages/")
    assert there in page(client, f"/campaigns/{campaign.pk}/people/accepted/")


def test_who_is_tried_again_reads_when(client, now, mailing) -> None:
    row, _ = first(mailing)
    tried(mailing, row, "deferred", now)
    due = datetime(2090, 5, 1, 12, 30, tzinfo=UTC)
    Requeue.objects.create(mailing=mailing, delivery=row.id, provider_now=row.provider, due_at=due, reason="deferred")
    seen = page(client, f"/messages/{mailing.pk}/{row.id}/")
    assert "Not yet</p>" in seen
    assert "Next try Mon 1 May, 14:30." in seen


def test_visits_of_one_link_are_one_line_and_programs_are_called_programs(client, now, mailing) -> None:
    row, _ = first(mailing)
    tried(mailing, row, "accepted", now)
    for minute, by_machine in ((1, True), (5, False), (9, False)):
        Event.objects.create(
            mailing=mailing, delivery=row.id, kind="clicked", link=0, by_machine=by_machine,
            at=now + timedelta(minutes=minute),
        )  # fmt: skip
    story = story_of(mailing_id=mailing.pk, delivery_id=row.id)
    assert story is not None
    assert [(one.by_machine, one.n) for one in story.later] == [(True, 1), (False, 2)]
    seen = page(client, f"/messages/{mailing.pk}/{row.id}/")
    assert "A link in it was followed." in seen
    assert "A program followed a link" in seen
    assert "Followed a link, 2 times" in seen
    assert seen.count("https://www.harbour.example/autumn") == 2


def test_their_letter_is_a_document_in_which_nothing_can_be_pressed(client, mailing) -> None:
    row, person = first(mailing)
    answer = client.get(f"/messages/{mailing.pk}/{row.id}/letter/")
    assert f"Dear {person.fields['first_name']}" in answer.content.decode()
    policy = answer["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-same-origin; default-src 'none'")
    assert "form-action 'none'" in policy


def test_an_erased_person_has_a_story_and_no_letter(client, mailing) -> None:
    row, person = first(mailing)
    person.delete()
    seen = page(client, f"/messages/{mailing.pk}/{row.id}/")
    assert "Did this person get" in seen
    assert "See their letter" not in seen
    assert client.get(f"/messages/{mailing.pk}/{row.id}/letter/").status_code == 404


def test_what_is_not_there_is_not_found_and_nothing_is_looked_up_for_one_letter(client, mailing) -> None:
    assert client.get(f"/messages/{mailing.pk}/999999/").status_code == 404
    assert client.get("/messages/999999/1/").status_code == 404
    assert "Write two letters or more" in page(client, "/messages/", q="r")
    assert "Nobody here has an address that begins with" in page(client, "/messages/", q="jane@")


def test_a_search_costs_as_many_queries_for_ten_people_as_for_one(
    client, mailing, django_assert_max_num_queries
) -> None:
    client.get("/messages/", {"q": "reader1"})
    with django_assert_max_num_queries(9):
        client.get("/messages/", {"q": "reader"})


def test_whoever_was_told_to_wait_is_found_by_name_whatever_came_of_it(client: Client) -> None:
    now = timezone.now()
    campaign = sent_campaign(now - timedelta(days=2))
    rows = list(Delivery.objects.filter(mailing_id=campaign.mailing_id or 0).order_by("id"))
    google = [row for row in rows if row.provider == "google"][-2:]
    reply = Reply.objects.create(
        digest="6f9619ff-8b86-d011-b42d-00cf4fc964f1", provider="google", code=421, text="try later", first_seen_at=now
    )
    for row in google:
        for attempt in (2, 3):
            settle(now, row, "deferred", reply, attempt)
        settle(now, row, "accepted", attempt=4)
    names = {Subscriber.objects.get(pk=row.subscriber_id).email for row in google}

    page = client.get("/messages/?waited=google").content.decode()
    assert all(name in page for name in names) and "421 try later" in page
    assert "Told to wait by" in page and f"/messages/{campaign.mailing_id}/{google[0].id}/" in page
    assert "All of them: told 4 times" in page
    assert page.count("421 try later") == 2
    whole = client.get(f"/campaigns/{campaign.pk}/people/deferred/?provider=google").content.decode()
    assert all(name in whole for name in names) and whole.count("421 try later") == 2
    assert "Nobody was told to wait." in client.get("/messages/?waited=yahoo").content.decode()
    assert "Nobody was told to wait." in client.get("/messages/?waited=google&domain=other.example").content.decode()
    at = client.get(reverse("deliverability-at", args=["google"]))
    assert f'/campaigns/{campaign.pk}/people/deferred/?provider=google">4</a>' in at.content.decode()
