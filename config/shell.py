"""What the shell around every page shows: whose workspace it is, who looks, and whether mail leaves this machine."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from config.gatekeeper import visitor_of
from reputation import published
from reputation.models import Finding, SendingDomain
from sending import partitions


def shell(request: HttpRequest) -> dict[str, Any]:
    """`workspace`, read when a template first asks for it: strangers' pages cost no query."""
    return {
        "workspace": SimpleLazyObject(lambda: visitor_of(request).workspace),
        "visitor": SimpleLazyObject(lambda: visitor_of(request)),
        "test_mode": settings.LAB,
        "held_domains": SimpleLazyObject(_held_domains),
        "broken_checks": SimpleLazyObject(_broken_checks),
        "room_is_missing": SimpleLazyObject(partitions.next_is_missing),
    }


def _held_domains() -> list[SendingDomain]:
    """Which broke after they had been right: their campaigns wait."""
    return list(SendingDomain.objects.filter(state=SendingDomain.State.HELD).order_by("name")[:3])


def _broken_checks() -> list[tuple[Finding, str]]:
    """Checks that had passed and fail for certain, in a line each; those of held domains are said already."""
    broken = Finding.objects.filter(confirmed=True, passed_at__isnull=False, host=None)
    broken = broken.exclude(weight=Finding.Weight.TELL).exclude(domain__state=SendingDomain.State.HELD)
    rows = broken.select_related("domain", "address").order_by("failing_since", "id")[:3]
    return [(row, published.headline(row.check_name, str(row.domain or row.address), broke=True)) for row in rows]
