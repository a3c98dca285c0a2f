"""A letter that its author wrote as HTML or MJML.

HTML leaves as it was written, byte for byte, but for four things: links lead through the table of links, the preheader
stands first in the body, the footer and the picture that counts opens last. MJML is compiled first; a Liquid tag
between its sections or columns may stand alone there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape, unescape

import mjml

from sending.pure.liquid_scan import BLOCKS, Problem, Tag
from sending.pure.message import Envelope
from words import gettext as _

from .frame import Footer, footer_block, pixel, preheader_block, text_footer
from .links import LinkTable
from .markup import VOID, Markup, edited, read_markup
from .markup_lint import html_problems, mjml_problems
from .markup_text import text_of_markup
from .mjml_words import CHILDREN
from .phrases import direction
from .placeholders import Placeholders

_PICTURES = frozenset("src background background-url icon-wrapped-url icon-unwrapped-url left-icon right-icon".split())
_NO_LINKS = frozenset({"link", "base", "mj-font", "mj-all", "mj-class"})
_TAKES_TAGS = frozenset(CHILDREN) - {"", "mjml", "mj-head", "mj-attributes"}
_WAY_OUT = re.compile(r"\{\{-?\s*unsubscribe_url\s*-?\}\}\Z")
_AT = re.compile(r"position (\d+):")
_PAGE = """<!DOCTYPE html>
<html lang="{language}" dir="{direction}">
<head>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
</head>
<body>
{fragment}
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Page:
    """A whole HTML page as a Liquid source, with the addresses it leaves with and without our footer."""

    html: str


def read_html(source: str, *, links: LinkTable, language: str) -> Page:
    """Findings go to `links.problems`."""
    markup = read_markup(source)
    links.problems += html_problems(markup)
    html = edited(source, list(_settled(markup, links)))
    if not any(mark.name in ("html", "body") for mark in markup.marks):
        html = _PAGE.format(language=escape(language), direction=direction(language), fragment=html)
    return Page(html)


def read_mjml(source: str, *, links: LinkTable, language: str) -> Page | None:
    """Findings go to `links.problems`; None when one of them keeps it from being compiled."""
    source = _unix(source)
    markup = read_markup(source)
    links.problems += mjml_problems(markup)
    edits = [*_settled(markup, links), *_lone_tags(markup), *_language(markup, language)]
    if any(problem.blocks for problem in links.problems):
        return None
    stashed = links.places.stashed(edited(source, edits))
    try:
        return Page(links.places.restore(_html_of(stashed)))
    except ValueError as error:
        links.problems.append(_unreadable(stashed, str(error)))
        return None


def as_html(source: str, places: Placeholders) -> str:
    """The HTML that MJML makes, with its Liquid tags, to be edited by hand; empty when it cannot be read."""
    source = _unix(source)
    markup = read_markup(source)
    if any(problem.blocks for problem in mjml_problems(markup)):
        return ""
    try:
        return places.restore(_html_of(places.stashed(edited(source, list(_lone_tags(markup))))))
    except ValueError:
        return ""


def _unix(source: str) -> str:
    # The compiler stumbles over a CR between elements, and over a byte order mark.
    return source.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def _html_of(stashed: str) -> str:
    # Nothing of another host: no fonts, no icons, no includes.
    return mjml.mjml2html(stashed, fonts={}, social_icon_origin="", include_loader=None)


def written_links(source: str) -> list[tuple[str, str, int]]:
    """(text, address, line) of every link."""
    markup = read_markup(source)
    return [
        (_words(markup.inner(index)), address, markup.line(mark.start))
        for index, mark in enumerate(markup.marks)
        if not mark.closing and mark.name not in _NO_LINKS and (address := markup.value(mark, "href")) is not None
    ]


def _words(inner: str) -> str:
    return " ".join(unescape(re.sub(r"<[^<>]*>", " ", inner)).split())


def finished(
    page: Page, *, preheader: str, footer: Footer, envelope: Envelope, places: Placeholders
) -> tuple[str, str]:
    """The page and its text part, as Liquid sources with placeholders, with what every mail has to have.

    A page with a link of its own to `{{ unsubscribe_url }}` and with the postal address gets no footer of ours.
    """
    text = text_of_markup(places.stashed(page.html), places)
    own_way_out = not footer.unsubscribe or has_way_out(page.html)
    added, language = "", envelope.language or "en"
    if not own_way_out or not _names(footer.postal_address, text):
        missing = replace(footer, unsubscribe=not own_way_out)
        added = footer_block(missing, language=language, places=places)
        text += text_footer(missing, language=language, places=places)
    if envelope.track_opens:
        added += pixel(places)
    begin, end = _body(page.html)
    edits = [
        (begin, begin, places.restore(preheader_block(places.stashed(preheader)))),
        (end, end, places.restore(added)),
    ]
    return edited(page.html, edits), places.restore(text)


def _body(html: str) -> tuple[int, int]:
    """Where a page's content begins and ends."""
    marks = read_markup(html).marks
    begin = next((mark.end for mark in marks if mark.name == "body" and not mark.closing), None)
    if begin is None:
        begin = next((mark.end for mark in reversed(marks) if mark.name in ("html", "head")), 0)
    ends = [mark.start for mark in marks if mark.closing and mark.name in ("body", "html") and mark.start >= begin]
    return begin, min(ends, default=len(html))


def has_way_out(html: str) -> bool:
    """Is there a link to unsubscribe for everybody: with words or a picture in it, and in no `{% if %}`?"""
    markup = read_markup(html)
    for index, mark in enumerate(markup.marks):
        address = mark.of("href")
        if mark.closing or mark.name not in ("a", "area") or address is None:
            continue
        if _WAY_OUT.match(html[address.start : address.end].strip()) and not _depth(markup, mark.start):
            inner = markup.inner(index)
            if mark.name == "area" or "<img" in inner.lower() or _words(inner):
                return True
    return False


def _depth(markup: Markup, index: int) -> int:
    before = [tag.name for tag in markup.tags if tag.start < index and not tag.is_output]
    return sum((name in BLOCKS) - name.startswith("end") for name in before)


def _names(postal_address: str, text: str) -> bool:
    """Does the page say the postal address, line by line, however it is set?"""
    said = " ".join(text.lower().split())
    lines = [" ".join(line.lower().split()).strip(" ,") for line in postal_address.splitlines()]
    return all(line in said for line in lines if line)


def _settled(markup: Markup, links: LinkTable) -> Iterator[tuple[int, int, str]]:
    for mark in markup.marks:
        if mark.closing or mark.name in _NO_LINKS:
            continue
        for attribute in mark.attributes:
            raw = markup.source[attribute.start : attribute.end]
            written = unescape(links.places.stashed(raw)).strip()
            if attribute.name == "href" and not written.startswith("#"):
                new = links.href(written, markup.line(mark.start))
            elif attribute.name in _PICTURES and (written or attribute.name == "src"):
                new = links.src(written, markup.line(mark.start))
            else:
                continue
            if new != written:
                text = links.places.restore(escape(new))
                quoted = markup.source[attribute.start - 1] in "\"'"
                yield attribute.start, attribute.end, text if quoted else f'"{text}"'


def _lone_tags(markup: Markup) -> Iterator[tuple[int, int, str]]:
    """Between sections, columns or blocks a tag wants an element of its own."""
    parents: list[str] = []
    for event in markup.events():
        if isinstance(event, Tag):
            if parents and parents[-1] in _TAKES_TAGS:
                yield event.start, event.end, f"<mj-raw>{markup.source[event.start : event.end]}</mj-raw>"
        elif event.closing and event.name in parents:
            del parents[len(parents) - 1 - parents[::-1].index(event.name) :]
        elif not event.closing and not event.empty and event.name not in VOID:
            parents.append(event.name)


def _language(markup: Markup, language: str) -> Iterator[tuple[int, int, str]]:
    root = next((mark for mark in markup.marks if mark.name == "mjml"), None)
    if root is not None and root.of("lang") is None:
        at = root.start + len("<mjml")
        yield at, at, f' lang="{escape(language)}"' + ("" if root.of("dir") else f' dir="{direction(language)}"')


def _unreadable(stashed: str, error: str) -> Problem:
    found = _AT.search(error)
    line = stashed.count("\n", 0, int(found.group(1))) + 1 if found else 1
    message = "MJML cannot be read here: " + re.sub(r" in root template.*", "", error).strip().rstrip(".") + "."
    return Problem(line, 1, message, _("Is an element closed in the wrong place, or a `<` meant as text (write &lt;)?"))
