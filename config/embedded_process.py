"""Starting, watching and stopping one server process of our own."""

import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

POLL_SECONDS = 0.02

# Children of this process that may have to be reaped before they count as gone.
_children: dict[int, subprocess.Popen[bytes]] = {}


class EmbeddedError(ImproperlyConfigured):
    """An embedded server can't be used here; the message is a sentence for the person who starts us."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system account a server runs as."""

    uid: int
    gid: int
    switch: bool


def unprivileged_account() -> Account:
    """Ourselves, or `nobody` when we are root: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL refuses to run as root and this system has no user 'nobody' to run it as. "
            "Start Letterpace as another user, or set DATABASE_URL to a PostgreSQL server."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid, switch=True)


def spawn(argv: Sequence[str | Path], *, log: Path, cwd: Path, account: Account | None = None) -> int:
    """Start a server in a session of its own, so that Ctrl-C in our terminal does not reach it. Returns its pid."""
    _rotate(log)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(arg) for arg in argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            start_new_session=True,
            **run_as(account),
        )
    _children[process.pid] = process
    return process.pid


def run_as(account: Account | None) -> dict[str, Any]:
    """Arguments for `subprocess` that switch to the account; nothing when we are it already."""
    if account is None or not account.switch:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def is_alive(pid: int) -> bool:
    """Whether the process runs. A child of ours that has ended is reaped on the way."""
    child = _children.get(pid)
    if child is not None:
        return child.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not _is_zombie(pid)


def command_line(pid: int) -> str:
    """What the process was started as, or '' when it is gone or can't be told."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        pass
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def stop(pid: int, *, first: signal.Signals, patience: float) -> None:
    """Ask with the signal `first`; kill what still runs after `patience` seconds."""
    send(pid, first)
    if not wait_until(lambda: not is_alive(pid), seconds=patience):
        send(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), seconds=5)


def send(pid: int, signal_number: signal.Signals) -> None:
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        pass


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Poll until the condition holds; False when the time is up first."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def let_through(path: Path) -> None:
    """Let other accounts pass through the folders above `path`: x only, never r, and say so.

    Only root needs this (`/root` is 0700 on most systems); the server runs as `nobody`.
    """
    for folder in reversed(path.resolve().parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            print(
                f"Letterpace: {folder} may now be passed through by other accounts (o+x), because PostgreSQL "
                "refuses to run as root and its files lie below.",
                file=sys.stderr,
            )


def tail(log: Path, *, lines: int = 12) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _rotate(log: Path, *, limit: int = 10_000_000) -> None:
    if log.exists() and log.stat().st_size > limit:
        log.replace(log.with_suffix(log.suffix + ".old"))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
