"""Parts are made by `sending.partitions`, which knows which of them were dropped."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sending", "0008_counts_of_answers")]
    operations = [
        migrations.RunSQL("DROP FUNCTION IF EXISTS sending_make_partitions(bigint)", migrations.RunSQL.noop)
    ]
