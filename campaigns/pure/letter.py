"""Read a letter's Markdown into one tree that both the HTML part and the text part are made from.

1. Liquid tags become opaque words, so that Markdown cannot touch them.
2. Markdown is parsed with raw HTML switched off: what an author types as HTML is shown as text.
3. Links and pictures get the addresses they leave with; a link alone in its paragraph with the title "button"
   becomes a button: `[Read more](https://example.org "button")`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from sending.pure.liquid_scan import BLOCKS, Problem, Tag, scan
from words import gettext as _

from .links import LinkTable
from .placeholders import Placeholders

_VOID = frozenset({"br", "hr", "img"})
_ELEMENT = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^>]*>")


@dataclass(frozen=True, slots=True)
class LetterTree:
    """The parsed letter: Markdown tokens whose addresses are final and whose tags are placeholders."""

    tokens: list[Token]
    html: str  # the author's part only, with placeholders


def parser() -> MarkdownIt:
    """The Markdown of letters: CommonMark with tables and strikethrough, without raw HTML."""
    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    # Addresses are judged by LinkTable, which can say what is wrong; here a refused one would silently stay text.
    markdown.validateLink = lambda url: True  # type: ignore[method-assign]
    return markdown


def read_letter(markdown: str, *, places: Placeholders, links: LinkTable) -> LetterTree:
    """Parse a letter whose tags were already checked; findings about links and pictures go to `links.problems`."""
    stashed, lines = _stash_tags(_unix(markdown), places)
    reader = parser()
    tokens = _unwrap_lone_tags(reader.parse(stashed), places)
    line = 1
    for token in tokens:
        if token.map:
            line = lines[min(token.map[0], len(lines) - 1)]
        if token.type == "inline":
            _settle_addresses(token, links, line)
    _mark_buttons(tokens)
    html = reader.renderer.render(tokens, reader.options, {})
    links.problems += _crossing_tags(html, places)
    return LetterTree(tokens, html)


def _unix(markdown: str) -> str:
    # The two controls mark lone tags and lost line ends below.
    return markdown.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").replace("\1", "")


def _stash_tags(markdown: str, places: Placeholders) -> tuple[str, list[int]]:
    """The text with words for tags, and for each of its lines the author's line number.

    A block tag alone on its line stands between paragraphs; otherwise Markdown would take it into the list or the
    paragraph above.
    """
    tags, _problems = scan(markdown)
    pieces, at = [], 0
    for tag in tags:
        alone = not tag.is_output and _is_alone(markdown, tag)
        word = places.put(markdown[tag.start : tag.end])
        # Tags may span lines; the line count stays, for the line numbers of what follows.
        pieces += [
            markdown[at : tag.start],
            f"\0{word}\0" if alone else word,
            "\1" * markdown.count("\n", tag.start, tag.end),
        ]
        at = tag.end
    return _with_blank_lines("".join([*pieces, markdown[at:]]))


def _is_alone(markdown: str, tag: Tag) -> bool:
    before = markdown[markdown.rfind("\n", 0, tag.start) + 1 : tag.start]
    end = markdown.find("\n", tag.end)
    return not before.strip() and not markdown[tag.end : end if end >= 0 else None].strip()


def _with_blank_lines(marked: str) -> tuple[str, list[int]]:
    lines: list[str] = []
    numbers: list[int] = []
    number = 1
    for line in marked.split("\n"):
        bare = line.replace("\1", "")
        new = ["", _unindented(bare.replace("\0", "")), ""] if "\0" in bare else [bare]
        lines += new
        numbers += [number] * len(new)
        number += 1 + line.count("\1")
    return "\n".join(lines), numbers


def _unindented(line: str) -> str:
    # Four blanks would make the tag a code block.
    return " " * min(3, len(line) - len(line.lstrip())) + line.strip()


def _unwrap_lone_tags(tokens: list[Token], places: Placeholders) -> list[Token]:
    """Paragraphs that consist of block tags only lose their `<p>`."""
    result: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        inline = tokens[position + 1] if token.type == "paragraph_open" else None
        if inline is not None and _only_block_tags(inline.content, places):
            result.append(
                Token(
                    "html_block",
                    "",
                    0,
                    content=inline.content,
                    map=token.map,
                    level=token.level,
                )
            )
            position += 3
            continue
        result.append(token)
        position += 1
    return result


def _only_block_tags(content: str, places: Placeholders) -> bool:
    sources = [places.source(match) for match in places.pattern.finditer(content)]
    return bool(sources) and not places.pattern.sub("", content).strip() and all(s.startswith("{%") for s in sources)


def _settle_addresses(inline: Token, links: LinkTable, line: int) -> None:
    for child in inline.children or ():
        if child.type == "link_open":
            written = str(child.attrs.get("href", ""))
            child.meta["written"] = written  # the text part need not say it twice
            child.attrs["href"] = links.href(written, line)
        if child.type == "image":
            child.attrs["src"] = links.src(str(child.attrs.get("src", "")), line)
            if not child.content.strip():
                links.problems.append(_no_alt_text(line))
        line += child.type in ("softbreak", "hardbreak")


def _no_alt_text(line: int) -> Problem:
    message = _("A picture has no description: people who do not see it learn nothing.")
    return Problem(line, 1, message, _("Write ![what it shows](address)."), "advice")


def _mark_buttons(tokens: list[Token]) -> None:
    for paragraph, inline in pairwise(tokens):
        children = inline.children or []
        if paragraph.type != "paragraph_open" or not children or children[0].type != "link_open":
            continue
        closings = [place for place, child in enumerate(children) if child.type == "link_close"]
        if children[0].attrs.get("title") == "button" and closings == [len(children) - 1]:
            del children[0].attrs["title"]
            paragraph.attrSet("class", "button")


def _crossing_tags(html: str, places: Placeholders) -> Iterator[Problem]:
    """A block must end where it began (same paragraph level, list, quote), or leaving it out would tear the page."""
    stack: list[str] = []
    opened: list[tuple[str, tuple[str, ...]]] = []
    for name, closing, source in _landmarks(html, places):
        if not source:
            if closing and stack:
                stack.pop()
            elif not closing and name not in _VOID:
                stack.append(name)
        elif name in BLOCKS:
            opened.append((source, tuple(stack)))
        elif name in ("elsif", "else", "when") or name.startswith("end"):
            if not opened or opened[-1][1] != tuple(stack):
                yield _crossing(opened[-1][0] if opened else source)
                return
            if name.startswith("end"):
                opened.pop()
    if opened:
        yield _crossing(opened[-1][0])


def _crossing(source: str) -> Problem:
    message = _("`%(source)s` begins in one paragraph, list or link and ends in another.") % {"source": source[:60]}
    return Problem(1, 1, message, _("Put it and its end on lines of their own."))


def _landmarks(html: str, places: Placeholders) -> Iterator[tuple[str, bool, str]]:
    for match in re.finditer(rf"{_ELEMENT.pattern}|(?P<word>{places.pattern.pattern})", html):
        if match.group("word") is None:
            yield match.group(2).lower(), bool(match.group(1)), ""
            continue
        tag = places.pattern.match(match.group("word"))
        source = places.source(tag) if tag else ""
        name = re.match(r"\{%-?\s*(\w+)", source)
        if name:
            yield name.group(1), False, source
