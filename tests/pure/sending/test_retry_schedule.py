"""When a deferred message comes back, and when it does not."""

from datetime import timedelta

import pytest

from sending.pure.retry import counts, next_attempt

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def waits(reply_class: str) -> list[timedelta]:
    """Every wait of a message that is deferred each time, until it is given up."""
    found: list[timedelta] = []
    while len(found) < 1000:
        wait = next_attempt(attempt=len(found) + 1, reply_class=reply_class, waited=sum(found, timedelta()))
        if wait is None:
            return found
        found.append(wait)
    raise AssertionError(f"{reply_class} is never given up")


def test_a_temporary_failure_comes_back_ever_later_within_48_hours() -> None:
    found = waits("temp")
    assert found[:7] == [5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 4 * HOUR]
    assert 44 * HOUR < sum(found, timedelta()) <= 48 * HOUR


@pytest.mark.parametrize("reply_class", ["rcpt_rate", "rcpt_temp", "full"])
def test_a_mailbox_that_takes_no_more_is_tried_after_one_and_four_hours(reply_class: str) -> None:
    assert waits(reply_class) == [HOUR, 4 * HOUR]


def test_greylisting_waits_five_minutes_or_what_the_text_says() -> None:
    assert next_attempt(attempt=1, reply_class="greylist") == 5 * MINUTE
    assert next_attempt(attempt=1, reply_class="greylist", hint_seconds=60) == 5 * MINUTE
    assert next_attempt(attempt=1, reply_class="greylist", hint_seconds=900) == 15 * MINUTE + timedelta(seconds=10)


@pytest.mark.parametrize("reply_class", ["rate", "conn_limit", "msgs_per_conn", "too_many_rcpt", "auth", "blocklist"])
def test_what_is_not_about_the_message_is_no_try_against_it(reply_class: str) -> None:
    assert not counts(reply_class)
    early, late = (next_attempt(attempt=n, reply_class=reply_class) for n in (1, 99))
    assert early == late is not None


def test_other_deferrals_count() -> None:
    assert counts("temp") and counts("greylist") and counts("never_heard_of_it")


def test_our_own_faults_expire_after_a_day() -> None:
    assert next_attempt(attempt=1, reply_class="auth", waited=23 * HOUR) is not None
    assert next_attempt(attempt=1, reply_class="auth", waited=24 * HOUR) is None


@pytest.mark.parametrize("hint", [1e300, float("inf"), -5.0, 0.0])
def test_a_strange_hint_does_no_harm(hint: float) -> None:
    wait = next_attempt(attempt=1, reply_class="temp", hint_seconds=hint)
    assert wait is not None and 5 * MINUTE <= wait <= 24 * HOUR


def test_a_demo_in_a_hurry_waits_a_fraction_and_gives_up_at_the_same_step() -> None:
    assert next_attempt(attempt=4, reply_class="temp", time_factor=60) == MINUTE
    assert next_attempt(attempt=9, reply_class="temp", waited=48 * MINUTE, time_factor=60) is None
    assert next_attempt(attempt=2, reply_class="temp", waited=-MINUTE) == 15 * MINUTE
