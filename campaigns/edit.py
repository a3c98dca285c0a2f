"""Changing a draft's audience, sender and tracking. Each is one act that a schedule or a launch cannot overtake."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from audiences.models import MailingList
from campaigns.content import NotADraft
from campaigns.models import Campaign
from reputation.models import SendingDomain
from sending.models import Pool

EDITABLE = (Campaign.State.DRAFT, Campaign.State.MISSED)
ON_ITS_WAY = "This campaign is scheduled or sent. Take it back first, or duplicate it."


def create(*, now: datetime, name: str, by: User | None) -> Campaign:
    """A new draft, with the sender of the last one: most people always write from the same place."""
    last = Campaign.objects.exclude(sending_domain=None).order_by("-pk").first()
    kept = {
        field: getattr(last, field)
        for field in ("sending_domain", "from_name", "from_address", "reply_to", "pool")
        if last is not None
    }
    return Campaign.objects.create(name=name, created_by=by, updated_at=now, **kept)


def rename(*, now: datetime, campaign_id: int, name: str) -> None:
    """The name is the team's own, so it may change at any time."""
    Campaign.objects.filter(pk=campaign_id).update(name=name, updated_at=now)


def set_audience(
    *, now: datetime, campaign_id: int, included: Sequence[MailingList], excluded: Sequence[MailingList]
) -> None:
    """Raises NotADraft."""
    with transaction.atomic():
        # The update holds the row until the lists are set, so nobody schedules half of the change.
        _change(campaign_id, updated_at=now)
        campaign = Campaign.objects.get(pk=campaign_id)
        campaign.included_lists.set(included)
        campaign.excluded_lists.set(excluded)


def set_sender(
    *,
    now: datetime,
    campaign_id: int,
    sending_domain: SendingDomain,
    pool: Pool,
    from_name: str,
    from_address: str,
    reply_to: str,
) -> None:
    """Raises NotADraft."""
    _change(
        campaign_id,
        updated_at=now,
        sending_domain=sending_domain,
        pool=pool,
        from_name=from_name,
        from_address=from_address,
        reply_to=reply_to,
    )


def set_tracking(*, now: datetime, campaign_id: int, opens: bool, clicks: bool) -> None:
    """Raises NotADraft."""
    _change(campaign_id, updated_at=now, track_opens=opens, track_clicks=clicks)


def set_speed(*, now: datetime, campaign_id: int, per_hour: int | None) -> None:
    """At most so many messages an hour; None is as fast as is safe. Raises NotADraft."""
    _change(campaign_id, updated_at=now, per_hour=per_hour)


def _change(campaign_id: int, **values: Any) -> None:
    if not Campaign.objects.filter(pk=campaign_id, state__in=EDITABLE).update(**values):
        raise NotADraft(ON_ITS_WAY)
