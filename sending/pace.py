"""How fast a mailing went, from its batches: each spreads its messages evenly over the time in which it sent."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

# As many bars as a picture bears, of a length that people count in.
MOST = 36
LENGTHS = [timedelta(minutes=n) for n in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)]


class Paced(NamedTuple):
    """So many messages were handed over in the time that begins here; `per_minute` on average."""

    start: datetime
    per_minute: float
    sent: int


_OF_BATCHES = """
WITH ran AS (
    SELECT n_sent, started_at AS since,
           greatest(coalesce(last_dot_at, ended_at, %(now)s), started_at + interval '1 second') AS until
    FROM sending_batch WHERE mailing_id = %(mailing)s AND n_sent > 0 AND started_at IS NOT NULL
)
SELECT t.since, coalesce(sum(r.n_sent * extract(epoch FROM least(r.until, t.since + %(length)s)
                                                         - greatest(r.since, t.since))
                             / extract(epoch FROM r.until - r.since)), 0)::float8
FROM generate_series(%(begin)s, %(end)s, %(length)s) AS t (since)
LEFT JOIN ran r ON r.since < t.since + %(length)s AND r.until > t.since
GROUP BY t.since ORDER BY t.since
"""


def pace_of(*, now: datetime, mailing_id: int, begin: datetime, end: datetime) -> tuple[timedelta, list[Paced]]:
    """The length of a stretch and the stretches from `begin` to `end`; the last one may be under way still.

    Reads the batches of the mailing, a few thousand for a million people: not for every poll.
    """
    length = next((one for one in LENGTHS if (end - begin) / one < MOST), LENGTHS[-1])
    first = begin.replace(second=0, microsecond=0)
    with connection.cursor() as cursor:
        params: dict[str, Any] = {"mailing": mailing_id, "now": now, "length": length, "begin": first, "end": end}
        cursor.execute(_OF_BATCHES, params)
        rows = cursor.fetchall()
    return length, [Paced(start, sent / _minutes(start, length, now), round(sent)) for start, sent in rows]


def _minutes(start: datetime, length: timedelta, now: datetime) -> float:
    """Of a stretch that is under way, what has passed of it."""
    return max(1.0, min(length, now - start) / timedelta(minutes=1))
