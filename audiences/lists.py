"""Lists: making them, changing their words, putting them away."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from audiences.models import MailingList


def revise(*, list_id: int, values: Mapping[str, Any]) -> MailingList:
    """Change a list. New wording gets a new version: whoever agreed to the old words agreed to those and no others."""
    with transaction.atomic():
        row = MailingList.objects.select_for_update(no_key=True).get(pk=list_id)
        for name, value in values.items():
            if name == "wording" and value != row.wording:
                row.wording_version += 1
            setattr(row, name, value)
        row.save(update_fields=[*values, "wording_version"])
        return row


def archive(*, now: datetime, list_id: int) -> bool:
    """Put a list away: nobody is asked to confirm for it, nothing is deleted. False when it was away already."""
    return MailingList.objects.filter(pk=list_id, archived_at=None).update(archived_at=now) == 1


def restore(*, list_id: int) -> bool:
    """Take an archived list back into use."""
    return MailingList.objects.filter(pk=list_id, archived_at__isnull=False).update(archived_at=None) == 1
