"""/campaigns/7/report/: how it went."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from campaigns.access import launched_or_404
from campaigns.blocked import blocked_of
from campaigns.people_lists import Asked, people_of
from campaigns.report import meanings_of, report_of
from campaigns.results import click_map_of, comparison_of, numbers_csv, standing_of, visits_chart
from campaigns.status import status_of
from campaigns.views.preview import POLICY
from reputation.workspace import zone
from sending.models import Event
from sending.pure.personalise import PersonalisationFailed


@require_safe
def show(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    report = report_of(mailing)
    context = {
        "nav": "campaigns",
        "campaign": campaign,
        "mailing": mailing,
        "blocked": blocked_of(now=now, zone=zone(), mailing=mailing),
        "status": status_of(campaign),
        "report": report,
        "lanes": [(lane, standing_of(lane)) for lane in report.progress.lanes],
        "comparison": comparison_of(campaign, report),
        "meanings": meanings_of(mailing),
        "unknown": people_of(mailing=mailing, asked=Asked(topic="unknown")),
        "on_the_mail": request.GET.get("links") == "mail",
    }
    return render(request, "campaigns/report.html", context)


@require_safe
def over_time(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """First clicks (or opens) since the start. Reads visits, so it comes after the page."""
    campaign, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    kind = Event.Kind.OPENED if request.GET.get("of") == Event.Kind.OPENED else Event.Kind.CLICKED
    chart, later, title = visits_chart(now=now, zone=zone(), mailing=mailing, kind=kind)
    context = {"campaign": campaign, "kind": kind, "chart": chart, "later": later, "title": title}
    return render(request, "campaigns/_over_time.html", context)


@xframe_options_sameorigin
@require_safe
def click_map(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The letter with a number at each link: a document of its own, with a policy of its own."""
    _, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    try:
        html = click_map_of(mailing, report_of(mailing), now=now)
    except PersonalisationFailed as error:
        return render(request, "campaigns/preview_problems.html", {"reason": str(error).rstrip(".")})
    if html is None:
        raise Http404("This letter is no longer kept.")
    page = HttpResponse(html)
    page["Content-Security-Policy"] = POLICY.format(images=f"'self' {settings.PUBLIC_URL} https: data:")
    page["Cache-Control"] = "no-store"
    return page


@require_safe
def export(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """All numbers by provider; nobody's name is in it."""
    _, mailing = launched_or_404(campaign_id)
    answer = HttpResponse("".join(numbers_csv(report_of(mailing))), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="campaign-{campaign_id}-numbers.csv"'
    return answer
