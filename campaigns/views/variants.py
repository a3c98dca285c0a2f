"""/campaigns/7/variants/: an A/B test of subject, preheader, from name and letter."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audiences.access import acting
from campaigns import content, edit
from campaigns.access import campaign_or_404, launched_or_404
from campaigns.models import Campaign, Revision
from campaigns.pure.variants import AbTest
from campaigns.variants import ab_test_of
from campaigns.variants_form import VariantsForm, initial_of
from campaigns.variants_outlook import power_of
from campaigns.variants_result import result_of
from reputation.workspace import zone
from sending import split_test
from sending.models import Mailing
from sending.pure.split import By
from words.typed import is_whole, whole


def show(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    saved = content.current(campaign)
    test = ab_test_of(saved)
    form = VariantsForm(request.POST or None, initial=initial_of(saved, test), campaign=campaign, content=saved)
    if "off" in request.POST:
        return _save(request, campaign, whole(request.POST.get("based_on", "")), None)
    if form.is_valid():
        return _save(request, campaign, form.cleaned_data["based_on"], form.ab_test())
    return _page(request, campaign, saved, form)


def _save(request: HttpRequest, campaign: Campaign, based_on: int, test: AbTest | None) -> HttpResponse:
    now = timezone.now()  # clock: entry
    try:
        content.set_ab_test(now=now, campaign_id=campaign.pk, based_on=based_on, ab_test=test, by=acting(request))
    except content.Conflict as conflict:
        saved = conflict.theirs
        form = VariantsForm(_renewed(request, saved), campaign=campaign, content=saved)
        form.add_error(None, _("The letter was saved meanwhile. What you typed is still here: look, then save."))
        return _page(request, campaign, saved, form)
    except content.NotADraft as error:
        messages.error(request, str(error))
    return redirect("campaign-variants" if test else "campaign", campaign.pk)


def _renewed(request: HttpRequest, saved: Revision) -> dict[str, str]:
    """What was typed, to go onto what somebody else has saved."""
    return {**request.POST.dict(), "based_on": str(saved.number)}


def _page(request: HttpRequest, campaign: Campaign, saved: Revision, form: VariantsForm) -> HttpResponse:
    context = {
        "nav": "campaigns",
        "campaign": campaign,
        "content": saved,
        "form": form,
        "test": ab_test_of(saved),
        "editable": campaign.state in edit.EDITABLE,
    }
    return render(request, "campaigns/variants.html", context, status=422 if form.errors else 200)


@require_safe
def outlook(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """What a test could show as it is typed at this moment. Counts people, so it comes after the page."""
    campaign = campaign_or_404(campaign_id)
    now, asked = timezone.now(), request.GET  # clock: entry
    form = VariantsForm(asked, campaign=campaign, content=Revision(campaign=campaign))
    form.is_valid()
    share, by = form.cleaned_data.get("share", 20), By(form.cleaned_data.get("by", By.CLICKS))
    variants = max(2, 1 + len(form.others()))
    power = power_of(now=now, campaign=campaign, share=share, by=by, variants=variants)
    return render(request, "campaigns/variants.html#outlook", {"campaign": campaign, "power": power})


@require_safe
def result(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Each variant's figures so far. Reads rows of people, so it comes after the page and seldom."""
    campaign, mailing = launched_or_404(campaign_id)
    return _result(request, campaign, mailing)


def _result(request: HttpRequest, campaign: Campaign, mailing: Mailing) -> HttpResponse:
    now = timezone.now()  # clock: entry
    found = result_of(now=now, zone=zone(), campaign=campaign, mailing=mailing)
    if found is None:
        raise Http404
    return render(request, "campaigns/_variants.html", {"campaign": campaign, "result": found})


@require_POST
def choose(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """A person takes one of the variants for those who wait; whoever comes later sees what was chosen."""
    campaign, mailing = launched_or_404(campaign_id)
    now, asked = timezone.now(), request.POST.get("variant", "")  # clock: entry
    if not is_whole(asked, digits=1):
        raise Http404
    chosen = split_test.choose_by_hand(now=now, mailing_id=mailing.pk, variant=int(asked), actor=acting(request))
    if request.htmx:  # type: ignore[attr-defined]
        mailing.refresh_from_db()
        return _result(request, campaign, mailing)
    if not chosen:
        messages.info(request, _("There is nothing to choose any more."))
    return redirect("campaign-monitor", campaign_id)
