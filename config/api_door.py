"""The way into the API, asked by the gatekeeper: a token instead of a session, and JSON instead of pages."""

from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from config import api_tokens


def come_in(request: HttpRequest) -> JsonResponse | None:
    """Whoever owns the token is who asks, from here on; a session's cookie counts for nothing. Else what is wrong."""
    request.user = AnonymousUser()
    try:
        now = timezone.now()  # clock: entry
        request.user = api_tokens.owner_of(now=now, authorization=request.headers.get("Authorization", ""))
    except api_tokens.Refused as refused:
        return said(refused.status, str(refused))
    return None


def second_factor_is_there(request: HttpRequest) -> bool:
    return request.user.is_authenticated and is_mfa_enabled(request.user)


def said(status: int, sentence: str) -> JsonResponse:
    """An error as JSON."""
    answer = JsonResponse({"error": sentence}, status=status)
    if status == 401:
        answer["WWW-Authenticate"] = 'Bearer realm="Letterpace"'
    if status == 429:
        answer["Retry-After"] = "60"
    return answer
