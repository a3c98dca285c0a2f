"""/campaigns/7/report/: how it went."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from campaigns.access import launched_or_404
from campaigns.blocked import blocked_of
from campaigns.people_lists import Asked, people_of
from campaigns.report import meanings_of, report_of
from campaigns.status import status_of
from reputation.workspace import zone


@require_safe
def show(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    context = {
        "nav": "campaigns",
        "campaign": campaign,
        "mailing": mailing,
        "blocked": blocked_of(now=now, zone=zone(), mailing=mailing),
        "status": status_of(campaign),
        "report": report_of(mailing),
        "meanings": meanings_of(mailing),
        "unknown": people_of(mailing=mailing, asked=Asked(topic="unknown")),
    }
    return render(request, "campaigns/report.html", context)
