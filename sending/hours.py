"""Letters that leave at an hour where each person lives.

People whose hour is the same instant are a wave. A wave whose hour has not come lies beyond `release_seq` in all of its
lanes, where neither the planner nor anybody else sees it: so nothing of it can leave, whatever happens to the others.
When the hour comes the sweep lets it go, once. From then on it is mail like any other.

An hour that could not be kept, because nothing of ours ran for longer than the workspace's grace, is that of the next
day; one that came while the mailing was paused or stopped has come: who lets it go on sends to them at once.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from audiences.pure.columns import TIME_ZONE
from reputation.workspace import workspace
from sending.hour_models import LocalHour
from sending.lane_totals import lock_lanes
from sending.pure.hours import Hour
from sending.wake import plan_soon

log = logging.getLogger(__name__)

DAY = timedelta(days=1)


def zones_of_chosen() -> dict[str, int]:
    """How many of those that lie ready for the press live in which zone; under an empty name where nobody knows."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(s.fields ->> %s, ''), count(*) FROM chosen c
            JOIN audiences_subscriber s ON s.id = c.subscriber_id WHERE c.reason IS NULL GROUP BY 1
            """,
            [TIME_ZONE],
        )
        return dict(cursor.fetchall())


def divide(waves: Sequence[Hour], *, tail_below: int) -> None:
    """Put those that lie ready for the press into waves. Sites with fewer people in a wave share its tail."""
    wave_of = {zone: wave for wave, hour in enumerate(waves) for zone in hour.zones}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE chosen c SET wave = w.wave
            FROM audiences_subscriber s, unnest(%s::text[], %s::smallint[]) AS w (zone, wave)
            WHERE s.id = c.subscriber_id AND c.reason IS NULL AND w.zone = coalesce(s.fields ->> %s, '') AND w.wave > 0
            """,
            [list(wave_of), list(wave_of.values()), TIME_ZONE],
        )
        cursor.execute(
            """
            UPDATE chosen c SET provider = 'tail'
            FROM (SELECT wave, provider FROM chosen WHERE reason IS NULL AND provider LIKE 'other:%%'
                  GROUP BY 1, 2 HAVING count(*) < %s) few
            WHERE c.wave = few.wave AND c.provider = few.provider
            """,
            [tail_below],
        )


_HOLD = """
UPDATE sending_mailinglane l SET for_hour = l.release_seq, release_seq = 0
FROM sending_localhour h
WHERE h.mailing_id = %(mailing)s AND h.begun_at IS NULL AND l.mailing_id = h.mailing_id AND l.wave = h.wave
"""


def write(*, now: datetime, mailing_id: int, waves: Sequence[Hour]) -> None:
    """Of a mailing that was just pressed: its hours, and what waits for them."""
    if not waves:
        return
    LocalHour.objects.bulk_create(
        LocalHour(
            mailing_id=mailing_id,
            wave=wave,
            at=hour.at,
            zone=hour.zone,
            zones=list(hour.zones),
            people=hour.people,
            begun_at=now if hour.at <= now else None,
        )
        for wave, hour in enumerate(waves)
    )
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, {"mailing": mailing_id})


_LET_GO = """
UPDATE sending_mailinglane SET release_seq = release_seq + for_hour, for_hour = 0
WHERE mailing_id = %s AND wave = %s AND for_hour > 0
"""


def let_go(*, now: datetime) -> int:
    """Let those go whose hour has come; returns how many waves. Safe to run twice at once."""
    grace = timedelta(minutes=workspace().missed_grace_minutes)
    due = LocalHour.objects.filter(begun_at=None, at__lte=now).order_by("at", "pk")
    return sum(_let_go(now, pk, grace) for pk in list(due.values_list("pk", flat=True)))


def _let_go(now: datetime, pk: int, grace: timedelta) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        rows = LocalHour.objects.select_for_update(skip_locked=True, of=("self",)).select_related("mailing")
        hour = rows.filter(pk=pk, begun_at=None, at__lte=now).first()
        if hour is None:
            return False
        if now - hour.at > grace:
            _put_off(hour)
            return False
        lanes = hour.mailing.lanes.filter(wave=hour.wave).values_list("provider", flat=True)
        lock_lanes(cursor, {(hour.mailing_id, hour.wave, provider) for provider in lanes})
        cursor.execute(_LET_GO, [hour.mailing_id, hour.wave])
        LocalHour.objects.filter(pk=pk).update(begun_at=now)
        plan_soon()
    return True


def _put_off(hour: LocalHour) -> None:
    """To that hour of the next day. Where the clocks of some of its zones change that night, the last of them counts:
    nobody gets it before their hour."""
    at = max(_next_day(hour.at, zone or hour.zone) for zone in hour.zones)
    LocalHour.objects.filter(pk=hour.pk).update(at=at)
    log.warning("Mailing %s: %s in %s was missed and is now %s", hour.mailing_id, hour.at, hour.zone, at)


def _next_day(at: datetime, zone: str) -> datetime:
    """The same hour on the wall; in a zone that is none, so many hours later."""
    try:
        place = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return at + DAY
    return (at.astimezone(place).replace(tzinfo=None) + DAY).replace(tzinfo=place).astimezone(at.tzinfo)


class Later(NamedTuple):
    """`n` people of a mailing at a provider whose hour comes at `at`."""

    mailing: int
    provider: str
    at: datetime
    n: int


def later(mailings: Sequence[int]) -> list[Later]:
    """Who waits for an hour; a first part and those behind it together. Nobody of a provider that was paused."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.mailing_id, l.provider, h.at, sum(l.for_hour + l.held_back)::int
            FROM sending_mailinglane l JOIN sending_localhour h ON h.mailing_id = l.mailing_id AND h.wave = l.wave
            WHERE l.mailing_id = ANY(%s) AND l.for_hour > 0 AND l.state = 'open' GROUP BY 1, 2, 3 ORDER BY 3
            """,
            [list(mailings)],
        )
        return [Later(*row) for row in cursor.fetchall()]


def to_come(mailing_id: int) -> list[LocalHour]:
    """The waves whose hour has not come, the next first."""
    return list(LocalHour.objects.filter(mailing=mailing_id, begun_at=None).order_by("at", "wave"))
