"""Did Jane get it? What was sent to an address, and what became of it."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection

from sending.array_literals import uuids
from sending.models import Event, OutcomeKind
from words import gettext as _

MOST = 50


@dataclass(slots=True)
class Sent:
    """One mailing to an address. `kind` empty: it still waits for its turn."""

    address_key: UUID
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
        return str(OutcomeKind(self.kind).label) if self.kind else _("Waits for its turn")

    @property
    def deeds(self) -> list[str]:
        """What the person did with it, each once, in the order it happened."""
        return list(dict.fromkeys(str(event.get_kind_display()) for event in self.events if not event.by_machine))

    @property
    def tone(self) -> str:
        if self.kind == OutcomeKind.ACCEPTED:
            return "ok"
        return "wait" if self.kind in ("", OutcomeKind.DEFERRED, OutcomeKind.UNKNOWN) else "bad"

    @property
    def icon(self) -> str:
        return {"ok": "circle-check", "wait": "clock", "bad": "circle-x"}[self.tone]


def messages_to(*, address_keys: Collection[UUID], most: int = MOST) -> list[Sent]:
    """The latest `most` campaigns that chose each of these addresses, test mail left out; newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_SENT, {"keys": uuids(address_keys), "most": most})
        found = [Sent(*row) for row in cursor.fetchall()]
    events = _events(found)
    for sent in found:
        sent.events = events[sent.mailing_id, sent.delivery]
    return found


# By the unique index (address_key, mailing_id) of each partition; outcomes by their primary key.
_SENT = """
SELECT d.address_key, d.mailing_id, d.id, m.name, m.launched_at, m.state, coalesce(o.kind, ''), o.at,
       coalesce(o.attempt, 0), coalesce(o.provider, d.provider), coalesce(r.text, '')
FROM unnest(%(keys)s::uuid[]) AS asked (key)
CROSS JOIN LATERAL (
    SELECT x.* FROM sending_delivery x JOIN sending_mailing y ON y.id = x.mailing_id AND NOT y.is_test
    WHERE x.address_key = asked.key ORDER BY x.mailing_id DESC LIMIT %(most)s
) d
JOIN sending_mailing m ON m.id = d.mailing_id
LEFT JOIN LATERAL (
    SELECT kind, at, attempt, provider, reply_id FROM sending_outcome
    WHERE mailing_id = d.mailing_id AND delivery = d.id ORDER BY attempt DESC LIMIT 1
) o ON true
LEFT JOIN sending_reply r ON r.id = o.reply_id
ORDER BY d.mailing_id DESC
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
