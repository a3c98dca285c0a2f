"""Facts about a delivery that are told later: one row each, and the one that counts is told apart by its key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.db import connection

# Names of facts that may be told twice but count once.
SAME_EVENT = UUID("b1d4f2a6-7c0e-4a52-9d4b-2f6a4b0c9e11")
_INSERT = """
INSERT INTO sending_event (mailing_id, delivery, kind, at, link, reply_id, by_machine, dedupe)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Fact:
    """What an Event's row says. `reply_id` is the place of a report's words in the dictionary of replies."""

    mailing: int
    delivery: int
    kind: str
    at: datetime
    link: int | None = None
    reply_id: int | None = None
    by_machine: bool = False


def same_event(kind: str, mailing_id: int, delivery_id: int) -> UUID:
    """Equal for the same fact told twice."""
    return uuid5(SAME_EVENT, f"{kind}:{mailing_id}:{delivery_id}")


def insert(fact: Fact, *, dedupe: UUID | None) -> bool:
    """Keep it. False when one with this key is kept already: of two at once the second waits for the first's commit.

    Count in the same transaction, and only what this says is new.
    """
    row: tuple[Any, ...] = (fact.mailing, fact.delivery, str(fact.kind), fact.at, fact.link, fact.reply_id)
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, (*row, fact.by_machine, dedupe))
        return cursor.fetchone() is not None
