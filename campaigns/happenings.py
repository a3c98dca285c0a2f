"""What happened to a mailing under way: what slowed its lanes, and what people did."""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from campaigns.lanes import budgets_of_lanes
from campaigns.pure.chart import Chart, Point, chart_of
from campaigns.pure.lane_words import clock
from reputation.catalogue import catalogue
from reputation.models import BudgetChange
from sending.models import Mailing, MailingChange
from sending.pace import pace_of

NEWEST = 8
# Where the reason is the news.
_BECAUSE = (MailingChange.Kind.SPEED, MailingChange.Kind.HELD, MailingChange.Kind.CHOSEN)


class Happening(NamedTuple):
    at: datetime
    words: str


def happenings_of(mailing: Mailing) -> list[Happening]:
    """The newest first, since it was launched: what people did to it, what changed the budgets of its lanes."""
    names = budgets_of_lanes(mailing)
    changes = BudgetChange.objects.filter(budget__in=names, at__gte=mailing.launched_at)
    if mailing.finished_at is not None:
        changes = changes.filter(at__lte=mailing.finished_at)
    found = [
        Happening(row.at, _told(names[row.budget_id], row.what)) for row in changes.order_by("-at", "-pk")[:NEWEST]
    ]
    # Address and domain often tell the same at once.
    found = list(dict.fromkeys(found))
    by_people = mailing.changes.select_related("actor").order_by("-at")[:NEWEST]
    found += [Happening(row.at, _done(row)) for row in by_people]
    return sorted(found, reverse=True)[:NEWEST]


def _done(change: MailingChange) -> str:
    who = change.actor.get_full_name() or change.actor.get_username() if change.actor else ""
    where = f" at {catalogue().title(change.provider)}" if change.provider else ""
    more = f": {change.reason[:1].lower()}{change.reason[1:].rstrip('.')}" if change.kind in _BECAUSE else ""
    what = f"{change.get_kind_display()}{where}{more}"
    return f"{who}: {what[:1].lower()}{what[1:]}." if who else f"{what}."


def finished_after_pause(mailing: Mailing) -> int:
    """How many messages were in hand when it was paused, and were finished; at most one for each connection."""
    last = mailing.changes.filter(kind=MailingChange.Kind.PAUSED, provider="").first()
    return int(last.evidence.get("in_hand", 0)) if last is not None else 0


def _told(who: str, what: str) -> str:
    """What receivers said begins with their name already."""
    return f"{what.rstrip('.')}." if what.startswith(who) else f"{who}: {what[:1].lower()}{what[1:].rstrip('.')}."


def pace_chart(*, now: datetime, zone: ZoneInfo, mailing: Mailing) -> Chart:
    """Messages a minute since the start, to the end or until now."""
    begin, end = mailing.first_sent_at or mailing.launched_at, mailing.finished_at or now
    length, stretches = pace_of(now=now, mailing_id=mailing.pk, begin=begin, end=end)
    points = []
    for one in stretches:
        figure = f"{one.per_minute:,.0f}" if one.per_minute >= 10 else f"{one.per_minute:.1f}"
        from_when = clock(one.start, now=now, zone=zone)
        label = _label(one.start.astimezone(zone), by_day=length.days > 0)
        points.append(Point(label, one.per_minute, figure, f"from {from_when}: {figure} a minute"))
    return chart_of(points)


def _label(local: datetime, *, by_day: bool) -> str:
    return f"{local:%a} {local.day} {local:%b}" if by_day else f"{local:%H:%M}"
