"""/suppressions/"""

from itertools import chain

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audiences import suppress
from audiences.access import acting
from audiences.forms import AddressForm, NewSuppressionsForm, ReasonForm
from audiences.import_files import BadFile, addresses_in
from audiences.keys import key_of
from audiences.models import Suppression
from audiences.paging import page_of_suppressions
from audiences.scopes import why_not_liftable, words_for
from words import number


def index(request: HttpRequest) -> HttpResponse:
    form = AddressForm({"email": request.GET["q"]} if request.GET.get("q") else None)
    reason = request.GET.get("reason", "")
    context: dict[str, object] = {"nav": "suppressions", "form": form, "q": request.GET.get("q", "")}
    context |= {"reason": reason, "reasons": Suppression.Reason.choices}
    if form.is_bound and form.is_valid():
        address = form.cleaned_data["email"]
        held = Suppression.objects.filter(address_key=key_of(address)).select_related("created_by").order_by("scope")
        context |= {"address": address, "rows": words_for(held.filter(reason=reason) if reason else held)}
    elif not form.is_bound:
        page = page_of_suppressions(after=request.GET.get("after", ""), reason=reason)
        context |= {"page": page, "rows": words_for(page.rows)}
    return render(request, "audiences/suppressions.html", context)


def new(request: HttpRequest) -> HttpResponse:
    initial = {"addresses": request.GET.get("address", "")}
    form = NewSuppressionsForm(request.POST or None, request.FILES or None, initial=initial)
    context: dict[str, object] = {"nav": "suppressions", "form": form}
    if form.is_valid():
        try:
            done = _import(request, form)
        except BadFile as error:
            form.add_error("file", str(error))
        else:
            messages.success(
                request,
                _("%(n_added)s suppressed, %(n_already)s were already.")
                % {"n_added": number(done.n_added), "n_already": number(done.n_already)},
            )
            if not done.rejected:
                return redirect("suppressions")
            context["rejected"] = done.rejected
    return render(request, "audiences/suppression_form.html", context, status=422 if form.errors else 200)


def _import(request: HttpRequest, form: NewSuppressionsForm) -> suppress.ImportedSuppressions:
    """Those typed and those of the file, in this order. Raises BadFile."""
    file = form.cleaned_data["file"]
    return suppress.import_suppressed(
        now=timezone.now(),  # clock: entry
        addresses=chain(form.lines(), addresses_in(file.chunks()) if file else ()),
        scope=form.cleaned_data["scope"],
        reason=form.cleaned_data["reason"],
        source=form.cleaned_data["note"],
        user_id=acting(request).pk,
    )


@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Keys and reasons, no address: what another installation with the same pepper suppresses too."""
    lines = suppress.keys_csv()
    answer = StreamingHttpResponse((line.encode() for line in lines), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="suppressions.csv"'
    return answer


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
