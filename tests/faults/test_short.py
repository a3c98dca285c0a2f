"""The fault runs, in short: one mailing that meets one of each mechanism, and one that shows that damage is noticed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


def faults(folder: Path, *options: str) -> tuple[dict[str, Any], str]:
    """The last line, and all that was said."""
    argv = [sys.executable, "-m", "tests.faults", "--folder", str(folder), *options]
    done = subprocess.run(argv, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=380)
    lines = done.stdout.strip().splitlines()
    assert lines, done.stderr[-3000:]
    assert lines[-1].startswith("{"), "\n".join(lines[-20:]) + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(lines[-1])
    return found, done.stdout


def test_nobody_is_lost_or_mailed_twice_whatever_is_killed_cut_or_stopped(tmp_path: Path) -> None:
    found, said = faults(tmp_path, "--runs", "1", "--seed", "7", "--only", "medley")

    assert "WRONG" not in said, said
    assert found["kills"] >= 2
    assert found["messages"] == 450
    assert found["duplicates"] == found["lost"] == found["stuck_batches"] == 0
    assert found["mailed_after_suppression"] == found["limit_violations"] == 0
    assert found["max_unknown_per_connection"] <= 1
    assert found["sums_ok"]


def test_without_the_intent_the_damage_is_seen(tmp_path: Path) -> None:
    found, said = faults(
        tmp_path, "--seed", "3", "--runs", "1", "--only", "a safeguard is missing", "--without", "intent"
    )

    assert found["kills"] >= 1
    assert found["duplicates"] >= 1
    assert "WRONG: seed 3" in said
    assert "again: make faults RUNS=1 SEED=3" in said
