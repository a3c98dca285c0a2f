"""The monitor's lanes: one provider each, with its progress, its pace against its limits, and its state in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import connection

from campaigns.pure.lane_words import Facts, Said, say
from reputation.advice import Advice, advice
from reputation.advice import Lane as Asked
from reputation.catalogue import catalogue
from sending.capacity import scopes_of
from sending.models import Mailing, PoolRoute
from sending.progress import LaneProgress, Progress, progress_of
from sending.pure.windows import Limits, hourly_cap


@dataclass(frozen=True, slots=True)
class LaneRow:
    """`pace` and `limit` are messages a minute; `limit` None is no limit, 0 while nothing may leave."""

    progress: LaneProgress
    name: str
    said: Said
    pace: float
    limit: float | None

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

    @property
    def pace(self) -> float:
        return sum(row.pace for row in self.rows)

    @property
    def limit(self) -> float | None:
        limits = [row.limit for row in self.rows if row.progress.waiting]
        return None if None in limits else sum(limit for limit in limits if limit is not None)


def monitor_of(*, now: datetime, zone: ZoneInfo, mailing: Mailing) -> Monitor:
    """About ten short queries, whatever the size of the mailing; none of them counts people."""
    progress = progress_of(mailing)
    known = advice_at(now=now, zone=zone, mailing=mailing, providers=[lane.provider for lane in progress.lanes])
    rows = []
    for lane in progress.lanes:
        facts = _facts(mailing, lane, known.get(lane.provider, []))
        said = say(facts, now=now, zone=zone)
        name = catalogue().title(lane.provider)
        rows.append(LaneRow(lane, name, said, _pace(mailing, lane), facts.limit))
    return Monitor(progress, rows, has_worker())


def has_worker() -> bool:
    """Does any process that transmits say that it lives?"""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT EXISTS (SELECT 1 FROM sending_worker
                              WHERE kind IN ('transmit', 'transactional')
                                AND seen_at > clock_timestamp() - interval '30 seconds')"""
        )
        return bool((cursor.fetchone() or (False,))[0])


def advice_at(*, now: datetime, zone: ZoneInfo, mailing: Mailing, providers: Sequence[str]) -> dict[str, list[Advice]]:
    """The budgets of the first route of the pool; those are what a marketer waits for."""
    members = PoolRoute.objects.filter(pool=mailing.pool_id, route__active=True).order_by("position")
    member = members.select_related("route__address").first()
    if member is None:
        return {}
    scopes = scopes_of(member.route, mailing.sending_domain.name)
    lanes = {provider: Asked(scopes, provider) for provider in providers}
    known = advice(now=now, zone=zone, lanes=list(lanes.values()))
    return {provider: known[lane] for provider, lane in lanes.items()}


def _facts(mailing: Mailing, lane: LaneProgress, known: Sequence[Advice]) -> Facts:
    closed = [row for row in known if row.limits.closed]
    slowed = [row for row in known if row.limits.state != "open" and not row.limits.closed]
    trouble = next(iter([*closed, *slowed]), None)
    days = [row for row in known if row.limits.per_day is not None and row.usage.today >= row.limits.per_day]
    hours = [(hourly_cap_of(row), row) for row in known]
    full_hour = [cap for cap, row in hours if cap is not None and row.usage.last_hour >= cap]
    return Facts(
        who=catalogue().title(lane.provider),
        provider=lane.provider,
        mailing_state=mailing.state,
        paused=lane.paused,
        waiting=lane.waiting,
        retrying=lane.retrying,
        next_retry_at=lane.next_retry_at,
        connections=lane.connections,
        closed=bool(closed),
        closed_until=closed[0].limits.closed_until if closed else None,
        share=slowed[0].limits.rate_share if slowed else 1.0,
        reason=trouble.limits.reason if trouble is not None else "",
        day_used=days[0].limits.per_day if days else None,
        warmup_day=days[0].budget.warmup_day if days and days[0].limits.warmup_cap else 0,
        hour_used=full_hour[0] if full_hour else None,
        limit=_limit(mailing, known, closed=bool(closed)),
    )


def hourly_cap_of(row: Advice) -> int | None:
    """What may leave in an hour: the limit, and the day's part of it."""
    return hourly_cap(Limits(per_hour=row.limits.per_hour, per_day=row.limits.per_day))


def _limit(mailing: Mailing, known: Sequence[Advice], *, closed: bool) -> float | None:
    if closed:
        return 0.0
    limits = [float(row.limits.per_minute) for row in known if row.limits.per_minute is not None]
    # An hour's limit leaves room for bursts, so it is told only where the minute has none.
    limits = limits or [cap / 60 for row in known if (cap := hourly_cap_of(row)) is not None]
    limits += [mailing.per_hour / 60] if mailing.per_hour else []
    return min(limits, default=None)


def _pace(mailing: Mailing, lane: LaneProgress) -> float:
    return lane.per_minute if mailing.state == Mailing.State.RUNNING and not lane.paused else 0.0
