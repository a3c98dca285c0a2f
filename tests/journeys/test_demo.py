"""The whole of Letterpace in processes of its own: what a stranger sees who types `make demo`, without the browser."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def run_demo(folder: Path, *options: str) -> dict[str, Any]:
    away = {"DATABASE_URL", "CELERY_BROKER_URL", "KEYS_DIR", "LAB"}
    environment = {name: value for name, value in os.environ.items() if name not in away}
    argv = [sys.executable, "manage.py", "demo", "--once", "--json", *options]
    done = subprocess.run(
        argv,
        cwd=REPOSITORY,
        env={**environment, "VAR_DIR": str(folder), "DEBUG": "yes"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    lines = done.stdout.strip().splitlines()
    assert done.returncode == 0, "\n".join(lines[-15:]) + done.stderr[-3000:]
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures


@pytest.mark.timeout(420)
def test_a_campaign_completes_without_beat_and_with_the_broker_emptied_in_the_middle(tmp_path: Path) -> None:
    figures = run_demo(tmp_path, "--recipients", "500", "--without-beat", "--flush-broker")

    assert figures["recipients"] + figures["excluded"] == 500
    assert figures["states_sum_ok"]
    assert figures["receiver_duplicates"] == 0
    assert figures["unknown"] == 0


@pytest.mark.timeout(420)
def test_a_campaign_reaches_everybody_once_while_workers_are_killed(tmp_path: Path) -> None:
    figures = run_demo(tmp_path, "--recipients", "800", "--chaos")

    assert figures["recipients"] + figures["excluded"] == 800
    assert figures["receiver_duplicates"] == 0
    assert figures["states_sum_ok"]
    assert figures["unknown"] <= figures["connections_open_at_kills"]
    assert figures["dkim_verified_share"] == 1.0
    assert figures["limit_violations"] == 0
    assert figures["one_click_posts"] >= 8
    assert figures["mailed_after_pending"] == 0
    assert figures["complaints_processed"] > 0
    assert figures["deferred_then_accepted"] > 0
    assert figures["opened"] > figures["clicked"] > 0
    assert {"google", "microsoft", "yahoo", "apple", "gmx"} <= figures["lanes"].keys()
