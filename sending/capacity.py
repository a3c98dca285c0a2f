"""What may be spent: every budget the planner must know, and the lanes that spend from them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings

from reputation.budgets import ALL
from reputation.standing import Key, Standing, standings
from sending.array_literals import numbers, texts
from sending.models import Route
from sending.one_trip import ask
from sending.pure.lanes import SECONDS_UNTIL_KNOWN, Lane
from sending.pure.windows import Budget, Limits, State
from sending.speeds import SPEEDS

# One more than the hour, because the running minute's bucket is not full yet.
HOUR = timedelta(minutes=61)
# A mailing's own hourly limit is handed out in parts of three minutes.
PARTS_OF_AN_HOUR = 20

# All: batches may still run on those that are switched off.
_ROUTES = """
SELECT r.id, r.active, r.egress_host, CASE WHEN r.kind = 'direct' THEN host(a.ip) END
FROM sending_route r LEFT JOIN reputation_sendingaddress a ON a.id = r.address_id
"""
_POOLS = """
SELECT p.pool_id, p.route_id FROM sending_poolroute p JOIN sending_route r ON r.id = p.route_id AND r.active
ORDER BY p.pool_id, p.position, p.id
"""
_WORKERS = """
SELECT egress_host, count(*) FILTER (WHERE kind = 'transmit') FROM sending_worker
WHERE kind IN ('transmit', 'transactional') AND seen_at > clock_timestamp() - interval '15 seconds' GROUP BY 1
"""
_SENT_IN_THE_HOUR = """
SELECT mailing_id, sum(n_sent) FROM sending_batch
WHERE mailing_id = ANY(%(limited)s::bigint[]) AND (ended_at IS NULL OR ended_at > %(hour)s) GROUP BY 1
"""


class Exit(NamedTuple):
    """A route as far as planning goes. `scope`: (kind, scope) of the address or the account it spends from."""

    id: int
    active: bool
    egress_host: str
    scope: tuple[str, str]


class WayOut(NamedTuple):
    """A lane by its names."""

    route: int
    domain: str
    provider: str


class Choice(NamedTuple):
    """What decides which lanes a message may take: its mailing's pool and sending domain, and its provider."""

    pool: int
    domain: str
    provider: str


@dataclass
class Capacity:
    """Budgets that live in no table (a host's threads, a mailing's own limit) have negative ids."""

    routes: Mapping[int, Exit]
    pools: Mapping[int, Sequence[int]]
    budgets: dict[int, Budget] = field(default_factory=dict)
    hosts: dict[str, int] = field(default_factory=dict)
    own_limits: dict[int, int] = field(default_factory=dict)
    ways: dict[WayOut, tuple[int, ...]] = field(default_factory=dict)
    seconds: Mapping[tuple[int, str], float] = field(default_factory=dict)
    _choices: dict[tuple[Choice, int], tuple[Lane, ...]] = field(default_factory=dict)

    def lanes_of(self, choice: Choice, mailing: int = 0) -> tuple[Lane, ...]:
        """Its lanes in the pool's order, with the mailing's own limit; equal ones are one tuple for all mailings."""
        own = self.own_limits.get(mailing, 0)
        lanes = self._choices.get((choice, own))
        if lanes is None:
            lanes = self._choices[choice, own] = tuple(
                self._lane(way, own) for way in ways_of(choice, self.pools) if way in self.ways
            )
        return lanes

    def _lane(self, way: WayOut, own: int) -> Lane:
        seconds = self.seconds.get((way.route, way.provider), SECONDS_UNTIL_KNOWN)
        return Lane(way.route, way.domain, way.provider, self.budgets_of(way, own), seconds)

    def budgets_of(self, way: WayOut, own: int = 0) -> tuple[int, ...]:
        host = self.hosts.get(self.routes[way.route].egress_host) if way.route in self.routes else None
        return (*self.ways.get(way, ()), *((host,) if host else ()), *((own,) if own else ()))


def ways_of(choice: Choice, pools: Mapping[int, Sequence[int]]) -> list[WayOut]:
    return [WayOut(route, choice.domain, choice.provider) for route in pools.get(choice.pool, ())]


def capacity(
    *,
    now: datetime,
    zone: ZoneInfo,
    choices: Iterable[Choice],
    taken: Collection[WayOut] = (),
    per_hour: Mapping[int, int] | None = None,
) -> Capacity:
    """All budgets of the lanes of these choices, and of those that live batches have taken; in a handful of queries.

    `per_hour`: the mailings that have a limit of their own.
    """
    choices, limited = list(choices), per_hour or {}
    providers = {choice.provider for choice in choices} | {way.provider for way in taken}
    asked = {"limited": numbers(limited), "hour": now - HOUR, "providers": texts(providers)}
    rows, members, seconds, processes, sent = ask([_ROUTES, _POOLS, SPEEDS, _WORKERS, _SENT_IN_THE_HOUR], asked)
    routes = {pk: Exit(pk, active, host, _scope(pk, ip)) for pk, active, host, ip in rows}
    found = Capacity({pk: route for pk, route in routes.items() if route.active}, _pools(members))
    found.seconds = {(route, provider): known for route, provider, known in seconds}
    ways = dict.fromkeys(way for choice in choices for way in ways_of(choice, found.pools))
    ways |= dict.fromkeys(taken)
    _add_standings(found, now, zone, {way: routes[way.route] for way in ways})
    _add_hosts(found, dict(processes))
    _add_own_limits(found, limited, dict(sent))
    return found


def scopes_of(route: Route, domain: str) -> tuple[tuple[str, str], ...]:
    """What a route and a domain spend from: the address or the account, and the name that signs."""
    is_direct = route.kind == Route.Kind.DIRECT and route.address is not None
    return scopes_at(route.pk, route.address.ip if is_direct and route.address else None, domain=domain)


def scopes_at(route: int, ip: str | None, *, domain: str) -> tuple[tuple[str, str], ...]:
    """The same by the route's number, and its address where it is a direct one."""
    return (_scope(route, ip), ("dkim_domain", domain))


def account(route: int) -> str:
    """The scope of a relay's or ESP's account in its budgets."""
    return f"route:{route}"


def _scope(route: int, ip: str | None) -> tuple[str, str]:
    return ("ip", ip) if ip else ("account", account(route))


def _pools(members: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for pool, route in members:
        found[pool].append(route)
    return found


def _add_standings(found: Capacity, now: datetime, zone: ZoneInfo, asked: Mapping[WayOut, Exit]) -> None:
    spending = {way: _keys(route.scope, way) for way, route in asked.items()}
    known = standings(now=now, zone=zone, wanted=(key for keys in spending.values() for key in keys))
    found.budgets |= {one.id: _as_budget(one) for one in known.values()}
    found.ways |= {way: tuple([known[key].id for key in keys]) for way, keys in spending.items()}


def _keys(scope: tuple[str, str], way: WayOut) -> tuple[Key, ...]:
    """What a lane spends from: there, and everywhere together."""
    return (
        (*scope, way.provider),
        (*scope, ALL),
        ("dkim_domain", way.domain, way.provider),
        ("dkim_domain", way.domain, ALL),
    )


def _as_budget(one: Standing) -> Budget:
    """The budget's state is worked into its limits already."""
    said = one.limits
    limits = Limits(
        said.per_minute, said.per_hour, said.per_day, said.connections, said.per_connection, said.batch_size,
        said.batch_pause, said.rests,
    )  # fmt: skip
    return Budget(
        id=one.id,
        kind=one.kind,
        limits=limits,
        state=State.HELD if said.closed else State.OPEN,
        until=said.closed_until,
        sent_hour=one.sent_hour,
        sent_today=one.sent_today,
        last_dot_at=one.last_dot_at,
    )


def _add_hosts(found: Capacity, processes: Mapping[str, int]) -> None:
    """A host's worker threads are connections too: a batch that no thread is free for would only hold its place.

    A host without a worker has none, so that another route takes over. While no host has one the system is starting,
    and the first batches are to lie ready.
    """
    for number, host in enumerate(sorted({route.egress_host for route in found.routes.values()}), 1):
        alive = max(1, processes.get(host, 1)) if host in processes or not processes else 0
        threads = settings.TRANSMIT_THREADS * alive
        found.hosts[host] = -number
        found.budgets[-number] = Budget(id=-number, kind="host", limits=Limits(connections=threads))


def _add_own_limits(found: Capacity, limited: Mapping[int, int], sent: Mapping[int, int]) -> None:
    """A mailing's own "at most so many an hour" is a budget like any other."""
    for pk, per_hour in limited.items():
        key = -1_000_000 - pk
        found.own_limits[pk] = key
        limits = Limits(per_hour=per_hour, batch_size=max(1, per_hour // PARTS_OF_AN_HOUR))
        found.budgets[key] = Budget(id=key, kind="mailing", limits=limits, sent_hour=int(sent.get(pk, 0)))
