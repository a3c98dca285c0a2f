"""What the shell around every page shows: whose workspace it is, who looks, and whether mail leaves this machine."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from config.gatekeeper import visitor_of
from reputation.models import SendingDomain
from sending import partitions


def shell(request: HttpRequest) -> dict[str, Any]:
    """`workspace`, read when a template first asks for it: strangers' pages cost no query."""
    return {
        "workspace": SimpleLazyObject(lambda: visitor_of(request).workspace),
        "visitor": SimpleLazyObject(lambda: visitor_of(request)),
        "test_mode": settings.LAB,
        "held_domains": SimpleLazyObject(_held_domains),
        "room_is_missing": SimpleLazyObject(partitions.next_is_missing),
    }


def _held_domains() -> list[SendingDomain]:
    """Which broke after they had been right: their campaigns wait."""
    return list(SendingDomain.objects.filter(state=SendingDomain.State.HELD).order_by("name")[:3])
