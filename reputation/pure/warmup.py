"""Warm-up arithmetic: series of daily caps, the way through them, and the decision of a day."""

from collections.abc import Mapping, Sequence

COLD_DAYS = 7
EVERYONE = "*"

Days = Mapping[str, Sequence[int]]


def is_cold(day: int) -> bool:
    """Is a warm-up still in its first week? Days count from 1 and only days with real sending."""
    return 0 < day <= COLD_DAYS


def cap_of(days: Days, provider: str, day: int) -> int | None:
    """Messages allowed on the given day (from 1) at a provider; None after the last day: no cap any more."""
    series = days.get(provider) or days.get(EVERYONE) or ()
    return series[max(day, 1) - 1] if max(day, 1) <= len(series) else None
