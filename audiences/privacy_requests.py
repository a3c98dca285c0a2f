"""What people asked about their own data, until it is answered: kept for whoever has to answer in time.

People carry out most of it themselves, behind a link mailed to them; who never follows it is seen here.
"""

from datetime import datetime, timedelta
from uuid import UUID

from audiences.models import PrivacyRequest, Subscriber

Kind = PrivacyRequest.Kind
# One month: Regulation (EU) 2016/679, Art. 12(3). The shortest there is.
ANSWER_WITHIN = timedelta(days=28)


def asked(*, now: datetime, address_key: UUID, kind: str) -> None:
    """Keep that it was asked for; asking again before the answer is the same request, with the same deadline."""
    if kind in Kind.values:
        row = PrivacyRequest(address_key=address_key, kind=kind, asked_at=now, answer_by=now + ANSWER_WITHIN)
        PrivacyRequest.objects.bulk_create([row], ignore_conflicts=True)


def answered(*, now: datetime, subscriber_id: int, kind: str, user_id: int | None = None) -> bool:
    """They have it: by themselves, or from a colleague. False when nothing was open."""
    keys = Subscriber.objects.filter(pk=subscriber_id).values("address_key")
    waiting = PrivacyRequest.objects.filter(address_key__in=keys, kind=kind, answered_at=None)
    return bool(waiting.update(answered_at=now, answered_by=user_id))


def close(*, now: datetime, request_id: int, note: str, user_id: int) -> bool:
    """A colleague answers in another way, or refuses, and says how. False when it was answered already."""
    waiting = PrivacyRequest.objects.filter(pk=request_id, answered_at=None)
    return bool(waiting.update(answered_at=now, answered_by=user_id, note=note[:300]))
