"""The deliverability score: 0 to 100, made of eight factors, each measured against two thresholds.

A factor has all of its points at `good` and none at `bad`, and in between in proportion. What is not known takes no
part: its points are shared among the others. Opens weigh little, because programs open by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

from words import marked

# There is no score of fewer messages in 30 days.
ENOUGH = 1000
HEALTHY, FAIR = 80, 60
# What no other virtue makes up for.
CAPPED_AT = FAIR - 1


class Factor(NamedTuple):
    """`good` and `bad` in per cent; where good is the larger, more is better. `mark`: O, 2 or P, as everywhere."""

    key: str
    title: str
    of: str
    weight: int
    good: float
    bad: float
    mark: str
    caps: bool = False


FACTORS = (
    Factor(
        "complained", marked("Complaints"), marked("of the accepted, at providers that tell"), 25, 0.1, 0.3, "O", True
    ),
    Factor(
        "authenticated",
        marked("Authentication"),
        marked("of our messages, in receivers' reports"),
        20,
        99,
        90,
        "P",
        True,
    ),
    Factor("bounced", marked("Hard bounces"), marked("of those tried"), 15, 1, 2, "2", True),
    Factor("deferred", marked("Told to wait"), marked("of all attempts"), 12, 5, 15, "P"),
    Factor("left", marked("Unsubscribed"), marked("of the accepted"), 10, 0.3, 1, "2"),
    Factor("clicked", marked("Clicked"), marked("of the accepted"), 10, 2, 0.2, "P"),
    Factor("quiet", marked("Age of the list"), marked("of the people: no sign of life for a year"), 5, 20, 70, "P"),
    Factor("opened", marked("Opened"), marked("of the accepted, programs not counted"), 3, 15, 5, "P"),
)
BY_KEY = {factor.key: factor for factor in FACTORS}


@dataclass(slots=True)
class Counts:
    """People and attempts of a period. `told`: accepted at providers that tell complaints, `told_complained`: there."""

    accepted: int = 0
    bounced: int = 0
    complained: int = 0
    told: int = 0
    told_complained: int = 0
    left: int = 0
    clicked: int = 0
    opened: int = 0
    click_counted: int = 0
    open_counted: int = 0
    attempts: int = 0
    deferred: int = 0

    @property
    def tried(self) -> int:
        return self.accepted + self.bounced

    def add(self, other: "Counts") -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def shares(self) -> dict[str, float | None]:
        """Factor → per cent; None where there is nothing to divide by."""
        return {
            "complained": _share(self.told_complained, self.told),
            "bounced": _share(self.bounced, self.tried),
            "deferred": _share(self.deferred, self.attempts),
            "left": _share(self.left, self.accepted),
            "clicked": _share(self.clicked, self.click_counted),
            "opened": _share(self.opened, self.open_counted),
        }


def _share(n: int, of: int) -> float | None:
    return 100 * n / of if of else None


Limits = Mapping[str, tuple[float, float]]


def limits_of(changed: Mapping[str, object]) -> dict[str, tuple[float, float]]:
    """Every factor's (good, bad), those that an admin changed over the stock ones."""
    found = {factor.key: (factor.good, factor.bad) for factor in FACTORS}
    for key, pair in changed.items():
        if key in found and isinstance(pair, list | tuple) and len(pair) == 2:
            found[key] = (float(pair[0]), float(pair[1]))
    return found


@dataclass(frozen=True, slots=True)
class Part:
    """One factor's part of a score. `points` of `most`, both after sharing; None: not known."""

    factor: Factor
    share: float | None
    good: float
    bad: float
    points: float | None
    most: float

    @property
    def gain(self) -> float:
        """Points that are missing."""
        return self.most - self.points if self.points is not None else 0.0

    @property
    def thousandths(self) -> int:
        """Of its points, for a bar."""
        return round(1000 * self.points / self.most) if self.points is not None and self.most else 0

    @property
    def tone(self) -> str:
        if self.share is None:
            return ""
        return {1.0: "ok", 0.0: "bad"}.get(goodness(self.share, self.good, self.bad), "wait")

    @property
    def rule(self) -> str:
        return f"good {'above' if self.good > self.bad else 'below'} {self.good:g} %"


@dataclass(frozen=True, slots=True)
class Score:
    value: int
    parts: tuple[Part, ...]
    capped_by: str = ""

    @property
    def word(self) -> str:
        return word_of(self.value)

    @property
    def tone(self) -> str:
        return "ok" if self.value >= HEALTHY else "wait" if self.value >= FAIR else "bad"


def word_of(value: int) -> str:
    if value >= HEALTHY:
        return "Healthy"
    return "Room for improvement" if value >= FAIR else "Needs attention"


def goodness(share: float, good: float, bad: float) -> float:
    """1 at `good` or better, 0 at `bad` or worse."""
    if good == bad:
        return 1.0 if share <= good else 0.0
    return min(1.0, max(0.0, (bad - share) / (bad - good)))


def score_of(counts: Counts, *, limits: Limits, **others: float | None) -> Score | None:
    """The score of a period; None below ENOUGH messages. `others`: authenticated and quiet, in per cent or None."""
    if counts.tried < ENOUGH:
        return None
    shares = counts.shares() | others
    known = sum(factor.weight for factor in FACTORS if shares.get(factor.key) is not None)
    parts = tuple(_part(factor, shares.get(factor.key), limits[factor.key], known) for factor in FACTORS)
    value = round(sum(part.points for part in parts if part.points is not None))
    fatal = [part.factor.title for part in parts if part.factor.caps and part.points == 0]
    if fatal and value > CAPPED_AT:
        return Score(CAPPED_AT, parts, fatal[0])
    return Score(value, parts)


def _part(factor: Factor, share: float | None, limits: tuple[float, float], known: int) -> Part:
    most = 100 * factor.weight / known if share is not None else 0.0
    points = None if share is None else most * goodness(share, *limits)
    return Part(factor, share, *limits, points, most)
