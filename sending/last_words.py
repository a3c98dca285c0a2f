"""What the flight recorder of a dead process proves of messages that would else be *unknown*.

A process that is dead sends nothing any more, and its record says how far each connection came. Whose final dot was
never written has not left: the intent is withdrawn, and the takeover hands the delivery back. Who was answered with a
2xx code was accepted. Only whose dot was written and not answered stays unknown. So does everybody of a process whose
record is on another host, or was lost with the machine.
"""

from collections.abc import Iterable
from datetime import datetime

from sending import settle
from sending.flight_recorder import LastSeen
from sending.models import OutcomeKind
from sending.settle import Cursor, Settled

# What a statement of the dead process that is still under way writes after this is unknown, as without a record.
_WITHDRAW = """
UPDATE sending_batch SET intent = NULL, intent_attempt = NULL
WHERE id = (SELECT id FROM sending_batch
            WHERE id = %s AND epoch = %s AND state = 'running' AND (intent, intent_attempt) <> (%s, %s)
            FOR NO KEY UPDATE SKIP LOCKED)
"""
_BATCH = """
SELECT provider, route_id, state = 'done' FROM sending_batch
WHERE id = %s AND mailing_id = %s AND (state = 'done' OR (intent, intent_attempt) = (%s, %s))
"""


def carry_out(cursor: Cursor, found: Iterable[LastSeen], *, now: datetime) -> None:
    """Before the batches are taken over, where it can be: an outcome that is unknown by then is resolved by an answer,
    but nobody is handed back any more. Harmless to repeat."""
    for seen in found:
        cursor.execute(_WITHDRAW, [seen.batch, seen.epoch, seen.dotted, seen.dotted_attempt])
        if seen.dotted and 200 <= seen.code < 300:
            _accepted(cursor, seen, now)


def _accepted(cursor: Cursor, seen: LastSeen, now: datetime) -> None:
    cursor.execute(_BATCH, [seen.batch, seen.mailing, seen.dotted, seen.dotted_attempt])
    row: tuple[str, int, bool] | None = cursor.fetchone()
    if row is None:
        return  # settled by the process itself
    outcome = Settled(
        mailing=seen.mailing, delivery=seen.dotted, attempt=seen.dotted_attempt, kind=OutcomeKind.ACCEPTED,
        provider=row[0], route=row[1], batch=seen.batch, at=now,
    )  # fmt: skip
    tell = settle.resolve if row[2] else settle.record
    tell(cursor, [outcome])
