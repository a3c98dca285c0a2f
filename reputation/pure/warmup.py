"""Warm-up arithmetic: series of daily caps, the way through them, and the decision of a day.

Presets are data with sources (`reputation/warmup.toml`). Days count from 1, and only days on which mail really left.
"""

import tomllib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from reputation.pure.catalogue import MARKS, OTHER, Catalogue, CatalogueError

COLD_DAYS = 7
EVERYONE = "*"
# Growth slows where a day's step would be a multiple of what most senders have: (up to, factor).
SLOWER = ((250_000, 1.25), (float("inf"), 1.10))
FULL_GROWTH_UP_TO = 50_000
HIGHEST_CAP = 1_000_000_000

# A day counts as used from this share of its cap on (SparkPost asks for 90 %).
USED = 0.8
# Complaints say something from so many delivered messages on, or, like other rates, from so many cases on.
COMPLAINTS_FROM = 200
CASES_FROM = 3
IDLE_BACK_TWO, IDLE_RESTART = 14, 30

# [P] How far below the plan a day and an hour may be: a sender who sends the same number at the same pace every day is
# a machine. Never above the plan, and above what a used day needs.
DAY_SWAY, HOUR_SWAY = 0.08, 0.25

Days = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Preset:
    """How a plan's days are made. Either `growth` over `days`, or a `series` divided by `shares`."""

    key: str
    name: str
    about: str
    mark: str
    source: str
    start: int = 50
    growth: float = 0.0
    first_day: int = 1
    days: int = 0
    series: tuple[int, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    hours: int = 1


@dataclass(frozen=True, slots=True)
class Day:
    """What a budget did on one day of its warm-up. `verdicts`: classes of replies that stopped it on that day."""

    cap: int
    sent: int
    accepted: int = 0
    deferred: int = 0
    bounced: int = 0
    unknown_users: int = 0
    complained: int = 0
    verdicts: frozenset[str] = frozenset()
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """`by` days on (1), none (0) or back (-1, -2), `pause` a day of silence first, with the reason for people.

    `is_breach`: a figure was over its threshold, which somebody should know; a day that was not used is none.
    """

    by: int
    reason: str
    pause: bool = False
    is_breach: bool = False


def is_cold(day: int) -> bool:
    """Is a warm-up still in its first week?"""
    return 0 < day <= COLD_DAYS


def series_of(days: Days, provider: str) -> Sequence[int]:
    """The caps of a provider, day by day."""
    return days.get(provider) or days.get(EVERYONE) or ()


def cap_of(days: Days, provider: str, day: int) -> int | None:
    """Messages allowed on the given day (from 1) at a provider; None after the last day: no cap any more."""
    series = series_of(days, provider)
    return series[max(day, 1) - 1] if max(day, 1) <= len(series) else None


def cap_on(cap: int, *, about: str, day: date) -> int:
    """A day's cap as it is on this day: at most DAY_SWAY less. `about` says whose; the same day, the same number."""
    return max(1, round(cap * _sway(DAY_SWAY, about, day)))


def hour_at(hourly: int, *, about: str, at: datetime) -> int:
    """The hour's part of the cap in the hour of `at` (in the workspace's zone): less as the day is, and for itself."""
    share = _sway(DAY_SWAY, about, at.date()) * _sway(HOUR_SWAY, about, at.replace(minute=0, second=0, microsecond=0))
    return max(1, int(hourly * share))


def _sway(most: float, about: str, when: date | datetime) -> float:
    """A share from 1 - most to 1, as good as random. crc32 is the same on every machine, unlike hash()."""
    return 1 - most * zlib.crc32(f"{about} {when:%Y-%m-%d %H}".encode()) / 0xFFFFFFFF


def length_of(days: Days, provider: str) -> int:
    """How many days a provider's series has."""
    return len(series_of(days, provider))


SATURDAY = 5
WEEKEND = frozenset({SATURDAY, 6})


def rests_on(day: date, *, skips_weekends: bool) -> bool:
    """Does a plan leave this day out?"""
    return skips_weekends and day.weekday() >= SATURDAY


def day_after(first: date, days: int, *, skips_weekends: bool) -> date:
    """The day that follows on so many days of sending, the first of them `first` or the next that is not left out."""
    day = first
    while days > 0 or rests_on(day, skips_weekends=skips_weekends):
        days -= not rests_on(day, skips_weekends=skips_weekends)
        day += timedelta(days=1)
    return day


def days_of(preset: Preset, catalogue: Catalogue) -> dict[str, list[int]]:
    """A plan's days by provider key. `*` stands for every provider that is not named."""
    if preset.series:
        return {key: _scaled(preset.series, share * preset.hours) for key, share in preset.shares.items()}
    base = _grown(preset)
    common = catalogue.providers[OTHER].warmup_factor * 4  # most consumer providers have this factor
    factors = {provider.key: provider.warmup_factor for provider in catalogue.providers.values()}
    own = {key: _scaled(base, factor) for key, factor in factors.items() if factor != common}
    return own | {EVERYONE: _scaled(base, common)}


def decide(day: Day) -> Decision:
    """What follows from one day: on, stay, or back. Thresholds: SendBolt, Braze and SES as a range, the middle ours."""
    return _back(day) or _stay(day) or Decision(1, "The day went well")


def decay(idle_days: int, idle_at_last_look: int) -> Decision | None:
    """Receivers forget: two days back after 14 idle days, from the start after 30, each once. None: nothing to do."""
    if idle_days >= IDLE_RESTART > idle_at_last_look:
        return Decision(-HIGHEST_CAP, f"Nothing was sent for {idle_days} days: it starts again")
    if idle_days >= IDLE_BACK_TWO > idle_at_last_look:
        return Decision(-2, f"Nothing was sent for {idle_days} days")
    return None


def load(text: str) -> dict[str, Preset]:
    """Read presets from TOML. Raises CatalogueError with every problem found, by preset and field."""
    try:
        rows = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError([f"The warm-up presets are not valid TOML: {error}."]) from None
    problems = [f"[{key}] {problem}" for key, row in rows.items() for problem in _problems(row)]
    if problems:
        raise CatalogueError(problems)
    return {key: _preset(key, row) for key, row in rows.items()}


def _grown(preset: Preset) -> list[int]:
    cap, series = float(preset.start), []
    for _ in range(preset.days + preset.first_day - 1):
        series.append(_round(cap))
        cap *= _growth_at(cap, preset.growth)
    return series[preset.first_day - 1 :]


def _growth_at(cap: float, growth: float) -> float:
    if cap < FULL_GROWTH_UP_TO:
        return growth
    return min(growth, next(slower for up_to, slower in SLOWER if cap < up_to))


def _scaled(series: Sequence[int], factor: float) -> list[int]:
    return [max(1, _round(cap * factor)) for cap in series]


def _round(cap: float) -> int:
    """To two figures, so that a plan reads 50, 75, 110, 170."""
    whole = round(cap)
    places = max(len(str(whole)) - 2, 0)
    return round(whole, -places)


def _back(day: Day) -> Decision | None:
    if "blocklist" in day.verdicts:
        return Decision(-2, "A receiver named a blocklist", pause=True, is_breach=True)
    if why := _why_back(day):
        return Decision(-1, why, is_breach=True)
    return None


def _why_back(day: Day) -> str:
    if "reputation" in day.verdicts:
        return "A receiver refused our mail because of its reputation"
    if _share(day.bounced, day.sent) > 0.05:
        return f"{_share(day.bounced, day.sent):.1%} bounced; 5 % is the end"
    if _complaints(day) > 0.003:
        return f"{_complaints(day):.2%} complained; 0.3 % is the end"
    if _share(day.deferred, day.sent) > 0.15:
        return f"{_share(day.deferred, day.sent):.0%} was put off; 15 % is the end"
    return ""


def _stay(day: Day) -> Decision | None:
    if why := _why_hold(day):
        return Decision(0, why, is_breach=True)
    if day.sent < USED * day.cap:
        return Decision(0, f"{day.sent:,} of {day.cap:,} were used; 80 % are needed to go on")
    if not day.is_open:
        return Decision(0, "It is still slowed down or held")
    return None


def _why_hold(day: Day) -> str:
    if _share(day.bounced, day.sent) >= 0.02:
        return f"{_share(day.bounced, day.sent):.1%} bounced; below 2 % is needed to go on"
    if _share(day.unknown_users, day.sent) >= 0.01:
        return f"{_share(day.unknown_users, day.sent):.1%} unknown people; below 1 % is needed to go on"
    if _share(day.deferred, day.sent) >= 0.05:
        return f"{_share(day.deferred, day.sent):.0%} was put off; below 5 % is needed to go on"
    if _complaints(day) >= 0.001:
        return f"{_complaints(day):.2%} complained; below 0.1 % is needed to go on"
    return ""


def _complaints(day: Day) -> float:
    """0 while there are too few people to have complained, unless several did."""
    if day.accepted >= COMPLAINTS_FROM or day.complained >= CASES_FROM:
        return day.complained / max(1, day.accepted)
    return 0.0


def _share(cases: int, of: int) -> float:
    """0 while there are too few cases to mean anything."""
    return cases / of if of and cases >= CASES_FROM else 0.0


def _problems(row: Any) -> list[str]:
    if not isinstance(row, dict):
        return ["must be a table of fields."]
    problems = [f"{name} is missing." for name in ("name", "about", "mark", "source") if not row.get(name)]
    problems += [
        f"{name} is not a field of a preset." for name in row.keys() - set(Preset.__slots__) | ({"key"} & row.keys())
    ]
    if row.get("mark") and row["mark"] not in MARKS:
        problems.append(f"mark must be one of {', '.join(sorted(MARKS))}.")
    if "series" in row:
        return problems + _series_problems(row["series"], row.get("shares"))
    if not isinstance(row.get("growth"), int | float) or not 1 < row["growth"] <= 3:
        problems.append("growth must be a number above 1 and at most 3.")
    if not isinstance(row.get("days"), int) or not 1 <= row["days"] <= 365:
        problems.append("days must be a whole number from 1 to 365.")
    return problems


def _series_problems(series: Any, shares: Any) -> list[str]:
    problems = []
    if not isinstance(series, list) or not series or not all(isinstance(cap, int) and cap > 0 for cap in series):
        problems.append("series must be a list of whole numbers of 1 or more.")
    elif series != sorted(series):
        problems.append("series must never go down.")
    if not isinstance(shares, dict) or EVERYONE not in shares or not all(0 < share <= 1 for share in shares.values()):
        problems.append(f"shares must be numbers from 0 to 1 by provider, with one for {EVERYONE!r}.")
    return problems


def _preset(key: str, row: Mapping[str, Any]) -> Preset:
    return Preset(key=key, **{**row, "series": tuple(row.get("series", ()))})
