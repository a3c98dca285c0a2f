"""Who may change what our name depends on: admins (`is_staff`). Everybody else is told so in words."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

View = Callable[..., HttpResponse]


def admin_only(view: View) -> View:
    """Strangers go to the sign-in page; colleagues who are no admins get the 403 page."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        require_admin(request)
        return view(request, *args, **kwargs)

    return guarded


def require_admin(request: HttpRequest) -> None:
    """Raises PermissionDenied; for pages that all may read and admins may change."""
    if not acting(request).is_staff:
        raise PermissionDenied("Only admins can change this.")


def acting(request: HttpRequest) -> User:
    """Whoever is signed in; only for views that ask for it."""
    if not isinstance(request.user, User):
        raise PermissionDenied("Sign in first.")
    return request.user
