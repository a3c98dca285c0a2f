"""A campaign that leaves at an hour where each person lives: its hours, before it is launched."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from audiences.pure.columns import TIME_ZONE
from campaigns.audience import audience_of, people_by
from campaigns.models import Campaign
from campaigns.pure.local_hours import hours, instants
from reputation.recipients import provider_shares
from reputation.workspace import workspace
from sending.pure.hours import Hour


@dataclass(frozen=True, slots=True)
class LocalPlan:
    """`hours`: the waves, the earliest first; `known` of `people` have a zone of their own. `last_wish`: the last
    instant at which the wall shows the hour somewhere, moved to no next day. `passed`: waves that are. `begins`: by
    provider and instant, how many."""

    hours: list[Hour]
    people: int
    known: int
    last_wish: datetime
    passed: int
    begins: dict[tuple[str, datetime], int]
    grace_minutes: int

    @property
    def first(self) -> Hour:
        return self.hours[0]

    @property
    def last(self) -> Hour:
        return self.hours[-1]


def grace() -> timedelta:
    return timedelta(minutes=workspace().missed_grace_minutes)


def local_plan(campaign: Campaign, *, wall: str, zone: str, now: datetime) -> LocalPlan:
    """One look at everybody. Without anybody there is one hour, that of `zone`. Raises BadWallTime."""
    rows = people_by(audience_of(campaign, now=now), TIME_ZONE)
    zones = _sums((name, n) for name, _domain, n in rows) or {"": 0}
    wishes = instants(zones, wall=wall, zone=zone)
    waves = hours(zones, wall=wall, zone=zone, now=now, grace=grace())
    at_of = {name: hour.at for hour in waves for name in hour.zones}
    domains: defaultdict[datetime, dict[str, int]] = defaultdict(dict)
    for name, domain, n in rows:
        domains[at_of[name]][domain] = domains[at_of[name]].get(domain, 0) + n
    begins = {(provider, at): n for at, of in domains.items() for provider, n in provider_shares(of).items()}
    passed = sum(wishes[hour.zones[0]] < hour.at for hour in waves)
    people = sum(zones.values())
    return LocalPlan(
        waves, people, people - zones.get("", 0), max(wishes.values()), passed, begins, workspace().missed_grace_minutes
    )


def _sums(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    for name, n in rows:
        found[name] += n
    return dict(found)
