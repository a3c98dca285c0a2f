"""Transmit one batch over one connection at a time.

1. Claim the batch; read its people, their domains and the letter, in a few queries; take what their domains may still
   get, and put off the rest; let the database go.
2. For each: write the letter, wait for the pace, offer it while the gate is asked: MAIL and RCPT in one write, and DATA
   with them where the pace lets the message leave at once.
3. Granted and taken: content, final dot, reply. Else take the offer back; the connection lives, unless the receiver
   waits for content already.
4. At the end, or when something says stop: settle what is left, hand the rest back.

No database connection is held during 2 and 3: the gate owns the only one. They run in the hub, beside the dialogues of
all other batches; all waiting is `draining.wait` or the hub's.
"""

import logging
from collections import deque
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import connection

from reputation import dkim_keys, sealed
from reputation.budgets import Limits, limits_of
from reputation.models import Budget
from reputation.workspace import zone
from sending import alone, crashes, draining, finish, here, sites
from sending.claim import Claimed, adopt, claim, leave_to_takeover
from sending.flight_recorder import Slot
from sending.handing_over import Handover
from sending.letters import Writer, must_be_signed
from sending.loading import Load, Person, load
from sending.logbook import Logbook
from sending.models import Batch, Mailing, Requeue
from sending.running_clock import RunningClock
from sending.transports import CouldNotOpen, Patience, Transport, transport_for

log = logging.getLogger(__name__)

# Without a database nothing is claimed; a batch that is not is woken again.
ENROL_SECONDS = 5.0


def transmit(*, now: datetime, batch_id: int) -> bool:
    """Send one planned batch; false when it is not there to be sent (any more). Takes up to its deadline and one reply.

    Raises what is a defect of ours, after the batch has been ended in order, or left to the takeover.
    """
    gate = here.gate()
    if not gate.wait_until_enrolled(ENROL_SECONDS):
        return False
    claimed = claim(now=now, batch_id=batch_id, owner=gate.worker.id)
    if claimed is None:
        return False
    clock = RunningClock(now=now)
    if claimed.batch.kind == Batch.Kind.RETRY and (suspect := crashes.suspect_in(batch_id)) is not None:
        try:
            alone.send(claimed=claimed, delivery=suspect, now=clock())
        finally:
            # What no process has adopted is left with nobody.
            leave_to_takeover(claimed)
            connection.close()
        return True
    _send(claimed, clock)
    return True


def transmit_alone(*, now: datetime, batch_id: int, epoch: int) -> bool:
    """Send a batch that a worker hands to this process (`sending.alone`); false when it is not there any more."""
    gate = here.gate()
    if not gate.wait_until_enrolled(ENROL_SECONDS):
        return False
    claimed = adopt(batch_id=batch_id, epoch=epoch, owner=gate.worker.id)
    if claimed is not None:
        _send(claimed, RunningClock(now=now))
    return claimed is not None


def _send(claimed: Claimed, clock: RunningClock) -> None:
    gate = here.gate()
    watched = {"batch": claimed.batch.pk, "epoch": claimed.epoch}
    gate.watch(**watched)
    try:
        with here.recorder().slot() as slot:
            _send_and_finish(claimed, Logbook(claimed), clock, slot)
    finally:
        gate.unwatch(**watched)
        connection.close()


def _send_and_finish(claimed: Claimed, book: Logbook, clock: RunningClock, slot: Slot) -> None:
    try:
        handover, people = _made_ready(claimed, book, clock, slot)
    except BaseException:
        # The book does not know its people yet: closing it would drop them. The takeover reads them from the rows.
        leave_to_takeover(claimed)
        raise
    try:
        if handover is not None:
            here.hub().drive(partial(handover.run, people))
    finally:
        finish.finish(book=book, clock=clock, gate=here.gate())


def _made_ready(
    claimed: Claimed, book: Logbook, clock: RunningClock, slot: Slot
) -> tuple[Handover | None, deque[Person]]:
    """Who is to be sent to and how; nobody, with everybody handed back, where the batch must or can not begin."""
    limits = _limits(claimed, clock())
    found = load(now=clock(), claimed=claimed, requires_tls=any(limit.tls_required for limit in limits))
    book.leave_out(found.left_out)
    book.returned.extend(found.returned)
    if (reason := _must_not_start(claimed, clock())) or draining.is_draining():
        book.hand_back(found.people, due_at=clock())
        book.end_reason = reason or "draining"
        return None, deque()
    shares = sites.take(now=clock(), claimed=claimed, people=found.people, cold=any(limit.cold for limit in limits))
    found.people = shares.people
    for person, due_at in shares.capped:
        book.hand_back([person], due_at=due_at, reason=Requeue.Reason.DOMAIN_CAP)
    ready = _prepared(claimed, book, found, clock)
    connection.close()
    if ready is None:
        return None, deque()
    writer, transport = ready
    most = min((limit.per_connection for limit in limits if limit.per_connection), default=None)
    handover = Handover(
        book=book,
        gate=here.gate(),
        clock=clock,
        writer=writer,
        transport=transport,
        slot=slot,
        most_per_connection=most,
    )
    return handover, deque(found.people)


def _limits(claimed: Claimed, now: datetime) -> list[Limits]:
    budgets = Budget.objects.filter(pk__in=claimed.batch.budget_ids).select_related("warmup")
    here_zone = zone()
    return [limits_of(budget, now=now, zone=here_zone) for budget in budgets]


def _must_not_start(claimed: Claimed, now: datetime) -> str:
    """The capacity was reserved for the time before the deadline; a batch found later gives its people back."""
    if claimed.mailing.state != Mailing.State.RUNNING:
        return f"mailing_{claimed.mailing.state}"
    return "too_late" if now >= claimed.batch.deadline else ""


def _prepared(claimed: Claimed, book: Logbook, found: Load, clock: RunningClock) -> tuple[Writer, Transport] | None:
    """The letter and the way out; None, with everybody handed back, when one of them is not to be had."""
    try:
        key = dkim_keys.signing_key(claimed.mailing.sending_domain_id)
        if key is None and must_be_signed(claimed.mailing):
            raise CouldNotOpen(f"{claimed.mailing.sending_domain.name} has no active DKIM key; mail must be signed.")
        transport = transport_for(claimed.route, patience=patience())
        return Writer(mailing=claimed.mailing, key=key), transport
    except (CouldNotOpen, LookupError, ValueError, sealed.SealBroken) as error:
        log.error("Batch %s can't be sent: %s", claimed.batch.pk, error)
        book.end_reason = str(error)[:120]
        book.hand_back(found.people, due_at=clock() + finish.NOT_READY_AGAIN / settings.TIME_FACTOR)
        return None


def patience() -> Patience:
    """How long to wait for receivers."""
    return Patience(
        connect=settings.SMTP_CONNECT_TIMEOUT, command=settings.SMTP_COMMAND_TIMEOUT, dot=settings.SMTP_DOT_TIMEOUT
    )
