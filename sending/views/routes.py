"""/routes/"""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.db.models import ProtectedError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from reputation.access import acting
from reputation.workspace import today, zone
from sending import route_health, routes
from sending.esp.catalogue import ESPS
from sending.esp.settings import BadSettings
from sending.forms import FORMS, DirectForm, EspForm, PoolForm, RelayForm
from sending.models import Pool, PoolRoute, Route
from sending.transports import CouldNotOpen
from sending.try_relay import Tried, try_relay
from sending.try_route import Step, try_route

Kind = Route.Kind


def _now() -> datetime:
    return timezone.now()  # clock: entry


def index(request: HttpRequest) -> HttpResponse:
    rows = list(Route.objects.select_related("address"))
    health = route_health.of_routes(rows, at=today(_now(), zone()))
    pools = Pool.objects.order_by("name").prefetch_related("members__route")
    context = {"nav": "routes", "routes": [(row, health[row.pk]) for row in rows], "pools": pools}
    return render(request, "sending/routes.html", context)


def new(request: HttpRequest, kind: str) -> HttpResponse:
    if kind not in FORMS:
        raise Http404("There is no such kind of route.")
    esp = request.GET.get("esp", "")
    if kind == Kind.ESP and esp not in ESPS:
        return render(request, "sending/esp_choice.html", {"nav": "routes", "esps": ESPS.values()})
    return _form_page(request, Route(kind=kind, esp=esp if kind == Kind.ESP else ""))


def edit(request: HttpRequest, route_id: int) -> HttpResponse:
    return _form_page(request, get_object_or_404(Route.objects.select_related("address"), pk=route_id))


def _form_page(request: HttpRequest, route: Route) -> HttpResponse:
    title = route.name
    form = FORMS[route.kind](request.POST or None, instance=route)
    tried: Tried | None = None
    if form.is_valid():
        tried = _try(form) if isinstance(form, RelayForm) else None
        if (tried is None or tried.worked or form.cleaned_data["anyway"]) and (saved := _save(form)):
            messages.success(request, f"{_('Saved.')} {tried.sentence if tried else ''}")
            return redirect("route", saved.pk)
    context = {"nav": "routes", "form": form, "route": route, "title": title, "tried": tried}
    refused = form.errors or tried
    return render(request, f"sending/route_form_{route.kind}.html", context, status=422 if refused else 200)


def _try(form: RelayForm) -> Tried:
    try:
        return try_relay(form.transport())
    except CouldNotOpen as error:
        return Tried(False, str(error))


def _save(form: DirectForm | RelayForm | EspForm) -> Route | None:
    """None when it was refused; the form then says why."""
    if isinstance(form, RelayForm):
        return routes.save_relay(route=form.instance, password=form.cleaned_data["password"])
    if isinstance(form, DirectForm):
        return routes.save_direct(route=form.instance)
    try:
        secret = form.cleaned_data["webhook_secret"]
        return routes.save_esp(route=form.instance, settings=form.settings(), webhook_secret=secret)
    except BadSettings as error:
        form.add_error(None, str(error))
        return None


def show(request: HttpRequest, route_id: int) -> HttpResponse:
    return _page_of(request, get_object_or_404(Route.objects.select_related("address"), pk=route_id))


def _page_of(request: HttpRequest, route: Route, steps: Sequence[Step] = (), to: str = "") -> HttpResponse:
    kind, scope = routes.scope_of(route)
    pools = PoolRoute.objects.filter(route=route).select_related("pool").order_by("pool__name")
    context = {"nav": "routes", "route": route, "scope_kind": kind, "scope": scope, "pools": pools}
    context |= {"esp": ESPS.get(route.esp), "webhook": f"{settings.PUBLIC_URL}{reverse('esp-hook', args=[route.pk])}"}
    health = route_health.of_routes([route], at=today(_now(), zone()))
    context |= {"steps": steps, "to": to, "health": health[route.pk]}
    return render(request, "sending/route.html", context)


@require_POST
def drain(request: HttpRequest, route_id: int) -> HttpResponse:
    route = get_object_or_404(Route, pk=route_id)
    if routes.drain(route_id=route_id):
        messages.success(
            request, _("“%(name)s” gets nothing new. What is under way ends by itself.") % {"name": route.name}
        )
    return redirect("route", route_id)


@require_POST
def activate(request: HttpRequest, route_id: int) -> HttpResponse:
    route = get_object_or_404(Route, pk=route_id)
    if routes.activate(route_id=route_id):
        messages.success(request, _("“%(name)s” is in use again.") % {"name": route.name})
    return redirect("route", route_id)


@require_POST
def test(request: HttpRequest, route_id: int) -> HttpResponse:
    """A letter to whoever asks; the page says how far it came."""
    route = get_object_or_404(Route.objects.select_related("address"), pk=route_id)
    to = acting(request).email
    if not to:
        messages.error(request, _("Your account has no e-mail address, so there is nobody to write to."))
        return redirect("route", route_id)
    now = timezone.now()  # clock: entry
    return _page_of(request, route, try_route(now=now, route=route, to=to), to)


def new_pool(request: HttpRequest) -> HttpResponse:
    return _pool_page(request, Pool())


def pool(request: HttpRequest, pool_id: int) -> HttpResponse:
    return _pool_page(request, get_object_or_404(Pool, pk=pool_id))


def _pool_page(request: HttpRequest, pool: Pool) -> HttpResponse:
    title = pool.name
    form = PoolForm(request.POST or None, instance=pool)
    if form.is_valid():
        routes.save_pool(pool=form.instance, route_ids=form.route_ids())
        messages.success(request, _("Saved. It applies to what is planned from now on."))
        return redirect("routes")
    context = {"nav": "routes", "form": form, "pool": pool, "title": title}
    return render(request, "sending/pool_form.html", context, status=422 if form.errors else 200)


@require_POST
def delete_pool(request: HttpRequest, pool_id: int) -> HttpResponse:
    row = get_object_or_404(Pool, pk=pool_id)
    try:
        row.delete()
        messages.success(request, _("The pool “%(name)s” is gone. Its routes stay.") % {"name": row.name})
    except ProtectedError:
        messages.error(request, _("Campaigns were sent by “%(name)s”, so it stays.") % {"name": row.name})
    return redirect("routes")
