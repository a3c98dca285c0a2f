"""/campaigns/7/report/, and the names behind each number."""

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from campaigns.access import launched_or_404
from campaigns.blocked import blocked_of
from campaigns.report import PAGE, TOPICS, meanings_of, people_csv, people_of, report_of
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
        "unknown": people_of(mailing=mailing, topic="unknown"),
    }
    return render(request, "campaigns/report.html", context)


@require_safe
def people(request: HttpRequest, campaign_id: int, topic: str) -> HttpResponse:
    campaign, mailing = launched_or_404(campaign_id)
    if topic not in TOPICS:
        raise Http404
    provider, after = request.GET.get("provider", "")[:120], request.GET.get("after", "")
    start = int(after) if after.isdecimal() and len(after) < 19 else 0
    rows = people_of(mailing=mailing, topic=topic, provider=provider, after=start, size=PAGE + 1)
    context = {
        "nav": "campaigns",
        "campaign": campaign,
        "topic": topic,
        "title": TOPICS[topic],
        "provider": provider,
        "rows": rows[:PAGE],
        "after": rows[PAGE - 1].key if len(rows) > PAGE else 0,
    }
    return render(request, "campaigns/people.html", context)


@require_safe
def export(request: HttpRequest, campaign_id: int, topic: str) -> StreamingHttpResponse:
    _, mailing = launched_or_404(campaign_id)
    if topic not in TOPICS:
        raise Http404
    lines = people_csv(mailing=mailing, topic=topic, provider=request.GET.get("provider", "")[:120])
    answer = StreamingHttpResponse((line.encode() for line in lines), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="campaign-{campaign_id}-{topic}.csv"'
    return answer
