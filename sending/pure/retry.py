"""When a deferred message is tried again (providers.md §1.3). What a reply does to our pace is up to the budgets."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

# A number of seconds in the reply wins over a shorter step, with some grace, up to a day.
HINT_GRACE = timedelta(seconds=10)
LONGEST_HINT = timedelta(hours=24)

_TEMP = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60, 120, 240))
_RECIPIENT = (timedelta(hours=1), timedelta(hours=4))

# The last step repeats until the time is up, except for these: then it is a soft bounce.
_SCHEDULES: Mapping[str, Sequence[timedelta]] = {"rcpt_rate": _RECIPIENT, "rcpt_temp": _RECIPIENT, "full": _RECIPIENT}

# Not a try against the message: it waits for a connection, or for its budget to open again.
_UNCOUNTED: Mapping[str, timedelta] = {
    "msgs_per_conn": timedelta(0),
    "too_many_rcpt": timedelta(0),
    "conn_limit": timedelta(minutes=1),
    "rate": timedelta(minutes=1),
    "reputation": timedelta(minutes=15),
    "blocklist": timedelta(minutes=15),
    **dict.fromkeys(("auth", "tls", "ptr", "config", "smarthost", "bug"), timedelta(minutes=15)),
}
GIVE_UP_AFTER = timedelta(hours=48)
# Somebody has to mend something on our side; after a day the mail is old.
GIVE_UP_OURS_AFTER = timedelta(hours=24)
_OURS = frozenset({"blocklist", "auth", "tls", "ptr", "config", "smarthost", "bug"})


def counts(reply_class: str) -> bool:
    """Is a deferral of this class a try against the message?"""
    return reply_class not in _UNCOUNTED


def next_attempt(
    *,
    attempt: int,
    reply_class: str,
    waited: timedelta = timedelta(0),
    hint_seconds: float | None = None,
    time_factor: float = 1.0,
) -> timedelta | None:
    """How long to wait before the next try; `None` = give up: a soft bounce, expired.

    `attempt`: counted tries so far, this one included (1, 2, …). `waited`: since the first try. `hint_seconds`: what
    the reply asked for. `time_factor` divides every delay: the demo's days pass in minutes.
    """
    wait = _step(max(attempt, 1), reply_class)
    if wait is None:
        return None
    if hint_seconds is not None and hint_seconds > 0:
        asked = min(timedelta(seconds=min(hint_seconds, LONGEST_HINT.total_seconds())) + HINT_GRACE, LONGEST_HINT)
        wait = max(wait, asked)
    limit = GIVE_UP_OURS_AFTER if reply_class in _OURS else GIVE_UP_AFTER
    return None if waited * time_factor + wait > limit else wait / time_factor


def _step(attempt: int, reply_class: str) -> timedelta | None:
    if reply_class in _UNCOUNTED:
        return _UNCOUNTED[reply_class]
    schedule = _SCHEDULES.get(reply_class)
    if schedule is None:
        return _TEMP[min(attempt, len(_TEMP)) - 1]
    return schedule[attempt - 1] if attempt <= len(schedule) else None
