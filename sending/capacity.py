"""What may be spent: every budget the planner must know, and the lanes that spend from them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

from reputation.advice import Advice, advice
from reputation.advice import Lane as Asked
from sending.models import Batch, Mailing, PoolRoute, Route
from sending.pure.lanes import Lane
from sending.pure.windows import Budget, Limits, State

# One more than the hour, because the running minute's bucket is not full yet.
HOUR = timedelta(minutes=61)
# A mailing's own hourly limit is handed out in parts of three minutes.
PARTS_OF_AN_HOUR = 20

_WORKERS = """
SELECT egress_host, count(*) FILTER (WHERE kind = 'transmit') FROM sending_worker
WHERE kind IN ('transmit', 'transactional') AND seen_at > clock_timestamp() - interval '15 seconds' GROUP BY 1
"""
_SENT_IN_THE_HOUR = """
SELECT mailing_id, sum(n_sent) FROM sending_batch
WHERE mailing_id = ANY(%s) AND (ended_at IS NULL OR ended_at > %s) GROUP BY 1
"""


class WayOut(NamedTuple):
    """A lane by its names."""

    route: int
    domain: str
    provider: str


@dataclass
class Capacity:
    """Budgets that live in no table (a host's threads, a mailing's own limit) have negative ids."""

    routes: Mapping[int, Route]
    pools: Mapping[int, Sequence[int]]
    budgets: dict[int, Budget] = field(default_factory=dict)
    hosts: dict[str, int] = field(default_factory=dict)
    own_limits: dict[int, int] = field(default_factory=dict)
    ways: dict[WayOut, tuple[int, ...]] = field(default_factory=dict)
    _choices: dict[tuple[int, str, int, str], tuple[Lane, ...]] = field(default_factory=dict)

    def lanes_of(self, mailing: Mailing, provider: str) -> tuple[Lane, ...]:
        """The lanes of a mailing at a provider in its pool's order; equal ones are one tuple for all mailings."""
        own = self.own_limits.get(mailing.pk, 0)
        asked = (mailing.pool_id, mailing.sending_domain.name, own, provider)
        if asked not in self._choices:
            self._choices[asked] = tuple(
                Lane(way.route, way.domain, provider, self.budgets_of(way, own))
                for way in ways_of(mailing, provider, self.pools)
                if way in self.ways
            )
        return self._choices[asked]

    def budgets_of(self, way: WayOut, own: int = 0) -> tuple[int, ...]:
        host = self.hosts.get(self.routes[way.route].egress_host) if way.route in self.routes else None
        return (*self.ways.get(way, ()), *((host,) if host else ()), *((own,) if own else ()))


def ways_of(mailing: Mailing, provider: str, pools: Mapping[int, Sequence[int]]) -> list[WayOut]:
    return [WayOut(route, mailing.sending_domain.name, provider) for route in pools.get(mailing.pool_id, ())]


def capacity(
    *, now: datetime, zone: ZoneInfo, wanted: Iterable[tuple[Mailing, str]], live: Sequence[Batch]
) -> Capacity:
    """All budgets of the lanes wanted, as (mailing, provider), and of the live batches; in a handful of queries.

    `live` needs `route__address` and `mailing__sending_domain` selected.
    """
    routes = {route.pk: route for route in Route.objects.filter(active=True).select_related("address")}
    found = Capacity(routes, _pools())
    wanted = list(wanted)
    mailings = {mailing.pk: mailing for mailing, _provider in wanted}
    asked = {way: routes[way.route] for mailing, provider in wanted for way in ways_of(mailing, provider, found.pools)}
    for batch in live:
        asked.setdefault(WayOut(batch.route_id, batch.mailing.sending_domain.name, batch.provider), batch.route)
    _add_advice(found, now, zone, asked)
    _add_hosts(found)
    _add_own_limits(found, now, mailings)
    return found


def scopes_of(route: Route, domain: str) -> tuple[tuple[str, str], ...]:
    """What a route and a domain spend from: the address or the account, and the name that signs."""
    is_direct = route.kind == Route.Kind.DIRECT and route.address is not None
    first = ("ip", route.address.ip) if is_direct and route.address else ("account", account(route))
    return (first, ("dkim_domain", domain))


def account(route: Route) -> str:
    """The scope of a relay's or ESP's account in its budgets."""
    return f"route:{route.pk}"


def _pools() -> dict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for member in PoolRoute.objects.filter(route__active=True).order_by("pool", "position"):
        found[member.pool_id].append(member.route_id)
    return found


def _add_advice(found: Capacity, now: datetime, zone: ZoneInfo, asked: Mapping[WayOut, Route]) -> None:
    lanes = {way: Asked(scopes_of(route, way.domain), way.provider) for way, route in asked.items()}
    advised = advice(now=now, zone=zone, lanes=list(dict.fromkeys(lanes.values())))
    for way, lane in lanes.items():
        for row in advised[lane]:
            if row.budget.pk not in found.budgets:
                found.budgets[row.budget.pk] = _as_budget(row)
        found.ways[way] = tuple(row.budget.pk for row in advised[lane])


def _as_budget(row: Advice) -> Budget:
    """The advice has the budget's state worked into its limits already."""
    said = row.limits
    limits = Limits(
        per_minute=said.per_minute,
        per_hour=said.per_hour,
        per_day=said.per_day,
        connections=said.connections,
        per_connection=said.per_connection,
        batch_size=said.batch_size,
        batch_pause=said.batch_pause,
    )
    return Budget(
        id=row.budget.pk,
        kind=row.budget.kind,
        limits=limits,
        state=State.HELD if said.closed else State.OPEN,
        until=said.closed_until,
        sent_hour=row.usage.last_hour,
        sent_today=row.usage.today,
        last_dot_at=row.budget.last_dot_at,
    )


def _add_hosts(found: Capacity) -> None:
    """A host's worker threads are connections too: a batch that no thread is free for would only hold its place.

    A host without a worker has none, so that another route takes over. While no host has one the system is starting,
    and the first batches are to lie ready.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WORKERS)
        processes = dict(cursor.fetchall())
    for number, host in enumerate(sorted({route.egress_host for route in found.routes.values()}), 1):
        alive = max(1, processes.get(host, 1)) if host in processes or not processes else 0
        threads = settings.TRANSMIT_THREADS * alive
        found.hosts[host] = -number
        found.budgets[-number] = Budget(id=-number, kind="host", limits=Limits(connections=threads))


def _add_own_limits(found: Capacity, now: datetime, mailings: Mapping[int, Mailing]) -> None:
    """A mailing's own "at most so many an hour" is a budget like any other."""
    limited = {pk: mailing.per_hour for pk, mailing in mailings.items() if mailing.per_hour}
    if not limited:
        return
    with connection.cursor() as cursor:
        cursor.execute(_SENT_IN_THE_HOUR, [list(limited), now - HOUR])
        sent = {pk: int(n) for pk, n in cursor.fetchall()}
    for pk, per_hour in limited.items():
        key = -1_000_000 - pk
        found.own_limits[pk] = key
        limits = Limits(per_hour=per_hour, batch_size=max(1, per_hour // PARTS_OF_AN_HOUR))
        found.budgets[key] = Budget(id=key, kind="mailing", limits=limits, sent_hour=sent.get(pk, 0))
