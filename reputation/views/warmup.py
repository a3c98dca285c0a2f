"""/warmup/"""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from reputation import limits_page, plans, warmup, warmup_page
from reputation.access import acting
from reputation.catalogue import catalogue
from reputation.forms import AttachForm, PlanForm, ReasonForm, SeriesForm, WarmupHoldForm
from reputation.models import Budget, WarmupPlan
from reputation.pure.curve import curve
from reputation.pure.warmup import EVERYONE
from reputation.workspace import today, zone

# The curve shows these of a plan's series: more lines than five nobody tells apart.
DRAWN = ("google", "microsoft", "yahoo", "gmx", EVERYONE)


def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()  # clock: entry
    context = {
        "nav": "warmup",
        "plans": WarmupPlan.objects.all(),
        "scopes": [
            (limits_page.Scope(*key), rows, _plan_of(key))
            for key, rows in warmup_page.warming(now=now, zone=zone()).items()
        ],
    }
    return render(request, "reputation/warmup.html", context)


def _plan_of(key: tuple[str, str]) -> WarmupPlan | None:
    budget = Budget.objects.select_related("warmup").filter(kind=key[0], scope=key[1], warmup__isnull=False).first()
    return budget.warmup if budget else None


def new(request: HttpRequest) -> HttpResponse:
    form = PlanForm(request.POST or None, initial={"preset": "standard"})
    if form.is_valid():
        plan = plans.make(**form.cleaned_data, actor=acting(request))
        messages.success(request, _("Made. It does nothing before an address or a domain warms up by it."))
        return redirect("warmup-plan", plan.pk)
    context = {"nav": "warmup", "form": form, "presets": plans.presets().values()}
    return render(request, "reputation/warmup_new.html", context, status=422 if form.errors else 200)


def show(request: HttpRequest, plan_id: int) -> HttpResponse:
    return _plan_page(request, get_object_or_404(WarmupPlan, pk=plan_id), AttachForm())


def _plan_page(request: HttpRequest, plan: WarmupPlan, form: AttachForm) -> HttpResponse:
    order = [key for key in (*DRAWN, *catalogue().providers) if key != EVERYONE]
    # Everybody without a series of their own last.
    providers = sorted(plan.days, key=lambda key: order.index(key) if key in order else len(order))
    drawn = {key: plan.days[key] for key in DRAWN if key in plan.days}
    users = Budget.objects.filter(warmup=plan).order_by("kind", "scope").values_list("kind", "scope").distinct()
    context = {
        "nav": "warmup",
        "plan": plan,
        "table": plans.table(plan, providers=providers),
        "curve": curve(drawn, by_tens=True),
        "users": [limits_page.Scope(kind, scope) for kind, scope in users],
        "form": form,
        "versions": plan.versions.select_related("actor")[:30],
    }
    return render(request, "reputation/warmup_plan.html", context, status=422 if form.errors else 200)


def series(request: HttpRequest, plan_id: int, provider: str) -> HttpResponse:
    plan = get_object_or_404(WarmupPlan, pk=plan_id)
    if provider not in plan.days:
        raise Http404("The plan has no series for this provider.")
    form = SeriesForm(request.POST or None, series=plan.days[provider])
    if form.is_valid():
        changed = form.changed()
        plans.set_caps(plan=plan, provider=provider, caps=changed, actor=acting(request))
        messages.success(
            request, ngettext("%(n)s day changed.", "%(n)s days changed.", len(changed)) % {"n": len(changed)}
        )
        return redirect("warmup-plan", plan_id)
    context = {"nav": "warmup", "plan": plan, "provider": provider, "form": form}
    context |= {"curve": curve({provider: plan.days[provider]}, by_tens=True)}
    return render(request, "reputation/warmup_series.html", context, status=422 if form.errors else 200)


@require_POST
def weekends(request: HttpRequest, plan_id: int) -> HttpResponse:
    plan = get_object_or_404(WarmupPlan, pk=plan_id)
    skips = "skip" in request.POST
    plans.set_weekends(plan=plan, skips=skips, actor=acting(request))
    messages.success(request, _("Weekends are skipped from now on.") if skips else _("It sends at weekends too."))
    return redirect("warmup-plan", plan_id)


@require_POST
def put_back(request: HttpRequest, plan_id: int, number: int) -> HttpResponse:
    plan = get_object_or_404(WarmupPlan, pk=plan_id)
    if plans.put_back(plan=plan, number=number, actor=acting(request)):
        messages.success(request, _("The plan is as it was in version %(n)s.") % {"n": number})
    else:
        messages.info(request, _("The plan is like that already."))
    return redirect("warmup-plan", plan_id)


@require_POST
def start(request: HttpRequest, plan_id: int) -> HttpResponse:
    plan = get_object_or_404(WarmupPlan, pk=plan_id)
    form = AttachForm(request.POST)
    if form.is_valid() and form.cleaned_data["day"] > (last := min(map(len, plan.days.values()))):
        # Beyond its last day a plan has no caps.
        form.add_error("day", _("The plan ends on day %(last)s.") % {"last": last})
    if not form.is_valid():
        return _plan_page(request, plan, form)
    kind, scope = form.kind_and_scope()
    now = timezone.now()  # clock: entry
    day = form.cleaned_data["day"]
    warmup.start(now=now, zone=zone(), kind=kind, scope=scope, plan=plan, actor=acting(request), day=day)
    messages.success(
        request, _("%(scope)s warms up from today, day %(day)s, at every provider.") % {"scope": scope, "day": day}
    )
    return redirect("warmup")


def stop(request: HttpRequest, kind: str, scope: str) -> HttpResponse:
    if not Budget.objects.filter(kind=kind, scope=scope, warmup__isnull=False).exists():
        raise Http404(_("This does not warm up."))
    form = ReasonForm(request.POST or None)
    if form.is_valid():
        now = timezone.now()  # clock: entry
        warmup.stop(now=now, kind=kind, scope=scope, actor=acting(request), reason=form.cleaned_data["reason"])
        messages.success(
            request, _("The warm-up of %(scope)s has ended: no caps of the day any more.") % {"scope": scope}
        )
        return redirect("warmup")
    context = {"nav": "warmup", "scope": limits_page.Scope(kind, scope), "form": form}
    return render(request, "reputation/warmup_stop.html", context, status=422 if form.errors else 200)


def budget(request: HttpRequest, budget_id: int) -> HttpResponse:
    """What the days of one provider brought; hold it on its day, or put it a day on or back.

    One that is through, which an older alert may lead to, has its days still.
    """
    row = get_object_or_404(Budget.objects.select_related("warmup"), pk=budget_id)
    if row.warmup is None and request.method == "POST":
        raise Http404(_("This does not warm up."))
    form = WarmupHoldForm(request.POST or None)
    if form.is_valid():
        if _move(request, row, form):
            return redirect("warmup")
        form.add_error(None, _("It changed meanwhile. Look again."))
    context = {"nav": "warmup", "budget": row, "form": form, "scope": limits_page.Scope(row.kind, row.scope)}
    now = timezone.now()  # clock: entry
    days = warmup_page.days_of(now=now, zone=zone(), budget=row)
    context |= {"changes": row.changes.select_related("actor")[:20], "days": days}
    context |= {"curve": curve(warmup_page.lines_of(days)), "full_on": warmup_page.full_on(row, today(now, zone()))}
    return render(request, "reputation/warmup_budget.html", context, status=422 if form.errors else 200)


def _move(request: HttpRequest, row: Budget, form: WarmupHoldForm) -> bool:
    now, here, actor = timezone.now(), zone(), acting(request)  # clock: entry
    days, reason = form.cleaned_data["days"], form.cleaned_data["reason"]
    if "hold" in request.POST:
        done = warmup.hold(now=now, zone=here, budget=row, days=days, actor=actor, reason=reason)
    else:
        by = -days if "back" in request.POST else days
        done = warmup.step(now=now, zone=here, budget=row, by=by, actor=actor, reason=reason)
    if done:
        messages.success(request, _("Day %(warmup_day)s it is.") % {"warmup_day": row.warmup_day})
    return done
