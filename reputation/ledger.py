"""What budgets spent: tallies of one minute for the windows, tallies of a day for caps and for what came back later."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from reputation.models import Tally
from reputation.workspace import today

KEEP_MINUTES = timedelta(days=2)

# A statement with its parameters.
Statement: TypeAlias = tuple[str, list[Any]]
_Counts: TypeAlias = list[int]
_Moment = TypeVar("_Moment", date, datetime)


@dataclass(frozen=True, slots=True)
class Entry:
    """What left in one minute, spent from each of the budgets. `sent` counts messages handed over, whatever the answer.

    `minute`: any instant of that minute, aware. `last_dot_at`: when the last of them left, if the caller knows.
    """

    budget_ids: Sequence[int]
    minute: datetime
    sent: int = 0
    accepted: int = 0
    deferred: int = 0
    bounced: int = 0
    unknown_users: int = 0
    last_dot_at: datetime | None = None

    @property
    def counts(self) -> _Counts:
        return [self.sent, self.accepted, self.deferred, self.bounced, self.unknown_users]


def record(*, entries: Iterable[Entry], zone: ZoneInfo) -> None:
    """Add entries to the tallies of their minutes and days. Entries may repeat budgets and minutes.

    `zone` is the workspace's: it says which day a minute belongs to. Joins the caller's transaction if there is one.
    """
    if statements := recording(entries=entries, zone=zone):
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(*statement)


def recording(*, entries: Iterable[Entry], zone: ZoneInfo) -> list[Statement]:
    """The statements that do so, to be carried out in this order and in one transaction."""
    entries = list(entries)
    minutes: dict[tuple[int, datetime], _Counts] = defaultdict(lambda: [0] * 5)
    days: dict[tuple[int, date], _Counts] = defaultdict(lambda: [0] * 5)
    for entry in entries:
        minute = _minute(entry.minute)
        for budget in entry.budget_ids:
            _add(minutes[budget, minute], entry.counts)
            _add(days[budget, today(minute, zone)], entry.counts)
    if not minutes:
        return []
    return [_upsert(_MINUTES, minutes), _upsert(_DAYS, days), *_last_dots(entries)]


def record_later(*, now: datetime, zone: ZoneInfo, budget_ids: Sequence[int], **came_back: int) -> None:
    """Add what came back after the message had left, to the day of `now`.

    `came_back`: complained, unsubscribed, bounced, unknown_users (the last two by report). Others raise TypeError.
    """
    if wrong := came_back.keys() - _LATER:
        raise TypeError(f"{', '.join(sorted(wrong))} can't be recorded later")
    parameters: dict[str, Any] = {"ids": sorted(set(budget_ids)), "day": today(now, zone)}
    with connection.cursor() as cursor:
        cursor.execute(_LATER_STATEMENT, parameters | dict.fromkeys(_LATER, 0) | came_back)


def prune(*, now: datetime) -> int:
    """Delete minutes no window can reach any more; returns how many."""
    return Tally.objects.filter(minute__lt=now - KEEP_MINUTES).delete()[0]


def _add(total: _Counts, counts: _Counts) -> None:
    for place, count in enumerate(counts):
        total[place] += count


def _minute(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(second=0, microsecond=0)


# Rows are locked in the order of the index: two workers that report the same budgets wait, and never deadlock.
_UPSERT = """
INSERT INTO {table} (budget_id, {when}, sent, accepted, deferred, bounced, unknown_users{zeros})
SELECT t.*{nulls}
FROM unnest(%s::bigint[], %s::{type}[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[])
     AS t (budget_id, at, sent, accepted, deferred, bounced, unknown_users)
WHERE EXISTS (SELECT 1 FROM reputation_budget b WHERE b.id = t.budget_id)
ORDER BY t.budget_id, t.at
ON CONFLICT (budget_id, {when}) DO UPDATE SET
    sent = {table}.sent + excluded.sent,
    accepted = {table}.accepted + excluded.accepted,
    deferred = {table}.deferred + excluded.deferred,
    bounced = {table}.bounced + excluded.bounced,
    unknown_users = {table}.unknown_users + excluded.unknown_users
"""
_MINUTES = _UPSERT.format(table="reputation_tally", when="minute", type="timestamptz", zeros="", nulls="")
_DAYS = _UPSERT.format(
    table="reputation_daytally", when="day", type="date", zeros=", complained, unsubscribed", nulls=", 0, 0"
)

_LATER = {"complained", "unsubscribed", "bounced", "unknown_users"}
_LATER_STATEMENT = """
INSERT INTO reputation_daytally
    (budget_id, day, sent, accepted, deferred, bounced, unknown_users, complained, unsubscribed)
SELECT b.id, %(day)s, 0, 0, 0, %(bounced)s, %(unknown_users)s, %(complained)s, %(unsubscribed)s
FROM reputation_budget b WHERE b.id = ANY(%(ids)s::bigint[]) ORDER BY b.id
ON CONFLICT (budget_id, day) DO UPDATE SET
    bounced = reputation_daytally.bounced + excluded.bounced,
    unknown_users = reputation_daytally.unknown_users + excluded.unknown_users,
    complained = reputation_daytally.complained + excluded.complained,
    unsubscribed = reputation_daytally.unsubscribed + excluded.unsubscribed
"""

# Only ever forward, and budgets in the order of their ids, like every other statement that locks several.
_LAST_DOTS = """
UPDATE reputation_budget b SET last_dot_at = GREATEST(b.last_dot_at, t.at)
FROM (
    SELECT locked.id, given.at
    FROM unnest(%s::bigint[], %s::timestamptz[]) AS given (id, at)
    JOIN LATERAL (SELECT id FROM reputation_budget WHERE id = given.id FOR NO KEY UPDATE) locked ON true
    ORDER BY locked.id
) t
WHERE b.id = t.id
"""


def _upsert(statement: str, rows: dict[tuple[int, _Moment], _Counts]) -> Statement:
    keys = sorted(rows)
    columns: list[Any] = [list(column) for column in zip(*(rows[key] for key in keys), strict=True)]
    return statement, [[key[0] for key in keys], [key[1] for key in keys], *columns]


def _last_dots(entries: Sequence[Entry]) -> list[Statement]:
    latest: dict[int, datetime] = {}
    for entry in entries:
        if (dot := entry.last_dot_at) is not None:
            latest |= {budget: max(latest.get(budget, dot), dot) for budget in entry.budget_ids}
    ids = sorted(latest)
    return [(_LAST_DOTS, [ids, [latest[id] for id in ids]])] if ids else []
