"""Deliveries whose domain could not be looked up when they were pressed: wait, find their lane, or end honestly."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from sending.answers import adding, attempts
from sending.lane_totals import Move, move_totals
from sending.waiting import LOOKS_UP_ITSELF

# "Unknown for now" is never a bounce. After this long we give up and say that we did not send.
GIVE_UP_AFTER = timedelta(hours=48)
# Two answers a day apart that a domain takes no mail are believed.
BELIEVE_BAD_AFTER = timedelta(hours=24)

_CONFIRMED_BAD = "(r.state IN ('no_mail', 'not_found') AND r.bad_since < %(bad_before)s)"
_IS_OURS = f"NOT {LOOKS_UP_ITSELF}"


def place(*, now: datetime) -> int:
    """Move what waits in `unknown` lanes into the requeue, and give a provider to what is known by now.

    A mailing whose pool has relays only does not wait: they look domains up themselves. Returns how many deliveries
    moved on. Harmless to repeat. Each step is a transaction of its own, so that none holds lanes while it wants others.
    """
    return sum(_alone(step, now) for step in (_hand_over_unknown_ranges, _give_provider, _end_bad_domains))


def _alone(step: Callable[[CursorWrapper, datetime], int], now: datetime) -> int:
    """The step, unless another process is placing already."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('sending.placing'))")
        return step(cursor, now) if (cursor.fetchone() or (False,))[0] else 0


def _hand_over_unknown_ranges(cursor: CursorWrapper, now: datetime) -> int:
    """Who is in line now has not moved on yet: none."""
    cursor.execute(
        f"""
        WITH lane AS (
            SELECT l.id, l.mailing_id, l.wave, l.next_seq, l.release_seq FROM sending_mailinglane l
            JOIN sending_mailing m ON m.id = l.mailing_id AND m.state = 'running'
            WHERE l.provider = 'unknown' AND l.next_seq <= l.release_seq
              AND {_IS_OURS.format(mailing="l.mailing_id")}
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
    return 0


def _give_provider(cursor: CursorWrapper, now: datetime) -> int:
    """To wait for DNS was no try: the time that a receiver may put it off for begins with the first real one."""
    cursor.execute(
        f"""
        WITH moved AS (
            UPDATE sending_requeue q
            SET provider_now = CASE WHEN r.provider LIKE 'other:%%' AND NOT EXISTS (
                                        SELECT 1 FROM sending_mailinglane l
                                        WHERE l.mailing_id = q.mailing_id AND l.provider = r.provider)
                                    THEN 'tail' ELSE r.provider END,
                first_tried_at = CASE WHEN q.attempt > 1 THEN q.first_tried_at END,
                due_at = least(q.due_at, %(now)s)
            FROM sending_delivery d, reputation_recipientdomain r
            WHERE q.provider_now = 'unknown' AND q.batch IS NULL AND {_IS_OURS.format(mailing="q.mailing_id")}
              AND d.mailing_id = q.mailing_id AND d.id = q.delivery
              AND r.domain = d.domain AND r.state = 'ok' AND r.provider <> 'unknown'
            RETURNING q.mailing_id, q.wave, q.provider_now
        )
        SELECT mailing_id, wave, provider_now, count(*) FROM moved GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        {"now": now},
    )
    moves = [Move(mailing, wave, "unknown", provider, n) for mailing, wave, provider, n in cursor.fetchall()]
    move_totals(cursor, moves)
    return sum(move.n for move in moves)


def _end_bad_domains(cursor: CursorWrapper, now: datetime) -> int:
    """A domain that has said for a day that it takes no mail is a bounce; one that never answered is our refusal."""
    cursor.execute(
        f"""
        WITH ended AS (
            DELETE FROM sending_requeue q
            USING sending_delivery d LEFT JOIN reputation_recipientdomain r ON r.domain = d.domain
            WHERE q.provider_now = 'unknown' AND q.batch IS NULL AND {_IS_OURS.format(mailing="q.mailing_id")}
              AND d.mailing_id = q.mailing_id AND d.id = q.delivery
              AND ({_CONFIRMED_BAD} OR coalesce(q.first_tried_at, %(now)s) < %(give_up_before)s)
            RETURNING q.mailing_id, q.delivery, q.wave, q.attempt,
                      CASE WHEN {_CONFIRMED_BAD} THEN 'bounced_hard' ELSE 'refused' END AS kind,
                      CASE WHEN {_CONFIRMED_BAD} THEN 'bad_domain' ELSE 'not_looked_up' END AS reason
        ), written AS (
            INSERT INTO sending_outcome (mailing_id, delivery, attempt, kind, reason, provider, at)
            SELECT mailing_id, delivery, attempt, kind, reason, 'unknown', %(now)s FROM ended
            ON CONFLICT DO NOTHING
            RETURNING mailing_id, delivery, attempt, kind, reason, reply_id, provider
        ), counted AS (
        INSERT INTO sending_mailingcount (mailing_id, wave, provider, kind, n)
        SELECT w.mailing_id, e.wave, 'unknown', w.kind, count(*)
        FROM written w JOIN ended e USING (mailing_id, delivery)
        GROUP BY 1, 2, 4 ORDER BY 1, 2, 4
        ON CONFLICT (mailing_id, wave, provider, kind) DO UPDATE SET n = sending_mailingcount.n + excluded.n
        RETURNING 1
        ), in_order AS (
            SELECT * FROM written WHERE (SELECT count(*) FROM counted) > 0
        ), answers AS ({adding(attempts("in_order"))})
        SELECT count(*) FROM written
        """,
        {
            "now": now,
            "bad_before": now - BELIEVE_BAD_AFTER / settings.TIME_FACTOR,
            "give_up_before": now - GIVE_UP_AFTER / settings.TIME_FACTOR,
        },
    )
    return int((cursor.fetchone() or (0,))[0])
