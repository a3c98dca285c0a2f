"""One large campaign in the middle of being sent and read, made by the database: what its pages have to show."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

# All of every lane is released. A tenth is ahead, the rest was tried: of a hundred, three bounce, one is left out, two
# wait to be tried again, and one in five thousand has lost its answer. A fifth was put off once before.
_AHEAD = """
UPDATE sending_mailinglane SET release_seq = total, held_back = 0, next_seq = ceil(total * 0.9)::int + 1
WHERE mailing_id = %(mailing)s
"""
_TRIED = """
FROM sending_delivery d JOIN sending_mailinglane l USING (mailing_id, wave, provider)
WHERE d.mailing_id = %(mailing)s AND d.seq < l.next_seq
"""
_PUT_OFF = f"""
INSERT INTO sending_outcome (mailing_id, delivery, attempt, kind, reason, reply_id, provider, route_id, at)
SELECT d.mailing_id, d.id, 1, 'deferred', 'temp', (SELECT min(id) FROM sending_reply) + d.id %% 10, d.provider, 1,
       %(now)s - interval '2 hours'
{_TRIED} AND (d.id %% 5 = 0 OR d.id %% 100 IN (13, 17))
"""
_OUTCOMES = f"""
INSERT INTO sending_outcome (mailing_id, delivery, attempt, kind, reason, reply_id, provider, route_id, at)
SELECT mailing_id, id, attempt, kind, CASE kind WHEN 'skipped' THEN 'suppressed' WHEN 'unknown' THEN 'answer_lost' END,
       CASE WHEN kind LIKE 'bounced%%' THEN (SELECT min(id) FROM sending_reply) + 10 + id %% 10 END, provider, 1,
       %(now)s - interval '1 hour'
FROM (SELECT d.mailing_id, d.id, d.provider, CASE WHEN d.id %% 5 = 0 THEN 2 ELSE 1 END AS attempt,
             CASE WHEN d.id %% 5000 = 1 THEN 'unknown' WHEN d.id %% 100 < 3 THEN 'bounced_hard'
                  WHEN d.id %% 100 = 3 THEN 'skipped' ELSE 'accepted' END AS kind
      {_TRIED} AND d.id %% 100 NOT IN (13, 17)) settled
"""
_REQUEUED = f"""
INSERT INTO sending_requeue (mailing_id, delivery, wave, provider_now, due_at, attempt, counted, first_tried_at, reason)
SELECT d.mailing_id, d.id, 0, d.provider, %(now)s + make_interval(secs => d.id %% 3600), 2, 1,
       %(now)s - interval '2 hours', 'deferred'
{_TRIED} AND d.id %% 100 IN (13, 17)
"""
_BATCHES = """
INSERT INTO sending_batch (mailing_id, wave, route_id, provider, stream, kind, lo, hi, gap, due_at, deadline, state,
                           budget_ids, epoch, cursor, n_sent, n_accepted, n_deferred, n_bounced, n_skipped,
                           yield_requested, end_reason)
SELECT mailing_id, 0, 1, provider, 'marketing', 'fresh', next_seq, next_seq + 99, 0.1, %(now)s, %(now)s, 'running',
       '{}', 1, 0, 0, 0, 0, 0, 0, false, ''
FROM sending_mailinglane CROSS JOIN generate_series(1, 10) WHERE mailing_id = %(mailing)s
"""
_REPLY = """
INSERT INTO sending_reply (digest, provider, code, enhanced, text, phase, reply_class, reply_scope, rule, first_seen_at)
SELECT md5('bench' || n)::uuid, 'google', CASE WHEN n < 10 THEN 421 ELSE 550 END, '', 'Said in the way ' || n, 'rcpt',
       (ARRAY['temp', 'rate', 'full', 'gone', 'policy'])[1 + n %% 5], '', '', %(now)s
FROM generate_series(0, 19) n
"""
# Visits of a third of those who have it; half of the opens are programs'.
_VISITORS = """
SELECT delivery FROM sending_outcome WHERE mailing_id = %s AND kind = 'accepted' AND delivery %% 3 = 0
"""
AT_ONCE = 5_000


def read(mailing: Any, *, now: datetime) -> int:
    """Send most of it and let people read; returns how many visits there were. The counters are the engine's own."""
    from sending import answers, visit_book
    from sending.completion import _recount, mend

    params: dict[str, Any] = {"mailing": mailing.pk, "now": now}
    with connection.cursor() as cursor:
        for statement in (_AHEAD, _REPLY, _PUT_OFF, _OUTCOMES, _REQUEUED, _BATCHES):
            cursor.execute(statement, params)
        cursor.execute("ANALYZE sending_outcome, sending_requeue, sending_delivery")
        mend(mailing.pk, _recount(cursor, mailing.pk))
        answers.recount(cursor, mailing.pk)
        cursor.execute(_VISITORS, [mailing.pk])
        visits = [visit for (delivery,) in cursor.fetchall() for visit in _visits_of(mailing.pk, delivery, now)]
    for start in range(0, len(visits), AT_ONCE):
        visit_book.write_in_passing(visits[start : start + AT_ONCE])
    return len(visits)


def _visits_of(mailing: int, delivery: int, now: datetime) -> list[Any]:
    """An open by a person or a program, and of some a click or two."""
    from sending.visit_book import Visit

    opened = Visit(mailing, delivery, "opened", now - timedelta(minutes=30), None, delivery % 2 == 0)
    clicks = [Visit(mailing, delivery, "clicked", now, link) for link in (delivery % 10, delivery % 7)]
    return [opened, *(clicks if delivery % 5 == 0 else [])]
