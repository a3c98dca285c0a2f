"""What one provider's lane is doing, in a word and a sentence: what holds it, and until when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from words import gettext as _
from words import moment, ngettext, number


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
    for_winner: int = 0
    for_hour: int = 0
    next_hour_at: datetime | None = None
    next_hour_in: str = ""
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
    rests: bool = False
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
    by_us = _ended(facts) or _by_people(facts) or _by_hour(facts, now) or _by_guard(facts)
    return by_us or _by_receiver(facts, now, zone) or _by_limits(facts, now, zone)


def clock(at: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """`14:12`, with the day when it is not today's."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    return moment(local, day=local.date() != today)


def _ended(facts: Facts) -> Said | None:
    if facts.waiting <= 0:
        return Said("ok", "check", _("Done"))
    if facts.mailing_state == "stopped":
        return Said("", "player-stop", _("Stopped"), _("Whoever is left was not mailed."))
    return None


def _by_people(facts: Facts) -> Said | None:
    if facts.all_stopped:
        return Said("bad", "hand-stop", _("All stopped"), _("All sending is stopped, until an admin lets it go on."))
    if facts.mailing_state in ("paused", "held"):
        ending = facts.connections > 0
        word = _("Pausing") if ending else _("Paused") if facts.mailing_state == "paused" else _("Held")
        return Said("wait", "player-pause", word, _("The last messages under way are finished.") if ending else "")
    if facts.paused:
        return Said("wait", "player-pause", _("Paused"), _("By hand, for this provider only."))
    return None


def _by_hour(facts: Facts, now: datetime) -> Said | None:
    """Where nobody else is left who could go now."""
    if facts.stopped_early or facts.next_hour_at is None or facts.waiting > facts.for_hour:
        return None
    hour = hour_in(clock(facts.next_hour_at, now=now, zone=ZoneInfo(facts.next_hour_in)), facts.next_hour_in)
    return Said("wait", "clock", _("Waits"), _("Waiting for %(hour)s.") % {"hour": hour})


def hour_in(time: str, zone: str) -> str:
    """`09:00 in Buenos Aires`; the zone's name is `America/Argentina/Buenos_Aires`."""
    return _("%(time)s in %(place)s") % {"time": time, "place": zone.rpartition("/")[2].replace("_", " ")}


def _by_guard(facts: Facts) -> Said | None:
    if facts.stopped_early:
        return Said("bad", "shield-x", _("Stopped early"), _("The answers are bad. Somebody has to look, and go on."))
    if facts.held_back and not facts.closed:
        people = facts.first_part + facts.held_back
        sentence = _("A random %(first_part)s of %(people)s first; the rest follows when their answers are in.") % {
            "first_part": number(facts.first_part),
            "people": number(people),
        }
        return Said("live", "flask", _("First part"), sentence)
    return None


def _by_receiver(facts: Facts, now: datetime, zone: ZoneInfo) -> Said | None:
    if facts.closed and facts.closed_until is None:
        until = _("Until an admin opens it again.")
        return Said("bad", "hand-stop", _("Held"), f"{until} {_sentence(facts.reason)}".strip())
    if facts.closed and facts.closed_until is not None:
        next_try = clock(facts.closed_until, now=now, zone=zone)
        if facts.by_hand:
            return Said(
                "wait",
                "hand-stop",
                _("Held"),
                _("Until %(next_try)s. %(reason)s") % {"next_try": next_try, "reason": _sentence(facts.reason)},
            )
        asked = facts.reason.split("; ")[0] or _("%(who)s asked us to wait") % {"who": facts.who}
        return Said(
            "wait",
            "clock-pause",
            _("Slowing down"),
            _("%(asked)s; next try %(next_try)s, then faster step by step.") % {"asked": asked, "next_try": next_try},
        )
    if facts.probing:
        since = _sentence(facts.reason.split("; ")[0])
        tried = _("One message is tried over one connection; its answer opens the way.")
        return Said("wait", "clock-pause", _("Slowed down"), f"{since} {tried}".strip())
    if facts.share < 1.0:
        share = _("Now at %(percent)s%% of the normal pace, faster step by step.") % {
            "percent": f"{100 * facts.share:.0f}"
        }
        since = _sentence(facts.reason.split("; ")[0])
        return Said("wait", "clock-pause", _("Slowed down"), f"{since} {share}".strip())
    return None


def _sentence(words: str) -> str:
    return f"{words.rstrip('.')}." if words else ""


def _by_limits(facts: Facts, now: datetime, zone: ZoneInfo) -> Said:
    again = _again(facts, now, zone)
    if facts.rests and not facts.connections:
        here = now.astimezone(zone)
        monday = moment(here + timedelta(days=7 - here.weekday()), time=False)
        skips = _("The warm-up skips Saturdays and Sundays.")
        goes_on = _("It goes on at 00:00, %(day)s.") % {"day": monday}
        return Said("wait", "hourglass", _("Weekend"), f"{skips} {goes_on}")
    if facts.day_used is not None and not facts.connections:
        return Said("wait", "hourglass", _("Tomorrow"), _until_tomorrow(facts, now, zone))
    if facts.provider == "unknown":
        return Said("live", "search", _("Looking up"), _("DNS is asked where these people have their mail."))
    if facts.connections:
        over = ngettext("Over %(n)s connection.", "Over %(n)s connections.", facts.connections)
        return Said("live", "send", _("Sending"), f"{over % {'n': facts.connections}} {again}".strip())
    if facts.for_winner and facts.waiting - facts.retrying <= facts.for_winner:
        waits = ngettext("%(n)s waits for the winner.", "%(n)s wait for the winner.", facts.for_winner)
        return Said("live", "flask", _("A/B test"), f"{waits % {'n': number(facts.for_winner)}} {again}".strip())
    if facts.hour_used is not None:
        full = _("%(n)s an hour is the limit; it goes on soon.") % {"n": number(facts.hour_used)}
        return Said("wait", "hourglass", _("This hour is full"), full)
    if facts.retrying >= facts.waiting and facts.next_retry_at is not None and facts.next_retry_at > now:
        tried = _("Everyone was tried once.")
        return Said("wait", "refresh", _("Trying again"), f"{tried} {again}".strip())
    return Said("live", "clock", _("Waiting for its turn"), again)


def _until_tomorrow(facts: Facts, now: datetime, zone: ZoneInfo) -> str:
    tomorrow = now.astimezone(zone) + timedelta(days=1)
    used = _("Today’s %(n)s are used up.")
    if facts.warmup_day:
        used = _("Today’s %(n)s are used up (warm-up day %(day)s).")
    again = _("It goes on at 00:00, %(day)s.") % {"day": moment(tomorrow, time=False)}
    return f"{used % {'n': number(facts.day_used or 0), 'day': facts.warmup_day}} {again}"


def _again(facts: Facts, now: datetime, zone: ZoneInfo) -> str:
    """`38 are tried again from 15:30.`, for who is put off; nothing when nobody is."""
    if not facts.retrying or facts.next_retry_at is None:
        return ""
    n = facts.retrying
    if facts.next_retry_at > now:
        said = ngettext("%(n)s is tried again from %(when)s.", "%(n)s are tried again from %(when)s.", n)
        return said % {"n": number(n), "when": clock(facts.next_retry_at, now=now, zone=zone)}
    return ngettext("%(n)s is tried again now.", "%(n)s are tried again now.", n) % {"n": number(n)}
