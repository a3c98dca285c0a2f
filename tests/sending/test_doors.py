import re
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client

from audiences.models import ConsentEvent, MailingList, PersonChange, Subscriber, Subscription, Suppression
from sending.doors.waiting_visits import waiting
from sending.models import Event, Mailing, MailingCount, MailingMessage
from sending.pure import tokens
from tests.cast import deliveries, newsletter, people, pressed

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    people(3, on=newsletter())
    return pressed(now, newsletter())


@pytest.fixture
def outside() -> Client:
    """A browser without cookies that is held to the CSRF rules."""
    return Client(enforce_csrf_checks=True)


def token(purpose: str, payload: tokens.Payload) -> str:
    return tokens.make(purpose, payload, keys=settings.TOKEN_KEYS, key_id=1)


def leave(of: Mailing, **changes: Any) -> str:
    first = deliveries(of)[0]
    asked = tokens.Unsubscribe(first.subscriber_id, of.pk, first.id, (newsletter().pk,))._replace(**changes)
    return f"/u/{token('unsubscribe', asked)}"


def person(mailing: Mailing) -> Subscriber:
    return Subscriber.objects.get(pk=deliveries(mailing)[0].subscriber_id)


def state_of(someone: Subscriber, of: MailingList | None = None) -> str:
    return Subscription.objects.get(subscriber=someone, list=of or newsletter()).state


ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.mark.parametrize("method", ["get", "head"])
def test_reading_the_link_changes_nothing(outside: Client, mailing: Mailing, method: str) -> None:
    for _ in range(3):
        assert getattr(outside, method)(leave(mailing)).status_code == 200

    assert state_of(person(mailing)) == "subscribed"
    assert not Suppression.objects.exists()
    assert not ConsentEvent.objects.exists()


@pytest.mark.parametrize("encoding", ["urlencoded", "multipart", "none"])
def test_one_click_unsubscribes_without_cookie_redirect_or_login(
    outside: Client, mailing: Mailing, encoding: str
) -> None:
    if encoding == "urlencoded":
        answer = outside.post(
            leave(mailing), "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
        )
    elif encoding == "multipart":
        answer = outside.post(leave(mailing), ONE_CLICK)
    else:
        answer = outside.generic("POST", leave(mailing), b"List-Unsubscribe=One-Click", content_type="")

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert not answer.cookies
    assert state_of(person(mailing)) == "unsubscribed"
    assert Suppression.objects.get().scope == f"list:{newsletter().pk}"
    assert MailingCount.objects.get(mailing=mailing, kind="unsubscribed").n == 1


def test_one_click_takes_few_round_trips(outside: Client, mailing: Mailing, django_assert_num_queries) -> None:
    """Leave, which is durable then; and count it."""
    where = leave(mailing)
    with django_assert_num_queries(2):
        assert outside.post(where, ONE_CLICK).status_code == 200


def test_one_click_twice_counts_once(outside: Client, mailing: Mailing) -> None:
    for _ in range(3):
        assert outside.post(leave(mailing), ONE_CLICK).status_code == 200

    assert ConsentEvent.objects.filter(kind="unsubscribed").count() == 1
    assert Event.objects.filter(kind="unsubscribed").count() == 1
    assert MailingCount.objects.get(mailing=mailing, kind="unsubscribed").n == 1


def test_it_works_when_mailing_and_delivery_are_long_gone(outside: Client, mailing: Mailing) -> None:
    assert outside.post(leave(mailing, mailing=987654, delivery=3), ONE_CLICK).status_code == 200

    assert state_of(person(mailing)) == "unsubscribed"


def test_it_leaves_every_included_list_the_person_is_on(outside: Client, mailing: Mailing, now: datetime) -> None:
    offers = newsletter("Offers")
    someone = person(mailing)
    Subscription.objects.create(subscriber=someone, list=offers, state="subscribed", since=now)

    outside.post(leave(mailing, lists=(newsletter().pk, offers.pk)), ONE_CLICK)

    assert (state_of(someone), state_of(someone, offers)) == ("unsubscribed", "unsubscribed")


def test_other_lists_are_kept(outside: Client, mailing: Mailing, now: datetime) -> None:
    offers = newsletter("Offers")
    Subscription.objects.create(subscriber=person(mailing), list=offers, state="subscribed", since=now)

    outside.post(leave(mailing), ONE_CLICK)

    assert state_of(person(mailing), offers) == "subscribed"


def test_the_page_offers_undo_and_undo_brings_everything_back(outside: Client, mailing: Mailing, now: datetime) -> None:
    ConsentEvent.objects.create(subject_key=person(mailing).address_key, kind="imported", list=newsletter(), at=now)
    page = outside.post(leave(mailing), {"confirm": "1"})
    assert "undo" in page.content.decode()

    again = outside.post(leave(mailing), {"undo": "1"})

    assert again.status_code == 200
    assert state_of(person(mailing)) == "subscribed"
    assert not Suppression.objects.exists()


def test_stop_everything_covers_the_stream_but_not_what_they_ask_for_later(outside: Client, mailing: Mailing) -> None:
    outside.post(leave(mailing), {"all": "1"})

    scopes = set(Suppression.objects.values_list("scope", flat=True))
    assert "stream:marketing" in scopes
    assert "*" not in scopes


def test_a_test_letters_link_is_inert(outside: Client, mailing: Mailing) -> None:
    answer = outside.post(leave(mailing, test=True), ONE_CLICK)

    assert b"test" in answer.content
    assert state_of(person(mailing)) == "subscribed"


@pytest.mark.parametrize("door", ["u", "p", "c", "w", "l", "privacy"])
@pytest.mark.parametrize("made", ["", "A" * 34, "%00%00", "x" * 300, "../../etc/passwd", "<script>alert(1)</script>"])
def test_a_damaged_token_gets_a_friendly_page_and_no_hint(outside: Client, door: str, made: str) -> None:
    for method in ("get", "post"):
        answer = getattr(outside, method)(f"/{door}/{made}")
        reads_only = method == "post" and door in "wl"
        assert answer.status_code == (405 if reads_only and made and "/" not in made else 404)
        assert b"Traceback" not in answer.content
        assert b"<script>alert" not in answer.content


def test_a_token_of_one_door_opens_no_other(outside: Client, mailing: Mailing) -> None:
    first = deliveries(mailing)[0]
    web = token("web", tokens.Web(mailing.pk, first.id))
    for door in ("u", "p", "c", "privacy"):
        assert outside.post(f"/{door}/{web}", ONE_CLICK).status_code == 404
    assert state_of(person(mailing)) == "subscribed"


def test_without_a_database_it_says_so_and_does_not_pretend(outside: Client, mailing: Mailing) -> None:
    where = f"/p/{token('preferences', tokens.Preferences(person(mailing).pk))}"
    with mock.patch("sending.doors.choosing.choose", side_effect=OperationalError):
        answer = outside.post(where, {"list": "1"})

    assert answer.status_code == 503
    assert answer["Retry-After"]


def test_doors_set_no_cookie_load_nothing_foreign_and_are_not_indexed(outside: Client, mailing: Mailing) -> None:
    answer = outside.get(leave(mailing))

    assert not answer.cookies
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["X-Robots-Tag"] == "noindex"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "script" not in answer["Content-Security-Policy"]
    assert person(mailing).email.encode() not in answer.content


def test_preferences_keep_what_is_checked_and_leave_the_rest(outside: Client, mailing: Mailing, now: datetime) -> None:
    offers = newsletter("Offers")
    someone = person(mailing)
    Subscription.objects.create(subscriber=someone, list=offers, state="unsubscribed", since=now)
    where = f"/p/{token('preferences', tokens.Preferences(someone.pk))}"
    assert outside.get(where).status_code == 200

    answer = outside.post(where, {"save": "1", "list": [str(offers.pk)]})

    assert answer.status_code == 200
    assert (state_of(someone), state_of(someone, offers)) == ("unsubscribed", "subscribed")


def test_people_change_what_they_are_called_and_the_page_does_not_say_it(outside: Client, mailing: Mailing) -> None:
    someone = person(mailing)
    Subscriber.objects.filter(pk=someone.pk).update(fields={"first_name": "Ada", "last_name": "Byron"})
    where = f"/p/{token('preferences', tokens.Preferences(someone.pk))}"
    page = outside.get(where).content.decode()
    # Whoever was handed the letter on learns no name here.
    assert 'name="first_name"' in page and "Byron" not in page
    on = {"save": "1", "list": [str(one.list_id) for one in someone.subscriptions.all()]}

    said = outside.post(where, {**on, "first_name": "", "last_name": "  Lovelace\r\nBcc: x "}).content.decode()
    assert "Saved." in said
    someone.refresh_from_db()
    assert someone.fields == {"first_name": "Ada", "last_name": "Lovelace Bcc: x"}
    change = PersonChange.objects.get(address_key=someone.address_key)
    assert (change.what, change.by) == ("Changed by themselves: last_name", None)

    assert "The name is too long." in outside.post(where, {**on, "first_name": "x" * 121}).content.decode()
    assert "Nothing was changed." in outside.post(where, {**on, "last_name": "Lovelace Bcc: x"}).content.decode()
    someone.refresh_from_db()
    assert someone.fields["first_name"] == "Ada" and PersonChange.objects.count() == 1


def test_confirming_takes_a_click_and_may_be_repeated(outside: Client, mailing: Mailing, now: datetime) -> None:
    wanted = newsletter("Wanted", opt_in="double")
    someone = person(mailing)
    Subscription.objects.create(subscriber=someone, list=wanted, state="unconfirmed", since=now)
    issued = int(datetime.now(now.tzinfo).timestamp())
    where = f"/c/{token('confirm', tokens.Confirm(someone.pk, wanted.pk, issued))}"

    assert outside.get(where).status_code == 200
    assert state_of(someone, wanted) == "unconfirmed"
    for _ in range(2):
        assert outside.post(where, {"confirm": "1"}).status_code == 200
    assert state_of(someone, wanted) == "subscribed"


def test_an_old_confirmation_is_refused_in_words(outside: Client, mailing: Mailing, now: datetime) -> None:
    wanted = newsletter("Wanted", opt_in="double")
    someone = person(mailing)
    Subscription.objects.create(subscriber=someone, list=wanted, state="unconfirmed", since=now)
    long_ago = int((datetime.now(now.tzinfo) - timedelta(days=30)).timestamp())

    answer = outside.post(f"/c/{token('confirm', tokens.Confirm(someone.pk, wanted.pk, long_ago))}")

    assert answer.status_code == 410
    assert state_of(someone, wanted) == "unconfirmed"


@pytest.mark.parametrize(
    ("happened", "said"),
    [("suppressed", "may not write"), ("left", "unsubscribed since"), ("unknown", "no longer here")],
)
def test_who_cannot_be_subscribed_is_not_told_that_they_are(
    outside: Client, mailing: Mailing, now: datetime, happened: str, said: str
) -> None:
    wanted = newsletter("Wanted", opt_in="double")
    someone = person(mailing)
    issued = datetime.now(now.tzinfo)
    if happened != "unknown":
        state = "unsubscribed" if happened == "left" else "unconfirmed"
        Subscription.objects.create(
            subscriber=someone, list=wanted, state=state, since=issued + timedelta(seconds=happened == "left")
        )
    if happened == "suppressed":
        Suppression.objects.create(address_key=someone.address_key, scope="*", reason="complained", created_at=now)

    answer = outside.post(f"/c/{token('confirm', tokens.Confirm(someone.pk, wanted.pk, int(issued.timestamp())))}")

    assert answer.status_code == 409
    assert said in answer.content.decode()
    assert "You are subscribed" not in answer.content.decode()
    assert not Subscription.objects.filter(subscriber=someone, list=wanted, state="subscribed").exists()


def test_the_preferences_lead_to_what_is_kept(outside: Client, mailing: Mailing) -> None:
    page = outside.get(f"/p/{token('preferences', tokens.Preferences(person(mailing).pk))}").content.decode()

    found = re.search(rf'href="{re.escape(settings.PUBLIC_URL)}(/privacy/[^"]+)"', page)
    assert found is not None
    assert "Download it" in outside.get(found[1]).content.decode()


def test_a_click_leads_only_where_the_letter_says_and_counts_once(outside: Client, mailing: Mailing) -> None:
    MailingMessage.objects.filter(mailing=mailing).update(compiled={"links": ["https://www.harbour.example/books?a=1"]})
    first = deliveries(mailing)[0]
    where = f"/l/{token('link', tokens.Link(mailing.pk, first.id))}/0?url=https://evil.example"

    for _ in range(2):
        answer = outside.get(where, headers={"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140"})

    assert (answer.status_code, answer["Location"]) == (302, "https://www.harbour.example/books?a=1")
    assert outside.get(where.replace("/0?", "/1?")).status_code == 410
    assert outside.get(where.partition("/0?")[0]).status_code == 404
    waiting.flush()
    assert Event.objects.filter(kind="clicked").count() == 2
    assert MailingCount.objects.get(mailing=mailing, kind="clicked").n == 1
    assert Subscriber.objects.get(pk=first.subscriber_id).last_engaged_at is not None


def test_scanners_are_told_apart_and_head_is_no_click(outside: Client, mailing: Mailing) -> None:
    MailingMessage.objects.filter(mailing=mailing).update(compiled={"links": ["https://www.harbour.example/"]})
    first = deliveries(mailing)[0]
    where = f"/l/{token('link', tokens.Link(mailing.pk, first.id))}/0"

    outside.head(where)
    assert len(waiting) == 0
    outside.get(where, headers={"User-Agent": "Proofpoint-Scanner/1.0"})
    waiting.flush()

    assert Event.objects.get().by_machine
    assert not MailingCount.objects.filter(kind="clicked").exists()


def _away(*_statement: Any) -> Any:
    raise OperationalError("the database is away")


def test_a_link_that_was_followed_before_leads_on_while_the_database_is_away(outside: Client, mailing: Mailing) -> None:
    MailingMessage.objects.filter(mailing=mailing).update(compiled={"links": ["https://www.harbour.example/"]})
    first, second = deliveries(mailing)[:2]
    browser = {"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140"}
    outside.get(f"/l/{token('link', tokens.Link(mailing.pk, first.id))}/0", headers=browser)

    with connection.execute_wrapper(_away):
        answer = outside.get(f"/l/{token('link', tokens.Link(mailing.pk, second.id))}/0", headers=browser)
        with pytest.raises(OperationalError):
            waiting.flush()

    assert (answer.status_code, answer["Location"]) == (302, "https://www.harbour.example/")
    waiting.flush()
    assert sorted(Event.objects.values_list("delivery", flat=True)) == [first.id, second.id]


def test_a_damaged_link_is_called_so_while_the_database_is_away(outside: Client, mailing: Mailing) -> None:
    with connection.execute_wrapper(_away):
        assert outside.get(f"/l/{'A' * 34}/0").status_code == 404
        assert outside.get(f"/l/{token('link', tokens.Link(987654, 1))}/0").status_code == 503


def test_an_open_is_a_picture_and_an_event(outside: Client, mailing: Mailing) -> None:
    first = deliveries(mailing)[0]

    answer = outside.get(f"/o/{token('open', tokens.Open(mailing.pk, first.id))}.gif", headers={"User-Agent": "Mail/1"})

    assert answer["Content-Type"] == "image/gif"
    assert answer.content.startswith(b"GIF89a")
    waiting.flush()
    assert Event.objects.get().kind == "opened"
