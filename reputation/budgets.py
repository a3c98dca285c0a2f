"""What one scope may spend at one provider: made when first needed, explained field by field, edited with a reason.

A limit is found in this order, each step over the one before:

1. the catalogue: `cold` in the first week of a warm-up, else `warm`;
2. the budget's own row, where an admin has set a limit;
3. the warm-up plan's cap of the day;
4. the state: closed, or a share of the rate and of the connections while it recovers.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import prefetch_related_objects

from reputation.catalogue import catalogue
from reputation.models import Budget, BudgetChange, Tally, WarmupPlan
from reputation.pure.backoff import PROBE
from reputation.pure.catalogue import Ceiling, Provider
from reputation.pure.warmup import cap_of, cap_on, hour_at, is_cold, rests_on
from reputation.workspace import today

ALL = "*"
LIMITS = ("per_minute", "per_hour", "per_day", "connections", "per_connection", "batch_size", "batch_pause")
# The probe is one message over one connection. Where its answer proves nothing, the next follows after so many seconds.
PROBE_PAUSE = 10.0
# A warm-up's cap of the day takes so many hours at least.
SPREAD_HOURS = 6


@dataclass(frozen=True, slots=True)
class Limits:
    """What a budget may spend now, its state already applied. None is no limit; `batch_pause` in seconds.

    `rate_share` and `connection_cap` are the recovery's factors, already in the numbers. Nothing leaves while `closed`;
    then `closed_until` is when it may be tried again, or None until a person releases it. `sources` says where each
    limit is from. `rests`: of hour and day nothing is for marketing, on a weekend that the warm-up skips.
    """

    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    connections: int | None = None
    per_connection: int | None = None
    batch_size: int | None = None
    batch_pause: float | None = None
    state: str = Budget.State.OPEN
    reason: str = ""
    closed: bool = False
    closed_until: datetime | None = None
    rate_share: float = 1.0
    connection_cap: int | None = None
    cold: bool = False
    warmup_cap: int | None = None
    rests: bool = False
    tls_required: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Messages spent. `last_hour` sums 61 one-minute buckets and `last_minute` two, so they never say too little."""

    last_minute: int = 0
    last_hour: int = 0
    today: int = 0
    accepted_today: int = 0
    deferred_today: int = 0
    bounced_today: int = 0
    unknown_users_today: int = 0
    complained_today: int = 0


def budgets_for(*, now: datetime, kind_scopes: Sequence[tuple[str, str]], provider: str) -> list[Budget]:
    """The budgets of (kind, scope) pairs at a provider, in the order asked; missing rows are made.

    A new row of a scope that warms up starts its own warm-up today: this provider has not met the scope yet.
    """
    wanted = [(kind, scope, provider) for kind, scope in kind_scopes]
    return [found for key, found in budgets_of(now=now, wanted=wanted).items()]


def budgets_of(*, now: datetime, wanted: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], Budget]:
    """The same for many (kind, scope, provider) at once: three statements, however many there are."""
    found = _read(wanted)
    missing = [key for key in dict.fromkeys(wanted) if key not in found]
    if missing:
        plans = _plans_of_scopes(missing)
        Budget.objects.bulk_create((_new(key, plans) for key in sorted(missing)), ignore_conflicts=True)
        found |= _read(missing)
    return {key: found[key] for key in wanted}


def providers_met(*, kind: str, scopes: Collection[str]) -> set[tuple[str, str]]:
    """The (scope, provider) pairs of a kind that have a budget already."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT scope, provider FROM reputation_budget WHERE kind = %s AND scope = ANY(%s)", [kind, list(scopes)]
        )
        return set(cursor.fetchall())


def limits_of(budget: Budget, *, now: datetime, zone: ZoneInfo, cold: bool = False) -> Limits:
    """What a budget may spend at `now`. Reads no row but the budget's warm-up plan (select_related("warmup")).

    `cold`: who sends is new there. For recipient domains, which have no warm-up of their own.
    """
    return steps_of(budget, now=now, zone=zone, cold=cold)[-1][1]


def steps_of(budget: Budget, *, now: datetime, zone: ZoneInfo, cold: bool = False) -> list[tuple[str, Limits]]:
    """The same step by step, each over the one before: catalogue, set by hand, warm-up, state."""
    cold = cold or (budget.warmup is not None and is_cold(budget.warmup_day))
    stock = _from_catalogue(budget, cold=cold)
    by_hand = _with_overrides(budget, stock)
    warming = _with_warmup(budget, by_hand, now.astimezone(zone))
    return [
        ("catalogue", stock),
        ("set by hand", by_hand),
        ("warm-up", warming),
        ("state", _with_state(budget, warming, now)),
    ]


def full_connections(budget: Budget) -> int | None:
    """Connections allowed in good times, whatever state the budget is in; None is no limit."""
    cold = budget.warmup is not None and is_cold(budget.warmup_day)
    return _with_overrides(budget, _from_catalogue(budget, cold=cold)).connections


def explain(budget: Budget, *, now: datetime, zone: ZoneInfo, cold: bool = False) -> list[str]:
    """Sentences for people: what applies at `now` and why, one per limit, then the state."""
    limits = limits_of(budget, now=now, zone=zone, cold=cold)
    lines = [
        f"{_WORDS[name].format(_number(getattr(limits, name)))}: {limits.sources[name]}."
        for name in LIMITS
        if getattr(limits, name) is not None
    ]
    lines += ["Weekends are skipped: only transactional mail leaves today."] if limits.rests else []
    return [*(lines or ["No limits."]), _state_in_words(limits, zone)]


def edit(*, now: datetime, budget: Budget, actor: User | None, reason: str, **limits: float | None) -> None:
    """Set a budget's own limits (see LIMITS); None goes back to the catalogue. Written down with who and why.

    Raises ValueError with a sentence for an impossible limit, TypeError for one that does not exist.
    """
    if unknown := limits.keys() - set(LIMITS):
        raise TypeError(f"{', '.join(sorted(unknown))} is no limit")
    for name, value in limits.items():
        _refuse_impossible(name, value)
    with transaction.atomic():
        row = Budget.objects.select_for_update(no_key=True).get(pk=budget.pk)
        before = {name: getattr(row, name) for name in limits if getattr(row, name) != limits[name]}
        if not before:
            return
        what = "; ".join(f"{_name(name)} {_or_stock(before[name])} → {_or_stock(limits[name])}" for name in before)
        Budget.objects.filter(pk=row.pk).update(**limits)
        _write_down(now, row, actor, what, reason, {"before": before, "after": {n: limits[n] for n in before}})
    budget.refresh_from_db()


def hold(*, now: datetime, budget: Budget, actor: User | None, reason: str, until: datetime | None = None) -> bool:
    """Let nothing leave until a time, or until `release`. False when it was held already."""
    with transaction.atomic():
        changed = (
            Budget.objects.filter(pk=budget.pk)
            .exclude(state=Budget.State.HELD, state_until=until)
            .update(
                state=Budget.State.HELD, state_until=until, state_reason=reason[:300], changed_at=now, ladder_step=0
            )
        )
        if changed:
            _write_down(now, budget, actor, "Held", reason, {})
    budget.refresh_from_db()
    return bool(changed)


def release(*, now: datetime, budget: Budget, actor: User | None, reason: str) -> bool:
    """Open a slowed or held budget at its full limits. False when it was open."""
    with transaction.atomic():
        changed = Budget.objects.filter(pk=budget.pk).exclude(state=Budget.State.OPEN).update(changed_at=now, **OPENED)
        if changed:
            _write_down(now, budget, actor, "Released", reason, {})
    budget.refresh_from_db()
    return bool(changed)


# What a budget without any trouble has in its row.
OPENED: Mapping[str, Any] = {
    "state": Budget.State.OPEN,
    "state_until": None,
    "state_reason": "",
    "evidence": {},
    "rate_share": 1.0,
    "connection_cap": None,
    "ladder_step": 0,
}


def usage(*, now: datetime, zone: ZoneInfo, budget_ids: Iterable[int]) -> dict[int, Usage]:
    """What budgets have spent in the last minute and hour and today (the calendar day in `zone`), by budget id."""
    ids = sorted(set(budget_ids))
    if not ids:
        return {}
    minute = now.replace(second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(
            _USAGE,
            {
                "ids": ids,
                "two_minutes": minute - timedelta(minutes=1),
                "hour": minute - timedelta(minutes=60),
                "day": today(now, zone),
            },
        )
        return {budget: Usage(*counts) for budget, *counts in cursor.fetchall()}


def sent_by_minute(*, now: datetime, budget_ids: Iterable[int]) -> dict[int, dict[datetime, int]]:
    """The buckets of `Usage.last_hour`, by budget id and minute."""
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=60)
    found: dict[int, dict[datetime, int]] = {}
    for row in Tally.objects.filter(budget__in=list(budget_ids), minute__gte=since, sent__gt=0):
        found.setdefault(row.budget_id, {})[row.minute] = row.sent
    return found


_FIELDS = [field.attname for field in Budget._meta.concrete_fields]
_READ = f"""
SELECT {", ".join(_FIELDS)} FROM reputation_budget WHERE kind = ANY(%s) AND scope = ANY(%s) AND provider = ANY(%s)
"""
# Both parts are reached by the unique indexes (budget, minute) and (budget, day).
_USAGE = """
SELECT asked.id, coalesce(m.last_minute, 0), coalesce(m.last_hour, 0), coalesce(d.sent, 0), coalesce(d.accepted, 0),
       coalesce(d.deferred, 0), coalesce(d.bounced, 0), coalesce(d.unknown_users, 0), coalesce(d.complained, 0)
FROM unnest(%(ids)s::bigint[]) AS asked (id)
LEFT JOIN LATERAL (
    SELECT sum(sent) FILTER (WHERE minute >= %(two_minutes)s)::int AS last_minute, sum(sent)::int AS last_hour
    FROM reputation_tally WHERE budget_id = asked.id AND minute >= %(hour)s
) m ON true
LEFT JOIN reputation_daytally d ON d.budget_id = asked.id AND d.day = %(day)s
"""


def _read(wanted: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], Budget]:
    """The planner asks every second for a hundred: the ORM takes longer to write this statement than it runs."""
    columns = [sorted({key[place] for key in wanted}) for place in range(3)]
    with connection.cursor() as cursor:
        cursor.execute(_READ, columns)
        rows = [Budget.from_db(connection.alias, _FIELDS, row) for row in cursor.fetchall()]
    for row in rows:
        row.evidence = json.loads(row.evidence)
    prefetch_related_objects([row for row in rows if row.warmup_id], "warmup")
    asked = set(wanted)
    return {key: row for row in rows if (key := (row.kind, row.scope, row.provider)) in asked}


def _plans_of_scopes(keys: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str], WarmupPlan | None]:
    """The plan of a scope is kept on its budget for all providers together."""
    stars = Budget.objects.select_related("warmup").filter(provider=ALL, scope__in={scope for _, scope, _ in keys})
    return {(star.kind, star.scope): star.warmup for star in stars}


def _new(key: tuple[str, str, str], plans: Mapping[tuple[str, str], WarmupPlan | None]) -> Budget:
    kind, scope, provider = key
    plan = plans.get((kind, scope))
    return Budget(kind=kind, scope=scope, provider=provider, warmup=plan, warmup_day=1 if plan else 0)


def _from_catalogue(budget: Budget, *, cold: bool) -> Limits:
    if budget.provider == ALL:
        return Limits()
    return _stock(catalogue().get(budget.provider), budget.kind, cold=cold)


@lru_cache(maxsize=1000)
def _stock(provider: Provider, kind: str, *, cold: bool) -> Limits:
    is_site = kind == Budget.Kind.RECIPIENT_DOMAIN
    warm, chilled = (provider.site_warm, provider.site_cold) if is_site else (provider.warm, provider.cold)
    values = asdict(warm) | (
        {name: value for name, value in asdict(chilled).items() if value is not None} if cold else {}
    )
    if kind in _NOT_CONNECTED:
        values |= dict.fromkeys(_OF_A_CONNECTION)
    if kind == Budget.Kind.ACCOUNT:
        values |= {name: value for name, value in asdict(RELAY).items() if name in _OF_A_CONNECTION}
    temperature = "cold" if cold else "warm"
    sources = {
        name: f"catalogue, {provider.name}, {temperature}" for name, value in values.items() if value is not None
    }
    return Limits(**values, cold=cold, tls_required=provider.tls_required, sources=sources)


# Connections belong to an address or an account, not to the domain that signs or the site that receives.
_OF_A_CONNECTION = ("connections", "per_connection", "batch_size", "batch_pause")
_NOT_CONNECTED = {Budget.Kind.DKIM_DOMAIN, Budget.Kind.RECIPIENT_DOMAIN}
# A relay or an ESP paces towards the receivers itself; ours is the rate of handing over, and it names none.
RELAY = Ceiling(connections=4, per_connection=100)


def _with_overrides(budget: Budget, limits: Limits) -> Limits:
    own = {name: value for name in LIMITS if (value := getattr(budget, name)) is not None}
    if not own:
        return limits
    return replace(limits, **own, sources={**limits.sources, **dict.fromkeys(own, "set by hand")})


def _with_warmup(budget: Budget, limits: Limits, at: datetime) -> Limits:
    if budget.warmup is None or budget.provider == ALL:
        return limits
    provider = catalogue().get(budget.provider)
    cap = cap_of(budget.warmup.days, provider.key, budget.warmup_day)
    if cap is None:
        return limits
    hourly = hour_at(hourly_of(cap, provider.cold), about=whose(budget), at=at)
    planned, cap = cap, cap_on(cap, about=whose(budget), day=at.date())
    source = f"warm-up “{budget.warmup.name}”, day {budget.warmup_day}"
    source += f" of {planned:,}" if cap < planned else ""
    a_day = cap if budget.per_day is None else min(cap, budget.per_day)
    hour = min(hourly, limits.per_hour) if budget.per_hour is not None and limits.per_hour else hourly
    sources = {**limits.sources}
    sources |= {"per_day": source} if a_day == cap else {}
    sources |= {"per_hour": source} if hour == hourly else {}
    rests = rests_on(at.date(), skips_weekends=budget.warmup.skips_weekends)
    return replace(limits, per_day=a_day, per_hour=hour, warmup_cap=cap, rests=rests, sources=sources)


def whose(budget: Budget) -> str:
    """By what the days of a warm-up differ: its scope and the provider."""
    return f"{budget.scope} {budget.provider}"


def hourly_of(cap: int, cold: Ceiling) -> int:
    """The hour's part of a day's cap: as the catalogue has it for the first day, else the day spread over six hours."""
    if cold.per_hour and cold.per_day:
        return max(1, round(cap * cold.per_hour / cold.per_day))
    return max(1, cap // SPREAD_HOURS)


def _with_state(budget: Budget, limits: Limits, now: datetime) -> Limits:
    if budget.state == Budget.State.OPEN:
        return limits
    stopped = budget.state == Budget.State.HELD or budget.ladder_step == 0
    limits = replace(limits, state=budget.state, reason=budget.state_reason)
    if stopped and (budget.state_until is None or now < budget.state_until):
        return replace(limits, closed=True, closed_until=budget.state_until)
    if stopped or budget.ladder_step == PROBE:
        pause = max(PROBE_PAUSE, limits.batch_pause or 0.0)
        limits = replace(limits, batch_size=1, per_connection=1, batch_pause=pause)
        return _reduced(limits, budget.rate_share, 1)
    return _reduced(limits, budget.rate_share, budget.connection_cap)


def _reduced(limits: Limits, share: float, cap: int | None) -> Limits:
    connections = limits.connections if cap is None else min(cap, limits.connections or cap)
    rates: dict[str, Any] = {
        name: max(1, int(rate * share))
        for name in ("per_minute", "per_hour")
        if (rate := getattr(limits, name)) is not None
    }
    return replace(limits, **rates, connections=connections, rate_share=share, connection_cap=cap)


_WORDS = {
    "per_minute": "{} a minute",
    "per_hour": "{} an hour",
    "per_day": "{} a day",
    "connections": "{} at once (connections)",
    "per_connection": "{} messages a connection",
    "batch_size": "{} messages between pauses",
    "batch_pause": "{} seconds between batches",
}


def _state_in_words(limits: Limits, zone: ZoneInfo) -> str:
    if limits.closed:
        until = f"until {limits.closed_until.astimezone(zone):%d %b %H:%M}" if limits.closed_until else "until released"
        return f"Closed {until}: {limits.reason}"
    if limits.state != Budget.State.OPEN:
        return f"Recovering at {limits.rate_share:.0%} of the rate: {limits.reason}"
    return "Open."


def _refuse_impossible(name: str, value: float | None) -> None:
    if value is None:
        return
    if name == "batch_pause":
        if not 0 <= value <= 3600:
            raise ValueError("The pause between batches must be from 0 to 3600 seconds.")
    elif value != int(value) or not 1 <= value <= _HIGHEST.get(name, 2_000_000_000):
        raise ValueError(f"{_name(name).capitalize()} must be a whole number of 1 or more; hold the budget to stop it.")


_HIGHEST = {"connections": 500}


def _name(limit: str) -> str:
    return limit.replace("_", " ")


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _or_stock(value: float | None) -> str:
    return "as in the catalogue" if value is None else _number(value)


def _write_down(
    now: datetime, budget: Budget, actor: User | None, what: str, reason: str, evidence: Mapping[str, object]
) -> None:
    BudgetChange.objects.create(
        budget=budget, at=now, actor=actor, what=what[:300], reason=reason[:300], evidence=dict(evidence)
    )
