"""The kinds of process that make up Letterpace. compose.yaml and deploy/systemd mirror this table."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from django.conf import settings

BASE_DIR = Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG = 1

# A process that is told to stop waits so long for receivers' answers to what is on the wire.
ANSWER_SECONDS = 90
# What is still there so long after the signal is killed. Supervisor, systemd and compose hold to it.
STOP_SECONDS = ANSWER_SECONDS + 10


def _worker(kind: str, queues: str, *, pool: str, concurrency: int) -> list[str]:
    return [
        *(sys.executable, "-m", "celery", "-A", "config", "worker"),
        *("--queues", queues, "--pool", pool, "--concurrency", str(concurrency)),
        # Several of a kind on one machine: two nodes of one name would answer for each other.
        *("--hostname", f"{kind}@{os.getpid()}.%h", "--loglevel", settings.LOG_LEVEL),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


def _web() -> list[str]:
    host, port = settings.WEB_LISTEN
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port)),
        *("--workers", str(settings.WEB_WORKERS), "--blocking-threads", str(settings.WEB_THREADS)),
        # Each has a connection to the database, and in that what its first statements cost is paid.
        *("--blocking-threads-idle-timeout", "600"),
        *("--no-ws", "--respawn-failed-workers", "--log-level", settings.LOG_LEVEL.lower()),
        "config.wsgi:application",
    ]


def _transmit() -> list[str]:
    queue = f"egress.{settings.EGRESS_HOST}"
    # The planner counts connections by host. Which process gets a batch is chance, and it must not wait in one for a
    # thread while another has some to spare.
    threads = settings.TRANSMIT_THREADS + max(4, settings.TRANSMIT_THREADS // 4)
    return _worker("transmit", queue, pool="threads", concurrency=threads)


def _transactional() -> list[str]:
    return _worker("transactional", "transactional", pool="threads", concurrency=settings.TRANSACTIONAL_THREADS)


def _beat() -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "config", "beat", "--pidfile=", "--loglevel", settings.LOG_LEVEL]


KINDS: Mapping[str, Callable[[], list[str]]] = {
    # Pages, recipients' doors and webhooks.
    "web": _web,
    # Ticks, sweeps, the planner, feedback, imports. Three: an import must not hold up the ticks.
    "control": lambda: _worker("control", "control,inbound,import", pool="prefork", concurrency=3),
    # One SMTP connection a thread, from this host's addresses; some threads are spare.
    "transmit": _transmit,
    # Confirmations and the like never queue behind a campaign.
    "transactional": _transactional,
    # Ticks the sweeps. Two at once are harmless; none at all, too: workers tick when beat is silent.
    "beat": _beat,
    # Takes bounces and complaints by SMTP.
    "inbound": lambda: [sys.executable, str(BASE_DIR / "manage.py"), "inbound"],
}

# How far a kind steps back where processors are short (`nice`). Sending fills all there are, for hours; a page or an
# unsubscription wants one for a millisecond, and a person waits for it. systemd and compose say the same as weights.
NICENESS: Mapping[str, int] = {"transmit": 5, "control": 2}


def become(kind: str) -> None:
    """Turn this very process into one of that kind. Under a supervisor it ends when the supervisor is killed."""
    os.environ["PROCESS_KIND"] = kind
    # Hundreds of threads that mostly wait need no heap each (glibc gives every one its own).
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    if kind in ("transmit", "transactional"):
        # Nor a store each of what it has freed, which takes an hour of sending to fill, and then tens of megabytes.
        os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
        # Celery would check all pages in every worker, and what it has loaded for that stays; `control` checks for all.
        os.environ.setdefault("CELERY_SKIP_CHECKS", "yes")
    argv = KINDS[kind]()
    if os.environ.pop("LETTERPACE_SUPERVISOR", None) and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.chdir(BASE_DIR)
    os.execv(argv[0], argv)


def step_back(kind: str) -> None:
    """Of two processes that want the same processor the other gets more of it. For one that has started: nobody should
    wait for that, and an embedded database that it starts must not step back with it."""
    niceness = NICENESS.get(kind, 0)
    if not niceness or sys.platform != "linux":
        return
    # Each thread has its own; those to come have that of the one that starts them.
    for thread in [int(task.name) for task in Path("/proc/self/task").iterdir()]:
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, thread, max(niceness, os.getpriority(os.PRIO_PROCESS, thread)))
    # Processors may be shared among sessions first, and niceness counts only within each (autogroup).
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness))


def starter(kind: str) -> list[str]:
    """The command line that starts one of that kind: `manage.py run <kind>` says wrong settings in one sentence."""
    return [sys.executable, str(BASE_DIR / "manage.py"), "run", kind]
