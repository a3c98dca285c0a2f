"""The plain-text part of a mail whose author wrote HTML or MJML: what a reader without pictures and styles needs."""

import re
from html import unescape

from .markup import VOID, Mark, read_markup
from .placeholders import Placeholders

_SILENT = frozenset("head style script title noscript mj-style".split())
_APART = frozenset("p h1 h2 h3 h4 h5 h6 table ul ol blockquote pre hr section article header footer".split())
_LINES = frozenset("div tr li dt dd br center address".split())
_RULED = {"h1": "=", "h2": "-"}
_HIDDEN = re.compile(r"(display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all)", re.IGNORECASE)


def text_of_markup(html: str, places: Placeholders) -> str:
    """`html` holds placeholders for its tags, and so does the text."""
    markup = read_markup(html)
    writer, at, silent = _Writer(places), 0, [""]
    spans = [(mark.start, mark.end, mark) for mark in markup.marks]
    gaps = [(start, end, None) for start, end in markup.comments]
    for start, end, mark in sorted([*spans, *gaps], key=lambda one: one[0]):
        if not silent[-1]:
            writer.words(html[at:start])
        at = end
        if mark is None:
            continue
        if silent[-1]:
            _count(mark, silent)
        elif not mark.closing and _says_nothing(mark, html):
            silent.append(mark.name)
        elif mark.closing:
            writer.leave(mark.name)
        else:
            writer.enter(mark.name, markup.value(mark, "href") or "", markup.value(mark, "alt") or "")
    if not silent[-1]:
        writer.words(html[at:])
    return writer.text()


def _says_nothing(mark: Mark, html: str) -> bool:
    style = mark.of("style")
    hidden = style is not None and _HIDDEN.search(html[style.start : style.end]) is not None
    return (mark.name in _SILENT or hidden) and mark.name not in VOID


def _count(mark: Mark, silent: list[str]) -> None:
    if mark.name == silent[-1]:
        if mark.closing:
            silent.pop()
        else:
            silent.append(mark.name)


class _Writer:
    """Writes words as they come; the gap before them is written with the next word that can be seen."""

    def __init__(self, places: Placeholders) -> None:
        self._places = places
        self._pieces: list[str] = []
        self._gap = 0  # line ends due
        self._space = False
        self._links: list[tuple[str, int]] = []
        self._heading = 0

    def words(self, raw: str) -> None:
        text = unescape(raw).replace("\u034f", "").replace("\xad", "").replace("\u200c", "")
        if not (bare := " ".join(text.split())):
            self._space = self._space or bool(text)
            return
        if self._only_blocks(bare):
            # Where its block is left out, no gap remains.
            self._pieces.append(bare)
            return
        self._space = self._space or text[0].isspace()
        self._flush()
        self._pieces.append(bare)
        self._space = text[-1].isspace()

    def enter(self, name: str, address: str, alt: str) -> None:
        if name in _APART or name in _LINES:
            self._break(name)
        if name == "li":
            self._say("-")
            self._space = True
        elif name == "img" and alt.strip():
            self._say(alt.strip() if self._links else f"[{alt.strip()}]")
        elif name == "hr":
            self._say("-" * 40)
            self._break(name)
        elif name == "a":
            self._flush()
            self._links.append((address, len(self._pieces)))
        elif name in ("td", "th"):
            self._space = True
        elif name in _RULED:
            self._flush()
            self._heading = len(self._pieces)

    def leave(self, name: str) -> None:
        if name == "a" and self._links:
            self._close_link(*self._links.pop())
        if name in _RULED and "".join(self._pieces[self._heading :]).strip():
            self._pieces.append("\n" + _RULED[name] * 40)
        if name in _APART or (name in _LINES and name != "br"):
            self._break(name)

    def text(self) -> str:
        return "".join(self._pieces).strip() + "\n\n"

    def _close_link(self, address: str, since: int) -> None:
        label = " ".join("".join(self._pieces[since:]).split())
        bare = address.removeprefix("mailto:").removeprefix("tel:")
        if not bare or bare.startswith("#"):
            return
        if label in ("", bare, address):
            del self._pieces[since:]
            self._say(bare)
        else:
            self._pieces.append(f" ({bare})")

    def _say(self, words: str) -> None:
        self._flush()
        self._pieces.append(words)
        self._space = False

    def _flush(self) -> None:
        if self._gap and self._pieces:
            self._pieces.append("\n" * self._gap)
        elif self._space and self._pieces and not self._pieces[-1].endswith(("\n", " ")):
            self._pieces.append(" ")
        self._gap, self._space = 0, False

    def _break(self, name: str) -> None:
        self._gap = max(self._gap, 2 if name in _APART else 1)
        self._space = False

    def _only_blocks(self, text: str) -> bool:
        sources = [self._places.source(match) for match in self._places.pattern.finditer(text)]
        left = self._places.pattern.sub("", text).strip()
        return bool(sources) and not left and all(source.startswith("{%") for source in sources)
