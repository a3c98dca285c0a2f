"""A campaign's click rate beside those of one's own last ones, in a sentence."""

from collections.abc import Sequence
from statistics import median

# Fewer are no comparison.
FEWEST = 3


def percent(n: int, whole: int) -> float:
    """Cut to a tenth, as all shares on the pages are."""
    return 1000 * n // whole / 10 if whole else 0.0


def compared(rate: float, earlier: Sequence[float]) -> str:
    """`At 4.6 % it did better than 6 of your last 10 campaigns; your median is 4.1 %.`; empty without enough earlier
    ones. Rates in per cent.
    """
    if len(earlier) < FEWEST:
        return ""
    better, n = sum(rate > one for one in earlier), len(earlier)
    than = (
        f"all of your last {n}"
        if better == n
        else f"none of your last {n}"
        if not better
        else f"{better} of your last {n}"
    )
    return f"At {rate:.1f} % it did better than {than} campaigns; your median is {median(earlier):.1f} %."
