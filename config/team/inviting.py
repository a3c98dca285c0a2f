"""Invitations: a link to hand over by any channel, so that a team can form before any domain can send."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from config.models import Invitation
from config.roles import Role
from config.team.members import CannotChange, end_sessions, join, name_of, note

VALID_FOR = timedelta(days=7)


def invite(*, now: datetime, email: str, role: Role, by: User | None) -> str:
    """The secret of a new link, to be shown once. An older open invitation of the address ends. Raises CannotChange."""
    if User.objects.filter(email__iexact=email, is_active=True).exists():
        raise CannotChange(_("%(email)s is in the team already.") % {"email": email})
    Invitation.objects.filter(email__iexact=email, used_at=None, withdrawn_at=None).update(withdrawn_at=now)
    note(now=now, by=by, who=email, what=f"was invited as {role.value}")
    return _link(now=now, email=email, role=role, user=None, by=by)


def new_password_link(*, now: datetime, user: User, by: User | None) -> str:
    """The secret of a link with which a member sets a new password."""
    note(now=now, by=by, who=name_of(user), what="was given a link for a new password")
    return _link(now=now, email=user.email, role=Role.VIEWER, user=user, by=by)


def find(*, now: datetime, secret: str) -> Invitation | None:
    """The open invitation behind a link: not used, not withdrawn, not too old."""
    return Invitation.objects.filter(
        token_hash=_hash(secret), used_at=None, withdrawn_at=None, expires_at__gt=now
    ).first()


@transaction.atomic
def accept(*, now: datetime, secret: str, name: str, password: str) -> User:
    """The member who comes in. A link works once. Raises CannotChange when it no longer does."""
    invitation = Invitation.objects.select_for_update().filter(token_hash=_hash(secret)).first()
    if invitation is None or find(now=now, secret=secret) is None:
        raise CannotChange(_("This link was used already, or is too old. Ask for a new one."))
    Invitation.objects.filter(pk=invitation.pk).update(used_at=now)
    if invitation.user is not None:
        return _with_new_password(invitation.user, password)
    user = _account(invitation.email, name, password)
    join(now=now, user=user, role=Role(invitation.role), by=invitation.invited_by)
    return user


def withdraw(*, now: datetime, invitation_id: int, by: User) -> None:
    invitation = Invitation.objects.filter(pk=invitation_id, used_at=None, withdrawn_at=None).first()
    if invitation is not None:
        Invitation.objects.filter(pk=invitation.pk).update(withdrawn_at=now)
        note(now=now, by=by, who=invitation.email, what="had the invitation withdrawn")


def _account(email: str, name: str, password: str) -> User:
    """A new account, or the one of somebody who was in the team before: what it did stays under one name."""
    before = User.objects.filter(email__iexact=email, is_active=False).first()
    if before is None:
        return User.objects.create_user(email.lower(), email, password, first_name=name)
    before.is_active, before.first_name = True, name
    before.set_password(password)
    before.save(update_fields=["is_active", "first_name", "password"])
    return before


def _with_new_password(user: User, password: str) -> User:
    user.set_password(password)
    user.save(update_fields=["password"])
    end_sessions(user)
    return user


def _link(*, now: datetime, email: str, role: Role, user: User | None, by: User | None) -> str:
    secret = secrets.token_urlsafe(32)
    Invitation.objects.create(
        email=email,
        role=role.value,
        user=user,
        token_hash=_hash(secret),
        invited_by=by,
        invited_at=now,
        expires_at=now + VALID_FOR,
    )
    return secret


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
