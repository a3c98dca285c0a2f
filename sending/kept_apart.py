"""Suppressions are kept apart from the database too: a restored backup has forgotten those that came after it.

Every two seconds each sending host writes the new ones to a file of the day beside its identity, and keeps those files
for a month. When a person confirms a restored database, what is newer than the backup is carried out again before
anything can be sent. By hashes of addresses, as the rows themselves: the files tell nobody's address.

Which rows are new is told by transaction ids, not by row ids, which become visible in any order: whatever was written
by a transaction that was still open at the last look, or began since. Nothing is missed, however late it is committed.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.db import connection

from audiences import consent
from audiences.models import ANYWHERE, MailingList, Subscriber, Suppression, list_scope, stream_scope
from audiences.suppress import suppress
from sending.journal import Entry, Journal, folder

log = logging.getLogger(__name__)

KEPT = timedelta(days=30)
# Octets of a day: half a million suppressions.
MOST = 128 * 1024 * 1024
# The backup's last sign of life is by the database's clock, a suppression's time by that of whoever made it.
MARGIN = timedelta(hours=1)
# A transaction that ends late has lower row ids than others seen before: so far back is looked.
BACK = 10_000

# Ages, because transaction ids begin anew after four thousand million.
_HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint % 4294967296, clock_timestamp()"
_ROWS = """
SELECT id, address_key, scope, reason, created_at, until, age(xmin) <= age(%s::text::xid) FROM audiences_suppression
WHERE {} ORDER BY id
"""
_NEW = _ROWS.format("id > %s AND age(xmin) <= age(%s::text::xid)")
_FIRST = _ROWS.format("created_at > clock_timestamp() - make_interval(days => %s)")


@dataclass(frozen=True, slots=True)
class Mark:
    """How far this host has come. `row`: the highest id so far. `horizon`: older transactions had ended by then.
    `written`: ids of rows of younger ones that are written down already."""

    row: int = 0
    horizon: int = -1
    written: tuple[int, ...] = ()


def write_down(mark: Mark) -> Mark:
    """Keep what was suppressed since; returns the new mark. Raises OSError where that cannot be."""
    with connection.cursor() as cursor:
        cursor.execute(_HORIZON)
        [(horizon, today)] = cursor.fetchall()
        if mark.horizon < 0:
            cursor.execute(_FIRST, [horizon, KEPT.days])
        else:
            cursor.execute(_NEW, [horizon, mark.row - BACK, mark.horizon])
        found = cursor.fetchall()
    before = set(mark.written)
    rows = [row[:6] for row in found if row[0] not in before]
    if rows:
        _keep(rows, today)
    return Mark(
        row=max([mark.row, *(row[0] for row in found)]),
        horizon=horizon,
        written=tuple(row[0] for row in found if row[6])[-BACK:],
    )


def _keep(rows: list[tuple[int, UUID, str, str, datetime, datetime | None]], today: datetime) -> None:
    journal = Journal(_path(today), most=MOST)
    if not journal.path.exists():
        for path in _paths():
            if path.name < _path(today - KEPT).name:
                path.unlink(missing_ok=True)
    journal.append(*(_entry(*row[1:]) for row in rows))


def _entry(key: UUID, scope: str, reason: str, at: datetime, until: datetime | None) -> Entry:
    return {
        "key": str(key), "scope": scope, "reason": reason, "at": at.isoformat(),
        "until": until.isoformat() if until else None,
    }  # fmt: skip


def carry_out(*, now: datetime, since: datetime | None) -> int:
    """Suppress again whoever was suppressed after the backup, which lived until `since` (None: not known; then all that
    is kept). Returns how many there were. Harmless to repeat; who has come back since then has to do so again."""
    n = 0
    for entry in _entries():
        if since is None or datetime.fromisoformat(entry["at"]) >= since - MARGIN:
            until = datetime.fromisoformat(entry["until"]) if entry["until"] else None
            n += _again(now, UUID(entry["key"]), entry["scope"], entry["reason"], until)
    if n:
        log.warning("%s suppressions that the restored database had forgotten are carried out again", n)
    return n


def _again(now: datetime, key: UUID, scope: str, reason: str, until: datetime | None) -> bool:
    held = Suppression.objects.filter(address_key=key, scope=scope)
    if held.filter(until=None).exists() or (until and until <= now):
        return False
    lists = [pk for pk in MailingList.objects.values_list("pk", flat=True) if list_scope(pk) == scope]
    if scope.startswith("list:") and not lists:
        return False  # made after the backup: nobody can write to it
    person = Subscriber.objects.filter(address_key=key).first()
    if person is not None and reason == Suppression.Reason.UNSUBSCRIBED:
        # Their lists are left with it, and their history tells of it.
        consent.unsubscribe(
            now=now, subscriber_id=person.pk, list_ids=lists, stream_too=scope == stream_scope(consent.MARKETING),
            everywhere=scope == ANYWHERE, source="kept apart",
        )  # fmt: skip
    suppress(now=now, address_key=key, scope=scope, reason=reason, source="kept apart")
    if until:
        held.filter(reason=reason).update(until=until)
    return True


def _entries() -> Iterator[Entry]:
    for path in _paths():
        yield from Journal(path, most=MOST).read()


def _path(day: datetime) -> Path:
    return folder() / f"suppressed-{day.astimezone(UTC):%Y-%m-%d}.lines"


def _paths() -> list[Path]:
    return sorted(folder().glob("suppressed-*.lines"))
