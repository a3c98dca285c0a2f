"""The monitor's rows: drawn once for each look a lane can have, its figures written in at every poll.

Somebody who watches a campaign asks for them every two seconds, and what changes in between is mostly figures.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

from django import template
from django.template.loader import render_to_string
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from campaigns.lanes import LaneRow
from campaigns.pure.lane_words import Said
from campaigns.templatetags.campaigns import clock, lane_track, rate, ticks
from sending.progress import LaneProgress, Progress
from words import number

register = template.Library()

# A figure's place in what was drawn: its name between two characters that no text has.
_PLACE = re.compile("\ue000([a-z_]+)\ue001")
_COLUMNS = ("total", "accepted", "bounced", "not_sent", "unknown", "waiting")


@dataclass(frozen=True, slots=True)
class Look:
    """All that a row shows beside its figures. `said` is without its sentence; `shown`: the figures it has; `act`: the
    route its button posts to; `budget`: the limit that whoever looks may release; `endless`: no end is in sight.
    """

    language: str
    campaign: int
    provider: str
    name: str
    total: int
    said: Said
    shown: tuple[str, ...]
    act: str
    budget: int | None
    guarded: bool
    endless: bool


@register.simple_tag(takes_context=True)
def lane_rows(context: template.Context, rows: list[LaneRow], **may: bool) -> SafeString:
    """A row of the table for each provider. What whoever looks may do there: `pause`, `resume`, `release`."""
    made = []
    for row in rows:
        figures = _figures(context, row)
        made.append(_filled(_drawn(_look(context, row, may, tuple(figures))), figures))
    return SafeString("".join(made))


@register.simple_tag
def number_rows(rows: list[LaneRow]) -> SafeString:
    """All figures of each provider, for the table of them."""
    return SafeString("".join(numbers_row(row.name, row.progress) for row in rows))


@register.simple_tag
def numbers_row(name: str, lane: LaneProgress) -> SafeString:
    cells = [f'<td class="num">{number(getattr(lane, column))}</td>' for column in _COLUMNS]
    return format_html('<tr><th scope="row">{}</th>{}</tr>', name, SafeString("".join(cells)))


def _look(context: template.Context, row: LaneRow, may: Mapping[str, bool], shown: tuple[str, ...]) -> Look:
    lane, watched = row.progress, cast(Progress, context["progress"])
    act = "resume" if lane.paused else "pause"
    acts = may[act] and not watched.is_over and not lane.stopped and lane.waiting > 0
    runs = watched.mailing.state == "running" and not lane.stopped and not lane.paused
    return Look(
        language=get_language() or "",
        campaign=context["campaign"].pk,
        provider=lane.provider,
        name=row.name,
        total=lane.total,
        said=replace(row.said, sentence=""),
        shown=shown,
        act=f"campaign-lane-{act}" if acts else "",
        budget=row.budget if may["release"] else None,
        guarded=bool(lane.stopped or lane.held_back),
        endless=runs and lane.waiting > 0,
    )


def _figures(context: template.Context, row: LaneRow) -> dict[str, str]:
    """As they stand on the page; without those it does not show."""
    lane, now = row.progress, context["now"]
    found = {
        "csrf": str(context.get("csrf_token", "")),
        "track": lane_track(lane, row.retrying),
        "percent": str(row.percent),
        "accepted": number(lane.accepted),
        "sentence": conditional_escape(row.said.sentence),
    }
    some = {"bounced": lane.bounced, "not_sent": lane.not_sent, "unknown": lane.unknown, "retrying": row.retrying}
    found |= {name: number(n) for name, n in some.items() if n}
    if lane.waiting:
        found["ticks"] = ticks(row.pace, row.limit, row.normal)
        if row.day is not None and not row.pace:
            found["day"] = number(row.day)
        else:
            found |= {"pace": rate(row.pace), "limit": rate(row.limit)}
            found |= {"normal": rate(row.normal)} if row.normal != row.limit else {}
    return found | ({"done": clock(context, row.done_at, now)} if row.done_at else {})


@lru_cache(maxsize=2048)
def _drawn(look: Look) -> str:
    shown = {name: SafeString(f"\ue000{name}\ue001") for name in look.shown}
    return render_to_string("campaigns/_lane.html", {"look": look, "shown": shown, "csrf_token": shown["csrf"]})


def _filled(drawn: str, figures: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: figures[place[1]], drawn)
