"""Count people by what their latest answer means, as batches end, so that a page asks a few counters and no outcomes.

Accepted ones are not counted here. An attempt that follows another takes that one's answer out again.
"""

from typing import Any

from django.db.backends.utils import CursorWrapper

_ADD = """
INSERT INTO sending_answercount (mailing_id, provider, kind, reason, reply_class, n, reply_id)
SELECT mailing_id, provider, kind, reason, reply_class, sum(n), max(reply_id) FILTER (WHERE n > 0)
FROM (SELECT m.mailing_id, m.provider, m.kind, coalesce(m.reason, '') AS reason,
             coalesce(r.reply_class, '') AS reply_class, m.n, m.reply_id
      FROM ({moves}) m LEFT JOIN sending_reply r ON r.id = m.reply_id WHERE m.kind <> 'accepted') meant
GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0 ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (mailing_id, provider, kind, reason, reply_class) DO UPDATE
SET n = sending_answercount.n + excluded.n, reply_id = coalesce(excluded.reply_id, sending_answercount.reply_id)
"""
_ATTEMPTS = """
SELECT mailing_id, provider, kind, reason, reply_id, 1 AS n FROM {rows}
UNION ALL
SELECT before.mailing_id, before.provider, before.kind, before.reason, before.reply_id, -1
FROM {rows} now JOIN sending_outcome before
  ON before.mailing_id = now.mailing_id AND before.delivery = now.delivery AND before.attempt = now.attempt - 1
WHERE now.attempt > 1
"""
_LATEST = """
SELECT o.mailing_id, o.provider, o.kind, o.reason, o.reply_id, 1 AS n FROM sending_outcome o
WHERE o.mailing_id = %(mailing)s AND o.kind <> 'accepted'
  AND NOT EXISTS (SELECT 1 FROM sending_outcome later
                  WHERE later.mailing_id = o.mailing_id AND later.delivery = o.delivery AND later.attempt > o.attempt)
"""


def adding(moves: str) -> str:
    """An INSERT for a statement whose part `moves` has mailing_id, provider, kind, reason, reply_id and n (±1).

    Whoever changes counters of outcomes as well does that first: two writers never wait for each other in a ring.
    """
    return _ADD.format(moves=moves)


def attempts(rows: str) -> str:
    """The moves of newly written outcomes, `rows` being a part of the statement with their columns."""
    return _ATTEMPTS.format(rows=rows)


def folding(*, deliveries: str, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What counts a batch that ends; `deliveries` is a query of those it holds."""
    return _FOLD.format(deliveries=deliveries), params


_FOLD = """
WITH done AS MATERIALIZED (
    SELECT o.mailing_id, o.delivery, o.attempt, o.provider, o.kind, o.reason, o.reply_id FROM sending_outcome o
    WHERE o.mailing_id = %(mailing)s AND o.batch_id = %(batch)s AND o.delivery IN ({deliveries})
)
""" + adding(attempts("done") + "  AND before.mailing_id = %(mailing)s")


def recount(cursor: CursorWrapper, mailing_id: int) -> None:
    """Make the counters say what the rows say; in the caller's transaction. Reads all outcomes of the mailing."""
    params = {"mailing": mailing_id}
    cursor.execute("DELETE FROM sending_answercount WHERE mailing_id = %(mailing)s", params)
    cursor.execute(adding(_LATEST), params)
