"""Who opens pages in tests: a colleague, an admin, a stranger."""

from django.contrib.auth.models import User
from django.test import Client

from tests.cast import shop


def colleague() -> Client:
    """Signed in, no admin."""
    return _client("colleague", is_staff=False)


def admin() -> Client:
    return _client("admin", is_staff=True)


def _client(name: str, *, is_staff: bool) -> Client:
    shop()
    user, _ = User.objects.get_or_create(username=name, defaults={"is_staff": is_staff})
    client = Client()
    client.force_login(user)
    return client
