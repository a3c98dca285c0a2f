"""Which people of an import were written to is known here; the rest is taken back by `audiences.undoing`."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from audiences import undoing
from sending.models import Delivery


def undo_due(*, now: datetime) -> None:
    """Take back the imports that are due, and forget what can no longer be taken back."""
    for upload_id in undoing.due():
        undoing.undo(now=now, upload_id=upload_id, mailed=chosen_for_mail)
    undoing.forget_old(now=now)


def chosen_for_mail(address_keys: Iterable[UUID]) -> set[UUID]:
    """Those of the addresses that a mailing was ever meant for: their rows must keep a person."""
    found = Delivery.objects.filter(address_key__in=list(address_keys))
    return set(found.values_list("address_key", flat=True).distinct())
