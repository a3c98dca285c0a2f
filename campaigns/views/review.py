"""/campaigns/7/review/: look once more, choose when, send; and take it back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from audiences.access import acting
from campaigns import content, edit, letters, remarks
from campaigns import schedule as scheduling
from campaigns.access import campaign_or_404
from campaigns.audience import Crowd, choice_of, crowd_of
from campaigns.compile import CompileError
from campaigns.forecast import outlook
from campaigns.forms import TYPE_THE_NUMBER_ABOVE, ScheduleForm, WhenForm
from campaigns.hours import LocalPlan, local_plan
from campaigns.letters import inbox_subject
from campaigns.models import Campaign
from campaigns.preflight import preflight
from campaigns.pure.findings import Finding, Level
from campaigns.pure.wall_time import BadWallTime, instant_of, is_skipped, is_twice
from campaigns.samples import some_people
from campaigns.status import page_of, status_of
from campaigns.variants import Written, variant_of, variants_of
from reputation.workspace import workspace, zone
from words import number
from words.typed import whole

SUBJECT_PEOPLE = 20
# From this share on, an audience that grew or shrank is shown before anything leaves.
MUCH_MORE = 0.05


@require_safe
def show(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    if campaign.mailing is not None:
        return redirect(page_of(campaign), campaign_id)
    asked = WhenForm(request.GET) if "when" in request.GET else None
    return _page(request, campaign, asked)


def _page(request: HttpRequest, campaign: Campaign, form: WhenForm | None, status: int = 200) -> HttpResponse:
    crowd = crowd_of(campaign, now=(now := timezone.now()))  # clock: entry
    start = _start(campaign, form, now, local := _local(campaign, form, now))
    if form is not None and form.is_valid():
        campaign.per_hour, campaign.overflow = form.pace(crowd.recipients)
    context = {
        "nav": "campaigns",
        "now": now,
        "campaign": campaign,
        "status": status_of(campaign),
        "content": content.current(campaign),
        "inbox": _inbox(campaign, now),
        "crowd": crowd,
        "subject_people": SUBJECT_PEOPLE,
        "type_the_number": crowd.recipients > TYPE_THE_NUMBER_ABOVE,
        "form": form or WhenForm(initial=_pace_of(campaign)),
        **start | {"local": local},
        **_judged(now, campaign, crowd, start["starts_at"], local),
    }
    return render(request, "campaigns/review.html", context, status=status)


def _inbox(campaign: Campaign, now: datetime) -> list[tuple[Written, str]]:
    """Each variant of the letter, with its subject as an inbox shows it."""
    written = variants_of(campaign, content.current(campaign))
    return [(one, inbox_subject(one.campaign, now=now, content=one.content)) for one in written]


def _pace_of(campaign: Campaign) -> dict[str, object]:
    return {"per_hour": campaign.per_hour, "overflow": {True: "yes", False: "no", None: ""}[campaign.overflow]}


def _local(campaign: Campaign, form: WhenForm | None, now: datetime) -> LocalPlan | None:
    """The hours of those who are meant, where each gets it at theirs."""
    if campaign.state == Campaign.State.SCHEDULED:
        wanted = campaign.local_time, campaign.wall_time, campaign.zone
    elif form is not None and form.is_valid():
        wanted = form.cleaned_data["local_time"], form.cleaned_data["wall_time"], form.cleaned_data["zone"]
    else:
        return None
    is_local, wall, place = wanted
    return local_plan(campaign, wall=wall, zone=place or workspace().time_zone, now=now) if is_local else None


def _judged(
    now: datetime, campaign: Campaign, crowd: Crowd, starts_at: datetime, local: LocalPlan | None
) -> dict[str, object]:
    here = zone()
    foreseen = outlook(now=now, starts_at=starts_at, zone=here, campaign=campaign, crowd=crowd, local=local)
    # By the clock of those who get it.
    by_clock = starts_at.astimezone(ZoneInfo(local.first.zone) if local else here)
    return {
        "outlook": foreseen,
        **_by_level(preflight(now=now, campaign=campaign, crowd=crowd, starts_at=by_clock)),
        "ignored_because": remarks.ignored(campaign),
        "seen": remarks.stamp(campaign),
        **_countdown(campaign, now),
    }


def _start(campaign: Campaign, form: WhenForm | None, now: datetime, local: LocalPlan | None) -> dict[str, Any]:
    """When it would begin, and a word about the two odd days of the year."""
    if campaign.scheduled_for is not None and campaign.state == Campaign.State.SCHEDULED:
        return {"starts_at": campaign.scheduled_for}
    if form is None or not form.is_valid() or not form.cleaned_data["wall_time"]:
        return {"starts_at": now + timedelta(seconds=workspace().undo_seconds)}
    wall, place = form.cleaned_data["wall_time"], form.cleaned_data["zone"]
    if form.cleaned_data["local_time"]:
        return {"starts_at": max(now, local.first.at) if local else now}
    note = ""
    if is_skipped(wall, place):
        note = "The clocks jump over this time that night; it goes an hour later by the clock."
    elif is_twice(wall, place):
        note = "The clocks show this time twice that night; it goes at the first."
    return {"starts_at": instant_of(wall, place), "note": note}


def _by_level(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    return {level.value: [row for row in findings if row.level is level] for level in Level}


def _countdown(campaign: Campaign, now: datetime) -> dict[str, object]:
    until = campaign.undo_until if campaign.state == Campaign.State.SCHEDULED else None
    left = max(0, round((until - now).total_seconds())) if until else 0
    due = until is not None and max(until, campaign.scheduled_for or until) <= now
    return {"seconds_left": left, "armed": left > 0, "starting": due, "undo_seconds": workspace().undo_seconds}


@require_safe
def subjects(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The subject as some recipients get it; each of their copies is composed, so it comes when it is asked for."""
    campaign = campaign_or_404(campaign_id)
    now, number = timezone.now(), whole(request.GET.get("variant", ""), digits=1)  # clock: entry
    written = variant_of(campaign, content.current(campaign), number)
    some = some_people(choice_of(campaign), SUBJECT_PEOPLE, now=now)
    try:
        rows = letters.subjects_for(written.campaign, some, now=now, content=written.content)
    except CompileError as error:
        rows, problem = [], str(error)
    else:
        problem = ""
    return render(request, "campaigns/_subjects.html", {"rows": rows, "problem": problem})


@require_POST
def schedule(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    if campaign.state not in edit.EDITABLE:
        return redirect(page_of(campaign) if campaign.mailing else "campaign-review", campaign_id)
    crowd = crowd_of(campaign, now=(now := timezone.now()))  # clock: entry
    form = ScheduleForm(request.POST, people=crowd.recipients)
    if form.is_valid() and (changed := _changed(request.POST, campaign, crowd.recipients)):
        form.add_error(None, changed)
    if not form.is_valid():
        return _page(request, campaign, form, status=422)
    at = {name: form.cleaned_data[name] for name in ("wall_time", "zone", "local_time")}
    try:
        per_hour, overflow = form.pace(form.people)
        edit.set_speed(now=now, campaign_id=campaign_id, per_hour=per_hour, overflow=overflow)
        scheduling.schedule(now=now, campaign_id=campaign_id, by=acting(request), **at)
    except (scheduling.CannotSchedule, content.NotADraft, BadWallTime) as error:
        form.add_error(None, str(error))
        campaign.refresh_from_db()
        return _page(request, campaign, form, status=422)
    return redirect("campaign-review", campaign_id)


def _changed(shown: QueryDict, campaign: Campaign, recipients: int) -> str:
    """What is another than when somebody looked; they look once more before they send."""
    if shown.get("seen", remarks.stamp(campaign)) != remarks.stamp(campaign):
        return _("It was changed since you looked. This is how it is now: look once more, then send.")
    before = whole(shown.get("counted", ""))
    if before and abs(recipients - before) > MUCH_MORE * before:
        told = {"before": number(before), "now": number(recipients)}
        return _("It was for %(before)s people when you looked, and is for %(now)s now. Look, then send.") % told
    return ""


@require_POST
def unschedule(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    if scheduling.unschedule(now=now, campaign_id=campaign_id):
        messages.success(request, _("Taken back. It is a draft again and nothing was sent."))
    elif campaign.mailing is not None:
        messages.error(request, _("It has begun already. You can pause or stop it here."))
    return redirect("campaign", campaign_id)


@require_safe
def arming(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The undo window; it polls, and leads on when the campaign has begun or was taken back."""
    campaign = campaign_or_404(campaign_id)
    now = timezone.now()  # clock: entry
    if campaign.state != Campaign.State.SCHEDULED:
        return HttpResponseClientRedirect(reverse("campaign", args=[campaign_id]))
    context = {"campaign": campaign, **_countdown(campaign, now)}
    return render(request, "campaigns/review.html#arming", context)
