"""/suppressions/"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from audiences import suppress
from audiences.access import acting
from audiences.forms import AddressForm, NewSuppressionsForm, ReasonForm
from audiences.keys import key_of
from audiences.models import Suppression
from audiences.paging import page_of_suppressions
from audiences.scopes import why_not_liftable, words_for
from words import number


def index(request: HttpRequest) -> HttpResponse:
    form = AddressForm({"email": request.GET["q"]} if request.GET.get("q") else None)
    context: dict[str, object] = {"nav": "suppressions", "form": form, "q": request.GET.get("q", "")}
    if form.is_bound and form.is_valid():
        address = form.cleaned_data["email"]
        held = Suppression.objects.filter(address_key=key_of(address)).select_related("created_by")
        context |= {"address": address, "rows": words_for(held.order_by("scope"))}
    elif not form.is_bound:
        page = page_of_suppressions(after=request.GET.get("after", ""))
        context |= {"page": page, "rows": words_for(page.rows)}
    return render(request, "audiences/suppressions.html", context)


def new(request: HttpRequest) -> HttpResponse:
    form = NewSuppressionsForm(request.POST or None, initial={"addresses": request.GET.get("address", "")})
    context: dict[str, object] = {"nav": "suppressions", "form": form}
    if form.is_valid():
        done = suppress.import_suppressed(
            now=timezone.now(),  # clock: entry
            addresses=form.lines(),
            scope=form.cleaned_data["scope"],
            reason=Suppression.Reason.MANUAL,
            source=form.cleaned_data["note"],
            user_id=acting(request).pk,
        )
        messages.success(
            request,
            _("%(n_added)s suppressed, %(n_already)s were already.")
            % {"n_added": number(done.n_added), "n_already": number(done.n_already)},
        )
        if not done.rejected:
            return redirect("suppressions")
        context["rejected"] = done.rejected
    return render(request, "audiences/suppression_form.html", context, status=422 if form.errors else 200)


def lift(request: HttpRequest, suppression_id: int) -> HttpResponse:
    row = get_object_or_404(Suppression, pk=suppression_id)
    form = ReasonForm(request.POST or None)
    refusal = why_not_liftable(row)
    if form.is_valid() and not refusal:
        try:
            _lift(request, row, form.cleaned_data["reason"])
        except suppress.CannotLift as error:
            refusal = str(error)
        else:
            messages.success(request, _("Lifted. The address can be written to again."))
            return redirect("suppressions")
    [(_row, scope, _why)] = words_for([row])
    context = {"nav": "suppressions", "row": row, "scope": scope, "form": form, "refusal": refusal}
    return render(request, "audiences/suppression_lift.html", context, status=422 if form.errors else 200)


def _lift(request: HttpRequest, row: Suppression, reason: str) -> None:
    now, actor = timezone.now(), acting(request).get_username()  # clock: entry
    suppress.lift(now=now, address_key=row.address_key, scope=row.scope, actor=actor, reason=reason)
