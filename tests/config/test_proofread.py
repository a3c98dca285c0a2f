"""What recipients read was read twice in every language, after its last change."""

import re

import pytest
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import to_locale

from campaigns.pure.phrases import phrases
from config import proofread, translations

FOREIGN = [code for code, _name in settings.LANGUAGES if code != "en"]
HALF_WIDTH = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff][,.?!:;]|[,.?!;](?=$|[\u3040-\u30ff\u4e00-\u9fff])")


def sentences(code: str, name: str = "django") -> list[str]:
    path = translations.SOURCES / to_locale(code) / "LC_MESSAGES" / f"{name}.po"
    catalog = read_po(path.open("rb"), locale=to_locale(code))
    found = [message.string or "" for message in catalog if message.id]
    return [text for forms in found for text in ([forms] if isinstance(forms, str) else forms)] + list(phrases(code))


@pytest.mark.parametrize("code", FOREIGN)
def test_nothing_recipients_read_has_changed_since_it_was_read_twice(code: str) -> None:
    assert proofread.readings()[code].sha256 == proofread.digest(code), (
        f"Read what changed in {code}, as CONTRIBUTING.md says, then: python -m config.proofread {code}"
    )


def test_a_changed_word_is_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    before = proofread.digest("de")
    monkeypatch.setattr("campaigns.pure.phrases._PHRASES", {"en": phrases("en"), "de": phrases("fr")})

    assert proofread.digest("de") != before


@pytest.mark.parametrize("code", FOREIGN)
def test_the_footer_of_letters_speaks_every_language(code: str) -> None:
    said, english = phrases(code), phrases("en")

    assert not set(said) & set(english)
    for mine, theirs in zip(said, english, strict=True):
        assert sorted(re.findall(r"\{\w+\}", mine)) == sorted(re.findall(r"\{\w+\}", theirs))


@pytest.mark.parametrize("name", ["django", "site"])
def test_french_keeps_its_marks_with_the_word_before(name: str) -> None:
    loose = re.compile(r" [?!:;»](?=[\s<.,)]|$)|« ")

    assert [text for text in sentences("fr", name) if loose.search(text)] == []


@pytest.mark.parametrize("code", ["ja", "zh-hans"])
def test_japanese_and_chinese_have_marks_of_full_width(code: str) -> None:
    shown = [re.sub(r"%\(\w+\)s|\{\w+\}|</?b[^>]*>", "x", text) for text in sentences(code)]

    assert [text for text in shown if HALF_WIDTH.search(text)] == []


def test_arabic_has_its_own_marks() -> None:
    assert [text for text in sentences("ar") if re.search(r"[?;,](?=\s|$)", text)] == []


@pytest.mark.parametrize("code", ["es"])
def test_spanish_opens_its_questions(code: str) -> None:
    assert [text for text in sentences(code) if ("?" in text) != ("¿" in text)] == []
