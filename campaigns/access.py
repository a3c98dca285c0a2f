"""The campaign a page is about, or 404."""

from django.http import Http404
from django.shortcuts import get_object_or_404

from campaigns.models import Campaign
from sending.models import Mailing


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
