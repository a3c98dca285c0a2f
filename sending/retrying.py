"""When a delivery comes back: the engine's own delays and the retry schedule, divided by the demo's TIME_FACTOR."""

from datetime import datetime, timedelta

from django.conf import settings

# A domain nobody could look up: DNS is asked again in the background meanwhile.
NOT_LOOKED_UP_AGAIN = timedelta(minutes=5)
# The rest of a site whose servers could not be reached.
SITE_AGAIN = timedelta(minutes=5)
# One recipient domain has had its share for now.
DOMAIN_CAP_AGAIN = timedelta(minutes=15)

_SCHEDULE = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60, 120, 240))
_GIVE_UP = timedelta(hours=48)


def next_due(
    *, now: datetime, counted: int, first_tried_at: datetime, class_: str, hint_seconds: int | None
) -> datetime | None:
    """When a deferred message is due again; None when it was tried long enough. `counted` includes the try at hand."""
    if (now - first_tried_at) * settings.TIME_FACTOR >= _GIVE_UP:
        return None
    wait = _SCHEDULE[min(max(counted, 1), len(_SCHEDULE)) - 1]
    if hint_seconds is not None:
        wait = max(wait, timedelta(seconds=hint_seconds + 10))
    return now + wait / settings.TIME_FACTOR
