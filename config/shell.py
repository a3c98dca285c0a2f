"""What the shell around every page shows: whose workspace it is, and whether all sending is stopped."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from reputation.workspace import workspace


def shell(request: HttpRequest) -> dict[str, Any]:
    """`workspace`, read when a template first asks for it: strangers' pages cost no query."""
    return {"workspace": SimpleLazyObject(workspace)}
