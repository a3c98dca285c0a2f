"""The table of faults names what there is: tests that exist, acts that exist, kill points that the code still has."""

import ast
from pathlib import Path

import pytest

from tests.faults import points, table
from tests.faults.acts import ACTS

ROOT = Path(__file__).resolve().parents[2]
ASKED_FOR = {*range(1, 10), 11, 12, *range(14, 33), 35, 37, 38, *range(40, 45)}
POINTS = sorted({point.where for kind in points.KINDS.values() for point in kind})


@pytest.mark.parametrize("where", POINTS)
def test_a_kill_point_is_a_function_that_is_there(where: str) -> None:
    points.find(where)


def test_a_point_that_went_away_is_said() -> None:
    with pytest.raises(LookupError, match="need to follow"):
        points.find("sending.gate:never_was_here")


@pytest.mark.parametrize("fault", table.faults(), ids=lambda fault: fault.name)
def test_a_fault_names_an_act_and_its_numbers(fault: table.Fault) -> None:
    assert fault.act in ACTS
    assert set(fault.numbers) <= {row.number for row in table.known()}
    names = {point.name for kind in points.KINDS.values() for point in kind}
    assert set(fault.options.get("names", [])) <= names


@pytest.mark.parametrize("known", table.known(), ids=lambda known: f"{known.number} {known.title}")
def test_every_numbered_fault_is_done_here_or_elsewhere_or_says_why_not(known: table.Known) -> None:
    here = [fault for fault in table.faults() if known.number in fault.numbers]
    assert here or known.tests or known.not_here
    for name in known.tests:
        path, _, function = name.partition("::")
        assert function in functions_of(ROOT / path), f"{name} is not there any more"


def test_the_table_is_whole() -> None:
    assert {row.number for row in table.known()} == ASKED_FOR


def test_the_seed_alone_chooses_the_fault() -> None:
    chosen = [[table.chosen(seed, table.named("")).name for seed in range(30)] for _ in range(2)]
    assert chosen[0] == chosen[1]
    assert len(set(chosen[0])) > 3


def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)}
