"""Words that are hard to read for their colours, in a mail's own source (WCAG 2.2, 1.4.3: 4.5 : 1, large words 3 : 1).

Only colours that stand beside the words are judged: those of style attributes and of attributes. What a style sheet
says, a tag of Liquid chooses or a picture lies behind is not known, and nothing is said of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from PIL import ImageColor

from .markup import RAW, VOID, Mark, Markup

ENOUGH, ENOUGH_FOR_LARGE = 4.5, 3.0
_LARGE_PX, _LARGE_BOLD_PX = 24.0, 18.66
_PX = re.compile(r"(\d+(?:\.\d+)?)px")
# What MJML takes for these when nothing is said.
_OF_MJML = {"mj-button": {"color": "#ffffff", "background-color": "#414141"}, "mj-text": {"color": "#000000"}}
UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class _Look:
    """`#rrggbb`, or UNKNOWN. `px`: the size of words."""

    name: str
    ink: str = "#000000"
    paper: str = "#ffffff"
    px: float = 16.0
    bold: bool = False
    # Did somebody choose one of the colours?
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Faint:
    """Words in `ink` on `paper`: `ratio` to 1, of `needed`."""

    line: int
    ink: str
    paper: str
    ratio: float
    needed: float


def faint_words(markup: Markup) -> list[Faint]:
    """Each pair of colours once, where it stands first."""
    found: dict[tuple[str, str], Faint] = {}
    for look, at in _looks(markup):
        if UNKNOWN in (look.ink, look.paper) or not look.chosen:
            continue
        large = look.px >= _LARGE_PX or (look.bold and look.px >= _LARGE_BOLD_PX)
        needed, ratio = ENOUGH_FOR_LARGE if large else ENOUGH, contrast(look.ink, look.paper)
        if ratio < needed:
            found.setdefault((look.ink, look.paper), Faint(markup.line(at), look.ink, look.paper, ratio, needed))
    return list(found.values())


def contrast(one: str, other: str) -> float:
    """From 1 to 21, of two `#rrggbb`."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _looks(markup: Markup) -> Iterator[tuple[_Look, int]]:
    """The look of each stretch of words, and where it begins."""
    stack, at = [_Look("")], 0
    for mark in markup.marks:
        words = markup.source[at : mark.start]
        if stack[-1].name not in RAW and re.search(r"[^\W_]", words):
            yield stack[-1], at + len(words) - len(words.lstrip())
        at = mark.end
        if mark.closing:
            while len(stack) > 1 and any(look.name == mark.name for look in stack):
                if stack.pop().name == mark.name:
                    break
        elif not mark.empty and mark.name not in VOID:
            stack.append(_inside(markup, mark, stack[-1]))


def _inside(markup: Markup, mark: Mark, around: _Look) -> _Look:
    said = _said(markup, mark)
    ink, paper = said.get("color"), said.get("background-color") or said.get("background")
    hidden = "none" in said.get("display", "") or said.get("font-size", "").startswith("0")
    weight = said.get("font-weight", "")
    return replace(
        around,
        name=mark.name,
        ink=around.ink if ink is None else UNKNOWN if hidden else _colour(ink),
        paper=UNKNOWN if "background-image" in said or hidden else around.paper if paper is None else _colour(paper),
        px=float(found[1]) if (found := _PX.match(said.get("font-size", ""))) else around.px,
        bold=weight == "bold" or weight in ("600", "700", "800", "900") or mark.name in ("b", "strong") or around.bold,
        chosen=around.chosen or ink is not None or paper is not None,
    )


def _said(markup: Markup, mark: Mark) -> dict[str, str]:
    said = dict(_OF_MJML.get(mark.name, {}))
    names = ("color", "background-color", "container-background-color", "bgcolor", "font-size", "font-weight")
    for name in names:
        if (value := markup.value(mark, name)) is not None:
            said[{"bgcolor": "background-color", "container-background-color": "background-color"}.get(name, name)] = (
                value.strip().lower()
            )
    if any(mark.of(name) for name in ("background", "background-url")):
        said["background-image"] = "yes"
    for rule in (markup.value(mark, "style") or "").split(";"):
        name, _, value = rule.partition(":")
        said[name.strip().lower()] = value.replace("!important", "").strip().lower()
    return said


def _colour(value: str) -> str:
    """Names and notations of CSS; one that lets what is behind shine through is unknown."""
    try:
        rgb = ImageColor.getrgb(value)
    except ValueError:
        return UNKNOWN
    return "#" + "".join(f"{min(255, part):02x}" for part in rgb) if len(rgb) == 3 else UNKNOWN
