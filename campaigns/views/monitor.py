"""/campaigns/7/monitor/: watch it go, and act."""

from datetime import datetime
from http import HTTPStatus
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseStopPolling, trigger_client_event

from audiences.access import acting, may_post
from campaigns.access import launched_or_404, watched_or_404
from campaigns.blocked import blocked_of
from campaigns.forms import SpeedForm
from campaigns.happenings import finished_after_pause, happenings_of, pace_chart
from campaigns.hours_to_come import hours_to_come
from campaigns.lanes import mark_of, monitor_of
from campaigns.live import ACTS, Live, drawn
from campaigns.models import Campaign
from campaigns.report import excluded_of, meanings_of
from campaigns.status import status_of
from campaigns.watching import stop_sentences
from reputation.workspace import zone
from sending import guard, mailings, resend
from sending.models import Mailing
from sending.progress import Around, Progress, look_at
from sending.resend import Why
from sending.wake import plan_soon
from words import ngettext, number
from words.typed import is_whole


@require_safe
def show(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    live = _live(request, now, campaign, look_at(mailing))
    context = {
        "nav": "campaigns",
        "campaign": campaign,
        "mailing": mailing,
        "status": status_of(campaign),
        "monitor": live.monitor,
        "progress": live.monitor.progress,
        "live": drawn(live),
        "excluded": excluded_of(mailing),
        "speed_form": SpeedForm(initial={"per_hour": mailing.per_hour}),
    }
    return render(request, "campaigns/monitor.html", context)


def _live(
    request: HttpRequest, now: datetime, campaign: Campaign, seen: tuple[Progress, Around], mark: str = ""
) -> Live:
    mailing = seen[0].mailing
    watched = monitor_of(now=now, seen=seen)
    is_held = mailing.state == Mailing.State.HELD or any(row.progress.stopped for row in watched.rows)
    return Live(
        now=now,
        campaign=campaign,
        mailing=mailing,
        monitor=watched,
        zone=ZoneInfo(seen[1].time_zone),
        mark=mark or mark_of(now=now, campaign=campaign, seen=seen),
        stops=stop_sentences(mailing) if is_held else [],
        hours=hours_to_come(seen[0], now=now),
        finished=finished_after_pause(mailing) if mailing.state == Mailing.State.PAUSED else 0,
        may=tuple(route for route in ACTS if may_post(request, route)),
        csrf=get_token(request),
    )


@require_safe
def progress(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The part that polls; 286 ends it, and 204 leaves it as it is: `mark` says what the page shows.

    Every tenth is told to screen readers, not every poll.
    """
    campaign, mailing = watched_or_404(campaign_id)
    now, seen = timezone.now(), look_at(mailing)  # clock: entry
    mark = mark_of(now=now, campaign=campaign, seen=seen)
    if request.GET.get("mark") == mark:
        # Said once more for pages that were opened before their htmx knew it.
        return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"HX-Reswap": "none"})
    part = drawn(_live(request, now, campaign, seen, mark))
    answer = HttpResponseStopPolling(part) if seen[0].is_over else HttpResponse(part)
    percent, before = seen[0].percent, request.GET.get("seen", "")
    if is_whole(before) and int(before) // 10 != percent // 10:
        told = _("%(percent)s %% have a final state") % {"percent": percent}
        trigger_client_event(answer, "announce", {"words": told})
    return answer


@require_safe
def problems(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    blocked = blocked_of(now=now, zone=zone(), mailing=mailing)
    context = {"campaign": campaign, "meanings": meanings_of(mailing), "blocked": blocked}
    return render(request, "campaigns/_problems.html", context)


@require_safe
def pace(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """How fast it went, and what happened meanwhile. Reads batches, so it is asked for less often."""
    campaign, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    context = {
        "now": now,
        "campaign": campaign,
        "mailing": mailing,
        "chart": pace_chart(now=now, zone=zone(), mailing=mailing),
        "happenings": happenings_of(mailing),
    }
    return render(request, "campaigns/_pace.html", context)


@require_POST
def pause(request: HttpRequest, campaign_id: int) -> HttpResponse:
    _campaign, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    by = acting(request)
    mailings.pause(now=now, mailing_id=mailing.pk, reason=f"Paused by {by}", by=by)
    return _back(request, campaign_id)


@require_POST
def resume(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Also after a stop: whoever was not mailed is next, and nobody gets it twice."""
    _campaign, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    if mailings.resume(now=now, mailing_id=mailing.pk, by=acting(request)):
        plan_soon()
    elif "" in guard.stops_of(mailing.pk):
        messages.info(request, _("The guard has stopped it: look at the answers, then go on with a reason."))
        there = reverse("campaign-guard", args=[campaign_id])
        return HttpResponseClientRedirect(there) if request.htmx else redirect(there)  # type: ignore[attr-defined]
    return _back(request, campaign_id)


@require_POST
def stop(request: HttpRequest, campaign_id: int) -> HttpResponse:
    _campaign, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    by = acting(request)
    mailings.stop(now=now, mailing_id=mailing.pk, reason=f"Stopped by {by}", by=by)
    return _back(request, campaign_id)


@require_POST
def resend_blocked(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """One click: those whom we did not reach at this provider, for one reason, go back into the queue, once each."""
    _campaign, mailing = launched_or_404(campaign_id)
    now, lane = timezone.now(), request.POST.get("provider", "")  # clock: entry
    why = Why.EXPIRED if "expired" in request.POST else Why.BLOCKED
    rows = blocked_of(now=now, zone=zone(), mailing=mailing)
    wait = next((row.wait for row in rows if (row.lane, row.why) == (lane, why)), "")
    people = 0 if wait else resend.resend(now=now, mailing_id=mailing.pk, lane=lane, actor=acting(request), why=why)
    if wait:
        messages.error(request, _("Not yet: %(wait)s") % {"wait": wait})
    elif people:
        messages.success(
            request,
            ngettext("%(n)s is back in the queue.", "%(n)s are back in the queue.", people) % {"n": number(people)},
        )
    else:
        expired, blocked = _("Nobody is left to be tried again there."), _("Nobody is blocked there any more.")
        messages.info(request, expired if why is Why.EXPIRED else blocked)
    return redirect("campaign-monitor", campaign_id)


@require_POST
def speed(request: HttpRequest, campaign_id: int) -> HttpResponse:
    _campaign, mailing = launched_or_404(campaign_id)
    form, now = SpeedForm(request.POST), timezone.now()  # clock: entry
    if not form.is_valid():
        messages.error(request, _("The speed was not changed: write a whole number an hour, or nothing for no limit."))
    elif mailings.change_speed(
        now=now, mailing_id=mailing.pk, per_hour=form.cleaned_data["per_hour"], by=acting(request)
    ):
        per_hour = form.cleaned_data["per_hour"]
        messages.success(
            request,
            _("At most %(per_hour)s an hour from now on.") % {"per_hour": number(per_hour)}
            if per_hour
            else _("As fast as is safe."),
        )
    return redirect("campaign-monitor", campaign_id)


@require_POST
def pause_lane(request: HttpRequest, campaign_id: int) -> HttpResponse:
    _campaign, mailing = launched_or_404(campaign_id)
    now, provider = timezone.now(), request.POST.get("provider", "")  # clock: entry
    mailings.pause_provider(now=now, mailing_id=mailing.pk, provider=provider, by=acting(request))
    return _back(request, campaign_id)


@require_POST
def resume_lane(request: HttpRequest, campaign_id: int) -> HttpResponse:
    _campaign, mailing = launched_or_404(campaign_id)
    now, provider = timezone.now(), request.POST.get("provider", "")  # clock: entry
    if mailings.resume_provider(now=now, mailing_id=mailing.pk, provider=provider, by=acting(request)):
        plan_soon()
    return _back(request, campaign_id)


def _back(request: HttpRequest, campaign_id: int) -> HttpResponse:
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect("campaign-monitor", campaign_id)
    campaign, mailing = launched_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    return HttpResponse(drawn(_live(request, now, campaign, look_at(mailing))))
