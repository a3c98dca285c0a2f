"""The table of faults (table.toml): what is done, what another test does already, and what cannot be done here."""

import random
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("table.toml")


@dataclass(frozen=True, slots=True)
class Fault:
    """One that runs here. `weight`: how often it is chosen."""

    name: str
    act: str
    numbers: tuple[int, ...]
    weight: float = 1.0
    people: int = 400
    per_hour: int | None = None
    magic: dict[str, float] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """One of the numbered faults: its title, the tests that show it, and what can't be shown on one machine."""

    number: int
    title: str
    tests: tuple[str, ...] = ()
    not_here: str = ""


@cache
def faults() -> list[Fault]:
    rows = tomllib.loads(TABLE.read_text("utf-8"))["fault"]
    return [Fault(**{**row, "numbers": tuple(row["numbers"])}) for row in rows]


@cache
def known() -> list[Known]:
    rows = tomllib.loads(TABLE.read_text("utf-8"))["known"]
    return [Known(**{**row, "tests": tuple(row.get("tests", ()))}) for row in rows]


def named(only: str) -> list[Fault]:
    """The one of that name, else those whose names hold one of the phrases (with | between them); all for none.

    Raises LookupError when there is none.
    """
    if exactly := [fault for fault in faults() if fault.name == only]:
        return exactly
    found = [fault for fault in faults() if any(part.strip() in fault.name for part in only.split("|"))]
    if not found:
        raise LookupError(f"No fault's name holds {only!r}; see --list")
    return found


def chosen(seed: int, among: list[Fault]) -> Fault:
    """By weight; one that weighs nothing is done only when it is the only one named."""
    weights = [fault.weight for fault in among]
    return random.Random(seed).choices(among, weights if any(weights) else None)[0]


def as_text() -> str:
    lines = []
    for row in known():
        here = [f"“{fault.name}”" for fault in faults() if row.number in fault.numbers]
        ways = [*here, *row.tests, *([f"not here: {row.not_here}"] if row.not_here else [])]
        lines.append(f"{row.number:3d} {row.title}: {'; '.join(ways)}")
    return "\n".join(lines)
