"""Worker processes: each has a row and holds a session advisory lock under its id for as long as it lives."""

import os
import secrets
from dataclasses import dataclass, field
from typing import Any

from sending.settle import Cursor

# A worker whose lock is gone is dead only after so long: its database connection may just be on its way back.
GRACE_SECONDS = 5.0


class LockTaken(Exception):
    """Another session holds this worker's lock: it is our own one that the server has not noticed to be gone yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process. A process that was killed comes back under a new id."""

    egress_host: str
    kind: str
    id: int = field(default_factory=lambda: secrets.randbits(62) + 1)
    pid: int = field(default_factory=os.getpid)


def enrol(cursor: Cursor, worker: Worker) -> None:
    """Take the worker's lock on this session and write its row. Raises LockTaken."""
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [worker.id])
    if not cursor.fetchone()[0]:
        raise LockTaken
    cursor.execute(
        """
        INSERT INTO sending_worker (id, egress_host, kind, pid, started_at, seen_at)
        VALUES (%s, %s, %s, %s, clock_timestamp(), clock_timestamp())
        ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()
        """,
        [worker.id, worker.egress_host, worker.kind, worker.pid],
    )


def mark_seen(cursor: Cursor, worker: Worker) -> None:
    cursor.execute("UPDATE sending_worker SET seen_at = clock_timestamp() WHERE id = %s", [worker.id])


def leave(cursor: Cursor, worker: Worker) -> None:
    """The process ends in order: its row goes; the lock goes with the session."""
    cursor.execute("DELETE FROM sending_worker WHERE id = %s", [worker.id])


# pg_locks shows a bigint key as its two halves.
HOLDS_LOCK = """
    EXISTS (SELECT 1 FROM pg_locks l
            WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND (l.classid::bigint << 32) | l.objid::bigint = {key})
"""


def prune(cursor: Any) -> int:
    """Delete the rows of workers that have been gone for a day and own no live batch."""
    cursor.execute(
        f"""
        DELETE FROM sending_worker w
        WHERE w.seen_at < clock_timestamp() - interval '1 day' AND NOT {HOLDS_LOCK.format(key="w.id")}
          AND NOT EXISTS (SELECT 1 FROM sending_batch b WHERE b.state = 'running' AND b.owner = w.id)
        """
    )
    return int(cursor.rowcount)
