"""Warm-up arithmetic: the shipped presets, the series they make, and what follows from a day."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from reputation.catalogue import catalogue
from reputation.plans import presets
from reputation.pure.catalogue import CatalogueError
from reputation.pure.warmup import Day, cap_of, cap_on, day_after, days_of, decay, decide, hour_at, load


def _standard() -> dict[str, list[int]]:
    return days_of(presets()["standard"], catalogue())


def test_the_standard_series_starts_low_and_grows_by_half() -> None:
    days = _standard()
    assert days["yahoo"][:8] == [50, 75, 110, 170, 250, 380, 570, 850]
    assert days["google"][:3] == [150, 220, 330]
    assert days["apple"][0] == 30
    assert days["other"][:3] == [5, 8, 11]
    assert days["*"][0] == 20


def test_growth_slows_down_above_fifty_thousand_a_day() -> None:
    yahoo = _standard()["yahoo"]
    large = [(after / before) for before, after in pairwise(yahoo) if before > 60_000]
    assert large
    assert max(large) < 1.35


def test_a_known_sender_starts_on_the_third_day() -> None:
    days = days_of(presets()["known"], catalogue())
    assert (days["yahoo"][0], len(days["yahoo"])) == (200, 14)


@pytest.mark.parametrize("preset", list(presets().values()), ids=lambda preset: preset.key)
def test_no_shipped_series_ever_goes_down(preset: object) -> None:
    days = days_of(preset, catalogue())  # type: ignore[arg-type]
    assert "*" in days
    assert all(series == sorted(series) and series[0] >= 1 for series in days.values())


def test_after_the_last_day_there_is_no_cap() -> None:
    days = {"google": [1, 2], "*": [3]}
    assert [cap_of(days, "google", day) for day in (0, 1, 2, 3)] == [1, 1, 2, None]
    assert cap_of(days, "yahoo", 1) == 3


GOOD = {"cap": 1000, "sent": 1000, "accepted": 990}


@pytest.mark.parametrize(
    ("changes", "by", "words"),
    [
        ({}, 1, "went well"),
        ({"sent": 800}, 1, "went well"),
        ({"sent": 799}, 0, "80 %"),
        ({"is_open": False}, 0, "held"),
        ({"bounced": 19}, 1, "went well"),
        ({"bounced": 20}, 0, "2.0% bounced"),
        ({"bounced": 51}, -1, "bounced"),
        ({"unknown_users": 10}, 0, "unknown people"),
        ({"deferred": 50}, 0, "put off"),
        ({"deferred": 151}, -1, "put off"),
        ({"complained": 1}, 0, "complained"),
        ({"complained": 3}, -1, "complained"),
        ({"complained": 2, "accepted": 199}, 1, "went well"),
        ({"complained": 3, "accepted": 199}, -1, "complained"),
        ({"verdicts": frozenset({"reputation"})}, -1, "reputation"),
        ({"verdicts": frozenset({"blocklist", "reputation"})}, -2, "blocklist"),
        ({"verdicts": frozenset({"rate"})}, 1, "went well"),
    ],
)
def test_what_follows_from_a_day(changes: dict[str, object], by: int, words: str) -> None:
    decision = decide(Day(**(GOOD | changes)))  # type: ignore[arg-type]
    assert decision.by == by
    assert words in decision.reason
    assert decision.pause == (by == -2)


def test_a_day_that_was_not_used_is_no_breach_and_one_over_a_threshold_is() -> None:
    assert not decide(Day(cap=1000, sent=10, accepted=10)).is_breach
    assert not decide(Day(cap=1000, sent=1000, accepted=990)).is_breach
    assert decide(Day(cap=1000, sent=500, accepted=480, bounced=20)).is_breach
    assert decide(Day(cap=1000, sent=1000, accepted=940, bounced=51)).is_breach


def test_days_of_sending_leave_weekends_out_where_the_plan_does() -> None:
    friday = date(2026, 3, 13)
    assert day_after(friday, 3, skips_weekends=False) == date(2026, 3, 16)
    assert day_after(friday, 3, skips_weekends=True) == date(2026, 3, 18)
    assert day_after(friday, 1, skips_weekends=True) == date(2026, 3, 16)


def test_one_bounce_of_five_proves_nothing() -> None:
    assert decide(Day(cap=5, sent=5, accepted=4, bounced=1)).by == 1


@pytest.mark.parametrize(
    ("idle", "seen", "by"),
    [(13, 1, None), (14, 1, -2), (15, 14, None), (30, 14, "start"), (31, 30, None), (40, 1, "start")],
)
def test_receivers_forget_in_two_steps(idle: int, seen: int, by: object) -> None:
    decision = decay(idle, seen)
    if by is None:
        assert decision is None
    else:
        assert decision is not None
        assert decision.by == (by if by != "start" else decision.by)
        assert (decision.by < -100) == (by == "start")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[x]\nname = 1", "[x] about is missing"),
        ("[x]\nname='a'\nabout='a'\nmark='P'\nsource='s'\ngrowth=0.9\ndays=3", "[x] growth"),
        ("[x]\nname='a'\nabout='a'\nmark='P'\nsource='s'\nseries=[3,2]\nshares={'*'=1}", "never go down"),
        ("[x]\nname='a'\nabout='a'\nmark='P'\nsource='s'\nseries=[3]\nshares={google=1}", "one for '*'"),
        ("[x]\nname='a'\nabout='a'\nmark='Z'\nsource='s'\ngrowth=1.5\ndays=3", "mark must be one of"),
        ("[x", "not valid TOML"),
    ],
)
def test_wrong_presets_are_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load(text)
    assert words in str(caught.value)


DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in range(400)]


@pytest.mark.parametrize("cap", [1, 2, 20, 150, 48_000, 1_000_000_000])
def test_no_day_is_like_the_other_and_none_above_the_plan(cap: int) -> None:
    caps = [cap_on(cap, about="192.0.2.1 google", day=day) for day in DAYS]
    assert caps == [cap_on(cap, about="192.0.2.1 google", day=day) for day in DAYS]
    assert all(max(1, 0.92 * cap - 1) <= one <= cap for one in caps)
    if cap >= 150:
        assert len(set(caps)) > 10
        assert caps != [cap_on(cap, about="192.0.2.2 google", day=day) for day in DAYS]


def test_a_day_used_to_its_own_cap_leads_on_whatever_the_plan_has() -> None:
    assert all(cap_on(20, about="a google", day=day) >= 0.8 * 20 for day in DAYS)


def test_hours_differ_too_and_leave_time_for_the_whole_day() -> None:
    about, hourly = "192.0.2.1 google", 100
    day = datetime(2026, 11, 28, tzinfo=UTC)
    hours = [hour_at(hourly, about=about, at=day + timedelta(minutes=20 * n)) for n in range(72)]
    assert hours[0] == hours[1] == hours[2] and len(set(hours)) > 8
    assert all(0.92 * 0.75 * hourly - 1 <= hour <= hourly for hour in hours)
    # A sixth of the day's cap at most: what is left of it after the slowest hours still fits into the day.
    assert sum(hours[::3]) > 6 * hourly
    assert hour_at(1, about=about, at=day) == 1
