"""Who was in hand when a process died: counted, sent alone after two times, refused after the third.

A message that kills the interpreter (a defect in a library that writes, signs or speaks) would come back for ever: no
outcome of it ever becomes durable. The first two crashes count for everybody who was in hand at that moment, on any
connection of the process. Then each of them is sent by a process of its own, so that the third counts for nobody but
the one who died of it. An orderly end, a stopped worker and a database that is away leave nothing to be counted.
"""

import logging
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection, transaction

from sending import flight_recorder, last_words
from sending.array_literals import numbers
from sending.flight_recorder import LastSeen

log = logging.getLogger(__name__)

ALONE_AFTER = 2
REFUSED_AFTER = 3

_COUNT = """
INSERT INTO sending_crash (mailing_id, delivery, n, last_at)
SELECT mailing, delivery, n, %s FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) AS t (mailing, delivery, n)
ORDER BY mailing, delivery
ON CONFLICT (mailing_id, delivery) DO UPDATE SET n = sending_crash.n + excluded.n, last_at = excluded.last_at
"""
_SUSPECT = """
SELECT q.delivery FROM sending_requeue q
JOIN sending_crash c ON (c.mailing_id, c.delivery) = (q.mailing_id, q.delivery)
WHERE q.batch = %s AND c.n >= %s AND c.n < %s ORDER BY q.position NULLS LAST, q.delivery LIMIT 1
"""


def folder() -> Path:
    """Of this database: the deliveries' numbers are its own."""
    return Path(settings.VAR_DIR) / "flight" / quote(connection.settings_dict["NAME"], safe="")


def count(*, now: datetime) -> int:
    """Count what processes of this machine had in hand when they died; returns how many. Before their batches are
    taken over, where it can be: who goes back is known by then. Any number of sweeps may run at once."""
    with flight_recorder.of_the_dead(folder()) as found:
        suspects = _suspects(found)
        if suspects:
            log.warning("A process died with %s deliveries in hand", len(suspects))
            params: list[Any] = [
                now,
                numbers(mailing for mailing, _ in suspects),
                numbers(delivery for _, delivery in suspects),
                numbers(suspects.values()),
            ]
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(_COUNT, params)
                last_words.carry_out(cursor, found, now=now)
    return len(suspects)


def _suspects(found: list[LastSeen]) -> Counter[tuple[int, int]]:
    return Counter((each.mailing, delivery) for each in found for delivery in {each.delivery, each.ahead} if delivery)


def suspect_in(batch_id: int) -> int | None:
    """Somebody of a retry batch who has to be sent alone."""
    with connection.cursor() as cursor:
        cursor.execute(_SUSPECT, [batch_id, ALONE_AFTER, REFUSED_AFTER])
        row: tuple[int] | None = cursor.fetchone()
    return row[0] if row else None
