"""Deliveries whose domain could not be looked up when they were pressed: wait, find their lane, or end honestly."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

# "Unknown for now" is never a bounce. After this long we give up and say that we did not send.
GIVE_UP_AFTER = timedelta(hours=48)
# Two answers a day apart that a domain takes no mail are believed.
BELIEVE_BAD_AFTER = timedelta(hours=24)


def place(*, now: datetime) -> int:
    """Move what waits in `unknown` lanes into the requeue, and give a provider to what is known by now.

    Returns how many deliveries moved on. Harmless to repeat.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('sending.placing'))")
        if not (cursor.fetchone() or (False,))[0]:
            return 0
        _hand_over_unknown_ranges(cursor, now)
        moved = _give_provider(cursor, now)
        return moved + _end_bad_domains(cursor, now)


def _hand_over_unknown_ranges(cursor: CursorWrapper, now: datetime) -> None:
    cursor.execute(
        """
        WITH lane AS (
            SELECT l.id, l.mailing_id, l.wave, l.next_seq, l.release_seq FROM sending_mailinglane l
            JOIN sending_mailing m ON m.id = l.mailing_id AND m.state = 'running'
            WHERE l.provider = 'unknown' AND l.next_seq <= l.release_seq
            ORDER BY l.id FOR NO KEY UPDATE OF l
        ), waiting AS (
            INSERT INTO sending_requeue
                (mailing_id, delivery, wave, provider_now, due_at, attempt, counted, first_tried_at, reason)
            SELECT d.mailing_id, d.id, d.wave, 'unknown', %(now)s, 1, 0, %(now)s, 'not_looked_up'
            FROM lane JOIN sending_delivery d
              ON d.mailing_id = lane.mailing_id AND d.wave = lane.wave AND d.provider = 'unknown'
             AND d.seq BETWEEN lane.next_seq AND lane.release_seq
            ON CONFLICT DO NOTHING
        )
        UPDATE sending_mailinglane l SET next_seq = l.release_seq + 1 FROM lane WHERE lane.id = l.id
        """,
        {"now": now},
    )


def _give_provider(cursor: CursorWrapper, now: datetime) -> int:
    """A lane's `total` is who is counted there now, so it moves with the people and the sums stay right."""
    cursor.execute(
        """
        WITH moved AS (
            UPDATE sending_requeue q
            SET provider_now = CASE WHEN r.provider LIKE 'other:%%' AND NOT EXISTS (
                                        SELECT 1 FROM sending_mailinglane l
                                        WHERE l.mailing_id = q.mailing_id AND l.provider = r.provider)
                                    THEN 'tail' ELSE r.provider END,
                due_at = least(q.due_at, %(now)s)
            FROM sending_delivery d, reputation_recipientdomain r
            WHERE q.provider_now = 'unknown' AND q.batch IS NULL
              AND d.mailing_id = q.mailing_id AND d.id = q.delivery
              AND r.domain = d.domain AND r.state = 'ok' AND r.provider <> 'unknown'
            RETURNING q.mailing_id, q.wave, q.provider_now
        )
        SELECT mailing_id, wave, provider_now, count(*) FROM moved GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        {"now": now},
    )
    moves = cursor.fetchall()
    for mailing_id, wave, provider, n in moves:
        move_total(
            cursor, mailing_id=mailing_id, wave=wave, old="unknown", new=provider, n=n
        )
    return sum(n for *_, n in moves)


def move_total(
    cursor: CursorWrapper, *, mailing_id: int, wave: int, old: str, new: str, n: int
) -> None:
    """Count `n` people of a wave at provider `new` instead of `old`."""
    cursor.execute(
        """
        INSERT INTO sending_mailinglane (mailing_id, wave, provider, total, next_seq, release_seq, state)
        VALUES (%(mailing)s, %(wave)s, %(new)s, %(n)s, 1, 0, 'open')
        ON CONFLICT (mailing_id, wave, provider) DO UPDATE SET total = sending_mailinglane.total + %(n)s
        """,
        {"mailing": mailing_id, "wave": wave, "new": new, "n": n},
    )
    cursor.execute(
        "UPDATE sending_mailinglane SET total = total - %s WHERE mailing_id = %s AND wave = %s AND provider = %s",
        [n, mailing_id, wave, old],
    )


def _end_bad_domains(cursor: CursorWrapper, now: datetime) -> int:
    """A domain that has said for a day that it takes no mail is a bounce; one that never answered is our refusal."""
    cursor.execute(
        """
        WITH ended AS (
            DELETE FROM sending_requeue q
            USING sending_delivery d LEFT JOIN reputation_recipientdomain r ON r.domain = d.domain
            WHERE q.provider_now = 'unknown' AND q.batch IS NULL
              AND d.mailing_id = q.mailing_id AND d.id = q.delivery
              AND ((r.state IN ('no_mail', 'not_found') AND r.bad_since < %(bad_before)s)
                   OR coalesce(q.first_tried_at, %(now)s) < %(give_up_before)s)
            RETURNING q.mailing_id, q.delivery, q.wave, q.attempt,
                      CASE WHEN r.state IN ('no_mail', 'not_found') THEN 'bounced_hard' ELSE 'refused' END AS kind,
                      CASE WHEN r.state IN ('no_mail', 'not_found') THEN 'bad_domain' ELSE 'not_looked_up' END AS reason
        ), written AS (
            INSERT INTO sending_outcome (mailing_id, delivery, attempt, kind, reason, provider, at)
            SELECT mailing_id, delivery, attempt, kind, reason, 'unknown', %(now)s FROM ended
            ON CONFLICT DO NOTHING
            RETURNING mailing_id, delivery, kind
        ), counted AS (
        INSERT INTO sending_mailingcount (mailing_id, wave, provider, kind, n)
        SELECT w.mailing_id, e.wave, 'unknown', w.kind, count(*)
        FROM written w JOIN ended e USING (mailing_id, delivery)
        GROUP BY 1, 2, 4 ORDER BY 1, 2, 4
        ON CONFLICT (mailing_id, wave, provider, kind) DO UPDATE SET n = sending_mailingcount.n + excluded.n
        )
        SELECT count(*) FROM written
        """,
        {
            "now": now,
            "bad_before": now - BELIEVE_BAD_AFTER / settings.TIME_FACTOR,
            "give_up_before": now - GIVE_UP_AFTER / settings.TIME_FACTOR,
        },
    )
    return int((cursor.fetchone() or (0,))[0])
