"""No page speaks English alone: in a language where all that is marked is in brackets, nothing else comes from code."""

import ast
import html
import re
from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser
from uuid import UUID
from zoneinfo import available_timezones

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client
from django.utils import translation

from config import translations
from reputation.catalogue import catalogue
from reputation.models import PostmasterFigure
from sending.esp.catalogue import ESPS
from tests.browser import furnish
from tests.browser.pages import EMPTY, FULL, Look
from tests.config.test_translations import QUIET, SHOWN, UNTRANSLATED

MARKS = {"_", "gettext", "ngettext", "pgettext", "npgettext", "gettext_lazy", "marked", "words"}
# What a view says straight to whoever looks: the message, and which argument it is.
SAYS = {"success": 1, "error": 1, "info": 1, "warning": 1, "add_message": 2, "add_error": 1, "ValidationError": 0}
WORD = re.compile(r"[^\W\d_]{2}")


def said_to_people(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in SAYS and len(node.args) > SAYS[name] and not _is_a_log(node):
                yield node.args[SAYS[name]]


def _is_a_log(call: ast.Call) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id in ("log", "logger")


def unmarked(node: ast.AST) -> Iterator[str]:
    """Words in an expression that no mark is around."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in MARKS:
        return
    if isinstance(node, ast.Subscript | ast.Attribute | ast.Compare):
        return
    if isinstance(node, ast.IfExp):
        yield from [*unmarked(node.body), *unmarked(node.orelse)]
        return
    if isinstance(node, ast.Dict):
        return  # the values of %(names)s
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.search(node.value):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from unmarked(child)


def test_what_views_say_is_marked() -> None:
    files = [path for name in translations.SPOKEN for path in translations.files_of(name) if path.suffix == ".py"]
    found = [
        f"{path.relative_to(translations.BASE_DIR)}:{said.lineno}: {text}"
        for path in files
        for said in said_to_people(ast.parse(path.read_text()))
        for text in unmarked(said)
    ]
    assert found == []


def test_a_message_without_a_mark_is_found() -> None:
    tree = ast.parse("""messages.error(request, f"{n} are back." if n else _("Nothing."))""")
    assert [text for said in said_to_people(tree) for text in unmarked(said)] == [" are back."]


class Brackets:
    """A language in which `Save` is ⟦Save⟧."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧" if message else ""

    def ngettext(self, one: str, many: str, n: int) -> str:
        return f"⟦{one if n == 1 else many}⟧"

    def pgettext(self, context: str, message: str) -> str:
        return message if context == "date format" else f"⟦{message}⟧"

    def npgettext(self, context: str, one: str, many: str, n: int) -> str:
        return self.ngettext(one, many, n)


@pytest.fixture
def bracketed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gettext", "ngettext", "pgettext", "npgettext"):
        monkeypatch.setattr(translation._trans, name, getattr(Brackets(), name))  # type: ignore[attr-defined]


class Texts(HTMLParser):
    """What people read on a page, without what is in brackets."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._quiet: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in QUIET:
            self._quiet.append(tag)
        self.found += [value for name, value in attrs if name in SHOWN and value]

    def handle_endtag(self, tag: str) -> None:
        if self._quiet and self._quiet[-1] == tag:
            self._quiet.pop()

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.found.append(data)


def unbracketed(page: str) -> Iterator[str]:
    texts = Texts()
    # Sentences hold elements: brackets are looked for on the whole page first.
    plain, before = page, ""
    while plain != before:
        before, plain = plain, re.sub(r"⟦[^⟦⟧]*⟧", " ", plain)
    texts.feed(plain)
    for text in texts.found:
        said = " ".join(html.unescape(text).split()).strip(" ·:,.;()")
        if WORD.search(UNTRANSLATED.sub("", said)):
            yield said


# Handbook, records for whoever keeps the DNS, and what our rules about answers do (replies.toml, reactions.py).
IN_ENGLISH = ("help", "domain-records", "answer")
# Stored sentences are English by decision (CONTRIBUTING.md): those that pages take from code or from our rules anew.
STILL_ENGLISH = re.compile(
    r"""catalogue,|warm-up\ “|Made\ from\ the\ preset|^Open$     # reasons of limits, plans
    |schedule\b|Cautious|Normal|Known\ sender|Suped|automated\ IP|policies\ \(  # warmup.toml
    # records
    |[Ss]igns\ your\ mail|[Ss]ays\ w|Brings\ bounces|reverse\ name|Reverse\ name|Leads\ from|Return\ path$|^Name$
    |No\ such\ mailbox|Bounced\ for\ good|Marked\ as\ spam|Content\ refused  # the guard's signals
    |^UTF-|^ISO\ 8859|upload$|^STARTTLS$""",
    re.VERBOSE,
)


def stored() -> list[str]:
    """Every text in the tables of our apps: data, or a sentence that was stored in English."""
    found: set[str] = set()
    for model in apps.get_models():
        for row in model._default_manager.values():
            found |= set(_texts_in(row))
    return [text for text in found if WORD.search(text)]


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from (" ".join(line.split()).strip(" .") for line in (value, *value.splitlines()))
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for one in pair for text in _texts_in(one))
    elif isinstance(value, list):
        yield from (text for one in value for text in _texts_in(one))
    elif isinstance(value, UUID):
        yield str(value)


def said_elsewhere() -> list[str]:
    return sorted({*known_names(), *stored()}, key=len, reverse=True)


def known_names() -> Iterator[str]:
    yield from (*available_timezones(), *(name.strip(")") for _code, name in settings.LANGUAGES))
    yield from (provider.name for provider in catalogue().providers.values())
    yield from (word for _value, word in PostmasterFigure.Source.choices)
    yield from (esp.title for esp in ESPS.values())
    yield from ("City", "Oslo", "Nobody")  # in the imported file


@pytest.mark.django_db
@pytest.mark.usefixtures("bracketed")
def test_pages_say_nothing_without_a_mark_but_what_is_stored(now: datetime) -> None:
    told = {**furnish.bare(now), **furnish.full(now)}
    shown: dict[str, str] = {}
    for look in (*EMPTY, *FULL):
        if look.who == "admin" and look.status == 200 and not look.route.startswith(IN_ENGLISH):
            shown |= dict.fromkeys(unbracketed(page_of(look, told)), str(look))
    names = re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in said_elsewhere()))
    left = [said for said in shown if WORD.search(UNTRANSLATED.sub("", names.sub("", said)))]
    assert [f"{shown[said]}: {said}" for said in left if not STILL_ENGLISH.search(said)] == []


def page_of(look: Look, told: dict[str, object]) -> str:
    client = Client()
    from django.contrib.auth.models import User

    client.force_login(User.objects.get(username=furnish.ADMIN))
    answer = client.get(look.path(told))
    return answer.content.decode() if answer.status_code == 200 else ""


def test_brackets_are_seen() -> None:
    with translation.override("en"):
        assert list(unbracketed('<p title="Save">⟦Yes <b>⟦no⟧</b>⟧ maybe</p>')) == ["Save", "maybe"]
