"""Doors behind mailed links, the form that asks for one, and letters that are handed on."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from audiences import privacy_requests
from audiences.change_address import AddressTaken, change_address
from audiences.keys import key_of
from audiences.models import Subscriber
from audiences.pure.addresses import BadAddress, bare_address
from reputation.workspace import workspace
from sending.doors import asking, choosing, language, leaving, web
from sending.doors.addresses import door_address
from sending.doors.asking import Kind
from sending.doors.views import HEADERS, LETTER_POLICY, POLICY, ask_context, door
from sending.models import AskedMail
from sending.pure import tokens


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """Enter an address, get a link by mail. The answer is one and the same whoever that is."""
    with translation.override(language.language_for(request)):
        answer = _asked(request) if request.method == "POST" else _ask_page(request)
    for name, value in {**HEADERS, "Content-Security-Policy": POLICY}.items():
        answer[name] = value
    answer._csp_config = {}  # type: ignore[attr-defined]
    return answer


def _ask_page(request: HttpRequest, *, wrong: str = "") -> HttpResponse:
    context = ask_context(_("Your letters"), _("Choose what you get, or stop everything."))
    return render(request, "recipient/ask.html", {**context, "wrong": wrong}, status=422 if wrong else 200)


def _asked(request: HttpRequest) -> HttpResponse:
    try:
        key = key_of(bare_address(request.POST.get("email", "")[:400]))
    except BadAddress:
        return _ask_page(request, wrong=_("This is not an e-mail address."))
    asking.ask_for_links(
        now=timezone.now(),  # clock: entry
        address_key=key,
        ip=request.META.get("REMOTE_ADDR"),
        language=translation.get_language(),
    )
    sentence = _("If we write to this address, a link is on its way to it.")
    return _note(request, _("Look into your mailbox"), sentence, done=True)


@door("mailed", "POST")
def mailed(request: HttpRequest, asked: tokens.Mailed) -> HttpResponse:
    now = timezone.now()  # clock: entry
    row = asking.still_good(now=now, asked=asked.asked)
    with translation.override((row.language if row else "") or language.language_for(request)):
        if row is None:
            return _note(request, _("This link is too old"), _("Please ask for a new one."), status=410)
        return _CARRY_OUT[Kind(row.kind)](request, row, now)


def _new_address(request: HttpRequest, row: AskedMail, now: datetime) -> HttpResponse:
    person = Subscriber.objects.filter(pk=row.subscriber_id or 0).first()
    if person is None:
        return _note(request, _("This link is too old"), _("We keep nothing about you."), status=410)
    if request.method != "POST" and person.email != row.email:
        context = {"old": leaving.masked_address(person.pk), "new": row.email}
        return _page(request, "new_address", **context)
    try:
        change_address(now=now, subscriber_id=person.pk, email=row.email)
    except AddressTaken:
        sentence = _("We know this address already. Use the link in a letter that came to it.")
        return _note(request, _("Nothing was changed"), sentence, status=409)
    sentence = _("Letters come to %(address)s from now on.") % {"address": row.email}
    return _note(request, _("Your address is changed"), sentence, done=True)


def _export(request: HttpRequest, row: AskedMail, now: datetime) -> HttpResponse:
    if request.method != "POST":
        return _page(request, "your_data", kind=row.kind, masked=leaving.masked_address(row.subscriber_id or 0))
    privacy_requests.answered(now=now, subscriber_id=row.subscriber_id or 0, kind=Kind.EXPORT)
    as_table = request.POST.get("export") == "csv"
    headers = {"Content-Disposition": f"attachment; filename=my-data.{'csv' if as_table else 'json'}"}
    kind = "text/csv; charset=utf-8" if as_table else "application/json"
    return HttpResponse(choosing.export(row.subscriber_id or 0, as_table=as_table), content_type=kind, headers=headers)


def _erase(request: HttpRequest, row: AskedMail, now: datetime) -> HttpResponse:
    if request.method != "POST":
        return _page(request, "your_data", kind=row.kind, masked=leaving.masked_address(row.subscriber_id or 0))
    choosing.erase(now=now, subscriber_id=row.subscriber_id or 0)
    AskedMail.objects.filter(subscriber_id=row.subscriber_id).exclude(pk=row.pk).delete()
    return _note(request, _("You are erased"), _("Only a code remains, so that nobody adds you again by mistake."))


_CARRY_OUT = {Kind.ADDRESS: _new_address, Kind.EXPORT: _export, Kind.ERASE: _erase}


@door("web")
def forward(request: HttpRequest, asked: tokens.Web) -> HttpResponse:
    """A link to hand on: the letter without the person. We mail nobody's friends."""
    letter = web.shared_version(mailing_id=asked.mailing, now=timezone.now())  # clock: entry
    with translation.override(language.language_for(request)):
        if letter is None:
            return _note(request, _("This letter is no longer kept"), _("It was sent some time ago."), status=410)
        link = door_address("share", tokens.Share(asked.mailing))
        draft = f"mailto:?subject={quote(letter.subject)}&body={quote(link)}"
        return _page(request, "forward", link=link, draft=draft, subject=letter.subject)


@door("share", policy=LETTER_POLICY)
def shared(request: HttpRequest, asked: tokens.Share) -> HttpResponse:
    letter = web.shared_version(mailing_id=asked.mailing, now=timezone.now())  # clock: entry
    if letter is None:
        with translation.override(language.language_for(request)):
            return _note(request, _("This letter is no longer kept"), _("It was sent some time ago."), status=410)
    return HttpResponse(letter.html)


def _page(request: HttpRequest, name: str, **context: Any) -> HttpResponse:
    return render(request, f"recipient/{name}.html", {"workspace": workspace(), **context})


def _note(request: HttpRequest, heading: str, sentence: str, *, status: int = 200, done: bool = False) -> HttpResponse:
    context = {"workspace": workspace(), "heading": heading, "sentence": sentence, "done": done}
    return render(request, "recipient/note.html", context, status=status)
