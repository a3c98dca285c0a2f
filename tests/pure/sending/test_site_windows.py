"""When a window has room again for one more, by brute force over the minutes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sending.pure.windows import BATCH_LASTS, day_opens, window_opens

NOW = datetime(2026, 3, 10, 9, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = 61 * MINUTE
TOP = NOW.replace(second=0)
WARSAW = ZoneInfo("Europe/Warsaw")


def opens(ahead: int = 0, *, limit: int, buckets: dict[int, int] | None = None, held: int = 0) -> datetime:
    """`buckets`: messages by how many minutes ago."""
    by_minute = {TOP - ago * MINUTE: sent for ago, sent in (buckets or {}).items()}
    return window_opens(now=NOW, limit=limit, length=HOUR, buckets=by_minute, held=held, ahead=ahead)


def test_room_comes_when_the_oldest_minute_leaves_the_window() -> None:
    assert opens(limit=5, buckets={50: 2, 10: 3}) == TOP + 11 * MINUTE
    assert opens(1, limit=5, buckets={50: 2, 10: 3}) == TOP + 11 * MINUTE
    assert opens(2, limit=5, buckets={50: 2, 10: 3}) == TOP + 51 * MINUTE


def test_a_long_line_is_let_in_round_by_round() -> None:
    times = [opens(ahead, limit=2, buckets={30: 2}) for ahead in range(6)]
    assert times == [TOP + 31 * MINUTE + n * HOUR for n in (0, 0, 1, 1, 2, 2)]


def test_what_live_batches_hold_leaves_when_they_have_surely_ended() -> None:
    assert opens(limit=3, buckets={0: 1}, held=2) == TOP + HOUR
    assert opens(1, limit=3, buckets={0: 1}, held=2) == NOW + BATCH_LASTS + HOUR


def test_a_limit_lowered_below_what_was_sent_waits_until_enough_has_left() -> None:
    assert opens(limit=1, buckets={50: 2, 10: 3}) == TOP + 51 * MINUTE


def test_room_that_is_there_is_there_now() -> None:
    assert opens(limit=3, buckets={20: 1}) == NOW
    assert opens(1, limit=3, buckets={20: 1, 70: 5}) == NOW


@pytest.mark.parametrize("limit", [1, 2, 5, 7])
def test_nobody_who_comes_when_told_finds_a_full_window(limit: int) -> None:
    buckets = {40: limit // 2, 3: limit - limit // 2}
    sent = [TOP - ago * MINUTE for ago, n in buckets.items() for _ in range(n)]
    for at in [opens(ahead, limit=limit, buckets=buckets) for ahead in range(4 * limit)]:
        minute = at.replace(second=0)
        assert sum(minute - 60 * MINUTE <= earlier <= minute for earlier in sent) < limit
        sent.append(minute)


def test_a_day_has_room_again_when_the_next_one_begins_in_the_workspaces_zone() -> None:
    midnight = datetime(2026, 3, 11, tzinfo=WARSAW)
    asked: dict[str, Any] = {"now": NOW, "zone": WARSAW, "limit": 5}
    assert day_opens(**asked, spent=4, ahead=0) == NOW
    assert day_opens(**asked, spent=5, ahead=0) == day_opens(**asked, spent=9, ahead=4) == midnight
    assert day_opens(**asked, spent=5, ahead=5) == midnight + timedelta(days=1)


def test_a_day_begins_at_midnight_where_the_clocks_change() -> None:
    eve = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
    found = [day_opens(now=eve, zone=WARSAW, limit=1, spent=1, ahead=ahead) for ahead in (0, 1)]
    assert found == [datetime(2026, 3, 28, 23, 0, tzinfo=UTC), datetime(2026, 3, 29, 22, 0, tzinfo=UTC)]
