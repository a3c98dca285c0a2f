"""The A/B test of a letter as it is kept with each version: what its other variants say, and how the winner is found.

Variant A is the letter as it is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from sending.pure.split import By, Split, name_of

# Below so many people in a test chance says more than the words do.
NOISE_BELOW = 1_000
# How much of the audience may be in it, in per cent.
SHARES = (10, 20, 30, 50, 100)
# What is usual in the field, where one has no figures of one's own: clicks, and opens by people.
USUAL = {By.CLICKS: 0.025, By.OPENS: 0.25}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What is another than in A; what is empty is the same."""

    subject: str = ""
    preheader: str = ""
    from_name: str = ""
    # A source in the way of writing of A.
    letter: str = ""

    @property
    def is_empty(self) -> bool:
        return not any(asdict(self).values())

    def words(self) -> Iterator[str]:
        """What is another, in plain words."""
        for name in ("subject", "preheader", "from_name"):
            if said := getattr(self, name):
                yield f"{name.replace('_', ' ')} “{said}”"
        if self.letter:
            yield f"a letter of {len(self.letter.split())} words"


@dataclass(frozen=True, slots=True)
class AbTest:
    """`others`: B, C and D, as many as there are."""

    others: Sequence[Variant]
    split: Split

    @property
    def variants(self) -> int:
        return 1 + len(self.others)

    def to_json(self) -> dict[str, Any]:
        """Plain data for a JSON column; hours for the wait."""
        others = [{name: said for name, said in asdict(one).items() if said} for one in self.others]
        hours = self.split.wait / timedelta(hours=1)
        return {"others": others, "share": self.split.share, "by": str(self.split.by), "hours": hours}

    def lines(self) -> Iterator[str]:
        """In plain words, for comparing versions."""
        yield f"A/B test: {self.split.share} %, {self.split.by}, {self.split.wait / timedelta(hours=1):g} h"
        for number, one in enumerate(self.others, 1):
            yield f"Variant {name_of(number)}: {', '.join(one.words())}"


def letters_in(letter: str, ab_test: Mapping[str, Any]) -> list[str]:
    """The sources of a version: its own, and those of its variants."""
    return [letter, *(one["letter"] for one in ab_test.get("others", ()) if "letter" in one)]


def without_letters(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The same test after a change to another way of writing, which the others' letters are not in."""
    test = from_json(plain)
    if test is None:
        return {}
    others = [replace(one, letter="") for one in test.others]
    left = tuple(one for one in others if not one.is_empty)
    return replace(test, others=left).to_json() if left else {}


def from_json(plain: Mapping[str, Any]) -> AbTest | None:
    """What `to_json` wrote; None where there is no test."""
    if not plain:
        return None
    split = Split(plain["share"], By(plain["by"]), timedelta(hours=plain["hours"]))
    return AbTest(tuple(Variant(**one) for one in plain["others"]), split)
