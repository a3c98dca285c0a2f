"""When will this campaign be done, before anyone presses Send: its crowd, our limits and whoever is sending already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from campaigns.audience import Crowd
from campaigns.models import Campaign
from reputation.models import Budget as BudgetRow
from reputation.warmup import cap_on
from reputation.workspace import today
from sending.capacity import Capacity, Choice, capacity
from sending.models import Mailing
from sending.press import TAIL_BELOW
from sending.pure.forecast import STEP, ProviderForecast, forecast
from sending.pure.lanes import Demand
from sending.pure.windows import Budget
from sending.waiting import waiting

# So many days of a warm-up are looked at; the forecast ends before them.
DAYS_AHEAD = 61
TAIL = "tail"
# The label under which everybody else's mail is foreseen; no provider is called so.
OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class Outlook:
    """By provider, the largest first. `done_at` is the last one's end, None while one of them has none."""

    rows: list[ProviderForecast]

    @property
    def done_at(self) -> datetime | None:
        ends = [row.finishes_at for row in self.rows if row.finishes_at is not None]
        return max(ends) if ends and len(ends) == len(self.rows) else None

    @property
    def stuck(self) -> list[ProviderForecast]:
        return [row for row in self.rows if row.finishes_at is None]


def outlook(*, now: datetime, starts_at: datetime, zone: ZoneInfo, campaign: Campaign, crowd: Crowd) -> Outlook:
    """A handful of queries, whatever the size of the crowd. Empty without a route or without anybody to send to.

    1. Run the others ahead until we start: what they have sent by then is out of our way.
    2. Run them and us together from there, with the caps of those days.
    """
    if campaign.pool is None or campaign.sending_domain is None or not crowd.recipients:
        return Outlook([])
    us = Mailing(pk=0, pool=campaign.pool, sending_domain=campaign.sending_domain, per_hour=campaign.per_hour)
    ours, theirs, run = _in_view(now, zone, us, with_tail(crowd.by_provider))
    begin = max(now, starts_at)
    rows = run.at(begin, [*[one for one in ours if one.lanes], *run.left_at(begin, theirs)])
    return Outlook(sorted((row for row in rows if row.provider != OTHERS), key=lambda row: -row.total))


def ends_of(*, now: datetime, zone: ZoneInfo, mailing: Mailing, left: Mapping[str, int]) -> dict[str, datetime | None]:
    """When each provider of a mailing under way will have had its `left` people; None where no end is in sight.

    By the planner's own arithmetic, like the outlook before the start: today's limits, warm-up, and who sends beside.
    """
    ours, theirs, run = _in_view(now, zone, mailing, {provider: n for provider, n in left.items() if n > 0})
    rows = run.at(now, [one for one in [*ours, *theirs] if one.lanes])
    return {row.provider: row.finishes_at for row in rows if row.provider != OTHERS}


def with_tail(by_provider: Mapping[str, int]) -> dict[str, int]:
    """Small sites share one lane, as they will when the campaign is launched."""
    found: dict[str, int] = {}
    for provider, people in by_provider.items():
        key = TAIL if provider.startswith("other:") and people < TAIL_BELOW else provider
        found[key] = found.get(key, 0) + people
    return found


def _in_view(
    now: datetime, zone: ZoneInfo, us: Mailing, shares: Mapping[str, int]
) -> tuple[list[Demand], list[Demand], "_Ahead"]:
    """What we and everybody else who is sending ask for, with all budgets that any of us spends from."""
    others = {row.pk: row for row in _running() if row.pk != us.pk}
    places = waiting(now=now, mailings=others) if others else {}
    wanted = [*((us, provider) for provider in shares), *((others[place.mailing], place.provider) for place in places)]
    known = capacity(
        now=now,
        zone=zone,
        choices=[_choice(mailing, provider) for mailing, provider in wanted],
        per_hour={mailing.pk: mailing.per_hour for mailing, _provider in wanted if mailing.per_hour},
    )
    theirs = [
        _demand(known, others[place.mailing], place.provider, amount.fresh + amount.retry, label=OTHERS)
        for place, amount in places.items()
    ]
    ours = [_demand(known, us, provider, people, label=provider) for provider, people in shares.items()]
    return ours, theirs, _Ahead(now, zone, list(known.budgets.values()))


def _running() -> Iterable[Mailing]:
    return Mailing.objects.filter(state=Mailing.State.RUNNING).select_related("pool", "sending_domain")


def _demand(known: Capacity, mailing: Mailing, provider: str, people: int, *, label: str) -> Demand:
    return Demand(
        mailing=mailing.pk,
        provider=label,
        lanes=known.lanes_of(_choice(mailing, provider), mailing.pk),
        fresh=people,
        overflow=mailing.pool.overflow,
    )


def _choice(mailing: Mailing, provider: str) -> Choice:
    return Choice(mailing.pool_id, mailing.sending_domain.name, provider)


class _Ahead:
    """The forecast from a later instant on."""

    def __init__(self, now: datetime, zone: ZoneInfo, budgets: Sequence[Budget]) -> None:
        self.now, self.zone, self.budgets = now, zone, budgets
        ids = [budget.id for budget in budgets if budget.id > 0]
        rows = BudgetRow.objects.filter(pk__in=ids, warmup__isnull=False).select_related("warmup")
        self.warming = {row.pk: row for row in rows}

    def at(self, begin: datetime, demand: Sequence[Demand]) -> Sequence[ProviderForecast]:
        return forecast(
            now=begin,
            budgets=[self._budget(budget, begin) for budget in self.budgets],
            demand=demand,
            zone=self.zone,
            day_caps={pk: self._caps(row, begin) for pk, row in self.warming.items()},
        )

    def left_at(self, begin: datetime, theirs: Sequence[Demand]) -> list[Demand]:
        """What the others will still have to send when we begin."""
        if begin - self.now < STEP:
            return [one for one in theirs if one.lanes]
        left = []
        for one in (one for one in theirs if one.lanes):
            rows = forecast(
                now=self.now,
                budgets=[self._budget(budget, self.now) for budget in self.budgets],
                demand=[one],
                zone=self.zone,
                day_caps={pk: self._caps(row, self.now) for pk, row in self.warming.items()},
                horizon=begin - self.now,
            )
            left += [replace(one, fresh=row.unsent) for row in rows if row.unsent]
        return left

    def _budget(self, budget: Budget, begin: datetime) -> Budget:
        """Spent by then: nothing of another day, nothing of another hour."""
        if budget.id in self.warming and self.warming[budget.id].per_hour is None:
            # The hour's part follows from each day's own cap.
            budget = replace(budget, limits=replace(budget.limits, per_hour=None))
        if begin - self.now >= timedelta(hours=1):
            budget = replace(budget, sent_hour=0)
        if today(begin, self.zone) != today(self.now, self.zone):
            budget = replace(budget, sent_today=0)
        return budget

    def _caps(self, row: BudgetRow, begin: datetime) -> list[int | None]:
        first, day = today(self.now, self.zone), today(begin, self.zone)
        caps = [cap_on(row, today=first, on=day + timedelta(days=n)) for n in range(DAYS_AHEAD)]
        if row.per_day is None:
            return caps
        return [min(cap, row.per_day) if cap is not None else row.per_day for cap in caps]
