"""What the shell around every page shows: whose workspace it is, and whether all sending is stopped."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from config.gatekeeper import visitor_of


def shell(request: HttpRequest) -> dict[str, Any]:
    """`workspace`, read when a template first asks for it: strangers' pages cost no query."""
    return {"workspace": SimpleLazyObject(lambda: visitor_of(request).workspace)}
