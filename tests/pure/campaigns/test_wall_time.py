from datetime import UTC, datetime, timedelta

import pytest

from campaigns.pure.wall_time import (
    BadWallTime,
    instant_of,
    is_skipped,
    is_twice,
    missed,
)


def test_a_wall_time_is_an_instant_in_its_zone() -> None:
    assert instant_of("2026-11-24T09:00", "Europe/Warsaw") == datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "zone", "utc"),
    [
        ("2026-03-29T02:30", "Europe/Warsaw", "2026-03-29T01:30"),
        ("2026-03-08T02:30", "America/New_York", "2026-03-08T07:30"),
        ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:45"),
        ("2026-09-06T00:30", "America/Santiago", "2026-09-06T04:30"),
    ],
)
def test_a_time_the_clocks_skip_means_as_long_after_the_gap(wall: str, zone: str, utc: str) -> None:
    assert is_skipped(wall, zone)
    assert instant_of(wall, zone) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "zone", "utc"),
    [
        ("2026-10-25T02:30", "Europe/Warsaw", "2026-10-25T00:30"),
        ("2026-11-01T01:30", "America/New_York", "2026-11-01T05:30"),
        ("2026-04-05T01:45", "Australia/Lord_Howe", "2026-04-04T14:45"),
    ],
)
def test_a_time_that_comes_twice_means_the_first(wall: str, zone: str, utc: str) -> None:
    assert is_twice(wall, zone)
    assert instant_of(wall, zone) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_an_ordinary_time_is_neither() -> None:
    assert not is_skipped("2026-06-01T12:00", "Asia/Kolkata")
    assert not is_twice("2026-06-01T12:00", "Asia/Kolkata")


@pytest.mark.parametrize("wall", ["", "tomorrow", "2026-13-01T00:00", "2026-01-01T00:00+01:00"])
def test_what_is_no_time_is_said_plainly(wall: str) -> None:
    with pytest.raises(BadWallTime):
        instant_of(wall, "Europe/Warsaw")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "Europe"])
def test_what_is_no_zone_is_said_plainly(zone: str) -> None:
    with pytest.raises(BadWallTime, match="time zone"):
        instant_of("2026-01-01T00:00", zone)


def test_late_is_missed_only_after_the_grace() -> None:
    due = datetime(2026, 1, 1, tzinfo=UTC)
    assert not missed(due, due + timedelta(minutes=60), timedelta(minutes=60))
    assert missed(due, due + timedelta(minutes=61), timedelta(minutes=60))
