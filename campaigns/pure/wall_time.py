"""Wall time in a zone ↔ instant. A marketer means the clock on the wall, also on the two odd days of the year."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from words import gettext as _


class BadWallTime(ValueError):
    """The time or zone cannot be read; the message says what to write."""


def instant_of(wall: str, zone: str) -> datetime:
    """The UTC instant of a wall time such as `2026-03-29T02:30` in an IANA zone.

    A time that the clocks skip (spring) means the same distance after the gap's start: 02:30 becomes 03:30.
    A time that happens twice (autumn) means the first one.
    """
    naive = _parse(wall)
    local = naive.replace(tzinfo=_zone(zone), fold=0)
    # PEP 495: in a gap, fold=0 uses the offset before it, so that the instant lies after the gap: what we want.
    return local.astimezone(UTC)


def is_skipped(wall: str, zone: str) -> bool:
    """True when the clocks jump over this wall time, so that a page can say which time is meant."""
    back = instant_of(wall, zone).astimezone(_zone(zone)).replace(tzinfo=None)
    return back != _parse(wall)


def is_twice(wall: str, zone: str) -> bool:
    """True when this wall time happens twice (the first is meant)."""
    local = _parse(wall).replace(tzinfo=_zone(zone))
    return not is_skipped(wall, zone) and local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def missed(due: datetime, now: datetime, grace: timedelta) -> bool:
    """A campaign that much late (the system was down) asks a person instead of firing by itself."""
    return now - due > grace


def _parse(wall: str) -> datetime:
    try:
        naive = datetime.fromisoformat(wall)
    except ValueError:
        raise BadWallTime(
            _("“%(wall)s” is not a date and time. Write it as 2026-11-24T09:00.") % {"wall": wall}
        ) from None
    if naive.tzinfo is not None:
        raise BadWallTime(_("Give the time without an offset; the zone is a field of its own."))
    return naive.replace(second=0, microsecond=0)


def _zone(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadWallTime(
            _("“%(zone)s” is not a time zone we know. Use a name such as Europe/Warsaw.") % {"zone": zone}
        ) from None
