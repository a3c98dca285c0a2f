"""What a reply means for the message and its batch. What it means for our name, or for the person's standing, is in
`reputation.pure.reactions`; this adds what only sending knows: in which phase it was said, and what is still to come.
"""

from dataclasses import dataclass

from reputation.pure.reactions import REACTIONS
from sending.pure.retry import counts

ACCEPTED, DEFERRED, BLOCKED = "accepted", "deferred", "blocked"
BOUNCED_HARD, BOUNCED_SOFT, BOUNCED_POLICY = "bounced_hard", "bounced_soft", "bounced_policy"

# Said before there was a message: it can't be about it, so it never ends one.
BEFORE_THE_MESSAGE = frozenset({"connect", "ehlo", "starttls", "auth"})

_PERMANENT = {
    "retry": DEFERRED,
    "retry_counted": DEFERRED,
    "blocked": BLOCKED,
    "failed": BLOCKED,
    "refused": BOUNCED_POLICY,
    "soft": BOUNCED_SOFT,
    "soon_gone": BOUNCED_HARD,
    "gone": BOUNCED_HARD,
    "gone_by_dns": BOUNCED_SOFT,
}
_ASKS_TO_SLOW = frozenset({"rate", "conn_limit"})
_ABOUT_THE_CONNECTION = frozenset({"msgs_per_conn", "too_many_rcpt"})


@dataclass(frozen=True, slots=True)
class Reaction:
    """`kind`: the outcome. `counts`: a try that was put off counts against the message. `about_us`: the lane's budgets
    hear of it, and the batch ends. `reconnects`: this connection is used up."""

    kind: str
    counts: bool = True
    about_us: bool = False
    reconnects: bool = False


def react(*, code: int, class_: str, phase: str) -> Reaction:
    """The reaction to a reply of this code and class (of providers' replies), heard in this phase.

    Accepted is only a yes to the final dot. A 4xx is always a deferral, whatever its class. A class that is not in the
    table never ends on the person.
    """
    if code < 400:
        return Reaction(ACCEPTED if code < 300 and phase == "dot" else DEFERRED)
    known = REACTIONS.get(class_)
    effect = known.recipient if known else "soft"
    before = phase in BEFORE_THE_MESSAGE
    about_us = class_ in _ASKS_TO_SLOW or effect == "blocked"
    return Reaction(
        _PERMANENT[effect] if code >= 500 and not before else DEFERRED,
        counts=not before and counts(class_),
        about_us=about_us,
        reconnects=code == 421 or class_ in _ABOUT_THE_CONNECTION,
    )
