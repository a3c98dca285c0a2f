"""/people/privacy/: who wants their data or wants to be erased, and until when they must have an answer."""

from django.contrib import messages
from django.db.models import F, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audiences import privacy_requests
from audiences.access import acting
from audiences.forms import ReasonForm
from audiences.models import PrivacyRequest, Subscriber

SHOWN = 100


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    person = Subscriber.objects.filter(address_key=OuterRef("address_key"))
    rows = PrivacyRequest.objects.select_related("answered_by").annotate(
        person=Subquery(person.values("pk")[:1]), email=Subquery(person.values("email")[:1])
    )
    context = {
        "nav": "people",
        "waiting": rows.filter(answered_at=None).order_by("answer_by", "pk")[:SHOWN],
        "answered": rows.exclude(answered_at=None).order_by(F("answered_at").desc(), "-pk")[:SHOWN],
        "now": timezone.now(),  # clock: entry
    }
    return render(request, "audiences/privacy_requests.html", context)


@require_POST
def close(request: HttpRequest, request_id: int) -> HttpResponse:
    """Answered in another way, or refused: with how or why."""
    form = ReasonForm(request.POST)
    now = timezone.now()  # clock: entry
    if not form.is_valid():
        messages.error(request, _("Say how it was answered, or why not. Nothing was changed."))
    elif privacy_requests.close(
        now=now, request_id=request_id, note=form.cleaned_data["reason"], user_id=acting(request).pk
    ):
        messages.success(request, _("Closed. Your sentence is kept with it."))
    return redirect("privacy-requests")
