"""Providers' webhooks: who may call, what is kept, and what each event changes."""

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from audiences.keys import key_of
from audiences.models import SoftFailure, Subscriber, Subscription, Suppression
from sending import hearing
from sending.doors.addresses import door_address
from sending.esp import events
from sending.esp import settings as esp_settings
from sending.inbound import reading, receiving
from sending.models import Delivery, Event, Inbound, MailingCount, Outcome, Route
from sending.pure import tokens
from tests.cast import direct_route
from tests.sending.fake_api import exchanges, filled
from tests.sending.inbox import LATER, accepted, campaign, header, written

pytestmark = pytest.mark.django_db
SECRETS = {"postmark": "hooks:correct horse battery", "mailgun": "signing-key-0123456789"}
KEYS = {"postmark": {"server_token": "t"}, "mailgun": {"api_key": "k"}}


class World:
    """One letter that left through a provider half an hour ago, and the provider's side of it."""

    def __init__(self, esp: str, now: datetime, kind: str = "accepted") -> None:
        self.esp, self.now = esp, now
        self.route = Route.objects.create(name=esp, kind="esp")
        esp_settings.set_settings(self.route, {"backend": esp, **KEYS[esp]})
        esp_settings.set_webhook_secret(self.route, SECRETS[esp])
        self.mailing = campaign(now)
        (self.delivery,) = accepted(self.mailing, at=now - LATER, kind=kind, route=self.route)
        self.letter = written(self.mailing, self.delivery, now=now)

    def event(self, name: str, *, at: datetime | None = None, **changes: str) -> dict[str, Any]:
        at = at or self.now
        message_id = header(self.letter, "Message-ID").strip("<>")
        values = {
            "recipient": self.letter.rcpt_to,
            "message_id": message_id,
            "reference": message_id.partition("@")[0],
            "at": at.isoformat().replace("+00:00", "Z"),
            "timestamp": str(at.timestamp()),
            "link": "https://shop.example/",
            **changes,
        }
        found: dict[str, Any] = filled(exchanges(self.esp)["webhooks"][name], **values)
        if self.esp == "mailgun":
            found["timestamp"] = float(found["timestamp"])
        return found

    def body(self, event: dict[str, Any], secret: str = "") -> bytes:
        if self.esp == "postmark":
            return json.dumps(event).encode()
        token, timestamp = hashlib.sha256(json.dumps(event).encode()).hexdigest()[:50], "1773133200"
        key = (secret or SECRETS["mailgun"]).encode()
        signature = hmac.new(key, f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
        block = {"token": token, "timestamp": timestamp, "signature": signature}
        return json.dumps({"signature": block, "event-data": event}).encode()

    def post(self, body: bytes, secret: str | None = None, **extra: Any) -> int:
        if self.esp == "postmark" and secret != "":
            word = base64.b64encode((secret or SECRETS["postmark"]).encode()).decode()
            extra["HTTP_AUTHORIZATION"] = f"Basic {word}"
        path = f"/hooks/{self.route.pk}/"
        return Client().post(path, body, content_type="application/json", **extra).status_code

    def hear(self, name: str, **changes: Any) -> Inbound:
        """The event, called in and read."""
        assert self.post(self.body(self.event(name, **changes))) == 200
        row = Inbound.objects.latest("pk")
        reading.read(now=self.now, inbound_id=row.pk)
        row.refresh_from_db()
        return row

    def count(self, kind: str) -> int:
        return sum(MailingCount.objects.filter(mailing=self.mailing, kind=kind).values_list("n", flat=True))


@pytest.fixture(autouse=True)
def _no_replies_remembered():
    hearing.forget()


@pytest.fixture(autouse=True)
def the_clock(monkeypatch, now: datetime):
    """The view is an entry point: it reads the clock by itself."""
    monkeypatch.setattr("sending.esp.views.timezone.now", lambda: now)


@pytest.fixture(params=["postmark", "mailgun"])
def world(request, now: datetime) -> World:
    return World(request.param, now)


def suppressed() -> list[tuple[str, str]]:
    return list(Suppression.objects.values_list("scope", "reason"))


def nothing_happened() -> bool:
    return not (Event.objects.exists() or Suppression.objects.exists() or SoftFailure.objects.exists())


# -- What each event changes -------------------------------------------------------------------------------------------


def test_a_hard_bounce_in_the_receivers_own_words_suppresses(world: World) -> None:
    row = world.hear("hard bounce")
    assert (row.kind, row.state, row.note) == ("hook", "done", "1 bounced")
    assert suppressed() == [("*", "bounced")]
    assert (Event.objects.get().kind, world.count("bounced"), Outcome.objects.get().kind) == ("bounced", 1, "accepted")


def test_a_bounce_about_us_never_counts_against_the_person(world: World) -> None:
    world.hear("bounce about us")
    assert world.count("bounced") == 1
    assert (suppressed(), SoftFailure.objects.count()) == ([], 0)


def test_a_providers_phrase_for_all_cases_proves_nothing(world: World) -> None:
    """The description names an unknown user as an example; without the receiver's words it is soft."""
    world.hear("bounce without words")
    assert suppressed() == []
    assert SoftFailure.objects.get().kind == "unclassified"


def test_a_complaint_suppresses_everywhere(world: World) -> None:
    world.hear("complaint")
    assert suppressed() == [("*", "complained")]
    assert world.count("complained") == 1


def test_unsubscribing_at_the_provider_leaves_the_list(world: World) -> None:
    world.hear("unsubscribed")
    assert suppressed() == [(f"list:{world.mailing.included_lists[0]}", "unsubscribed")]
    assert Subscription.objects.get().state == "unsubscribed"


def test_a_delay_changes_nothing(world: World) -> None:
    assert world.hear("transient").state == "done"
    assert nothing_happened()


def test_opens_and_clicks_count_once_a_person(world: World) -> None:
    world.hear("opened")
    world.hear("opened", at=world.now - timedelta(minutes=1))
    world.hear("clicked")
    assert (world.count("opened"), world.count("clicked"), Event.objects.count()) == (1, 1, 3)
    assert Subscriber.objects.get().last_engaged_at is not None


@pytest.mark.parametrize(("ours", "number"), [(True, 3), (False, None)])
def test_a_click_on_a_tracked_link_counts_for_that_link(world: World, ours: bool, number: int | None) -> None:
    letter = tokens.Link(world.mailing.pk, world.delivery.id + (not ours))
    world.hear("clicked", link=door_address("link", letter, 3))
    assert Event.objects.get(kind="clicked").link == number


@pytest.mark.parametrize("name", ["delivered", "opened", "complaint", "hard bounce"])
@pytest.mark.parametrize("esp", ["postmark", "mailgun"])
def test_an_unknown_outcome_is_resolved_by_every_sign_of_life(esp: str, name: str, now: datetime) -> None:
    world = World(esp, now, kind="unknown")
    MailingCount.objects.create(mailing=world.mailing, provider="google", kind="unknown", n=1)
    world.hear(name)
    assert Outcome.objects.get().kind == "accepted"
    assert (world.count("unknown"), world.count("accepted")) == (0, 1)


def test_a_delivery_forgets_soft_failures_before_it_and_no_later_ones(world: World) -> None:
    for mailing_ref, minutes in ((98, 40), (99, -1)):
        SoftFailure.objects.create(
            address_key=world.delivery.address_key,
            mailing_ref=mailing_ref,
            kind="full",
            at=world.now - timedelta(minutes=minutes),
        )
    world.hear("delivered")
    assert [failure.mailing_ref for failure in SoftFailure.objects.all()] == [99]


def test_events_out_of_order_come_to_the_same(world: World) -> None:
    for name, minutes in (("complaint", 1), ("opened", 5), ("delivered", 20), ("hard bounce", 2)):
        world.hear(name, at=world.now - timedelta(minutes=minutes))
    assert Suppression.objects.get().reason == "complained"
    assert {kind: world.count(kind) for kind in ("complained", "opened", "bounced")} == {
        "complained": 1,
        "opened": 1,
        "bounced": 1,
    }


def test_an_event_told_again_in_other_words_counts_once(world: World) -> None:
    for minutes in (1, 2, 3):
        world.hear("hard bounce", at=world.now - timedelta(minutes=minutes))
    assert (Event.objects.count(), world.count("bounced"), Inbound.objects.count()) == (1, 1, 3)


def test_an_automatic_answer_is_noted(now: datetime) -> None:
    world = World("postmark", now)
    world.hear("automatic answer")
    assert (world.count("auto_replied"), suppressed()) == (1, [])


# -- Who may call ------------------------------------------------------------------------------------------------------


def test_without_a_secret_every_call_is_refused(world: World) -> None:
    esp_settings.set_webhook_secret(world.route, "")
    assert world.post(world.body(world.event("complaint"))) == 403
    assert not Inbound.objects.exists()


@pytest.mark.parametrize("secret", ["hooks:wrong horse battery", ":", "None", "hooks", "wrong-key-0123456789"])
def test_a_wrong_secret_is_refused(world: World, secret: str) -> None:
    assert world.post(world.body(world.event("complaint"), secret=secret), secret=secret) == 403
    assert not Inbound.objects.exists()


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"signature": 1}', b'{"signature": {"token": 1}}']
)
@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Bearer x", "Basic " + "A" * 10_000])
def test_calls_that_prove_nothing_are_refused(world: World, body: bytes, header: str) -> None:
    status = world.post(body, secret="", HTTP_AUTHORIZATION=header)
    assert status == 403 and not Inbound.objects.exists()


def test_a_signature_of_another_call_does_not_fit_an_altered_one_s_token(now: datetime) -> None:
    world = World("mailgun", now)
    call = json.loads(world.body(world.event("complaint")))
    call["signature"]["token"] = "x" * 50
    assert world.post(json.dumps(call).encode()) == 403


@pytest.mark.parametrize("kind", ["direct", "relay", "gone"])
def test_only_a_route_of_a_provider_has_a_webhook(now: datetime, kind: str) -> None:
    world = World("postmark", now)
    if kind == "gone":
        Outcome.objects.all().delete()
        world.route.delete()
        world.route.pk = 424242
    else:
        Route.objects.filter(pk=world.route.pk).update(kind=kind, address=direct_route().address)
    assert world.post(world.body(world.event("complaint"))) == 403


def test_a_call_of_more_than_five_megabytes_is_refused(world: World) -> None:
    assert world.post(b" " * 5_000_001) == 413
    assert not Inbound.objects.exists()


def test_reading_a_hook_changes_nothing(world: World) -> None:
    assert Client().head(f"/hooks/{world.route.pk}/").status_code == 200
    assert Client().get(f"/hooks/{world.route.pk}/").status_code == 405


def test_when_the_database_is_away_the_provider_is_asked_to_call_again(world: World, monkeypatch) -> None:
    def gone(**_):
        raise OperationalError("gone")

    monkeypatch.setattr(receiving, "keep", gone)
    assert world.post(world.body(world.event("complaint"))) == 503


# -- What is kept ------------------------------------------------------------------------------------------------------


def test_the_call_is_kept_raw_before_it_is_read_and_its_secret_is_not(world: World) -> None:
    body = world.body(world.event("complaint"))
    assert world.post(body) == 200
    row = Inbound.objects.get()
    assert (row.source, bytes(row.raw), row.state) == (f"hook:{world.route.pk}", body, "new")
    assert "battery" not in json.dumps(row.headers) and nothing_happened()


def test_a_call_replayed_is_one_call(world: World) -> None:
    body = world.body(world.event("opened"))
    assert [world.post(body), world.post(body)] == [200, 200]
    assert Inbound.objects.count() == 1


@pytest.mark.parametrize("body", [b"not json", b'"text"', b"[1, 2]", b'{"RecordType": "Bounce", "BouncedAt": 7}'])
def test_a_call_that_can_not_be_read_is_kept_and_shown(now: datetime, body: bytes) -> None:
    world = World("postmark", now)
    assert world.post(body) == 200
    row = Inbound.objects.get()
    reading.read(now=now, inbound_id=row.pk)
    row.refresh_from_db()
    assert row.state == "failed" and "can't be read" in row.note and bytes(row.raw) == body
    assert nothing_happened()


# -- Whose event -------------------------------------------------------------------------------------------------------


def test_a_forged_reference_acts_on_nobody(world: World) -> None:
    for name in ("complaint", "hard bounce", "unsubscribed"):
        reference = world.event(name)
        message_id = header(world.letter, "Message-ID").strip("<>")
        forged = f"{message_id[:-40]}aaaa{message_id[-36:]}"
        row = world.hear(name, message_id=forged, reference=forged.partition("@")[0])
        assert row.note == "1 about no message of ours", reference
    assert nothing_happened()


def test_a_route_tells_only_of_what_left_by_it(world: World) -> None:
    """Another account's secret gives no power over this one's recipients."""
    other = Route.objects.create(name="other", kind="esp")
    Outcome.objects.update(route_id=other.pk)
    assert world.hear("complaint").note == "1 about no message of ours"
    assert nothing_happened()


def test_without_our_reference_recipient_and_the_providers_id_say_whose_it_is(now: datetime) -> None:
    world = World("postmark", now)
    Outcome.objects.update(remote_id="0a129aee-e1cd-480d-b08d-4f48548ff48d")
    Delivery.objects.filter(mailing_id=world.mailing.pk).update(address_key=key_of(world.letter.rcpt_to))
    event = world.event("hard bounce")
    del event["Metadata"]
    assert world.post(world.body(event)) == 200
    reading.read(now=now, inbound_id=Inbound.objects.get().pk)
    assert suppressed() == [("*", "bounced")]


def test_an_event_that_is_quicker_than_the_outcome_waits_for_it(world: World) -> None:
    Outcome.objects.all().delete()
    row = world.hear("complaint")
    assert (row.state, row.attempts) == ("new", 0) and nothing_happened()
    accepted(world.mailing, at=world.now, route=world.route)
    assert reading.sweep(now=world.now + timedelta(minutes=1)) == 1
    assert suppressed() == [("*", "complained")]


def test_of_a_batch_of_events_one_that_fails_does_not_stop_the_others(world: World, monkeypatch) -> None:
    body = world.body(world.event("complaint"))
    really = events.parse
    monkeypatch.setattr(events, "parse", lambda **given: [object_without_anything(), *really(**given)])
    world.post(body)
    row = Inbound.objects.get()
    result = events.read(now=world.now, row=row)
    assert (result.note, result.state) == ("1 complained, 1 failed", "done")


def object_without_anything() -> Any:
    class Nothing:
        timestamp = None

    return Nothing()


def test_a_secret_that_anybody_could_guess_is_refused(now: datetime) -> None:
    route = Route.objects.create(name="api", kind="esp", esp="postmark")
    with pytest.raises(esp_settings.BadSettings, match="at least 16"):
        esp_settings.set_webhook_secret(route, "hooks:short")
    with pytest.raises(esp_settings.BadSettings, match="name:password"):
        esp_settings.set_webhook_secret(route, "long-enough-but-no-colon")
