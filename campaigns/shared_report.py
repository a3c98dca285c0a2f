"""A report for people without an account: by a signed link, numbers alone, for 30 days."""

from django.core import signing

LINK_DAYS = 30
_SALT = "campaign-report"


def link_token(campaign_id: int) -> str:
    """The secret part of the link."""
    return signing.dumps(campaign_id, salt=_SALT)


def campaign_of(token: str) -> int | None:
    """The campaign a link leads to; None when it is forged or older than 30 days."""
    try:
        found = signing.loads(token, salt=_SALT, max_age=LINK_DAYS * 86_400)
    except signing.BadSignature:
        return None
    return found if isinstance(found, int) else None
