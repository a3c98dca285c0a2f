"""Read one kept message and act on it.

1. Count the attempt, in a commit of its own: a message that kills its reader is tried three times, then left alone.
2. Take it apart, within a time limit, without holding a transaction.
3. In one transaction: lock the row, act, mark it as read. Two readers at once are harmless.
4. What a person wrote is forwarded afterwards: rather twice than never.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, OperationalError, transaction
from django.db.models import F, Q

from sending import feedback
from sending.feedback import Sent, Understood
from sending.inbound import acting, breaker, forwarding, identifying, outside_reports
from sending.inbound.acting import Reading, Result
from sending.inbound.time_limits import TakesTooLong, at_most
from sending.models import Inbound
from sending.pure.reports import Report, read_report

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
SECONDS = 10.0
# The sweep leaves a message that just came to its own wake-up.
SWEPT_AFTER = timedelta(seconds=15)
SWEPT_AT_ONCE = 500


def read(*, now: datetime, inbound_id: int) -> str:
    """Read a message and act on it; returns its kind afterwards, empty when it was not there to be read."""
    row = _claim(inbound_id)
    if row is None:
        return ""
    try:
        result = _read(now, row)
    except OperationalError:
        # The database's fault, not the message's.
        Inbound.objects.filter(pk=row.pk, state=Inbound.State.NEW).update(attempts=F("attempts") - 1)
        raise
    except (TakesTooLong, ValueError, LookupError, ArithmeticError, TypeError, RecursionError, DatabaseError) as error:
        _note_failure(row, error)
        raise
    if result is not None and result.kind == "human" and result.state == Inbound.State.NEW:
        forwarding.forward(now=now, row=row)
    return result.kind if result is not None else ""


def sweep(*, now: datetime) -> int:
    """Read what no wake-up reached, oldest first; give up on what failed three times. Returns how many were read."""
    waiting = Inbound.objects.filter(state=Inbound.State.NEW).exclude(kind=breaker.HELD)
    waiting.filter(attempts__gte=MOST_ATTEMPTS).update(state=Inbound.State.FAILED)
    due = waiting.filter(received_at__lte=now - SWEPT_AFTER / settings.TIME_FACTOR, attempts__lt=MOST_ATTEMPTS)
    due = due.filter(~Q(headers__has_key="not_before") | Q(headers__not_before__lte=now.isoformat()))
    done = 0
    for inbound_id in due.order_by("pk").values_list("pk", flat=True)[:SWEPT_AT_ONCE]:
        try:
            done += bool(read(now=now, inbound_id=inbound_id))
        except OperationalError:
            raise
        except Exception:  # one message must not stop the line
            log.exception("Inbound %s could not be read", inbound_id)
    return done


def _claim(inbound_id: int) -> Inbound | None:
    waiting = Inbound.objects.filter(pk=inbound_id, state=Inbound.State.NEW).exclude(kind=breaker.HELD)
    if waiting.filter(attempts__lt=MOST_ATTEMPTS).update(attempts=F("attempts") + 1) != 1:
        return None
    return waiting.first()


def _read(now: datetime, row: Inbound) -> Result | None:
    if row.source.startswith("hook:"):
        return _read_call(now, row)
    if (brought := outside_reports.read(now=now, row=row, seconds=SECONDS)) is not None:
        finish(row=row, result=brought)
        return brought
    with at_most(SECONDS):
        report = read_report(bytes(row.raw), rcpt_to=row.rcpt_to)
    return _apply(now, row, _reading(row, report))


def _read_call(now: datetime, row: Inbound) -> Result:
    """A provider's webhook call: each of its events is a transaction, and told twice it counts once."""
    from sending.esp import events  # anymail is loaded only where a webhook came in

    result = events.read(now=now, row=row)
    finish(row=row, result=result)
    return result


def _reading(row: Inbound, report: Report) -> Reading:
    who = identifying.named(report=report, raw=bytes(row.raw), rcpt_to=row.rcpt_to, keys=settings.TOKEN_KEYS)
    reading = Reading(report, who)
    if report.kind in ("human", "none") or not who.is_anybody or not who.agrees or who.is_test:
        return reading
    sent = identifying.find(who=who, at=row.received_at)
    understood = _understood(row, report, sent) if report.kind == "bounce" and sent is not None else None
    return acting.with_sent(reading, sent, understood)


def _understood(row: Inbound, report: Report, sent: Sent) -> Understood:
    address = feedback.address_of(sent)
    said = acting.said_of(report, address)
    return feedback.understand(
        sent=sent, line=said.reply, phase=said.phase, recipient=said.recipient, at=row.received_at
    )


def _apply(now: datetime, row: Inbound, reading: Reading) -> Result | None:
    with transaction.atomic():
        waiting = Inbound.objects.select_for_update(skip_locked=True, no_key=True).defer("raw")
        locked = waiting.filter(pk=row.pk, state=Inbound.State.NEW).first()
        if locked is None:
            return None
        result = acting.act(now=now, row=locked, reading=reading)
        finish(row=locked, result=result, mailing_id=reading.sent.mailing.pk if reading.sent else None)
        return result


def finish(*, row: Inbound, result: Result, mailing_id: int | None = None) -> None:
    """Write down what became of it. What is looked at again has not used up an attempt, for a while."""
    row.kind, row.note, row.state = result.kind[:20], result.note.replace("\0", "")[:400], result.state
    if result.again:
        row.attempts = max(0, row.attempts - 1)
        row.kind = ""
    if mailing_id is not None:
        row.headers = row.headers | {"mailing": mailing_id}
    row.save(update_fields=["kind", "note", "state", "attempts", "headers"])


def _note_failure(row: Inbound, error: Exception) -> None:
    state = Inbound.State.FAILED if row.attempts >= MOST_ATTEMPTS else Inbound.State.NEW
    Inbound.objects.filter(pk=row.pk, state=Inbound.State.NEW).update(
        state=state, note=f"{type(error).__name__}: {error}".replace("\0", "")[:400]
    )
