"""The lab in a process of its own, for whoever must know its ports before anything else of theirs starts."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0


@contextmanager
def lab_process(asked: Mapping[str, Any], *, log: Path) -> Iterator[Mapping[str, Any]]:
    """Start it with these settings (`ready_file` among them), wait until it answers, yield what it told (ports, hosts);
    stop it at the end. Raises RuntimeError with what it said.
    """
    ready = Path(asked["ready_file"])
    ready.unlink(missing_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", "--json", json.dumps(asked)],
            cwd=BASE_DIR,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _wait(process, ready, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: Path, log: Path) -> Mapping[str, Any]:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if ready.exists() and (text := ready.read_text()).strip():
            told: Mapping[str, Any] = json.loads(text)
            return told
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"The lab did not start: {log.read_text(errors='replace')[-2000:]}")
