"""The processes under test: started, killed, stopped, and started again at once. Every death is written down."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.nursery import Child, Nursery
from tests.faults.stage import Stage

PATIENCE = 45.0
# Who ends by itself so soon would only do so again.
TOO_YOUNG = 5.0


@dataclass
class Process:
    name: str
    kind: str
    child: Child
    # A death we wish for; another one is a finding.
    may_die: bool = False
    is_stopped: bool = False
    stays_away: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def runs(self) -> bool:
        return self.child.poll() is None

    def children(self) -> list[int]:
        """Of a prefork pool."""
        try:
            found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in found.split()]


@dataclass(frozen=True)
class Death:
    name: str
    kind: str
    pid: int
    wanted: bool
    code: int


@dataclass
class Processes:
    """`on_death` is called before the process is started again, while the world still shows what it left.

    `without`: the safeguard that all of them leave out.
    """

    stage: Stage
    without: str = ""
    on_death: Callable[[Death], None] = lambda death: None
    all: dict[str, Process] = field(default_factory=dict)
    _nurseries: dict[str, Nursery] = field(default_factory=dict)

    def start(self, name: str, kind: str) -> Process:
        if kind not in self._nurseries:
            self._nurseries[kind] = Nursery(kind, folder=self.stage.folder, environment=self.stage.servers)
        self.all[name] = Process(name, kind, self._nurseries[kind].start(name, without=self.without))
        return self.all[name]

    def of_kind(self, kind: str) -> list[Process]:
        return [process for process in self.all.values() if process.kind == kind]

    def signal(self, name: str, number: signal.Signals) -> None:
        process = self.all[name]
        process.may_die = process.may_die or number in (signal.SIGKILL, signal.SIGTERM)
        process.is_stopped = (process.is_stopped or number == signal.SIGSTOP) and number != signal.SIGCONT
        process.child.send_signal(number)

    def is_gone(self, name: str, pid: int) -> bool:
        """That process, whoever has its place now."""
        return self.all[name].pid != pid

    def tend(self) -> None:
        """Note who died, end what they left behind, and start them again."""
        for process in list(self.all.values()):
            if process.runs or process.stays_away:
                continue
            _kill_group(process.pid)
            if not process.may_die and time.monotonic() - process.began < TOO_YOUNG:
                raise RuntimeError(f"{process.name} can't start:\n{self._last_words(process)}")
            code = process.child.returncode
            assert code is not None
            self.on_death(Death(process.name, process.kind, process.pid, process.may_die, code))
            self.start(process.name, process.kind)

    def leave_away(self, name: str) -> None:
        """End it in order, and do not start it again until `come_back`."""
        process = self.all[name]
        process.stays_away = process.may_die = True
        process.child.send_signal(signal.SIGTERM)
        self._wait([process])

    def come_back(self) -> None:
        for process in list(self.all.values()):
            if process.stays_away:
                self.start(process.name, process.kind)
            elif process.is_stopped:
                self.signal(process.name, signal.SIGCONT)

    def stop_all(self) -> list[str]:
        """SIGTERM to all; returns who had to be killed after all."""
        running = [process for process in self.all.values() if process.runs]
        for process in running:
            process.child.send_signal(signal.SIGCONT)
            process.child.send_signal(signal.SIGTERM)
        stubborn = self._wait(running)
        self.all.clear()
        for nursery in self._nurseries.values():
            nursery.close()
        self._nurseries.clear()
        return stubborn

    def _wait(self, running: list[Process]) -> list[str]:
        until = time.monotonic() + PATIENCE
        while any(process.runs for process in running) and time.monotonic() < until:
            time.sleep(0.05)
        stubborn = [process.name for process in running if process.runs]
        for process in running:
            _kill_group(process.pid)
            process.child.wait()
        return stubborn

    def _last_words(self, process: Process) -> str:
        return (self.stage.logs / f"{process.name}.log").read_text(errors="replace")[-2000:]


def _kill_group(pid: int) -> None:
    """Whatever a process leaves behind, such as the children of a killed prefork worker."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
