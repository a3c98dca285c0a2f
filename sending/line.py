"""Who is first in line, where something is open. Thousands of lanes may wait while a tick starts a dozen batches, so
the planner does not read them all:

1. `waiting`: the running mailings by what decides their ways out; and where anything waits at all.
2. The planner asks which of those ways would take a batch now; most are busy most of the time.
3. `first`: of each line that may move, those that waited longest, those with a near deadline, and those whose retries
   are the oldest. The rest has its turn in a later tick; who was served goes to the end.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from sending.array_literals import numbers, texts
from sending.capacity import Choice
from sending.one_trip import ask

# So many of one line are looked at in one tick, by each of the measures.
LOOK_AT = 8
# More retries of one place than a batch ever takes need not be counted, nor more lanes than a scarce hour is split for.
ENOUGH = 1000
MANY = 200
# A deadline this near goes before those that waited longer (see pacing).
NEAR = timedelta(hours=6)
# The mailings of a sender with no more than these are looked at one by one: they would be found late among all others.
FEW = 20

_STREAM = "CASE WHEN m.is_test THEN 'transactional' ELSE m.stream END"
# Mailings are grouped by numbers, before anything is joined to them.
_SENDERS = f"""
SELECT g.pool_id, g.sending_domain_id, d.name, g.stream, g.overflow, coalesce(g.overflow, p.overflow),
       EXISTS (SELECT 1 FROM sending_poolroute r WHERE r.pool_id = g.pool_id)
       AND NOT EXISTS (SELECT 1 FROM sending_poolroute r JOIN sending_route way ON way.id = r.route_id
                       WHERE r.pool_id = g.pool_id AND way.kind = 'direct'),
       g.n, CASE WHEN g.n <= {FEW} THEN g.all_of_them ELSE g.near END, g.limited
FROM (
    SELECT m.pool_id, m.sending_domain_id, {_STREAM} AS stream, m.overflow, count(*) AS n,
           (array_agg(m.id))[:{FEW}] AS all_of_them, array_agg(m.id) FILTER (WHERE m.deadline <= %(near)s) AS near,
           coalesce(array_agg(ARRAY[m.id, m.per_hour]) FILTER (WHERE m.per_hour > 0), '{{}}') AS limited
    FROM sending_mailing m WHERE m.state = 'running' GROUP BY 1, 2, 3, 4
) g
JOIN reputation_sendingdomain d ON d.id = g.sending_domain_id JOIN sending_pool p ON p.id = g.pool_id
"""
# From one provider to the next, along the indexes lane_waiting and requeue_waiting.
_PROVIDERS = """
WITH RECURSIVE fresh AS (
    (SELECT provider FROM sending_mailinglane WHERE state = 'open' AND next_seq <= release_seq
     ORDER BY provider LIMIT 1)
    UNION ALL
    SELECT (SELECT l.provider FROM sending_mailinglane l
            WHERE l.state = 'open' AND l.next_seq <= l.release_seq AND l.provider > fresh.provider
            ORDER BY l.provider LIMIT 1)
    FROM fresh WHERE fresh.provider IS NOT NULL
), due AS (
    (SELECT provider_now FROM sending_requeue WHERE batch IS NULL ORDER BY provider_now LIMIT 1)
    UNION ALL
    SELECT (SELECT q.provider_now FROM sending_requeue q WHERE q.batch IS NULL AND q.provider_now > due.provider_now
            ORDER BY q.provider_now LIMIT 1)
    FROM due WHERE due.provider_now IS NOT NULL
)
SELECT provider FROM fresh WHERE provider IS NOT NULL
UNION SELECT provider_now FROM due WHERE provider_now IS NOT NULL
"""
_WHOSE = f"""
SELECT DISTINCT m.pool_id, m.sending_domain_id, {_STREAM}, m.overflow, l.provider
FROM sending_mailinglane l JOIN sending_mailing m ON m.id = l.mailing_id AND m.state = 'running'
WHERE l.provider = ANY(%(providers)s) AND l.state = 'open'
"""
# The test of the mailing is a scalar on purpose: as a join it would lead to the lanes of every mailing, one by one, and
# not along the index of those that wait, where the first who fit are near the beginning.
_FITS = f"""(SELECT m.state = 'running' AND m.pool_id = line.pool AND m.sending_domain_id = line.domain
             AND {_STREAM} = line.stream AND m.overflow IS NOT DISTINCT FROM line.overflow
             AND m.id <> ALL(%(spent)s::bigint[])
             FROM sending_mailing m WHERE m.id = {{mailing}})"""
_DUE = "q.batch IS NULL AND q.due_at <= %(now)s"
_WAITS = "l.state = 'open' AND l.next_seq <= l.release_seq"
_LANE = "l.mailing_id, l.wave, l.provider, l.next_seq, l.release_seq, l.last_given_at"
_MAY_GO = """CASE WHEN q.pinned_route IS NULL THEN line.is_open
                  ELSE EXISTS (SELECT 1 FROM way WHERE way.of_line = line.n AND way.route = q.pinned_route) END"""
_FIRST = f"""
WITH line AS (
    SELECT * FROM unnest(%(n)s::int[], %(provider)s::text[], %(pool)s::bigint[], %(domain)s::bigint[],
                         %(stream)s::text[], %(overflow)s::bool[], %(is_open)s::bool[], %(is_short)s::bool[])
        AS line (n, provider, pool, domain, stream, overflow, is_open, is_short)
), way AS (
    SELECT * FROM unnest(%(of_line)s::int[], %(route)s::bigint[]) AS way (of_line, route)
), longest AS (
    SELECT line.n, l.* FROM line CROSS JOIN LATERAL (
        SELECT {_LANE} FROM sending_mailinglane l
        WHERE line.is_open AND NOT line.is_short AND l.provider = line.provider AND {_WAITS}
          AND {_FITS.format(mailing="l.mailing_id")}
        ORDER BY l.last_given_at NULLS FIRST, l.release_seq - l.next_seq LIMIT {LOOK_AT}) l
), oldest AS (
    SELECT line.n, q.* FROM line CROSS JOIN LATERAL (
        SELECT {_LANE} FROM sending_requeue q
        JOIN sending_mailinglane l ON l.mailing_id = q.mailing_id AND l.wave = q.wave AND l.provider = q.provider_now
                                  AND l.state = 'open'
        WHERE NOT line.is_short AND q.provider_now = line.provider AND {_DUE} AND {_MAY_GO}
          AND {_FITS.format(mailing="q.mailing_id")}
        ORDER BY q.due_at LIMIT {LOOK_AT}) q
), one_by_one AS (
    SELECT n, mailing_id, wave, provider, next_seq, release_seq, last_given_at FROM (
        SELECT line.n, {_LANE}, row_number() OVER (PARTITION BY line.n ORDER BY l.last_given_at NULLS FIRST) AS place
        FROM sending_mailing m JOIN sending_mailinglane l ON l.mailing_id = m.id AND l.state = 'open'
        JOIN line ON line.pool = m.pool_id AND line.domain = m.sending_domain_id AND line.stream = {_STREAM}
         AND line.overflow IS NOT DISTINCT FROM m.overflow AND line.provider = l.provider
        WHERE m.id = ANY(%(near)s::bigint[]) AND m.state = 'running' AND m.id <> ALL(%(spent)s::bigint[])
          AND (line.is_open AND l.next_seq <= l.release_seq
               OR EXISTS (SELECT 1 FROM sending_requeue q WHERE q.mailing_id = m.id AND q.wave = l.wave
                          AND q.provider_now = l.provider AND {_DUE} AND {_MAY_GO}))) placed
    WHERE place <= {LOOK_AT}
), first AS (
    SELECT * FROM longest UNION SELECT * FROM oldest UNION SELECT * FROM one_by_one
)
SELECT first.n, first.mailing_id, first.wave, greatest(first.release_seq - first.next_seq + 1, 0),
       extract(epoch FROM first.last_given_at)::float8,
       (SELECT extract(epoch FROM m.deadline)::float8 FROM sending_mailing m WHERE m.id = first.mailing_id),
       due.n, due.pinned
FROM first CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE pinned_route IS NULL) AS n,
           array_agg(pinned_route) FILTER (WHERE pinned_route IS NOT NULL)::text AS pinned
    FROM (SELECT q.pinned_route FROM sending_requeue q
          WHERE q.mailing_id = first.mailing_id AND q.wave = first.wave AND q.provider_now = first.provider AND {_DUE}
          ORDER BY q.due_at LIMIT {ENOUGH}) counted) due
"""
_HOW_MANY = f"""
SELECT asked.provider, (SELECT count(*) FROM (SELECT 1 FROM sending_mailinglane l
                                              WHERE l.provider = asked.provider AND {_WAITS} LIMIT {MANY}) counted)
FROM (SELECT DISTINCT provider FROM unnest(%(provider)s::text[]) AS lines (provider)) asked
"""


@dataclass(frozen=True, slots=True, eq=False)
class Sender:
    """Running mailings whose messages to one provider may take the same lanes. `stream`: as planned, where a test, for
    one person's eyes and now, goes the way of transactional mail and waits for no campaign. `own_overflow`: what the
    mailings say themselves, None as the pool has it. `looks_up`: every way out is a relay or an ESP. `near`: ids of
    those looked at one by one; `per_hour`: of those with a limit of their own."""

    pool: int
    domain_id: int
    domain: str
    stream: str
    own_overflow: bool | None
    overflow: bool
    looks_up: bool
    mailings: int
    near: Sequence[int]
    per_hour: Mapping[int, int]


class Line(NamedTuple):
    """All of a sender that waits at one provider. `is_open` to whoever is first; `routes` would take what has to go by
    them."""

    sender: Sender
    provider: str
    is_open: bool
    routes: tuple[int, ...]

    @property
    def choice(self) -> Choice:
        return Choice(self.sender.pool, self.sender.domain, self.provider)


@dataclass(slots=True)
class Waiting:
    """One wave of one mailing in a line: messages that may go now; `pinned` by the route they have to go by."""

    line: Line
    mailing: int
    wave: int
    fresh: int
    last_given: datetime | None
    deadline: datetime | None
    retry: int
    pinned: dict[int, int]


def waiting(*, now: datetime) -> tuple[list[Sender], set[str]]:
    """The running mailings by what decides their ways out; and the providers where anything waits, now or later."""
    senders, providers = ask([_SENDERS, _PROVIDERS], {"near": now + NEAR})
    return [
        Sender(pool, domain_id, domain, stream, own, overflow, looks_up, n, near or (), dict(limits))
        for pool, domain_id, domain, stream, own, overflow, looks_up, n, near, limits in senders
    ], {provider for (provider,) in providers}


def whose(*, providers: Collection[str], senders: Collection[Sender]) -> set[tuple[Sender, str]]:
    """Which senders have lanes at which of these providers."""
    by_key = {(sender.pool, sender.domain_id, sender.stream, sender.own_overflow): sender for sender in senders}
    with connection.cursor() as cursor:
        cursor.execute(_WHOSE, {"providers": list(providers)})
        rows = [(by_key.get(tuple(key)), provider) for *key, provider in cursor.fetchall()]
    return {(sender, provider) for sender, provider in rows if sender is not None}


def first(*, now: datetime, lines: Sequence[Line], spent: Collection[int]) -> tuple[list[Waiting], Mapping[str, int]]:
    """Those who are next in each line; and the lanes with fresh messages that wait at a provider, whoever's they are,
    not counted beyond MANY. `spent`: mailings whose own limit lets nothing go now."""
    if not lines:
        return [], {}
    rows, lanes = ask([_FIRST, _HOW_MANY], _as_params(now, lines, spent))
    found = [
        Waiting(lines[n], mailing, wave, fresh, _at(last_given), _at(deadline), due, _by_route(pinned))
        for n, mailing, wave, fresh, last_given, deadline, due, pinned in rows
    ]
    return found, dict(lanes)


def _at(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _by_route(pinned: str | None) -> dict[int, int]:
    """How often each route is in an array literal."""
    return Counter(int(route) for route in pinned[1:-1].split(",")) if pinned else {}


def _as_params(now: datetime, lines: Sequence[Line], spent: Collection[int]) -> dict[str, Any]:
    ways = [(n, route) for n, line in enumerate(lines) for route in line.routes]
    return {
        "now": now,
        "n": numbers(range(len(lines))),
        "provider": texts(line.provider for line in lines),
        "pool": numbers(line.sender.pool for line in lines),
        "domain": numbers(line.sender.domain_id for line in lines),
        "stream": texts(line.sender.stream for line in lines),
        "overflow": [line.sender.own_overflow for line in lines],
        "is_open": [line.is_open for line in lines],
        "is_short": [line.sender.mailings <= FEW for line in lines],
        "of_line": numbers(n for n, _ in ways),
        "route": numbers(route for _, route in ways),
        "near": numbers({pk for line in lines for pk in line.sender.near}),
        "spent": numbers(spent),
    }
