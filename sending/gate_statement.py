"""The gate's one statement, for all connections of a process at once.

1. `held`: the batches' rows are locked in the order of their ids, and only where the epoch still is the asker's. SKIP
   LOCKED, because a locked row means that a takeover or an edit is under way, and a gate that waited would decide on
   what was true before it waited. The epoch is a column of this very row: READ COMMITTED looks again at a row it
   locks, never at another one.
2. `recorded`: outcomes are written whatever becomes of the intents. What a question settles is of its own batch, whose
   row says mailing, route and provider. Late evidence is never fenced either: what a stale asker knows of the message
   its batch still names as intent is written, and where a takeover has recorded `unknown`, `settle.resolve` replaces
   it. What else it knows is of deliveries that went back, and will be tried again.
3. `ruled`: does the mailing run, is its lane open, is nobody's suppression in the way? What stands everywhere and
   outlives the person's own new consent (a complaint, a mailbox that is gone; not a leaving) is in every mail's way,
   confirmations that are tried again among them. Beside a leaving, such a reason stands in `also`.
4. `moved`: the intent, granted or cleared, with the counters and the lease.

A token grows with every question of a slot. A statement that was sent, believed lost and carried out late is older than
what the row knows, and changes nothing.
"""

from collections.abc import Sequence
from typing import Any

from sending.array_literals import numbers, stamps, texts, uuids
from sending.gate_questions import Question
from sending.settle import COLUMNS, LONGEST_REASON, LONGEST_REMOTE_ID

STATEMENT = f"""
WITH asked AS (
    SELECT * FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::bigint[], %s::smallint[], %s::uuid[], %s::uuid[],
                         %s::text[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[],
                         %s::timestamptz[]) WITH ORDINALITY
        AS a (batch, epoch, token, delivery, attempt, key_then, key_now, via_scope, cursor, n_sent, n_accepted,
              n_deferred, n_bounced, n_skipped, last_dot_at, n)
), told AS (
    SELECT * FROM unnest(%s::int[], %s::bigint[], %s::smallint[], %s::text[], %s::text[], %s::bigint[], %s::text[],
                         %s::timestamptz[])
        AS t (n, delivery, attempt, kind, reason, reply, remote_id, at)
), held AS MATERIALIZED (
    SELECT b.id, b.mailing_id, b.wave, b.provider, b.gap, b.yield_requested
    FROM sending_batch b JOIN asked a ON a.batch = b.id AND a.epoch = b.epoch
    WHERE b.state = 'running' AND coalesce(b.intent_token, 0) <= a.token
    ORDER BY b.id
    FOR NO KEY UPDATE OF b SKIP LOCKED
), recorded AS (
    INSERT INTO sending_outcome ({COLUMNS})
    SELECT b.mailing_id, t.delivery, t.attempt, t.kind, nullif(t.reason, ''), t.reply, b.route_id, b.id, b.provider,
           nullif(t.remote_id, ''), t.at
    FROM told t JOIN asked a ON a.n = t.n JOIN sending_batch b ON b.id = a.batch
    WHERE b.id IN (SELECT id FROM held)
       OR b.state = 'running' AND b.intent = t.delivery AND b.intent_attempt = t.attempt
    ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING RETURNING 1
), ruled AS MATERIALIZED (
    SELECT a.*, h.gap, h.yield_requested, m.state AS mailing_state,
           CASE WHEN a.delivery IS NULL THEN 'settled'
                WHEN w.sending_stopped_at IS NOT NULL THEN 'sending_stopped'
                WHEN m.state <> 'running' THEN 'mailing_' || m.state
                WHEN l.state <> 'open' THEN 'lane_paused'
                WHEN EXISTS (SELECT 1 FROM audiences_suppression s
                             WHERE s.address_key = ANY(ARRAY[a.key_then, a.key_now])
                               AND (s.scope = ANY(m.scopes || a.via_scope) OR s.scope = '*' AND
                                    (s.reason NOT IN ('unsubscribed', 'erased') OR s.evidence ? 'also')))
                     THEN 'suppressed'
                ELSE 'granted' END AS verdict
    FROM held h
    JOIN asked a ON a.batch = h.id
    JOIN sending_mailing m ON m.id = h.mailing_id
    LEFT JOIN sending_mailinglane l
           ON l.mailing_id = h.mailing_id AND l.wave = h.wave AND l.provider = h.provider
    LEFT JOIN reputation_workspace w ON w.id = 1
), moved AS (
    UPDATE sending_batch b
    SET intent = CASE WHEN r.verdict = 'granted' THEN r.delivery END,
        intent_attempt = CASE WHEN r.verdict = 'granted' THEN r.attempt END,
        intent_token = r.token, lease_until = clock_timestamp() + interval '60 seconds', cursor = r.cursor,
        n_sent = r.n_sent, n_accepted = r.n_accepted, n_deferred = r.n_deferred, n_bounced = r.n_bounced,
        n_skipped = r.n_skipped, last_dot_at = coalesce(r.last_dot_at, b.last_dot_at)
    FROM ruled r WHERE b.id = r.batch
)
SELECT a.n - 1,
       CASE WHEN r.n IS NOT NULL THEN r.verdict
            WHEN b.epoch = a.epoch AND b.state = 'running' AND coalesce(b.intent_token, 0) <= a.token THEN 'again'
            ELSE 'stale' END,
       r.gap, coalesce(r.yield_requested, false), coalesce(r.mailing_state, ''), (SELECT count(*) FROM recorded)
FROM asked a LEFT JOIN ruled r ON r.n = a.n LEFT JOIN sending_batch b ON b.id = a.batch
"""


def as_gate_params(questions: Sequence[Question]) -> list[Any]:
    """The arrays of `asked`, then those of `told`, which name their question by its place, from 1 on."""
    settled = [(n, each) for n, question in enumerate(questions, 1) for each in question.settled]
    return [
        numbers(q.batch for q in questions),
        numbers(q.epoch for q in questions),
        numbers(q.token for q in questions),
        numbers(q.intent.delivery if q.intent else None for q in questions),
        numbers(q.intent.attempt if q.intent else None for q in questions),
        uuids(q.intent.key_then if q.intent else None for q in questions),
        uuids(q.intent.key_now if q.intent else None for q in questions),
        texts(q.intent.via_scope if q.intent else "" for q in questions),
        numbers(q.counters.cursor for q in questions),
        numbers(q.counters.sent for q in questions),
        numbers(q.counters.accepted for q in questions),
        numbers(q.counters.deferred for q in questions),
        numbers(q.counters.bounced for q in questions),
        numbers(q.counters.skipped for q in questions),
        stamps(q.counters.last_dot_at for q in questions),
        numbers(n for n, _ in settled),
        numbers(s.delivery for _, s in settled),
        numbers(s.attempt for _, s in settled),
        texts(s.kind for _, s in settled),
        texts(s.reason[:LONGEST_REASON] for _, s in settled),
        numbers(s.reply for _, s in settled),
        texts(s.remote_id[:LONGEST_REMOTE_ID] for _, s in settled),
        stamps(s.at for _, s in settled),
    ]
