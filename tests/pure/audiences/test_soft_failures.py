from datetime import UTC, datetime, timedelta

from audiences.pure.soft_failures import Failure, verdict

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def failures(*days_ago, kind="full"):
    return [Failure(kind, NOW - timedelta(days=days)) for days in days_ago]


def test_five_mailings_over_a_fortnight_are_enough():
    assert "5 mailings" in verdict(NOW, failures(14, 10, 7, 3, 0))


def test_four_are_not():
    assert verdict(NOW, failures(40, 20, 10, 0)) == ""


def test_five_in_one_bad_week_are_not():
    assert verdict(NOW, failures(7, 6, 5, 2, 0)) == ""


def test_what_is_older_than_sixty_days_does_not_count():
    assert verdict(NOW, failures(61, 40, 20, 10, 0)) == ""
    assert verdict(NOW, failures(60, 40, 20, 10, 0))


def test_inactive_twice_three_days_apart_is_enough():
    assert "inactive" in verdict(NOW, failures(3, 0, kind="inactive"))
    assert verdict(NOW, failures(2, 0, kind="inactive")) == ""
    assert verdict(NOW, [*failures(9), *failures(0, kind="inactive")]) == ""
