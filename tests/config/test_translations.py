"""What recipients and the team read, in every language they have: complete, with its parts; made when missing."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import gettext, override, to_locale

from config import translations

FOREIGN = [code for code, _name in settings.LANGUAGES if code != "en"]
OF_THE_TEAM = [code for code in settings.SITE_LANGUAGES if code != "en"]
PARTS = re.compile(r"%\(\w+\)s|%%|\{who\}|</?\w[^>]*>|&\w+;")


def words_of(code: str, name: str = "django") -> Catalog:
    path = translations.SOURCES / to_locale(code) / "LC_MESSAGES" / f"{name}.po"
    return read_po(path.open("rb"), locale=to_locale(code))


def test_what_pages_say_is_found_in_templates_and_in_code() -> None:
    said = [one.message for one in translations.said()]

    assert "Yes, stop it" in said
    assert "%(name)s will not write to you again." in said
    assert "Saved. We will not write to you again." in said


@pytest.mark.parametrize(
    ("name", "code"), [*(("django", code) for code in FOREIGN), *(("site", code) for code in OF_THE_TEAM)]
)
def test_every_sentence_is_there_with_its_parts_and_nothing_else(name: str, code: str) -> None:
    said = {(one.context, one.id) for one in translations.said(name)}
    catalog = [message for message in words_of(code, name) if message.id]

    assert {(message.context, message.id) for message in catalog} == said
    assert not any(message.fuzzy for message in catalog)
    pairs = [pair for message in catalog for pair in zip(forms(message.id), forms(message.string), strict=True)]
    assert [text for text, translated in pairs if not translated.strip()] == []
    wrong = [pair for pair in pairs if sorted(PARTS.findall(pair[0])) != sorted(PARTS.findall(pair[1]))]
    assert wrong == []


def forms(text: object) -> tuple[str, ...]:
    """Singular and plural, or the only form."""
    return tuple(map(str, text)) if isinstance(text, tuple | list) else (str(text),)


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


# Names, and what is typed as it stands.
UNTRANSLATED = re.compile(
    r"Letterpace|Ctrl K|Esc|DNS|SMTP|HTML|MJML|DKIM|SPF|DMARC|TLS|CSV|IPv?\d?|URL|SHA|[kKM]B|ms|px|CNAME|TXT|PTR|OK|"
    r"\ben\b|&\w+;|https?://\S*"
)
SHOWN = {"aria-label", "title", "placeholder", "alt", "data-label"}
QUIET = {"script", "style", "svg", "textarea", "pre", "code"}


class _Words(HTMLParser):
    """Text and attributes that people read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._quiet = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._quiet += tag in QUIET
        self.found += [value for name, value in attrs if name in SHOWN and value]

    def handle_endtag(self, tag: str) -> None:
        self._quiet -= tag in QUIET and self._quiet > 0

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.found.append(data)


def unmarked(template: str) -> Iterator[str]:
    """What a template says without a mark; what it gives to an included one or falls back to counts too."""
    plain = re.sub(r"\{%\s*(blocktranslate|comment)\b.*?\{%\s*end\1\s*%\}", "", template, flags=re.DOTALL)
    for tag in re.findall(r"\{%\s*include (.*?)%\}", plain):
        yield from re.findall(r"""\b(?:word|title|say|action|label|caption|summary|heading|column)=["']([^"']+)""", tag)
    yield from re.findall(r"""\{\{[^}]*?\|default:["']([^"']+)["']""", plain)
    words = _Words()
    words.feed(re.sub(r"\{[{%#].*?[}%#]\}", "", plain, flags=re.DOTALL))
    yield from words.found


def test_every_word_of_every_template_is_marked() -> None:
    found = [
        (path.name, text.strip())
        for path in sorted((translations.BASE_DIR / "templates").rglob("*.html"))
        for text in unmarked(path.read_text())
        if re.search(r"[^\W\d_]{2}", UNTRANSLATED.sub("", text))
    ]
    assert found == []


def test_a_word_without_a_mark_is_found() -> None:
    assert list(unmarked('<p title="{% translate "x" %}">{% blocktranslate %}x{% endblocktranslate %}</p>')) == []
    assert list(unmarked('<p>Hello {{ name|default:"you" }}</p>')) == ["you", "Hello "]
    assert list(unmarked('{% include "a.html" with word="Home" key="home" %}')) == ["Home"]
