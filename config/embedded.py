"""A PostgreSQL and a broker of our own, for whoever gives no URL.

Who needs them joins; the last one to leave stops them:

1. `join` takes the start lock, takes a *shared* lock on the users file and keeps it while the process lives, starts
   what does not answer, and lets the start lock go.
2. `leave`, at exit, takes the start lock, gives its shared lock up and tries for the *exclusive* one. Getting it means
   that nobody else is there: the servers are stopped.
3. A process that is killed loses its lock to the kernel. The servers stay, and the next one to join uses them (or
   starts them again on what they left), and stops them when it leaves.

A forked child holds its parent's lock as long as it lives, and never stops anything itself.
"""

import atexit
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from config import embedded_broker, embedded_postgres
from config.embedded_process import EmbeddedError

__all__ = ["EmbeddedError", "Place", "join", "leave", "place", "stop"]

# A unix socket's path is at most 107 bytes, so sockets can't live under a VAR_DIR of any depth.
RUNTIME_ROOT = Path("/tmp")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the embedded servers of one VAR_DIR keep their things."""

    var_dir: Path
    runtime: Path

    @property
    def postgres_data(self) -> Path:
        return self.var_dir / "postgres"

    @property
    def postgres_sockets(self) -> Path:
        return self.runtime / "pg"

    @property
    def broker_data(self) -> Path:
        return self.var_dir / "broker"

    @property
    def broker_socket(self) -> Path:
        return self.runtime / "broker.sock"

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{self.broker_socket}?virtual_host=0"

    @property
    def logs(self) -> Path:
        return self.var_dir / "log"

    @property
    def locks(self) -> Path:
        return self.var_dir / "lock"


@dataclass(slots=True)
class _Membership:
    place: Place
    descriptor: int
    pid: int
    postgres: bool = False
    broker: bool = False


_memberships: dict[Path, _Membership] = {}


@lru_cache(maxsize=16)
def place(var_dir: Path) -> Place:
    """The place that belongs to a VAR_DIR: the same for every process of one account. Touches nothing."""
    var_dir = var_dir.resolve()
    name = hashlib.sha256(f"{os.geteuid()}:{var_dir}".encode()).hexdigest()[:12]
    return Place(var_dir=var_dir, runtime=RUNTIME_ROOT / f"lp-{name}")


def join(var_dir: Path, *, postgres: bool = True, broker: bool = True, fsync: bool = True) -> Place:
    """Make the servers run, and count this process among their users until it ends. Cheap when already joined.

    Raises EmbeddedError with a sentence that says what to do where that can't be.
    """
    here = place(var_dir)
    member = _memberships.get(here.var_dir)
    if member and (member.postgres or not postgres) and (member.broker or not broker):
        return here
    _prepare(here)
    with _start_lock(here):
        member = member or _enlist(here)
        if postgres:
            _start_postgres(here, fsync=fsync)
            member.postgres = True
        if broker:
            _start_broker(here)
            member.broker = True
    return here


def leave(var_dir: Path) -> bool:
    """Stop being a user; stop the servers if we were the last one. Returns whether they were stopped."""
    member = _memberships.pop(place(var_dir).var_dir, None)
    if member is None or member.pid != os.getpid():
        return False
    if not member.place.locks.is_dir():
        # Somebody has removed the whole folder, and with it what could be stopped.
        os.close(member.descriptor)
        return False
    with _start_lock(member.place):
        # Closing, not unlocking: a forked child that still lives keeps the lock through its copy.
        os.close(member.descriptor)
        with _alone(member.place) as alone:
            if alone:
                _halt(member.place)
            return alone


def stop(var_dir: Path) -> bool:
    """Stop the servers whoever uses them. Returns whether there was anything to stop."""
    here = place(var_dir)
    if not here.locks.is_dir():
        return False
    with _start_lock(here):
        return _halt(here)


def _enlist(here: Place) -> _Membership:
    descriptor = _open(here.locks / "users")
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    member = _memberships[here.var_dir] = _Membership(here, descriptor, os.getpid())
    atexit.register(leave, here.var_dir)
    return member


def _start_postgres(here: Place, *, fsync: bool) -> None:
    embedded_postgres.start(
        data=here.postgres_data, sockets=here.postgres_sockets, log=here.logs / "postgres.log", fsync=fsync
    )


def _start_broker(here: Place) -> None:
    embedded_broker.start(data=here.broker_data, socket=here.broker_socket, log=here.logs / "broker.log")


def _halt(here: Place) -> bool:
    running = [embedded_broker.running_pid(here.broker_data), embedded_postgres.running_pid(here.postgres_data)]
    embedded_broker.halt(data=here.broker_data)
    embedded_postgres.halt(data=here.postgres_data)
    return any(pid is not None for pid in running)


def _prepare(here: Place) -> None:
    try:
        for folder in (here.var_dir, here.logs, here.locks):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(
            f"Letterpace can't write to {here.var_dir} ({error.strerror}). Set VAR_DIR to a folder that the user "
            "who starts it may write to, for example VAR_DIR=$HOME/letterpace"
        ) from error
    _check_owner(here.postgres_data)
    _prepare_runtime(here.runtime)


def _check_owner(data: Path) -> None:
    if os.geteuid() != 0 and data.exists() and data.stat().st_uid != os.geteuid():
        raise EmbeddedError(
            f"{data} belongs to another user (uid {data.stat().st_uid}). Start Letterpace as that user, "
            "or set VAR_DIR to a folder of your own."
        )


def _prepare_runtime(runtime: Path) -> None:
    """Our own folder for sockets. Anyone may write to /tmp, so one that somebody else laid there is refused."""
    # Root lets its unprivileged server pass through to its sub-folder, and nothing more.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    runtime.mkdir(mode=mode, exist_ok=True)
    found = runtime.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise EmbeddedError(f"{runtime} belongs to somebody else. Remove it, or set VAR_DIR to another folder.")
    runtime.chmod(mode)


@contextmanager
def _start_lock(here: Place) -> Iterator[None]:
    """One process at a time starts or stops the servers."""
    descriptor = _open(here.locks / "start")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _alone(here: Place) -> Iterator[bool]:
    descriptor = _open(here.locks / "users")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def _open(lock: Path) -> int:
    return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
