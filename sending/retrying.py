"""When a delivery comes back: the engine's own delays, and the schedule of `pure.retry` on the business clock."""

from datetime import datetime, timedelta

from django.conf import settings

from sending.pure.retry import next_attempt

# A domain nobody could look up: DNS is asked again in the background meanwhile.
NOT_LOOKED_UP_AGAIN = timedelta(minutes=5)
# The rest of a site whose servers could not be reached.
SITE_AGAIN = timedelta(minutes=5)
# One recipient domain has had its share for now.
DOMAIN_CAP_AGAIN = timedelta(minutes=15)


def next_due(
    *, now: datetime, counted: int, first_tried_at: datetime, class_: str, hint_seconds: float | None
) -> datetime | None:
    """When a deferred message is due again; None when it was tried long enough.

    `counted`: tries against the message so far, the one at hand included if it is one (`pure.retry.counts`). `class_`:
    of the reply; `hint_seconds`: what the reply asked for.
    """
    wait = next_attempt(
        attempt=counted,
        reply_class=class_,
        waited=now - first_tried_at,
        hint_seconds=hint_seconds,
        time_factor=settings.TIME_FACTOR,
    )
    return None if wait is None else now + wait
