"""A provider calls: prove it, keep the call raw, say 200. What it says is read afterwards."""

import logging
from datetime import datetime

from anymail.exceptions import AnymailError
from django.core.exceptions import ImproperlyConfigured, RequestDataTooBig
from django.db import Error
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from reputation.sealed import SealBroken
from sending.esp.catalogue import ESPS
from sending.esp.settings import webhook_secret_of
from sending.inbound import receiving
from sending.inbound.receiving import Arrival, Digest
from sending.models import Route

log = logging.getLogger(__name__)

LARGEST = 5_000_000
OK, BAD, FORBIDDEN, TOO_LARGE, NOT_NOW = 200, 400, 403, 413, 503


def take(*, now: datetime, route_id: int, request: HttpRequest) -> int:
    """The status to answer with. 503 makes the provider call again; after 200 the call is ours."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST:
        return TOO_LARGE
    try:
        if not is_genuine(route_id=route_id, request=request):
            return FORBIDDEN
        inbound_id = receiving.keep(now=now, came=_arrival(route_id, request))
    except RequestDataTooBig:
        return TOO_LARGE
    except UnreadablePostError:
        return BAD
    except (Error, SealBroken) as error:
        log.warning("A webhook call to route %s could not be kept: %s", route_id, type(error).__name__)
        return NOT_NOW
    if inbound_id is not None:
        receiving.wake(inbound_id)
    return OK


def is_genuine(*, route_id: int, request: HttpRequest) -> bool:
    """Did the provider of this route call, by the route's secret? Without a secret nobody did."""
    route = Route.objects.filter(pk=route_id, kind=Route.Kind.ESP).first()
    esp = ESPS.get(route.esp) if route else None
    secret = webhook_secret_of(route) if route else ""
    if esp is None or not secret:
        return False
    try:
        esp.webhook_view(secret).run_validators(request)
    except (AnymailError, ImproperlyConfigured, ValueError, TypeError, LookupError, AttributeError):
        # Whatever a stranger's call makes the checks stumble over, it is no proof.
        return False
    return True


def _arrival(route_id: int, request: HttpRequest) -> Arrival:
    """The raw call. What proved it is not kept: it holds the secret."""
    source, raw = f"hook:{route_id}", request.body
    digest = Digest(source)
    digest.update(raw)
    return Arrival(
        source=source,
        raw=raw,
        size=len(raw),
        digest=digest.id,
        content_type=request.META.get("CONTENT_TYPE", "")[:200],
    )
