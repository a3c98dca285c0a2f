"""At this hour where each person lives: when that is, for whom."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from campaigns.pure.wall_time import BadWallTime, instant_of
from sending.pure.hours import Hour

DAY = timedelta(days=1)


def instants(zones: Mapping[str, int], *, wall: str, zone: str) -> dict[str, datetime]:
    """When the wall shows this time in each of these zones; for an empty name, or one that is no zone, in `zone`.
    Raises BadWallTime."""
    return {name: _instant(wall, name, zone) for name in zones}


def _instant(wall: str, name: str, zone: str) -> datetime:
    try:
        return instant_of(wall, name or zone)
    except BadWallTime:
        return instant_of(wall, zone)


def hours(people: Mapping[str, int], *, wall: str, zone: str, now: datetime, grace: timedelta) -> list[Hour]:
    """The waves of these people, the earliest first. `people`: how many by zone, empty: unknown; `zone` is theirs.

    Where the hour has passed at `now`, by `grace` at most, it is at once; by more, that of the next day. Raises
    BadWallTime.
    """
    found: defaultdict[datetime, dict[str, int]] = defaultdict(dict)
    for name, at in instants(people, wall=wall, zone=zone).items():
        kept = at if at >= now - grace else _instant(_day_after(wall), name, zone)
        found[kept][name] = people[name]
    return [_hour(at, found[at], zone) for at in sorted(found)]


def _day_after(wall: str) -> str:
    return f"{datetime.fromisoformat(wall) + DAY:%Y-%m-%dT%H:%M}"


def _hour(at: datetime, people: Mapping[str, int], zone: str) -> Hour:
    by_place: defaultdict[str, int] = defaultdict(int)
    for name, n in people.items():
        by_place[_place(name, zone)] += n
    most = max(sorted(by_place), key=lambda name: by_place[name])
    return Hour(at, most, sum(people.values()), tuple(sorted(people)))


def _place(name: str, zone: str) -> str:
    try:
        instant_of("2000-01-01T00:00", name or zone)
    except BadWallTime:
        return zone
    return name or zone
