"""`python -m lab` as a process, and the persona data it ships with."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab.limits import RollingCount, Runs
from lab.magic import KEYS, magic
from lab.persona import BadPersona, changed, load_personas


def test_it_runs_as_a_process_says_where_and_ends_when_told(tmp_path: Path) -> None:
    settings = {"ledger": str(tmp_path / "l"), "smtp_port": 0, "dns_port": 0, "control_port": 0, "hosters": 2}
    settings["ready_file"] = str(tmp_path / "ready.json")
    command = [sys.executable, "-m", "lab", "--json", json.dumps(settings)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    assert json.loads((tmp_path / "ready.json").read_text()) == said
    with socket.create_connection((said["hosts"]["mx00.gmx.net"]["address"], said["smtp_port"]), 5) as client:
        assert b"Nemesis" in client.recv(1000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_it_reads_a_file_and_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(f'ledger = "{tmp_path}/l"\nonly = ["nobody"]\n')
    command = [sys.executable, "-m", "lab", "--config", str(tmp_path / "lab.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "There is no persona 'nobody'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("key", sorted(load_personas()))
def test_every_reply_the_lab_can_give_is_in_the_data(key: str) -> None:
    persona = load_personas()[key]
    assert persona.mx
    assert all(reply[0] in "2345" for reply in persona.replies.values())
    unknown = persona.replies["unknown"]
    assert unknown[0] == "5"


def test_the_data_covers_the_receivers_a_demo_needs() -> None:
    wanted = {"google", "microsoft", "m365", "yahoo", "apple", "gmx", "orange", "mimecast", "hosters", "relay"}
    assert wanted <= set(load_personas())


def test_replies_are_merged_and_other_values_replaced() -> None:
    google = load_personas()["google"]
    other = changed(google, {"replies": {"ok": "250 fine"}, "domains": ["x.example"]})
    assert (other.replies["ok"], other.replies["unknown"]) == ("250 fine", google.replies["unknown"])
    assert other.domains == ("x.example",)
    with pytest.raises(BadPersona):
        changed(google, {"key": "other"})


def test_magic_local_parts_take_the_longest_key() -> None:
    assert magic("drop-dot-3@x") == "drop-dot"
    assert magic("slow-dot@x") == "slow-dot"
    assert magic("slow-1@x") == "slow"
    assert magic("Defer-Dot-1@x") == "defer-dot"
    assert magic("unknownish@x") == ""
    assert all(magic(f"{key}-1@x") == key for key in KEYS)


def test_a_rolling_count_forgets_exactly_at_its_edge() -> None:
    count = RollingCount(60)
    count.add(0)
    count.add(30)
    assert (count.count(59.9), count.count(60), count.count(90)) == (2, 1, 0)


def test_a_run_ends_with_a_pause() -> None:
    runs = Runs()
    runs.add(pause=10, now=0)
    runs.add(pause=10, now=9)
    over = runs.excess(scope="ip", limit=2, pause=10, now=18)
    assert over is not None
    assert over.observed == 3
    assert runs.excess(scope="ip", limit=2, pause=10, now=19) is None
