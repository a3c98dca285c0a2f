import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.pure.chart import Point, chart_of, scale


def points(*values: float) -> list[Point]:
    return [Point(str(n), value, f"{value:g}", f"{value:g} at {n}") for n, value in enumerate(values)]


@pytest.mark.parametrize(
    ("highest", "top", "step"), [(0, 4, 1), (1, 1, 0.2), (3, 3, 1), (7, 8, 2), (211, 250, 50), (412, 500, 100)]
)
def test_the_axis_has_round_numbers(highest: float, top: float, step: float) -> None:
    assert scale(highest) == pytest.approx((top, step))


@given(st.floats(min_value=0.01, max_value=1e7))
def test_the_axis_ends_at_or_above_the_highest_value_with_a_handful_of_levels(highest: float) -> None:
    top, step = scale(highest)
    assert top >= highest * 0.999999
    assert 1 <= round(top / step) <= 6


def test_bars_stand_on_the_axis_and_are_as_high_as_their_share() -> None:
    chart = chart_of(points(50, 100, 0))
    assert [(bar.y, bar.height) for bar in chart.bars] == [
        ("50.000", "50.000"),
        ("0.000", "100.000"),
        ("100.000", "0.000"),
    ]
    assert [float(bar.x) + float(bar.width) <= 100 for bar in chart.bars] == [True] * 3
    assert chart.levels[0].text == "0"


def test_a_long_row_of_points_has_few_labels() -> None:
    assert len(chart_of(points(*range(36))).labels) == 6


def test_an_empty_chart_has_axis_and_no_bars() -> None:
    chart = chart_of([])
    assert (chart.bars, chart.line, chart.area) == ([], "", "")
    assert chart.levels
