"""The monitor's lanes: one provider each, with its progress, its pace against its limits, and its state in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils.translation import get_language

from campaigns.arrivals import arrivals_of
from campaigns.models import Campaign
from campaigns.pure.arrival_words import Arrival, ending
from campaigns.pure.lane_words import Facts, Said, say
from reputation.advice import Advice, advice
from reputation.advice import Lane as Asked
from reputation.budgets import ALL, steps_of
from reputation.budgets import Limits as OfBudget
from reputation.catalogue import catalogue
from reputation.models import Budget
from reputation.pure.backoff import PROBE
from sending.capacity import scopes_at
from sending.models import Mailing
from sending.progress import Around, LaneProgress, Progress
from sending.pure.windows import Limits, hourly_cap
from words import gettext as _


@dataclass(frozen=True, slots=True)
class LaneRow:
    """`pace` and `limit` are messages a minute; `limit` None is no limit, 0 while nothing may leave. `normal` is the
    limit without the trouble there is; `day` how many may leave today where today's are used up.
    """

    progress: LaneProgress
    name: str
    said: Said
    pace: float
    limit: float | None
    normal: float | None
    day: int | None = None
    done_at: datetime | None = None
    # The budget that holds it back, where an admin can release it.
    budget: int | None = None

    @property
    def retrying(self) -> int:
        return self.progress.retrying

    @property
    def percent(self) -> int:
        total = self.progress.total
        return 100 * self.progress.final // total if total else 100


@dataclass(frozen=True, slots=True)
class Monitor:
    progress: Progress
    rows: list[LaneRow]
    has_worker: bool
    # About when the rest has it: most of them, and the slowest lanes.
    ending: tuple[str, str] = ("", "")

    @property
    def pace(self) -> float:
        return sum(row.pace for row in self.rows)

    @property
    def half_the_pace(self) -> int:
        """Half of what leaves now, in messages an hour; 0 when nothing leaves."""
        return round(self.pace * 60 / 2)

    @property
    def limit(self) -> float | None:
        limits = [row.limit for row in self.rows if row.progress.waiting]
        return None if None in limits else sum(limit for limit in limits if limit is not None)


def monitor_of(*, now: datetime, seen: tuple[Progress, Around]) -> Monitor:
    """Of what `look_at` saw. A few short queries, whatever the size of the mailing; none of them counts people."""
    progress, around = seen
    mailing, zone, all_stopped = progress.mailing, ZoneInfo(around.time_zone), around.stopped_at is not None
    ends = {} if all_stopped else arrivals_of(now=now, zone=zone, progress=progress)
    known = advice_at(now=now, zone=zone, mailing=mailing, providers=[lane.provider for lane in progress.lanes])
    rows = []
    for lane in progress.lanes:
        facts = _facts(mailing, lane, known.get(lane.provider, []), all_stopped=all_stopped)
        said = say(facts, now=now, zone=zone)
        usual = _normal(now, zone, mailing, known.get(lane.provider, []), facts.limit)
        pace, end = _pace(mailing, lane), ends.get(lane.provider)
        trouble = _trouble(known.get(lane.provider, []))
        budget = trouble[0].budget.pk if trouble and lane.waiting > 0 else None
        rows.append(LaneRow(lane, facts.who, said, pace, facts.limit, usual, facts.day_used, end, budget))
    known_ends = [Arrival(row.name, row.progress.waiting, row.done_at) for row in rows if row.progress.provider in ends]
    return Monitor(progress, rows, around.has_worker, ending(known_ends, now=now, zone=zone))


def mark_of(*, now: datetime, campaign: Campaign, seen: tuple[Progress, Around]) -> str:
    """The same as long as the page would be: figures, states, what they depend on, the minute it is, its language."""
    progress, around = seen
    mailing = progress.mailing
    lanes = sorted(
        (lane.provider, repr(replace(lane, counts={})), sorted(lane.counts.items())) for lane in progress.lanes
    )
    whole = (
        now.replace(second=0, microsecond=0), get_language(), campaign.name, mailing.state, mailing.state_since,
        mailing.state_reason, mailing.per_hour, lanes, around,
    )  # fmt: skip
    return blake2b(repr(whole).encode(), digest_size=12).hexdigest()


def advice_at(*, now: datetime, zone: ZoneInfo, mailing: Mailing, providers: Sequence[str]) -> dict[str, list[Advice]]:
    """The budgets of the first route of the pool; those are what a marketer waits for."""
    scopes = _scopes(mailing)
    lanes = {provider: Asked(scopes, provider) for provider in providers} if scopes else {}
    known = advice(now=now, zone=zone, lanes=list(lanes.values()))
    return {provider: known[lane] for provider, lane in lanes.items()}


def _scopes(mailing: Mailing) -> tuple[tuple[str, str], ...]:
    with connection.cursor() as cursor:
        # As the ORM would say it, which takes six times as long; the monitor asks every two seconds.
        cursor.execute(_FIRST_ROUTE, [mailing.pool_id])
        found = cursor.fetchone()
    return scopes_at(*found, domain=mailing.sending_domain.name) if found else ()


_FIRST_ROUTE = """
SELECT route.id, CASE WHEN route.kind = 'direct' THEN host(address.ip) END
FROM sending_poolroute member JOIN sending_route route ON route.id = member.route_id
LEFT JOIN reputation_sendingaddress address ON address.id = route.address_id
WHERE member.pool_id = %s AND route.active ORDER BY member.position, member.id LIMIT 1
"""


def budgets_of_lanes(mailing: Mailing) -> dict[int, str]:
    """The budgets its lanes spend from → the provider's name for people."""
    providers = mailing.lanes.values_list("provider", flat=True)
    found: dict[int, str] = {}
    for kind, scope in _scopes(mailing):
        rows = Budget.objects.filter(kind=kind, scope=scope, provider__in=[*providers, ALL])
        found |= {pk: _name(provider) for pk, provider in rows.values_list("pk", "provider")}
    return found


def _name(provider: str) -> str:
    return _("All providers together") if provider == ALL else catalogue().title(provider)


def _trouble(known: Sequence[Advice]) -> list[Advice]:
    """What holds a lane back, the longest first: closed until a person acts, until a time, or slower."""
    closed = sorted((row for row in known if row.limits.closed), key=_closed_for, reverse=True)
    return [*closed, *(row for row in known if row.limits.state != "open" and not row.limits.closed)]


def _closed_for(row: Advice) -> tuple[bool, float]:
    until = row.limits.closed_until
    return until is None, until.timestamp() if until else 0.0


def _facts(mailing: Mailing, lane: LaneProgress, known: Sequence[Advice], *, all_stopped: bool) -> Facts:
    troubles = _trouble(known)
    closed = [row for row in troubles if row.limits.closed]
    slowed = [row for row in troubles if not row.limits.closed]
    trouble = next(iter(troubles), None)
    days = [row for row in known if row.limits.per_day is not None and row.usage.today >= row.limits.per_day]
    hours = [(hourly_cap_of(row.limits), row) for row in known]
    full_hour = [cap for cap, row in hours if cap is not None and row.usage.last_hour >= cap]
    return Facts(
        who=catalogue().title(lane.provider),
        provider=lane.provider,
        mailing_state=mailing.state,
        all_stopped=all_stopped,
        paused=lane.paused,
        stopped_early=lane.stopped,
        first_part=lane.canary,
        held_back=lane.held_back,
        for_winner=lane.for_winner,
        for_hour=lane.for_hour,
        next_hour_at=lane.next_hour_at,
        next_hour_in=lane.next_hour_in,
        waiting=lane.waiting,
        retrying=lane.retrying,
        next_retry_at=lane.next_retry_at,
        connections=lane.connections,
        closed=bool(closed),
        closed_until=closed[0].limits.closed_until if closed else None,
        by_hand=bool(closed) and closed[0].limits.state == Budget.State.HELD and not closed[0].budget.evidence,
        share=slowed[0].limits.rate_share if slowed else 1.0,
        probing=any(row.budget.ladder_step <= PROBE for row in slowed),
        reason=trouble.limits.reason if trouble is not None else "",
        day_used=days[0].limits.per_day if days else None,
        warmup_day=days[0].budget.warmup_day if days and days[0].limits.warmup_cap else 0,
        hour_used=full_hour[0] if full_hour else None,
        rests=any(row.limits.rests for row in known),
        limit=_limit(mailing, [row.limits for row in known]),
    )


def hourly_cap_of(limits: OfBudget) -> int | None:
    """What may leave in an hour: the limit, and the day's part of it."""
    return hourly_cap(Limits(per_hour=limits.per_hour, per_day=limits.per_day))


def _limit(mailing: Mailing, known: Sequence[OfBudget]) -> float | None:
    if any(limits.closed for limits in known):
        return 0.0
    found = [float(limits.per_minute) for limits in known if limits.per_minute is not None]
    # An hour's limit leaves room for bursts, so it is told only where the minute has none.
    found = found or [cap / 60 for limits in known if (cap := hourly_cap_of(limits)) is not None]
    found += [mailing.per_hour / 60] if mailing.per_hour else []
    return min(found, default=None)


def _normal(
    now: datetime, zone: ZoneInfo, mailing: Mailing, known: Sequence[Advice], limit: float | None
) -> float | None:
    """The limit if no budget were in trouble; usually none is."""
    if all(row.limits.state == Budget.State.OPEN for row in known):
        return limit
    return _limit(mailing, [steps_of(row.budget, now=now, zone=zone)[-2][1] for row in known])


def _pace(mailing: Mailing, lane: LaneProgress) -> float:
    return lane.per_minute if mailing.state == Mailing.State.RUNNING and not lane.paused else 0.0
