"""A benchmark that is ended leaves nothing running."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The benchmark itself with its sink; instead of a whole installation one process that would run for long.
STAGE = """
import sys, time
from contextlib import contextmanager
from pathlib import Path
from benchmarks import _world, send

folder = Path(sys.argv.pop())

@contextmanager
def stage(settings):
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with _world.started({"worker": command}, folder) as pids:
        print(settings["SMTP_PORT"], pids["worker"], flush=True)
        time.sleep(600)
        yield

_world.installed = stage
send.main()
"""


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_an_ended_benchmark_ends_what_it_started(how: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", STAGE, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as bench:
        assert bench.stdout is not None
        port, worker = map(int, bench.stdout.readline().split())
        assert listens(port) and is_there(worker)
        bench.send_signal(how)
        assert bench.wait(100) != 0
    until = time.monotonic() + 60
    while is_there(worker) and time.monotonic() < until:
        time.sleep(0.1)
    assert not is_there(worker) and not listens(port)
