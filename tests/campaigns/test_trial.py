from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from audiences.keys import key_of
from audiences.models import Subscriber, Suppression
from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.trial import CannotTest, results_of, send_test, trial_of, was_tested
from reputation.models import RecipientDomain, SendingDomain, Workspace
from sending.models import Delivery, Mailing, MailingMessage
from sending.plan import plan
from tests.campaigns.world import colleague, ready_campaign, write
from tests.sending.engine import point, send
from tests.sending.scripted_receiver import receiving


def send_to(now: datetime, campaign: Campaign, *addresses: str, as_id: int | None = None, key: str = "") -> Mailing:
    return send_test(
        now=now,
        campaign_id=campaign.pk,
        addresses=addresses,
        as_subscriber_id=as_id,
        by=colleague(),
        request_key=key or uuid4().hex,
    )


@pytest.mark.django_db
def test_a_test_is_pressed_for_the_colleague_and_not_for_the_person_it_shows(now: datetime) -> None:
    campaign = ready_campaign(now)
    person = Subscriber.objects.get(email="reader0@gmail.com")

    mailing = send_to(now, campaign, "Jo@Colleagues.example", as_id=person.pk)

    row = Delivery.objects.get(mailing_id=mailing.pk)
    assert (row.to_address, row.domain, row.subscriber_id) == ("jo@colleagues.example", "colleagues.example", person.pk)
    assert row.address_key == key_of("jo@colleagues.example") != person.address_key
    assert mailing.is_test
    assert mailing.total == 1
    assert RecipientDomain.objects.filter(domain="colleagues.example").exists()
    assert str(MailingMessage.objects.get(mailing=mailing).compiled["subject"]).count("[Test] ") == 1


@pytest.mark.django_db
def test_pressing_the_button_twice_is_one_test(now: datetime) -> None:
    campaign = ready_campaign(now)
    first, again = (send_to(now, campaign, "jo@gmail.com", key="a" * 32) for _ in range(2))
    assert first.pk == again.pk
    assert Mailing.objects.filter(is_test=True).count() == 1


@pytest.mark.django_db
def test_thirty_tests_an_hour_and_no_more(now: datetime) -> None:
    campaign = ready_campaign(now)
    for round_ in range(3):
        send_to(now, campaign, *(f"jo{round_}{number}@gmail.com" for number in range(10)))
    with pytest.raises(CannotTest, match="30 tests an hour"):
        send_to(now + timedelta(minutes=59), campaign, "one@gmail.com")
    assert send_to(now + timedelta(minutes=61), campaign, "one@gmail.com").total == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("addresses", "say"),
    [
        ([], "at least one"),
        (["not an address"], "address"),
        ([f"jo{number}@gmail.com" for number in range(11)], "10 addresses at most"),
    ],
)
def test_addresses_that_do_not_do_are_refused_in_a_sentence(now: datetime, addresses: list[str], say: str) -> None:
    with pytest.raises(CannotTest, match=say):
        send_to(now, ready_campaign(now), *addresses)
    assert not Mailing.objects.exists()


@pytest.mark.django_db
def test_what_stops_real_mail_stops_a_test(now: datetime) -> None:
    campaign = ready_campaign(now)
    SendingDomain.objects.update(state="held", state_reason="The DKIM record is gone.")
    with pytest.raises(CannotTest, match="DKIM record is gone"):
        send_to(now, campaign, "jo@gmail.com")
    SendingDomain.objects.update(state="verified")
    Workspace.objects.update(sending_stopped_at=now)
    with pytest.raises(CannotTest, match="All sending is stopped"):
        send_to(now, campaign, "jo@gmail.com")
    Workspace.objects.update(sending_stopped_at=None)
    write(now, campaign, letter="{{ contact.frist_name }}")
    with pytest.raises(CannotTest, match="frist_name"):
        send_to(now, campaign, "jo@gmail.com")


@pytest.mark.django_db
def test_a_test_is_no_part_of_the_campaign(now: datetime) -> None:
    campaign = ready_campaign(now)
    mailing = send_to(now, campaign, "jo@gmail.com")
    other = ready_campaign(now, name="Another")
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)

    real = launch(now=now, campaign_id=campaign.pk)

    assert real is not None
    assert real.pk != mailing.pk
    assert real.total == 12
    assert trial_of(mailing_id=mailing.pk, campaign_id=campaign.pk) == mailing
    assert trial_of(mailing_id=mailing.pk, campaign_id=other.pk) is None
    assert trial_of(mailing_id=real.pk, campaign_id=campaign.pk) is None
    assert not was_tested(campaign)


@pytest.mark.usefixtures("engine")
def test_a_test_goes_the_real_way_though_the_person_it_shows_is_suppressed(now: datetime, settings) -> None:
    campaign = ready_campaign(now)
    person = Subscriber.objects.get(email="reader0@gmail.com")
    Suppression.objects.create(address_key=person.address_key, scope="*", reason="bounced", created_at=now)
    # The colleague left the newsletter, and may still look at it.
    Suppression.objects.create(
        address_key=key_of("jo@yahoo.com"), scope="stream:marketing", reason="unsubscribed", created_at=now
    )
    point("yahoo.com", "127.0.0.1")
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        mailing = send_to(now, campaign, "jo@yahoo.com", as_id=person.pk)
        assert [row.final for row in results_of(mailing)] == [False]
        transmit_all(now, mailing)

    assert list(receiver.accepted) == ["jo@yahoo.com"]
    (result,) = results_of(mailing)
    assert (result.tone, result.sentence, result.final) == ("ok", "Accepted by yahoo.com.", True)
    assert was_tested(campaign)


@pytest.mark.usefixtures("engine")
def test_a_test_written_as_nobody_uses_every_fallback(now: datetime, settings) -> None:
    campaign = ready_campaign(now)
    point("yahoo.com", "127.0.0.1")
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        transmit_all(now, send_to(now, campaign, "jo@yahoo.com"))
    assert list(receiver.accepted) == ["jo@yahoo.com"]


@pytest.mark.usefixtures("engine")
def test_a_colleague_who_complained_is_left_alone(now: datetime, settings) -> None:
    campaign = ready_campaign(now)
    Suppression.objects.create(address_key=key_of("jo@yahoo.com"), scope="*", reason="complained", created_at=now)
    point("yahoo.com", "127.0.0.1")
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        mailing = send_to(now, campaign, "jo@yahoo.com")
        transmit_all(now, mailing)
    assert not receiver.accepted
    assert results_of(mailing)[0].sentence.startswith("Suppressed")


def transmit_all(now: datetime, mailing: Mailing) -> None:
    assert plan(now=now) >= 1
    assert send(list(mailing.batches.exclude(state="done")), now=now) == []


@pytest.mark.django_db
def test_a_domain_that_does_not_exist_is_told_and_not_waited_for(now: datetime) -> None:
    mailing = send_to(now, ready_campaign(now), "jo@gmial.example")
    assert "Looking up" in results_of(mailing)[0].sentence
    RecipientDomain.objects.filter(domain="gmial.example").update(state="not_found")
    assert "does not exist" in results_of(mailing)[0].sentence
