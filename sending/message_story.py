"""One message from the choice of its recipient to the last click: every attempt with the receiver's answer, and what
became known afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.db import connection

from audiences.models import Subscriber
from sending.models import FINAL_KINDS, Delivery, Event, Mailing, Requeue

Row = TypeVar("Row", bound=tuple[Any, ...])


class Attempt(NamedTuple):
    """What became of one attempt. `reply` are the receiver's own words; `route` and `provider` which way it went."""

    number: int
    kind: str
    reason: str
    at: datetime
    provider: str
    route: str
    reply: str
    reply_class: str
    remote_id: str


class Later(NamedTuple):
    """A fact that became known afterwards; `n` visits of one kind to one link, the first at `at`."""

    kind: str
    at: datetime
    by_machine: bool
    link: int | None
    n: int
    reply: str
    reply_class: str


@dataclass(frozen=True, slots=True)
class Story:
    """`email` is empty when the person was erased; `next_try` None when nothing is planned."""

    mailing: Mailing
    delivery: Delivery
    person: Subscriber | None
    email: str
    attempts: Sequence[Attempt]
    later: Sequence[Later]
    next_try: datetime | None

    @property
    def outcome(self) -> Attempt | None:
        """The latest answer, if there is one."""
        return self.attempts[-1] if self.attempts else None

    @property
    def is_final(self) -> bool:
        return self.outcome is not None and self.outcome.kind in FINAL_KINDS

    def seen(self, kind: str) -> Later | None:
        """The first such fact by a person."""
        return next((row for row in self.later if row.kind == kind and not row.by_machine), None)

    @property
    def provider(self) -> str:
        return self.outcome.provider if self.outcome else self.delivery.provider


def story_of(*, mailing_id: int, delivery_id: int) -> Story | None:
    """None when there is no such message, or no longer. Six queries."""
    mailing = Mailing.objects.filter(pk=mailing_id).first()
    delivery = Delivery.objects.filter(mailing_id=mailing_id, id=delivery_id).first()
    if mailing is None or delivery is None:
        return None
    person = Subscriber.objects.filter(pk=delivery.subscriber_id).first()
    waits = Requeue.objects.filter(mailing_id=mailing_id, delivery=delivery_id)
    return Story(
        mailing=mailing,
        delivery=delivery,
        person=person,
        email=delivery.to_address or (person.email if person else ""),
        attempts=_rows(_ATTEMPTS, mailing_id, delivery_id, Attempt),
        later=_rows(_LATER, mailing_id, delivery_id, Later),
        next_try=waits.values_list("due_at", flat=True).first(),
    )


_WORDS = "coalesce(concat_ws(' ', r.code, nullif(r.enhanced, ''), nullif(r.text, '')), '')"
_ATTEMPTS = f"""
SELECT o.attempt, o.kind, coalesce(o.reason, ''), o.at, o.provider, coalesce(w.name, ''), {_WORDS},
       coalesce(r.reply_class, ''), coalesce(o.remote_id, '')
FROM sending_outcome o
LEFT JOIN sending_reply r ON r.id = o.reply_id
LEFT JOIN sending_route w ON w.id = o.route_id
WHERE o.mailing_id = %s AND o.delivery = %s ORDER BY o.attempt
"""
# By the index, which has the kind before the delivery.
_LATER = f"""
SELECT e.kind, min(e.at), e.by_machine, e.link, count(*), max({_WORDS}), max(coalesce(r.reply_class, ''))
FROM sending_event e LEFT JOIN sending_reply r ON r.id = e.reply_id
WHERE e.mailing_id = %s AND e.delivery = %s AND e.kind IN ({", ".join(f"'{kind}'" for kind in Event.Kind.values)})
GROUP BY e.kind, e.by_machine, e.link ORDER BY min(e.at)
"""


def _rows(sql: str, mailing_id: int, delivery_id: int, row: type[Row]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [mailing_id, delivery_id])
        return [row(*found) for found in cursor.fetchall()]
