"""/campaigns/7/report/: how it went."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from audiences.access import acting
from campaigns import follow_up, shared_report
from campaigns.access import launched_or_404
from campaigns.blocked import blocked_of
from campaigns.models import Campaign
from campaigns.people_lists import Asked, people_of
from campaigns.report import lists_at_launch, meanings_of, report_of
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
        "offers": follow_up.offers(campaign, report),
        "lists": lists_at_launch(mailing),
        "on_the_mail": request.GET.get("links") == "mail",
    }
    return render(request, "campaigns/report.html", context)


@require_POST
def go_on(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """A draft to those of its people who did, or did not do, something."""
    campaign, mailing = launched_or_404(campaign_id)
    now, whom = timezone.now(), request.POST.get("whom", "")  # clock: entry
    if whom not in Campaign.Whom or not whom or (mailing.totals_only and whom != Campaign.Whom.NOT_REACHED):
        raise Http404
    made = follow_up.begin(now=now, campaign=campaign, mailing=mailing, whom=whom, by=acting(request))
    messages.success(request, _("A draft with the same letter. Give it a subject of its own; it is not scheduled."))
    return redirect("campaign", made.pk)


@require_safe
def share(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """A link for people without an account: numbers, and nobody's name."""
    campaign, _mailing = launched_or_404(campaign_id)
    link = settings.PUBLIC_URL + reverse("report-shared", args=[shared_report.link_token(campaign)])
    context = {"nav": "campaigns", "campaign": campaign, "link": link, "days": shared_report.LINK_DAYS}
    context["ends"] = shared_report.ends_of(campaign)
    return render(request, "campaigns/share.html", context)


@require_POST
def end_links(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Whoever has a link to this report sees from now on that it has ended."""
    campaign, _mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    shared_report.end_links(now=now, campaign=campaign, by=acting(request))
    messages.success(request, _("Every link given out so far has ended. The one below is new."))
    return redirect("campaign-share", campaign_id)


@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    campaign_id = shared_report.campaign_of(token)
    if campaign_id is None:
        return render(request, "campaigns/shared_gone.html", status=404)
    campaign, mailing = launched_or_404(campaign_id)
    report = report_of(mailing)
    context = {"campaign": campaign, "mailing": mailing, "report": report, "status": status_of(campaign)}
    context["lanes"] = [(lane, standing_of(lane)) for lane in report.progress.lanes]
    answer = render(request, "campaigns/shared.html", context)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


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
    _campaign, mailing = launched_or_404(campaign_id)
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
    _campaign, mailing = launched_or_404(campaign_id)
    answer = HttpResponse("".join(numbers_csv(report_of(mailing))), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="campaign-{campaign_id}-numbers.csv"'
    return answer
