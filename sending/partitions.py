"""The parts that deliveries and outcomes lie in: blocks of so many mailings, made ahead and dropped when old.

Nobody who sends waits for any of it. A new part is made by itself and then attached, and an old one is detached
concurrently: both take locks that readers and writers of the whole do not meet (PostgreSQL: ALTER TABLE, notes on
ATTACH and DETACH PARTITION).
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from sending.facts import LATE_FOR

log = logging.getLogger(__name__)

# Mailings in a block, and whole blocks that lie ready behind the one in use.
WIDTH = 500
AHEAD = 3
PARENTS = ("sending_delivery", "sending_outcome")
# Reports come for weeks, and readers look into old mail: a block that was told something so lately is still in use.
QUIET_FOR = LATE_FOR

_LATEST = "SELECT last_value FROM sending_mailing_id_seq"
_ATTACHED = """
SELECT parent.relname, part.relname, i.inhdetachpending
FROM pg_inherits i JOIN pg_class part ON part.oid = i.inhrelid JOIN pg_class parent ON parent.oid = i.inhparent
WHERE i.inhparent IN ('sending_delivery'::regclass, 'sending_outcome'::regclass)
"""
# What a drop that was cut off has left.
_DETACHED = r"""
SELECT c.relname FROM pg_class c
WHERE c.relkind = 'r' AND c.relname ~ '^sending_(delivery|outcome)_p[0-9]+$' AND NOT c.relispartition
  AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'sending_delivery'::regclass)
"""
_IN_USE = """
SELECT EXISTS (SELECT 1 FROM sending_mailing WHERE id >= %(lo)s AND id < %(hi)s
               AND (state <> 'done' OR state_since > %(cutoff)s))
    OR EXISTS (SELECT 1 FROM sending_requeue WHERE mailing_id >= %(lo)s AND mailing_id < %(hi)s)
    OR EXISTS (SELECT 1 FROM sending_event WHERE mailing_id >= %(lo)s AND mailing_id < %(hi)s AND at > %(lately)s)
"""


def keep(*, now: datetime) -> None:
    """Make what will be needed, and drop what is older than KEEP_DELIVERIES_DAYS. Run from time to time, in no
    transaction. What is in somebody's way now is left for the next time."""
    make_ahead()
    if next_is_missing():
        log.error("The part of the tables for the next mailings is missing. Launching will make it, and wait for it.")
    if settings.KEEP_DELIVERIES_DAYS:
        try:
            drop_old(now=now, cutoff=now - timedelta(days=settings.KEEP_DELIVERIES_DAYS))
        except OperationalError as error:
            log.warning("Old deliveries were not dropped, next time again: %s", error)


def make_ahead() -> int:
    """Make the missing ones of the block in use and those behind it, each in a short transaction; returns how many."""
    made = 0
    with connection.cursor() as cursor:
        first = _block(_latest(cursor))
    for start in range(first, first + (AHEAD + 1) * WIDTH, WIDTH):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '200ms'")
                made += _make(cursor, start)
        except OperationalError as error:
            log.warning("The part of the tables from mailing %s on was not made: %s", start, error)
    return made


def ensure(mailing_id: int) -> None:
    """In the caller's transaction: make the block of this mailing if nobody did so ahead."""
    with connection.cursor() as cursor:
        if _make(cursor, _block(mailing_id)):
            log.warning("The part of the tables for mailing %s was not there; its launch has made it.", mailing_id)


def next_is_missing() -> bool:
    """Would the next mailings have to make their own part?"""
    with connection.cursor() as cursor:
        wanted = [_name(parent, _block(_latest(cursor)) + WIDTH) for parent in PARENTS]
        return bool(_not_there(cursor, wanted))


def drop_old(*, now: datetime, cutoff: datetime) -> list[int]:
    """Drop the blocks whose mailings were all done before `cutoff` and of which nothing was heard lately; returns their
    first mailings. In no transaction: each step is one of its own, and the next call goes on where one was cut off."""
    dropped = []
    with connection.cursor() as cursor:
        in_use = _block(_latest(cursor))
        attached = _attached(cursor)
        for start in sorted({start for _parent, start in attached if start < in_use}):
            half_way = len([1 for parent in PARENTS if (parent, start) in attached]) < len(PARENTS)
            if not half_way and not any(attached[parent, start] for parent in PARENTS):
                asked: dict[str, Any] = {"lo": start, "hi": start + WIDTH, "cutoff": cutoff, "lately": now - QUIET_FOR}
                cursor.execute(_IN_USE, asked)
                if (cursor.fetchone() or (True,))[0]:
                    continue
            _detach(cursor, start, attached)
            dropped.append(start)
        cursor.execute(_DETACHED)
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {name}")
    if dropped:
        log.info("Dropped the deliveries and outcomes of the mailings from %s on.", ", ".join(map(str, dropped)))
    return dropped


def _detach(cursor: CursorWrapper, start: int, attached: dict[tuple[str, int], bool]) -> None:
    """One that was cut off is finished first: PostgreSQL remembers it as pending."""
    for parent in PARENTS:
        if (parent, start) in attached:
            how = "FINALIZE" if attached[parent, start] else "CONCURRENTLY"
            cursor.execute(f"ALTER TABLE {parent} DETACH PARTITION {_name(parent, start)} {how}")


def _make(cursor: CursorWrapper, start: int) -> int:
    """Both tables of a block; returns 1 when something was missing. Two that make it at once come one by one."""
    wanted = [_name(parent, start) for parent in PARENTS]
    if not _not_there(cursor, wanted):
        return 0
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('sending.partitions'))")
    missing = _not_there(cursor, wanted)
    for parent, name in zip(PARENTS, wanted, strict=True):
        if name in missing:
            cursor.execute(f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)")
            cursor.execute(
                f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({start:d}) TO ({start + WIDTH:d})"
            )
    return int(bool(missing))


def _not_there(cursor: CursorWrapper, names: Iterable[str]) -> set[str]:
    cursor.execute("SELECT name FROM unnest(%s::text[]) AS asked (name) WHERE to_regclass(name) IS NULL", [list(names)])
    return {name for (name,) in cursor.fetchall()}


def _attached(cursor: CursorWrapper) -> dict[tuple[str, int], bool]:
    """(parent, first mailing) of every part, and whether its detaching is pending."""
    cursor.execute(_ATTACHED)
    return {(parent, int(name.rpartition("_p")[2])): pending for parent, name, pending in cursor.fetchall()}


def _latest(cursor: CursorWrapper) -> int:
    """The id that was given to a mailing last."""
    cursor.execute(_LATEST)
    return int((cursor.fetchone() or (0,))[0])


def _block(mailing_id: int) -> int:
    return mailing_id // WIDTH * WIDTH


def _name(parent: str, start: int) -> str:
    return f"{parent}_p{start:d}"
