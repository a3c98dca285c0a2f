"""About when each lane of a mailing under way will be done. Foreseen now and then, not at every poll."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.core.cache import cache

from campaigns.forecast import ends_of
from sending.models import Mailing
from sending.progress import Progress

# A forecast runs days ahead in steps, which takes longer than a poll may.
FORESEEN_FOR_SECONDS = 60
# "About" 16:20, not 16:17.
ROUND_TO = timedelta(minutes=5)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def arrivals_of(*, now: datetime, zone: ZoneInfo, progress: Progress) -> dict[str, datetime | None]:
    """By provider; nothing where nobody waits, where it was paused or stopped, or while the mailing does not run."""
    mailing = progress.mailing
    if mailing.state != Mailing.State.RUNNING:
        return {}
    left = {
        lane.provider: lane.waiting for lane in progress.lanes if lane.waiting > 0 and not (lane.paused or lane.stopped)
    }
    # What a person changes shows at once.
    key = f"arrivals:{mailing.pk}:{mailing.per_hour}:{mailing.winner}:{','.join(sorted(left))}"
    ends: dict[str, datetime | None] | None = cache.get(key)
    if ends is None:
        ends = ends_of(now=now, zone=zone, mailing=mailing, left=left)
        cache.set(key, ends, FORESEEN_FOR_SECONDS)
    return {
        lane.provider: _about(ends[lane.provider], lane.next_retry_at)
        for lane in progress.lanes
        if lane.provider in ends
    }


def _about(end: datetime | None, next_retry_at: datetime | None) -> datetime | None:
    """Not before the next of those who are tried again; up to whole five minutes."""
    if end is None:
        return None
    latest = max(end, next_retry_at) if next_retry_at is not None else end
    return latest + (_EPOCH - latest) % ROUND_TO
