"""Where processes under test are forked from (process.py), and what one of them looks like from here."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Child:
    """As much of a `subprocess.Popen` as is needed of a process that is not our own child."""

    pid: int
    ending: Path
    returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            with suppress(FileNotFoundError):
                self.returncode = int(self.ending.read_text())
        return self.returncode

    def wait(self, seconds: float = 60.0) -> bool:
        """False when it still runs after so long."""
        until = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        return self.returncode is not None

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Nursery:
    """Of one kind of process, with one environment. Its own end is that of all who came from it."""

    def __init__(self, kind: str, *, folder: Path, environment: Mapping[str, str], name: str = "") -> None:
        self._logs = folder / "log"
        self._logs.mkdir(exist_ok=True)
        self._log = self._logs / f"nursery-{name or kind}.log"
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.process", kind],
                cwd=ROOT,
                env={**os.environ, **environment, "LETTERPACE_FAULTS": str(folder)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                start_new_session=True,
                text=True,
                bufsize=1,
            )

    def start(self, name: str, *, without: str = "") -> Child:
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):
            print(json.dumps({"name": name, "log": str(self._logs / f"{name}.log"), "without": without}),
                  file=self._process.stdin)  # fmt: skip
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"Nothing can be started:\n{self._log.read_text(errors='replace')[-2000:]}")
        return Child(int(answer), self._logs / f"{int(answer)}.ended")

    def close(self) -> None:
        """To be called when all who came from it have ended."""
        self._process.kill()
        self._process.communicate()
