"""The simulation behind the capacity model, where its answer can be worked out by hand."""

import tomllib
from dataclasses import replace

import pytest

from benchmarks import capacity
from benchmarks._simulation import Costs, Machines, simulated

CHEAP = Costs(statement=0.0, question=0.0, batch_share=0.0, commit=0.0, worker=0.0, network=0.0, reply=100.0)


def test_connections_carry_what_replies_allow() -> None:
    seen = simulated(CHEAP, Machines(processes=1, connections=20))
    assert seen.messages == pytest.approx(200, rel=0.15)
    assert seen.limit == "connections and replies"


def test_a_process_has_one_interpreter_and_two_have_two() -> None:
    busy = replace(CHEAP, worker=10.0, reply=0.0)
    assert simulated(busy, Machines(processes=1)).messages == pytest.approx(100, rel=0.05)
    assert simulated(busy, Machines(processes=2)).messages == pytest.approx(200, rel=0.05)
    assert simulated(busy, Machines(processes=4)).messages == pytest.approx(200, rel=0.05)


def test_the_databases_cores_are_used_up_by_questions_statements_and_batches() -> None:
    asking = replace(CHEAP, question=1.0, batch_share=1.0, reply=0.0)
    seen = simulated(asking, Machines(hosts=4, processes=4, host_cores=8))
    assert seen.messages == pytest.approx(1000, rel=0.1)
    assert seen.limit == "the database's cores"


def test_what_commits_while_the_disk_flushes_shares_the_next_flush() -> None:
    slow = replace(CHEAP, commit=10.0, reply=0.0)
    alone = simulated(slow, Machines(processes=1, connections=1))
    many = simulated(slow, Machines(hosts=50, processes=1, connections=1))
    assert alone.messages == pytest.approx(100, rel=0.05)
    assert many.messages > 20 * alone.messages
    assert many.limit == "the disk's flushes"


def test_on_one_machine_all_share_its_cores() -> None:
    costs = replace(CHEAP, worker=3.0, question=1.0, reply=0.0)
    seen = simulated(costs, Machines(processes=4, shared=True))
    assert seen.messages == pytest.approx(500, rel=0.1)


def test_the_figures_it_calculates_with_are_all_there() -> None:
    measured = tomllib.loads(capacity.MEASURED.read_text("utf-8"))
    assert all(table["command"] and table["date"] for table in measured.values())
    known = capacity.costs(measured)
    large, small = (capacity.month(n, known, measured) for n in (10**9, 10**7))
    assert large["cores"] == pytest.approx(100 * small["cores"], rel=0.6)
    assert large["hosts"] > small["hosts"] == 1
