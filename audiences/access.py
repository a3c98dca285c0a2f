"""Whoever is signed in, as views name them. Who may open a route at all is decided before, by one table of roles."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


def acting(request: HttpRequest) -> User:
    """Whoever is signed in; only for views that ask for it."""
    if not isinstance(request.user, User):
        raise PermissionDenied("Sign in first.")
    return request.user


def may_post(request: HttpRequest, route: str) -> bool:
    """May whoever is signed in change something at the route of this name? As the gatekeeper says, who let them in."""
    visitor = getattr(request, "visitor", None)
    return visitor is not None and bool(visitor.may(route, changes=True))
