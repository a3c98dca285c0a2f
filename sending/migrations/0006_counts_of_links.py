import django.db.models.deletion
from django.db import migrations, models

# The index on events comes first: both read by it.
FILL = """
INSERT INTO sending_linkcount (mailing_id, link, n)
SELECT mailing_id, link, count(DISTINCT delivery) FROM sending_event
WHERE kind = 'clicked' AND NOT by_machine AND link IS NOT NULL GROUP BY 1, 2;

INSERT INTO sending_mailingcount (mailing_id, wave, provider, kind, n)
SELECT e.mailing_id, d.wave, d.provider, e.kind || '_by_machine', count(*)
FROM (SELECT mailing_id, kind, delivery FROM sending_event WHERE kind IN ('opened', 'clicked')
      GROUP BY 1, 2, 3 HAVING bool_and(by_machine)) e
JOIN sending_delivery d ON d.mailing_id = e.mailing_id AND d.id = e.delivery
GROUP BY 1, 2, 3, 4;
"""


class Migration(migrations.Migration):
    dependencies = [("sending", "0005_who_is_first_in_line")]

    operations = [
        migrations.CreateModel(
            name="LinkCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "mailing",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="sending.mailing",
                    ),
                ),
                ("link", models.SmallIntegerField()),
                ("n", models.IntegerField(default=0)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("mailing", "link"), name="one_count_per_link")]},
        ),
        migrations.RemoveIndex(model_name="event", name="events_of_delivery"),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["mailing", "kind", "delivery", "by_machine", "link"], name="events_of_mailing"),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
