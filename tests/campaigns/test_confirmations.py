from datetime import datetime, timedelta

import pytest

from audiences import consent
from audiences.models import MailingList, Subscriber, Subscription, Suppression
from campaigns.compile import preview
from campaigns.confirmations import send_confirmations
from reputation.models import RecipientDomain, SendingDomain
from sending.models import Delivery, Excluded, Mailing, MailingMessage
from sending.pure.compose import RecipientContext, SystemValues
from sending.pure.message import CompiledMessage
from tests.cast import direct_route, domains_known, newsletter, pool_of, shop, verified_domain

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house() -> None:
    shop()
    domains_known()
    verified_domain()
    pool_of(direct_route())


def ask(now: datetime, email: str = "ada@gmail.com", name: str = "Letters") -> None:
    wanted = newsletter(name, opt_in="double")
    consent.subscribe(now=now, email=email, list_id=wanted.pk, source="form")


def test_whoever_asks_gets_one_transactional_mail(now: datetime) -> None:
    ask(now)
    ask(now, "bo@yahoo.com")

    assert send_confirmations(now=now) == 2

    mailing = Mailing.objects.get()
    assert (mailing.stream, mailing.is_open, mailing.total) == ("transactional", True, 2)
    assert set(Delivery.objects.filter(mailing_id=mailing.pk).values_list("provider", flat=True)) == {"google", "yahoo"}
    assert not Subscription.objects.filter(confirmation_queued_at=None).exists()


def test_the_mail_leads_to_where_the_person_confirms_and_tracks_nothing(now: datetime) -> None:
    ask(now)
    send_confirmations(now=now)

    message = CompiledMessage.from_json(MailingMessage.objects.get().compiled)

    assert "confirm_url" in str(message.body)
    assert not message.track_clicks
    assert not message.track_opens
    assert message.stream == "transactional"


@pytest.mark.parametrize(
    ("language", "subject", "button"),
    [("ar", "بقيت نقرة واحدة: Letters", "نعم، أريد الاشتراك"), ("de_AT", "Nur noch ein Klick: Letters", "Ja, ich")],
)
def test_the_mail_speaks_the_lists_language(now: datetime, language: str, subject: str, button: str) -> None:
    MailingList.objects.filter(pk=newsletter("Letters", opt_in="double").pk).update(language=language)
    ask(now)
    send_confirmations(now=now)

    message = CompiledMessage.from_json(MailingMessage.objects.get().compiled)
    ada = RecipientContext(email="ada@gmail.com", fields={"confirm_url": "https://news.example/c/1"})
    values = SystemValues(message_id="<1@news.example>", date=now, links=message.links)
    copy = preview(message, recipient=ada, system=values)

    assert copy.subject == subject
    assert button in copy.html
    assert f'lang="{language[:2]}"' in copy.html


def test_asking_again_and_again_on_one_day_is_one_mail(now: datetime) -> None:
    ask(now)
    send_confirmations(now=now)
    Subscription.objects.update(confirmation_queued_at=None)

    send_confirmations(now=now + timedelta(hours=1))

    assert Mailing.objects.get().total == 1


def test_a_new_day_has_a_new_mailing_and_closes_the_old_one(now: datetime) -> None:
    ask(now)
    send_confirmations(now=now)
    ask(now + timedelta(days=1), "bo@yahoo.com")

    send_confirmations(now=now + timedelta(days=1))

    assert sorted(Mailing.objects.values_list("is_open", flat=True)) == [False, True]


def test_lists_have_mailings_of_their_own(now: datetime) -> None:
    ask(now)
    ask(now, name="Offers")

    assert send_confirmations(now=now) == 2
    assert Mailing.objects.count() == 2


def test_somebody_who_left_everything_may_come_back(now: datetime) -> None:
    ask(now)
    person = Subscriber.objects.get()
    consent.unsubscribe(now=now, subscriber_id=person.pk, stream_too=True, source="page")
    later = now + timedelta(days=2)

    ask(later)
    send_confirmations(now=later)

    mailing = Mailing.objects.get()
    scopes = [*mailing.scopes, *(f"list:{via}" for via in mailing.included_lists if mailing.stream == "marketing")]
    assert not Suppression.objects.filter(address_key=person.address_key, scope__in=scopes).exists()


def test_somebody_who_complained_is_not_asked(now: datetime) -> None:
    ask(now)
    person = Subscriber.objects.get()
    Suppression.objects.create(
        address_key=person.address_key, scope="*", reason="complained", created_at=now, source="report"
    )

    assert send_confirmations(now=now) == 0


def test_without_a_verified_domain_they_wait(now: datetime) -> None:
    SendingDomain.objects.update(state="new")
    ask(now)

    assert send_confirmations(now=now) == 0
    assert Subscription.objects.filter(confirmation_queued_at=None).count() == 1


def test_a_quiet_lists_mailing_of_yesterday_is_closed_as_well(now: datetime) -> None:
    ask(now)
    send_confirmations(now=now)

    assert send_confirmations(now=now + timedelta(days=1)) == 0

    assert not Mailing.objects.get().is_open


@pytest.mark.parametrize("change", [{"is_open": False}, {"state": "paused"}, {"state": "stopped"}])
def test_while_the_days_mailing_takes_nobody_who_asks_waits(now: datetime, change: dict[str, object]) -> None:
    ask(now)
    send_confirmations(now=now)
    Mailing.objects.update(**change)
    ask(now, "bo@yahoo.com")

    assert send_confirmations(now=now) == 0

    assert Mailing.objects.get().total == 1
    assert Subscription.objects.get(confirmation_queued_at=None).subscriber.email == "bo@yahoo.com"


def test_whose_domain_takes_no_mail_is_on_record_as_left_out(now: datetime) -> None:
    RecipientDomain.objects.filter(domain="yahoo.com").update(state="no_mail", bad_since=now - timedelta(days=2))
    ask(now)
    ask(now, "bo@yahoo.com")

    send_confirmations(now=now)

    assert (Mailing.objects.get().total, Mailing.objects.get().n_excluded) == (1, 1)
    assert Excluded.objects.get().reason == "no_mail_domain"

    RecipientDomain.objects.update(state="ok", bad_since=None)
    Subscription.objects.update(confirmation_queued_at=None)
    send_confirmations(now=now + timedelta(minutes=1))
    assert (Mailing.objects.get().total, Mailing.objects.get().n_excluded) == (2, 0)
