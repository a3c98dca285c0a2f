"""What the outcomes of a batch mean for its people: read from the rows, so that a takeover tells the same."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from audiences import activity
from reputation.pure.reactions import REACTIONS
from sending import decisions, storms
from sending.models import Batch, OutcomeKind
from sending.storms import Gone

# Of those that were reached, only the few with a failure to forget. By address, so that two batches that end at once
# never wait for each other in a ring.
_OF_BATCH = """
SELECT d.address_key, d.domain, o.kind, coalesce(r.reply_class, o.reason), r.code, r.text, r.rule, r.id
FROM sending_outcome o
JOIN sending_delivery d ON d.mailing_id = o.mailing_id AND d.id = o.delivery
LEFT JOIN sending_reply r ON r.id = o.reply_id
WHERE o.mailing_id = %(mailing)s AND o.batch_id = %(batch)s AND o.delivery IN ({deliveries})
  AND (o.kind IN ('bounced_hard', 'bounced_soft')
       OR o.kind = 'accepted' AND EXISTS (SELECT 1 FROM audiences_softfailure f WHERE f.address_key = d.address_key))
ORDER BY d.address_key
"""
_AGAINST_THE_PERSON = frozenset({"retry_counted", "soft", "soon_gone", "gone", "gone_by_dns"})


def tell_audiences(
    cursor: CursorWrapper, *, batch: Batch, deliveries: str, params: dict[str, Any], now: datetime, answered: int = 0
) -> None:
    """Suppress mailboxes that do not exist, unless it storms; count soft failures, one a mailing, and forget them where
    mail got through. `answered`: messages of the batch that the tallies do not have yet.

    An answer about us, or about the letter, never counts against the person. Test mail says nothing about the people
    it was written for. In the caller's transaction.
    """
    if batch.mailing.is_test:
        return
    cursor.execute(_OF_BATCH.format(deliveries=deliveries), params)
    reached: list[UUID] = []
    gone: list[Gone] = []
    unread: list[int] = []
    for key, domain, kind, reply_class, code, text, rule, reply in cursor.fetchall():
        if kind == OutcomeKind.ACCEPTED:
            reached.append(key)
            continue
        evidence = {"reply": f"{code} {text}", "rule": rule, "mailing": batch.mailing_id}
        effect = _effect(reply_class)
        if reply_class == decisions.UNCLASSIFIED and reply is not None:
            unread.append(reply)
        if kind == OutcomeKind.BOUNCED_HARD and effect == "gone":
            gone.append(Gone(key, domain, batch.mailing_id, f"mailing {batch.mailing_id}", evidence))
        elif effect in _AGAINST_THE_PERSON:
            # What was only ever put off has expired by now.
            soft = "expired" if effect == "retry_counted" else reply_class
            activity.soft_failure(now=now, address_key=key, mailing_ref=batch.mailing_id, kind=soft, evidence=evidence)
    if reached:
        activity.delivered(now=now, address_keys=reached)
    decisions.count(now=now, reply_ids=unread)
    storms.take(now=now, provider=batch.provider, gone=gone, answered=answered)


def _effect(reply_class: str | None) -> str:
    """What a final answer of this class does to the person's standing. The reason stands in for a reply whose text
    could not be kept; nothing follows from what nobody knows."""
    if reply_class == "unreachable":
        return REACTIONS["temp"].recipient
    return REACTIONS[reply_class].recipient if reply_class in REACTIONS else ""
