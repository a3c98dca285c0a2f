"""The campaign a page is about, or 404."""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from django.contrib.auth.models import User
from django.db import connection, models
from django.http import Http404
from django.shortcuts import get_object_or_404

from campaigns.models import Campaign
from reputation.models import SendingDomain
from sending.models import Mailing, Pool

M = TypeVar("M", bound=models.Model)


def campaign_or_404(campaign_id: int) -> Campaign:
    rows = Campaign.objects.select_related("sending_domain", "pool", "mailing", "after")
    return get_object_or_404(rows, pk=campaign_id)


def launched_or_404(campaign_id: int) -> tuple[Campaign, Mailing]:
    """A campaign with its mailing; 404 when it was never launched."""
    rows = Campaign.objects.select_related("mailing__sending_domain", "mailing__pool", "scheduled_by")
    campaign = get_object_or_404(rows, pk=campaign_id)
    if campaign.mailing is None:
        raise Http404("This campaign was not launched yet.")
    return campaign, campaign.mailing


def watched_or_404(campaign_id: int) -> tuple[Campaign, Mailing]:
    """The same for the monitor, which asks every two seconds: what it shows; the rest is read when asked for."""
    with connection.cursor() as cursor:
        cursor.execute(_WATCHED, [campaign_id])
        row = cursor.fetchone()
    if row is None:
        raise Http404("This campaign was not launched yet.")
    values = iter(row)
    campaign, mailing, by = _made(Campaign, values), _made(Mailing, values), _made(User, values)
    mailing.sending_domain, mailing.pool = _made(SendingDomain, values), _made(Pool, values)
    campaign.mailing, campaign.scheduled_by = mailing, by if by.pk else None
    return campaign, mailing


def _made(model: type[M], values: Iterator[object]) -> M:
    names = _SHOWN[model]
    return model.from_db(connection.alias, names, list(islice(values, len(names))))


def _in_order(model: type[models.Model], names: str) -> tuple[str, ...]:
    """As `from_db` reads them."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname in names.split())


_SHOWN = {
    model: _in_order(model, names)
    for model, names in {
        Campaign: "id name state review mailing_id scheduled_by_id",
        Mailing: "id state state_reason state_since launched_at per_hour overflow pool_id sending_domain_id",
        User: "id username first_name last_name",
        SendingDomain: "id name",
        Pool: "id overflow",
    }.items()
}
# The ORM takes five times as long to write this statement as PostgreSQL to answer it.
_WATCHED = f"""
SELECT {", ".join(f"{model._meta.db_table}.{name}" for model, names in _SHOWN.items() for name in names)}
FROM campaigns_campaign JOIN sending_mailing ON sending_mailing.id = campaigns_campaign.mailing_id
JOIN reputation_sendingdomain ON reputation_sendingdomain.id = sending_mailing.sending_domain_id
JOIN sending_pool ON sending_pool.id = sending_mailing.pool_id
LEFT JOIN auth_user ON auth_user.id = campaigns_campaign.scheduled_by_id
WHERE campaigns_campaign.id = %s
"""
