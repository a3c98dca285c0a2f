"""docs/ as pages of the site: Markdown in our own look, links between the pages, a contents list of its headings."""

import re
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token
from PIL import Image

FOLDER = settings.BASE_DIR / "docs"
# The first page, then the others in the order of its table.
FIRST = "index"
PAGES = (FIRST, "marketers", "admins", "operators", "preflight", "api", "performance", "faults", "scenarios")


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    anchor: str
    words: str


@dataclass(frozen=True, slots=True)
class Page:
    """`html` has no title and no contents list. `headings`: all below the title."""

    name: str
    title: str
    html: SafeString
    headings: tuple[Heading, ...]

    @property
    def contents(self) -> list[Heading]:
        return [heading for heading in self.headings if heading.level == 2]


def anchor_of(words: str) -> str:
    """The id of a heading, as hosts of repositories make it: `Send, schedule, undo` → `send-schedule-undo`."""
    return re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")


def title_of(name: str) -> str:
    """The first line of a page, without reading the rest."""
    with (FOLDER / f"{name}.md").open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()


def read(name: str) -> Page:
    """One of PAGES. Read anew when its file has changed."""
    return _read(name, (FOLDER / f"{name}.md").stat().st_mtime_ns)


@lru_cache(maxsize=2 * len(PAGES))
def _read(name: str, _changed: int) -> Page:
    # Typed by us, so nothing in it needs to be made harmless; HTML is off all the same.
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = markdown.parse((FOLDER / f"{name}.md").read_text(encoding="utf-8"))
    title, tokens = tokens[1].content, tokens[3:]
    headings = tuple(_headings(tokens))
    for token in tokens:
        for part in (token, *(token.children or ())):
            _lead_within_the_site(part)
    html = markdown.renderer.render(_framed(tokens), markdown.options, {})
    return Page(name, title, mark_safe(html), headings)  # noqa: S308


def _headings(tokens: list[Token]) -> list[Heading]:
    """Gives each its id on the way."""
    found = []
    for opening, words in zip(tokens, tokens[1:], strict=False):
        if opening.type == "heading_open":
            plain = "".join(part.content for part in words.children or ())
            found.append(Heading(int(opening.tag[1]), anchor_of(words.content), plain))
            opening.attrSet("id", found[-1].anchor)
    return found


def _lead_within_the_site(token: Token) -> None:
    """Other pages of docs/ are other pages here; files of the repository are not served, and stay as words."""
    if token.type == "image":
        _picture(token)
    if token.type != "link_open":
        return
    path, _, anchor = str(token.attrGet("href")).partition("#")
    if path.startswith("../") or (path.endswith(".toml") and "://" not in path):
        token.tag, token.attrs = "span", {}
    elif path.endswith(".md"):
        token.attrSet("href", address(path.removesuffix(".md"), anchor))


def _picture(token: Token) -> None:
    """Comes when somebody scrolls to it, into room that is kept for it."""
    name = str(token.attrGet("src")).rpartition("/")[2]
    with Image.open(FOLDER / "pictures" / name) as picture:
        width, height = picture.size
    token.attrs |= {"src": static(f"handbook/{name}"), "width": width, "height": height, "loading": "lazy"}


def _framed(tokens: list[Token]) -> list[Token]:
    """Wide tables and long lines of code scroll by themselves, by keyboard too; closing tags follow their links."""
    framed, words = [], False
    for token in tokens:
        for part in token.children or ():
            if part.type == "link_open":
                words = part.tag == "span"
            elif part.type == "link_close" and words:
                part.tag = "span"
        if token.type == "table_open":
            token.attrSet("class", "lp-table")
            framed.append(_html('<div class="lp-scroll lp-panel" tabindex="0" role="region" aria-label="Table">'))
        if token.type == "fence":
            framed.append(_html('<div class="lp-scroll" tabindex="0" role="region" aria-label="Example">'))
        framed.append(token)
        if token.type in {"table_close", "fence"}:
            framed.append(_html("</div>"))
    return framed


def _html(text: str) -> Token:
    return Token("html_block", "", 0, content=text)


def address(name: str, anchor: str = "") -> str:
    """Where a page, or a section of it, is on this site."""
    path = reverse("help") if name == FIRST else reverse("help-page", args=[name])
    return f"{path}#{anchor}" if anchor else path
