"""The public address of a door, for one person."""

from django.conf import settings
from django.urls import reverse

from sending.pure import tokens


def door_address(purpose: str, payload: tokens.Payload, *more: int) -> str:
    """An absolute URL; the host is the configured one, never the request's. `more` stands behind the token."""
    token = tokens.make(purpose, payload, keys=settings.TOKEN_KEYS, key_id=max(settings.TOKEN_KEYS))
    return settings.PUBLIC_URL + reverse(f"door-{purpose}", args=[token, *more])
