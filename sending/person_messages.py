"""Did Jane get it? What was sent to one address, and what became of it."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection

from sending.models import Event, OutcomeKind

MOST = 50


@dataclass(slots=True)
class Sent:
    """One mailing to this address. `kind` empty: it still waits for its turn."""

    mailing_id: int
    delivery: int
    name: str
    launched_at: datetime
    mailing_state: str
    kind: str
    at: datetime | None
    attempt: int
    provider: str
    reply: str
    events: list[Event] = field(default_factory=list)

    @property
    def kind_name(self) -> str:
        return str(OutcomeKind(self.kind).label) if self.kind else "Waits for its turn"

    @property
    def tone(self) -> str:
        if self.kind == OutcomeKind.ACCEPTED:
            return "ok"
        return "wait" if self.kind in ("", OutcomeKind.DEFERRED, OutcomeKind.UNKNOWN) else "bad"

    @property
    def icon(self) -> str:
        return {"ok": "circle-check", "wait": "clock", "bad": "circle-x"}[self.tone]


def messages_to(*, address_key: UUID) -> list[Sent]:
    """The latest 50 campaigns that chose this address, test mail left out; newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_SENT, {"key": address_key, "most": MOST})
        found = [Sent(*row) for row in cursor.fetchall()]
    events = _events(found)
    for sent in found:
        sent.events = events[sent.mailing_id, sent.delivery]
    return found


# By the unique index (address_key, mailing_id) of each partition; outcomes by their primary key.
_SENT = """
SELECT d.mailing_id, d.id, m.name, m.launched_at, m.state, coalesce(o.kind, ''), o.at, coalesce(o.attempt, 0),
       coalesce(o.provider, d.provider), coalesce(r.text, '')
FROM sending_delivery d
JOIN sending_mailing m ON m.id = d.mailing_id AND NOT m.is_test
LEFT JOIN LATERAL (
    SELECT kind, at, attempt, provider, reply_id FROM sending_outcome
    WHERE mailing_id = d.mailing_id AND delivery = d.id ORDER BY attempt DESC LIMIT 1
) o ON true
LEFT JOIN sending_reply r ON r.id = o.reply_id
WHERE d.address_key = %(key)s
ORDER BY d.mailing_id DESC LIMIT %(most)s
"""


def _events(found: list[Sent]) -> dict[tuple[int, int], list[Event]]:
    ours = {(sent.mailing_id, sent.delivery) for sent in found}
    rows = Event.objects.filter(
        mailing_id__in={mailing for mailing, _ in ours},
        # By the index, which has the kind before the delivery.
        kind__in=Event.Kind.values,
        delivery__in={delivery for _, delivery in ours},
    )
    by_delivery: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in rows.order_by("at"):
        if (event.mailing_id, event.delivery) in ours:
            by_delivery[event.mailing_id, event.delivery].append(event)
    return by_delivery
