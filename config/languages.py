"""Which language the team's pages speak: the member's own choice, the browser's cookie, or what the browser asks for.

Recipients' pages choose for themselves (`sending.doors.language`) and are not asked here.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import activate, get_language, override
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.decorators.http import require_POST

from config.models import Member

KEPT_FOR = timedelta(days=365)
_NAMES = dict(settings.LANGUAGES)
# Each with its own name, as the switch shows them.
SPOKEN = [(code, _NAMES[code]) for code in settings.SITE_LANGUAGES]


class SiteLanguage:
    """Middleware, before anything says a word. Costs no query; the gatekeeper follows with a member's own choice."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with override(of_browser(request)):
            response = self._answer(request)
            response.headers.setdefault("Content-Language", get_language() or settings.LANGUAGE_CODE)
        return response


def of_browser(request: HttpRequest) -> str:
    """The cookie of the switch, else the first language of Accept-Language that the site speaks, else English."""
    asked = (code for code, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", "")))
    return first_spoken([request.COOKIES.get(settings.SITE_LANGUAGE_COOKIE, ""), *asked])


def first_spoken(codes: Iterable[str]) -> str:
    """`de-AT` is `de`."""
    near = (code.lower().partition("-")[0] for code in codes)
    return next((code for code in near if code in settings.SITE_LANGUAGES), settings.LANGUAGE_CODE)


def follow(chosen: str) -> None:
    """Go on in the language a member chose, where one was chosen and is still spoken."""
    if chosen in settings.SITE_LANGUAGES:
        activate(chosen)


@require_POST
def choose(request: HttpRequest) -> HttpResponseRedirect:
    """The switch: kept with the member who is signed in, and in a cookie for whoever signs in here next."""
    code = first_spoken([request.POST.get("language", "")])
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    response = HttpResponseRedirect(back if safe else reverse("home"))
    response.set_cookie(
        settings.SITE_LANGUAGE_COOKIE,
        code,
        max_age=KEPT_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    if request.user.is_authenticated:
        Member.objects.filter(pk=request.user.pk).update(language=code)
    return response
