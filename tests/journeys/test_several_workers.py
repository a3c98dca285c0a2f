"""Several sending workers on receivers' clocks: killed and restarted, limits edited, a provider held; on two hosts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def run(scenario: str, folder: Path) -> dict[str, Any]:
    away = {"DATABASE_URL", "CELERY_BROKER_URL", "KEYS_DIR", "VAR_DIR", "LAB", "EMBEDDED_FSYNC"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.journeys.fleet", scenario, str(folder)],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name not in away},
        capture_output=True,
        text=True,
        timeout=200,
    )
    lines = done.stdout.strip().splitlines()
    assert done.returncode == 0, "\n".join(lines[-5:]) + done.stderr[-4000:]
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures


def assert_books_balance(seen: dict[str, Any]) -> None:
    assert (seen["duplicates"], seen["lost"], seen["disagree"], seen["violations"]) == (0, 0, 0, 0)
    assert seen["unknown"] <= seen["open_at_kills"]
    assert seen["signed"] == 1.0


@pytest.mark.timeout(220)
def test_three_workers_keep_and_use_the_limits_while_one_dies_and_limits_change(tmp_path: Path) -> None:
    seen = run("limits", tmp_path)

    assert_books_balance(seen)
    for phase in seen["phases"]:
        assert phase["worst"] <= phase["limit"], seen
        # Capacity does not idle while mail waits: a share of the limit, and one that a busy machine reaches.
        assert phase["seconds"] < 3 or phase["used"] >= 0.5, seen
    assert all(worst <= limit for worst, limit in seen["others"].values()), seen
    assert (seen["held"], seen["after_hold"] > 0) == (0, True)
    assert seen["tiny_share"] < 0.7, seen


@pytest.mark.timeout(220)
def test_two_hosts_send_from_their_own_addresses_and_either_goes_on_without_the_other(tmp_path: Path) -> None:
    seen = run("hosts", tmp_path)

    assert_books_balance(seen)
    assert seen["from_another_address"] == 0
    assert all(n > 0 for n in seen["from_each"])
    assert [absence["host"] for absence in seen["absences"]] == ["out1", "out2"]
    for absence in seen["absences"]:
        assert absence["its_dots"] == 0, seen
        assert absence["others_dots"] > 0 < absence["before"], seen
        assert absence["after"] > 0, seen
