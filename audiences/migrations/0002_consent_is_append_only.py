"""The database itself refuses to change or delete a consent event."""

from django.db import migrations

CREATE = """
CREATE FUNCTION audiences_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'consent events are append-only: write a new event instead';
END $$;
CREATE TRIGGER consent_events_are_append_only BEFORE UPDATE OR DELETE ON audiences_consentevent
    FOR EACH ROW EXECUTE FUNCTION audiences_refuse_change();
"""

DROP = """
DROP TRIGGER consent_events_are_append_only ON audiences_consentevent;
DROP FUNCTION audiences_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("audiences", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
