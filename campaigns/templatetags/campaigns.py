"""Bars, paces and short times as the pages of campaigns draw them."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.template.loader import render_to_string
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, pgettext

from campaigns.people_lists import VISITS
from campaigns.pure import lane_words
from campaigns.pure.definitions import DEFINITIONS
from campaigns.pure.findings import Finding, Place
from campaigns.setup_steps import Step
from sending.models import Mailing
from sending.progress import LaneProgress
from sending.pure.hours import Hour
from words import moment

register = template.Library()

TICKS = 24
_ANCHOR = re.compile(r"</?a\b[^>]*>")
# The bar's parts from the left: CSS class and the lane's figure.
PARTS = (("done", "accepted"), ("bounce", "bounced"), ("skip", "not_sent"), ("retry", "unknown"))
_PAGES = {
    Place.AUDIENCE: "campaign-audience",
    Place.SENDER: "campaign-sender",
    Place.CONTENT: "campaign-letter",
    Place.VARIANTS: "campaign-variants",
    Place.WHEN: "campaign-review",
    Place.SETTINGS: "settings",
    Place.DOMAIN: "domains",
}


@register.simple_tag
def lane_track(lane: LaneProgress, retrying: int = 0, size: str = "", label: str = "") -> SafeString:
    """The progress of a lane as one bar; what waits for another try is drawn before what was never tried."""
    figures = [(tone, int(getattr(lane, name))) for tone, name in PARTS]
    figures.append(("air", min(retrying, lane.waiting)))
    return _track(tuple(figures), lane.total, size, label)


@register.simple_tag
def part_track(done: int, total: int, size: str = "thin", label: str = "") -> SafeString:
    """A bar with one part."""
    return _track((("done", done),), total, size, label)


@register.simple_tag
def two_tracks(first: int, second: int, total: int) -> SafeString:
    """A thin bar with two parts: people, and programs."""
    return _track((("done", first), ("later", second)), total, "thin", "")


@register.simple_tag
def local_hour(hour: Hour) -> str:
    """`Sat 28 Nov, 09:00 in Auckland`."""
    return lane_words.hour_in(moment(hour.at.astimezone(ZoneInfo(hour.zone))), hour.zone)


@register.inclusion_tag("campaigns/_define.html")
def define(key: str) -> dict[str, str]:
    """A question mark that says what a number counts."""
    title, words = DEFINITIONS[key]
    return {"key": key, "title": gettext(title), "words": gettext(words)}


@register.filter
def names(mailing: Mailing, topic: str) -> bool:
    """Are there names behind this number of a mailing?"""
    return topic not in VISITS or not mailing.totals_only


@register.filter
def linked(said: str, mailing: Mailing) -> str:
    """Words about opens or clicks, with their links only where these have names."""
    return said if names(mailing, "clicked") else mark_safe(_ANCHOR.sub("", said))  # noqa: S308 (markup taken out)


# A page that looks again every two seconds draws the same bars, ticks and marks over and over.
@lru_cache(maxsize=1024)
def _track(figures: tuple[tuple[str, int], ...], total: int, size: str, label: str) -> SafeString:
    said = format_html('role="img" aria-label="{}"', label) if label else 'aria-hidden="true"'
    parts = "".join(
        f'<rect class="seg-{tone}" x="{x}%" width="{width}%" height="100%"></rect>'
        for tone, x, width in _placed(figures, total)
    )
    return SafeString(f'<svg class="lp-track {size}" {said}>{parts}</svg>')


def _placed(figures: Iterable[tuple[str, int]], total: int) -> list[tuple[str, str, str]]:
    """Places in per cent with a point for the decimal, whatever the language writes."""
    parts, x = [], 0.0
    for tone, n in figures:
        width = 100 * n / total if total else 0.0
        if width:
            parts.append((tone, f"{x:.3f}", f"{width:.3f}"))
        x += width
    return parts


@register.simple_tag
def ticks(pace: float, limit: float | None, normal: float | None = None) -> SafeString:
    """24 ticks: those up to the pace are on; all of them are the limit, or the normal one."""
    whole = limit if normal is None or limit is None else max(limit, normal)
    on = 0 if not pace else TICKS if not whole else max(1, min(TICKS, round(TICKS * pace / whole)))
    allowed = TICKS if not whole or limit is None else max(on, round(TICKS * limit / whole))
    return _ticks(on, allowed)


@lru_cache(maxsize=TICKS * TICKS)
def _ticks(on: int, allowed: int) -> SafeString:
    tones = ["on"] * on + [""] * (allowed - on) + ["cut"] * (TICKS - allowed)
    return render_to_string("campaigns/_ticks.html", {"ticks": [(n * 5, tone) for n, tone in enumerate(tones)]})


@register.simple_tag
def mark(said: lane_words.Said, *, chip: bool = False) -> SafeString:
    """The word of a state behind its picture."""
    return _mark(said.tone, said.icon, said.word, chip)


@lru_cache(maxsize=256)
def _mark(tone: str, icon: str, word: str, chip: bool) -> SafeString:
    return render_to_string("components/state.html", {"tone": tone, "name": icon, "word": word, "chip": chip})


@register.filter
def part_of(n: int, whole: int) -> str:
    """`4.6`, below one `0.08`; cut and not rounded; a dash when there is no whole."""
    if not whole:
        return "–"
    if 0 < 100 * n < whole:
        return number_format(10000 * n // whole / 100, 2)
    return number_format(1000 * n // whole / 10, 1)


@register.filter
def rate(per_minute: float | None) -> str:
    """Messages a minute, without false precision."""
    if per_minute is None:
        return gettext("no limit")
    return number_format(per_minute, 1 if 0 < per_minute < 10 and per_minute % 1 else 0, force_grouping=True)


@register.simple_tag(takes_context=True)
def short(context: template.Context, instant: datetime | None) -> str:
    """`Wed 25 Nov, 09:00` in the workspace's zone, for places where the zone stands nearby."""
    if instant is None:
        return ""
    local = instant.astimezone(ZoneInfo(str(context["workspace"].time_zone)))
    return date_format(local, pgettext("date format", "D j M, H:i"), use_l10n=False)


@register.simple_tag(takes_context=True)
def clock(context: template.Context, instant: datetime | None, now: datetime) -> str:
    """`14:12`, with the day when it is not today's; in the workspace's zone."""
    zone = ZoneInfo(str(context["workspace"].time_zone))
    return lane_words.clock(instant, now=now, zone=zone) if instant else ""


@register.simple_tag(takes_context=True)
def time_of(context: template.Context, instant: datetime) -> str:
    """`14:12` in the workspace's zone, where the day stands above."""
    return moment(instant.astimezone(ZoneInfo(str(context["workspace"].time_zone))), day=False)


@register.simple_tag
def ahead(instant: datetime | None, now: datetime) -> str:
    """`in 16 h`, `in 3 days`, `now`."""
    minutes = int((instant - now).total_seconds() // 60) if instant else 0
    if minutes < 1:
        return gettext("now")
    if minutes < 90:
        return gettext("in %(n)s min") % {"n": minutes}
    if minutes < 48 * 60:
        return gettext("in %(n)s h") % {"n": minutes // 60}
    return gettext("in %(n)s days") % {"n": minutes // 1440}


@register.filter
def place_page(finding: Finding) -> str:
    """The URL name of the page on which a finding is mended."""
    return _PAGES[finding.place]


@register.filter
def in_campaign(finding: Finding) -> bool:
    return _PAGES[finding.place].startswith("campaign-")


@register.filter
def of_key(rows: Mapping[str, Any], key: str) -> Any:
    """What a mapping has under a key that only the template knows."""
    return rows.get(key)


@register.filter
def tag_of(key: str) -> str:
    """What to write in a letter for a personal field: with a fallback, always."""
    return "{{ contact." + key + ' | default: "…" }}'


@register.filter
def done_steps(steps: list[Step]) -> int:
    return sum(step.done for step in steps)
