"""What the outcomes of a batch mean for its people: read from the rows, so that a takeover tells the same."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from audiences import activity
from sending.models import Batch, OutcomeKind

# By address, so that two batches that end at once never wait for each other in a ring.
_OF_BATCH = """
SELECT d.address_key, o.kind, r.reply_class, r.code, r.text, r.rule
FROM sending_outcome o
JOIN sending_delivery d ON d.mailing_id = o.mailing_id AND d.id = o.delivery
LEFT JOIN sending_reply r ON r.id = o.reply_id
WHERE o.mailing_id = %(mailing)s AND o.batch_id = %(batch)s AND o.delivery IN ({deliveries})
  AND o.kind IN ('accepted', 'bounced_hard', 'bounced_soft')
ORDER BY d.address_key
"""


def tell_audiences(
    cursor: CursorWrapper, *, batch: Batch, deliveries: str, params: dict[str, Any], now: datetime
) -> None:
    """Suppress mailboxes that do not exist; count soft failures, one a mailing; forget them where mail got through.

    Test mail says nothing about the people it was written for. In the caller's transaction.
    """
    if batch.mailing.is_test:
        return
    cursor.execute(_OF_BATCH.format(deliveries=deliveries), params)
    reached: list[UUID] = []
    for key, kind, reply_class, code, text, rule in cursor.fetchall():
        if kind == OutcomeKind.ACCEPTED:
            reached.append(key)
            continue
        evidence = {"reply": f"{code} {text}", "rule": rule, "mailing": batch.mailing_id}
        if kind == OutcomeKind.BOUNCED_HARD and reply_class != "inactive":
            activity.hard_bounce(now=now, address_key=key, source=f"mailing {batch.mailing_id}", evidence=evidence)
        else:
            # What was only ever put off has expired by now.
            soft = "expired" if reply_class in (None, "temp", "greylist") else reply_class
            activity.soft_failure(now=now, address_key=key, mailing_ref=batch.mailing_id, kind=soft, evidence=evidence)
    activity.delivered(now=now, address_keys=reached)
