"""Where the bars, lines and labels of a small chart go: in per cent of its width and height, drawn by a template.

SVG made on the server works without script under the strictest policy, in print and in both colour schemes, and its
text can be read by tests and screen readers. The table beside it is made from the same points.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

LABELS = 6
MOST_LEVELS = 5
_STEPS = (1, 2, 2.5, 5, 10)


class Point(NamedTuple):
    """`label` on the axis, `figure` the value as the table has it, `words` for who points at it."""

    label: str
    value: float
    figure: str
    words: str


class Bar(NamedTuple):
    """Per cent, as text: a locale's comma is no number to SVG."""

    x: str
    y: str
    width: str
    height: str
    words: str


class Mark(NamedTuple):
    """A label at a place on an axis."""

    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`area` is the same as `bars` as a line's corners in a field of 1000 × 100."""

    points: Sequence[Point]
    bars: list[Bar]
    line: str
    area: str
    levels: list[Mark]
    labels: list[Mark]


def chart_of(points: Sequence[Point], *, labels: int = LABELS) -> Chart:
    """One series. An empty one has no bars; levels begin at nothing and end at or above the highest value. At most so
    many `labels` stand below the axis.
    """
    top, step = scale(max((point.value for point in points), default=0.0))
    width = 100 / len(points) if points else 100.0
    bars = [_bar(number, point, width, top) for number, point in enumerate(points)]
    corners = [(10 * width * (n + 0.5), 100 - 100 * point.value / top) for n, point in enumerate(points)]
    line = " ".join(f"{x:.1f},{y:.2f}" for x, y in corners)
    area = f"{corners[0][0]:.1f},100 {line} {corners[-1][0]:.1f},100" if corners else ""
    levels = [Mark(f"{100 - 100 * n * step / top:.2f}", _number(n * step)) for n in range(round(top / step) + 1)]
    every = max(1, -(-len(points) // labels))
    named = [Mark(f"{width * (n + 0.5):.2f}", point.label) for n, point in enumerate(points) if n % every == 0]
    return Chart(points, bars, line, area, levels, named)


def _bar(number: int, point: Point, width: float, top: float) -> Bar:
    height = 100 * point.value / top
    return Bar(
        x=f"{width * (number + 0.14):.3f}",
        y=f"{100 - height:.3f}",
        width=f"{width * 0.72:.3f}",
        height=f"{height:.3f}",
        words=point.words,
    )


def scale(highest: float) -> tuple[float, float]:
    """The top of the axis and the step of its levels: round numbers, five steps at most."""
    if highest <= 0:
        return 4.0, 1.0
    size = 10.0 ** math.floor(math.log10(highest / MOST_LEVELS))
    step = next(size * one for one in _STEPS if size * one * MOST_LEVELS >= highest)
    return step * math.ceil(highest / step), step


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
