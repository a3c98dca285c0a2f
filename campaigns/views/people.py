"""/campaigns/7/people/bounced/: the names behind each number of a campaign, and as a file."""

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from campaigns.access import launched_or_404
from campaigns.people_lists import PAGE, TOPICS, Asked, people_csv, people_of
from campaigns.report import Meaning, meanings_of
from sending.doors.visits import target_of
from sending.models import Excluded, Mailing
from words.typed import is_whole, whole


@require_safe
def show(request: HttpRequest, campaign_id: int, topic: str) -> HttpResponse:
    campaign, mailing = launched_or_404(campaign_id)
    asked, meaning = _asked(request, mailing, topic)
    start = whole(request.GET.get("after", ""))
    rows = people_of(mailing=mailing, asked=asked, after=start, size=PAGE + 1)
    query = request.GET.copy()
    query.pop("after", None)
    context = {
        "nav": "campaigns",
        "campaign": campaign,
        "mailing": mailing,
        "asked": asked,
        "title": meaning.sentence.rstrip(".") if meaning else gettext(TOPICS[topic]),
        "only": _only(asked, mailing),
        "rows": rows[:PAGE],
        "after": rows[PAGE - 1].key if len(rows) > PAGE else 0,
        "query": query.urlencode(),
    }
    return render(request, "campaigns/people.html", context)


@require_safe
def export(request: HttpRequest, campaign_id: int, topic: str) -> StreamingHttpResponse:
    _, mailing = launched_or_404(campaign_id)
    asked, _ = _asked(request, mailing, topic)
    lines = people_csv(mailing=mailing, asked=asked)
    answer = StreamingHttpResponse((line.encode() for line in lines), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="campaign-{campaign_id}-{topic}.csv"'
    return answer


def _asked(request: HttpRequest, mailing: Mailing, topic: str) -> tuple[Asked, Meaning | None]:
    if topic not in TOPICS:
        raise Http404
    provider, link = request.GET.get("provider", "")[:120], request.GET.get("link", "")
    meaning = None
    if topic == "answered":
        meaning = next((row for row in meanings_of(mailing) if row.key == request.GET.get("meaning")), None)
        if meaning is None:
            raise Http404("Nobody got such an answer.")
    asked = Asked(
        topic=topic,
        provider=provider,
        link=int(link) if topic == "clicked" and is_whole(link, digits=4) else None,
        search=request.GET.get("q", "").strip()[:320] if topic == "everyone" else "",
        answers=meaning.answers if meaning else (),
    )
    return asked, meaning


def _only(asked: Asked, mailing: Mailing) -> str:
    """What the list is narrowed down to, beside the provider; empty when it is whole."""
    if asked.topic == "excluded" and asked.provider in Excluded.Reason.values:
        return str(Excluded.Reason(asked.provider).label)
    if asked.link is not None:
        return target_of(mailing.pk, asked.link) or "a link that is no longer kept"
    return ""
