"""Is this database the one that this machine last sent with? A restored or cloned one must never mail a campaign again.

Each sending host keeps an identity twice: a row, and a file outside PostgreSQL. A number in both grows every two
seconds, the row's first, so the file is never ahead of a row that is its own.

| row of this host | file | what it means |
|---|---|---|
| none | none | first start: both are made |
| there | none | the file was lost, or another machine uses this host's name: held |
| none, or another's | there | another database: held |
| behind the file | there | an older state of the database was restored: held |
| there | of another machine | the data was cloned or moved: held |

Held means: all sending is stopped, and campaigns under way are held, each until a person goes on with it. An admin
confirms (`manage.py confirm_restore`, or *Go on sending* on the pages). Then each host carries out again what was
suppressed after the backup (`kept_apart`).
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.db import connection

from sending import kept_apart
from sending.journal import folder
from sending.kept_apart import Mark
from sending.settle import Cursor

log = logging.getLogger(__name__)

_ROW = "SELECT identity::text, generation, pardoned, seen_at FROM sending_bootidentity WHERE host = %s"
_PUT = """
INSERT INTO sending_bootidentity (host, identity, generation, pardoned, seen_at)
VALUES (%s, %s, %s, false, clock_timestamp())
ON CONFLICT (host) DO UPDATE SET identity = excluded.identity, generation = excluded.generation, pardoned = false,
                                 seen_at = excluded.seen_at
"""
_MAKE = """
INSERT INTO sending_bootidentity (host, identity, generation, pardoned, seen_at)
VALUES (%s, %s, 1, false, clock_timestamp()) ON CONFLICT (host) DO NOTHING RETURNING 1
"""
_GROW = """
UPDATE sending_bootidentity SET generation = generation + 1, seen_at = clock_timestamp()
WHERE host = %s AND identity = %s RETURNING generation
"""
_STOP = """
UPDATE reputation_workspace SET sending_stopped_at = clock_timestamp(), sending_stopped_reason = %s
WHERE id = 1 AND sending_stopped_at IS NULL RETURNING 1
"""
_HOLD = """
UPDATE sending_mailing SET state = 'held', state_reason = %s, state_since = clock_timestamp() WHERE state = 'running'
"""
_WHY_HELD = "The database was restored or moved: whoever got it since the backup would get it again."


@dataclass(frozen=True, slots=True)
class Ours:
    """What the file says. `row`, `horizon` and `written`: how far suppressions are kept apart (`kept_apart.Mark`)."""

    identity: str
    generation: int
    machine: str
    row: int = 0
    horizon: int = -1
    written: Sequence[int] = ()

    @property
    def mark(self) -> Mark:
        return Mark(self.row, self.horizon, tuple(self.written))


def check(cursor: Cursor | None = None) -> str:
    """What is wrong, in a sentence; empty when all is well. Then sending is stopped, before anything can be granted.

    Asked before every plan, at every sweep, and by each sending process whenever it connects.
    """
    if cursor is None:
        with connection.cursor() as own:
            return check(own)
    row, ours = _row(cursor), _read()
    if row is not None and not row[2] and not _difference(row, ours):
        return ""
    # Nobody may look between the row and the file of somebody who makes or changes them.
    with _alone():
        return _check(cursor)


def _check(cursor: Cursor) -> str:
    row, ours = _row(cursor), _read()
    if row is None and ours is None:
        _begin(cursor)
        return ""
    if row is not None and row[2]:
        kept_apart.carry_out(now=_clock(cursor), since=row[3])
        _put(cursor, generation=max(row[1], ours.generation if ours else 0) + 1)
        return ""
    wrong = _difference(row, ours)
    if wrong:
        _hold(cursor, wrong)
    return wrong


def grow() -> None:
    """A step of this host's number, in the row and then in the file; nothing while they differ."""
    with connection.cursor() as cursor, _alone():
        wrong, ours = _check(cursor), _read()
        if wrong or ours is None:
            return
        cursor.execute(_GROW, [settings.EGRESS_HOST, ours.identity])
        row = cursor.fetchone()
        if row is not None:
            mark = _kept_apart(ours.mark)
            _write(Ours(ours.identity, row[0], machine(), mark.row, mark.horizon, mark.written))


def _kept_apart(mark: Mark) -> Mark:
    try:
        return kept_apart.write_down(mark)
    except OSError as error:
        log.error("Suppressions cannot be kept apart from the database in %s: %s", folder(), error)
        return mark


def confirm() -> str:
    """A person has looked: from now on this machine's and this database's identity are one again, a new one, and other
    hosts follow when they come. Returns what was wrong, or nothing. Does not resume sending by itself."""
    with connection.cursor() as cursor, _alone():
        wrong, row, ours = _check(cursor), _row(cursor), _read()
        if wrong:
            kept_apart.carry_out(now=_clock(cursor), since=row[3] if row else None)
            _put(cursor, generation=max(row[1] if row else 0, ours.generation if ours else 0) + 1)
            cursor.execute("UPDATE sending_bootidentity SET pardoned = true WHERE host <> %s", [settings.EGRESS_HOST])
    return wrong


def machine() -> str:
    """Which machine this is, as far as it says; empty where it does not (a container)."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _clock(cursor: Cursor) -> datetime:
    cursor.execute("SELECT clock_timestamp()")
    found: datetime = cursor.fetchone()[0]
    return found


def _row(cursor: Cursor) -> tuple[str, int, bool, datetime] | None:
    cursor.execute(_ROW, [settings.EGRESS_HOST])
    row: tuple[str, int, bool, datetime] | None = cursor.fetchone()
    return row


def _difference(row: tuple[str, int, bool, datetime] | None, ours: Ours | None) -> str:
    if ours is None:
        return (
            f"The database knows the sending host {settings.EGRESS_HOST}, and {_path()} is not there: "
            "VAR_DIR was lost, or another machine uses this name"
        )
    if row is None or row[0] != ours.identity:
        return "This is not the database that this machine sent with last"
    if row[1] < ours.generation:
        return f"This database is older than what was sent: it stands at {row[1]}, this machine at {ours.generation}"
    if ours.machine != machine():
        return "The data was cloned from or moved to another machine"
    return ""


def _hold(cursor: Cursor, wrong: str) -> None:
    cursor.execute(_STOP, [f"{wrong}. Restored from a backup?"[:200]])
    if cursor.fetchone() is not None:
        log.critical("All sending is stopped. %s", wrong)
        cursor.execute(_HOLD, [_WHY_HELD])


def _begin(cursor: Cursor) -> None:
    """Nothing is made where another machine of this name has just made its row: then that is what is wrong."""
    identity = str(uuid4())
    cursor.execute(_MAKE, [settings.EGRESS_HOST, identity])
    if cursor.fetchone() is not None:
        _write(Ours(identity, 1, machine()))


def _put(cursor: Cursor, *, generation: int) -> None:
    identity = str(uuid4())
    cursor.execute(_PUT, [settings.EGRESS_HOST, identity, generation])
    _write(Ours(identity, generation, machine()))


@contextmanager
def _alone() -> Iterator[None]:
    """One process of this machine at a time."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(folder() / "boot.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _path() -> Path:
    return folder() / f"identity-{settings.EGRESS_HOST}.json"


def _read() -> Ours | None:
    """None when there is no file. One that cannot be understood is not ours."""
    try:
        return Ours(**json.loads(_path().read_text(encoding="ascii")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return Ours("", 0, "")


def _write(ours: Ours) -> None:
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, json.dumps(asdict(ours)).encode("ascii"))
        os.fsync(file)
    finally:
        os.close(file)
    new.rename(path)
