"""The batches the planner must count: planned and running ones, and those whose dots may still lie in a window."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db import connection

from sending.array_literals import numbers
from sending.capacity import Capacity, WayOut
from sending.one_trip import ask
from sending.pure.lanes import LiveBatch
from sending.takeover import GHOST_FOR, STOPPED

_Number = TypeVar("_Number", int, float)

# Dots of batches that ended this long ago may still lie in a window of a minute.
IN_THE_WINDOW = timedelta(seconds=61)

# Instants come as numbers and lists as texts, which are read ten times as fast as what they stand for.
# The domain is a scalar on purpose: as a join, it would read all mailings there ever were for a few dozen batches.
_ROW = """
SELECT b.id, b.mailing_id, (SELECT m.sending_domain_id FROM sending_mailing m WHERE m.id = b.mailing_id), b.provider,
       b.route_id, b.budget_ids::text, b.gap, b.hi - b.lo + 1,
       CASE WHEN b.state = 'done' THEN 0 ELSE greatest(0, b.hi - b.lo + 1 - b.n_sent - b.n_skipped) END,
       extract(epoch FROM b.due_at)::float8, b.n_sent, b.stream, b.yield_requested
FROM sending_batch b
"""
_LIVE = f"""
{_ROW} WHERE b.state <> 'done'
UNION ALL {_ROW} WHERE b.state = 'done' AND b.ended_at > %(ghost)s AND b.end_reason = '{STOPPED}'
"""
# A busy minute has a thousand of them, and they change no more: only those that no plan of this process has met are
# read. What was paced or came out of the minute's reserve is of interest.
_ENDED = f"""
SELECT array_agg(b.id)::text, array_agg(extract(epoch FROM b.ended_at)::float8)::text FROM sending_batch b
WHERE b.state = 'done' AND b.ended_at > %(window)s AND (b.gap > 0 OR b.stream = 'transactional')
  AND b.end_reason <> '{STOPPED}'
"""
_MET_FIRST = """
SELECT id, extract(epoch FROM ended_at)::float8, budget_ids::text, gap, n_sent, extract(epoch FROM due_at)::float8,
       stream
FROM sending_batch WHERE id = ANY(%s::bigint[])
"""
_NAMES = "SELECT id, name FROM reputation_sendingdomain"

# By id and end: what ended within the window of the last plan in this process.
_met: dict[tuple[int, float], LiveBatch] = {}


@dataclass(frozen=True, slots=True)
class Live:
    """The rows as they were read, those that ended, and the names of the sending domains they speak of."""

    rows: Sequence[Any]
    ended: Iterable[LiveBatch]
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
        found += self.ended
        return found


def live_batches(*, now: datetime) -> Live:
    """Planned and running batches, those that ended in the last minute, and those whose stopped worker may still hold
    its connection."""
    asked = {"ghost": now - GHOST_FOR, "window": now - IN_THE_WINDOW}
    # In this order: who ends meanwhile is in both and counts twice, where the other order would miss them.
    rows, ((ids, ends),), names = ask([_LIVE, _ENDED, _NAMES], asked)
    return Live(rows, _ended(ids, ends), dict(names))


def _ended(ids: str | None, ends: str | None) -> Iterable[LiveBatch]:
    """`ids` and `ends` as array literals, or None where nothing ended."""
    global _met
    keys = list(zip(_parts(ids, int), _parts(ends, float), strict=True))
    new = [pk for pk, end in keys if (pk, end) not in _met]
    met = _met
    if new:
        with connection.cursor() as cursor:
            cursor.execute(_MET_FIRST, [numbers(new)])
            met = met | {(pk, end): _as_ended(end, *rest) for pk, end, *rest in cursor.fetchall()}
    _met = {key: met[key] for key in keys if key in met}
    return _met.values()


def _as_ended(end: float, spent: str, gap: float, sent: int, due: float, stream: str) -> LiveBatch:
    budgets = tuple(_parts(spent, int))
    return LiveBatch(0, 0, "", 0, budgets, gap, sent, 0, _at(due), sent, stream, False, _at(end))


def _parts(literal: str | None, read: Callable[[str], _Number]) -> list[_Number]:
    return [read(part) for part in literal[1:-1].split(",") if part] if literal else []


def _known(known: Capacity, spent: str, today: Sequence[int]) -> tuple[int, ...]:
    return tuple(key for key in dict.fromkeys((*_parts(spent, int), *today)) if key in known.budgets)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
