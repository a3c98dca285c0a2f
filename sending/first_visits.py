"""When people opened or clicked for the first time: what a report draws over time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection


class OverTime(NamedTuple):
    """People by stretch, and those whose first visit came after the last one. Together they are the counter."""

    people: Sequence[int]
    later: int


# One entry of the index for each visit; programs do not count. Without names a row is a first visit, to the hour.
_FIRST = """
SELECT least(greatest(floor(extract(epoch FROM first - %(begin)s) / %(seconds)s), 0), %(n)s)::int AS stretch, count(*)
FROM (SELECT min(at) AS first FROM sending_event
      WHERE mailing_id = %(mailing)s AND kind = %(kind)s AND NOT by_machine AND delivery > 0 GROUP BY delivery
      UNION ALL SELECT at FROM sending_event
      WHERE mailing_id = %(mailing)s AND kind = %(kind)s AND NOT by_machine AND delivery <= 0 AND link IS NULL) visits
GROUP BY 1
"""


def over_time(*, mailing_id: int, kind: str, begin: datetime, length: timedelta, n: int) -> OverTime:
    """`n` stretches of `length` from `begin` on. Reads the visits of the mailing: not for every look at a page."""
    seconds = length.total_seconds()
    params: dict[str, Any] = {"mailing": mailing_id, "kind": kind, "begin": begin, "seconds": seconds, "n": n}
    with connection.cursor() as cursor:
        cursor.execute(_FIRST, params)
        found = dict(cursor.fetchall())
    return OverTime([found.get(stretch, 0) for stretch in range(n)], found.get(n, 0))
