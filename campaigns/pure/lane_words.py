"""What one provider's lane is doing, in a word and a sentence: what holds it, and until when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a lane. `share`: of its normal rate while it recovers; `limit`: messages a minute, None: any.

    `by_hand`: somebody of us closed it, no receiver; `reason` is why it is closed or slow, in whole sentences or parts.
    """

    who: str
    provider: str
    mailing_state: str
    all_stopped: bool = False
    paused: bool = False
    stopped_early: bool = False
    first_part: int = 0
    held_back: int = 0
    waiting: int = 0
    retrying: int = 0
    next_retry_at: datetime | None = None
    connections: int = 0
    closed: bool = False
    closed_until: datetime | None = None
    by_hand: bool = False
    share: float = 1.0
    probing: bool = False
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
    by_us = _ended(facts) or _by_people(facts) or _by_guard(facts)
    return by_us or _by_receiver(facts, now, zone) or _by_limits(facts, now, zone)


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
    if facts.all_stopped:
        return Said("bad", "hand-stop", "All stopped", "All sending is stopped, until an admin lets it go on.")
    if facts.mailing_state in ("paused", "held"):
        ending = facts.connections > 0
        word = "Pausing" if ending else "Paused" if facts.mailing_state == "paused" else "Held"
        return Said("wait", "player-pause", word, "The last messages under way are finished." if ending else "")
    if facts.paused:
        return Said("wait", "player-pause", "Paused", "By hand, for this provider only.")
    return None


def _by_guard(facts: Facts) -> Said | None:
    if facts.stopped_early:
        return Said("bad", "shield-x", "Stopped early", "The answers are bad. Somebody has to look, and go on.")
    if facts.held_back and not facts.closed:
        people = facts.first_part + facts.held_back
        sentence = f"A random {facts.first_part:,} of {people:,} first; the rest follows when their answers are in."
        return Said("live", "flask", "First part", sentence)
    return None


def _by_receiver(facts: Facts, now: datetime, zone: ZoneInfo) -> Said | None:
    if facts.closed and facts.closed_until is None:
        because = f" {_sentence(facts.reason)}" if facts.reason else ""
        return Said("bad", "hand-stop", "Held", f"Until an admin opens it again.{because}")
    if facts.closed and facts.closed_until is not None:
        next_try = clock(facts.closed_until, now=now, zone=zone)
        if facts.by_hand:
            return Said("wait", "hand-stop", "Held", f"Until {next_try}. {_sentence(facts.reason)}")
        asked = facts.reason.split("; ")[0] or f"{facts.who} asked us to wait"
        return Said("wait", "clock-pause", "Slowing down", f"{asked}; next try {next_try}, then faster step by step.")
    if facts.probing:
        since = _sentence(facts.reason.split("; ")[0])
        tried = "One message is tried over one connection; its answer opens the way."
        return Said("wait", "clock-pause", "Slowed down", f"{since} {tried}".strip())
    if facts.share < 1.0:
        share = f"Now at {facts.share:.0%} of the normal pace, faster step by step."
        since = _sentence(facts.reason.split("; ")[0])
        return Said("wait", "clock-pause", "Slowed down", f"{since} {share}".strip())
    return None


def _sentence(words: str) -> str:
    return f"{words.rstrip('.')}." if words else ""


def _by_limits(facts: Facts, now: datetime, zone: ZoneInfo) -> Said:
    if facts.day_used is not None and not facts.connections:
        plan = f" (warm-up day {facts.warmup_day})" if facts.warmup_day else ""
        tomorrow = now.astimezone(zone).date() + timedelta(days=1)
        again = f"It goes on at 00:00, {tomorrow:%a} {tomorrow.day} {tomorrow:%b}."
        return Said("wait", "hourglass", "Tomorrow", f"Today’s {facts.day_used:,} are used up{plan}. {again}")
    if facts.provider == "unknown":
        return Said("live", "search", "Looking up", "DNS is asked where these people have their mail.")
    if facts.connections:
        plural = "s" if facts.connections > 1 else ""
        return Said(
            "live", "send", "Sending", f"Over {facts.connections} connection{plural}.{_again(facts, now, zone)}"
        )
    if facts.hour_used is not None:
        return Said(
            "wait", "hourglass", "This hour is full", f"{facts.hour_used:,} an hour is the limit; it goes on soon."
        )
    if facts.retrying >= facts.waiting and facts.next_retry_at is not None and facts.next_retry_at > now:
        return Said("wait", "refresh", "Trying again", f"Everyone was tried once.{_again(facts, now, zone)}")
    return Said("live", "clock", "Waiting for its turn", _again(facts, now, zone).strip())


def _again(facts: Facts, now: datetime, zone: ZoneInfo) -> str:
    """` 38 are tried again from 15:30.`, for who is put off; nothing when nobody is."""
    if not facts.retrying or facts.next_retry_at is None:
        return ""
    from_when = f"from {clock(facts.next_retry_at, now=now, zone=zone)}" if facts.next_retry_at > now else "now"
    return f" {facts.retrying:,} {'is' if facts.retrying == 1 else 'are'} tried again {from_when}."
