"""A letter through a provider's API: what the call says, and what each answer means."""

import socket
import time
from datetime import datetime

import pytest
from django.db import connection, transaction

from reputation import sealed
from reputation.pure.replies import classify
from sending.egress import InsideTransaction
from sending.esp import settings as esp_settings
from sending.esp.catalogue import ESPS
from sending.esp.settings import BadSettings
from sending.models import Route
from sending.pure import verp
from sending.pure.dialogue import SmtpReply
from sending.transports import ConnectionLost, CouldNotOpen, Destination, Letter, NoAnswer, Patience, transport_for
from tests.sending.fake_api import FakeApi, answering, exchanges, filled
from tests.sending.inbox import LATER, accepted, campaign, header, written

pytestmark = pytest.mark.django_db
KEYS = {
    "postmark": {"server_token": "pm-secret-1"},
    "mailgun": {"api_key": "mg-secret-1", "sender_domain": "news.harbour.example"},
    "sparkpost": {"api_key": "sp-secret-1"},
    "mailjet": {"api_key": "mj-1", "secret_key": "mj-secret-1"},
    "brevo": {"api_key": "br-secret-1"},
}


def route_at(api_url: str, esp: str = "postmark") -> Route:
    route, _ = Route.objects.get_or_create(name=f"{esp} route", kind="esp")
    esp_settings.set_settings(route, {"backend": esp, "api_url": api_url, **KEYS[esp]})
    return route


def hand_over(api: FakeApi, letter: Letter, esp: str = "postmark") -> SmtpReply:
    patience = Patience(connect=1.0, command=1.0, dot=0.5)
    session = transport_for(route_at(api.url, esp), patience=patience).open(Destination(site="any"))
    try:
        session.offer(letter)
        refusal = session.hear_offer() or session.begin_content()
        if refusal is not None:
            return refusal.reply
        session.send_content(letter)
        return session.hear_content()
    finally:
        session.quit()


@pytest.fixture
def letter(now: datetime) -> Letter:
    mailing = campaign(now)
    return written(mailing, accepted(mailing, at=now - LATER)[0], now=now)


def recorded(esp: str, name: str, letter: Letter) -> dict:
    message_id = header(letter, "Message-ID").strip("<>")
    found: dict = filled(exchanges(esp)["send"][name], recipient=letter.rcpt_to, message_id=message_id)
    return found


def test_postmark_gets_the_letter_with_all_that_is_ours(letter: Letter, settings) -> None:
    with answering(recorded("postmark", "accepted", letter)) as api:
        reply = hand_over(api, letter)
    assert str(reply) == "250 2.0.0 Ok: queued as 0a129aee-e1cd-480d-b08d-4f48548ff48d"
    (call,) = api.calls
    assert call.headers["x-postmark-server-token"] == "pm-secret-1"
    said = call.fields
    headers = {each["Name"]: each["Value"] for each in said["Headers"]}
    assert (said["To"], said["Subject"]) == (letter.rcpt_to, "Hello Ada0")
    assert "hello@news.harbour.example" in said["From"]
    assert said["TextBody"].startswith("Dear Ada0") and "<p>Dear Ada0</p>" in said["HtmlBody"]
    assert headers["List-Unsubscribe"] == header(letter, "List-Unsubscribe")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (headers["Message-ID"], headers["X-PM-KeepID"]) == (header(letter, "Message-ID"), "true")
    assert (said["TrackOpens"], said["TrackLinks"]) == (False, "None")
    assert not {name.lower() for name in headers} & {"dkim-signature", "from", "to", "subject", "content-type"}
    what = verp.read_message_id(said["Metadata"]["letterpace"], keys=settings.TOKEN_KEYS)
    assert what == verp.read_message_id(header(letter, "Message-ID"), keys=settings.TOKEN_KEYS)
    assert len(said["Metadata"]["letterpace"]) <= 80  # the provider's limit


def test_mailgun_gets_the_letter_with_all_that_is_ours(letter: Letter) -> None:
    with answering(recorded("mailgun", "accepted", letter)) as api:
        reply = hand_over(api, letter, "mailgun")
    assert str(reply) == f"250 2.0.0 Ok: queued as {header(letter, 'Message-ID').strip('<>')}"
    (call,) = api.calls
    said = call.fields
    assert call.path == "/v3/news.harbour.example/messages"
    assert said["h:List-Unsubscribe"] == header(letter, "List-Unsubscribe")
    assert said["h:List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert said["h:Message-Id"] == header(letter, "Message-ID")
    assert said["o:tracking-clicks"] == "no" and said["v:letterpace"].startswith("m-")


@pytest.mark.parametrize("esp", sorted(ESPS))
def test_every_provider_is_given_the_header_lines_for_one_click_and_our_reference(letter: Letter, esp: str) -> None:
    """Whoever would drop them silently has no place in the catalogue."""
    with answering({"status": 503}) as api:
        assert hand_over(api, letter, esp).code == 451
    (call,) = api.calls
    body = call.body.decode().replace("\\/", "/")
    if "urlencoded" in call.headers.get("content-type", ""):
        body = "\n".join(f"{name}: {value}" for name, value in call.fields.items())
    token = header(letter, "List-Unsubscribe").partition("/u/")[2].partition(">")[0]
    assert token in body and "List-Unsubscribe=One-Click" in body
    assert header(letter, "Message-ID").strip("<>").partition("@")[0] in body
    assert letter.rcpt_to in body


@pytest.mark.parametrize(
    ("esp", "name", "code", "class_"),
    [
        ("postmark", "inactive", 550, "unclassified"),
        ("postmark", "invalid recipient", 550, "bad_addr"),
        ("postmark", "sender not confirmed", 451, "config"),
        ("postmark", "wrong key", 451, "config"),
        ("postmark", "slow down", 451, "rate"),
        ("postmark", "maintenance", 451, "temp"),
        ("postmark", "bad letter", 554, "format"),
        ("mailgun", "invalid recipient", 554, "format"),
        ("mailgun", "unknown domain", 451, "config"),
        ("mailgun", "wrong key", 451, "config"),
        ("mailgun", "slow down", 451, "rate"),
        ("mailgun", "wrong address", 451, "config"),
    ],
)
def test_what_an_answer_means(letter: Letter, esp: str, name: str, code: int, class_: str) -> None:
    with answering(recorded(esp, name, letter)) as api:
        reply = hand_over(api, letter, esp)
    assert reply.code == code, reply
    for provider in ("google", "microsoft", "yahoo", "gmx"):
        verdict = classify(str(reply), provider=provider, phase="dot")
        if class_ != "bad_addr":
            assert verdict.class_ == class_, (provider, verdict)
        if class_ in ("rate", "config"):
            assert verdict.scope == "route"
    if name == "slow down" and esp == "postmark":
        assert verdict.retry_hint_seconds == 40


@pytest.mark.parametrize(
    ("esp", "name"),
    [
        ("postmark", "broken"),
        ("postmark", "garbled"),
        ("mailgun", "broken"),
        ("mailgun", "bad gateway"),
        ("mailgun", "garbled"),
    ],
)
def test_an_answer_that_leaves_open_whether_it_was_taken_is_no_answer(letter: Letter, esp: str, name: str) -> None:
    with answering(recorded(esp, name, letter)) as api, pytest.raises(NoAnswer):
        hand_over(api, letter, esp)
    assert len(api.calls) == 1


def test_a_call_that_is_never_answered_is_no_answer(letter: Letter) -> None:
    def slow(_call):
        time.sleep(1.5)

    with answering(slow) as api, pytest.raises(NoAnswer):
        hand_over(api, letter)
    assert len(api.calls) == 1


def test_a_connection_that_breaks_after_the_call_is_no_answer(letter: Letter) -> None:
    with answering(lambda _call: None) as api, pytest.raises(NoAnswer):
        hand_over(api, letter)
    assert len(api.calls) == 1


def test_an_api_that_can_not_be_reached_surely_took_nothing(letter: Letter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ConnectionLost):
        hand_over(FakeApi({}, url=f"http://127.0.0.1:{port}/"), letter)


def test_a_redirect_is_not_followed(letter: Letter) -> None:
    with answering({"status": 200}) as elsewhere, answering(lambda _: moved) as api:
        moved = {"status": 307, "headers": {"Location": elsewhere.url}}
        reply = hand_over(api, letter)
    assert "refuses this account" in reply.text and elsewhere.calls == []


def test_no_call_is_made_inside_a_transaction(letter: Letter, monkeypatch) -> None:
    with answering({"status": 503}) as api:
        route = route_at(api.url)
        session = transport_for(route, patience=Patience()).open(Destination(site="any"))
        session.offer(letter)
        with transaction.atomic(), pytest.raises(InsideTransaction):
            session.send_content(letter)
    assert api.calls == []
    assert not connection.needs_rollback


# -- Settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "needs a provider out of these: Postmark, Mailgun"),
        ({"backend": "os.system"}, "needs a provider"),
        ({"backend": "postmark"}, "Postmark also needs: server_token"),
        ({"backend": "mailgun", "api_key": "k", "debug_api_requests": "1"}, "no setting called debug_api_requests"),
        ({"backend": "postmark", "server_token": "a\r\nX: b"}, "only plain letters"),
        ({"backend": "postmark", "server_token": "k", "api_url": "https://api.postmarkapp.com/"}, "LAB is on"),
        ({"backend": "postmark", "server_token": "k", "api_url": "http://127.0.0.1.evil.example/"}, "LAB is on"),
        ({"backend": "postmark", "server_token": "k", "api_url": "file:///etc/passwd"}, "no web address"),
    ],
)
def test_wrong_settings_are_said_in_a_sentence(given: dict[str, str], sentence: str) -> None:
    route = Route.objects.create(name="api", kind="esp")
    with pytest.raises(BadSettings, match=sentence):
        esp_settings.set_settings(route, given)


def test_outside_the_lab_keys_go_over_https_only(settings) -> None:
    settings.LAB = False
    route = Route.objects.create(name="api", kind="esp")
    with pytest.raises(BadSettings, match="not encrypted"):
        esp_settings.set_settings(
            route, {"backend": "postmark", "server_token": "k", "api_url": "http://api.postmarkapp.com/"}
        )


def test_in_the_lab_a_route_without_a_fake_api_does_not_open(letter: Letter) -> None:
    route = Route.objects.create(name="api", kind="esp")
    esp_settings.set_settings(route, {"backend": "postmark", "server_token": "k"})
    with pytest.raises(CouldNotOpen, match=r"api\.postmarkapp\.com is not on this machine"):
        transport_for(route, patience=Patience()).open(Destination(site="any"))


def test_settings_that_the_page_sealed_without_a_backend_go_by_the_routes_provider() -> None:
    route = Route.objects.create(name="api", kind="esp", esp="mailgun")
    for text, works in (('{"api_key": "k"}', True), ("[]", False), ("{", False), ('{"server_token": "k"}', False)):
        route.settings_sealed = sealed.seal(text, about=f"route:{route.pk}:settings")
        if works:
            assert esp_settings.settings_of(route).esp.title == "Mailgun"
        else:
            with pytest.raises(BadSettings):
                esp_settings.settings_of(route)


def test_secrets_are_sealed_and_shown_nowhere() -> None:
    route = route_at("http://127.0.0.1:1/")
    assert b"pm-secret-1" not in bytes(route.settings_sealed or b"")
    assert "pm-secret-1" not in repr(esp_settings.settings_of(route))
    Route.objects.filter(pk=route.pk).update(settings_sealed=b"\1\1" + b"x" * 40)
    route.refresh_from_db()
    with pytest.raises(CouldNotOpen, match="can't be opened"):
        transport_for(route, patience=Patience())
