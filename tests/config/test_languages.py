"""The team's pages in the language of whoever looks: the browser's, the cookie's, or the member's own choice."""

from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.template import Context, Template
from django.test import Client
from django.urls import reverse
from django.utils.translation import get_language, override

from campaigns.pure import lane_words
from config.languages import first_spoken
from config.models import Member
from tests.cast import shop
from tests.visitors import colleague

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WARSAW = ZoneInfo("Europe/Warsaw")


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [(["de-AT"], "de"), (["ja", "DE"], "de"), (["ja"], "en"), ([""], "en"), (["<script>"], "en"), ([], "en")],
)
def test_the_first_language_that_is_spoken_is_taken(asked: list[str], spoken: str) -> None:
    assert first_spoken(asked) == spoken


@pytest.mark.django_db
def test_the_sign_in_page_speaks_the_browsers_language_and_offers_the_others() -> None:
    shop()
    page = Client(headers=GERMAN).get(reverse("account_login"))

    assert page.headers["Content-Language"] == "de"
    assert '<html lang="de" dir="ltr">' in page.text and "<h1>Anmelden</h1>" in page.text
    for code in settings.SITE_LANGUAGES:
        assert f'name="language" value="{code}" lang="{code}"' in page.text


@pytest.mark.django_db
def test_a_language_that_only_recipients_have_leaves_the_site_in_english() -> None:
    shop()
    page = Client(headers={"Accept-Language": "ar"}).get(reverse("account_login"))

    assert '<html lang="en" dir="ltr">' in page.text and "<h1>Sign in</h1>" in page.text


@pytest.mark.django_db
def test_the_switch_is_remembered_before_anybody_signs_in() -> None:
    shop()
    client = Client(headers=GERMAN)
    answer = client.post(reverse("language"), {"language": "en", "next": reverse("account_login")})

    assert answer.headers["Location"] == reverse("account_login")
    assert "<h1>Sign in</h1>" in client.get(reverse("account_login")).text


@pytest.mark.django_db
@pytest.mark.parametrize("back", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", ""])
def test_the_switch_leads_nowhere_else(back: str) -> None:
    answer = Client().post(reverse("language"), {"language": "de", "next": back})

    assert answer.headers["Location"] == reverse("home")


@pytest.mark.django_db
def test_a_members_choice_is_kept_with_the_member_and_wins_over_the_browser() -> None:
    client = colleague()
    client.post(reverse("language"), {"language": "de", "next": "/"})
    assert Member.objects.get().language == "de"

    del client.cookies[settings.SITE_LANGUAGE_COOKIE]
    page = client.get(reverse("campaigns"), headers={"Accept-Language": "en"})

    assert '<html lang="de"' in page.text and "Neue Kampagne" in page.text
    assert page.headers["Content-Language"] == "de"
    assert get_language() == "en", "the next request begins anew"


@pytest.mark.django_db
def test_what_a_form_says_of_bad_input_is_in_the_language_of_the_page() -> None:
    client = colleague()
    Member.objects.update(language="de")
    page = client.post(reverse("campaign-new"), {"name": ""})

    assert "Dieses Feld ist zwingend erforderlich." in page.text
    assert "Für Ihr Team; Empfänger sehen ihn nie." in page.text


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "8,532 4.6 Tue 24 Nov 2026, 13:00 (Europe/Warsaw)"),
        ("de", "8.532 4,6 Di, 24. Nov 2026, 13:00 (Europe/Warsaw)"),
    ],
)
def test_numbers_and_times_are_written_as_the_language_writes_them(language: str, said: str) -> None:
    template = Template("{% load campaigns %}{{ n|count }} {{ some|part_of:n }} {% when at %}")
    workspace = SimpleNamespace(time_zone="Europe/Warsaw")
    with override(language):
        assert template.render(Context({"n": 8532, "some": 393, "at": NOON, "workspace": workspace})) == said


@pytest.mark.parametrize(
    ("language", "connections", "said"),
    [
        ("en", 1, "Over 1 connection."),
        ("en", 2, "Over 2 connections."),
        ("de", 1, "Über 1 Verbindung."),
        ("de", 2, "Über 2 Verbindungen."),
    ],
)
def test_what_pure_code_says_is_in_the_language_of_the_page(language: str, connections: int, said: str) -> None:
    facts = lane_words.Facts(
        who="Gmail", provider="google", mailing_state="running", waiting=9, connections=connections
    )
    with override(language):
        assert lane_words.say(facts, now=NOON, zone=WARSAW).sentence == said
