"""/"""

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseStopPolling

from audiences.access import acting
from audiences.models import MailingList
from campaigns.lanes import Monitor, monitor_of
from campaigns.listing import coming, last_results, live
from campaigns.models import Campaign, HiddenSetup
from campaigns.setup_steps import setup_steps
from campaigns.status import status_of
from campaigns.trouble import troubled_budgets
from sending.progress import look_at


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()  # clock: entry
    sending = _sending(now)
    if request.htmx:  # type: ignore[attr-defined]
        page = render(request, "home.html#sending", {"sending": sending})
        return page if sending else HttpResponseStopPolling(page.content)
    next_up = [(campaign, status_of(campaign)) for campaign in coming()]
    context = {
        "nav": "home",
        "now": now,
        "sending": sending,
        "coming": next_up,
        "results": last_results(),
        "steps": setup_steps(now=now),
        "troubled": troubled_budgets(now=now),
        "setup_hidden": HiddenSetup.objects.filter(user=acting(request)).exists(),
        "sample": MailingList.objects.filter(is_sample=True).first(),
        "has_campaigns": Campaign.objects.exists(),
    }
    return render(request, "home.html", context)


def _sending(now: datetime) -> list[tuple[Campaign, Monitor]]:
    launched = [(campaign, campaign.mailing) for campaign in live() if campaign.mailing is not None]
    return [(campaign, monitor_of(now=now, seen=look_at(mailing))) for campaign, mailing in launched]


@require_POST
def hide_setup(request: HttpRequest) -> HttpResponse:
    """For whoever asks, for good; everybody else still sees the steps."""
    HiddenSetup.objects.get_or_create(user=acting(request))
    return redirect("home")
