"""/campaigns/7/notes/…: what the team says of a campaign."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from audiences.access import acting
from campaigns import remarks
from campaigns.access import campaign_or_404
from campaigns.models import Campaign
from campaigns.preflight import preflight
from campaigns.status import page_of

LONGEST = 2000


@require_POST
def say(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign, words = campaign_or_404(campaign_id), _words(request)
    if words:
        now = timezone.now()  # clock: entry
        remarks.say(now=now, campaign=campaign, by=acting(request), words=words)
    else:
        messages.error(request, _("Write something first."))
    return redirect(page_of(campaign), campaign_id)


@require_POST
def ask(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    if remarks.ask(now=now, campaign=campaign, by=acting(request), words=_words(request)):
        messages.success(request, _("It stands under “Needs review” now. A change takes an approval back."))
    else:
        messages.info(request, _("It was asked for already, or the campaign is on its way."))
    return redirect("campaign", campaign_id)


@require_POST
def decide(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Approve it or send it back: the version that was looked at."""
    campaign, approve = campaign_or_404(campaign_id), "approve" in request.POST
    now = timezone.now()  # clock: entry
    try:
        remarks.decide(
            now=now,
            campaign=campaign,
            by=acting(request),
            approve=approve,
            words=_words(request),
            seen=request.POST.get("seen", ""),
        )
    except remarks.CannotDecide as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, _("Approved.") if approve else _("Sent back, with your note."))
    return redirect("campaign", campaign_id)


@require_POST
def ignore(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """A warning of the preflight, by its key; or, with `heed`, warn of it again."""
    campaign, key = campaign_or_404(campaign_id), request.POST.get("key", "")
    now, reason = timezone.now(), _words(request)  # clock: entry
    if "heed" in request.POST:
        remarks.heed(now=now, campaign=campaign, by=acting(request), key=key)
    elif not reason:
        messages.error(request, _("Say in a sentence why it does not matter here; then it can be ignored."))
    else:
        _ignore(request, campaign, key, reason)
    return redirect("campaign-review", campaign_id)


def _ignore(request: HttpRequest, campaign: Campaign, key: str, reason: str) -> None:
    now = timezone.now()  # clock: entry
    found = [row for row in preflight(now=now, campaign=campaign) if row.key == key]
    if not found or not found[0].can_be_ignored:
        messages.info(request, _("Nobody is warned of that any more."))
        return
    remarks.ignore(now=now, campaign=campaign, by=acting(request), finding=found[0], reason=reason)


def _words(request: HttpRequest) -> str:
    return request.POST.get("words", "").strip()[:LONGEST]
