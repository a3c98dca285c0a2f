"""A month of whole weeks."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from campaigns.pure.month import Month

TODAY = date(2026, 11, 28)


@pytest.mark.parametrize(
    ("said", "first"),
    [("2026-02", date(2026, 2, 1)), ("", date(2026, 11, 1)), ("2026-13", date(2026, 11, 1)),
     ("1066-10", date(2026, 11, 1)), ("２０２６-02", date(2026, 11, 1)), ("2026-02-01", date(2026, 11, 1))],
)  # fmt: skip
def test_a_month_is_what_was_said_or_this_one(said: str, first: date) -> None:
    assert Month.said(said, TODAY).first == first


def test_its_neighbours_are_months_also_around_a_year() -> None:
    assert (str(Month.said("2026-12", TODAY).after), str(Month.said("2026-01", TODAY).before)) == ("2027-01", "2025-12")
    assert str(Month.said("2026-01", TODAY).after) == "2026-02"


def test_it_has_whole_weeks_from_monday_on_by_the_clocks_of_the_zone() -> None:
    month = Month.said("2026-03", TODAY)
    assert (month.weeks[0][0], month.weeks[-1][-1]) == (date(2026, 2, 23), date(2026, 4, 5))
    assert {len(week) for week in month.weeks} == {7}
    first, last = month.between(ZoneInfo("Europe/Warsaw"))
    # Summer time began between them.
    assert (first.isoformat(), last.isoformat()) == ("2026-02-23T00:00:00+01:00", "2026-04-06T00:00:00+02:00")
