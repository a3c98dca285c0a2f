"""The statements of an import. Rows are staged by COPY, then taken in chunks, each by a handful of set-based steps.

`import_rows` holds the whole file, one row a record: with an address_key it is a person (flagged when it has a reason),
without one it is rejected. `import_repeats` holds the rows whose address stood in the file before: the first counts.
`import_chunk` holds the people of the chunk at work. All three are temporary: a killed run leaves nothing behind.
"""

STAGE = """
DROP TABLE IF EXISTS import_rows, import_repeats, import_chunk;
CREATE TEMPORARY TABLE import_rows (
    row integer, line integer, address_key uuid, email text, domain text, fields jsonb, language text, ground date,
    col text, value text, reason text
);
CREATE TEMPORARY TABLE import_chunk (
    row integer, line integer, address_key uuid, email text, domain text, fields jsonb, language text, ground date,
    subscriber_id bigint, outcome text, kept_out text,
    joined boolean NOT NULL DEFAULT false, renewed boolean NOT NULL DEFAULT false,
    old_fields jsonb, old_language text, old_ground date
);
"""

COPY = """
COPY import_rows (row, line, address_key, email, domain, fields, language, ground, col, value, reason) FROM STDIN
"""

INDEX = """
CREATE INDEX ON import_rows (row);
ANALYZE import_rows;
CREATE TEMPORARY TABLE import_repeats AS
    SELECT row, first_line FROM (
        SELECT row, first_value(line) OVER w AS first_line, row_number() OVER w AS place
        FROM import_rows WHERE address_key IS NOT NULL WINDOW w AS (PARTITION BY address_key ORDER BY row)
    ) ranked WHERE place > 1;
CREATE UNIQUE INDEX ON import_repeats (row);
ANALYZE import_repeats;
"""

CLEAR = "DROP TABLE IF EXISTS import_rows, import_repeats, import_chunk"

FINISH = """
UPDATE audiences_import SET state = 'done', finished_at = clock_timestamp() WHERE id = %s AND state = 'running'
"""

# -- One chunk: the rows above %(lo)s up to %(hi)s ---------------------------------------------------------------------

FILL_CHUNK = """
INSERT INTO import_chunk (row, line, address_key, email, domain, fields, language, ground)
SELECT row, line, address_key, email, domain, fields, language, ground FROM import_rows
WHERE row > %(lo)s AND row <= %(hi)s AND address_key IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM import_repeats p WHERE p.row = import_rows.row)
"""

# The lock every consent verb takes first: nobody in the chunk leaves while it is being taken. In the order of ids, so
# that two imports wait for each other and never deadlock.
LOCK_KNOWN = """
WITH known AS (
    SELECT s.id, s.address_key FROM audiences_subscriber s
    WHERE s.address_key IN (SELECT address_key FROM import_chunk)
    ORDER BY s.id FOR NO KEY UPDATE
)
UPDATE import_chunk c SET subscriber_id = known.id FROM known WHERE known.address_key = c.address_key
"""

# In a statement of its own after the lock: it sees what committed while we waited.
KEEP_OUT_SUPPRESSED = """
UPDATE import_chunk c SET kept_out = s.reason
FROM (SELECT DISTINCT ON (address_key) address_key, reason FROM audiences_suppression
      WHERE scope = ANY(%(scopes)s) AND address_key IN (SELECT address_key FROM import_chunk)
      ORDER BY address_key, scope) s
WHERE s.address_key = c.address_key
"""

KEEP_OUT_LEFT = """
UPDATE import_chunk c SET kept_out = 'unsubscribed'
FROM audiences_subscription s
WHERE s.list_id = %(list)s AND s.subscriber_id = c.subscriber_id AND s.state = 'unsubscribed' AND c.kept_out IS NULL
"""

# By key, again so that two imports do not deadlock. Whoever was made meanwhile by a form is not ours to count as new.
CREATE = """
WITH made AS (
    INSERT INTO audiences_subscriber (email, address_key, domain, fields, language, created_at, updated_at)
    SELECT email, address_key, domain, fields, language, %(now)s, %(now)s FROM import_chunk
    WHERE subscriber_id IS NULL AND kept_out IS NULL ORDER BY address_key
    ON CONFLICT (address_key) DO UPDATE SET updated_at = audiences_subscriber.updated_at
    RETURNING id, address_key, (xmax = 0) AS fresh
)
UPDATE import_chunk c SET subscriber_id = made.id, outcome = CASE WHEN made.fresh THEN 'created' END
FROM made WHERE made.address_key = c.address_key
"""

_MERGED = {
    "overwrite": "s.fields || c.fields",
    "fill_empty": """s.fields || (SELECT coalesce(jsonb_object_agg(new.key, new.value), '{}')
                                  FROM jsonb_each(c.fields) new
                                  WHERE coalesce(s.fields -> new.key, 'null') IN ('""', 'null'))""",
}
_LANGUAGE = {
    "overwrite": "coalesce(nullif(c.language, ''), s.language)",
    "fill_empty": "coalesce(nullif(s.language, ''), c.language)",
}

_UPDATE = """
WITH merged AS (
    SELECT s.id, {fields} AS fields, {language} AS language, s.fields AS old_fields, s.language AS old_language
    FROM import_chunk c JOIN audiences_subscriber s ON s.id = c.subscriber_id
    WHERE c.outcome IS NULL AND c.kept_out IS NULL
), changed AS (
    UPDATE audiences_subscriber s SET fields = merged.fields, language = merged.language, updated_at = %(now)s
    FROM merged
    WHERE merged.id = s.id AND (merged.fields <> s.fields OR merged.language <> s.language)
    RETURNING s.id, merged.old_fields, merged.old_language
)
UPDATE import_chunk c SET outcome = 'updated', old_fields = changed.old_fields, old_language = changed.old_language
FROM changed WHERE changed.id = c.subscriber_id
"""


def update(existing: str) -> str:
    """What to do with people we know: an empty statement for `keep`."""
    if existing not in _MERGED:
        return ""
    return _UPDATE.format(fields=_MERGED[existing], language=_LANGUAGE[existing])


# Row, event and evidence in one statement: none without the others. A row that is there already stays as it is.
SUBSCRIBE = """
WITH joined AS (
    INSERT INTO audiences_subscription (subscriber_id, list_id, state, since, ground_on, source)
    SELECT subscriber_id, %(list)s, %(state)s, %(now)s, ground, 'import' FROM import_chunk
    WHERE kept_out IS NULL ORDER BY subscriber_id
    ON CONFLICT (subscriber_id, list_id) DO NOTHING
    RETURNING subscriber_id
), events AS (
    INSERT INTO audiences_consentevent (subject_key, kind, list_id, basis, wording_version, at)
    SELECT c.address_key, %(kind)s, %(list)s, %(basis)s, %(wording)s, %(now)s
    FROM joined JOIN import_chunk c USING (subscriber_id)
    RETURNING id, subject_key
), evidence AS (
    INSERT INTO audiences_consentevidence (event_id, ip, user_agent, text)
    SELECT e.id, NULL, '', %(file)s || ', line ' || c.line || coalesce(', bought or asked on ' || c.ground, '')
    FROM events e JOIN import_chunk c ON c.address_key = e.subject_key
), marked AS (
    UPDATE import_chunk c SET joined = true FROM joined WHERE joined.subscriber_id = c.subscriber_id
)
SELECT count(*) FROM joined
"""

# Whoever is on the list already and bought or asked again, or of whom nobody knew when: the latest day counts.
RENEW = """
WITH known AS (
    SELECT s.id, s.ground_on, c.subscriber_id, c.ground, c.address_key, c.line
    FROM import_chunk c JOIN audiences_subscription s ON s.list_id = %(list)s AND s.subscriber_id = c.subscriber_id
    WHERE c.kept_out IS NULL AND NOT c.joined AND s.state = 'subscribed' AND s.ground_on IS DISTINCT FROM c.ground
      AND c.ground >= coalesce(s.ground_on, c.ground)
), renewed AS (
    UPDATE audiences_subscription s SET ground_on = known.ground FROM known WHERE known.id = s.id
), events AS (
    INSERT INTO audiences_consentevent (subject_key, kind, list_id, basis, wording_version, at)
    SELECT address_key, 'imported', %(list)s, %(basis)s, NULL, %(now)s FROM known
    RETURNING id, subject_key
), evidence AS (
    INSERT INTO audiences_consentevidence (event_id, ip, user_agent, text)
    SELECT e.id, NULL, '', %(file)s || ', line ' || known.line || ', bought or asked on ' || known.ground
    FROM events e JOIN known ON known.address_key = e.subject_key
)
UPDATE import_chunk c SET renewed = true, old_ground = known.ground_on
FROM known WHERE known.subscriber_id = c.subscriber_id
"""

# What it did to whom, for taking it back.
REMEMBER = """
INSERT INTO audiences_importedperson
    (upload_id, subscriber_id, was_new, joined, before, after, ground_before, ground_after)
SELECT %(upload)s, subscriber_id, coalesce(outcome = 'created', false), joined,
       CASE WHEN outcome = 'updated' THEN jsonb_build_object('fields', old_fields, 'language', old_language) END,
       CASE WHEN outcome = 'updated' THEN jsonb_build_object('fields', fields, 'language', language) END,
       old_ground, CASE WHEN renewed THEN ground END
FROM import_chunk WHERE outcome IS NOT NULL OR joined OR renewed
"""

REPORT = """
INSERT INTO audiences_importrejection (upload_id, kind, line, "column", value, reason)
SELECT %(upload)s, kind, line, coalesce(col, ''), coalesce(value, ''), reason FROM (
    SELECT CASE WHEN r.address_key IS NULL THEN 'rejected'
                WHEN p.row IS NOT NULL THEN 'duplicate'
                WHEN c.kept_out IS NOT NULL THEN 'kept_out'
                WHEN r.reason <> '' THEN 'flagged' END AS kind,
           r.line, r.col, CASE WHEN r.reason <> '' THEN r.value ELSE r.email END AS value,
           CASE WHEN r.address_key IS NULL THEN r.reason
                WHEN p.row IS NOT NULL THEN 'The same address stands on line ' || p.first_line || ' already.'
                ELSE coalesce(%(sentences)s::jsonb ->> c.kept_out, r.reason) END AS reason
    FROM import_rows r
    LEFT JOIN import_repeats p ON p.row = r.row
    LEFT JOIN import_chunk c ON c.row = r.row
    WHERE r.row > %(lo)s AND r.row <= %(hi)s
) told WHERE kind IS NOT NULL
RETURNING kind
"""

# Compare-and-set on the rows done: a chunk is counted exactly once, or its transaction is undone.
COUNT = """
UPDATE audiences_import SET
    done_rows = %(hi)s, n_lines = n_lines + %(lines)s, n_created = n_created + %(created)s,
    n_updated = n_updated + %(updated)s, n_unchanged = n_unchanged + %(unchanged)s,
    n_subscribed = n_subscribed + %(subscribed)s, n_kept_out = n_kept_out + %(kept_out)s,
    n_duplicates = n_duplicates + %(duplicate)s, n_rejected = n_rejected + %(rejected)s,
    n_flagged = n_flagged + %(flagged)s
WHERE id = %(upload)s AND done_rows = %(lo)s AND state = 'running'
"""

# -- A trial: the staged rows beside what there is. Locks nothing and writes nothing. ---------------------------------

_TRIAL = """
WITH judged AS (
    SELECT c.address_key, c.reason, p.row IS NOT NULL AS twice, s.id,
           s.id IS NOT NULL AND {changes} AS changes,
           EXISTS (SELECT 1 FROM audiences_suppression x
                   WHERE x.address_key = c.address_key AND x.scope = ANY(%(scopes)s))
           OR EXISTS (SELECT 1 FROM audiences_subscription u
                      WHERE u.subscriber_id = s.id AND u.list_id = %(list)s AND u.state = 'unsubscribed') AS kept_out
    FROM import_rows c
    LEFT JOIN import_repeats p ON p.row = c.row
    LEFT JOIN audiences_subscriber s ON s.address_key = c.address_key
)
SELECT count(*) FILTER (WHERE address_key IS NOT NULL AND NOT twice AND id IS NULL AND NOT kept_out),
       count(*) FILTER (WHERE NOT twice AND changes AND NOT kept_out),
       count(*) FILTER (WHERE NOT twice AND NOT changes AND (id IS NOT NULL OR kept_out)),
       count(*) FILTER (WHERE twice),
       count(*) FILTER (WHERE address_key IS NULL),
       count(*) FILTER (WHERE NOT twice AND kept_out),
       count(*) FILTER (WHERE address_key IS NOT NULL AND NOT twice AND NOT kept_out AND reason <> '')
FROM judged
"""


def trial(existing: str) -> str:
    """New, updated, unchanged, twice, rejected, kept out and flagged, as the import would count them now."""
    if existing not in _MERGED:
        return _TRIAL.format(changes="false")
    fields, language = _MERGED[existing], _LANGUAGE[existing]
    return _TRIAL.format(changes=f"({fields} <> s.fields OR {language} <> s.language)")
