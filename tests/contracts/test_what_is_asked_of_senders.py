"""The 24 things that receivers and laws ask of senders: each in the docs, with checks that exist and are tested."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from reputation.published import NAMES
from tests.campaigns import test_preflight

ROOT = Path(__file__).resolve().parents[2]
HEADING = "### What receivers and laws ask"
PREFLIGHT = {*test_preflight.MUST, *test_preflight.SHOULD, *test_preflight.LISTED_AND_NO_MUST, *test_preflight.FINE}


def rows() -> Iterator[tuple[int, list[str]]]:
    """Number and what is checked."""
    part = (ROOT / "docs/admins.md").read_text().split(f"{HEADING}\n")[1].split("\n## ")[0]
    for line in part.splitlines():
        if re.match(r"\| \d", line):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            yield int(cells[0]), re.findall(r"`([^`]+)`", cells[-1])


@cache
def written() -> str:
    """All other tests."""
    return "\n".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py") if path != Path(__file__))


def test_all_24_are_there() -> None:
    assert [number for number, _checks in rows()] == list(range(1, 25))


@pytest.mark.parametrize(("number", "checks"), list(rows()), ids=str)
def test_what_each_row_names_exists_and_is_tested(number: int, checks: list[str]) -> None:
    assert checks, f"row {number} names nothing"
    for check in checks:
        if check.startswith("test_"):
            assert f"def {check}(" in written(), check
        elif "." in check:
            source = "\n".join(path.read_text() for path in (ROOT / "campaigns").glob("**/*.py"))
            assert f'"{check}"' in source, check
            assert check in PREFLIGHT or f'"{check}"' in written(), check
        else:
            assert check in NAMES, check
            assert f'"{check}"' in written(), check

