"""Forget a person. What stays names nobody: consent events and one suppression, by keyed hash."""

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from audiences.models import (
    ANYWHERE,
    ConsentEvent,
    ConsentEvidence,
    ImportedPerson,
    ImportRejection,
    PrivacyRequest,
    SoftFailure,
    Subscriber,
    Subscription,
    Suppression,
)
from audiences.suppress import suppress


def erase(*, now: datetime, subscriber_id: int, source: str = "erasure") -> bool:
    """Delete the person, their subscriptions and all evidence; False when there is nobody (any more).

    The suppression that stays keeps imports from bringing the person back. They may come back themselves, by
    subscribing and confirming anew.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = on")
        person = Subscriber.objects.select_for_update().filter(pk=subscriber_id).first()
        if person is None:
            return False
        key = person.address_key
        suppress(now=now, address_key=key, scope=ANYWHERE, reason=Suppression.Reason.ERASED, source=source)
        _forget_evidence(key, subscriber_id, person.email)
        # Whoever wanted their data has none with us any more.
        PrivacyRequest.objects.filter(address_key=key, answered_at=None).update(answered_at=now)
        Subscription.objects.filter(subscriber=person).delete()
        person.delete()
        ConsentEvent.objects.create(subject_key=key, kind=ConsentEvent.Kind.ERASED, basis=source[:200], at=now)
        return True


def _forget_evidence(key: UUID, subscriber_id: int, email: str) -> None:
    ConsentEvidence.objects.filter(event__subject_key=key).delete()
    SoftFailure.objects.filter(address_key=key).delete()
    ImportedPerson.objects.filter(subscriber_id=subscriber_id).delete()
    # Rejected lines of files show what stood there; the sentence about it stays, the address does not.
    ImportRejection.objects.filter(value__icontains=email).update(value="(erased)")
    for row in Suppression.objects.select_for_update(no_key=True).filter(address_key=key).order_by("pk"):
        # Receivers like to repeat the address in their replies. The reasons stay, their words do not.
        row.evidence = {"also": {reason: {} for reason in row.evidence["also"]}} if "also" in row.evidence else {}
        row.save(update_fields=["evidence"])
