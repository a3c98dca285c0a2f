"""Viewers see masked addresses, where the workspace says so: done to whole answers, so that no page can forget it.

A reply of a receiver, a remark, a letter's text or a field may hold an address as well as the column of that name.
Ours stay: the team's, and those that campaigns are sent from and answered to.
"""

import base64
import hmac

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase

from audiences.pure.masking import addresses_in, mask_text
from campaigns.models import Campaign
from reputation.workspace import workspace
from words import gettext as _

# The manual's addresses are examples.
WITHOUT_PEOPLE = frozenset({"help", "help-page"})
PICTURES = ("image/", "font/")


def mask(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
    """The answer with people's addresses masked. What is no text we can look into is refused: PermissionDenied."""
    kind = answer.headers.get("Content-Type", "")
    if kind.startswith(PICTURES) or (request.resolver_match and request.resolver_match.view_name in WITHOUT_PEOPLE):
        return answer
    if not isinstance(answer, HttpResponse) or not kind.startswith(("text/", "application/json")):
        raise PermissionDenied(_("Your role sees masked addresses here, so it cannot take files away."))
    text = answer.content.decode(answer.charset, "replace")
    if found := addresses_in(text):
        answer.content = mask_text(text, keep=_ours(found) | _typed(request), mark=mark_of).encode(answer.charset)
        if answer.has_header("Content-Length"):
            answer["Content-Length"] = str(len(answer.content))
    return answer


def mark_of(address: str) -> str:
    """Four letters and digits of a keyed hash: nobody who guesses an address can check it."""
    digest = hmac.digest(settings.PEPPER, b"mark:" + address.encode(), "sha256")
    return base64.b32encode(digest)[:4].decode().lower()


def _ours(found: set[str]) -> set[str]:
    senders = Campaign.objects.filter(from_address__in=found).values_list("from_address", flat=True)
    answered = Campaign.objects.filter(reply_to__in=found).values_list("reply_to", flat=True)
    team = User.objects.filter(email__in=found).values_list("email", flat=True)
    return {*senders.distinct(), *answered.distinct(), *team, workspace().reply_forward_to.lower()}


def _typed(request: HttpRequest) -> set[str]:
    """Who looks for somebody by the whole address knows it."""
    return {request.GET.get("q", "").strip().lower()}
