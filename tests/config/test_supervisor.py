import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.embedded_process import EmbeddedError, is_alive, wait_until
from config.processes import NICENESS
from config.supervisor import Supervisor, only_one, running_supervisor

ROOT = Path(__file__).resolve().parents[2]
SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
DEAF = [
    *(sys.executable, "-c"),
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(60)",
]
PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)",
]


@pytest.fixture
def supervisor():
    running = Supervisor(patience=1.0)
    yield running
    running.stop_all()


def tend_until(supervisor, condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        supervisor.tend()
        time.sleep(0.05)
    assert condition()


def test_it_starts_again_what_died(supervisor):
    first = supervisor.start("worker", SLEEP)
    supervisor.kill("worker")
    tend_until(supervisor, lambda: supervisor.pids().get("worker") not in {None, first})


def test_it_waits_longer_each_time_something_dies_young(supervisor):
    supervisor.start("broken", [sys.executable, "-c", "pass"])
    tend_until(supervisor, lambda: supervisor.children["broken"].delay >= 2.0)


def test_it_kills_what_a_dead_process_left_behind(supervisor, tmp_path):
    supervisor.start("parent", PARENT, log=tmp_path / "log")
    assert wait_until(lambda: (tmp_path / "log").read_text().strip() != "", seconds=10)
    grandchild = int((tmp_path / "log").read_text())
    supervisor.kill("parent")
    tend_until(supervisor, lambda: not is_alive(grandchild))


def test_a_process_that_does_not_listen_is_killed_and_named(supervisor, tmp_path):
    supervisor.start("deaf", DEAF, log=tmp_path / "deaf")
    supervisor.start("polite", SLEEP, log=tmp_path / "polite")
    for name in ("deaf", "polite"):
        assert wait_until((tmp_path / name).read_text, seconds=10)
    pids = supervisor.pids()
    assert supervisor.stop_all() == ["deaf"]
    assert not any(is_alive(pid) for pid in pids.values())


def test_a_second_signal_does_not_wait_any_longer(tmp_path):
    supervisor = Supervisor(patience=60.0)
    supervisor.start("deaf", DEAF, log=tmp_path / "deaf")
    assert wait_until((tmp_path / "deaf").read_text, seconds=10)
    supervisor._on_signal(signal.SIGTERM, None)
    supervisor._on_signal(signal.SIGINT, None)
    started = time.monotonic()
    assert supervisor.stop_all() == ["deaf"]
    assert time.monotonic() - started < 30


def test_output_carries_the_name_of_who_said_it(supervisor, capfd):
    supervisor.start("worker", SLEEP)
    seen: list[str] = []

    def heard():
        seen.append(capfd.readouterr().out)
        return "worker | here" in "".join(seen)

    assert wait_until(heard, seconds=10)


def test_a_second_one_on_the_same_data_is_refused(tmp_path):
    lock = tmp_path / "supervisor"
    with only_one(lock):
        assert running_supervisor(lock) == os.getpid()
        with pytest.raises(EmbeddedError, match="already runs here"), only_one(lock):
            pytest.fail("two at once")
    assert running_supervisor(lock) is None


@pytest.mark.faults
@pytest.mark.timeout(150)
def test_dev_starts_everything_and_stops_everything_on_a_signal(tmp_path):
    own = {"VAR_DIR": str(tmp_path / "var"), "KEYS_DIR": str(tmp_path / "keys"), "WEB_LISTEN": free_port()}
    env = {**os.environ, **own}
    env.pop("CELERY_BROKER_URL", None)
    with (tmp_path / "log").open("w") as log:
        dev = subprocess.Popen([sys.executable, "manage.py", "dev"], cwd=ROOT, env=env, stdout=log, stderr=log)
    said = (tmp_path / "log").read_text
    try:
        ready = ["transmit@", "transactional@", "control@", "Started worker-1"]
        wait_until(lambda: all(word in said() for word in ready) or dev.poll() is not None, seconds=90)
        assert all(word in said() for word in ready), said()
    finally:
        dev.send_signal(signal.SIGTERM)
        code = dev.wait(60)
    assert code == 0
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in left


def test_whoever_ends_the_demo_ends_its_whole_world(tmp_path):
    env = {**os.environ, "VAR_DIR": str(tmp_path / "var"), "KEYS_DIR": str(tmp_path / "keys")}
    with (tmp_path / "log").open("w") as log:
        argv = [sys.executable, "manage.py", "demo", "--once", "--recipients", "100"]
        demo = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=log, stderr=log)
    said = (tmp_path / "log").read_text
    try:
        wait_until(lambda: "importing" in said() or demo.poll() is not None, seconds=90)
        assert demo.poll() is None, said()
    finally:
        demo.send_signal(signal.SIGTERM)
        code = demo.wait(120)
    assert code == 128 + signal.SIGTERM
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in left


def free_port():
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listening.getsockname()[1]}"


def test_sending_steps_back_where_processors_are_short_and_pages_do_not():
    """With every thread it has and will have."""
    look = """
import os, sys, threading, time
import django; django.setup()
from config import processes
wait = lambda: time.sleep(60)
threading.Thread(target=wait, daemon=True).start()
processes.step_back(sys.argv[1])
threading.Thread(target=wait, daemon=True).start()
print(*{os.getpriority(os.PRIO_PROCESS, int(task)) for task in os.listdir("/proc/self/task")})
"""
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    for kind in ("web", "transmit", "control"):
        said = subprocess.run(
            [sys.executable, "-c", look, kind], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        ).stdout
        assert said.split() == [str(max(os.nice(0), NICENESS.get(kind, 0)))]
