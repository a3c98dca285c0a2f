"""Whom a campaign is for: everybody on its lists, once, less the exclusions; counted before anything is sent."""

from dataclasses import dataclass

from django.db import connection

from audiences import audience_sql
from audiences.models import stream_scope
from campaigns.models import Campaign
from reputation.recipients import provider_shares
from sending.models import Stream
from sending.press import Audience

# Suppressions that stop marketing mail whatever the list.
SCOPES = ("*", stream_scope(Stream.MARKETING))


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


def audience_of(campaign: Campaign) -> Audience:
    query = _query(campaign)
    return Audience(query.sql, query.params)


def _query(campaign: Campaign) -> audience_sql.AudienceQuery:
    included, excluded = lists_of(campaign)
    return audience_sql.audience(included=included, excluded=excluded, scopes=SCOPES)


def lists_of(campaign: Campaign) -> tuple[list[int], list[int]]:
    """Ids of the included and of the excluded lists."""
    included = campaign.included_lists.filter(archived_at=None).order_by("pk").values_list("pk", flat=True)
    return list(included), list(campaign.excluded_lists.order_by("pk").values_list("pk", flat=True))


def crowd_of(campaign: Campaign) -> Crowd:
    """The breakdown, and the recipients by provider (by DNS where it was asked, else by the domain's name)."""
    found = headcount_of(campaign)
    return Crowd(found.total, found.recipients, found.left_out, provider_shares(_domains(campaign)))


def headcount_of(campaign: Campaign) -> Headcount:
    """The same in one pass over the lists, where nobody asks about providers."""
    included, excluded = lists_of(campaign)
    found = audience_sql.breakdown(included=included, excluded=excluded, scopes=SCOPES)
    return Headcount(found.total, found.mailable, found.left_out)


def _domains(campaign: Campaign) -> dict[str, int]:
    query = _query(campaign)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT domain, count(*) FROM ({query.sql}) a WHERE reason IS NULL GROUP BY 1", query.params)
        return dict(cursor.fetchall())


def sample_of(campaign: Campaign, n: int) -> list[int]:
    """Subscriber ids of up to `n` recipients, the same ones each time. Keys are keyed hashes: their order is chance."""
    query = _query(campaign)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT subscriber_id FROM ({query.sql}) a WHERE reason IS NULL ORDER BY address_key LIMIT %(n)s",
            {**query.params, "n": n},
        )
        return [row[0] for row in cursor.fetchall()]


def without_field(campaign: Campaign, field: str) -> int:
    """How many recipients have nothing in a field, so that its fallback is used."""
    query = _query(campaign)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FROM ({query.sql}) a JOIN audiences_subscriber s ON s.id = a.subscriber_id
            WHERE a.reason IS NULL AND coalesce(s.fields ->> %(field)s, '') = ''
            """,
            {**query.params, "field": field},
        )
        return int((cursor.fetchone() or (0,))[0])
