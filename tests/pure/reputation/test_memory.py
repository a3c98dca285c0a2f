"""What a check remembers: a failure is believed when seen twice, and what could not be looked up proves nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from reputation.pure.memory import Memory, after

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def seen(*looks: tuple[int, str]) -> tuple[Memory, list[str]]:
    """The memory after looks at (minute, result), and what was told at which."""
    memory, told = Memory(), []
    for minute, result in looks:
        memory, event = after(memory, result, START + timedelta(minutes=minute))
        told += [f"{event} at {minute}"] if event else []
    return memory, told


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        ([(0, "pass"), (60, "fail"), (69, "fail")], []),
        ([(0, "pass"), (60, "fail"), (70, "fail")], ["broke at 70"]),
        ([(0, "pass"), (60, "fail"), (70, "fail"), (80, "fail")], ["broke at 70"]),
        ([(0, "pass"), (60, "fail"), (65, "pass"), (70, "fail")], []),
        ([(0, "pass"), (60, "fail"), (65, "unknown"), (70, "fail")], ["broke at 70"]),
        ([(0, "pass"), (60, "unknown"), (600, "unknown")], []),
        ([(0, "pass"), (60, "fail"), (70, "unknown")], []),
        ([(0, "fail"), (60, "fail")], []),
        ([(0, "fail"), (60, "fail"), (70, "pass")], []),
        ([(0, "pass"), (1, "fail"), (11, "fail"), (12, "unknown"), (20, "pass")], ["broke at 11", "mended at 20"]),
        ([(0, "pass"), (1, "fail"), (11, "fail"), (12, "pass"), (13, "pass")], ["broke at 11", "mended at 12"]),
    ],
)
def test_what_broke_for_certain_and_what_was_mended_is_told_once(looks: list[tuple[int, str]], told: list[str]) -> None:
    assert seen(*looks)[1] == told


def test_since_is_when_the_result_became_what_it_is() -> None:
    memory, _ = seen((0, "pass"), (10, "pass"), (20, "unknown"), (30, "unknown"))
    assert (memory.since, memory.passed_at) == (START + timedelta(minutes=20), START + timedelta(minutes=10))


def test_a_failure_that_cannot_be_looked_up_stays_one() -> None:
    memory, _ = seen((0, "pass"), (10, "fail"), (20, "fail"), (30, "unknown"))
    assert (memory.result, memory.confirmed, memory.failing_since) == ("unknown", True, START + timedelta(minutes=10))
