import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection

from audiences.models import Subscriber, Subscription, Suppression
from campaigns import letters
from campaigns.content import NotADraft, save_letter
from campaigns.launch import NotReady, launch
from campaigns.models import Campaign
from campaigns.schedule import promote_due, schedule
from sending.models import Delivery, Excluded, Mailing, MailingMessage
from tests.campaigns.world import ready_campaign, write
from tests.cast import newsletter, people


def scheduled(now: datetime, **fields) -> Campaign:
    campaign = ready_campaign(now, **fields)
    schedule(now=now, campaign_id=campaign.pk, by=None)
    return campaign


@pytest.mark.django_db
def test_excluded_reasons_and_deliveries_add_up_to_the_audience(now: datetime) -> None:
    campaign = ready_campaign(now, readers=0)
    readers, partners = newsletter(), newsletter("Partners")
    people(30, on=readers)
    people(5, on=readers, prefix="partner")
    rows = list(Subscription.objects.filter(list=readers).order_by("pk"))
    Subscription.objects.filter(pk__in=[row.pk for row in rows[:4]]).update(state="unsubscribed")
    Subscription.objects.filter(pk__in=[row.pk for row in rows[4:7]]).update(state="unconfirmed")
    for person in Subscriber.objects.filter(pk__in=[row.subscriber_id for row in rows[7:9]]):
        Suppression.objects.create(address_key=person.address_key, reason="bounced", created_at=now)
    for person in Subscriber.objects.filter(email__startswith="partner"):
        Subscription.objects.create(subscriber=person, list=partners, state="subscribed", since=now)
    campaign.excluded_lists.set([partners])
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)

    mailing = launch(now=now, campaign_id=campaign.pk)

    assert mailing is not None
    found = dict.fromkeys(Excluded.objects.values_list("reason", flat=True), 0)
    for reason in Excluded.objects.values_list("reason", flat=True):
        found[reason] += 1
    assert found == {"unsubscribed": 4, "unconfirmed": 3, "suppressed": 2, "excluded_list": 5}
    assert (mailing.total, mailing.n_excluded) == (21, 14)
    assert Delivery.objects.filter(mailing_id=mailing.pk).count() + mailing.n_excluded == 35


@pytest.mark.django_db
def test_the_letter_is_frozen_with_the_mailing(now: datetime) -> None:
    campaign = scheduled(now)
    mailing = launch(now=now, campaign_id=campaign.pk)
    before = MailingMessage.objects.get(mailing=mailing).compiled

    with pytest.raises(NotADraft):
        save_letter(
            now=now, campaign_id=campaign.pk, based_on=1, subject="Other", preheader="", letter="Other", by=None
        )
    assert MailingMessage.objects.get(mailing=mailing).compiled == before
    assert "Other" not in str(before)


@pytest.mark.django_db
def test_a_letter_edited_after_it_was_read_is_not_launched(now: datetime, monkeypatch) -> None:
    campaign = scheduled(now)
    compiled = letters.compiled

    def edit_meanwhile(found, content, **more):
        message = compiled(found, content, **more)
        Campaign.objects.filter(pk=found.pk).update(rev=found.rev + 1)
        return message

    monkeypatch.setattr(letters, "compiled", edit_meanwhile)
    # Preflight compiles as well: only the launch's own reading counts here.
    monkeypatch.setattr("campaigns.launch.must_fix", lambda **_: [])
    assert launch(now=now, campaign_id=campaign.pk) is None
    assert not Mailing.objects.exists()


@pytest.mark.django_db
def test_a_draft_is_not_launched_and_a_broken_one_says_why(now: datetime) -> None:
    campaign = ready_campaign(now)
    assert launch(now=now, campaign_id=campaign.pk) is None
    write(now, campaign, letter="Dear {{ contact.frist_name }}, hello there.")
    with pytest.raises(NotReady, match="frist_name"):
        launch(now=now, campaign_id=campaign.pk)


@pytest.mark.django_db
def test_the_speed_and_the_scopes_go_with_it(now: datetime) -> None:
    campaign = scheduled(now, per_hour=500)
    mailing = launch(now=now, campaign_id=campaign.pk)
    assert mailing is not None
    assert (mailing.per_hour, mailing.scopes) == (500, ["*", "stream:marketing"])
    assert mailing.included_lists == [newsletter().pk]


@pytest.mark.usefixtures("engine")
def test_two_at_once_launch_exactly_once(now: datetime) -> None:
    campaign = scheduled(now)
    due, ready = now + timedelta(seconds=30), threading.Barrier(2)
    results: list[int] = []

    def promote() -> None:
        ready.wait(10)
        try:
            results.append(promote_due(now=due))
        finally:
            connection.close()

    threads = [threading.Thread(target=promote) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(results) == [0, 1]
    mailing = Mailing.objects.get()
    assert Delivery.objects.filter(mailing_id=mailing.pk).count() == mailing.total == 12
    assert Campaign.objects.get(pk=campaign.pk).mailing_id == mailing.pk
