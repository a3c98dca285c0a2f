"""At nine o'clock where each person lives: which instants those are, also on the odd days of a year."""

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.pure.local_hours import hours
from campaigns.pure.wall_time import BadWallTime

GRACE = timedelta(hours=1)
BEFORE = datetime(2026, 3, 1, tzinfo=UTC)


def waves(people: dict[str, int], wall: str, now: datetime = BEFORE) -> list[tuple[str, str, int]]:
    found = hours(people, wall=wall, zone="Europe/Warsaw", now=now, grace=GRACE)
    return [(f"{one.at:%m-%d %H:%M}", one.zone, one.people) for one in found]


def test_waves_are_instants_the_earliest_first_named_for_the_zone_of_most():
    people = {"America/New_York": 7, "Pacific/Auckland": 3, "": 5, "Europe/Berlin": 2, "America/Toronto": 1}
    assert waves(people, "2026-03-20T09:00") == [
        ("03-19 20:00", "Pacific/Auckland", 3),
        ("03-20 08:00", "Europe/Warsaw", 7),
        ("03-20 13:00", "America/New_York", 8),
    ]


def test_zones_part_where_only_one_of_them_has_changed_its_clocks():
    people = {"America/New_York": 1, "America/Bogota": 1}
    assert len(waves(people, "2026-03-07T09:00")) == 1
    assert waves(people, "2026-03-09T09:00") == [
        ("03-09 13:00", "America/New_York", 1),
        ("03-09 14:00", "America/Bogota", 1),
    ]


def test_a_time_that_the_clocks_skip_is_an_hour_later_and_one_that_is_twice_is_the_first():
    # Warsaw skips 02:00 to 03:00 on 29 March; New York has 01:00 to 02:00 twice on 1 November.
    assert waves({"Europe/Warsaw": 1, "Asia/Tokyo": 1}, "2026-03-29T02:30") == [
        ("03-28 17:30", "Asia/Tokyo", 1), ("03-29 01:30", "Europe/Warsaw", 1),
    ]  # fmt: skip
    assert waves({"America/New_York": 1}, "2026-11-01T01:30") == [("11-01 05:30", "America/New_York", 1)]


def test_an_hour_that_passed_a_little_while_ago_is_kept_and_one_longer_ago_is_that_of_the_next_day():
    # 08:40 UTC: 09:00 was 40 minutes ago in Warsaw, and hours ago in Tokyo.
    now = datetime(2026, 3, 20, 8, 40, tzinfo=UTC)
    people = {"Asia/Tokyo": 1, "Europe/Warsaw": 1, "America/New_York": 1}
    assert waves(people, "2026-03-20T09:00", now) == [
        ("03-20 08:00", "Europe/Warsaw", 1),
        ("03-20 13:00", "America/New_York", 1),
        ("03-21 00:00", "Asia/Tokyo", 1),
    ]


def test_the_next_day_is_by_the_wall_too():
    now = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    # From 28 to 29 March Warsaw goes over to summer time: 09:00 is 07:00 UTC then, not 08:00.
    assert waves({"Europe/Warsaw": 1}, "2026-03-28T09:00", now) == [("03-29 07:00", "Europe/Warsaw", 1)]


def test_whoever_has_a_zone_that_is_none_gets_it_by_the_campaigns():
    assert waves({"Mars/Olympus": 2, "": 1}, "2026-03-20T09:00") == [("03-20 08:00", "Europe/Warsaw", 3)]
    (wave,) = hours({"Mars/Olympus": 2, "": 1}, wall="2026-03-20T09:00", zone="Europe/Warsaw", now=BEFORE, grace=GRACE)
    assert wave.zones == ("", "Mars/Olympus")


def test_what_is_no_time_is_told():
    with pytest.raises(BadWallTime):
        hours({"": 1}, wall="soon", zone="Europe/Warsaw", now=BEFORE, grace=GRACE)
