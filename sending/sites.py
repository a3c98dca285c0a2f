"""Keep the limits of single recipient domains: a batch takes its part of each when it is claimed.

Fifty thousand small sites must not become fifty thousand batches, so the planner knows nothing of them. A claim does:

1. Claims that meet the same domains come one after the other: each locks the domains' budgets, in the order of ids.
2. Room is the limit − sent by ended batches − held by live ones. The part taken is written down as a `SiteShare`.
3. Who finds no room goes back into the queue, due when there will be some.
4. When the batch ends, the ledger gets what was sent and the share goes, in one transaction (`finish.close`).

A live batch counts in full, wherever it is. Every window ends at or after the latest claim that sent into it, and that
claim saw all that can lie in the window, as sent or as held: its sum is never over the limit, whatever runs at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from reputation.budgets import Limits, Usage, budgets_of, limits_of, sent_by_minute, usage
from reputation.catalogue import catalogue
from reputation.models import Budget
from reputation.pure.catalogue import Ceiling
from reputation.workspace import zone
from sending.array_literals import numbers, texts
from sending.claim import STILL_OURS, Claimed
from sending.loading import Person
from sending.models import Batch, SiteShare
from sending.pure.windows import day_opens, window_opens
from sending.retrying import DOMAIN_CAP_AGAIN, SITE_AGAIN

# With the running minute, as `reputation.budgets.usage` counts them.
MINUTE, HOUR = timedelta(minutes=2), timedelta(minutes=61)

_LOCK_SITES = "SELECT 1 FROM reputation_budget WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE"
_HELD = "SELECT budget_id, sum(n) FROM sending_siteshare WHERE budget_id = ANY(%s::bigint[]) GROUP BY 1"
_TAKE = """
INSERT INTO sending_siteshare (batch_id, budget_id, n)
SELECT %s, t.budget, t.n FROM unnest(%s::bigint[], %s::int[]) AS t (budget, n)
"""
# How many of this mailing stand in line for a domain already.
_WAITING = """
SELECT d.domain, count(*) FROM sending_requeue q
JOIN sending_delivery d ON d.mailing_id = q.mailing_id AND d.id = q.delivery
WHERE q.mailing_id = %s AND q.provider_now = %s AND q.batch IS NULL AND q.reason = 'domain_cap'
  AND d.domain = ANY(%s::text[])
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Shares:
    """Who may be sent to, each with the budget of the domain, and who finds no room, with when to come back."""

    people: list[Person]
    capped: list[tuple[Person, datetime]]


@dataclass(frozen=True, slots=True)
class _Site:
    """One recipient domain of a batch. `held`: by other live batches."""

    budget: Budget
    limits: Limits
    people: list[Person]
    usage: Usage = field(default_factory=Usage)
    held: int = 0

    @property
    def share(self) -> int:
        """How many of the batch's people it takes now."""
        said, spent = self.limits, self.usage
        windows = ((said.per_minute, spent.last_minute), (said.per_hour, spent.last_hour), (said.per_day, spent.today))
        rooms = [limit - sent - self.held for limit, sent in windows if limit is not None]
        rooms += [] if said.batch_size is None else [said.batch_size - self.held]  # a probe
        return 0 if said.closed else max(0, min([len(self.people), *rooms]))


def take(*, now: datetime, claimed: Claimed, people: Sequence[Person], cold: bool) -> Shares:
    """Take the batch's part of what its people's domains may still get; first come, first served.

    `cold`: who sends is in the first week at this provider. Providers whose sites have no limits cost no query. Nobody
    may be sent to when the batch was taken over meanwhile.
    """
    grouped = _by_domain(people)
    if not grouped:
        return Shares(list(people), [])
    here = zone()
    budgets = budgets_of(now=now, wanted=list(grouped))
    limits = {key: limits_of(budget, now=now, zone=here, cold=cold) for key, budget in budgets.items()}
    sites = [_Site(budgets[key], limits[key], group) for key, group in grouped.items()]
    with transaction.atomic(), connection.cursor() as cursor:
        # A share of a batch that somebody else has closed would never be given back.
        cursor.execute(STILL_OURS, [claimed.batch.pk, claimed.epoch])
        if cursor.fetchone() is None:
            return Shares([], [])
        sites = _measured(cursor, now, here, sites)
        taken = {site.budget.pk: site.share for site in sites if site.share}
        cursor.execute(_TAKE, [claimed.batch.pk, numbers(taken), numbers(taken.values())])
    return _shared_out(now, here, claimed, people, sites)


def held_by(batch: Batch) -> dict[int, int]:
    """What a batch holds, by the ids of the domains' budgets."""
    return dict(SiteShare.objects.filter(batch=batch).order_by("budget").values_list("budget", "n"))


def giving_back(*, batch: Batch) -> tuple[str, list[int]]:
    """What lets go what a batch held. In the transaction that tells the ledger what was sent."""
    return "DELETE FROM sending_siteshare WHERE batch_id = %s", [batch.pk]


def _by_domain(people: Iterable[Person]) -> Mapping[tuple[str, str, str], list[Person]]:
    grouped: defaultdict[tuple[str, str, str], list[Person]] = defaultdict(list)
    for person in people:
        if person.provider and _is_limited(person.provider):
            grouped[Budget.Kind.RECIPIENT_DOMAIN, person.domain, person.provider].append(person)
    return grouped


def _is_limited(provider: str) -> bool:
    row = catalogue().get(provider)
    return not row.site_warm == row.site_cold == Ceiling()


def _measured(cursor: CursorWrapper, now: datetime, here: ZoneInfo, sites: Sequence[_Site]) -> list[_Site]:
    """The sites with what was sent and is held, which no other claim can change until this one commits.

    Held first: a batch that ends between the two statements is counted twice, and never not at all.
    """
    ids = [site.budget.pk for site in sites]
    cursor.execute(_LOCK_SITES, [numbers(ids)])
    cursor.execute(_HELD, [numbers(ids)])
    held = dict(cursor.fetchall())
    spent = usage(now=now, zone=here, budget_ids=ids)
    return [replace(site, usage=spent[site.budget.pk], held=int(held.get(site.budget.pk, 0))) for site in sites]


def _shared_out(
    now: datetime, here: ZoneInfo, claimed: Claimed, people: Iterable[Person], sites: Sequence[_Site]
) -> Shares:
    capped = [site for site in sites if site.share < len(site.people)]
    buckets = sent_by_minute(now=now, budget_ids=[site.budget.pk for site in capped]) if capped else {}
    waiting = _waiting(claimed.batch, capped) if capped else {}
    turn = {id(person): (site, n) for site in sites for n, person in enumerate(site.people)}
    shares = Shares([], [])
    for person in people:
        site, n = turn.get(id(person), (None, 0))
        if site is None:
            shares.people.append(person)
        elif n < site.share:
            shares.people.append(replace(person, site_budget=site.budget.pk))
        else:
            ahead = waiting.get(person.domain, 0) + n - site.share
            opens = _opens(now, here, site, buckets.get(site.budget.pk, {}), ahead)
            shares.capped.append((person, now + (opens - now) / settings.TIME_FACTOR))
    return shares


def _waiting(batch: Batch, sites: Iterable[_Site]) -> dict[str, int]:
    domains = texts(site.people[0].domain for site in sites)
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [batch.mailing_id, batch.provider, domains])
        return dict(cursor.fetchall())


def _opens(now: datetime, here: ZoneInfo, site: _Site, buckets: Mapping[datetime, int], ahead: int) -> datetime:
    """When there is room at a site for one more, after `ahead` others."""
    said, held = site.limits, site.held + site.share
    if said.closed:
        return said.closed_until or now + DOMAIN_CAP_AGAIN
    found = [
        window_opens(now=now, limit=limit, length=length, buckets=buckets, held=held, ahead=ahead)
        for limit, length in ((said.per_minute, MINUTE), (said.per_hour, HOUR))
        if limit is not None
    ]
    if said.batch_size is not None:
        found.append(now + SITE_AGAIN)
    if said.per_day is not None:
        found.append(day_opens(now=now, zone=here, limit=said.per_day, spent=site.usage.today + held, ahead=ahead))
    return max(found)
