"""What the outcomes of a batch mean for its people: read from the rows, so that a takeover tells the same."""

from datetime import datetime

from django.db.backends.utils import CursorWrapper

from sending.models import Batch

_HARD = """
INSERT INTO audiences_suppression (address_key, scope, reason, source, evidence, created_at)
SELECT DISTINCT d.address_key, '*', 'bounced', 'mailing ' || o.mailing_id,
       jsonb_build_object('reply', r.text, 'code', r.code, 'rule', r.rule, 'mailing', o.mailing_id), %(now)s::timestamptz
FROM sending_outcome o
JOIN sending_delivery d ON d.mailing_id = o.mailing_id AND d.id = o.delivery
LEFT JOIN sending_reply r ON r.id = o.reply_id
WHERE o.mailing_id = %(mailing)s AND o.batch_id = %(batch)s AND o.kind = 'bounced_hard'
ON CONFLICT DO NOTHING
"""


def tell_audiences(cursor: CursorWrapper, *, batch: Batch, now: datetime) -> None:
    cursor.execute(_HARD, {"now": now, "mailing": batch.mailing_id, "batch": batch.pk})
