"""What the report says beside its counters: how it compares, how it went over time, and where people clicked."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from audiences.pure.csv_export import csv_lines
from campaigns.letters import composed_with
from campaigns.models import Campaign
from campaigns.pure import click_map
from campaigns.pure.chart import Chart, Point, chart_of
from campaigns.pure.comparison import compared, percent
from campaigns.pure.lane_words import clock
from campaigns.pure.standing import Standing, standing
from campaigns.report import Report
from reputation.catalogue import catalogue
from sending.doors.visits import compiled_of
from sending.first_visits import over_time
from sending.models import Event, Mailing, OutcomeKind
from sending.progress import LaneProgress, totals
from sending.pure.split import REST
from words import gettext as _

# One's own last so many campaigns are what one is compared with.
LAST = 10
STRETCHES = 24
SOON, LONG = timedelta(minutes=30), timedelta(hours=2)


def comparison_of(campaign: Campaign, report: Report) -> str:
    """A sentence about the click rate; empty while it is under way, without counted clicks or enough earlier ones."""
    if not report.progress.is_over or not campaign.track_clicks or not report.sum.accepted:
        return ""
    over = [Mailing.State.DONE, Mailing.State.STOPPED]
    before = Campaign.objects.filter(
        mailing__state__in=over, track_clicks=True, mailing__launched_at__lt=report.progress.mailing.launched_at
    )
    ids = before.order_by("-mailing__launched_at").values_list("mailing_id", flat=True)[:LAST]
    earlier = [
        percent(counts.get(Event.Kind.CLICKED, 0), counts[OutcomeKind.ACCEPTED])
        for counts in totals(pk for pk in ids if pk).values()
        if counts.get(OutcomeKind.ACCEPTED)
    ]
    return compared(percent(report.sum.n(Event.Kind.CLICKED), report.sum.accepted), earlier)


def standing_of(lane: LaneProgress) -> Standing:
    return standing(
        accepted=lane.accepted,
        no_mailbox=lane.n(OutcomeKind.BOUNCED_HARD),
        blocked=lane.n(OutcomeKind.BLOCKED),
        complained=lane.n(Event.Kind.COMPLAINED),
        left=lane.n(Event.Kind.UNSUBSCRIBED),
    )


def visits_chart(*, now: datetime, zone: ZoneInfo, mailing: Mailing, kind: str) -> tuple[Chart, int, str]:
    """First visits since the start, people who came later than the chart shows, and its length in words."""
    begin = (mailing.first_sent_at or mailing.launched_at).replace(minute=0, second=0, microsecond=0)
    length = SOON if now - begin < STRETCHES * SOON else LONG
    n = min(STRETCHES, (now - begin) // length + 1)
    found = over_time(mailing_id=mailing.pk, kind=kind, begin=begin, length=length, n=n)
    points = []
    for number, people in enumerate(found.people):
        at = begin + number * length
        local = at.astimezone(zone)
        label = f"{local:%H:%M}" if length == SOON else f"{local:%a %H:%M}"
        words = f"from {clock(at, now=now, zone=zone)}: {people:,}"
        points.append(Point(label, people, f"{people:,}", words))
    hours = (STRETCHES * length) // timedelta(hours=1)
    return (
        chart_of(points, labels=4 if length == LONG else 6),
        found.later,
        _("First %(hours)s hours") % {"hours": hours},
    )


def click_map_of(mailing: Mailing, report: Report, *, now: datetime) -> str | None:
    """The letter (of an A/B test the winner) as somebody without any fields gets it, with how many followed each link;
    None when it is gone.

    Raises personalise.PersonalisationFailed.
    """
    compiled = compiled_of(mailing.pk, mailing.message_of(REST))
    if compiled is None:
        return None
    copy = composed_with(compiled, None, now=now, links=click_map.link_places(len(compiled.links)))
    people = {link.number: link.people for link in report.links}
    return click_map.with_numbers(copy.html, people=people, clickers=report.sum.n(Event.Kind.CLICKED))


_COLUMNS: Mapping[str, Callable[[LaneProgress], int]] = {
    "people": lambda lane: lane.total,
    "accepted": lambda lane: lane.accepted,
    "bounced": lambda lane: lane.bounced,
    "not sent": lambda lane: lane.not_sent,
    "answer lost": lambda lane: lane.unknown,
    "still to go": lambda lane: lane.waiting,
    "opened": lambda lane: lane.n(Event.Kind.OPENED),
    "opened by programs only": lambda lane: lane.n(f"{Event.Kind.OPENED}_by_machine"),
    "clicked": lambda lane: lane.n(Event.Kind.CLICKED),
    "followed by programs only": lambda lane: lane.n(f"{Event.Kind.CLICKED}_by_machine"),
    "unsubscribed": lambda lane: lane.n(Event.Kind.UNSUBSCRIBED),
    "complained": lambda lane: lane.n(Event.Kind.COMPLAINED),
    "bounced later": lambda lane: lane.n(Event.Kind.BOUNCED),
}


def numbers_csv(report: Report) -> Iterator[str]:
    """Every number of the report: one line a provider, then their sum."""
    yield from csv_lines([["provider", *_COLUMNS]])
    lanes = [(catalogue().title(lane.provider), lane) for lane in report.progress.lanes]
    for name, lane in [*lanes, ("All", report.sum)]:
        yield from csv_lines([[name, *(str(column(lane)) for column in _COLUMNS.values())]])
