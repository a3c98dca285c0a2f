"""When will this campaign be done, before anyone presses Send: its crowd, our limits and whoever is sending already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q

from campaigns.audience import Crowd
from campaigns.content import current
from campaigns.hours import LocalPlan
from campaigns.models import Campaign
from campaigns.pure.variants import AbTest
from campaigns.variants import ab_test_of
from reputation.budgets import ALL, whose
from reputation.models import Budget as BudgetRow
from reputation.pure.warmup import USED, WEEKEND
from reputation.warmup import ladder_of
from sending.capacity import Capacity, Choice, capacity
from sending.hours import later
from sending.models import Mailing, MailingLane, SplitTest
from sending.press import TAIL_BELOW
from sending.pure.forecast import Coming, Ladder, ProviderForecast, forecast
from sending.pure.guard import AT_LATEST, SETTLE, first_part
from sending.pure.lanes import Demand
from sending.pure.split import BEGINS_AT_LATEST, By
from sending.pure.windows import Budget
from sending.waiting import waiting

TAIL = "tail"
# The label under which everybody else's mail is foreseen; no provider is called so.
OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class Outlook:
    """By provider, the largest first. `routes`: how many its pool has; `overflows`: may the next take what the first
    cannot? `winner_at`: about when the winner of an A/B test goes out, at once for who chooses it `by_hand`. `done_at`
    is the last one's end, None while one of them has none."""

    rows: list[ProviderForecast]
    routes: int = 0
    overflows: bool = False
    winner_at: datetime | None = None
    by_hand: bool = False

    @property
    def done_at(self) -> datetime | None:
        ends = [row.finishes_at for row in self.rows if row.finishes_at is not None]
        return max(ends) if ends and len(ends) == len(self.rows) else None

    @property
    def last(self) -> ProviderForecast | None:
        """Who is done last, where everybody will be."""
        return next((row for row in self.rows if row.finishes_at == self.done_at), None) if self.done_at else None

    @property
    def stuck(self) -> list[ProviderForecast]:
        return [row for row in self.rows if row.finishes_at is None]


def outlook(
    *,
    now: datetime,
    starts_at: datetime,
    zone: ZoneInfo,
    campaign: Campaign,
    crowd: Crowd,
    local: LocalPlan | None = None,
) -> Outlook:
    """A handful of queries, whatever the size of the crowd. Empty without a route or without anybody to send to.

    Whoever sends already is run from now on, and we join at our start: what they spend is out of our way, and a warm-up
    that nobody uses until then stands still. `local`: everybody at an hour of theirs.
    """
    if campaign.pool is None or campaign.sending_domain is None or not crowd.recipients:
        return Outlook([])
    us = Mailing(
        pk=0,
        pool=campaign.pool,
        sending_domain=campaign.sending_domain,
        per_hour=campaign.per_hour,
        overflow=campaign.overflow,
    )
    begins = max(now, starts_at)
    ab_test, winner_at = ab_test_of(current(campaign)), None
    if local is not None:
        ours = _by_hours(local, begins)
    else:
        ours, winner_at = _with_test(now, zone, us, with_tail(crowd.by_provider), begins, ab_test)
    rows = _run(now, zone, us, ours)
    routes = campaign.pool.members.filter(route__active=True).count()
    ours_only = sorted((row for row in rows if row.provider != OTHERS), key=lambda row: -row.total)
    return Outlook(ours_only, routes, _overflows(us), winner_at, by_hand=bool(ab_test and ab_test.split.by is By.HAND))


def _with_test(
    now: datetime, zone: ZoneInfo, us: Mailing, by_provider: Mapping[str, int], begins: datetime, ab_test: AbTest | None
) -> tuple[list["_Share"], datetime | None]:
    """What waits at each provider, and when those begin who wait for the winner of a test."""
    share = ab_test.split.share if ab_test else 100
    ours = []
    for provider, people in by_provider.items():
        n = people - people * (100 - share) // 100
        ours.append(_Share(provider, n, min(_share(provider, people, begins).first, n), begins))
    if ab_test is None or share == 100:
        return ours, None
    # Who chooses by hand is taken to choose at once.
    wait = timedelta() if ab_test.split.by is By.HAND else ab_test.split.wait / settings.TIME_FACTOR
    winner_at = _test_is_out(now, zone, us, ours, begins) + wait
    rest = [_Share(one.provider, by_provider[one.provider] - one.people, 0, winner_at) for one in ours]
    return ours + rest, winner_at


def _share(provider: str, people: int, begins: datetime) -> "_Share":
    return _Share(provider, people, 0 if provider == "unknown" else first_part(people), begins)


def _by_hours(local: LocalPlan, begins: datetime) -> list["_Share"]:
    """As they will be pressed: the first wave that is large enough at a provider has a first part."""
    judged: set[str] = set()
    found = []
    for at in sorted({at for _provider, at in local.begins}):
        wave = with_tail({provider: n for (provider, when), n in local.begins.items() if when == at})
        for provider, n in wave.items():
            share = _share(provider, n, max(begins, at))
            found.append(replace(share, first=0) if provider in judged else share)
            judged |= {provider} if share.first else set()
    return found


def ends_of(*, now: datetime, zone: ZoneInfo, mailing: Mailing, left: Mapping[str, int]) -> dict[str, datetime | None]:
    """When each provider of a mailing under way will have had its `left` people; None where no end is in sight.

    By the planner's own arithmetic, like the outlook before the start: today's limits, warm-up, and who sends beside.
    """
    waves = later([mailing.pk])
    ours, rest = [_Share(wave.provider, wave.n, 0, wave.at) for wave in waves if wave.provider in left], []
    behind = _waiting_behind(mailing)
    for provider, n in left.items():
        back, for_winner = behind.get(provider, (0, 0))
        n -= sum(wave.n for wave in waves if wave.provider == provider)
        soon = max(0, n - for_winner)
        ours.append(_Share(provider, soon, max(0, soon - back) if back else 0))
        rest += [_Share(provider, n - soon)] if n > soon else []
    then = _winner_goes(now, zone, mailing, ours) if rest else now
    if then is not None:
        ours += [replace(share, begins=then) for share in rest]
    ends = {row.provider: row.finishes_at for row in _run(now, zone, mailing, ours) if row.provider != OTHERS}
    return ends | ({share.provider: None for share in rest} if then is None else {})


def _winner_goes(now: datetime, zone: ZoneInfo, mailing: Mailing, ours: Sequence["_Share"]) -> datetime | None:
    """When those who wait for the winner of a test begin; None while that is a person's choice."""
    test = SplitTest.objects.get(pk=mailing.pk)
    if test.by == By.HAND:
        return None
    out = test.tested_at or _test_is_out(now, zone, mailing, ours, mailing.first_sent_at or now)
    return max(now, out + test.wait / settings.TIME_FACTOR)


def _test_is_out(now: datetime, zone: ZoneInfo, us: Mailing, ours: Sequence["_Share"], begins: datetime) -> datetime:
    """When the test part will have left, or will be waited for no longer."""
    ends = [row.finishes_at for row in _run(now, zone, us, ours) if row.provider != OTHERS]
    at_latest = begins + BEGINS_AT_LATEST / settings.TIME_FACTOR
    return min(at_latest, max([end or at_latest for end in ends], default=now))


def with_tail(by_provider: Mapping[str, int]) -> dict[str, int]:
    """Small sites share one lane, as they will when the campaign is launched."""
    found: dict[str, int] = {}
    for provider, people in by_provider.items():
        key = TAIL if provider.startswith("other:") and people < TAIL_BELOW else provider
        found[key] = found.get(key, 0) + people
    return found


@dataclass(frozen=True, slots=True)
class _Share:
    """What waits at a provider; `first` of them go first, and the others wait for their answers (0: all at once).
    Nobody of them goes before `begins`."""

    provider: str
    people: int
    first: int = 0
    begins: datetime | None = None


def _run(now: datetime, zone: ZoneInfo, us: Mailing, ours: Sequence[_Share]) -> Sequence[ProviderForecast]:
    """Run us and everybody else who is sending, with all budgets that any of us spends from."""
    others = {row.pk: row for row in _running() if row.pk != us.pk}
    places = waiting(now=now, mailings=others) if others else {}
    waves = later(list(others)) if others else []
    wanted = [
        *((us, share.provider) for share in ours),
        *((others[place.mailing], place.provider) for place in places),
        *((others[wave.mailing], wave.provider) for wave in waves),
    ]
    known = capacity(
        now=now,
        zone=zone,
        choices=[_choice(mailing, provider) for mailing, provider in wanted],
        per_hour={mailing.pk: mailing.per_hour for mailing, _provider in wanted if mailing.per_hour},
    )
    demand = [
        _coming(known, others[place.mailing], place.provider, amount.fresh + amount.retry, label=OTHERS)
        for place, amount in places.items()
    ]
    demand += [
        _coming(known, others[wave.mailing], wave.provider, wave.n, label=OTHERS, begins=wave.at) for wave in waves
    ]
    demand += [
        _coming(known, us, one.provider, one.people, label=one.provider, first=one.first, begins=one.begins)
        for one in ours
        if one.people > 0
    ]
    ladders = _ladders(known.budgets)
    return forecast(
        now=now,
        budgets=[_by_its_days(budget) if budget.id in ladders else budget for budget in known.budgets.values()],
        demand=[one for one in demand if one.demand.lanes],
        zone=zone,
        ladders=ladders,
        beside=OTHERS,
    )


def _running() -> Iterable[Mailing]:
    return Mailing.objects.filter(state=Mailing.State.RUNNING).select_related("pool", "sending_domain")


def _waiting_behind(mailing: Mailing) -> dict[str, tuple[int, int]]:
    """By provider: who waits for the answers of a first part, and who for the winner of a test."""
    lanes = MailingLane.objects.filter(Q(held_back__gt=0) | Q(for_winner__gt=0), mailing=mailing, for_hour=0)
    return {provider: (back, rest) for provider, back, rest in lanes.values_list("provider", "held_back", "for_winner")}


def _coming(
    known: Capacity,
    mailing: Mailing,
    provider: str,
    people: int,
    *,
    label: str,
    first: int = 0,
    begins: datetime | None = None,
) -> Coming:
    demand = Demand(
        mailing=mailing.pk,
        provider=label,
        lanes=known.lanes_of(_choice(mailing, provider), mailing.pk),
        fresh=people,
        overflow=_overflows(mailing),
    )
    faster = settings.TIME_FACTOR
    return Coming(demand, begins, first, settle=SETTLE / faster, at_latest=AT_LATEST / faster)


def _overflows(mailing: Mailing) -> bool:
    return mailing.pool.overflow if mailing.overflow is None else mailing.overflow


def _choice(mailing: Mailing, provider: str) -> Choice:
    return Choice(mailing.pool_id, mailing.sending_domain.name, provider)


def _by_its_days(budget: Budget) -> Budget:
    """What a budget that warms up may spend in a day and an hour is said by its ladder."""
    return replace(budget, limits=replace(budget.limits, per_day=None, per_hour=None, rests=False))


def _ladders(budgets: Mapping[int, Budget]) -> dict[int, Ladder]:
    ids = [key for key in budgets if key > 0]
    rows = BudgetRow.objects.filter(pk__in=ids, warmup__isnull=False).exclude(provider=ALL).select_related("warmup")
    return {row.pk: _ladder(row) for row in rows}


def _ladder(row: BudgetRow) -> Ladder:
    rungs = ladder_of(row)
    return Ladder(
        caps=[rung.day for rung in rungs],
        hours=[rung.hour for rung in rungs],
        used=USED,
        stays_until=row.warmup_on,
        afterwards=row.per_day,
        afterwards_an_hour=row.per_hour,
        about=whose(row),
        most=row.per_day,
        most_an_hour=row.per_hour,
        rests=WEEKEND if row.warmup and row.warmup.skips_weekends else frozenset(),
    )
