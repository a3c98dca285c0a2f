"""The batches the planner must count: planned and running ones, and those whose dots may still lie in a window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from sending.capacity import Capacity, WayOut
from sending.pure.lanes import LiveBatch
from sending.takeover import GHOST_FOR, STOPPED

# Dots of batches that ended this long ago may still lie in a window of a minute.
IN_THE_WINDOW = timedelta(seconds=61)

# A busy minute has a thousand batches that ended. Of those, only what was paced or came out of the minute's reserve is
# of interest; instants come as numbers and lists as texts, which are read ten times as fast as what they stand for.
_ROW = """
SELECT b.id, b.mailing_id, m.sending_domain_id, b.provider, b.route_id, b.budget_ids::text, b.gap, b.hi - b.lo + 1,
       CASE WHEN b.state = 'done' THEN 0 ELSE greatest(0, b.hi - b.lo + 1 - b.n_sent - b.n_skipped) END,
       extract(epoch FROM b.due_at)::float8, b.n_sent, b.stream, b.yield_requested,
       CASE WHEN b.end_reason <> %(stopped)s THEN extract(epoch FROM b.ended_at)::float8 END
FROM sending_batch b JOIN sending_mailing m ON m.id = b.mailing_id
"""
_LIVE = f"""
{_ROW} WHERE b.state <> 'done'
UNION ALL {_ROW}
WHERE b.state = 'done' AND b.ended_at > %(window)s
  AND (b.gap > 0 OR b.stream = 'transactional' OR b.end_reason = %(stopped)s)
UNION ALL {_ROW}
WHERE b.state = 'done' AND b.ended_at > %(ghost)s AND b.ended_at <= %(window)s AND b.end_reason = %(stopped)s
"""


@dataclass(frozen=True, slots=True)
class Live:
    """The rows as they were read, and the names of the sending domains they speak of."""

    rows: Sequence[Any]
    names: Mapping[int, str]

    def ways(self) -> set[WayOut]:
        """The lanes they are on."""
        lanes = {(row[4], row[2], row[3]) for row in self.rows}
        return {WayOut(route, self.names[domain], provider) for route, domain, provider in lanes}

    def as_planned(self, known: Capacity) -> list[LiveBatch]:
        """As the pure planner takes them. Those of a worker that stands still have not ended: it may hold them yet."""
        spending: dict[tuple[str, int, int, str, int], tuple[int, ...]] = {}
        found = []
        for id, mailing, domain, provider, route, spent, gap, size, left, due, sent, stream, yields, ended in self.rows:
            key = (spent, route, domain, provider, known.own_limits.get(mailing, 0))
            if key not in spending:
                way = WayOut(route, self.names[domain], provider)
                spending[key] = _budgets(known, spent, known.budgets_of(way, key[-1]))
            found.append(
                LiveBatch(
                    id, mailing, provider, route, spending[key], gap, size, left, datetime.fromtimestamp(due, UTC),
                    sent, stream, yields, None if ended is None else datetime.fromtimestamp(ended, UTC),
                )
            )  # fmt: skip
        return found


def live_batches(*, now: datetime) -> Live:
    """Planned and running batches, those that ended in the last minute, and those whose stopped worker may still hold
    its connection."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE, {"window": now - IN_THE_WINDOW, "ghost": now - GHOST_FOR, "stopped": STOPPED})
        rows = cursor.fetchall()
        cursor.execute("SELECT id, name FROM reputation_sendingdomain")
        return Live(rows, dict(cursor.fetchall()))


def _budgets(known: Capacity, spent: str, today: Sequence[int]) -> tuple[int, ...]:
    """What it was planned with, and what its lane spends from today: an added budget counts from now on."""
    planned = [int(each) for each in spent[1:-1].split(",") if each]
    return tuple(key for key in dict.fromkeys((*planned, *today)) if key in known.budgets)
