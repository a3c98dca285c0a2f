"""Providers are asked for their figures about us: what came, and in words why nothing came."""

import base64
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.test import Client
from pytest_django import Settings

from config.roles import Role
from reputation import fetching_figures, google_postmaster, snds
from reputation.models import PostmasterAccess, PostmasterFigure
from reputation.pure.postmaster_files import Unreadable
from tests.cast import direct_route, shop, verified_domain
from tests.sending.fake_api import Answer, Call, FakeApi, answering
from tests.visitors import visitor

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
DOMAIN = "news.harbour.example"
GOOGLE: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "postmaster" / "google.json").read_text()
)
USER = json.dumps(
    {"type": "authorized_user", "client_id": "1.apps", "client_secret": "hush-client", "refresh_token": "hush-token"}
)
CSV = {
    "status": 200,
    "headers": {"Content-Type": "text/csv"},
    "text": "127.0.1.1,11/27/2026 12:00 AM,11/27/2026 11:59 PM,99,99,98,YELLOW,0.4%,,,2,h,f\r\n",
}


@pytest.fixture(autouse=True)
def house(settings: Settings) -> None:
    settings.LAB = True
    shop()
    verified_domain(DOMAIN)
    direct_route("127.0.1.1")


def the_row() -> PostmasterAccess:
    return PostmasterAccess.objects.get()


def asked(monkeypatch: pytest.MonkeyPatch, answer: Answer, *, secret: str = USER, acts_for: str = "") -> FakeApi:
    """Google on loopback is asked once with this key."""
    with answering(answer) as api:
        monkeypatch.setattr(google_postmaster, "TOKEN_URL", f"{api.url}token")
        monkeypatch.setattr(google_postmaster, "API_URL", api.url.rstrip("/"))
        fetching_figures.enter(now=NOW, source="google", secret=secret, acts_for=acts_for)
        assert fetching_figures.fetch_due(now=NOW) == 1
    return api


def google(*answers: str, domains: dict[str, str] | None = None) -> Answer:
    """A token first, then these in turn; or by the domain in the path."""
    left = list(answers)

    def respond(call: Call) -> dict[str, Any]:
        if call.path.endswith("/token"):
            return GOOGLE["token"]
        for name, said in (domains or {}).items():
            if f"/{name}/" in call.path:
                return GOOGLE[said]
        return GOOGLE[left.pop(0)]

    return respond


def test_google_is_asked_page_by_page_and_a_day_it_keeps_to_itself_is_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    api = asked(monkeypatch, google("first_page", "second_page"))
    rows = PostmasterFigure.objects.order_by("day").values_list("subject", "day", "complaints", "messages")
    assert list(rows) == [(DOMAIN, date(2026, 11, 25), 0.1, None), (DOMAIN, date(2026, 11, 26), 0.0, None)]
    token, first, second = api.calls
    assert token.fields == {
        "grant_type": "refresh_token",
        "client_id": "1.apps",
        "client_secret": "hush-client",
        "refresh_token": "hush-token",
    }
    assert first.path.endswith(f"/domains/{DOMAIN}/domainStats:query")
    assert first.headers["authorization"] == "Bearer ya29.double"
    [days] = first.fields["timeQuery"]["dateRanges"]["dateRanges"]
    assert days["end"] == {"year": 2026, "month": 11, "day": 27}
    assert (first.fields["metricDefinitions"][0]["baseMetric"], second.fields["pageToken"]) == (
        {"standardMetric": "SPAM_RATE"},
        "2",
    )
    row = the_row()
    assert (row.problem, row.notes, row.figures, row.told_at) == ("", [], 2, NOW)
    assert row.next_at == NOW + timedelta(days=1)


def test_a_service_account_signs_for_the_person_it_acts_for(monkeypatch: pytest.MonkeyPatch) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    secret = json.dumps({"type": "service_account", "client_email": "robot@x.iam", "private_key": pem})
    api = asked(monkeypatch, google("nothing"), secret=secret, acts_for="mara@harbour.example")
    head, claims, signature = api.calls[0].fields["assertion"].split(".")

    def octets(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    private.public_key().verify(octets(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    said = json.loads(octets(claims))
    assert (said["iss"], said["sub"], said["exp"] - said["iat"]) == ("robot@x.iam", "mara@harbour.example", 3600)
    assert said["aud"] == "https://oauth2.googleapis.com/token"
    assert the_row().name == "robot@x.iam (mara@harbour.example)"


@pytest.mark.parametrize(
    ("answer", "words", "hours"),
    [
        (GOOGLE["revoked"], "revoked, or ran out", 24),
        (google("no_scope"), "needs the scope", 24),
        (google("switched_off"), "not switched on", 24),
        (google("quota"), "quota for this project is used up", 1),
        ({"status": 503}, "status 503", 1),
        ({"status": 200, "text": "<html>"}, "no JSON", 24),
        (lambda _call: None, "could not be asked", 1),
    ],
)
def test_what_went_wrong_is_said_and_when_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, words: str, hours: int
) -> None:
    asked(monkeypatch, answer)
    row = the_row()
    assert words in row.problem
    assert (row.next_at, row.told_at) == (NOW + timedelta(hours=hours), None)
    assert "hush" not in row.problem


def test_a_domain_that_is_not_shared_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    verified_domain("shop.harbour.example")
    verified_domain("quiet.harbour.example")
    where = {DOMAIN: "second_page", "shop.harbour.example": "not_shared", "quiet.harbour.example": "nothing"}
    asked(monkeypatch, google(domains=where))
    row = the_row()
    assert (row.problem, row.figures) == ("", 1)
    assert [note.split(":")[0] for note in row.notes] == ["quiet.harbour.example", "shop.harbour.example"]
    assert "no figures yet" in row.notes[0] and "no such domain at Postmaster Tools" in row.notes[1]


def test_a_key_is_sealed_and_only_its_name_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, google("nothing"))
    row = the_row()
    assert b"hush" not in bytes(row.secret_sealed) and row.name == "1.apps"
    page = visitor("admin", Role.ADMIN).get("/outside/figures/").content.decode()
    assert "1.apps" in page and "hush" not in page


@pytest.mark.parametrize("secret", ["{", "[]", '{"type": "external"}', '{"type": "authorized_user"}', "[" * 9999])
def test_what_is_no_key_is_refused_before_it_is_kept(secret: str) -> None:
    with pytest.raises(Unreadable):
        fetching_figures.enter(now=NOW, source="google", secret=secret)
    assert not PostmasterAccess.objects.exists()


def test_a_key_is_asked_with_once_a_day_by_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, google("nothing"))
    assert fetching_figures.fetch_due(now=NOW + timedelta(hours=23)) == 0
    stale = the_row()
    PostmasterAccess.objects.update(next_at=NOW + timedelta(days=2))
    assert not fetching_figures.fetch(now=NOW + timedelta(days=1), row=stale)


# -- Microsoft ---------------------------------------------------------------------------------------------------------


def snds_asked(answer: Answer) -> PostmasterAccess:
    with answering(answer) as api:
        fetching_figures.enter(now=NOW, source="snds", secret=f"{api.url}DataKey?Key=hush-1234")
        fetching_figures.fetch_due(now=NOW)
    return the_row()


def test_snds_tells_of_our_addresses_and_others_are_left_out() -> None:
    stranger = CSV["text"].replace("127.0.1.1", "192.0.2.9")  # type: ignore[attr-defined]
    row = snds_asked({**CSV, "text": CSV["text"] + stranger})
    [figure] = PostmasterFigure.objects.all()
    assert (figure.subject, figure.day, figure.colour, figure.traps) == ("127.0.1.1", date(2026, 11, 27), "yellow", 2)
    assert (row.problem, row.notes) == ("", ["Left out: 192.0.2.9, no sending address here."])
    assert row.name == "127.0.0.1, key …1234"


def test_the_newer_form_has_one_column_for_the_period() -> None:
    text = (
        "Ip Address,Activity period,RCPT commands,DATA commands,Message recipients,Filter result,Complaint rate,"
        "Trap message period,Trap hits,JMR P1 Sender,Comments\r\n"
        "127.0.1.1,11/27/2026 12:00 AM,99,99,98,GREEN,<0.1%,,0,,\r\n"
    )
    snds_asked({**CSV, "text": text})
    [figure] = PostmasterFigure.objects.all()
    assert (figure.messages, figure.colour, figure.complaints, figure.traps) == (98, "green", 0.1, 0)


@pytest.mark.parametrize(
    ("answer", "words", "hours"),
    [
        ({"status": 404}, "end after 30 days", 24),
        ({"status": 302, "headers": {"Location": "https://login.example/"}}, "end after 30 days", 24),
        ({**CSV, "headers": {"Content-Type": "text/html"}, "text": "<html>Sign in"}, "end after 30 days", 24),
        ({"status": 429}, "status 429", 1),
        ({"status": 500}, "status 500", 1),
        ({**CSV, "text": "x" * (6 << 20)}, "larger than 5,120 KB", 1),
        ({**CSV, "text": "127.0.1.1,?,?"}, "could not be read: Line 1", 24),
        (lambda _call: None, "could not be asked", 1),
    ],
)
def test_what_snds_refuses_is_said(answer: Answer, words: str, hours: int) -> None:
    row = snds_asked(answer)
    assert words in row.problem and "hush" not in row.problem
    assert row.next_at == NOW + timedelta(hours=hours)


def test_nothing_to_tell_is_no_fault() -> None:
    row = snds_asked({**CSV, "text": ""})
    assert (row.problem, row.notes) == ("", [snds.NONE_YET])


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/?key=1",
        "http://substrate.office.com/ip-domain-management-snds/SNDS/DataKey?Key=1",
        "https://substrate.office.com.evil.example/?Key=1",
        "https://substrate.office.com/ip-domain-management-snds/SNDS/DataKey",
        "file:///etc/passwd?key=1",
    ],
)
def test_a_link_that_leads_elsewhere_is_refused(settings: Settings, link: str) -> None:
    settings.LAB = False
    with pytest.raises(Unreadable):
        fetching_figures.enter(now=NOW, source="snds", secret=link)


def test_nothing_leaves_a_rehearsal() -> None:
    fetching_figures.enter(now=NOW, source="google", secret=USER)
    fetching_figures.fetch_due(now=NOW)
    assert "LAB is on" in the_row().problem


# -- The page ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def admin() -> Client:
    return visitor("admin", Role.ADMIN)


def test_an_admin_enters_a_link_which_is_asked_with_at_once(admin: Client) -> None:
    with answering(CSV) as api:
        page = admin.post("/outside/figures/snds/key/", {"secret": f"{api.url}?Key=1"}, follow=True).content.decode()
        assert "Asked. Figures: 1." in page and "Works" in page
        page = admin.post("/outside/figures/snds/ask/", follow=True).content.decode()
        assert len(api.calls) == 2
    admin.post("/outside/figures/snds/forget/")
    assert not PostmasterAccess.objects.exists() and PostmasterFigure.objects.exists()


def test_what_is_wrong_with_a_key_stands_at_its_field(admin: Client) -> None:
    answer = admin.post("/outside/figures/google/key/", {"secret": "{}"})
    assert answer.status_code == 422 and "service_account" in answer.content.decode()


def test_yahoo_is_not_asked_and_the_page_says_so(admin: Client) -> None:
    assert "it documents no interface for them" in admin.get("/outside/figures/").content.decode()
    assert admin.get("/outside/figures/yahoo/key/").status_code == 404


def test_a_viewer_is_shown_no_keys_form() -> None:
    client = visitor("viewer", Role.VIEWER)
    assert "/key/" not in client.get("/outside/figures/").content.decode()
    assert client.get("/outside/figures/google/key/").status_code == 403
    assert client.post("/outside/figures/google/ask/").status_code == 403
