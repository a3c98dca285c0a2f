"""Lines of a small chart, as coordinates for SVG."""

import math
from collections.abc import Callable, Mapping, Sequence
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


def curve(series: Mapping[str, Sequence[int]], *, by_tens: bool = False) -> Curve:
    """Each series over days 1, 2, …, all on one scale: linear from zero, or `by_tens`, where each level is ten times
    the one below and steady growth is a straight line.
    """
    longest = max((len(values) for values in series.values()), default=0)
    known = [value for values in series.values() for value in values]
    marks, y = _tens(known) if by_tens else _linear(known)
    lines = [
        Line(name, " ".join(f"{_x(day, longest):.1f},{y(value):.1f}" for day, value in enumerate(values, 1)))
        for name, values in series.items()
    ]
    levels = [Mark(f"{y(level):.1f}", level) for level in marks]
    every = max(1, longest // 8)
    days = [Mark(f"{_x(day, longest):.1f}", day) for day in range(1, longest + 1, every)]
    return Curve(lines, levels, days)


def _linear(values: Sequence[int]) -> tuple[list[int], Callable[[float], float]]:
    top = _round_up(max(values, default=0))
    return [top * step // GRID for step in range(GRID + 1)], lambda value: _y(value / max(1, top))


def _tens(values: Sequence[int]) -> tuple[list[int], Callable[[float], float]]:
    low = math.floor(math.log10(max(1, min(values, default=1))))
    high = max(low + 1, math.ceil(math.log10(max(1, *values, 1))))
    marks = [10**power for power in range(low, high + 1)]
    return marks, lambda value: _y((math.log10(max(1, value)) - low) / (high - low))


def _round_up(value: int) -> int:
    """To a number that four grid lines divide without a rest: 8, 12, 20, 40, 80, 120 …"""
    for exponent in range(12):
        for step in (4, 8, 12, 20):
            if value <= step * 10**exponent:
                return int(step * 10**exponent)
    return value


def _x(day: int, longest: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (day - 1) / max(1, longest - 1)


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)
