"""What waits to be sent: the rest of the lanes' ranges, and the requeue rows that are due."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

# Where every way out is a relay or an ESP, nobody waits for our DNS.
LOOKS_UP_ITSELF = """EXISTS (
    SELECT 1 FROM sending_mailing pooled WHERE pooled.id = {mailing}
      AND EXISTS (SELECT 1 FROM sending_poolroute p WHERE p.pool_id = pooled.pool_id)
      AND NOT EXISTS (SELECT 1 FROM sending_poolroute p JOIN sending_route way ON way.id = p.route_id
                      WHERE p.pool_id = pooled.pool_id AND way.kind = 'direct'))"""
_FRESH = f"""
SELECT mailing_id, wave, provider, greatest(release_seq - next_seq + 1, 0)
       + CASE WHEN for_hour > 0 THEN 0 ELSE held_back + for_winner END, last_given_at
FROM sending_mailinglane
WHERE mailing_id = ANY(%(mailings)s) AND state = 'open'
  AND (provider <> 'unknown' OR {LOOKS_UP_ITSELF.format(mailing="mailing_id")})
"""
_DUE = f"""
SELECT mailing_id, wave, provider_now, pinned_route, count(*)
FROM sending_requeue
WHERE mailing_id = ANY(%(mailings)s) AND batch IS NULL AND due_at <= %(now)s
  AND (provider_now <> 'unknown' OR {LOOKS_UP_ITSELF.format(mailing="mailing_id")})
GROUP BY 1, 2, 3, 4
"""


class Place(NamedTuple):
    """One wave of one mailing at one provider."""

    mailing: int
    wave: int
    provider: str


@dataclass
class Amount:
    """Messages that wait at a place; `pinned` by the route they have to go by."""

    fresh: int = 0
    retry: int = 0
    pinned: dict[int, int] = field(default_factory=dict)
    last_given: datetime | None = None


def waiting(*, now: datetime, mailings: Collection[int]) -> dict[Place, Amount]:
    """Everything of these mailings that may go now, or as soon as their first part is judged or the winner of their
    test is known; nothing of a provider that was paused or stopped."""
    asked: dict[str, Any] = {"mailings": list(mailings), "now": now}
    found: defaultdict[Place, Amount] = defaultdict(Amount)
    with connection.cursor() as cursor:
        cursor.execute(_FRESH, asked)
        lanes = {Place(*row[:3]): Amount(fresh=row[3], last_given=row[4]) for row in cursor.fetchall()}
        found.update((place, amount) for place, amount in lanes.items() if amount.fresh)
        cursor.execute(_DUE, asked)
        for mailing, wave, provider, pinned_route, n in cursor.fetchall():
            place = Place(mailing, wave, provider)
            if place not in lanes:
                continue
            amount = found.setdefault(place, lanes[place])
            if pinned_route is None:
                amount.retry = n
            else:
                amount.pinned[pinned_route] = n
    return dict(found)
