"""The page about the guard: why it was stopped, and going on with a reason."""

from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.launch import launch
from campaigns.models import Campaign
from config.roles import Role
from sending import guard
from sending.models import Mailing, MailingChange, MailingCount, MailingLane
from tests.campaigns.world import ready_campaign
from tests.visitors import member, visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """Pages read the real clock."""
    return timezone.now()


@pytest.fixture
def campaign(now: datetime) -> Campaign:
    campaign = ready_campaign(now)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    assert launch(now=now, campaign_id=campaign.pk) is not None
    campaign.refresh_from_db()
    return campaign


@pytest.fixture
def client() -> Client:
    return visitor("mara", Role.MARKETER)


def answered(campaign: Campaign, *providers: str) -> None:
    """60 bounces of 100 answers at these."""
    mailing = Mailing.objects.get(pk=campaign.mailing_id or 0)
    for provider in providers:
        MailingLane.objects.filter(provider=provider).update(total=8_000)
        for kind, n in (("accepted", 40), ("bounced_hard", 60)):
            MailingCount.objects.create(mailing=mailing, provider=provider, kind=kind, n=n)


def page(client: Client, campaign: Campaign, name: str = "guard") -> str:
    return client.get(f"/campaigns/{campaign.pk}/{name}/").content.decode()


def go_on(client: Client, campaign: Campaign, reason: str, provider: str = "", act: str = "resume"):
    data = {"reason": reason, "provider": provider}
    return client.post(f"/campaigns/{campaign.pk}/guard/{act}/", data, follow=True)


def test_a_provider_that_was_stopped_is_told_on_the_monitor_and_goes_on_with_a_reason(
    client: Client, campaign: Campaign, now: datetime
) -> None:
    answered(campaign, "google")
    assert guard.watch(now=now) == 1

    monitor = page(client, campaign, "monitor")
    said = "Stopped early at Gmail: 60 of 100 messages bounced for good (60 %; up to 5 % is let pass)."
    assert said in monitor and "Stopped early</span>" in monitor and "See the answers, and decide" in monitor
    shown = page(client, campaign)
    assert said in shown and "60.0 %" in shown and "60 of 100" in shown and "of 1,000 lists" in shown

    assert go_on(client, campaign, " ", "google").status_code == 422
    assert MailingLane.objects.get(provider="google").state == "held"
    assert b"It goes on." in go_on(client, campaign, "An old test list", "google").content
    assert MailingLane.objects.get(provider="google").state == "open"
    change = MailingChange.objects.filter(kind="resumed").get()
    assert (change.actor, change.reason) == (member("mara", Role.MARKETER), "An old test list")
    assert "An old test list" in page(client, campaign)
    assert b"Nothing was held there any more." in go_on(client, campaign, "Twice", "google").content


def test_a_campaign_that_was_stopped_does_not_go_on_by_the_button_without_a_reason(
    client: Client, campaign: Campaign, now: datetime
) -> None:
    answered(campaign, "google", "yahoo", "microsoft", "gmx")
    assert guard.watch(now=now) == 1
    there = f"/campaigns/{campaign.pk}/guard/"
    assert client.post(f"/campaigns/{campaign.pk}/resume/").headers["Location"] == there
    by_htmx = client.post(f"/campaigns/{campaign.pk}/resume/", headers={"HX-Request": "true"})
    assert by_htmx.headers["HX-Redirect"] == there
    assert Mailing.objects.get().state == "held"
    assert "The whole campaign is held" in page(client, campaign)
    go_on(client, campaign, "The list is what it is")
    assert Mailing.objects.get().state == "running"


def test_a_first_part_is_told_and_the_rest_can_be_let_go(client: Client, campaign: Campaign) -> None:
    MailingLane.objects.filter(provider="google").update(canary=1, release_seq=1, held_back=2)
    monitor = page(client, campaign, "monitor")
    assert "A random 1 of 3 first; the rest follows when their answers are in." in monitor
    assert "1 first, 2 wait." in page(client, campaign)
    assert go_on(client, campaign, "", "google", "rest").status_code == 422
    assert b"The rest is on its way." in go_on(client, campaign, "Breaking news", "google", "rest").content
    lane = MailingLane.objects.get(provider="google")
    assert (lane.release_seq, lane.held_back) == (3, 0)
    assert b"Nobody waits there any more." in go_on(client, campaign, "Again", "google", "rest").content


def test_a_viewer_sees_the_evidence_and_has_no_button(campaign: Campaign, now: datetime) -> None:
    answered(campaign, "google")
    guard.watch(now=now)
    viewer = visitor("vera", Role.VIEWER)
    assert "Stopped early at Gmail" in page(viewer, campaign) and "Go on here" not in page(viewer, campaign)
    assert go_on(viewer, campaign, "Please", "google").status_code == 403
    assert MailingLane.objects.get(provider="google").state == "held"
