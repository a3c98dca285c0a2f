"""Recipients' pages in every language of the settings: complete, with their placeholders; made when missing."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import gettext, override, to_locale

from config import translations

FOREIGN = [code for code, _name in settings.LANGUAGES if code != "en"]
PARTS = re.compile(r"%\(\w+\)s|</?b[^>]*>")


def words_of(code: str) -> Catalog:
    path = translations.SOURCES / to_locale(code) / "LC_MESSAGES" / "django.po"
    return read_po(path.open("rb"), locale=to_locale(code))


def test_what_pages_say_is_found_in_templates_and_in_code() -> None:
    said = [one.message for one in translations.said()]

    assert "Yes, stop it" in said
    assert "%(name)s will not write to you again." in said
    assert "Saved. We will not write to you again." in said


@pytest.mark.parametrize("code", FOREIGN)
def test_every_sentence_is_there_with_its_parts_and_nothing_else(code: str) -> None:
    said = {one.message for one in translations.said()}
    words = {str(message.id): str(message.string) for message in words_of(code) if message.id}

    assert words.keys() == said
    assert [text for text, translated in words.items() if not translated.strip()] == []
    assert not any(message.fuzzy for message in words_of(code) if message.id)
    wrong = [
        text for text, translated in words.items() if sorted(PARTS.findall(text)) != sorted(PARTS.findall(translated))
    ]
    assert wrong == []


@pytest.mark.parametrize("code", FOREIGN)
def test_django_finds_them(code: str) -> None:
    with override(code):
        assert gettext("Yes, stop it") == words_of(code)["Yes, stop it"].string != "Yes, stop it"


def test_only_what_is_missing_or_changed_is_made(tmp_path: Path) -> None:
    sources = tmp_path / "locale"
    po = sources / "de" / "LC_MESSAGES" / "django.po"
    po.parent.mkdir(parents=True)
    po.write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Save"\nmsgstr "Speichern"\n')
    made = tmp_path / "made"

    assert translations.compile_all(made, sources) == ["de"]
    assert translations.compile_all(made, sources) == []

    po.write_text(po.read_text().replace("Speichern", "Sichern"))
    assert translations.compile_all(made, sources) == ["de"]
    assert b"Sichern" in (made / "de" / "LC_MESSAGES" / "django.mo").read_bytes()
