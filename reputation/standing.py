"""What the planner asks every second: what each of a few hundred budgets may spend now, and what it has spent."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Field, JSONField

from reputation.budgets import Limits, budgets_of, limits_of
from reputation.models import Budget, WarmupPlan
from reputation.workspace import today

# Kind, scope and provider of a budget.
Key: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget at this moment. `sent_hour` is that of `budgets.Usage.last_hour`, `sent_today` that of its `today`."""

    id: int
    kind: str
    limits: Limits
    sent_hour: int
    sent_today: int
    last_dot_at: datetime | None


# What says what a budget may spend, whatever columns there will be. Nearly all rows are the same for days, so what
# follows from them is kept.
_Row: TypeAlias = tuple[Any, ...]
_NO_RULE = {"id", "warmup_id", "evidence", "changed_at", "last_dot_at"}
_OF_BUDGET = [column for column in Budget._meta.concrete_fields if column.attname not in _NO_RULE]
_OF_PLAN = [column for column in WarmupPlan._meta.concrete_fields if column.attname != "created_at"]
# Only a warm-up differs from scope to scope.
_SCOPE = "CASE WHEN w.id IS NULL THEN '' ELSE b.scope END"
_RULES = ", ".join(
    [_SCOPE if one.attname == "scope" else f"b.{one.column}" for one in _OF_BUDGET]
    + [f"w.{one.column}" for one in _OF_PLAN]
)
# The row by its unique index, and its tallies by theirs.
_READ = f"""
SELECT b.id, b.kind, b.scope, b.provider, b.state = 'open' AND w.id IS NULL,
       extract(epoch FROM b.last_dot_at)::float8, coalesce(spent.sent, 0), coalesce(d.sent, 0), {_RULES}
FROM unnest(%(kinds)s::text[], %(scopes)s::text[], %(providers)s::text[]) AS asked (kind, scope, provider)
JOIN reputation_budget b ON b.kind = asked.kind AND b.scope = asked.scope AND b.provider = asked.provider
LEFT JOIN reputation_warmupplan w ON w.id = b.warmup_id
LEFT JOIN LATERAL (
    SELECT sum(t.sent)::int AS sent FROM reputation_tally t WHERE t.budget_id = b.id AND t.minute >= %(hour)s
) spent ON true
LEFT JOIN reputation_daytally d ON d.budget_id = b.id AND d.day = %(day)s
"""


def standings(*, now: datetime, zone: ZoneInfo, wanted: Iterable[Key]) -> dict[Key, Standing]:
    """All budgets of these keys; missing ones are made. One statement, however many there are; three more where one had
    to be made."""
    keys = list(dict.fromkeys(wanted))
    if not keys:
        return {}
    found = _read(now, zone, keys)
    missing = [key for key in keys if key not in found]
    if missing:
        budgets_of(now=now, wanted=missing)
        found |= _read(now, zone, missing)
    return found


def _read(now: datetime, zone: ZoneInfo, keys: Sequence[Key]) -> dict[Key, Standing]:
    kinds, scopes, providers = ([key[place] for key in keys] for place in range(3))
    hour = now.replace(second=0, microsecond=0) - timedelta(minutes=60)
    params: dict[str, Any] = {"kinds": kinds, "scopes": scopes, "providers": providers, "hour": hour}
    with connection.cursor() as cursor:
        cursor.execute(_READ, {**params, "day": today(now, zone)})
        rows = cursor.fetchall()
    found = {}
    for pk, kind, scope, provider, lasts, dot, sent_hour, sent_today, *columns in rows:
        rules = tuple(columns)
        limits = _lasting_limits(rules) if lasts else limits_of(_budget(rules), now=now, zone=zone)
        last = None if dot is None else datetime.fromtimestamp(dot, UTC)
        found[kind, scope, provider] = Standing(pk, kind, limits, sent_hour, sent_today, last)
    return found


@lru_cache(maxsize=10_000)
def _lasting_limits(rules: _Row) -> Limits:
    """Of a budget without trouble or warm-up: time changes nothing about it."""
    return limits_of(_budget(rules), now=datetime(2000, 1, 1, tzinfo=UTC), zone=ZoneInfo("UTC"))


@lru_cache(maxsize=10_000)
def _budget(rules: _Row) -> Budget:
    """Not to be saved: it has no scope, unless it warms up."""
    own, plan = rules[: len(_OF_BUDGET)], rules[len(_OF_BUDGET) :]
    warmup = None if plan[0] is None else WarmupPlan(**_named(_OF_PLAN, plan))
    return Budget(**_named(_OF_BUDGET, own), warmup=warmup)


def _named(columns: Sequence[Field[Any, Any]], values: Sequence[Any]) -> dict[str, Any]:
    """As the model takes them: JSON comes as text."""
    return {
        column.attname: json.loads(value) if isinstance(column, JSONField) and value is not None else value
        for column, value in zip(columns, values, strict=True)
    }
