"""/invitation/, /account/ and /team/"""

from typing import cast

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from config.gatekeeper import visitor_of
from config.models import Invitation, Member, TeamChange
from config.palette import find
from config.roles import Role
from config.team import inviting, members
from config.team.forms import InviteForm, ProfileForm, RoleForm, WelcomeForm


def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Looking changes nothing; the form lets its reader in, once."""
    now = timezone.now()  # clock: entry
    found = inviting.find(now=now, secret=secret)
    if found is None:
        return render(request, "team/invitation_gone.html", status=410)
    form = WelcomeForm(request.POST or None, email=found.email, member=found.user)
    if form.is_valid():
        given = form.cleaned_data
        user = inviting.accept(now=now, secret=secret, name=given.get("name", ""), password=given["password"])
        login(request, user, backend="allauth.account.auth_backends.AuthenticationBackend")
        # Whoever has just set the password need not type it again to add a second factor.
        record_authentication(request, user, "password", reauthenticated=True)
        UserSession.objects.create_from_request(request)
        messages.success(request, _("Welcome, %(user)s.") % {"user": members.name_of(user)})
        return redirect("home")
    context = {"form": form, "invitation": found, "role": Role(found.role)}
    return render(request, "team/invitation.html", context, status=422 if form.errors else 200)


def profile(request: HttpRequest) -> HttpResponse:
    member = Member.objects.filter(pk=_me(request).pk).first()
    initial = {"shortcuts": member is None or member.shortcuts}
    form = ProfileForm(request.POST or None, instance=_me(request), initial=initial)
    if form.is_valid():
        form.save()
        Member.objects.filter(pk=_me(request).pk).update(shortcuts=form.cleaned_data["shortcuts"])
        messages.success(request, _("Saved."))
        return redirect("profile")
    context = {
        "form": form,
        "role": visitor_of(request).role,
        "second_factor": is_mfa_enabled(_me(request)),
        "nav": "profile",
    }
    return render(request, "team/profile.html", context, status=422 if form.errors else 200)


@require_safe
def palette(request: HttpRequest) -> HttpResponse:
    """What is found for the words typed so far: rows for the palette, or a page for browsers without script."""
    typed = request.GET.get("q", "")[:100]
    context = {"hits": find(visitor_of(request), typed), "q": typed}
    page = "palette.html#rows" if request.htmx else "palette.html"  # type: ignore[attr-defined]
    return render(request, page, context)


def team(request: HttpRequest) -> HttpResponse:
    """Who is in, who is invited, and what changed lately."""
    now = timezone.now()  # clock: entry
    form, link = InviteForm(request.POST or None), ""
    if form.is_valid() and (link := _invited(request, form)):
        form = InviteForm()
    context = {
        "form": form,
        "link": link,
        "people": User.objects.filter(is_active=True).select_related("member").order_by("first_name", "email"),
        "open": Invitation.objects.filter(used_at=None, withdrawn_at=None, user=None, expires_at__gt=now),
        "roles": list(Role),
        "changes": TeamChange.objects.select_related("by").order_by("-at")[:20],
        "nav": "team",
    }
    return render(request, "team/team.html", context, status=422 if form.errors else 200)


@require_POST
def role(request: HttpRequest, user_id: int) -> HttpResponse:
    form = RoleForm(request.POST)
    if form.is_valid():
        try:
            chosen = Role(form.cleaned_data["role"])
            members.change_role(now=timezone.now(), user_id=user_id, role=chosen, by=_me(request))  # clock: entry
            messages.success(request, _("Saved. It counts from now on."))
        except members.CannotChange as error:
            messages.error(request, str(error))
    return redirect("team")


def link(request: HttpRequest, user_id: int) -> HttpResponse:
    """A link for a new password, shown once."""
    member = get_object_or_404(User, pk=user_id, is_active=True)
    shown = ""
    if request.method == "POST":
        secret = inviting.new_password_link(now=timezone.now(), user=member, by=_me(request))  # clock: entry
        shown = _absolute(secret)
    return render(request, "team/link.html", {"member": member, "link": shown, "nav": "team"})


def remove(request: HttpRequest, user_id: int) -> HttpResponse:
    member = get_object_or_404(User, pk=user_id, is_active=True)
    if request.method != "POST":
        return render(request, "team/remove.html", {"member": member, "nav": "team"})
    try:
        members.remove(now=timezone.now(), user_id=user_id, by=_me(request))  # clock: entry
        messages.success(request, _("%(member)s can no longer sign in.") % {"member": members.name_of(member)})
    except members.CannotChange as error:
        messages.error(request, str(error))
    return redirect("team")


@require_POST
def withdraw(request: HttpRequest, invitation_id: int) -> HttpResponse:
    inviting.withdraw(now=timezone.now(), invitation_id=invitation_id, by=_me(request))  # clock: entry
    messages.success(request, _("The link no longer works."))
    return redirect("team")


def _invited(request: HttpRequest, form: InviteForm) -> str:
    """The link for somebody new; none, and the form says why, where that can't be."""
    email, role = form.cleaned_data["email"], Role(form.cleaned_data["role"])
    try:
        return _absolute(inviting.invite(now=timezone.now(), email=email, role=role, by=_me(request)))  # clock: entry
    except members.CannotChange as error:
        form.add_error("email", str(error))
        return ""


def _me(request: HttpRequest) -> User:
    return cast(User, request.user)


def _absolute(secret: str) -> str:
    return settings.PUBLIC_URL + reverse("invitation", args=[secret])
