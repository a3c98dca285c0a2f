"""The one way back into a queue, for a delivery that left its range without a final outcome."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.backends.utils import CursorWrapper

from sending.array_literals import numbers, stamps, texts
from sending.lane_totals import Move, move_totals
from sending.models import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """One delivery that goes back. `lane`: the provider it belongs to now. `attempt`: the one that comes next."""

    delivery: int
    lane: str
    due_at: datetime
    attempt: int
    counted: int
    first_tried_at: datetime | None
    pinned_route: int | None
    reason: str
    position: int | None = None


_PUT_BACK = """
INSERT INTO sending_requeue (mailing_id, delivery, wave, provider_now, due_at, attempt, counted, first_tried_at,
                             pinned_route, reason, batch, position)
SELECT %(mailing)s, t.delivery, %(wave)s, t.lane, t.due_at, t.attempt, t.counted, t.first_tried_at, t.pinned_route,
       t.reason, NULL, t.position
FROM unnest(%(delivery)s::bigint[], %(lane)s::text[], %(due_at)s::timestamptz[], %(attempt)s::smallint[],
            %(counted)s::smallint[], %(first_tried_at)s::timestamptz[], %(pinned_route)s::bigint[], %(reason)s::text[],
            %(position)s::int[])
     AS t (delivery, lane, due_at, attempt, counted, first_tried_at, pinned_route, reason, position)
ORDER BY t.delivery
ON CONFLICT (mailing_id, delivery) DO UPDATE SET
    provider_now = excluded.provider_now, due_at = excluded.due_at, attempt = excluded.attempt,
    counted = excluded.counted, first_tried_at = excluded.first_tried_at, pinned_route = excluded.pinned_route,
    reason = excluded.reason, batch = NULL, position = excluded.position
"""


def put_back(cursor: CursorWrapper, *, batch: Batch, returns: Sequence[Return]) -> None:
    """Write what goes back, and drop the rows the batch took and has done with. In the caller's transaction."""
    if returns:
        cursor.execute(_PUT_BACK, {"mailing": batch.mailing_id, "wave": batch.wave, **_columns(returns)})
    if batch.kind == Batch.Kind.RETRY:
        cursor.execute("DELETE FROM sending_requeue WHERE batch = %s", [batch.pk])


def move_between_lanes(cursor: CursorWrapper, *, batch: Batch, returns: Sequence[Return]) -> None:
    """Count those who go back to another lane than their batch was of there. In the caller's transaction."""
    moved = Counter(back.lane for back in returns if back.lane != batch.provider)
    moves = [Move(batch.mailing_id, batch.wave, batch.provider, lane, n) for lane, n in sorted(moved.items())]
    move_totals(cursor, moves)


def _columns(returns: Sequence[Return]) -> dict[str, str]:
    return {
        "delivery": numbers(back.delivery for back in returns),
        "lane": texts(back.lane for back in returns),
        "due_at": stamps(back.due_at for back in returns),
        "attempt": numbers(back.attempt for back in returns),
        "counted": numbers(back.counted for back in returns),
        "first_tried_at": stamps(back.first_tried_at for back in returns),
        "pinned_route": numbers(back.pinned_route for back in returns),
        "reason": texts(back.reason for back in returns),
        "position": numbers(back.position for back in returns),
    }
