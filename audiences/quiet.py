"""How old our lists are: people subscribed who showed no sign of life for a year. Counted once a day, by a sweep."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from audiences.models import ListAge

YEAR = timedelta(days=365)
EVERY = timedelta(days=1)

_COUNT = """
SELECT count(*), count(*) FILTER (WHERE greatest(s.created_at, s.last_engaged_at) < %(before)s)
FROM audiences_subscriber s
WHERE EXISTS (SELECT 1 FROM audiences_subscription x WHERE x.subscriber_id = s.id AND x.state = 'subscribed')
"""


def count_quiet(*, now: datetime) -> bool:
    """Count them, unless that was done within a day; says whether it did. Reads every person, so no page does it."""
    if ListAge.objects.filter(counted_at__gt=now - EVERY).exists():
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_COUNT, {"before": now - YEAR})
        people, quiet = cursor.fetchone()
        ListAge.objects.update_or_create(pk=1, defaults={"counted_at": now, "people": people, "quiet": quiet})
    return True


def quiet_share() -> float | None:
    """Per cent of the people, as last counted; None before that, or with nobody."""
    row = ListAge.objects.first()
    return 100 * row.quiet / row.people if row is not None and row.people else None
