"""Lines of a small chart, as coordinates for SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 84, 8, 8, 24
GRID = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its name and the `points` of a polyline."""

    name: str
    points: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A label on an axis at a coordinate, as text: no locale may put a comma into it."""

    at: str
    label: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Lines with grid lines (y) and days (x), in a box of WIDTH × HEIGHT."""

    lines: Sequence[Line]
    levels: Sequence[Mark]
    days: Sequence[Mark]


def curve(series: Mapping[str, Sequence[int]]) -> Curve:
    """Each series over days 1, 2, …, all on one linear scale from zero."""
    longest = max((len(values) for values in series.values()), default=0)
    top = _round_up(max((max(values, default=0) for values in series.values()), default=0))
    lines = [
        Line(name, " ".join(f"{_x(day, longest):.1f},{_y(value, top):.1f}" for day, value in enumerate(values, 1)))
        for name, values in series.items()
    ]
    levels = [Mark(f"{_y(top * step // GRID, top):.1f}", top * step // GRID) for step in range(GRID + 1)]
    every = max(1, longest // 8)
    days = [Mark(f"{_x(day, longest):.1f}", day) for day in range(1, longest + 1, every)]
    return Curve(lines, levels, days)


def _round_up(value: int) -> int:
    """To a number that four grid lines divide without a rest: 8, 12, 20, 40, 80, 120 …"""
    for exponent in range(12):
        for step in (4, 8, 12, 20):
            if value <= step * 10**exponent:
                return int(step * 10**exponent)
    return value


def _x(day: int, longest: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (day - 1) / max(1, longest - 1)


def _y(value: float, top: int) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / max(1, top))
