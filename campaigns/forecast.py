"""When will this campaign be done, before anyone presses Send: its crowd, our limits and whoever is sending already."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from campaigns.audience import Crowd
from campaigns.models import Campaign
from campaigns.pure.forecast import OURS, Forecast, Spending, Wish, forecast
from reputation.advice import Advice, advice
from reputation.advice import Lane as Asked
from reputation.budgets import limits_of
from reputation.models import Budget
from reputation.workspace import today
from sending.capacity import scopes_of
from sending.models import Mailing, PoolRoute, Route
from sending.press import TAIL_BELOW
from sending.pure.windows import Limits
from sending.waiting import waiting

# So many days of a warm-up are looked at; after them the last one stands for the rest.
DAYS_AHEAD = 45
TAIL = "tail"
OWN_LIMIT = -1


@dataclass(frozen=True, slots=True)
class Outlook:
    """By provider, and the whole: `done_at` is the last one's end, None when one of them has none."""

    rows: list[Forecast]

    @property
    def done_at(self) -> datetime | None:
        ends = [row.done_at for row in self.rows]
        return None if None in ends else max((end for end in ends if end), default=None)

    @property
    def stuck(self) -> list[Forecast]:
        return [row for row in self.rows if row.done_at is None]


def outlook(*, now: datetime, starts_at: datetime, zone: ZoneInfo, campaign: Campaign, crowd: Crowd) -> Outlook:
    """A handful of queries, whatever the size of the crowd. Empty without a route or without anybody to send to."""
    if campaign.pool_id is None or campaign.sending_domain is None or not crowd.recipients:
        return Outlook([])
    others = list(Mailing.objects.filter(state=Mailing.State.RUNNING).select_related("pool", "sending_domain"))
    desk = _Desk(now, zone, [campaign.pool_id, *(mailing.pool_id for mailing in others)])
    for provider, people in with_tail(crowd.by_provider).items():
        desk.wish(OURS, campaign.pool_id, campaign.sending_domain.name, provider, people)
    if others:
        by_id = {mailing.pk: mailing for mailing in others}
        for place, amount in waiting(now=now, mailings=by_id).items():
            mailing = by_id[place.mailing]
            people = amount.fresh + amount.retry + sum(amount.pinned.values())
            desk.wish(mailing.pk, mailing.pool_id, mailing.sending_domain.name, place.provider, people)
    budgets, wishes = desk.asked(campaign.per_hour)
    return Outlook(forecast(now=now, starts_at=starts_at, zone=zone, budgets=budgets, wishes=wishes))


def with_tail(by_provider: Mapping[str, int]) -> dict[str, int]:
    """Small sites share one lane, as they will when the campaign is launched."""
    found: dict[str, int] = {}
    for provider, people in by_provider.items():
        small = provider.startswith("other:") and people < TAIL_BELOW
        found[TAIL if small else provider] = found.get(TAIL if small else provider, 0) + people
    return found


class _Desk:
    """Collects wishes, then asks for all their budgets at once."""

    def __init__(self, now: datetime, zone: ZoneInfo, pool_ids: Iterable[int]) -> None:
        self.now, self.zone = now, zone
        members = PoolRoute.objects.filter(pool__in=set(pool_ids), route__active=True).order_by("pool", "position")
        self.routes: dict[int, list[Route]] = {}
        self.overflow: dict[int, bool] = {}
        for member in members.select_related("route__address", "pool"):
            self.routes.setdefault(member.pool_id, []).append(member.route)
            self.overflow[member.pool_id] = member.pool.overflow
        self.wanted: list[tuple[int, int, str, int, list[Asked]]] = []

    def wish(self, who: int, pool_id: int, domain: str, provider: str, people: int) -> None:
        lanes = [Asked(scopes_of(route, domain), provider) for route in self.routes.get(pool_id, [])]
        self.wanted.append((who, pool_id, provider, people, lanes))

    def asked(self, per_hour: int | None) -> tuple[dict[int, Spending], list[Wish]]:
        lanes = list(dict.fromkeys(lane for *_, asked in self.wanted for lane in asked))
        known = advice(now=self.now, zone=self.zone, lanes=lanes)
        budgets = {row.budget.pk: self._spending(row) for rows in known.values() for row in rows}
        if per_hour:
            budgets[OWN_LIMIT] = Spending("mailing", [Limits(per_hour=per_hour)])
        wishes = []
        for who, pool_id, provider, people, asked in self.wanted:
            own = [OWN_LIMIT] if per_hour and who == OURS else []
            paths = [[*(row.budget.pk for row in known[lane]), *own] for lane in asked]
            wishes.append(Wish(who, provider, people, paths, self.overflow.get(pool_id, False)))
        return budgets, wishes

    def _spending(self, row: Advice) -> Spending:
        budget, days = row.budget, DAYS_AHEAD if row.budget.warmup else 1
        limits = [plain_limits(row.limits), *(self._limits_in(budget, ahead) for ahead in range(1, days))]
        if budget.warmup is None and row.limits.state != Budget.State.OPEN:
            # Whatever slows it today is over tomorrow, as far as anybody can know.
            limits.append(self._limits_in(budget, 1))
        return Spending(budget.kind, limits, row.usage.today, row.limits.closed, row.limits.closed_until)

    def _limits_in(self, budget: Budget, days: int) -> Limits:
        """The limits of a day to come, if every day until then goes well."""
        then = copy.copy(budget)
        first = today(self.now, self.zone)
        on_plan = max(first, budget.warmup_on or first)
        then.warmup_day = budget.warmup_day + max(0, (first + timedelta(days=days) - on_plan).days)
        then.state = Budget.State.OPEN
        return plain_limits(limits_of(then, now=self.now, zone=self.zone))


def plain_limits(said: object) -> Limits:
    """Reputation's limits as sending's arithmetic takes them."""
    return Limits(**{name: getattr(said, name) for name in Limits.__slots__})
