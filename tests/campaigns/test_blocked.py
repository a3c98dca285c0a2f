"""What the pages offer where receivers refused people because of us."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.launch import launch
from campaigns.models import Campaign
from config.roles import Role
from reputation.budgets import budgets_for
from reputation.models import Budget, SendingDomain
from sending.models import Delivery, Mailing, MailingChange, Outcome, Reply, Requeue
from tests.campaigns.test_report import count
from tests.campaigns.world import ready_campaign
from tests.visitors import member, visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """Pages read the real clock."""
    return timezone.now()


@pytest.fixture
def campaign(now: datetime) -> Campaign:
    """Twelve people; two at Gmail were refused for our reputation."""
    campaign = ready_campaign(now)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    mailing = launch(now=now, campaign_id=campaign.pk)
    assert mailing is not None
    campaign.refresh_from_db()
    reply = Reply.objects.create(
        digest="00000000-0000-4000-8000-000000000002",
        provider="google",
        code=550,
        enhanced="5.7.1",
        text="very low reputation of the sending IP",
        reply_class="reputation",
        first_seen_at=now,
    )
    for row in Delivery.objects.filter(mailing_id=mailing.pk, provider="google").order_by("id")[:2]:
        Outcome.objects.create(
            mailing_id=mailing.pk, delivery=row.id, attempt=1, kind="blocked", reply_id=reply.pk,
            provider="google", at=now,
        )  # fmt: skip
        count(row, "blocked")
    return campaign


@pytest.fixture
def client() -> Client:
    return visitor("mara", Role.MARKETER)


def problems(client: Client, campaign: Campaign) -> str:
    return client.get(f"/campaigns/{campaign.pk}/problems/").content.decode()


def resend(client: Client, campaign: Campaign, provider: str = "google"):
    return client.post(f"/campaigns/{campaign.pk}/resend-blocked/", {"provider": provider}, follow=True)


def hold(now: datetime, until: timedelta) -> None:
    [budget] = budgets_for(now=now, kind_scopes=[("ip", "127.0.1.1")], provider="google")
    Budget.objects.filter(pk=budget.pk).update(
        state="held", state_until=now + until, state_reason="Gmail refuses our mail; next try 16:02"
    )


def test_whom_we_tried_for_too_long_is_named_and_tried_again_apart_from_the_blocked(
    client: Client, campaign: Campaign, now: datetime
) -> None:
    mailing = Mailing.objects.get()
    row = Delivery.objects.filter(mailing_id=mailing.pk, provider="google").order_by("id")[2]
    full = Reply.objects.create(
        digest="00000000-0000-4000-8000-000000000003", provider="google", code=452, enhanced="4.2.2",
        text="mailbox full", reply_class="full", first_seen_at=now,
    )  # fmt: skip
    Outcome.objects.create(
        mailing_id=mailing.pk, delivery=row.id, attempt=1, kind="bounced_soft", reply_id=full.pk,
        provider="google", at=now,
    )  # fmt: skip
    count(row, "bounced_soft")
    assert "1 person at Gmail was not reached in time." in problems(client, campaign)

    where = f"/campaigns/{campaign.pk}/resend-blocked/"
    answer = client.post(where, {"provider": "google", "expired": "1"}, follow=True)

    assert b"1 is back in the queue." in answer.content
    assert Requeue.objects.get().delivery == row.id
    assert "in time" not in problems(client, campaign) and "2 people at Gmail" in problems(client, campaign)
    again = client.post(where, {"provider": "google", "expired": "1"}, follow=True)
    assert b"Nobody is left to be tried again there." in again.content


def test_one_click_puts_them_back_and_says_how_many(client: Client, campaign: Campaign) -> None:
    for page in (problems(client, campaign), client.get(f"/campaigns/{campaign.pk}/report/").content.decode()):
        assert "2 people at Gmail did not get it because of us" in page and "Send to them again" in page
    assert b"2 are back in the queue." in resend(client, campaign).content
    assert Requeue.objects.filter(reason="resend").count() == 2
    assert MailingChange.objects.get().actor == member("mara", Role.MARKETER)
    assert "because of us" not in problems(client, campaign)
    assert b"Nobody is blocked there any more." in resend(client, campaign).content


def test_before_the_receiver_has_recovered_it_is_not_offered_and_not_done(
    client: Client, campaign: Campaign, now: datetime
) -> None:
    hold(now, timedelta(hours=2))
    page = problems(client, campaign)
    assert "once this is over: Gmail refuses our mail; next try 16:02." in page and "Send to them again" not in page
    assert b"Not yet: Gmail refuses our mail" in resend(client, campaign).content
    assert not Requeue.objects.exists()


def test_while_the_domain_may_not_send_it_is_not_offered(client: Client, campaign: Campaign) -> None:
    SendingDomain.objects.update(state="held", state_reason="SPF fails")
    assert "Send to them again" not in problems(client, campaign)
    resend(client, campaign)
    assert not Requeue.objects.exists()


def test_a_viewer_sees_it_and_may_not(campaign: Campaign) -> None:
    viewer = visitor("vera", Role.VIEWER)
    page = problems(viewer, campaign)
    assert "because of us" in page and "Send to them again" not in page
    assert resend(viewer, campaign).status_code == 403


def test_another_providers_name_does_nothing(client: Client, campaign: Campaign) -> None:
    resend(client, campaign, "yahoo")
    assert not Requeue.objects.exists() and Mailing.objects.get().state == "running"
