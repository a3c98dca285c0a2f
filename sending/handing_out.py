"""Write planned batches with their people: the next stretch of a lane, or those of the requeue that are due. In one
trip to the database, whatever the number of batches.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sending.array_literals import numbers, stamps, texts
from sending.lane_totals import locking
from sending.one_trip import ask
from sending.pure.lanes import BatchSpec

_ASKED = """
SELECT * FROM unnest(%s::int[], %s::bigint[], %s::smallint[], %s::text[], %s::bigint[], %s::text[], %s::bool[],
                     %s::int[], %s::int[], %s::float8[], %s::timestamptz[], %s::timestamptz[], %s::text[])
    AS spec (n, mailing, wave, provider, route, stream, pinned, before, size, gap, due_at, deadline, budgets)
"""
_COLUMNS = """mailing_id, wave, route_id, provider, stream, kind, lo, hi, gap, due_at, deadline, state, budget_ids,
    epoch, cursor, n_sent, n_accepted, n_deferred, n_bounced, n_skipped, yield_requested, end_reason, woken_at"""
_REST = "gap, due_at, deadline, 'planned', budgets::bigint[], 0, 0, 0, 0, 0, 0, 0, false, '', %s"
# Batches of one lane lie behind each other in the stretch that it is moved by. A lane whose stretch is not there any
# more gets none of them.
_FRESH = f"""
WITH spec AS ({_ASKED}), moved AS (
    UPDATE sending_mailinglane l SET next_seq = l.next_seq + s.size, last_given_at = %s
    FROM (SELECT mailing, wave, provider, sum(size)::int AS size FROM spec GROUP BY 1, 2, 3) s
    WHERE l.mailing_id = s.mailing AND l.wave = s.wave AND l.provider = s.provider
      AND l.next_seq + s.size - 1 <= l.release_seq
    RETURNING l.mailing_id, l.wave, l.provider, l.next_seq - s.size AS start
)
INSERT INTO sending_batch ({_COLUMNS})
SELECT spec.mailing, spec.wave, spec.route, spec.provider, spec.stream, 'fresh', start + before,
       start + before + size - 1, {_REST}
FROM spec JOIN moved ON (moved.mailing_id, moved.wave, moved.provider) = (spec.mailing, spec.wave, spec.provider)
ORDER BY spec.n RETURNING id, route_id, stream
"""
# Retries first come, first served; a row that another transaction holds is left for the next round. A batch that finds
# nobody is not written, and its number is lost.
_RETRY = f"""
WITH spec AS (SELECT *, nextval(pg_get_serial_sequence('sending_batch', 'id')) AS id FROM ({_ASKED}) asked
), due AS MATERIALIZED (
    SELECT place.*, q.id, q.due_at, q.position
    FROM (SELECT mailing, wave, provider, CASE WHEN pinned THEN route END AS pinned_to, sum(size) AS size
          FROM spec GROUP BY 1, 2, 3, 4) place
    CROSS JOIN LATERAL (
        SELECT id, due_at, position FROM sending_requeue
        WHERE mailing_id = place.mailing AND wave = place.wave AND provider_now = place.provider
          AND batch IS NULL AND due_at <= %s AND pinned_route IS NOT DISTINCT FROM place.pinned_to
        ORDER BY due_at, position, id LIMIT place.size FOR UPDATE SKIP LOCKED) q
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY mailing, wave, provider, pinned_to
                                 ORDER BY due_at, position, id) AS rank FROM due
), taken AS (
    UPDATE sending_requeue q SET batch = spec.id, position = rank - before
    FROM ranked r JOIN spec ON spec.mailing = r.mailing AND spec.wave = r.wave AND spec.provider = r.provider
     AND CASE WHEN spec.pinned THEN spec.route END IS NOT DISTINCT FROM r.pinned_to
     AND r.rank > spec.before AND r.rank <= spec.before + spec.size
    WHERE q.id = r.id RETURNING q.batch
), given AS (
    UPDATE sending_mailinglane l SET last_given_at = %s FROM (SELECT DISTINCT mailing, wave, provider FROM spec) s
    WHERE l.mailing_id = s.mailing AND l.wave = s.wave AND l.provider = s.provider
)
INSERT INTO sending_batch ({_COLUMNS}, id)
SELECT mailing, wave, route, provider, stream, 'retry', 1, found.n, {_REST}, spec.id
FROM spec JOIN (SELECT batch, count(*) AS n FROM taken GROUP BY 1) found ON found.batch = spec.id
ORDER BY spec.n RETURNING id, route_id, stream
"""


class HandedOut(NamedTuple):
    """A batch that was written."""

    id: int
    route: int
    stream: str


def hand_out(specs: Sequence[BatchSpec], *, now: datetime) -> list[HandedOut]:
    """Write these batches in the caller's transaction; those whose people are not there any more are left out."""
    if not specs:
        return []
    fresh = [spec for spec in specs if spec.kind == "fresh"]
    retry = [spec for spec in specs if spec.kind == "retry"]
    lock, params = locking({(spec.mailing, spec.wave, spec.provider) for spec in specs})
    statements: list[str] = [lock]
    given: list[Any] = [*params]
    if retry:
        statements.append(_RETRY)
        given += [*_columns(retry), now, now, now]
    if fresh:
        statements.append(_FRESH)
        given += [*_columns(fresh), now, now]
    _locked, *written = ask(statements, given)
    return [HandedOut(*row) for rows in written for row in rows]


def _columns(specs: Sequence[BatchSpec]) -> list[Any]:
    """The arrays of `_ASKED`. `before`: what earlier ones of these batches take from the same place."""
    taken: Counter[tuple[int, int, str, int | None]] = Counter()
    before = []
    for spec in specs:
        place = (spec.mailing, spec.wave, spec.provider, spec.route if spec.pinned else None)
        before.append(taken[place])
        taken[place] += spec.size
    return [
        numbers(range(len(specs))),
        numbers(spec.mailing for spec in specs),
        numbers(spec.wave for spec in specs),
        texts(spec.provider for spec in specs),
        numbers(spec.route for spec in specs),
        texts(spec.stream for spec in specs),
        [spec.pinned for spec in specs],
        numbers(before),
        numbers(spec.size for spec in specs),
        numbers(spec.gap for spec in specs),
        stamps(spec.not_before for spec in specs),
        stamps(spec.deadline for spec in specs),
        texts(numbers(key for key in spec.budgets if key > 0) for spec in specs),
    ]
