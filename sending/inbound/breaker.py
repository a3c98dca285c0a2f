"""A guard against floods: nobody can have a whole campaign's people suppressed within a minute.

Genuine tokens can leak, and a receiver can fall ill and refuse everybody. Above so many reports a minute about one
mailing, the rest is held: kept raw, not acted on, until a person has looked at it.
"""

import logging
from datetime import timedelta
from typing import Any

from django.db import connection

from sending.feedback import Sent
from sending.models import Inbound

log = logging.getLogger(__name__)

WINDOW = timedelta(minutes=1)
# A mailing may have so many reports a minute, or this share of its people, whichever is more.
AT_LEAST = 100
SHARE = 0.05
HELD = "held"

# Reports are few beside opens; the newest ones are read from the end of the primary key.
_SEEN = """
SELECT count(*) FROM (
    SELECT headers, kind, received_at FROM sending_inbound WHERE id < %(id)s ORDER BY id DESC LIMIT %(most)s
) r
WHERE r.received_at > %(since)s AND r.kind IN ('bounce', 'complaint', 'held')
  AND (r.headers ->> 'mailing')::bigint = %(mailing)s
"""


def is_flood(*, row: Inbound, sent: Sent) -> bool:
    """Is this one report too many of a minute about its mailing?"""
    allowed = most_a_minute(sent.mailing.total)
    asked: dict[str, Any] = {
        "id": row.pk,
        "most": 4 * allowed,
        "since": row.received_at - WINDOW,
        "mailing": sent.mailing.pk,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, asked)
        seen = cursor.fetchone()
    flood = bool(seen and seen[0] >= allowed)
    if flood:
        log.warning("More than %s reports a minute about mailing %s: held.", allowed, sent.mailing.pk)
    return flood


def most_a_minute(total: int) -> int:
    return max(AT_LEAST, int(total * SHARE))


def release(*, mailing_id: int) -> list[int]:
    """A person has looked: let what was held about this mailing be read. Returns the ids to be read."""
    held = Inbound.objects.filter(state=Inbound.State.NEW, kind=HELD, headers__mailing=mailing_id)
    ids = list(held.order_by("pk").values_list("pk", flat=True))
    Inbound.objects.filter(pk__in=ids, kind=HELD).update(kind="released", note="", attempts=0)
    return ids
