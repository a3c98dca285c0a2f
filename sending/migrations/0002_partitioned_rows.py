"""The rows that are written once, range-partitioned by mailing, so that old ones are dropped and not deleted."""

from django.db import migrations

CREATE = """
CREATE TABLE sending_delivery (
    mailing_id bigint NOT NULL,
    id bigint NOT NULL,
    subscriber_id bigint NOT NULL,
    via_list bigint,
    address_key uuid NOT NULL,
    seq integer NOT NULL,
    rank integer NOT NULL DEFAULT 0,
    wave smallint NOT NULL DEFAULT 0,
    variant smallint NOT NULL DEFAULT 0,
    provider varchar(120) NOT NULL,
    domain varchar(253) NOT NULL,
    to_address varchar(320),
    PRIMARY KEY (mailing_id, id),
    -- One mail for two people with one address; the same index answers "did Jane get it?".
    CONSTRAINT one_delivery_per_address_and_mailing UNIQUE (address_key, mailing_id),
    -- The range a batch claims.
    CONSTRAINT one_delivery_per_place UNIQUE (mailing_id, wave, provider, seq)
) PARTITION BY RANGE (mailing_id);

CREATE TABLE sending_outcome (
    mailing_id bigint NOT NULL,
    delivery bigint NOT NULL,
    reply_id bigint,
    route_id bigint,
    batch_id bigint,
    at timestamptz NOT NULL,
    attempt smallint NOT NULL,
    kind varchar(14) NOT NULL,
    provider varchar(120) NOT NULL,
    reason varchar(40),
    remote_id varchar(200),
    PRIMARY KEY (mailing_id, delivery, attempt)
) PARTITION BY RANGE (mailing_id);

-- Makes every partition up to the one that holds this mailing, 500 mailings wide. Harmless to repeat.
CREATE FUNCTION sending_make_partitions(up_to bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lower_bound bigint;
    parent text;
BEGIN
    FOR lower_bound IN SELECT generate_series(0, up_to, 500) LOOP
        FOREACH parent IN ARRAY ARRAY['sending_delivery', 'sending_outcome'] LOOP
            IF to_regclass(format('%s_p%s', parent, lower_bound)) IS NULL THEN
                EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)',
                               parent || '_p' || lower_bound, parent, lower_bound, lower_bound + 500);
            END IF;
        END LOOP;
    END LOOP;
END $$;

SELECT sending_make_partitions(500);

-- Rows that change at every message: room for heap-only updates, and a vacuum that keeps up.
ALTER TABLE sending_batch SET (fillfactor = 40, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE sending_mailinglane SET (fillfactor = 50);
ALTER TABLE sending_mailingcount SET (fillfactor = 50);

"""

DROP = """
DROP FUNCTION IF EXISTS sending_make_partitions(bigint);
DROP TABLE sending_outcome;
DROP TABLE sending_delivery;
"""


class Migration(migrations.Migration):
    dependencies = [("sending", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
