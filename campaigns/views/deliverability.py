"""/deliverability/"""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from campaigns import deliverability
from campaigns.pure.next_steps import WORDS
from campaigns.pure.score import ENOUGH, FACTORS, limits_of
from campaigns.trouble import broken_checks, troubled_budgets
from reputation.models import SendingDomain
from reputation.workspace import today, workspace, zone

COLUMNS = ("complained", "bounced", "deferred", "left", "clicked")


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    now, house = timezone.now(), zone()  # clock: entry
    domain, limits = _domain(request), limits_of(workspace().thresholds)
    found = deliverability.dashboard(now=now, zone=house, today=today(now, house), limits=limits, domain=domain)
    context: dict[str, Any] = {
        "nav": "deliverability",
        "found": found,
        "domain": domain,
        "enough": ENOUGH,
        "factors": COLUMNS,
        "formula": [(factor, *limits[factor.key]) for factor in FACTORS],
        "steps": [(step, WORDS[step.key]) for step in found.steps],
        "chart": found.chart,
        "troubled": troubled_budgets(now=now),
        "broken": broken_checks(),
    }
    return render(request, "campaigns/deliverability.html", context)


def _domain(request: HttpRequest) -> str:
    name = request.GET.get("domain", "")
    if name and not SendingDomain.objects.filter(name=name).exists():
        raise Http404
    return name


@require_safe
def provider(request: HttpRequest, provider: str) -> HttpResponse:
    """The campaigns behind a provider's figures; `all` is every provider."""
    now = timezone.now()  # clock: entry
    key = "" if provider == "all" else provider
    rows = deliverability.campaigns_at(today=today(now, zone()), zone=zone(), provider=key, domain=_domain(request))
    context = {"nav": "deliverability", "provider": key, "rows": rows, "domain": _domain(request)}
    return render(request, "campaigns/deliverability_provider.html", context)


class ThresholdsForm(forms.Form):
    """A pair for each factor: from where on all is well, and where nothing is."""

    def __init__(self, *args: Any, limits: dict[str, tuple[float, float]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for factor in FACTORS:
            said = {"good": _("%(factor)s: good, %%"), "bad": _("%(factor)s: bad, %%")}
            for (word, label), value in zip(said.items(), limits[factor.key], strict=True):
                self.fields[f"{factor.key}_{word}"] = forms.FloatField(
                    label=label % {"factor": _(factor.title)}, min_value=0, max_value=100, initial=value
                )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for factor in FACTORS:
            good, bad = given.get(f"{factor.key}_good"), given.get(f"{factor.key}_bad")
            if good is not None and bad is not None and (good == bad or (good > bad) != (factor.good > factor.bad)):
                above, below = _("Good has to lie above bad here."), _("Good has to lie below bad here.")
                self.add_error(f"{factor.key}_good", above if factor.good > factor.bad else below)
        return given

    def pairs(self) -> dict[str, tuple[float, float]]:
        """Those that are not the stock ones."""
        given = {
            factor.key: (self.cleaned_data[f"{factor.key}_good"], self.cleaned_data[f"{factor.key}_bad"])
            for factor in FACTORS
        }
        return {factor.key: given[factor.key] for factor in FACTORS if given[factor.key] != (factor.good, factor.bad)}


def thresholds(request: HttpRequest) -> HttpResponse:
    house = workspace()
    form = ThresholdsForm(request.POST or None, limits=limits_of(house.thresholds))
    if request.method == "POST" and "reset" in request.POST:
        house.thresholds = {}
    elif not form.is_valid():
        context = {"nav": "deliverability", "form": form}
        return render(request, "campaigns/deliverability_thresholds.html", context, status=422 if form.errors else 200)
    else:
        house.thresholds = form.pairs()
    house.save(update_fields=["thresholds"])
    messages.success(request, _("Saved. The score is worked out anew."))
    return redirect("deliverability")
