"""The processes under test, as an operator starts them, but with kill points: `python -m tests.faults.process KIND`.

Here the code of one kind is read once, and a process is forked for each line on the standard input: that takes a tenth
of a second where a start takes several, and two hundred kills are minutes. A line is JSON: `name` tells two of a kind
apart, `log` is where it writes, `without` a safeguard to leave out, so that the harness can be seen to notice. The pid
is answered; how it ended is written to a file beside its log.
"""

import ctypes
import importlib
import json
import os
import select
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
REAP_SECONDS = 0.02
# What the first task would read otherwise, in every process again.
AHEAD = ("celery.apps.worker", "celery.apps.beat", "celery.concurrency.thread", "celery.concurrency.prefork",
         "celery.bin.worker", "celery.bin.beat", "kombu.transport.redis", "celery.worker.consumer")  # fmt: skip


def main(kind: str) -> None:
    os.environ["PROCESS_KIND"] = kind
    _end_with_parent()
    import django

    django.setup()
    from config.celery import app
    from tests.faults import points

    app.loader.import_default_modules()
    for name in (*AHEAD, *(point.where.partition(":")[0] for point in points.KINDS.get(kind, []))):
        importlib.import_module(name)
    while told := _next_line():
        wanted = json.loads(told)
        pid = os.fork()
        if not pid:
            _become(kind, **wanted)
            return
        _ending(Path(wanted["log"]).parent, pid).unlink(missing_ok=True)
        os.write(1, f"{pid}\n".encode())


def _next_line() -> str:
    """Waits for it, and writes down how processes ended meanwhile; '' when there will be none."""
    folder = Path(os.environ["LETTERPACE_FAULTS"]) / "log"
    while not select.select([0], [], [], REAP_SECONDS)[0]:
        _note_endings(folder)
    return sys.stdin.readline()


def _note_endings(folder: Path) -> None:
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ending = _ending(folder, found[0])
            ending.with_suffix(".new").write_text(str(os.waitstatus_to_exitcode(found[1])))
            ending.with_suffix(".new").rename(ending)
    except ChildProcessError:
        pass


def _ending(folder: Path, pid: int) -> Path:
    return folder / f"{pid}.ended"


def _become(kind: str, *, name: str, log: str, without: str) -> None:
    os.setsid()
    _end_with_parent()
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for there, here in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (out, 2)):
        os.dup2(there, here)
    os.environ["FAULT_NAME"] = name
    from celery.__main__ import main as celery

    from config.processes import KINDS
    from tests.faults import points
    from tests.faults.without import SAFEGUARDS

    if without:
        SAFEGUARDS[without]()
    points.wrap(kind, points.Place(Path(os.environ["LETTERPACE_FAULTS"]), name))
    # Two workers on one machine would share one node name.
    sys.argv = [part.replace(f"{kind}@", f"{name}@") for part in KINDS[kind]()[2:]]
    celery()


def _end_with_parent() -> None:
    """Nothing is left behind when the harness itself is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
