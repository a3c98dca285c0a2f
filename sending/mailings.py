"""What a person (or the engine) may do to a mailing under way. Each is a compare-and-set; the gate reads the result,
so every one of them is effective within one message per connection. What changed something is written down with who.
"""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from reputation.domains import may_send
from sending.models import Batch, Mailing, MailingChange, MailingLane, Stream

State, Kind = Mailing.State, MailingChange.Kind
_BY_GUARD = (Kind.STOPPED, Kind.RESUMED)
# to → the states it may be reached from
ALLOWED: dict[str, tuple[str, ...]] = {
    State.PAUSED: (State.RUNNING,),
    State.HELD: (State.RUNNING, State.PAUSED),
    State.RUNNING: (State.PAUSED, State.HELD, State.STOPPED),
    State.STOPPED: (State.RUNNING, State.PAUSED, State.HELD),
}


def pause(*, now: datetime, mailing_id: int, reason: str = "", by: User | None = None) -> bool:
    """Nothing new begins; what each connection has in hand is finished. How many that were is kept as evidence."""
    with transaction.atomic():
        if not _move(now, mailing_id, State.PAUSED, reason):
            return False
        in_hand = Batch.objects.filter(mailing_id=mailing_id, state=Batch.State.RUNNING).count()
        _write(now, mailing_id, Kind.PAUSED, by, evidence={"in_hand": in_hand})
    return True


def hold(*, now: datetime, mailing_id: int, reason: str) -> bool:
    """The engine stops it; going on needs a person. Whoever calls writes down why."""
    return _move(now, mailing_id, State.HELD, reason)


def hold_what_may_not_leave(*, now: datetime) -> int:
    """Hold running campaigns whose sending domain may send no more (its authentication failed twice, or could not be
    looked up for three days); returns how many. Test mail and confirmations go on: they show whether it is mended.
    """
    running = Mailing.objects.filter(state=State.RUNNING, stream=Stream.MARKETING, is_test=False)
    held = 0
    for mailing in running.select_related("sending_domain"):
        allowed, sentence = may_send(now=now, domain=mailing.sending_domain)
        if not allowed:
            held += _hold_for_domain(now, mailing.pk, f"{mailing.sending_domain.name}: {sentence}")
    return held


def _hold_for_domain(now: datetime, mailing_id: int, reason: str) -> bool:
    with transaction.atomic():
        if not hold(now=now, mailing_id=mailing_id, reason=reason):
            return False
        _write(now, mailing_id, Kind.HELD, None, reason=reason)
    return True


def resume(*, now: datetime, mailing_id: int, by: User | None = None) -> bool:
    """Go on; after a stop this is "send to those not yet mailed". Not where the guard has stopped it: see `guard`."""
    about = MailingChange.objects.filter(mailing_id=mailing_id, provider="", kind__in=_BY_GUARD).order_by("-pk")
    if about.values_list("kind", flat=True).first() == Kind.STOPPED:
        return False
    with transaction.atomic():
        if not go_on(now=now, mailing_id=mailing_id):
            return False
        _write(now, mailing_id, Kind.WENT_ON, by)
    return True


def go_on(*, now: datetime, mailing_id: int) -> bool:
    """The move alone; whoever calls has asked whether it may, and writes it down."""
    return _move(now, mailing_id, State.RUNNING, "")


def stop(*, now: datetime, mailing_id: int, reason: str = "", by: User | None = None) -> bool:
    """End it; whoever was not mailed stays on record as waiting."""
    with transaction.atomic():
        if not _move(now, mailing_id, State.STOPPED, reason):
            return False
        _write(now, mailing_id, Kind.ENDED, by)
    return True


def _move(now: datetime, mailing_id: int, state: str, reason: str) -> bool:
    return bool(
        Mailing.objects.filter(pk=mailing_id, state__in=ALLOWED[state]).update(
            state=state, state_since=now, state_reason=reason[:300]
        )
    )


def pause_provider(*, now: datetime, mailing_id: int, provider: str, by: User | None = None) -> bool:
    """One provider only; the others go on."""
    moves = (MailingLane.State.OPEN, MailingLane.State.PAUSED)
    return _move_lanes(now, mailing_id, provider, *moves, kind=Kind.PAUSED, by=by)


def resume_provider(*, now: datetime, mailing_id: int, provider: str, by: User | None = None) -> bool:
    moves = (MailingLane.State.PAUSED, MailingLane.State.OPEN)
    return _move_lanes(now, mailing_id, provider, *moves, kind=Kind.WENT_ON, by=by)


def _move_lanes(
    now: datetime, mailing_id: int, provider: str, old: str, new: str, *, kind: str, by: User | None
) -> bool:
    with transaction.atomic():
        lanes = MailingLane.objects.filter(mailing_id=mailing_id, provider=provider)
        if not lanes.filter(state=old).update(state=new):
            return False
        _write(now, mailing_id, kind, by, provider=provider)
    return True


def change_speed(*, now: datetime, mailing_id: int, per_hour: int | None, by: User | None = None) -> bool:
    """At most so many messages an hour from now on; None lifts the limit. False when it is over."""
    with transaction.atomic():
        live = Mailing.objects.filter(pk=mailing_id).exclude(state__in=[State.DONE, State.STOPPED])
        if not live.update(per_hour=per_hour):
            return False
        told = f"At most {per_hour:,} an hour" if per_hour else "As fast as is safe"
        _write(now, mailing_id, Kind.SPEED, by, reason=told, evidence={"per_hour": per_hour})
    return True


def _write(now: datetime, mailing_id: int, kind: str, by: User | None, **more: Any) -> None:
    MailingChange.objects.create(
        mailing_id=mailing_id, kind=kind, at=now, actor=by, **{**more, "reason": more.get("reason", "")[:300]}
    )
