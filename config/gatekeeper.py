"""Asked before every view: may this person open this route, by the table in `config.roles`?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django_htmx.http import HttpResponseClientRedirect

from audiences.seeing import a_request, hide_addresses
from config import api_door, languages, roles
from config.masking import mask
from config.models import Member
from config.team.members import member_of, role_of
from reputation.models import Workspace
from reputation.workspace import workspace
from words import gettext as _

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, and where. `role` is None for strangers."""

    role: roles.Role | None
    workspace: Workspace
    shortcuts: bool = True
    language: str = ""

    def may(self, route: str, *, changes: bool) -> bool:
        return roles.may(self.role, route, changes=changes, second_person=self.workspace.second_person_sends)

    @property
    def sees_masked(self) -> bool:
        """Whether people's addresses are masked in all that this visitor gets."""
        return self.workspace.masks_addresses and self.role in (None, roles.Role.VIEWER)


class Gatekeeper:
    """Middleware, behind the one that knows who is signed in."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with a_request():
            answer = self._answer(request)
        visitor: Visitor | None = getattr(request, "visitor", None)
        return mask(request, answer) if visitor and request.user.is_authenticated and visitor.sees_masked else answer

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        route = request.resolver_match.view_name if request.resolver_match else ""
        if route in roles.PUBLIC:
            return None
        if route in roles.API:
            return self._of_api(request, route)
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            # No text in the database has it, and nobody types it; forms refuse it by themselves.
            raise BadRequest("The address has a character that no text has.")
        visitor = visitor_of(request)
        languages.follow(visitor.language)
        if visitor.sees_masked:
            hide_addresses()
        if not visitor.may(route, changes=request.method not in SAFE):
            raise PermissionDenied(_why_not(visitor.role))
        if visitor.workspace.second_factor_required and route not in roles.ON_THE_WAY:
            return None if is_mfa_enabled(request.user) else redirect("mfa_activate_totp")
        return None

    @staticmethod
    def _of_api(request: HttpRequest, route: str) -> HttpResponse | None:
        """The same table for programs; what they ask by POST changes nothing."""
        if (refusal := api_door.come_in(request)) is not None:
            return refusal
        visitor = visitor_of(request)
        languages.follow(visitor.language)
        if visitor.sees_masked:
            hide_addresses()
        if not visitor.may(route, changes=False):
            return api_door.said(403, _why_not(visitor.role))
        if visitor.workspace.second_factor_required and not api_door.second_factor_is_there(request):
            return api_door.said(403, "Everybody here needs a second factor. Sign in and set one up first.")
        return None


def visitor_of(request: HttpRequest) -> Visitor:
    """Looked up once a request, when first asked for: recipients' doors cost no query."""
    found = getattr(request, "visitor", None)
    if found is None:
        house, member = _asked(request.user) if request.user.is_authenticated else (workspace(), None)
        role = role_of(request.user, member)
        found = Visitor(
            role, house, shortcuts=not member or member.shortcuts, language=member.language if member else ""
        )
        request.visitor = found  # type: ignore[attr-defined]
    return found


def _asked(user: AbstractBaseUser) -> tuple[Workspace, Member | None]:
    """One question, and no statement for the ORM to write: every page and every poll begins with it."""
    house = next(iter(Workspace.objects.raw(_HOUSE_AND_MEMBER, [user.pk])), None)
    if house is None:
        return workspace(), member_of(user)
    found = {name: vars(house)[f"member_{name}"] for name in ("role", "shortcuts", "language")}
    return house, Member(user_id=user.pk, **found) if found["role"] is not None else None


_HOUSE_AND_MEMBER = """
SELECT house.*, member.role AS member_role, member.shortcuts AS member_shortcuts, member.language AS member_language
FROM reputation_workspace house LEFT JOIN config_member member ON member.user_id = %s WHERE house.id = 1
"""


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """A page goes to sign in and comes back; a piece of a page takes the whole page along."""
    if request.headers.get("HX-Request"):
        back = urlsplit(request.headers.get("HX-Current-URL", "/"))
        return HttpResponseClientRedirect(f"{resolve_url('account_login')}?next={quote(back.path or '/')}")
    return redirect_to_login(request.get_full_path(), resolve_url("account_login"))


def _why_not(role: roles.Role | None) -> str:
    if role is None:
        return _("This account has no place in the team. Ask an admin to invite you.")
    return _("Your role here is %(value)s, and this takes another one. An admin can change it.") % {"value": role.value}
