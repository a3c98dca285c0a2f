"""What a person (or the engine) may do to a mailing under way. Each is a compare-and-set; the gate reads the result,
so every one of them is effective within one message per connection.
"""

from datetime import datetime

from reputation.domains import may_send
from sending.models import Mailing, MailingChange, MailingLane, Stream

State = Mailing.State
_BY_GUARD = (MailingChange.Kind.STOPPED, MailingChange.Kind.RESUMED)
# to → the states it may be reached from
ALLOWED: dict[str, tuple[str, ...]] = {
    State.PAUSED: (State.RUNNING,),
    State.HELD: (State.RUNNING, State.PAUSED),
    State.RUNNING: (State.PAUSED, State.HELD, State.STOPPED),
    State.STOPPED: (State.RUNNING, State.PAUSED, State.HELD),
}


def pause(*, now: datetime, mailing_id: int, reason: str = "") -> bool:
    return _move(now, mailing_id, State.PAUSED, reason)


def hold(*, now: datetime, mailing_id: int, reason: str) -> bool:
    """The engine stops it; going on needs a person."""
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
            held += hold(now=now, mailing_id=mailing.pk, reason=f"{mailing.sending_domain.name}: {sentence}")
    return held


def resume(*, now: datetime, mailing_id: int) -> bool:
    """Go on; after a stop this is "send to those not yet mailed". Not where the guard has stopped it: see `guard`."""
    about = MailingChange.objects.filter(mailing_id=mailing_id, provider="", kind__in=_BY_GUARD).order_by("-pk")
    if about.values_list("kind", flat=True).first() == MailingChange.Kind.STOPPED:
        return False
    return _move(now, mailing_id, State.RUNNING, "")


def stop(*, now: datetime, mailing_id: int, reason: str = "") -> bool:
    """End it; whoever was not mailed stays on record as waiting."""
    return _move(now, mailing_id, State.STOPPED, reason)


def _move(now: datetime, mailing_id: int, state: str, reason: str) -> bool:
    return bool(
        Mailing.objects.filter(pk=mailing_id, state__in=ALLOWED[state]).update(
            state=state, state_since=now, state_reason=reason[:300]
        )
    )


def pause_provider(*, mailing_id: int, provider: str) -> bool:
    return _move_lanes(mailing_id, provider, MailingLane.State.OPEN, MailingLane.State.PAUSED)


def resume_provider(*, mailing_id: int, provider: str) -> bool:
    return _move_lanes(mailing_id, provider, MailingLane.State.PAUSED, MailingLane.State.OPEN)


def _move_lanes(mailing_id: int, provider: str, old: str, new: str) -> bool:
    lanes = MailingLane.objects.filter(mailing_id=mailing_id, provider=provider)
    return bool(lanes.filter(state=old).update(state=new))


def change_speed(*, mailing_id: int, per_hour: int | None) -> bool:
    """At most so many messages an hour from now on; None lifts the limit."""
    live = Mailing.objects.filter(pk=mailing_id).exclude(state__in=[State.DONE, State.STOPPED])
    return bool(live.update(per_hour=per_hour))
