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

# Instants come as numbers and lists as texts, which are read ten times as fast as what they stand for.
_ROW = """
SELECT b.id, b.mailing_id, m.sending_domain_id, b.provider, b.route_id, b.budget_ids::text, b.gap, b.hi - b.lo + 1,
       CASE WHEN b.state = 'done' THEN 0 ELSE greatest(0, b.hi - b.lo + 1 - b.n_sent - b.n_skipped) END,
       extract(epoch FROM b.due_at)::float8, b.n_sent, b.stream, b.yield_requested
FROM sending_batch b JOIN sending_mailing m ON m.id = b.mailing_id
"""
_LIVE = f"""
{_ROW} WHERE b.state <> 'done'
UNION ALL {_ROW} WHERE b.state = 'done' AND b.ended_at > %(ghost)s AND b.end_reason = %(stopped)s
"""
# A busy minute has a thousand of them. Only what was paced or came out of the minute's reserve is of interest.
_ENDED = """
SELECT b.budget_ids::text, b.stream,
       array_agg(ARRAY[b.gap, b.n_sent, extract(epoch FROM b.due_at)::float8, extract(epoch FROM b.ended_at)::float8])
FROM sending_batch b
WHERE b.state = 'done' AND b.ended_at > %(window)s AND (b.gap > 0 OR b.stream = 'transactional')
  AND b.end_reason <> %(stopped)s
GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Live:
    """The rows as they were read, and the names of the sending domains they speak of."""

    rows: Sequence[Any]
    ended: Sequence[Any]
    names: Mapping[int, str]

    def ways(self) -> set[WayOut]:
        """The lanes they are on."""
        lanes = {(row[4], row[2], row[3]) for row in self.rows}
        return {WayOut(route, self.names[domain], provider) for route, domain, provider in lanes}

    def as_planned(self, known: Capacity) -> list[LiveBatch]:
        """As the pure planner takes them. Those of a worker that stands still have not ended: it may hold them yet."""
        found = []
        for id, mailing, domain, provider, route, spent, gap, size, left, due, sent, stream, yields in self.rows:
            way = WayOut(route, self.names[domain], provider)
            # What it was planned with, and what its lane spends from today: an added budget counts from now on.
            budgets = _known(known, spent, known.budgets_of(way, known.own_limits.get(mailing, 0)))
            found.append(
                LiveBatch(id, mailing, provider, route, budgets, gap, size, left, _at(due), sent, stream, yields)
            )
        for spent, stream, batches in self.ended:
            budgets = _known(known, spent)
            found += [
                LiveBatch(0, 0, "", 0, budgets, gap, int(sent), 0, _at(due), int(sent), stream, False, _at(ended))
                for gap, sent, due, ended in batches
            ]
        return found


def live_batches(*, now: datetime) -> Live:
    """Planned and running batches, those that ended in the last minute, and those whose stopped worker may still hold
    its connection."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE, {"ghost": now - GHOST_FOR, "stopped": STOPPED})
        rows = cursor.fetchall()
        cursor.execute(_ENDED, {"window": now - IN_THE_WINDOW, "stopped": STOPPED})
        ended = cursor.fetchall()
        cursor.execute("SELECT id, name FROM reputation_sendingdomain")
        return Live(rows, ended, dict(cursor.fetchall()))


def _known(known: Capacity, spent: str, today: Sequence[int] = ()) -> tuple[int, ...]:
    planned = [int(each) for each in spent[1:-1].split(",") if each]
    return tuple(key for key in dict.fromkeys((*planned, *today)) if key in known.budgets)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
