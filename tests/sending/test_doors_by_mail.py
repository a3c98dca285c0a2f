"""What recipients ask our pages to mail them: a link to their choices, another address, their data, erasure."""

import csv
import json
import re
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.utils import timezone, translation

from audiences import suppress
from audiences.keys import key_of
from audiences.models import ConsentEvent, Subscriber, Suppression
from sending.doors import mailing_links
from sending.models import AskedMail, Mailing
from sending.pure import tokens
from tests.audiences.cast import make_list, reader, states
from tests.cast import people, pressed, shop
from tests.sending.engine import letter
from tests.sending.test_doors import token

pytestmark = pytest.mark.django_db

JANE = "jane@x.example"


@pytest.fixture
def jane(now: datetime) -> Subscriber:
    shop()
    reader(JANE, make_list())
    return Subscriber.objects.get()


@pytest.fixture
def outside() -> Client:
    return Client(enforce_csrf_checks=True)


def preferences(of: Subscriber) -> str:
    return f"/p/{token('preferences', tokens.Preferences(of.pk))}"


def privacy(of: Subscriber) -> str:
    return f"/privacy/{token('privacy', tokens.Privacy(of.pk))}"


def delivered() -> list[mail.EmailMessage]:
    """Mail what is due, and all that was mailed so far."""
    mailing_links.mail_due(now=timezone.now() + timedelta(seconds=1))
    return mail.outbox


def link_in(message: mail.EmailMessage) -> str:
    found = re.search(rf"{re.escape(settings.PUBLIC_URL)}(/\S+)", message.message().get_content())
    assert found
    return found[1]


def test_an_unknown_or_damaged_token_page_has_a_form_that_mails_a_link(outside: Client, jane: Subscriber) -> None:
    page = outside.get(f"/u/{'A' * 40}").content.decode()
    assert 'action="/my-letters"' in page
    assert 'name="email"' in page

    answer = outside.post("/my-letters", {"email": " Jane <JANE@x.example>"})

    assert answer.status_code == 200
    assert not answer.cookies
    [message] = delivered()
    assert message.to == [JANE]
    assert outside.get(link_in(message)).status_code == 200
    assert link_in(message) == preferences(jane)


def test_whether_an_address_is_known_is_never_told(outside: Client, jane: Subscriber) -> None:
    known = outside.post("/my-letters", {"email": JANE})
    unknown = outside.post("/my-letters", {"email": "nobody@x.example"})

    assert known.content == unknown.content
    assert [message.to for message in delivered()] == [[JANE]]
    assert not AskedMail.objects.exclude(due_at=None).exists()
    assert not AskedMail.objects.filter(email__gt="").exists(), "what a stranger typed is kept as a key only"


def test_what_is_no_address_is_told_in_words(outside: Client, jane: Subscriber) -> None:
    answer = outside.post("/my-letters", {"email": "jane at x"})

    assert answer.status_code == 422
    assert "This is not an e-mail address." in answer.content.decode()
    assert not AskedMail.objects.exists()


def test_asking_again_and_again_mails_once(outside: Client, jane: Subscriber) -> None:
    first = outside.post("/my-letters", {"email": JANE})
    again = outside.post("/my-letters", {"email": JANE})

    assert first.content == again.content
    assert len(delivered()) == 1


def test_one_place_asks_for_twenty_links_an_hour_at_most(outside: Client, jane: Subscriber) -> None:
    for number in range(25):
        outside.post("/my-letters", {"email": f"somebody{number}@x.example"})

    assert AskedMail.objects.count() == 20


def test_who_left_gets_the_link_and_who_complained_does_not(outside: Client, jane: Subscriber, now: datetime) -> None:
    other = reader("joe@x.example")
    suppress.suppress(now=now, address_key=other.address_key, scope="*", reason="complained", source="test")
    suppress.suppress(now=now, address_key=jane.address_key, scope="*", reason="unsubscribed", source="test")
    for address in (JANE, other.email):
        outside.post("/my-letters", {"email": address})

    assert [message.to for message in delivered()] == [[JANE]]


def test_the_mail_speaks_the_language_of_the_page(outside: Client, jane: Subscriber) -> None:
    outside.post("/my-letters", {"email": JANE}, headers={"Accept-Language": "de"})

    [message] = delivered()
    with translation.override("de"):
        assert translation.gettext("If it was not you, do nothing.") in message.message().get_content()


def test_a_mail_that_cannot_be_handed_over_is_tried_again_for_half_an_hour(
    outside: Client, jane: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside.post("/my-letters", {"email": JANE})
    with monkeypatch.context() as away:
        away.setattr(mailing_links, "hand_over", _refuse)
        assert delivered() == []
    later = timezone.now() + timedelta(minutes=5)

    assert mailing_links.mail_due(now=later) == 1
    assert mailing_links.mail_due(now=later + timedelta(minutes=5)) == 0


def _refuse(**_: object) -> None:
    raise OSError("away")


def test_an_address_is_changed_by_a_link_mailed_to_the_new_one(outside: Client, jane: Subscriber) -> None:
    said = outside.post(preferences(jane), {"address": "jane@new.example"}).content.decode()
    assert "Look into the mailbox of the new address" in said
    jane.refresh_from_db()
    assert jane.email == JANE
    [message] = delivered()
    assert message.to == ["jane@new.example"]

    page = outside.get(link_in(message)).content.decode()
    jane.refresh_from_db()
    assert jane.email == JANE, "reading the link changes nothing"
    assert "jane@new.example" in page
    assert JANE not in page
    done = outside.post(link_in(message), {"confirm": "1"}).content.decode()

    jane.refresh_from_db()
    assert jane.email == "jane@new.example"
    assert "Letters come to jane@new.example from now on." in done
    assert states(jane) == {"News": "subscribed"}
    assert outside.post(link_in(message), {"confirm": "1"}).status_code == 200


def test_an_address_of_somebody_else_is_not_taken(outside: Client, jane: Subscriber) -> None:
    reader("joe@x.example")
    outside.post(preferences(jane), {"address": "joe@x.example"})
    [message] = delivered()

    assert outside.post(link_in(message), {"confirm": "1"}).status_code == 409
    jane.refresh_from_db()
    assert jane.email == JANE


def test_a_link_to_a_new_address_is_good_for_a_day(outside: Client, jane: Subscriber) -> None:
    outside.post(preferences(jane), {"address": "jane@new.example"})
    [message] = delivered()
    AskedMail.objects.update(asked_at=timezone.now() - timedelta(hours=25))

    assert outside.get(link_in(message)).status_code == 410
    assert outside.post(link_in(message), {"confirm": "1"}).status_code == 410
    jane.refresh_from_db()
    assert jane.email == JANE


def test_export_comes_behind_a_mailed_link_good_for_half_an_hour(outside: Client, jane: Subscriber) -> None:
    said = outside.post(privacy(jane), {"export": "1"}).content.decode()
    assert JANE not in said
    [message] = delivered()
    assert message.to == [JANE]

    data = json.loads(outside.post(link_in(message), {"export": "1"}).content)
    assert data["email"] == JANE and {"consent", "suppressions", "changes", "notes"} <= data.keys()
    table = outside.post(link_in(message), {"export": "csv"})
    assert table["Content-Type"] == "text/csv; charset=utf-8" and "my-data.csv" in table["Content-Disposition"]
    rows = dict(csv.reader(table.content.decode().splitlines()))
    assert rows["email"] == JANE and rows["lists 1 name"] == data["lists"][0]["name"]
    assert len(rows) > len(data)
    AskedMail.objects.update(asked_at=timezone.now() - timedelta(minutes=31))
    assert outside.post(link_in(message), {"export": "1"}).status_code == 410


def test_erasing_takes_a_mailed_link_and_leaves_a_keyed_hash_only(outside: Client, jane: Subscriber) -> None:
    outside.post(privacy(jane), {"erase": "1"})
    assert Subscriber.objects.filter(pk=jane.pk).exists(), "whoever was handed the letter on erases nobody"
    [message] = delivered()
    assert outside.get(link_in(message)).status_code == 200
    assert Subscriber.objects.filter(pk=jane.pk).exists(), "reading the link changes nothing"

    for _ in range(2):
        assert outside.post(link_in(message), {"erase": "1"}).status_code == 200

    assert not Subscriber.objects.filter(pk=jane.pk).exists()
    assert Suppression.objects.filter(address_key=key_of(JANE), reason="erased").exists()


def test_what_was_asked_is_forgotten_after_two_days(outside: Client, jane: Subscriber) -> None:
    outside.post("/my-letters", {"email": JANE})
    mailing_links.mail_due(now=timezone.now() + timedelta(hours=49))

    assert not AskedMail.objects.exists()


def test_why_is_asked_after_leaving_never_before_and_kept_as_evidence(outside: Client, jane: Subscriber) -> None:
    news = jane.subscriptions.get().list_id
    where = f"/u/{token('unsubscribe', tokens.Unsubscribe(jane.pk, 1, 1, (news,)))}"
    assert 'name="why"' not in outside.get(where).content.decode()
    after = outside.post(where, {"confirm": "1"}).content.decode()
    assert 'name="why"' in after

    assert "Thank you" in outside.post(where, {"why": "often"}).content.decode()

    event = ConsentEvent.objects.get(kind="unsubscribed")
    assert event.evidence.text == "Reason: It came too often"
    assert ConsentEvent.objects.filter(kind="unsubscribed").count() == 1


def test_a_reason_without_a_leaving_changes_nothing(outside: Client, jane: Subscriber) -> None:
    news = jane.subscriptions.get().list_id
    where = f"/u/{token('unsubscribe', tokens.Unsubscribe(jane.pk, 1, 1, (news,)))}"

    assert outside.post(where, {"why": "often"}).status_code == 200
    assert states(jane) == {"News": "subscribed"}


def test_what_was_just_left_on_the_page_of_choices_is_taken_back_there(outside: Client, jane: Subscriber) -> None:
    saved = outside.post(preferences(jane), {"save": "1"}).content.decode()
    assert 'name="undo"' in saved
    assert states(jane) == {"News": "unsubscribed"}

    back = outside.post(preferences(jane), {"undo": "1"}).content.decode()

    assert states(jane) == {"News": "subscribed"}
    assert 'name="undo"' not in back


def test_english_dates_have_the_day_first_and_the_month_in_letters(outside: Client, jane: Subscriber) -> None:
    page = outside.post(preferences(jane), {"pause": "1"}).content.decode()

    assert re.search(r"until \d{1,2} [A-Z][a-z]+ 20\d\d\.", page)


@pytest.fixture
def campaign(now: datetime) -> Mailing:
    shop()
    news = make_list()
    people(1, on=news)
    return pressed(now, news, messages=[letter()])


def test_a_letter_is_handed_on_without_the_person(outside: Client, campaign: Mailing) -> None:
    where = f"/f/{token('web', tokens.Web(campaign.pk, 1))}"

    page = outside.get(where).content.decode()

    assert "mailto:?subject=" in page
    [shared] = set(re.findall(r'href="[^"?]*(/s/[\w-]+)"', page))
    letter_page = outside.get(shared)
    assert letter_page.status_code == 200
    text = letter_page.content.decode()
    assert "reader0@" not in text
    assert "Ada0" not in text
    assert "/u/" not in text
    assert outside.post(where).status_code == 405


def test_a_letter_that_is_gone_or_was_a_test_is_not_shared(outside: Client, campaign: Mailing) -> None:
    Mailing.objects.update(is_test=True)

    assert outside.get(f"/f/{token('web', tokens.Web(campaign.pk, 1))}").status_code == 410
    assert outside.get(f"/s/{token('share', tokens.Share(campaign.pk))}").status_code == 410
