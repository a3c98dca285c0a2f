"""Batches that nobody claims: their host's worker is gone. Their people go back, and another route may take them."""

from datetime import datetime, timedelta

from django.db import connection

from sending import takeover

NOBODY_CAME = "given back: no worker claimed it"
# Past its deadline a worker that comes gives it back by itself; so much later none will come.
GIVEN_UP_AFTER = timedelta(seconds=60)

# A claim like any other, by nobody. A sweep that dies right after it leaves a lease that lapses, and takeover ends it.
_CLAIM = """
UPDATE sending_batch SET state = 'running', epoch = epoch + 1, owner = NULL, started_at = %(now)s,
       lease_until = clock_timestamp() + interval '30 seconds',
       intent = NULL, intent_attempt = NULL, intent_token = NULL
WHERE id = (SELECT id FROM sending_batch WHERE state = 'planned' AND deadline < %(before)s
            ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, epoch
"""


def give_back(*, now: datetime) -> int:
    """End planned batches long past their deadline with nothing sent; returns how many. Safe to run twice at once."""
    n = 0
    while (claimed := _claim(now)) is not None:
        takeover.close(*claimed, NOBODY_CAME, now=now, may_have_sent=False)
        n += 1
    return n


def _claim(now: datetime) -> tuple[int, int] | None:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": now, "before": now - GIVEN_UP_AFTER})
        row: tuple[int, int] | None = cursor.fetchone()
    return row
