"""Locks and sums of mailings' lanes. Whoever changes several lanes locks them here first, in the order of their ids, so
that the planner, ending batches and placing never wait for each other in a ring. A mailing's own row is locked before
its lanes.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, TypeAlias

from django.db.backends.utils import CursorWrapper

from sending.array_literals import numbers, texts

# Mailing, wave, provider.
LaneKey: TypeAlias = tuple[int, int, str]

_KEYS = """unnest(%s::bigint[], %s::smallint[], %s::text[]) AS t (mailing, wave, provider)"""
_LOCK = f"""
SELECT 1 FROM sending_mailinglane l
WHERE (l.mailing_id, l.wave, l.provider) IN (SELECT mailing, wave, provider FROM {_KEYS})
ORDER BY l.id FOR NO KEY UPDATE
"""
_MAKE = f"""
INSERT INTO sending_mailinglane (mailing_id, wave, provider, total, next_seq, release_seq, state)
SELECT mailing, wave, provider, 0, 1, 0,
       -- Where a provider was paused or stopped, it is for all waves.
       coalesce((SELECT l.state FROM sending_mailinglane l
                 WHERE l.mailing_id = t.mailing AND l.provider = t.provider LIMIT 1), 'open')
FROM {_KEYS}
WHERE NOT EXISTS (SELECT 1 FROM sending_mailinglane l
                  WHERE l.mailing_id = t.mailing AND l.wave = t.wave AND l.provider = t.provider)
ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING
"""
_ADD = """
UPDATE sending_mailinglane SET total = total + %s WHERE mailing_id = %s AND wave = %s AND provider = %s
"""


class Move(NamedTuple):
    """`n` people of a wave are counted at provider `new` instead of `old` from now on."""

    mailing: int
    wave: int
    old: str
    new: str
    n: int


def lock_lanes(cursor: CursorWrapper, lanes: Collection[LaneKey]) -> None:
    """Lock these lanes until the caller's transaction ends."""
    cursor.execute(*locking(lanes))


def locking(lanes: Collection[LaneKey]) -> tuple[str, list[str]]:
    """The statement that does so, and its parameters."""
    return _LOCK, _as_params(lanes)


def make_and_lock(cursor: CursorWrapper, new: Collection[LaneKey], old: Collection[LaneKey] = ()) -> None:
    """Make the lanes that are not there yet, before any lock is held; then lock all of them."""
    cursor.execute(_MAKE, _as_params(new))
    lock_lanes(cursor, {*new, *old})


def move_totals(cursor: CursorWrapper, moves: Sequence[Move]) -> None:
    """A lane's `total` is who is counted there now, so it moves with the people and the sums stay right."""
    if not moves:
        return
    new = {(move.mailing, move.wave, move.new) for move in moves}
    make_and_lock(cursor, new, {(move.mailing, move.wave, move.old) for move in moves})
    for move in moves:
        cursor.execute(_ADD, [move.n, move.mailing, move.wave, move.new])
        cursor.execute(_ADD, [-move.n, move.mailing, move.wave, move.old])


def _as_params(lanes: Collection[LaneKey]) -> list[str]:
    ordered = sorted(lanes)
    return [
        numbers(mailing for mailing, _, _ in ordered),
        numbers(wave for _, wave, _ in ordered),
        texts(provider for _, _, provider in ordered),
    ]
