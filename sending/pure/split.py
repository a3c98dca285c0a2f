"""An A/B test of a mailing: who is in it, which variant wins, and how sure one can be.

`variants` are numbered from 0 and called A, B, C, D. A share of the people gets them, evenly, at random; the rest waits
for the winner.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from statistics import NormalDist

# Who waits for the winner has this in place of a variant.
REST = -1
MOST_VARIANTS = 4
# As nearly everywhere in the field: a difference that chance alone makes at most once in twenty tests.
CONFIDENCE, POWER = 0.95, 0.8
# The time to wait begins when so much of the test part was handed out, at the latest so long after its first message:
# a provider that takes fifty a day must not hold up all others.
HANDED_OUT, BEGINS_AT_LATEST = 0.9, timedelta(hours=24)


class By(StrEnum):
    """What decides."""

    CLICKS = "clicked"
    OPENS = "opened"
    HAND = "hand"


class Why(StrEnum):
    """What made it the winner."""

    CLEAR = "clear"  # the best, and chance is no likely explanation
    AHEAD = "ahead"  # the best, though chance could be the reason
    TIE = "tie"  # equal to another: the first of them
    NOTHING = "nothing"  # nobody did anything: the first
    HAND = "hand"  # a person chose it


@dataclass(frozen=True, slots=True)
class Split:
    """`share`: per cent of the people in the test; 100: everybody, and nobody waits. `wait`: from its end until the
    winner is chosen, where nobody chooses it by hand."""

    share: int
    by: By
    wait: timedelta


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of one variant's people: who has it, and of those who (machines never counted) opened, clicked,
    unsubscribed and complained."""

    people: int
    accepted: int = 0
    opened: int = 0
    clicked: int = 0
    unsubscribed: int = 0
    complained: int = 0

    def n(self, by: By) -> int:
        return self.opened if by is By.OPENS else self.clicked

    def rate(self, by: By) -> float:
        """0 to 1, of those who have it."""
        return self.n(by) / self.accepted if self.accepted else 0.0


@dataclass(frozen=True, slots=True)
class Gap:
    """By how much one rate is above another, with the bounds of its confidence interval; all from -1 to 1."""

    low: float
    value: float
    high: float

    @property
    def is_clear(self) -> bool:
        return self.low > 0 or self.high < 0


def name_of(variant: int) -> str:
    """A, B, C, D."""
    return chr(ord("A") + variant)


def in_test(people: int, *, share: int, variants: int) -> int:
    """How many of these people are in the test: the share, but one for each variant at least, as long as there are."""
    return min(people, max(variants, round(people * share / 100)))


def variant_at(rank: int, *, in_test: int, variants: int) -> int:
    """The variant of whoever has this place (from 1) in the random order of all people; REST beyond the test. The rule;
    the press does it for a million people in its one statement."""
    return (rank - 1) % variants if rank <= in_test else REST


def choose(tallies: Sequence[Tally], by: By) -> tuple[int, Why]:
    """The variant with the highest rate, and why it is that one. Of equal ones the first.

    "Clear" only when its lead over each of the others is: with more variants each is held to a stricter bound, so that
    the chance of ever calling chance a winner stays the same (Bonferroni).
    """
    best = max(range(len(tallies)), key=lambda variant: (tallies[variant].rate(by), -variant))
    if not any(tally.n(by) for tally in tallies):
        return 0, Why.NOTHING
    others = [tally for variant, tally in enumerate(tallies) if variant != best]
    if any(tally.rate(by) == tallies[best].rate(by) for tally in others):
        return best, Why.TIE
    clear = all(gap(tallies[best], tally, by, tests=len(others)).is_clear for tally in others)
    return best, Why.CLEAR if clear else Why.AHEAD


def gap(one: Tally, other: Tally, by: By, *, tests: int = 1) -> Gap:
    """How much more of the one's people did it, by Newcombe's hybrid score interval (Statistics in Medicine 17, 1998,
    873–890, method 10); without anybody on one side everything is possible. `tests`: comparisons made together."""
    if not one.accepted or not other.accepted:
        return Gap(-1.0, 0.0, 1.0)
    confidence = 1 - (1 - CONFIDENCE) / tests
    p, q = one.rate(by), other.rate(by)
    (p_low, p_high), (q_low, q_high) = (wilson(x.n(by), x.accepted, confidence) for x in (one, other))
    value = p - q
    return Gap(value - math.hypot(p - p_low, q_high - q), value, value + math.hypot(p_high - p, q - q_low))


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The bounds within which the true rate lies (Wilson's score interval, JASA 22, 1927, 209–212)."""
    z = NormalDist().inv_cdf(1 - (1 - confidence) / 2)
    rate, scale = hits / n, 1 + z * z / n
    middle = rate + z * z / (2 * n)
    reach = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def detectable(per_variant: int, rate: float, *, tests: int = 1) -> float | None:
    """The smallest higher rate that a test of two groups of so many people would show against `rate`, four times out
    of five; None when even everybody would not do.

    A two-sided test of two proportions: n = (z₁₋α⸝₂ √(2 p̄ q̄) + z₁₋β √(p₁q₁ + p₂q₂))² / (p₂ - p₁)², with p̄ the mean of
    both (Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 3rd edition, 2003, equation 4.14).
    """
    low, high = rate, 1.0
    if _needed(rate, high, tests) > per_variant:
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _needed(rate, middle, tests) <= per_variant else (middle, high)
    return high


def _needed(p: float, q: float, tests: int) -> float:
    """People in each group."""
    if p == q:
        return math.inf
    z_a, z_b = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / tests / 2), NormalDist().inv_cdf(POWER)
    mean = (p + q) / 2
    spread = z_a * math.sqrt(2 * mean * (1 - mean)) + z_b * math.sqrt(p * (1 - p) + q * (1 - q))
    return (spread / (q - p)) ** 2
