"""Whose role is what, and the verbs that change it. There is always an admin left."""

from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from config.models import Member, TeamChange
from config.roles import Role

LAST_ADMIN = _("This is the only admin. Make somebody else an admin first.")


class CannotChange(Exception):
    """Says in a sentence why not."""


def member_of(user: AbstractBaseUser | AnonymousUser) -> Member | None:
    return Member.objects.filter(pk=user.pk).first() if user.is_authenticated else None


def role_of(user: AbstractBaseUser | AnonymousUser, member: Member | None) -> Role | None:
    """None: a stranger, or an account without a place in the team. A superuser made on the command line is an admin."""
    if not isinstance(user, User) or not user.is_active:
        return None
    if user.is_superuser:
        return Role.ADMIN
    return Role(member.role) if member else None


def join(*, now: datetime, user: User, role: Role, by: User | None) -> None:
    """Give somebody a place in the team, or another role. `is_staff` goes along: so do the apps below know admins."""
    Member.objects.update_or_create(
        user=user, defaults={"role": role.value}, create_defaults={"role": role.value, "joined_at": now}
    )
    User.objects.filter(pk=user.pk).update(is_staff=role is Role.ADMIN)
    note(now=now, by=by, who=name_of(user), what=f"is {role.value} now")


@transaction.atomic
def change_role(*, now: datetime, user_id: int, role: Role, by: User) -> None:
    """Raises CannotChange for the last admin. Takes effect at the person's next request."""
    user = _locked(user_id)
    if role is not Role.ADMIN:
        _leaves_an_admin(user)
    User.objects.filter(pk=user.pk).update(is_superuser=False)
    join(now=now, user=user, role=role, by=by)


@transaction.atomic
def remove(*, now: datetime, user_id: int, by: User) -> None:
    """Close an account: what it did stays under its name, its sessions end. Raises CannotChange for the last admin."""
    user = _locked(user_id)
    _leaves_an_admin(user)
    User.objects.filter(pk=user.pk).update(is_active=False, is_staff=False, is_superuser=False)
    end_sessions(user)
    note(now=now, by=by, who=name_of(user), what="was removed from the team")


def end_sessions(user: User) -> None:
    """Sign somebody out everywhere."""
    for session in UserSession.objects.filter(user=user):
        session.end()


def name_of(user: User) -> str:
    return user.get_full_name() or user.email or user.username


def note(*, now: datetime, by: User | None, who: str, what: str) -> None:
    TeamChange.objects.create(at=now, by=by, who=who, what=what)


def _locked(user_id: int) -> User:
    """One change of the team at a time: two admins can't each remove the other as the last one."""
    list(Member.objects.select_for_update().order_by("pk").values_list("pk"))
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise CannotChange(_("This person is no longer in the team."))
    return user


def _leaves_an_admin(user: User) -> None:
    admins = User.objects.filter(is_active=True, is_staff=True)
    if user.is_staff and not admins.exclude(pk=user.pk).exists():
        raise CannotChange(LAST_ADMIN)
