"""The part of the monitor that polls: drawn once for each look it can have, its figures written in at every poll.

Somebody who watches a campaign asks for it every two seconds, and what changes in between is mostly figures. What is
drawn knows nothing but its look and the places of its figures, so nothing else can be missing from what is kept.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from campaigns.lanes import LaneRow, Monitor
from campaigns.models import Campaign
from campaigns.pure.lane_words import Said, clock
from campaigns.status import status_of
from campaigns.templatetags.campaigns import lane_track, rate, ticks
from sending.models import Mailing
from sending.progress import LaneProgress
from words import gettext as _
from words import in_full, number

# A figure's place in what was drawn: its name between two characters that no text has.
_PLACE = re.compile("\ue000([a-z_]+)\ue001")
_COLUMNS = ("total", "accepted", "bounced", "not_sent", "unknown", "waiting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What is drawn. `mark` says what the page shows; `may`: the routes that whoever looks may post to, of `ACTS`;
    `hours`: what waits for the hour of where people live; `finished`: how many were under way when it was paused;
    `csrf`: the token of the forms."""

    now: datetime
    campaign: Campaign
    mailing: Mailing
    monitor: Monitor
    zone: ZoneInfo
    mark: str
    stops: Sequence[str]
    hours: Sequence[str]
    finished: int
    may: tuple[str, ...]
    csrf: str


@dataclass(frozen=True, slots=True)
class Look:
    """All that it shows beside its figures, which `shown` names. Numbers stand here where a sentence bends with them:
    `waiting` once it was stopped, `finishing` and `finished` while it is paused.
    """

    language: str
    pk: int
    name: str
    status: Said
    state: str
    is_over: bool
    started: str
    by: str
    reason: str
    has_worker: bool
    stops: tuple[str, ...]
    hours: tuple[str, ...]
    waiting: int
    finishing: int
    finished: int
    may: tuple[str, ...]
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LaneLook:
    """The same of one provider's row. `said` is without its sentence; `act`: the route its button posts to; `budget`:
    the limit that whoever looks may release; `endless`: no end is in sight.
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


ACTS = ("campaign-pause", "campaign-resume", "campaign-stop", "campaign-lane-pause", "campaign-lane-resume",
        "limit-release")  # fmt: skip


def drawn(live: Live) -> SafeString:
    figures = _figures(live)
    return SafeString(_filled(_frame(_look(live, tuple(figures))), figures))


@lru_cache(maxsize=512)
def _frame(look: Look) -> str:
    shown = _places(look.shown)
    return render_to_string("campaigns/_live.html", {"look": look, "shown": shown, "csrf_token": shown["csrf"]})


def _look(live: Live, shown: tuple[str, ...]) -> Look:
    campaign, mailing, progress = live.campaign, live.mailing, live.monitor.progress
    by, is_halted = campaign.scheduled_by, mailing.state in (Mailing.State.PAUSED, Mailing.State.HELD)
    reason = mailing.state_reason if not live.stops else ""
    return Look(
        language=get_language() or "",
        pk=campaign.pk,
        name=campaign.name,
        status=status_of(campaign),
        state=mailing.state,
        is_over=progress.is_over,
        started=in_full(mailing.launched_at, live.zone),
        by=(by.get_full_name() or str(by)) if by else "",
        reason=f"{reason}, {clock(mailing.state_since, now=live.now, zone=live.zone)}" if reason else "",
        has_worker=live.monitor.has_worker,
        stops=tuple(live.stops),
        hours=tuple(live.hours),
        waiting=progress.sum.waiting if mailing.state == Mailing.State.STOPPED else 0,
        finishing=progress.sum.connections if is_halted else 0,
        finished=live.finished,
        may=live.may,
        shown=shown,
    )


def _figures(live: Live) -> dict[str, str]:
    """As they stand on the page; without those it does not show."""
    progress, monitor = live.monitor.progress, live.monitor
    whole = progress.sum
    found = {
        "csrf": live.csrf,
        "mark": live.mark,
        "percent": str(progress.percent),
        "track": lane_track(whole, progress.retrying, "big"),
        "pace": rate(monitor.pace),
        "lanes": "".join(_lane_row(live, row) for row in monitor.rows),
        "numbers": "".join(_numbers(row.name, row.progress) for row in monitor.rows),
        "all_numbers": _numbers(_("All"), whole),
        "now": in_full(live.now, live.zone),
    }
    found |= {column: number(getattr(whole, column)) for column in _COLUMNS}
    found |= {"limit": rate(monitor.limit)} if monitor.limit is not None else {}
    found |= {"retrying": number(progress.retrying)} if progress.retrying else {}
    found |= {"air": number(whole.connections)} if whole.connections else {}
    ending = zip(("most_by", "last_by"), monitor.ending, strict=True)
    return found | {name: conditional_escape(words) for name, words in ending if words}


def _lane_row(live: Live, row: LaneRow) -> str:
    figures = _lane_figures(live, row)
    return _filled(_lane_frame(_lane_look(live, row, tuple(figures))), figures)


@lru_cache(maxsize=2048)
def _lane_frame(look: LaneLook) -> str:
    shown = _places(look.shown)
    return render_to_string("campaigns/_lane.html", {"look": look, "shown": shown, "csrf_token": shown["csrf"]})


def _lane_look(live: Live, row: LaneRow, shown: tuple[str, ...]) -> LaneLook:
    lane = row.progress
    act = "campaign-lane-resume" if lane.paused else "campaign-lane-pause"
    acts = act in live.may and not live.monitor.progress.is_over and not lane.stopped and lane.waiting > 0
    runs = live.mailing.state == Mailing.State.RUNNING and not lane.stopped and not lane.paused
    return LaneLook(
        language=get_language() or "",
        campaign=live.campaign.pk,
        provider=lane.provider,
        name=row.name,
        total=lane.total,
        said=replace(row.said, sentence=""),
        shown=shown,
        act=act if acts else "",
        budget=row.budget if "limit-release" in live.may else None,
        guarded=bool(lane.stopped or lane.held_back),
        endless=runs and lane.waiting > 0,
    )


def _lane_figures(live: Live, row: LaneRow) -> dict[str, str]:
    lane, retrying = row.progress, row.retrying
    found = {
        "csrf": live.csrf,
        "track": lane_track(lane, retrying),
        "percent": str(row.percent),
        "accepted": number(lane.accepted),
        "sentence": conditional_escape(row.said.sentence),
    }
    some = {"bounced": lane.bounced, "not_sent": lane.not_sent, "unknown": lane.unknown, "retrying": retrying}
    found |= {name: number(n) for name, n in some.items() if n}
    if lane.waiting:
        found["ticks"] = ticks(row.pace, row.limit, row.normal)
        if row.day is not None and not row.pace:
            found["day"] = number(row.day)
        else:
            found |= {"pace": rate(row.pace), "limit": rate(row.limit)}
            found |= {"normal": rate(row.normal)} if row.normal != row.limit else {}
    return found | ({"done": clock(row.done_at, now=live.now, zone=live.zone)} if row.done_at else {})


def _numbers(name: str, lane: LaneProgress) -> str:
    """A provider's row of the table that has all figures."""
    cells = [f'<td class="num">{number(getattr(lane, column))}</td>' for column in _COLUMNS]
    return format_html('<tr><th scope="row">{}</th>{}</tr>', name, SafeString("".join(cells)))


def _places(names: Sequence[str]) -> dict[str, SafeString]:
    return {name: SafeString(f"\ue000{name}\ue001") for name in names}


def _filled(frame: str, figures: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: figures[place[1]], frame)
