"""Recipients' doors. The token is the permission: no cookie, no CSRF token, no redirect but a link's own."""

import logging
from base64 import b64decode
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import wraps
from typing import Any, TypedDict, cast

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from audiences import frequency, pause
from audiences.leaving_reasons import note_reason
from audiences.pure.addresses import BadAddress, bare_address, normalise
from reputation.workspace import workspace
from sending import leaving_later
from sending.doors import asking, choosing, language, leaving, visits, web
from sending.doors.addresses import door_address
from sending.doors.leaving import Evidence
from sending.pure import tokens
from words.typed import is_whole

logger = logging.getLogger(__name__)

PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https: data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups"
)
# Written as they are sent: half of what a click costs beyond its redirect would go into putting them together.
HEADERS = {
    "Cache-Control": "max-age=0, no-cache, no-store, must-revalidate, private",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
Door = Callable[..., HttpResponse]
Guarded = Callable[..., HttpResponse]


def door(purpose: str, *methods: str, policy: str = POLICY) -> Callable[[Door], Guarded]:
    """Wrap a view that takes the token's payload: bad tokens get a friendly page, a lost database a plain 503."""

    headers = {**HEADERS, "Content-Security-Policy": policy}

    def decorate(view: Door) -> Guarded:
        @wraps(view)
        def guarded(request: HttpRequest, token: str, **named: Any) -> HttpResponse:
            try:
                asked = tokens.read(token, purpose, keys=settings.TOKEN_KEYS)
                if not _is_for_people(request, purpose):
                    response = view(request, asked, **named)
                else:
                    with _in_their_language(request, asked):
                        response = view(request, asked, **named)
            except tokens.BadToken:
                response = _damaged(request)
            except DatabaseError:
                response = _try_again(request)
            for name, value in headers.items():
                response[name] = value
            # The middleware has nothing to add.
            response._csp_config = {}  # type: ignore[attr-defined]
            return response

        # The decorators' types know only views of one argument.
        framed: Any = require_http_methods(["GET", "HEAD", *methods])(cast(Any, guarded))
        return cast(Guarded, csrf_exempt(framed))

    return decorate


def _is_for_people(request: HttpRequest, purpose: str) -> bool:
    """A page that somebody reads. Programs press one-click, follow links, fetch pixels: a question less for those."""
    if purpose == "unsubscribe" and request.method == "POST":
        return any(name in request.POST for name in ("confirm", "all", "undo", "pause", "fewer", "why"))
    return purpose in ("unsubscribe", "preferences", "confirm", "privacy")


def _in_their_language(request: HttpRequest, asked: Any) -> AbstractContextManager[None]:
    """With the database away a wish is still kept, and said in the browser's language."""
    lists = getattr(asked, "lists", ()) or ([asked.list] if isinstance(asked, tokens.Confirm) else ())
    try:
        spoken = language.language_for(request, subscriber_id=asked.subscriber, list_ids=lists)
    except DatabaseError:
        spoken = language.of_browser(request)
    return translation.override(spoken)


@door("unsubscribe", "POST")
def unsubscribe(request: HttpRequest, asked: tokens.Unsubscribe) -> HttpResponse:
    if request.method != "POST":
        return _page(request, "unsubscribe", **_leavable(asked))
    if asked.test:
        return _test_note(request)
    if "undo" in request.POST:
        return _undo(request, asked)
    if "pause" in request.POST:
        return _paused(request, asked)
    if "fewer" in request.POST:
        return _fewer(request, asked)
    if "why" in request.POST:
        return _told_why(request, asked)
    return _left(request, asked)


def _left(request: HttpRequest, asked: tokens.Unsubscribe) -> HttpResponse:
    everything = "all" in request.POST
    source = "page" if everything or "confirm" in request.POST else "one-click"
    wish: Wish = {"asked": asked, "everything": everything, "source": source, "evidence": _evidence(request)}
    now = timezone.now()  # clock: entry
    try:
        leaving.leave(now=now, **wish)
    except leaving_later.REFUSED:
        raise
    except DatabaseError:
        return _kept(request, now, wish)
    if source == "one-click":
        return HttpResponse("You are unsubscribed.\n", content_type="text/plain; charset=utf-8")
    return _page(request, "unsubscribed", everything=everything, can_undo=True, **_links(asked))


def _told_why(request: HttpRequest, asked: tokens.Unsubscribe) -> HttpResponse:
    """Asked afterwards only; whoever does not answer has left all the same."""
    since = timezone.now() - leaving.UNDO_WITHIN  # clock: entry
    note_reason(subscriber_id=asked.subscriber, reason=request.POST["why"], since=since)
    return _note(request, _("Thank you"), _("You are unsubscribed"), done=True)


def _paused(request: HttpRequest, asked: tokens.Unsubscribe) -> HttpResponse:
    until = pause.pause(now=timezone.now(), subscriber_id=asked.subscriber, source="page")  # clock: entry
    if until is None:
        return _note(request, _("Nothing was changed"), _("You get nothing from us as it is."))
    sentence = choosing.pause_said(until)
    return _note(request, _("Paused"), sentence, done=True)


def _fewer(request: HttpRequest, asked: tokens.Unsubscribe) -> HttpResponse:
    now = timezone.now()  # clock: entry
    frequency.choose_frequency(now=now, subscriber_id=asked.subscriber, days=frequency.MONTHLY)
    if frequency.frequency_of(asked.subscriber) == frequency.EVERY:
        return _note(request, _("Nothing was changed"), _("You get nothing from us as it is."))
    return _note(request, _("Saved."), _("You get at most one letter a month from now on."), done=True)


class Wish(TypedDict):
    asked: tokens.Unsubscribe
    everything: bool
    source: str
    evidence: Evidence


def _kept(request: HttpRequest, now: datetime, wish: Wish) -> HttpResponse:
    """The database is away, and so are the pages' letterhead and the person's lists. The wish is on disk."""
    try:
        leaving_later.keep(now=now, **wish)
    except OSError:
        logger.exception("A leaving could be kept nowhere")
        return _try_again(request)
    said = _("You are unsubscribed. We have saved your wish and carry it out as soon as our database is back.")
    return HttpResponse(f"{said}\n", content_type="text/plain; charset=utf-8")


def _undo(request: HttpRequest, asked: tokens.Unsubscribe) -> HttpResponse:
    done = leaving.take_back(now=timezone.now(), asked=asked, evidence=_evidence(request))  # clock: entry
    if done:
        return _note(request, _("You are subscribed again"), _("Nothing was lost. You can still leave at any time."))
    return _note(request, _("That was too long ago"), _("To come back, subscribe again."), status=409)


@door("preferences", "POST")
def preferences(request: HttpRequest, asked: tokens.Preferences) -> HttpResponse:
    saved = ""
    if request.method == "POST":
        if asked.test:
            return _test_note(request)
        saved = _choose(request, asked)
        # In the language that they may just have chosen.
        with _in_their_language(request, asked):
            return _page(request, "preferences", saved=str(saved), can_undo=_can_undo(request, asked), **_about(asked))
    return _page(request, "preferences", saved=saved, **_about(asked))


def _can_undo(request: HttpRequest, asked: tokens.Preferences) -> bool:
    """Right after something was left."""
    now = timezone.now()  # clock: entry
    return "undo" not in request.POST and choosing.left_since(now - leaving.UNDO_WITHIN, asked.subscriber)


def _choose(request: HttpRequest, asked: tokens.Preferences) -> str:
    """What was changed, in a sentence."""
    now = timezone.now()  # clock: entry
    if "undo" in request.POST:
        back = choosing.take_back(now=now, subscriber_id=asked.subscriber, evidence=_evidence(request))
        return _("You are subscribed again") if back else _("That was too long ago")
    if "address" in request.POST:
        return _asked_for_address(request, asked, now)
    if "pause" in request.POST:
        until = pause.pause(now=now, subscriber_id=asked.subscriber, source="preferences")
        return choosing.pause_said(until) if until else _("You get nothing from us as it is.")
    if "go_on" in request.POST:
        pause.go_on(subscriber_id=asked.subscriber)
        return _("Saved. Letters reach you again.")
    return choosing.choose(
        now=now, subscriber_id=asked.subscriber, choice=_choice(request), evidence=_evidence(request)
    )


def _choice(request: HttpRequest) -> choosing.Choice:
    return choosing.Choice(
        wanted=[] if "all" in request.POST else _numbers(request.POST.getlist("list")),
        everything="all" in request.POST,
        language=language.first_spoken([request.POST.get("language", "")]),
        days=_days(request.POST.get("days", "")),
        names={} if "all" in request.POST else {name: _name(request, name) for name in ("first_name", "last_name")},
    )


def _name(request: HttpRequest, field: str) -> str:
    """On one line: it ends up in subjects."""
    return " ".join("".join(c if c.isprintable() else " " for c in request.POST.get(field, "")).split())


def _asked_for_address(request: HttpRequest, asked: tokens.Preferences, now: datetime) -> str:
    """The new mailbox must agree: nobody else's letters go to it, and no typing error swallows them."""
    try:
        address = normalise(bare_address(request.POST["address"]))
    except BadAddress:
        return _("This is not an e-mail address.")
    asking.ask_of_person(
        now=now,
        kind=asking.Kind.ADDRESS,
        subscriber_id=asked.subscriber,
        email=address,
        ip=_evidence(request).ip,
        language=translation.get_language(),
    )
    return _("Look into the mailbox of the new address. The link there is good for a day.")


@door("confirm", "POST")
def confirm(request: HttpRequest, asked: tokens.Confirm) -> HttpResponse:
    now = timezone.now()  # clock: entry
    found = choosing.waiting(now=now, asked=asked)
    if isinstance(found, str):
        return _note(request, _("This link is too old"), found, status=410)
    if request.method != "POST":
        return _page(request, "confirm", list=found, masked=leaving.masked_address(asked.subscriber))
    if asked.test:
        return _test_note(request)
    refused = choosing.why_not(choosing.confirm(now=now, asked=asked, evidence=_evidence(request)))
    if refused:
        return _note(request, _("You are not subscribed"), refused, status=409)
    return _note(
        request,
        _("You are subscribed"),
        _("Thank you. %(name)s will reach you from now on.") % {"name": found.public_name},
        done=True,
    )


@door("web", policy=LETTER_POLICY)
def web_version(request: HttpRequest, asked: tokens.Web) -> HttpResponse:
    html = web.version_of(mailing_id=asked.mailing, delivery_id=asked.delivery, now=timezone.now())  # clock: entry
    if html is None:
        return _gone(request)
    return HttpResponse(html)


@door("link")
def link(request: HttpRequest, asked: tokens.Link, number: int | None = None) -> HttpResponse:
    if number is None:
        raise tokens.BadToken("The link is incomplete.")
    target = visits.target_of(asked.mailing, number)
    if target is None:
        return _gone(request)
    if request.method == "GET" and not asked.test:
        visits.clicked(
            now=timezone.now(),  # clock: entry
            mailing_id=asked.mailing,
            delivery_id=asked.delivery,
            link=number,
            by_machine=visits.is_machine(request.headers.get("User-Agent", "")),
        )
    return HttpResponseRedirect(target)


@door("open")
def open_pixel(request: HttpRequest, asked: tokens.Open) -> HttpResponse:
    if request.method == "GET" and not asked.test:
        visits.opened(
            now=timezone.now(),  # clock: entry
            mailing_id=asked.mailing,
            delivery_id=asked.delivery,
            by_machine=visits.is_machine(request.headers.get("User-Agent", "")),
        )
    return HttpResponse(PIXEL, content_type="image/gif")


@door("privacy", "POST")
def privacy(request: HttpRequest, asked: tokens.Privacy) -> HttpResponse:
    if request.method == "POST" and asked.test:
        return _test_note(request)
    wanted = next((kind for kind in ("erase", "export") if kind in request.POST), "")
    if wanted:
        # A letter that was handed on holds this link too; the mailbox is the person's.
        asking.ask_of_person(
            now=timezone.now(),  # clock: entry
            kind=wanted,
            subscriber_id=asked.subscriber,
            ip=_evidence(request).ip,
            language=translation.get_language(),
        )
        return _note(request, _("Look into your mailbox"), _("The link there is good for 30 minutes."), done=True)
    return _page(request, "privacy", masked=leaving.masked_address(asked.subscriber))


def _page(request: HttpRequest, name: str, **context: Any) -> HttpResponse:
    return render(request, f"recipient/{name}.html", {"workspace": workspace(), **context})


def _note(request: HttpRequest, heading: str, sentence: str, *, status: int = 200, done: bool = False) -> HttpResponse:
    context = {"workspace": workspace(), "heading": heading, "sentence": sentence, "done": done}
    return render(request, "recipient/note.html", context, status=status)


def _damaged(request: HttpRequest) -> HttpResponse:
    """No hint whether anybody exists. A new link comes by mail; the address in the letter always works."""
    with _in_browsers_language(request):
        heading, sentence = (
            _("This link is not complete"),
            _("Open the letter again and use its link, or answer the letter: we read that too."),
        )
        try:
            return render(request, "recipient/ask.html", ask_context(heading, sentence), status=404)
        except DatabaseError:
            # The page's letterhead is in the database; that the link is damaged is true without it.
            return HttpResponse(f"{heading}. {sentence}\n", status=404, content_type="text/plain; charset=utf-8")


def ask_context(heading: str, sentence: str) -> dict[str, Any]:
    return {"workspace": workspace(), "heading": heading, "sentence": sentence}


def _gone(request: HttpRequest) -> HttpResponse:
    with _in_browsers_language(request):
        return _note(request, _("This letter is no longer kept"), _("It was sent some time ago."), status=410)


def _in_browsers_language(request: HttpRequest) -> AbstractContextManager[None]:
    try:
        return translation.override(language.language_for(request))
    except DatabaseError:
        return translation.override(language.of_browser(request))


def _try_again(request: HttpRequest) -> HttpResponse:
    with translation.override(language.of_browser(request)):
        said = _("We cannot save this right now. Please try again in a minute.")
    plain = "text/plain; charset=utf-8"
    return HttpResponse(f"{said}\n", status=503, content_type=plain, headers={"Retry-After": "60"})


def _test_note(request: HttpRequest) -> HttpResponse:
    return _note(request, _("This was a test"), _("The link works. In a test letter it changes nothing."))


def _masked(asked: tokens.Unsubscribe) -> str:
    return leaving.masked_address(asked.subscriber)


def _leavable(asked: tokens.Unsubscribe) -> dict[str, Any]:
    until = timezone.now() + pause.PAUSE  # clock: entry
    return {
        "lists": leaving.lists_of(asked),
        "masked": _masked(asked),
        "pause_until": until,
        **_links(asked),
    }


def _links(asked: tokens.Unsubscribe) -> dict[str, str]:
    return {"preferences_url": door_address("preferences", tokens.Preferences(asked.subscriber, asked.test))}


def _about(asked: tokens.Preferences) -> dict[str, Any]:
    return {
        "rows": choosing.choices(asked.subscriber),
        "masked": leaving.masked_address(asked.subscriber),
        "paused_until": pause.paused_until(asked.subscriber),
        "days": frequency.frequency_of(asked.subscriber),
        "frequencies": [(0, _("Every letter")), (7, _("At most one a week")), (30, _("At most one a month"))],
        "languages": settings.LANGUAGES,
        "privacy_url": door_address("privacy", tokens.Privacy(asked.subscriber, asked.test)),
    }


def _evidence(request: HttpRequest) -> Evidence:
    return Evidence(ip=request.META.get("REMOTE_ADDR"), user_agent=request.headers.get("User-Agent", ""))


def _days(text: str) -> int | None:
    """One of the choices, or nothing."""
    return int(text) if text in map(str, frequency.CHOICES) else None


def _numbers(values: list[str]) -> list[int]:
    return [int(value) for value in values if is_whole(value, digits=11)]
