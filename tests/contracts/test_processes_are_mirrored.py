import re
from pathlib import Path

import pytest

from config.processes import KINDS, NICENESS, STOP_SECONDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", list(KINDS))
def test_compose_starts_every_kind_of_process(kind):
    assert re.search(rf"^  {kind}:.*?run\", \"{kind}\"", (ROOT / "compose.yaml").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("kind", list(KINDS))
def test_systemd_starts_every_kind_of_process_and_lets_it_finish_what_it_does(kind):
    unit = (ROOT / "deploy" / "systemd" / f"letterpace-{kind}.service").read_text()
    assert f"manage.py run {kind}" in unit
    assert {"KillSignal=SIGTERM", f"TimeoutStopSec={STOP_SECONDS}", "KillMode=mixed"} <= set(unit.splitlines())


@pytest.mark.parametrize("kind", list(KINDS))
def test_who_steps_back_does_so_under_systemd_and_compose_too(kind):
    unit = (ROOT / "deploy" / "systemd" / f"letterpace-{kind}.service").read_text()
    service = re.search(rf"^  {kind}:\n(?:    .*\n)*", (ROOT / "compose.yaml").read_text(), re.MULTILINE)
    assert service
    assert ("CPUWeight=" in unit, "cpu_shares:" in service[0]) == ((kind in NICENESS,) * 2)


def test_compose_waits_as_long_before_it_kills():
    assert f"stop_grace_period: {STOP_SECONDS}s" in (ROOT / "compose.yaml").read_text()


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_process_has_a_command_line_of_its_own(kind):
    commands = [" ".join(command()) for command in KINDS.values()]
    assert len(set(commands)) == len(KINDS)
    assert KINDS[kind]()[0].startswith("/")


def test_every_queue_has_a_worker_that_listens_to_it():
    from config.celery import QUEUES

    commands = [command() for command in KINDS.values()]
    listened = [line[line.index("--queues") + 1].split(",") for line in commands if "--queues" in line]
    assert sorted(queue for queues in listened for queue in queues) == sorted(QUEUES)
