"""/people/"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from audiences import consent
from audiences import erase as erasing
from audiences import suppress as suppressing
from audiences.access import acting
from audiences.forms import ConsentForm, EraseForm, LeaveForm, NewPersonForm, SuppressForm
from audiences.keys import key_of
from audiences.models import MailingList, PersonField, Subscriber, Suppression
from audiences.paging import number_of_people, page_of_people
from audiences.querysets import consent_history
from audiences.scopes import words_for

BECAME = {
    consent.Subscribed.SUBSCRIBED: "{} is on “{}” now.",
    consent.Subscribed.TO_CONFIRM: "{} gets a mail that asks to confirm “{}”. Until then nothing else is sent.",
    consent.Subscribed.ALREADY: "{} was on “{}” already.",
    consent.Subscribed.KEPT_OUT: "{} left or is suppressed, so nothing was changed. Only they can join “{}” again.",
}


def index(request: HttpRequest) -> HttpResponse:
    beginning, after = request.GET.get("q", "").strip(), request.GET.get("after", "")
    page = page_of_people(beginning=beginning, after=after)
    total, exact = number_of_people()
    context = {"nav": "people", "page": page, "q": beginning, "after": after, "total": total, "exact": exact}
    return render(request, "audiences/people.html", context)


def new(request: HttpRequest) -> HttpResponse:
    initial = {"list": request.GET.get("list"), "email": request.GET.get("email")}
    form = NewPersonForm(request.POST or None, initial=initial)
    if form.is_valid():
        address = form.cleaned_data["email"]
        _subscribe(request, address, form, fields=form.person_fields())
        person = Subscriber.objects.filter(address_key=key_of(address)).first()
        return redirect("person", person.pk) if person else redirect("people")
    context = {"nav": "people", "form": form, "has_lists": MailingList.objects.in_use().exists()}
    return render(request, "audiences/person_form.html", context, status=422 if form.errors else 200)


def _subscribe(request: HttpRequest, address: str, form: ConsentForm, fields: dict[str, str] | None = None) -> None:
    wanted: MailingList = form.cleaned_data["list"]
    became = consent.subscribe(
        now=timezone.now(),  # clock: entry
        email=address,
        list_id=wanted.pk,
        fields=fields,
        source=f"added by {acting(request).get_username()}"[:80],
        basis=form.cleaned_data["basis"],
        by_person=False,
    )
    level = messages.WARNING if became == consent.Subscribed.KEPT_OUT else messages.SUCCESS
    messages.add_message(request, level, BECAME[became].format(address, wanted.name))


def show(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    return _page(request, person)


def _page(request: HttpRequest, person: Subscriber, status: int = 200, **forms: object) -> HttpResponse:
    held = Suppression.objects.filter(address_key=person.address_key).select_related("created_by")
    labels = dict(PersonField.objects.values_list("key", "label"))
    context = {
        "nav": "people",
        "person": person,
        "fields": [(labels.get(key, key), value) for key, value in sorted(person.fields.items())],
        "subscriptions": person.subscriptions.select_related("list").order_by("list__name"),
        "suppressions": words_for(held.order_by("scope")),
        "history": consent_history(person.address_key),
        "add_form": ConsentForm(),
        "leave_form": LeaveForm(),
        "suppress_form": SuppressForm(),
        "erase_form": EraseForm(email=person.email),
        **forms,
    }
    return render(request, "audiences/person.html", context, status=status)


@require_POST
def add_to_list(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    form = ConsentForm(request.POST)
    if not form.is_valid():
        return _page(request, person, 422, add_form=form)
    _subscribe(request, person.email, form)
    return redirect("person", person_id)


@require_POST
def unsubscribe(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    form = LeaveForm(request.POST)
    if not form.is_valid():
        return _page(request, person, 422, leave_form=form)
    wanted: MailingList | None = form.cleaned_data["list"]
    done = consent.unsubscribe(
        now=timezone.now(),  # clock: entry
        subscriber_id=person_id,
        list_ids=[wanted.pk] if wanted else [],
        stream_too=wanted is None,
        source=f"by {acting(request).get_username()} for them",
    )
    where = f"“{wanted.name}”" if wanted else "all marketing mail"
    messages.success(request, f"{person.email} {'left' if done.changed else 'had left already:'} {where}.")
    return redirect("person", person_id)


@require_POST
def suppress(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    form = SuppressForm(request.POST)
    if not form.is_valid():
        return _page(request, person, 422, suppress_form=form)
    suppressing.suppress(
        now=timezone.now(),  # clock: entry
        address_key=person.address_key,
        scope=form.cleaned_data["scope"],
        reason=Suppression.Reason.MANUAL,
        source=form.cleaned_data["note"],
        user_id=acting(request).pk,
    )
    messages.success(
        request, _("Suppressed. What was on its way this second may still reach %(email)s.") % {"email": person.email}
    )
    return redirect("person", person_id)


@require_POST
def erase(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    form = EraseForm(request.POST, email=person.email)
    if not form.is_valid():
        return _page(request, person, 422, erase_form=form)
    now = timezone.now()  # clock: entry
    erasing.erase(now=now, subscriber_id=person_id, source=f"by {acting(request).get_username()}")
    messages.success(request, _("Erased. What stays is a key that keeps imports from bringing the address back."))
    return redirect("people")
