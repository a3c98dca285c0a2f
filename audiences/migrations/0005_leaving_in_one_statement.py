"""Leaving as a function of the database: one round trip, one plan, and the person's row is locked that much shorter.

Its first statement waits for the lock. What follows sees what others committed meanwhile, as statements of a function do
and parts of one statement do not.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION audiences_unsubscribe(
    who bigint, named bigint[], the_stream boolean, everything boolean, told_source text, told_at timestamptz,
    from_ip text, by_agent text, in_words text
) RETURNS TABLE (scope text, list bigint, suppressed boolean, gone boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    key uuid;
BEGIN
    -- A power cut must not forget what the person was told is done, whatever the server's default.
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT address_key INTO key FROM audiences_subscriber WHERE id = who FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT NULL::text, NULL::bigint, false, false;
        RETURN;
    END IF;
    RETURN QUERY
    WITH mine AS (
        SELECT list_id FROM audiences_subscription WHERE subscriber_id = who
    ), wanted AS (
        SELECT list_id FROM mine WHERE everything OR the_stream OR list_id = ANY(named)
        UNION
        SELECT unnest(named) WHERE NOT everything AND NOT the_stream
                             AND NOT EXISTS (SELECT FROM mine WHERE list_id = ANY(named))
    ), asked AS (
        SELECT '*' AS scope, NULL::bigint AS list, NULL::int AS wording, '*' AS basis WHERE everything
        UNION ALL
        SELECT 'stream:marketing', NULL, NULL, 'stream:marketing' WHERE the_stream
        UNION ALL
        SELECT 'list:' || l.id, l.id, l.wording_version, left(told_source, 200)
        FROM audiences_mailinglist l JOIN wanted ON wanted.list_id = l.id
    ), kept AS (
        -- What was suppressed for another reason has one more now; the strongest shows. See audiences/suppress.py.
        INSERT INTO audiences_suppression AS s (address_key, scope, reason, source, evidence, created_at)
        SELECT key, scope, 'unsubscribed', left(told_source, 120), '{}', told_at FROM asked ORDER BY scope
        ON CONFLICT (address_key, scope) DO UPDATE
        SET reason = CASE s.reason WHEN 'complained' THEN s.reason ELSE excluded.reason END,
            source = CASE s.reason WHEN 'complained' THEN s.source ELSE excluded.source END,
            until = NULL,
            -- A pause would have ended by itself; nothing of it stays.
            evidence = CASE s.reason WHEN 'paused' THEN '{}' WHEN 'complained' THEN s.evidence || jsonb_build_object(
                'also', coalesce(s.evidence -> 'also', '{}') || jsonb_build_object(
                    'unsubscribed', jsonb_build_object('source', excluded.source)))
            ELSE jsonb_build_object(
                'also', coalesce(s.evidence -> 'also', '{}') || jsonb_build_object(
                    s.reason, (s.evidence - 'also') || jsonb_build_object('source', s.source)))
            END
        WHERE s.reason NOT IN ('unsubscribed', 'erased')
          AND NOT coalesce(s.evidence -> 'also' ?| ARRAY['unsubscribed', 'erased'], false)
        RETURNING s.scope
    ), left_now AS (
        UPDATE audiences_subscription u
        SET state = 'unsubscribed', since = told_at, source = left(told_source, 80), confirmation_queued_at = NULL
        FROM asked WHERE u.subscriber_id = who AND u.list_id = asked.list AND u.state <> 'unsubscribed'
        RETURNING u.list_id AS list
    ), became AS MATERIALIZED (
        SELECT asked.*, scope IN (SELECT scope FROM kept) AS suppressed,
               coalesce(list IN (SELECT list FROM left_now), false) AS gone
        FROM asked
    ), events AS (
        INSERT INTO audiences_consentevent (subject_key, kind, list_id, basis, wording_version, at)
        SELECT key, 'unsubscribed', list, basis, wording, told_at FROM became WHERE suppressed OR gone
        ORDER BY list NULLS FIRST, scope
        RETURNING id
    ), evidence AS (
        INSERT INTO audiences_consentevidence (event_id, ip, user_agent, text)
        SELECT id, from_ip::inet, by_agent, in_words FROM events
        WHERE from_ip IS NOT NULL OR by_agent <> '' OR in_words <> ''
    )
    SELECT scope, list, suppressed, gone FROM became ORDER BY list NULLS FIRST, scope;
END $$;
"""

DROP = """
DROP FUNCTION audiences_unsubscribe(bigint, bigint[], boolean, boolean, text, timestamptz, text, text, text);
"""


class Migration(migrations.Migration):
    dependencies = [("audiences", "0004_pauses")]
    operations = [migrations.RunSQL(CREATE, DROP)]
