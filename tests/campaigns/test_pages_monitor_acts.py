"""What the monitor says of what people did to a campaign under way."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.launch import launch
from campaigns.models import Campaign
from sending.models import Batch, Mailing
from tests.campaigns.world import ready_campaign
from tests.cast import direct_route
from tests.visitors import colleague

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    return colleague()


@pytest.fixture
def running() -> Campaign:
    """Views read the real clock, so what they judge is made now."""
    now = timezone.now()
    campaign = ready_campaign(now)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    assert launch(now=now, campaign_id=campaign.pk) is not None
    campaign.refresh_from_db()
    return campaign


def page(client: Client, campaign: Campaign, name: str = "monitor", **query: str) -> str:
    return " ".join(client.get(f"/campaigns/{campaign.pk}/{name}/", query).content.decode().split())


def act(client: Client, campaign: Campaign, name: str, **data: str) -> None:
    assert client.post(f"/campaigns/{campaign.pk}/{name}/", data).status_code == 302


def connected(campaign: Campaign, n: int) -> None:
    """So many connections have a message in hand."""
    mailing = Mailing.objects.get(pk=campaign.mailing_id or 0)
    common: dict[str, Any] = {"route": direct_route(), "provider": "google", "kind": "fresh", "gap": 1.0}
    for place in range(n):
        Batch.objects.create(
            mailing=mailing, state="running", lo=1000 + place, hi=1000 + place, due_at=mailing.launched_at,
            deadline=mailing.launched_at, **common,
        )  # fmt: skip


def test_the_log_tells_pause_go_on_stop_and_changes_of_speed_with_who_did_it(client, running) -> None:
    act(client, running, "pause")
    act(client, running, "resume")
    act(client, running, "lane-pause", provider="google")
    act(client, running, "lane-resume", provider="google")
    act(client, running, "speed", per_hour="1200")
    act(client, running, "stop")

    told = page(client, running, "pace")
    for words in ("Colleague: paused.", "Colleague: went on.", "Colleague: paused at Gmail.",
                  "Colleague: went on at Gmail.", "Colleague: changed the speed: at most 1,200 an hour.",
                  "Colleague: stopped."):  # fmt: skip
        assert words in told


def test_a_pause_is_shown_as_pausing_and_then_as_paused_with_what_was_in_flight_finished(client, running) -> None:
    assert "in the air" not in page(client, running)
    connected(running, 3)
    assert "up to 3 in the air" in page(client, running)

    act(client, running, "pause")
    assert "<strong>Pausing…</strong> 3 connections finish the message under way." in page(client, running)
    Batch.objects.update(state="done")
    assert "<strong>Paused.</strong> 3 under way were finished. Nothing leaves" in page(client, running)


def test_a_pause_while_nothing_is_in_flight_says_just_paused(client, running) -> None:
    act(client, running, "pause")
    assert "<strong>Paused.</strong> Nothing leaves until somebody goes on." in page(client, running)


def test_screen_readers_are_told_at_each_tenth_and_not_at_each_poll(client, running) -> None:
    def announced(seen: int) -> str:
        there = f"/campaigns/{running.pk}/progress/"
        return str(client.get(there, {"seen": str(seen)}, headers=HTMX).headers.get("HX-Trigger", ""))

    connected(running, 1)
    assert not announced(0)
    Batch.objects.update(n_accepted=4)  # 33 % of twelve
    assert "33 % have a final state" in announced(29)
    assert not announced(30) and not announced(33)
