"""Whom a campaign is for: everybody on its lists, once, less the exclusions; counted before anything is sent."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from audiences import audience_sql
from audiences.models import MailingList, stream_scope
from campaigns.grounds import joined_since
from campaigns.models import Campaign
from campaigns.narrowing import narrowed
from reputation.recipients import provider_shares
from sending.models import Stream
from sending.press import Audience

# Suppressions that stop marketing mail whatever the list.
SCOPES = ("*", stream_scope(Stream.MARKETING))


PLACES = 32
# Places do not move while people join: the way is as long as the next power of two, and what lies behind the end of a
# list hits nobody.
_HERE_AND_THERE = """
SELECT DISTINCT hit.subscriber_id
FROM unnest(%(lists)s::bigint[]) AS of (list)
CROSS JOIN LATERAL (
    SELECT min(subscriber_id) AS first, max(subscriber_id) AS last FROM audiences_subscription
    WHERE list_id = of.list AND state = 'subscribed'
) ends
CROSS JOIN LATERAL (SELECT 2 ^ ceil(log(2, ends.last - ends.first + 1)) / %(places)s AS step) way
CROSS JOIN generate_series(0, %(places)s - 1) AS place
CROSS JOIN LATERAL (
    SELECT subscriber_id FROM audiences_subscription
    WHERE list_id = of.list AND state = 'subscribed'
      AND subscriber_id >= ends.first + floor((place + %(shift)s) * way.step)::bigint
    ORDER BY subscriber_id LIMIT %(stretch)s
) hit
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """Ids of the lists that are meant and of those that are not; with `after`, only those who did `whom` with that
    mailing."""

    included: tuple[int, ...]
    excluded: tuple[int, ...]
    after: int | None = None
    whom: str = ""


@dataclass(frozen=True, slots=True)
class Headcount:
    """`recipients` plus all of `left_out` is `total`."""

    total: int
    recipients: int
    left_out: dict[str, int]


@dataclass(frozen=True, slots=True)
class Crowd(Headcount):
    """`by_provider` sums to `recipients`."""

    by_provider: dict[str, int]


def audience_of(campaign: Campaign, *, now: datetime) -> Audience:
    return audience_by(choice_of(campaign), now=now)


def audience_by(choice: Choice, *, now: datetime, among: Sequence[int] | None = None) -> Audience:
    """`among`: of these people only (ids)."""
    return _audience(choice, among=among, since=joined_since(now=now, lists=choice.included), now=now)


def choice_of(campaign: Campaign) -> Choice:
    included, excluded = lists_of(campaign)
    return Choice(tuple(included), tuple(excluded), campaign.after_id, campaign.whom)


def chosen(
    campaign: Campaign, *, included: Iterable[MailingList], excluded: Iterable[MailingList], everybody: bool
) -> Choice:
    """What a campaign's choice would be with these lists; `everybody`: on them again, whatever they did before."""
    kept = (None, "") if everybody else (campaign.after_id, campaign.whom)
    return Choice(tuple(sorted(one.pk for one in included)), tuple(sorted(one.pk for one in excluded)), *kept)


def lists_of(campaign: Campaign) -> tuple[list[int], list[int]]:
    """Ids of the included and of the excluded lists."""
    included = campaign.included_lists.filter(archived_at=None).order_by("pk").values_list("pk", flat=True)
    return list(included), list(campaign.excluded_lists.order_by("pk").values_list("pk", flat=True))


def crowd_of(campaign: Campaign, *, now: datetime) -> Crowd:
    """The breakdown, and the recipients by provider (by DNS where it was asked, else by the domain's name)."""
    return crowd_by(audience_of(campaign, now=now))


def crowd_by(audience: Audience) -> Crowd:
    rows = _read(audience, "reason, CASE WHEN reason IS NULL THEN domain END, count(*)", "GROUP BY 1, 2")
    domains = {domain: n for reason, domain, n in rows if reason is None}
    found = _headcount((reason, n) for reason, _domain, n in rows)
    return Crowd(found.total, found.recipients, found.left_out, provider_shares(domains))


def people_by(audience: Audience, field: str) -> list[tuple[str, str, int]]:
    """How many recipients there are by what stands in a field (empty: nothing) and by domain."""
    rest = "JOIN audiences_subscriber s ON s.id = people.subscriber_id WHERE people.reason IS NULL GROUP BY 1, 2"
    return _read(audience, "coalesce(s.fields ->> %(field)s, ''), people.domain, count(*)", rest, field=field)


def headcount_of(audience: Audience) -> Headcount:
    """The same where nobody asks about providers."""
    return _headcount(_read(audience, "reason, count(*)", "GROUP BY 1"))


def few_of(choice: Choice, n: int, *, shift: float = 0, now: datetime | None = None) -> list[int]:
    """Subscriber ids of up to `n` recipients, at once however large the lists are: the same ones each time, others for
    another `shift` (0 to 1). Without `now`, whoever came too long ago may be among them.

    Looked for along the lists' index, in short stretches from places spread over them. Where too few of those whom they
    hit are recipients, everybody is looked at.
    """
    lists, stretch = list(choice.included), -(-4 * n // PLACES)
    with connection.cursor() as cursor:
        cursor.execute(_HERE_AND_THERE, {"lists": lists, "places": PLACES, "stretch": stretch, "shift": shift})
        hit = [pk for (pk,) in cursor.fetchall()]
    since = joined_since(now=now, lists=choice.included) if now else None
    found = sample_of(_audience(choice, among=hit, since=since, now=now), n)
    return found if len(found) == n else sample_of(_audience(choice, since=since, now=now), n)


def sample_of(audience: Audience, n: int) -> list[int]:
    """Subscriber ids of up to `n` recipients, the same ones each time. Keys are keyed hashes: their order is chance."""
    rows = _read(audience, "subscriber_id", "WHERE reason IS NULL ORDER BY address_key LIMIT %(n)s", n=n)
    return [subscriber_id for (subscriber_id,) in rows]


def some_of(audience: Audience, n: int, *, start: UUID) -> list[int]:
    """Subscriber ids of up to `n` recipients; others for another `start`."""
    order = "ORDER BY address_key < %(start)s::uuid, address_key LIMIT %(n)s"
    rows = _read(audience, "subscriber_id", f"WHERE reason IS NULL {order}", n=n, start=start)
    return [subscriber_id for (subscriber_id,) in rows]


@dataclass(frozen=True, slots=True)
class Glance:
    """Of the recipients: `missing` by field, how many have nothing in it, so that its fallback is used; `asleep`: known
    before a day, and neither clicked nor opened from then on; `awake`: did."""

    missing: dict[str, int]
    asleep: int
    awake: int


def glance_at(audience: Audience, *, fields: Sequence[str], since: datetime) -> Glance:
    """One look at everybody, whatever is asked."""
    wanted = {f"field_{number}": field for number, field in enumerate(fields)}
    columns = [
        "count(*) FILTER (WHERE coalesce(people.engaged_at, '-infinity') < %(since)s AND s.created_at < %(since)s)",
        "count(*) FILTER (WHERE people.engaged_at >= %(since)s)",
        *(f"count(*) FILTER (WHERE coalesce(s.fields ->> %({name})s, '') = '')" for name in wanted),
    ]
    rest = "JOIN audiences_subscriber s ON s.id = people.subscriber_id WHERE people.reason IS NULL"
    ((asleep, awake, *missing),) = _read(audience, ", ".join(columns), rest, since=since, **wanted)
    return Glance(dict(zip(fields, missing, strict=True)), asleep, awake)


def _audience(
    choice: Choice,
    *,
    among: Sequence[int] | None = None,
    since: Mapping[int, datetime] | None = None,
    now: datetime | None = None,
) -> Audience:
    query = audience_sql.audience(
        included=choice.included,
        excluded=choice.excluded,
        scopes=SCOPES,
        among=among,
        joined_since=since,
        resting_at=now,
    )
    everybody = Audience(query.sql, query.params)
    if choice.after is None:
        return everybody
    return narrowed(everybody, mailing_id=choice.after, whom=choice.whom)


def _read(audience: Audience, columns: str, rest: str, **params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM ({audience.sql}) people {rest}", {**audience.params, **params})
        rows: list[Any] = cursor.fetchall()
    return rows


def _headcount(by_reason: Iterable[tuple[str | None, int]]) -> Headcount:
    left_out: Counter[str] = Counter()
    recipients = 0
    for reason, n in by_reason:
        if reason is None:
            recipients += n
        else:
            left_out[reason] += n
    return Headcount(recipients + left_out.total(), recipients, dict(sorted(left_out.items())))
