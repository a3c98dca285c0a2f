"""Runs many processes in one terminal: prefixes what they say, restarts those that die, stops all of them."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from config.embedded_process import EmbeddedError, wait_until
from config.processes import STOP_SECONDS, starter

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
STEADY_SECONDS = 60.0
POLL_SECONDS = 0.2
_ENDING = (
    "   supervisor | Ending: messages on the wire wait for their answers, at most {:.0f} s. Once more (Ctrl-C) ends at "
    "once;\n              | what has no answer then is listed as unknown and not sent again.\n"
)


@dataclass(slots=True)
class Child:
    """One process we keep alive. `delay` doubles while it keeps dying young."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path | None
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    delay: float = FIRST_DELAY
    restart_at: float | None = None
    restarts: int = 0


@dataclass
class Supervisor:
    """Start processes from the main thread: they are ended by the kernel when the thread that started them goes."""

    patience: float = STOP_SECONDS
    restart: bool = True
    children: dict[str, Child] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _in_a_hurry: threading.Event = field(default_factory=threading.Event)

    def start(
        self,
        name: str,
        argv: Sequence[str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> int:
        """Start a kind of process (config/processes.py), or any command line under a name. Returns its pid.

        `env` is added to ours. What it says goes to `log`, else to our own output behind its name.
        """
        whole = {**os.environ, "LETTERPACE_SUPERVISOR": "1", **(env or {})}
        child = Child(name, list(argv or starter(name)), whole, log)
        self.children[name] = child
        return self._launch(child)

    def pids(self) -> dict[str, int]:
        """The processes that run now."""
        return {name: child.process.pid for name, child in self.children.items() if _runs(child) and child.process}

    def kill(self, name: str, signal_number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one process (not to its children). The next `tend` starts it again when it has died."""
        child = self.children[name]
        if _runs(child) and child.process:
            child.process.send_signal(signal_number)

    def tend(self) -> None:
        """Look after everybody once: note who died, start again whose time has come."""
        for child in self.children.values():
            if _runs(child) or not self.restart:
                continue
            if child.restart_at is None:
                self._note_death(child)
            elif time.monotonic() >= child.restart_at:
                child.restarts += 1
                self._launch(child)

    def run(self) -> None:
        """Tend until SIGINT or SIGTERM (or `ask_to_stop`), then stop all."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        try:
            while not self._stopping.wait(POLL_SECONDS):
                self.tend()
        finally:
            self.stop_all()

    def ask_to_stop(self) -> None:
        self._stopping.set()

    def stop_all(self) -> list[str]:
        """SIGTERM to all at once; after `patience` seconds, or a second signal to us, whole process groups are killed.
        Returns who had to be."""
        self._stopping.set()
        running = [child for child in self.children.values() if _runs(child)]
        for child in running:
            self.kill(child.name, signal.SIGTERM)
        wait_until(lambda: self._in_a_hurry.is_set() or not any(map(_runs, running)), seconds=self.patience)
        stubborn = [child.name for child in running if _runs(child)]
        for child in running:
            _kill_group(child)
        if stubborn:
            why = "you did not want to wait" if self._in_a_hurry.is_set() else f"{self.patience:.0f} s were over"
            say("supervisor", f"killed, because {why}: {', '.join(stubborn)}")
        return stubborn

    def _launch(self, child: Child) -> int:
        child.started_at, child.restart_at = time.monotonic(), None
        # A session of its own: Ctrl-C in our terminal must reach us only, or everybody stops twice.
        if child.log:
            with child.log.open("ab") as out:
                child.process = _popen(child, out)
        else:
            child.process = _popen(child, subprocess.PIPE)
            threading.Thread(target=_pass_on, args=(child.name, child.process.stdout), daemon=True).start()
        return child.process.pid

    def _note_death(self, child: Child) -> None:
        lived = time.monotonic() - child.started_at
        died_young_again = child.restarts and lived < STEADY_SECONDS
        child.delay = min(child.delay * 2, LONGEST_DELAY) if died_young_again else FIRST_DELAY
        child.restart_at = time.monotonic() + child.delay
        _kill_group(child)
        code = child.process.returncode if child.process else None
        say("supervisor", f"{child.name} ended (exit {code}); starting it again in {child.delay:.0f} s")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stopping.is_set():
            self._in_a_hurry.set()
            return
        self._stopping.set()
        # Not `say`: this thread may be in the middle of saying something.
        os.write(sys.stdout.fileno(), _ENDING.format(self.patience).encode())


def say(name: str, line: str) -> None:
    sys.stdout.write(f"{name:>13} | {line}\n")
    sys.stdout.flush()


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """One supervisor per VAR_DIR; its pid is in the lock file for `manage.py stop`."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise EmbeddedError(
                f"Letterpace already runs here (process {file.read().strip()}). Stop it with: make stop"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def running_supervisor(lock: Path) -> int | None:
    """The pid of the supervisor that holds the lock, if one does."""
    if not lock.exists():
        return None
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            return int(file.read())
    return None


def _popen(child: Child, out: int | IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        child.argv,
        env=dict(child.env),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _runs(child: Child) -> bool:
    return child.process is not None and child.process.poll() is None


def _kill_group(child: Child) -> None:
    """Whatever the process leaves behind, such as the children of a killed prefork worker."""
    if child.process is None:
        return
    try:
        os.killpg(child.process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    child.process.wait()


def _pass_on(name: str, stream: IO[bytes] | None) -> None:
    for line in stream or ():
        say(name, line.decode(errors="replace").rstrip())
