"""/api/: what programs of the team ask. Who they are was found out before, by their token."""

import logging
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from campaigns.audience import Crowd, crowd_of
from campaigns.models import Campaign
from campaigns.preflight import preflight as judge
from campaigns.pure.findings import Finding, Level
from reputation.workspace import workspace, zone

log = logging.getLogger(__name__)


@csrf_exempt
def preflight(request: HttpRequest, campaign_id: int) -> JsonResponse:
    """What the review page says of a campaign, by the same rules at the same moment. Changes nothing."""
    if request.method != "POST":
        return JsonResponse({"error": "Ask by POST."}, status=405, headers={"Allow": "POST"})
    rows = Campaign.objects.select_related("sending_domain", "pool", "mailing", "after")
    campaign = rows.filter(pk=campaign_id).first()
    if campaign is None:
        return JsonResponse({"error": f"There is no campaign {campaign_id}."}, status=404)
    if campaign.mailing is not None:
        return JsonResponse({"error": "This campaign has left already. Look at its report."}, status=409)
    try:
        return JsonResponse(_judged(request, campaign))
    except Exception:
        log.exception("Preflight of campaign %s by the API", campaign_id)
        return JsonResponse({"error": "Something went wrong here. An admin finds it in the log."}, status=500)


def _judged(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    now = timezone.now()  # clock: entry
    crowd = crowd_of(campaign, now=now)
    starts_at = campaign.scheduled_for or now + timedelta(seconds=workspace().undo_seconds)
    found = judge(now=now, campaign=campaign, crowd=crowd, starts_at=starts_at.astimezone(zone()))
    return _told(request, campaign, crowd, found)


def _told(request: HttpRequest, campaign: Campaign, crowd: Crowd, found: list[Finding]) -> dict[str, Any]:
    return {
        "campaign": {"id": campaign.pk, "name": campaign.name, "state": campaign.state, "version": campaign.rev},
        "ready": not any(row.level is Level.MUST_FIX for row in found),
        "people": {"chosen": crowd.total, "recipients": crowd.recipients},
        "counts": {level.value: sum(row.level is level for row in found) for level in Level},
        "findings": [
            {
                "id": row.id,
                "severity": row.level.value,
                "sentence": row.sentence,
                "where": row.place.value,
                "line": row.line,
            }
            for row in found
        ],
        "page": request.build_absolute_uri(reverse("campaign-review", args=[campaign.pk])),
    }
