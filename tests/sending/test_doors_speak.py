"""Recipients' pages speak the person's language, and let them pause."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audiences import pause, suppress
from audiences.models import MailingList, Subscriber, Subscription, Suppression
from reputation.models import Workspace
from sending.models import Mailing
from sending.pure import tokens
from tests.cast import newsletter, people, pressed
from tests.sending.test_doors import leave, person, state_of, token

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    people(3, on=newsletter())
    return pressed(now, newsletter())


@pytest.fixture
def outside() -> Client:
    return Client(enforce_csrf_checks=True)


def choices(of: Mailing) -> str:
    return f"/p/{token('preferences', tokens.Preferences(person(of).pk))}"


def page(client: Client, where: str, browser: str = "") -> str:
    return client.get(where, headers={"Accept-Language": browser} if browser else {}).content.decode()


@pytest.mark.parametrize(
    ("own", "of_list", "browser", "expected"),
    [
        ("pl", "de", "fr", "pl"),
        ("", "de", "fr", "de"),
        ("pt-PT", "de", "", "pt-br"),
        ("de_AT", "en", "", "de"),
        ("zh-CN", "en", "", "zh-hans"),
        ("tlh", "en", "fr", "fr"),
        ("", "tlh", "ja,en;q=0.5", "ja"),
        ("", "tlh", "tlh", "en"),
    ],
)
def test_the_page_speaks_the_persons_the_lists_or_the_browsers_language(
    outside: Client, mailing: Mailing, own: str, of_list: str, browser: str, expected: str
) -> None:
    Subscriber.objects.update(language=own)
    MailingList.objects.update(language=of_list)

    assert f'<html lang="{expected}"' in page(outside, leave(mailing), browser)
    assert f'<html lang="{expected}"' in page(outside, choices(mailing), browser)


def test_where_nobody_says_anything_it_is_the_workspaces(outside: Client, mailing: Mailing) -> None:
    Workspace.objects.update_or_create(pk=1, defaults={"name": "Libri", "language": "it"})
    MailingList.objects.update(language="tlh")

    assert "Sì, annulla l’iscrizione" in page(outside, leave(mailing))


def test_right_to_left_languages_turn_the_page_and_not_the_address(outside: Client, mailing: Mailing) -> None:
    Subscriber.objects.update(language="ar")

    shown = page(outside, leave(mailing))

    assert '<html lang="ar" dir="rtl">' in shown
    assert '<b dir="ltr">' in shown
    assert "نعم، ألغوا اشتراكي" in shown


def test_a_broken_link_speaks_the_browsers_language(outside: Client) -> None:
    assert "unvollständig" in page(outside, "/u/broken", "de")


def test_the_language_chosen_is_kept_and_answers_at_once(outside: Client, mailing: Mailing) -> None:
    answer = outside.post(choices(mailing), {"save": "1", "list": str(newsletter().pk), "language": "pl"})

    assert "Zapisano." in answer.content.decode()
    assert '<option value="pl" lang="pl" selected>' in answer.content.decode()
    assert person(mailing).language == "pl"
    assert state_of(person(mailing)) == "subscribed"


def test_saving_topics_alone_chooses_no_language(outside: Client, mailing: Mailing) -> None:
    answer = outside.post(choices(mailing), {"save": "1", "list": str(newsletter().pk), "language": "en"})

    assert "Nothing was changed." in answer.content.decode()
    assert person(mailing).language == ""


@pytest.mark.parametrize("language", ["klingon", "", "../etc", "x" * 500])
def test_a_language_nobody_offered_changes_nothing(outside: Client, mailing: Mailing, language: str) -> None:
    answer = outside.post(choices(mailing), {"save": "1", "list": str(newsletter().pk), "language": language})

    assert answer.status_code == 200
    assert person(mailing).language == ""


def test_a_pause_stops_marketing_for_thirty_days_and_keeps_the_lists(outside: Client, mailing: Mailing) -> None:
    shown = outside.post(leave(mailing), {"pause": "1"}).content.decode()

    row = Suppression.objects.get()
    assert (row.scope, row.reason) == ("stream:marketing", "paused")
    assert row.until is not None and timedelta(days=29) < row.until - timezone.now() < timedelta(days=31)
    assert state_of(person(mailing)) == "subscribed"
    assert "Paused" in shown


def test_the_page_of_choices_tells_of_the_pause_and_ends_it(outside: Client, mailing: Mailing) -> None:
    outside.post(choices(mailing), {"pause": "1"})
    assert "Everything is paused until" in page(outside, choices(mailing))

    outside.post(choices(mailing), {"go_on": "1"})

    assert not Suppression.objects.exists()
    assert "Everything is paused until" not in page(outside, choices(mailing))


def test_a_pause_in_a_test_letter_is_inert(outside: Client, mailing: Mailing) -> None:
    outside.post(leave(mailing, test=True), {"pause": "1"})

    assert not Suppression.objects.exists()


@pytest.mark.parametrize("pressed", [{"confirm": "1"}, {"List-Unsubscribe": "One-Click"}, {"all": "1"}])
def test_leaving_by_a_test_letter_says_that_it_was_a_test_and_changes_nothing(
    outside: Client, mailing: Mailing, pressed: dict[str, str]
) -> None:
    answer = outside.post(leave(mailing, test=True), pressed)

    assert answer.status_code == 200
    assert "List-Unsubscribe" in pressed or "This was a test" in answer.content.decode()
    assert not Suppression.objects.exists()
    assert not Subscription.objects.filter(state="unsubscribed").exists()


def test_pauses_end_by_themselves_and_nothing_else_does(mailing: Mailing, now: datetime) -> None:
    first, second, third = Subscriber.objects.order_by("pk")
    pause.pause(now=now, subscriber_id=first.pk, source="page")
    pause.pause(now=now + DAY, subscriber_id=second.pk, source="page")
    suppress.suppress(now=now, address_key=third.address_key, scope="*", reason="bounced", source="x")

    assert pause.end_pauses(now=now + pause.PAUSE) == 1
    assert set(Suppression.objects.values_list("address_key", flat=True)) == {second.address_key, third.address_key}


def test_leaving_for_good_during_a_pause_does_not_end_with_it(outside: Client, mailing: Mailing, now: datetime) -> None:
    outside.post(leave(mailing), {"pause": "1"})

    outside.post(leave(mailing), {"all": "1"})

    assert pause.end_pauses(now=timezone.now() + pause.PAUSE + DAY) == 0
    assert Suppression.objects.get(scope="stream:marketing").reason == "unsubscribed"


def test_who_left_cannot_pause_what_has_ended(outside: Client, mailing: Mailing) -> None:
    outside.post(leave(mailing), {"all": "1"})

    shown = outside.post(leave(mailing), {"pause": "1"}).content.decode()

    assert "You get nothing from us as it is." in shown
    assert Suppression.objects.get(scope="stream:marketing").reason == "unsubscribed"


def test_an_admin_cannot_end_somebodys_pause(mailing: Mailing, now: datetime) -> None:
    someone = person(mailing)
    pause.pause(now=now, subscriber_id=someone.pk, source="page")

    with pytest.raises(suppress.CannotLift, match="pause"):
        suppress.lift(
            now=now, address_key=someone.address_key, scope="stream:marketing", actor="Mara", reason="They called"
        )
