"""/messages/: did Jane get it? A message step by step, and the letter as it was written for her."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from campaigns import messages, told_to_wait
from campaigns.models import Campaign
from campaigns.views.preview import POLICY
from sending.copies import copy_of
from sending.doors import web
from sending.message_story import Story, story_of


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    typed = request.GET.get("q", "").strip()[:320]
    context = {"nav": "messages", "q": typed, "found": messages.find(typed), "most": messages.PEOPLE}
    if "waited" in request.GET and not typed:
        asked = {name: request.GET.get(key, "")[:253] for name, key in (("provider", "waited"), ("domain", "domain"))}
        now = timezone.now()  # clock: entry
        context |= {"waits": told_to_wait.waited_at(now=now, **asked), **asked, "is_waits": True}
    return render(request, "campaigns/messages.html", context)


@require_safe
def show(request: HttpRequest, mailing_id: int, delivery_id: int) -> HttpResponse:
    story = _story_or_404(mailing_id, delivery_id)
    now = timezone.now()  # clock: entry
    campaign = Campaign.objects.filter(mailing=mailing_id).first()
    context = {"nav": "messages", "now": now, "campaign": campaign, "told": messages.told(story), "story": story}
    return render(request, "campaigns/message.html", context)


@require_safe
def letter(request: HttpRequest, mailing_id: int, delivery_id: int) -> HttpResponse:
    """The copy of this person, composed as it was sent. Nothing in it can be pressed here, and nothing is counted."""
    _story_or_404(mailing_id, delivery_id)
    now = timezone.now()  # clock: entry
    html = web.version_of(mailing_id=mailing_id, delivery_id=delivery_id, now=now)
    if html is None:
        raise Http404("This letter is no longer kept.")
    page = HttpResponse(html)
    page["Content-Security-Policy"] = POLICY.format(images=f"'self' {settings.PUBLIC_URL} https: data:")
    page["Cache-Control"] = "no-store"
    return page


@require_safe
def whole(request: HttpRequest, mailing_id: int, delivery_id: int) -> HttpResponse:
    """The message as a file, headers and signature and all; for admins, since its links act for the person."""
    story = _story_or_404(mailing_id, delivery_id)
    now = timezone.now()  # clock: entry
    raw = copy_of(story, at=story.outcome.at if story.outcome else now)
    if raw is None:
        raise Http404("This letter is no longer kept.")
    file = HttpResponse(raw, content_type="message/rfc822")
    file["Content-Disposition"] = f'attachment; filename="message-{mailing_id}-{delivery_id}.eml"'
    file["Cache-Control"] = "no-store"
    return file


def _story_or_404(mailing_id: int, delivery_id: int) -> Story:
    story = story_of(mailing_id=mailing_id, delivery_id=delivery_id)
    if story is None:
        raise Http404("There is no such message, or it is no longer kept.")
    return story
