"""Changing a draft's audience, sender and tracking. Each is one act that a schedule or a launch cannot overtake."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from audiences.models import MailingList
from campaigns.content import NotADraft
from campaigns.models import Campaign
from campaigns.remarks import AFTER_A_CHANGE
from reputation.models import SendingDomain
from sending.models import Mailing, Pool

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


def rename(*, now: datetime, campaign_id: int, name: str, tags: Sequence[str]) -> None:
    """Name and tags are the team's own, so they may change at any time."""
    Campaign.objects.filter(pk=campaign_id).update(name=name, tags=list(tags), updated_at=now)


def archive(*, now: datetime, campaign_ids: Sequence[int]) -> int:
    """Out of the way, out of no number; returns how many. What is scheduled or under way stays in sight."""
    at_rest = Q(state__in=EDITABLE) | Q(mailing__state__in=[Mailing.State.DONE, Mailing.State.STOPPED])
    rest = Campaign.objects.filter(at_rest, pk__in=campaign_ids, archived_at=None).values("pk")
    # Once more as it is now: somebody may have scheduled it since.
    return Campaign.objects.filter(pk__in=rest).exclude(state=Campaign.State.SCHEDULED).update(archived_at=now)


def bring_back(*, campaign_ids: Sequence[int]) -> int:
    return Campaign.objects.filter(pk__in=campaign_ids).exclude(archived_at=None).update(archived_at=None)


def set_audience(
    *,
    now: datetime,
    campaign_id: int,
    included: Sequence[MailingList],
    excluded: Sequence[MailingList],
    everybody: bool = False,
) -> None:
    """`everybody`: no longer only those who did something with an earlier mailing. Raises NotADraft."""
    with transaction.atomic():
        # The update holds the row until the lists are set, so nobody schedules half of the change.
        _change(campaign_id, updated_at=now, **({"after": None, "whom": ""} if everybody else {}))
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


def set_speed(*, now: datetime, campaign_id: int, per_hour: int | None, overflow: bool | None = None) -> None:
    """At most so many messages an hour; None is as fast as is safe. `overflow`: may the pool's next route take what the
    first cannot? None is as the pool has it. No reason to ask anew. Raises NotADraft."""
    _update(campaign_id, updated_at=now, per_hour=per_hour, overflow=overflow)


def _change(campaign_id: int, **values: Any) -> None:
    """What is sent, or to whom, becomes another: an approval was of something else."""
    _update(campaign_id, review=AFTER_A_CHANGE, **values)


def _update(campaign_id: int, **values: Any) -> None:
    if not Campaign.objects.filter(pk=campaign_id, state__in=EDITABLE).update(**values):
        raise NotADraft(ON_ITS_WAY)
