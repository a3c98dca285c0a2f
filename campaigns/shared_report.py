"""A report for people without an account: by a signed link, numbers alone, for 30 days, or until it is taken back."""

from datetime import datetime

from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.db.models import F, QuerySet

from campaigns.models import Campaign, Remark

LINK_DAYS = 30
_SALT = "campaign-report"


def link_token(campaign: Campaign) -> str:
    """The secret part of the link."""
    return signing.dumps([campaign.pk, campaign.links_ended], salt=_SALT)


def campaign_of(token: str) -> int | None:
    """The campaign a link leads to; None when it is forged, older than 30 days, or taken back."""
    try:
        found = signing.loads(token, salt=_SALT, max_age=LINK_DAYS * 86_400)
    except signing.BadSignature:
        return None
    # Links made before they could be taken back hold the campaign alone.
    campaign_id, ended = found if isinstance(found, list) else (found, 0)
    known = Campaign.objects.filter(pk=campaign_id, links_ended=ended, mailing__isnull=False)
    return known.values_list("pk", flat=True).first()


def end_links(*, now: datetime, campaign: Campaign, by: User) -> None:
    """Take back every link to this report that was given out; the page of the link says who did."""
    with transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(links_ended=F("links_ended") + 1)
        Remark.objects.create(campaign=campaign, kind=Remark.Kind.UNSHARED, rev=campaign.rev, by=by, at=now)


def ends_of(campaign: Campaign) -> QuerySet[Remark]:
    """When links were taken back, and by whom; the latest first."""
    return campaign.remarks.filter(kind=Remark.Kind.UNSHARED).select_related("by")
