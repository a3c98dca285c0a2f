"""Is this list bad? A small random part goes first, and a sequential test watches from the first answer to the last.

For each signal the test bets, answer by answer, that the true share is above its limit: its evidence is the mean of
likelihood ratios of a few worse shares against the limit. As long as the true share is within the limit, that evidence
is a non-negative martingale or shrinks, so the chance that it EVER reaches 1/α is at most α (Ville's inequality): we
may look as often as we like, and stop as soon as it is certain.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Counts:
    """What receivers answered. `answered`: final answers about a message; the others are parts of it, but for
    `complained`, which is told of those accepted. `bounced`: hard bounces, and whatever came back later."""

    answered: int = 0
    accepted: int = 0
    unknown: int = 0
    bounced: int = 0
    complained: int = 0
    content: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Counts)))

    def since(self, before: "Counts") -> "Counts":
        """What came after a person had looked; never less than nothing."""
        return Counts(*(max(0, getattr(self, one.name) - getattr(before, one.name)) for one in fields(Counts)))


@dataclass(frozen=True, slots=True)
class Signal:
    """`limit`: the share up to which a list is let go on. `said`: what so many of the `of` did."""

    name: str
    title: str
    limit: float
    of: str
    said: str
    advice: str

    @property
    def percent(self) -> str:
        return f"{100 * self.limit:g}"


# Limits: unknown users 2 % and content 1 %, our own practice; bounces 5 %, where Amazon SES begins a review; complaints
# 0.3 %, which Google's sender guidelines say never to reach.
SIGNALS = (
    Signal("unknown", "No such mailbox", 0.02, "answered", "mailboxes do not exist", "The list may be old, or bought."),
    Signal(
        "bounced", "Bounced for good", 0.05, "answered", "messages bounced for good", "The list may be old, or bought."
    ),
    Signal(
        "complained",
        "Marked as spam",
        0.003,
        "accepted",
        "people marked it as spam",
        "They may not remember that they signed up.",
    ),
    Signal(
        "content",
        "Content refused",
        0.01,
        "answered",
        "messages were refused for their content",
        "Look at the letter and its links.",
    ),
)
# At most this share of good lists is stopped wrongly, whatever their size: for each provider of a campaign, all signals
# together; and once more for all providers of it together.
FALSE_STOP = 0.001
CERTAIN = math.log(len(SIGNALS) / FALSE_STOP)
# How much worse than its limit a list may be, to bet on.
WORSE = (1.5, 2.0, 3.0, 5.0, 8.0)
# Fewer bad answers than this never stop anything, so their lanes need not be looked at.
FEWEST = 3

# The part that goes first: 1.5 % of a provider's people, not more than are needed to tell a bad list from a good one.
CANARY_SHARE = 0.015
CANARY_MOST = 2_000
# The rest goes when the last of the first part was tried and so long is over, for what comes back a little later;
SETTLE = timedelta(minutes=5)
# and so long after the first of it has left: whoever is not known by then holds up nobody.
AT_LATEST = timedelta(minutes=60)
# Of fewer people than this such a part would be too small to show anything: there everybody goes at once.
CANARY_FROM = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """`bad` of `of` are more than the limit of the signal allows, for certain."""

    signal: Signal
    bad: int
    of: int

    @property
    def share(self) -> float:
        return self.bad / self.of

    def sentence(self, who: str) -> str:
        """`Stopped early at Gmail: 14 of 120 mailboxes do not exist (11.7 %; up to 2 % is let pass). …`"""
        limit = f"up to {self.signal.percent} % is let pass"
        what = f"{self.bad:,} of {self.of:,} {self.signal.said} ({100 * self.share:.3g} %; {limit})"
        return f"Stopped early at {who}: {what}. {self.signal.advice}"


def find(counts: Counts) -> Finding | None:
    """The signal that is above its limit for certain, the clearest of them; None while nothing is."""
    found = [(evidence(bad, of, signal.limit), Finding(signal, bad, of)) for signal, bad, of in _measured(counts)]
    certain = [row for row in found if row[0] >= CERTAIN]
    return max(certain, key=lambda row: row[0])[1] if certain else None


def _measured(counts: Counts) -> Iterable[tuple[Signal, int, int]]:
    for signal in SIGNALS:
        bad: int = getattr(counts, signal.name)
        # A complaint may be counted before the batch that sent the message is.
        yield signal, bad, max(bad, getattr(counts, signal.of))


def evidence(bad: int, of: int, limit: float) -> float:
    """The logarithm of how many times likelier `bad` among `of` is if the list is worse than `limit`."""
    bets = [bad * math.log(times) + (of - bad) * _log_of_rest(times, limit) for times in WORSE]
    most = max(bets)
    return most + math.log(sum(math.exp(bet - most) for bet in bets) / len(bets))


def _log_of_rest(times: float, limit: float) -> float:
    return math.log((1 - times * limit) / (1 - limit))


def first_part(people: int) -> int:
    """How many of a lane's people go first, on average; 0: everybody goes at once."""
    return round(min(CANARY_SHARE * people, CANARY_MOST)) if people >= CANARY_FROM else 0


def canaries(people: Mapping[str, int]) -> dict[str, UUID]:
    """Lane → the bound below which a person's random number of this mailing must lie to be in its first part.

    The numbers are uniform over all UUIDs, so that the part is a fair sample. Lanes without one are left out.
    """
    shares = {lane: min(CANARY_SHARE, CANARY_MOST / n) for lane, n in people.items() if n >= CANARY_FROM}
    return {lane: UUID(int=int(share * 2**128)) for lane, share in shares.items()}
