"""/campaigns/7/: the draft and its parts."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from audiences.access import acting
from audiences.models import MailingList
from campaigns import content, edit, remarks
from campaigns.access import campaign_or_404
from campaigns.audience import Choice, choice_of, chosen, crowd_of
from campaigns.counting import AT_ONCE_MS, PATIENTLY_MS, counted
from campaigns.forecast import outlook
from campaigns.forms import AudienceForm, NameAndTagsForm, SenderForm, TrackingForm
from campaigns.hub import marks_of
from campaigns.models import Campaign
from campaigns.preflight import preflight
from campaigns.samples import some_people
from campaigns.status import page_of, status_of
from campaigns.variants import variants_of
from reputation.models import SendingDomain
from reputation.workspace import zone
from sending.models import Excluded
from words import ngettext, number

# People shown beside the number, so that one sees who it is for.
SOME = 5


@require_safe
def show(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    if campaign.mailing is not None:
        return redirect(page_of(campaign), campaign_id)
    crowd = crowd_of(campaign, now=(now := timezone.now()))  # clock: entry
    context = {
        "nav": "campaigns",
        "campaign": campaign,
        "status": status_of(campaign),
        "editable": campaign.state in edit.EDITABLE,
        "crowd": crowd,
        "left_out": left_out_words(crowd.left_out),
        **_content(campaign),
        "marks": marks_of(preflight(now=now, campaign=campaign, crowd=crowd)),
        "decision": remarks.last_decision(campaign),
        "is_own": remarks.is_own(campaign, acting(request)),
        "story": remarks.story_of(campaign),
        "seen": remarks.stamp(campaign),
    }
    return render(request, "campaigns/hub.html", context)


def _content(campaign: Campaign) -> dict[str, object]:
    saved = content.current(campaign)
    return {"content": saved, "variants": variants_of(campaign, saved)[1:]}


def left_out_words(left_out: dict[str, int]) -> list[tuple[str, int]]:
    """(reason in words, people), the most frequent first."""
    return sorted(((str(Excluded.Reason(reason).label), n) for reason, n in left_out.items()), key=lambda row: -row[1])


def name(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    form = NameAndTagsForm(request.POST or None, initial={"name": campaign.name, "tags": ", ".join(campaign.tags)})
    if form.is_valid():
        now = timezone.now()  # clock: entry
        edit.rename(now=now, campaign_id=campaign_id, **form.cleaned_data)
        return redirect("campaign", campaign_id)
    return _form_page(request, campaign, form, "campaigns/name.html")


@require_POST
def copy(request: HttpRequest, campaign_id: int) -> HttpResponse:
    now = timezone.now()  # clock: entry
    made = content.duplicate(now=now, campaign=campaign_or_404(campaign_id), by=acting(request))
    messages.success(request, _("A copy with the same letter, sender and audience. It is not scheduled."))
    return redirect("campaign", made.pk)


def audience(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    lists = {"included": campaign.included_lists.all(), "excluded": campaign.excluded_lists.all()}
    form, now = AudienceForm(request.POST or None, initial=lists), timezone.now()  # clock: entry
    if form.is_valid():
        return _save(
            request, campaign_id, lambda: edit.set_audience(now=now, campaign_id=campaign_id, **form.cleaned_data)
        )
    more = _of_choice(campaign, choice_of(campaign), now) | {"has_lists": MailingList.objects.exists()}
    return _form_page(request, campaign, form, "campaigns/audience.html", **more)


@require_safe
def audience_count(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """What is ticked on the page of the audience, counted; nothing is saved. `patiently`: after an estimate."""
    campaign, form = campaign_or_404(campaign_id), AudienceForm(request.GET)
    now, patient = timezone.now(), "patiently" in request.GET  # clock: entry
    context: dict[str, Any] = {"campaign": campaign, "form": form, "patient": patient}
    if form.is_valid():
        choice = chosen(campaign, **form.cleaned_data)
        context |= _of_choice(campaign, choice, now, PATIENTLY_MS if patient else AT_ONCE_MS)
    answer = render(request, "campaigns/_count.html", context | {"query": request.GET.urlencode()})
    if count := context.get("count"):
        n = count.crowd.recipients
        told = ngettext("%(n)s person will get it", "%(n)s people will get it", n) % {"n": number(n)}
        trigger_client_event(answer, "announce", {"words": told})
    return answer


def _of_choice(campaign: Campaign, choice: Choice, now: datetime, within_ms: int = AT_ONCE_MS) -> dict[str, Any]:
    count = counted(choice, now=now, within_ms=within_ms)
    if count is None:
        return {"is_saved": choice == choice_of(campaign)}
    return {
        "count": count,
        "crowd": count.crowd,
        "left_out": left_out_words(count.crowd.left_out),
        "is_saved": choice == choice_of(campaign),
        "lists": MailingList.objects.filter(pk__in=choice.included),
        "some": some_people(choice, SOME, now=now) if count.crowd.recipients else [],
        "outlook": outlook(now=now, starts_at=now, zone=zone(), campaign=campaign, crowd=count.crowd),
    }


def sender(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    names = ("sending_domain", "pool", "from_name", "from_address", "reply_to")
    form = SenderForm(request.POST or None, initial={name: getattr(campaign, name) for name in names})
    if form.is_valid():
        now = timezone.now()  # clock: entry
        return _save(
            request, campaign_id, lambda: edit.set_sender(now=now, campaign_id=campaign_id, **form.cleaned_data)
        )
    closed = SendingDomain.objects.filter(state__in=[SendingDomain.State.NEW, SendingDomain.State.HELD])
    return _form_page(request, campaign, form, "campaigns/sender.html", closed=closed)


def tracking(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    initial = {"opens": campaign.track_opens, "clicks": campaign.track_clicks}
    form = TrackingForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        now = timezone.now()  # clock: entry
        return _save(
            request, campaign_id, lambda: edit.set_tracking(now=now, campaign_id=campaign_id, **form.cleaned_data)
        )
    return _form_page(request, campaign, form, "campaigns/tracking.html")


def _save(request: HttpRequest, campaign_id: int, act: Any) -> HttpResponse:
    try:
        act()
    except content.NotADraft as error:
        messages.error(request, str(error))
    return redirect("campaign", campaign_id)


def _form_page(request: HttpRequest, campaign: Campaign, form: Form, template: str, **more: Any) -> HttpResponse:
    context = {"nav": "campaigns", "campaign": campaign, "form": form, "editable": campaign.state in edit.EDITABLE}
    return render(request, template, {**context, **more}, status=422 if form.errors else 200)
