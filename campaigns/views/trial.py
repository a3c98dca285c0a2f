"""/campaigns/7/test/"""

import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseStopPolling

from audiences.access import acting
from campaigns import trial
from campaigns.access import campaign_or_404
from campaigns.content import current
from campaigns.forms import TrialForm
from campaigns.models import Campaign
from campaigns.samples import person_by_address, sample_people
from campaigns.variants import variants_of
from sending.models import Mailing
from sending.progress import has_worker


def new(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign, user = campaign_or_404(campaign_id), acting(request)
    initial = {"addresses": request.session.get("test_addresses", user.email), "request_key": uuid.uuid4().hex}
    written = variants_of(campaign, current(campaign))
    variants = [(n, f"{one.name}: {one.content.subject}") for n, one in enumerate(written)]
    form = TrialForm(request.POST or None, initial=initial, variants=variants)
    if form.is_valid() and (mailing := _send(request, campaign, form)) is not None:
        request.session["test_addresses"] = "\n".join(form.cleaned_data["addresses"])
        return redirect("campaign-test-result", campaign_id, mailing.pk)
    context = {"nav": "campaigns", "campaign": campaign, "form": form, "samples": sample_people(campaign)}
    context["has_variants"] = len(variants) > 1
    return render(request, "campaigns/test.html", context, status=422 if form.errors else 200)


def _send(request: HttpRequest, campaign: Campaign, form: TrialForm) -> Mailing | None:
    address = form.cleaned_data["as_email"]
    person = person_by_address(address) if address else None
    if address and person is None:
        form.add_error("as_email", _("Nobody on your lists has this address."))
        return None
    try:
        return trial.send_test(
            now=timezone.now(),  # clock: entry
            campaign_id=campaign.pk,
            addresses=form.cleaned_data["addresses"],
            as_subscriber_id=person.pk if person else None,
            by=acting(request),
            request_key=form.cleaned_data["request_key"],
            variant=form.cleaned_data["variant"] or 0,
        )
    except trial.CannotTest as error:
        form.add_error(None, str(error))
        return None


@require_safe
def show(request: HttpRequest, campaign_id: int, mailing_id: int) -> HttpResponse:
    """What became of a test; the part of it that polls ends when every address has its answer."""
    campaign = campaign_or_404(campaign_id)
    mailing = trial.trial_of(mailing_id=mailing_id, campaign_id=campaign_id)
    if mailing is None:
        raise Http404
    results = trial.results_of(mailing)
    over = all(result.final for result in results)
    context = {"nav": "campaigns", "campaign": campaign, "mailing": mailing, "results": results, "over": over}
    context["has_worker"] = over or has_worker()
    if not request.htmx:  # type: ignore[attr-defined]
        return render(request, "campaigns/test_result.html", context)
    part = render(request, "campaigns/test_result.html#results", context)
    return HttpResponseStopPolling(part.content) if over else part
