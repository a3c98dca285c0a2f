"""What was found before this version begins its memory with the last look."""

from django.db import migrations

REMEMBER = """
UPDATE reputation_finding
SET since = checked_at,
    passed_at = CASE WHEN result = 'pass' THEN checked_at END,
    weight = CASE WHEN required THEN 'must' ELSE 'should' END
"""


class Migration(migrations.Migration):
    dependencies = [("reputation", "0004_memory_of_findings")]

    operations = [migrations.RunSQL(REMEMBER, migrations.RunSQL.noop)]
