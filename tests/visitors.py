"""Who opens pages in tests: a colleague, an admin, a stranger."""

from django.contrib.auth.models import User
from django.test import Client

from config.roles import Role
from config.team.members import join
from tests.cast import EPOCH, shop


def colleague() -> Client:
    """Signed in, no admin."""
    return visitor("colleague", Role.MARKETER)


def admin() -> Client:
    return visitor("admin", Role.ADMIN)


def visitor(name: str, role: Role) -> Client:
    shop()
    client = Client()
    client.force_login(member(name, role))
    return client


def member(name: str, role: Role, password: str | None = None) -> User:
    """A person of the team, who signs in as `name@harbour.example`."""
    address = f"{name}@harbour.example"
    user = User.objects.filter(email=address).first()
    if user is None:
        user = User.objects.create_user(name, address, password, first_name=name.capitalize())
        join(now=EPOCH, user=user, role=role, by=None)
        user.refresh_from_db()
    return user
