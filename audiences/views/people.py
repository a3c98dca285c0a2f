"""/people/"""

from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from audiences import consent, privacy_requests
from audiences import erase as erasing
from audiences import suppress as suppressing
from audiences.access import acting
from audiences.changes import BadField, as_typed, note_changes, revise
from audiences.choosing import STATES, Chosen, count
from audiences.export_people import about
from audiences.forms import ConsentForm, EraseForm, LeaveForm, NewPersonForm, NoteForm, PersonForm, SuppressForm
from audiences.keys import key_of
from audiences.models import MailingList, PersonChange, PersonField, Subscriber, Suppression
from audiences.paging import number_of_people, page_of_people
from audiences.querysets import consent_history
from audiences.scopes import words_for
from words import marked

MOST_COLUMNS = 8
BECAME = {
    consent.Subscribed.SUBSCRIBED: marked("%(email)s is on “%(list)s” now."),
    consent.Subscribed.TO_CONFIRM: marked(
        "%(email)s gets a mail that asks to confirm “%(list)s”. Until then nothing else is sent."
    ),
    consent.Subscribed.ALREADY: marked("%(email)s was on “%(list)s” already."),
    consent.Subscribed.KEPT_OUT: marked(
        "%(email)s left or is suppressed, so nothing was changed. Only they can join “%(list)s” again."
    ),
}


# More of them are not counted for whoever looks; a bulk job counts them all.
COUNTED = 10_000


def index(request: HttpRequest) -> HttpResponse:
    chosen, after = Chosen.of(request.GET.dict()), request.GET.get("after", "")
    total, exact = number_of_people()
    fields = list(PersonField.objects.order_by("label"))
    context = {
        "nav": "people",
        "page": page_of_people(chosen, after=after),
        "chosen": chosen,
        "after": after,
        "total": total,
        "exact": exact,
        "found": None if chosen.is_everybody or after else count(chosen, up_to=COUNTED),
        "most": COUNTED,
        "lists": MailingList.objects.in_use(),
        "states": [(state, _(word)) for state, word in STATES.items()],
        "fields": fields,
        "columns": _columns(request, fields),
    }
    return render(request, "audiences/people.html", context)


def _columns(request: HttpRequest, fields: list[PersonField]) -> list[PersonField]:
    """Which fields have a column; kept in the session until somebody chooses anew."""
    if "columns" in request.GET:
        request.session["people_columns"] = request.GET.getlist("column")[:MOST_COLUMNS]
    wanted = request.session.get("people_columns", [])
    return [field for field in fields if field.key in wanted]


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


def _subscribe(
    request: HttpRequest, address: str, form: ConsentForm, fields: dict[str, str] | None = None
) -> consent.Subscribed:
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
    messages.add_message(request, _level(became), _(BECAME[became]) % {"email": address, "list": wanted.name})
    return became


def show(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    return _page(request, person)


def _page(request: HttpRequest, person: Subscriber, status: int = 200, **forms: object) -> HttpResponse:
    held = Suppression.objects.filter(address_key=person.address_key).select_related("created_by")
    context = {
        "nav": "people",
        "person": person,
        "fields": _fields(person),
        "subscriptions": person.subscriptions.select_related("list").order_by("list__name"),
        "suppressions": words_for(held.order_by("scope")),
        "history": consent_history(person.address_key),
        "changes": PersonChange.objects.filter(address_key=person.address_key).select_related("by")[:50],
        "notes": person.notes.select_related("by"),
        **_forms(person),
        **forms,
    }
    return render(request, "audiences/person.html", context, status=status)


def _fields(person: Subscriber) -> list[tuple[str, str, bool]]:
    """Label, what stands there, and whether it is a link."""
    known = {row.key: row for row in PersonField.objects.all()}
    found = []
    for key, value in sorted(person.fields.items()):
        row, text = known.get(key), as_typed(value)
        is_link = row is not None and row.kind == PersonField.Kind.URL and text.startswith(("https://", "http://"))
        found.append((row.label if row else key, text, is_link))
    return found


def _forms(person: Subscriber) -> dict[str, object]:
    return {
        "add_form": ConsentForm(),
        "consent_form": ConsentForm(auto_id="again_%s"),
        "leave_form": LeaveForm(),
        "suppress_form": SuppressForm(),
        "erase_form": EraseForm(email=person.email),
        "note_form": NoteForm(),
    }


def edit(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    form = PersonForm(request.POST or None, person=person)
    if form.is_valid():
        try:
            changed = revise(
                now=timezone.now(),  # clock: entry
                subscriber_id=person_id,
                typed=form.typed(),
                language=form.cleaned_data["language"],
                user_id=acting(request).pk,
            )
        except BadField as error:
            form.add_error(f"field_{error.key}", str(error))
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return redirect("person", person_id)
    context = {"nav": "people", "person": person, "form": form}
    return render(request, "audiences/person_edit.html", context, status=422 if form.errors else 200)


@require_POST
def note(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _page(request, person, 422, note_form=form)
    now = timezone.now()  # clock: entry
    person.notes.create(text=form.cleaned_data["text"], by=acting(request), at=now)
    return redirect("person", person_id)


@require_http_methods(["GET", "HEAD", "POST"])
def export(request: HttpRequest, person_id: int) -> HttpResponse:
    """Everything kept about one person, for whoever asks us what that is. Posted, it is the answer to who asked."""
    person = get_object_or_404(Subscriber, pk=person_id)
    if request.method == "POST":
        now, by = timezone.now(), acting(request)  # clock: entry
        privacy_requests.answered(now=now, subscriber_id=person.pk, kind=privacy_requests.Kind.EXPORT, user_id=by.pk)
    answer = JsonResponse(about(person), json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = f'attachment; filename="person-{person.pk}.json"'
    return answer


@require_POST
def new_consent(request: HttpRequest, person_id: int) -> HttpResponse:
    """Somebody who left agreed anew: with the evidence they are asked to confirm, and nothing else brings them back."""
    person = get_object_or_404(Subscriber, pk=person_id)
    form = ConsentForm(request.POST, auto_id="again_%s")
    if not form.is_valid():
        return _page(request, person, 422, consent_form=form)
    wanted: MailingList = form.cleaned_data["list"]
    now = timezone.now()  # clock: entry
    basis, source = form.cleaned_data["basis"], f"new consent, by {acting(request).get_username()}"[:80]
    proof = {"text": basis}
    became = consent.subscribe(
        now=now, email=person.email, list_id=wanted.pk, source=source, basis=basis, by_person=True, evidence=proof
    )
    if became.changed:
        _noted(request, now, person, f"New consent to “{wanted.name}”")
    messages.add_message(request, _level(became), _(BECAME[became]) % {"email": person.email, "list": wanted.name})
    return redirect("person", person_id)


def _level(became: consent.Subscribed) -> int:
    return messages.WARNING if became == consent.Subscribed.KEPT_OUT else messages.SUCCESS


def _noted(request: HttpRequest, now: datetime, person: Subscriber, what: str) -> None:
    note_changes(now=now, people=[person], what=what, user_id=acting(request).pk)


@require_POST
def add_to_list(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    form = ConsentForm(request.POST)
    if not form.is_valid():
        return _page(request, person, 422, add_form=form)
    now = timezone.now()  # clock: entry
    if _subscribe(request, person.email, form).changed:
        _noted(request, now, person, f"Put on “{form.cleaned_data['list'].name}”")
    return redirect("person", person_id)


@require_POST
def unsubscribe(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    form = LeaveForm(request.POST)
    if not form.is_valid():
        return _page(request, person, 422, leave_form=form)
    wanted: MailingList | None = form.cleaned_data["list"]
    now = timezone.now()  # clock: entry
    done = consent.unsubscribe(
        now=now,
        subscriber_id=person_id,
        list_ids=[wanted.pk] if wanted else [],
        stream_too=wanted is None,
        source=f"by {acting(request).get_username()} for them: {form.cleaned_data['note']}"[:80],
    )
    messages.success(request, _left(person, wanted, done.changed))
    if done.changed:
        _noted(request, now, person, f"Unsubscribed from {f'“{wanted.name}”' if wanted else 'all marketing mail'}")
    return redirect("person", person_id)


def _left(person: Subscriber, wanted: MailingList | None, changed: bool) -> str:
    values = {"email": person.email, "list": wanted.name if wanted else ""}
    if wanted:
        return (_("%(email)s left “%(list)s”.") if changed else _("%(email)s had left “%(list)s” already.")) % values
    return (_("%(email)s gets no marketing mail now.") if changed else _("%(email)s got none before.")) % values


@require_POST
def suppress(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    form = SuppressForm(request.POST)
    if not form.is_valid():
        return _page(request, person, 422, suppress_form=form)
    now = timezone.now()  # clock: entry
    is_new = suppressing.suppress(
        now=now,
        address_key=person.address_key,
        scope=form.cleaned_data["scope"],
        reason=Suppression.Reason.MANUAL,
        source=form.cleaned_data["note"],
        user_id=acting(request).pk,
    )
    if is_new:
        _noted(request, now, person, "Suppressed by hand")
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
    _noted(request, now, person, "Erased")
    erasing.erase(now=now, subscriber_id=person_id, source=f"by {acting(request).get_username()}")
    messages.success(request, _("Erased. What stays is a key that keeps imports from bringing the address back."))
    return redirect("people")
