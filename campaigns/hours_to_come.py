"""What the monitor says of a mailing whose people get it at an hour of theirs."""

from datetime import datetime
from zoneinfo import ZoneInfo

from campaigns.pure.lane_words import clock, hour_in
from sending.hours import to_come
from sending.models import LocalHour
from sending.progress import Progress
from words import ngettext, number

# The next hours by themselves, the others together.
HOURS_SHOWN = 4


def hours_to_come(progress: Progress, *, now: datetime) -> list[str]:
    """`Waiting for 09:00 in New York: 3,120 people.` The next first; nothing where nobody waits for an hour."""
    if progress.is_over or not any(lane.for_hour for lane in progress.lanes):
        return []
    rows = to_come(progress.mailing.pk)
    shown, rest = rows[:HOURS_SHOWN], rows[HOURS_SHOWN:]
    said = [_waiting_for(row, row.people, now) for row in shown]
    if rest:
        n = sum(row.people for row in rest)
        last = _hour(rest[-1], now)
        told = {"n": number(len(rest)), "people": number(n), "hour": last}
        said.append(
            ngettext(
                "%(n)s later hour: %(people)s people, the last at %(hour)s.",
                "%(n)s later hours: %(people)s people, the last at %(hour)s.",
                len(rest),
            )
            % told
        )
    return said


def _waiting_for(row: LocalHour, people: int, now: datetime) -> str:
    told = {"hour": _hour(row, now), "people": number(people)}
    return (
        ngettext("Waiting for %(hour)s: %(people)s person.", "Waiting for %(hour)s: %(people)s people.", people) % told
    )


def _hour(row: LocalHour, now: datetime) -> str:
    return hour_in(clock(row.at, now=now, zone=ZoneInfo(row.zone)), row.zone)
