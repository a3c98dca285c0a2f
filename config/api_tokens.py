"""Personal API tokens: `lp_<number>_<secret>`, shown once; only a hash of the secret is kept.

A token may ask, and never change: what its owner's role may see. Programs of a team need no more, and a token that
leaks sends nothing.
"""

import hashlib
import hmac
import secrets
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection, transaction

from config.models import ApiToken
from config.team.members import name_of, note

PREFIX = "lp"
A_MINUTE = 30
AT_MOST = 20


class Refused(Exception):
    """`status` is that of HTTP; the text says in a sentence what is wrong, and what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@transaction.atomic
def make(*, now: datetime, user: User, name: str) -> str | None:
    """The token, to be shown once; None when there are too many that work."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if ApiToken.objects.filter(user=user, revoked_at=None).count() >= AT_MOST:
        return None
    number, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    ApiToken.objects.create(user=user, name=name, number=number, secret_hash=_hash(secret), made_at=now)
    note(now=now, by=user, who=name_of(user), what=f"made the API token “{name[:60]}” ({number})")
    return f"{PREFIX}_{number}_{secret}"


def revoke(*, now: datetime, user: User, token_id: int) -> bool:
    """Of their own only; counts from the next call on. False when it did not work any more."""
    token = ApiToken.objects.filter(pk=token_id, user=user).first()
    if token is None or not ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
        return False
    note(now=now, by=user, who=name_of(user), what=f"revoked the API token “{token.name[:60]}” ({token.number})")
    return True


def owner_of(*, now: datetime, authorization: str) -> User:
    """Whose token an Authorization header holds; the call is counted. Raises Refused."""
    scheme, _, presented = authorization.strip().partition(" ")
    prefix, _, rest = presented.strip().partition("_")
    number, _, secret = rest.partition("_")
    if scheme.lower() != "bearer" or prefix != PREFIX or not secret:
        raise Refused(401, "Send an API token in the header “Authorization: Bearer lp_…”. Make one under Your account.")
    token = ApiToken.objects.select_related("user").filter(number=number[:8]).first()
    known = bytes(token.secret_hash) if token else b""
    # Compared in any case: how long it takes says nothing of what was right.
    right = hmac.compare_digest(known, _hash(secret))
    if token is None or not right or token.revoked_at is not None or not token.user.is_active:
        raise Refused(401, "This API token is unknown or was revoked. Make a new one under Your account.")
    if _used(now, token) > A_MINUTE:
        raise Refused(429, f"This token has asked {A_MINUTE} times this minute. Wait a minute and ask again.")
    return token.user


_COUNT = """
UPDATE config_apitoken
SET last_used_at = %(now)s, minute = date_trunc('minute', %(now)s),
    n_in_minute = CASE WHEN minute = date_trunc('minute', %(now)s) THEN n_in_minute + 1 ELSE 1 END
WHERE id = %(id)s RETURNING n_in_minute
"""


def _used(now: datetime, token: ApiToken) -> int:
    """How often this minute, in whichever process."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"now": now, "id": token.pk})
        return int((cursor.fetchone() or (0,))[0])


def _hash(secret: str) -> bytes:
    """256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).digest()
