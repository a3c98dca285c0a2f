"""Record what became of attempts. Append-only: only `unknown` gives way, to evidence that came late."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sending.answers import adding
from sending.array_literals import numbers, stamps, texts


class Cursor(Protocol):
    """What Django's and psycopg's cursors share."""

    def execute(self, sql: Any, params: Any = ...) -> Any: ...
    def fetchone(self) -> Any: ...


@dataclass(slots=True, kw_only=True)
class Settled:
    """One attempt's outcome, as it is recorded. `kind` is an OutcomeKind; empty texts are stored as NULL. A value, not
    frozen because one is made for each message."""

    mailing: int
    delivery: int
    attempt: int
    kind: str
    provider: str
    at: datetime
    reason: str = ""
    reply: int | None = None
    route: int | None = None
    batch: int | None = None
    remote_id: str = ""


_TOLD = """
    SELECT mailing, delivery, attempt, kind, nullif(reason, '') AS reason, reply, route, batch, provider,
           nullif(remote_id, '') AS remote_id, at
    FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[],
                %s::bigint[], %s::text[], %s::text[], %s::timestamptz[])
         AS t (mailing, delivery, attempt, kind, reason, reply, route, batch, provider, remote_id, at)
"""
LONGEST_REASON, LONGEST_REMOTE_ID = 40, 200
COLUMNS = "mailing_id, delivery, attempt, kind, reason, reply_id, route_id, batch_id, provider, remote_id, at"

_RECORD = f"""
WITH told AS ({_TOLD}), recorded AS (
    INSERT INTO sending_outcome ({COLUMNS}) SELECT * FROM told ORDER BY mailing, delivery, attempt
    ON CONFLICT DO NOTHING RETURNING 1
) SELECT count(*) FROM recorded
"""

_MOVES = """
    SELECT mailing AS mailing_id, told_by AS provider, kind, reason, reply_id, n FROM (
        SELECT mailing, told_by, 'unknown' AS kind, reason_before AS reason, reply_before AS reply_id, -1 AS n
        FROM resolved WHERE is_folded
        UNION ALL SELECT mailing, told_by, now_kind, reason, reply, 1 FROM resolved WHERE is_folded
    ) s WHERE (SELECT count(*) FROM counted) > 0
"""

# A batch that is done was folded into the mailing's counters, under its lane, and they move with the outcome. One that
# still runs folds what it finds at its end; the share lock keeps that end out until this commits.
# A deferral told late is certain not to have been sent: the delivery goes back into the queue, unless its mailing is
# over, when it stays on record as not delivered.
_RESOLVE = f"""
WITH told AS ({_TOLD}), slots AS MATERIALIZED (
    SELECT b.id, b.wave, b.provider, b.state FROM sending_batch b
    WHERE b.id IN (SELECT o.batch_id FROM told t JOIN sending_outcome o
                   ON (o.mailing_id, o.delivery, o.attempt) = (t.mailing, t.delivery, t.attempt))
    ORDER BY b.id FOR SHARE
), found AS MATERIALIZED (
    SELECT t.*, d.wave, coalesce(s.provider, t.provider) AS lane, coalesce(s.state, 'done') = 'done' AS is_folded,
           o.provider AS told_by, o.reason AS reason_before, o.reply_id AS reply_before,
           CASE WHEN t.kind = 'deferred' AND coalesce(m.state, 'done') IN ('done', 'stopped')
                THEN 'bounced_soft' ELSE t.kind END AS now_kind
    FROM told t
    JOIN sending_outcome o ON (o.mailing_id, o.delivery, o.attempt) = (t.mailing, t.delivery, t.attempt)
    JOIN sending_delivery d ON (d.mailing_id, d.id) = (t.mailing, t.delivery)
    LEFT JOIN slots s ON s.id = o.batch_id
    LEFT JOIN sending_mailing m ON m.id = t.mailing
    WHERE o.kind = 'unknown' AND t.kind <> 'unknown'
    ORDER BY t.mailing, t.delivery, t.attempt
    FOR NO KEY UPDATE OF o
), resolved AS (
    UPDATE sending_outcome o
    SET kind = f.now_kind, reason = f.reason, reply_id = f.reply, remote_id = f.remote_id, at = f.at
    FROM found f WHERE (o.mailing_id, o.delivery, o.attempt) = (f.mailing, f.delivery, f.attempt)
      -- Written so that no index is looked into for it: that of the unknown ones tempts into every partition there is.
      AND o.kind || '' = 'unknown'
    RETURNING f.mailing, f.delivery, f.attempt, f.wave, f.lane, f.now_kind, f.at, f.is_folded, f.told_by, f.reason,
              f.reply, f.reason_before, f.reply_before
), back AS (
    INSERT INTO sending_requeue
        (mailing_id, delivery, wave, provider_now, due_at, attempt, counted, first_tried_at, reason)
    SELECT mailing, delivery, wave, lane, at, attempt + 1, 1, at, 'deferred' FROM resolved WHERE now_kind = 'deferred'
    ON CONFLICT DO NOTHING
), moves AS (
    SELECT mailing, wave, lane, kind, sum(n) AS n FROM (
        SELECT mailing, wave, lane, 'unknown' AS kind, -1 AS n FROM resolved WHERE is_folded
        UNION ALL SELECT mailing, wave, lane, now_kind, 1 FROM resolved WHERE is_folded
    ) s GROUP BY 1, 2, 3, 4
), counted AS (
    INSERT INTO sending_mailingcount (mailing_id, wave, provider, kind, n)
    SELECT mailing, wave, lane, kind, n FROM moves ORDER BY 1, 2, 3, 4
    ON CONFLICT (mailing_id, wave, provider, kind) DO UPDATE SET n = sending_mailingcount.n + excluded.n
    RETURNING 1
), answers AS ({adding(_MOVES)})
SELECT count(*) FROM resolved
"""


def record(cursor: Cursor, settled: Sequence[Settled]) -> None:
    """Write outcomes; those already there stay, save `unknown` ones, which the evidence resolves.

    Harmless to repeat. With `cursor` in autocommit the two steps commit one by one, which is safe in this order.
    """
    if not settled:
        return
    params = as_params(settled)
    cursor.execute(_RECORD, params)
    if cursor.fetchone()[0] < len(settled):
        resolve(cursor, settled)


def resolve(cursor: Cursor, settled: Sequence[Settled]) -> int:
    """Let late evidence replace `unknown`, moving the mailing's counters with it; returns how many were resolved."""
    cursor.execute(_RESOLVE, as_params(settled))
    return int(cursor.fetchone()[0])


def as_params(settled: Iterable[Settled]) -> list[Any]:
    """The eleven arrays of _TOLD."""
    rows = list(settled)
    return [
        numbers(s.mailing for s in rows),
        numbers(s.delivery for s in rows),
        numbers(s.attempt for s in rows),
        texts(s.kind for s in rows),
        texts(s.reason[:LONGEST_REASON] for s in rows),
        numbers(s.reply for s in rows),
        numbers(s.route for s in rows),
        numbers(s.batch for s in rows),
        texts(s.provider for s in rows),
        texts(s.remote_id[:LONGEST_REMOTE_ID] for s in rows),
        stamps(s.at for s in rows),
    ]
