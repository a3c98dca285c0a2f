"""/limits/"""

from datetime import timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from reputation import budgets, limits_page
from reputation.access import acting
from reputation.forms import HoldForm, LimitsForm, ProviderForm, ReasonForm
from reputation.models import Budget
from reputation.workspace import zone


def index(request: HttpRequest) -> HttpResponse:
    context = {
        "nav": "routes",
        "scopes": limits_page.scopes(),
        "troubled": limits_page.troubled_recipient_domains(),
    }
    return render(request, "reputation/limits.html", context)


def scope(request: HttpRequest, kind: str, scope: str) -> HttpResponse:
    if not any((row.kind, row.name) == (kind, scope) for row in limits_page.scopes()):
        raise Http404("There is no such address, domain or account.")
    now = timezone.now()  # clock: entry
    form = ProviderForm(request.POST or None)
    if form.is_valid():
        [made] = budgets.budgets_for(now=now, kind_scopes=[(kind, scope)], provider=form.cleaned_data["provider"])
        return redirect("limit", made.pk)
    context = {
        "nav": "routes",
        "scope": limits_page.Scope(kind, scope),
        "rows": limits_page.of_scope(now=now, zone=zone(), kind=kind, scope=scope),
        "form": form,
    }
    return render(request, "reputation/limits_of.html", context)


def show(request: HttpRequest, budget_id: int) -> HttpResponse:
    budget = get_object_or_404(Budget.objects.select_related("warmup"), pk=budget_id)
    own = {name: getattr(budget, name) for name in budgets.LIMITS}
    form = LimitsForm(request.POST or None, initial=own)
    if form.is_valid() and _edit(request, budget, form):
        return redirect("limit", budget_id)
    return _page(request, budget, status=422 if form.errors else 200, form=form)


def _edit(request: HttpRequest, budget: Budget, form: LimitsForm) -> bool:
    now, reason = timezone.now(), form.cleaned_data["reason"]  # clock: entry
    try:
        budgets.edit(now=now, budget=budget, actor=acting(request), reason=reason, **form.limits())
    except ValueError as error:
        form.add_error(None, str(error))
        return False
    messages.success(request, _("Saved. It applies from the next batch on; nothing under way is restarted."))
    return True


def _page(request: HttpRequest, budget: Budget, status: int = 200, **forms: object) -> HttpResponse:
    now, here = timezone.now(), zone()  # clock: entry
    [row] = limits_page.spending(now=now, zone=here, budgets=[budget])
    context = {
        "nav": "routes",
        "budget": budget,
        "row": row,
        "scope": limits_page.Scope(budget.kind, budget.scope),
        "sentences": budgets.explain(budget, now=now, zone=here),
        "changes": budget.changes.select_related("actor")[:50],
        "hold_form": HoldForm(auto_id="hold_%s"),
        "release_form": ReasonForm(auto_id="release_%s"),
        **forms,
    }
    return render(request, "reputation/limit.html", context, status=status)


@require_POST
def hold(request: HttpRequest, budget_id: int) -> HttpResponse:
    budget = get_object_or_404(Budget.objects.select_related("warmup"), pk=budget_id)
    form = HoldForm(request.POST, auto_id="hold_%s")
    if not form.is_valid():
        return _page(request, budget, 422, form=_edit_form(budget), hold_form=form)
    now, hours = timezone.now(), form.cleaned_data["hours"]  # clock: entry
    until = now + timedelta(hours=hours) if hours else None
    budgets.hold(now=now, budget=budget, actor=acting(request), reason=form.cleaned_data["reason"], until=until)
    messages.success(request, _("Held. What is in the air arrives; nothing more leaves."))
    return redirect("limit", budget_id)


@require_POST
def release(request: HttpRequest, budget_id: int) -> HttpResponse:
    budget = get_object_or_404(Budget.objects.select_related("warmup"), pk=budget_id)
    form = ReasonForm(request.POST, auto_id="release_%s")
    if not form.is_valid():
        return _page(request, budget, 422, form=_edit_form(budget), release_form=form)
    now = timezone.now()  # clock: entry
    if budgets.release(now=now, budget=budget, actor=acting(request), reason=form.cleaned_data["reason"]):
        messages.success(request, _("Released. It goes on at its full limits."))
    return redirect("limit", budget_id)


def _edit_form(budget: Budget) -> LimitsForm:
    return LimitsForm(initial={name: getattr(budget, name) for name in budgets.LIMITS})
