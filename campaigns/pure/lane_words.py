"""What one provider's lane is doing, in a word and a sentence: what holds it, and until when."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a lane. `share`: of its normal rate while it recovers; `limit`: messages a minute, None: any."""

    who: str
    provider: str
    mailing_state: str
    paused: bool = False
    waiting: int = 0
    retrying: int = 0
    next_retry_at: datetime | None = None
    connections: int = 0
    closed: bool = False
    closed_until: datetime | None = None
    share: float = 1.0
    reason: str = ""
    day_used: int | None = None
    warmup_day: int = 0
    hour_used: int | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """`tone` ok, wait, bad, live or empty; `icon` and `word` always go together."""

    tone: str
    icon: str
    word: str
    sentence: str = ""


def say(facts: Facts, *, now: datetime, zone: ZoneInfo) -> Said:
    """The first that applies: done, stopped by a person, then what the receiver or our own limits say."""
    return _ended(facts) or _by_people(facts) or _by_receiver(facts, now, zone) or _by_limits(facts, now, zone)


def clock(at: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """`14:12`, with the day when it is not today's."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%a} {local.day} {local:%b}, {local:%H:%M}"


def _ended(facts: Facts) -> Said | None:
    if facts.waiting <= 0:
        return Said("ok", "check", "Done")
    if facts.mailing_state == "stopped":
        return Said("", "player-stop", "Stopped", "Whoever is left was not mailed.")
    return None


def _by_people(facts: Facts) -> Said | None:
    if facts.mailing_state in ("paused", "held"):
        ending = facts.connections > 0
        word = "Pausing" if ending else "Paused" if facts.mailing_state == "paused" else "Held"
        return Said("wait", "player-pause", word, "The last messages under way are finished." if ending else "")
    if facts.paused:
        return Said("wait", "player-pause", "Paused", "By hand, for this provider only.")
    return None


def _by_receiver(facts: Facts, now: datetime, zone: ZoneInfo) -> Said | None:
    because = f" {facts.reason.rstrip('.')}." if facts.reason else ""
    if facts.closed and facts.closed_until is None:
        return Said("bad", "hand-stop", "Held", f"Until an admin opens it again.{because}")
    if facts.closed and facts.closed_until is not None:
        next_try = clock(facts.closed_until, now=now, zone=zone)
        return Said(
            "wait", "clock-pause", "Slowing down", f"{facts.who} asked us to wait; next try {next_try}.{because}"
        )
    if facts.share < 1.0:
        return Said("wait", "clock-pause", "Slowed down", f"At {facts.share:.0%} of the pace, growing again.{because}")
    return None


def _by_limits(facts: Facts, now: datetime, zone: ZoneInfo) -> Said:
    if facts.day_used is not None and not facts.connections:
        plan = f" (warm-up day {facts.warmup_day})" if facts.warmup_day else ""
        return Said("wait", "hourglass", "Tomorrow", f"Today’s {facts.day_used:,} are used up{plan}.")
    if facts.provider == "unknown":
        return Said("live", "search", "Looking up", "DNS is asked where these people have their mail.")
    if facts.connections:
        plural = "s" if facts.connections > 1 else ""
        return Said("live", "send", "Sending", f"Over {facts.connections} connection{plural}.")
    if facts.hour_used is not None:
        return Said(
            "wait", "hourglass", "This hour is full", f"{facts.hour_used:,} an hour is the limit; it goes on soon."
        )
    if facts.retrying >= facts.waiting and facts.next_retry_at is not None and facts.next_retry_at > now:
        at = clock(facts.next_retry_at, now=now, zone=zone)
        return Said("wait", "refresh", "Trying again", f"Everyone was tried once; {facts.retrying:,} again from {at}.")
    return Said("live", "clock", "Waiting for its turn")
