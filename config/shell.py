"""What the shell around every page shows: whose workspace it is, who looks, and whether mail leaves this machine."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from config import languages
from config.gatekeeper import visitor_of
from config.handbook.sections import help_for
from reputation import published
from reputation.models import Finding, SendingDomain
from sending import partitions

MOST = 3  # of each kind of banner


def shell(request: HttpRequest) -> dict[str, Any]:
    """`workspace`, read when a template first asks for it: strangers' pages cost no query."""
    return {
        "workspace": SimpleLazyObject(lambda: visitor_of(request).workspace),
        "visitor": SimpleLazyObject(lambda: visitor_of(request)),
        "site_languages": languages.SPOKEN,
        "test_mode": settings.LAB,
        "broken": SimpleLazyObject(_broken),
        "help": SimpleLazyObject(lambda: help_for(request.resolver_match.view_name if request.resolver_match else "")),
        "room_is_missing": SimpleLazyObject(partitions.next_is_missing),
    }


@dataclass(frozen=True, slots=True)
class Broken:
    """What had been right and is no more. `held`: domains whose campaigns wait; `checks`: the rest, in a line each."""

    held: list[SendingDomain]
    checks: list[tuple[Finding, str]]


def _broken() -> Broken:
    """One statement a page: held domains have findings, and what broke is one."""
    held = Q(domain__state=SendingDomain.State.HELD)
    broke = Q(confirmed=True, passed_at__isnull=False, host=None) & ~Q(weight=Finding.Weight.TELL)
    rows = Finding.objects.filter(held | broke).select_related("domain", "address").order_by("failing_since", "id")[:60]
    domains = {row.domain.pk: row.domain for row in rows if _is_held(row) and row.domain is not None}
    checks = [
        (row, published.headline(row.check_name, str(row.domain or row.address), broke=True))
        for row in rows
        if not _is_held(row)
    ]
    return Broken(sorted(domains.values(), key=str)[:MOST], checks[:MOST])


def _is_held(row: Finding) -> bool:
    return row.domain is not None and row.domain.state == SendingDomain.State.HELD
