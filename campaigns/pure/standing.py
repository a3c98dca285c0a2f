"""How a campaign went at one provider, in three words, by the limits the big mailbox providers hold senders to."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from words import gettext as _
from words import number

# Below so many messages one person more or less would change the word.
ENOUGH = 100
# One or two are an accident.
CASES = 3


class Bounds(NamedTuple):
    """Below `good` all is well, from `bad` on it is not."""

    good: Fraction
    bad: Fraction


def _per_mille(good: int, bad: int) -> Bounds:
    return Bounds(Fraction(good, 1000), Fraction(bad, 1000))


COMPLAINED, BOUNCED, LEFT, BLOCKED = _per_mille(1, 3), _per_mille(10, 20), _per_mille(3, 10), _per_mille(5, 20)


@dataclass(frozen=True, slots=True)
class Standing:
    """`why` is the worst of what counted; empty when all is well."""

    tone: str
    icon: str
    word: str
    why: str = ""


def standing(*, accepted: int, no_mailbox: int, blocked: int, complained: int, left: int) -> Standing:
    """From people: accepted, refused because the mailbox does not exist, refused because of us, and what they did."""
    tried = accepted + no_mailbox + blocked
    if tried < ENOUGH:
        return Standing("", "circle-dashed", _("Too few to say"))
    worst = max(_judged(tried, accepted, no_mailbox, blocked, complained, left), default=None)
    if worst is None:
        return Standing("ok", "circle-check", _("Healthy"))
    level, _share, why = worst
    if level == 2:
        return Standing("bad", "alert-octagon", _("Needs attention"), why)
    return Standing("wait", "alert-triangle", _("Room for improvement"), why)


def _judged(
    tried: int, accepted: int, no_mailbox: int, blocked: int, complained: int, left: int
) -> Iterator[tuple[int, Fraction, str]]:
    """(2 for bad or 1, how far beyond, why) of everything that is not good."""
    told = (
        (complained, accepted, COMPLAINED, _("%(share)s %% complained")),
        (blocked, tried, BLOCKED, _("%(share)s %% refused because of us")),
        (no_mailbox, tried, BOUNCED, _("%(share)s %% had no mailbox")),
        (left, accepted, LEFT, _("%(share)s %% unsubscribed")),
    )
    for people, of, bounds, what in told:
        if people < CASES or not of:
            continue
        share = Fraction(people, of)
        if share >= bounds.good:
            yield 2 if share >= bounds.bad else 1, share / bounds.bad, what % {"share": _two_digits(100 * share)}


def _two_digits(share: Fraction) -> str:
    written = f"{float(share):.2g}"
    return number(float(written), len(written.partition(".")[2]))
