"""A pause: no marketing mail for some weeks, then everything as it was. No list is left, no new consent needed."""

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet

from audiences.models import Subscriber, Suppression, stream_scope

PAUSE = timedelta(days=30)
_SCOPE = stream_scope("marketing")


def pause(*, now: datetime, subscriber_id: int, source: str) -> datetime | None:
    """Pause all marketing mail for PAUSE from now; returns when it ends, None where nothing would be sent anyway.

    Durable when the caller's transaction ends. Pausing again prolongs.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('synchronous_commit', 'on', true)")
        cursor.execute(
            _PAUSE, {"person": subscriber_id, "scope": _SCOPE, "source": source, "now": now, "until": now + PAUSE}
        )
        row = cursor.fetchone()
    return row[0] if row else None


# The person's row is locked as by every verb about them: who leaves in this moment has left.
_PAUSE = """
WITH person AS (SELECT address_key FROM audiences_subscriber WHERE id = %(person)s FOR NO KEY UPDATE)
INSERT INTO audiences_suppression AS s (address_key, scope, reason, source, evidence, until, created_at)
SELECT address_key, %(scope)s, 'paused', %(source)s, '{}', %(until)s, %(now)s FROM person
ON CONFLICT (address_key, scope) DO UPDATE SET until = excluded.until WHERE s.reason = 'paused'
RETURNING until
"""


def go_on(*, subscriber_id: int) -> bool:
    """End the pause before its time. False when there is none."""
    return bool(_pauses(subscriber_id).delete()[0])


def paused_until(subscriber_id: int) -> datetime | None:
    """When the pause of a person ends; None when they have none."""
    return _pauses(subscriber_id).values_list("until", flat=True).first()


def end_pauses(*, now: datetime) -> int:
    """Drop the pauses that are over; returns how many."""
    return Suppression.objects.filter(reason=Suppression.Reason.PAUSED, until__lte=now).delete()[0]


def _pauses(subscriber_id: int) -> QuerySet[Suppression]:
    keys = Subscriber.objects.filter(pk=subscriber_id).values("address_key")
    return Suppression.objects.filter(address_key__in=keys, scope=_SCOPE, reason=Suppression.Reason.PAUSED)
