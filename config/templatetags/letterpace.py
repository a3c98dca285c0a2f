"""Times, numbers and names the way all pages write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.formats import date_format, number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext

import words
from audiences.changes import as_typed
from config.gatekeeper import visitor_of
from reputation.catalogue import catalogue
from reputation.pure.warmup import EVERYONE

register = template.Library()


@register.simple_tag(takes_context=True)
def when(context: template.Context, instant: datetime | None, missing: str = "never") -> str:
    """`Tue 24 Nov 2026, 09:00 (Europe/Warsaw)`: absolute, in the workspace's zone, never without it."""
    if instant is None:
        return gettext(missing)
    return words.in_full(instant, ZoneInfo(str(context["workspace"].time_zone)))


@register.filter
def opens(request: HttpRequest, route: str) -> bool:
    """`{% if request|opens:"campaign-new" %}`: may who looks at the page go there? Offer nothing that is refused."""
    return visitor_of(request).may(route, changes=False)


@register.filter
def changes(request: HttpRequest, route: str) -> bool:
    """`{% if request|changes:"campaign-pause" %}`: may whoever looks at the page post there?"""
    return visitor_of(request).may(route, changes=True)


@register.simple_tag
@lru_cache(maxsize=512)
def icon(name: str, size: str = "") -> SafeString:
    """The picture of components/icon.html, drawn once: for what a page shows in every row."""
    return render_to_string("components/icon.html", {"name": name, "size": size})


@register.filter
def day(value: date | None) -> str:
    """`Tue 24 Nov 2026`."""
    return date_format(value, pgettext("date format", "D j M Y"), use_l10n=False) if value else ""


@register.filter
def count(value: Any) -> str:
    """`8,532`; nothing for nothing."""
    if isinstance(value, int):
        return words.number(value)
    return "" if value is None else number_format(value, use_l10n=True, force_grouping=True)


@register.filter
def provider_name(key: str) -> str:
    """`google` → Gmail; `*` → all providers together."""
    return gettext("All providers together") if key == EVERYONE else catalogue().title(key)


register.filter("as_typed", as_typed)


@register.filter
def lookup(mapping: Any, key: Any) -> Any:
    """The value a mapping has for a key, or nothing."""
    return mapping.get(key, "")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a track, in per cent of its width. Strings: a locale's comma is no number to SVG."""

    tone: str
    x: str
    width: str


def parts_of(shares: Sequence[tuple[str, int]], total: int) -> list[Part]:
    """Parts beside one another, as `(class, number)` of a total."""
    found, done = [], 0
    for tone, number in shares:
        if number and total:
            found.append(Part(tone, f"{100 * done / total:.3f}", f"{100 * number / total:.3f}"))
        done += number
    return found


# What browsers call themselves: most also say the names below theirs.
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "a Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


@register.filter
def browser(user_agent: str) -> str:
    """`Firefox on Linux`: good enough to know one's own again."""
    name = next((name for mark, name in _BROWSERS if mark in user_agent), "A program")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return f"{name} on {system}" if system else name


@register.simple_tag
def numbered(*words: str) -> list[tuple[int, str]]:
    """Steps one after the other, numbered from 1."""
    return list(enumerate(words, 1))


@register.filter
def import_parts(upload: Any) -> list[Part]:
    """The track of an import: new, updated, unchanged, twice, not taken."""
    shares = [
        ("seg-done", upload.n_created),
        ("seg-later", upload.n_updated),
        ("seg-skip", upload.n_unchanged),
        ("seg-retry", upload.n_duplicates),
        ("seg-bounce", upload.n_rejected),
    ]
    return parts_of(shares, upload.n_lines)


@register.simple_tag
def track(used: int, limit: int | None) -> str:
    """The width, in per cent, of what is used of a limit; nothing without one."""
    return f"{min(100.0, 100 * used / limit):.2f}" if limit else "0"
