import django.db.models.deletion
from django.db import migrations, models

# People behind "bounced", "not sent" and "answer lost": few among many.
INDEX = """
CREATE INDEX outcomes_not_accepted ON sending_outcome (mailing_id, kind, delivery)
WHERE kind NOT IN ('accepted', 'deferred')
"""
FILL = """
UPDATE sending_mailing m SET excluded_by = x.by_reason
FROM (SELECT mailing_id, jsonb_object_agg(reason, n) AS by_reason
      FROM (SELECT mailing_id, reason, count(*) AS n FROM sending_excluded GROUP BY 1, 2) reasons GROUP BY 1) x
WHERE x.mailing_id = m.id;

INSERT INTO sending_answercount (mailing_id, provider, kind, reason, reply_class, n, reply_id)
SELECT o.mailing_id, o.provider, o.kind, coalesce(o.reason, ''), coalesce(r.reply_class, ''), count(*), max(o.reply_id)
FROM sending_outcome o LEFT JOIN sending_reply r ON r.id = o.reply_id
WHERE o.kind <> 'accepted'
  AND NOT EXISTS (SELECT 1 FROM sending_outcome later
                  WHERE later.mailing_id = o.mailing_id AND later.delivery = o.delivery AND later.attempt > o.attempt)
GROUP BY 1, 2, 3, 4, 5;
"""


class Migration(migrations.Migration):
    dependencies = [("sending", "0007_crashes")]

    operations = [
        migrations.AddField(model_name="mailing", name="excluded_by", field=models.JSONField(blank=True, default=dict)),
        migrations.CreateModel(
            name="AnswerCount",
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
                ("provider", models.CharField(max_length=120)),
                ("kind", models.CharField(max_length=14)),
                ("reason", models.CharField(blank=True, max_length=40)),
                ("reply_class", models.CharField(blank=True, max_length=20)),
                ("n", models.IntegerField(default=0)),
                ("reply_id", models.BigIntegerField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("mailing", "provider", "kind", "reason", "reply_class"), name="one_count_per_answer"
                    )
                ]
            },
        ),
        migrations.RunSQL(INDEX, "DROP INDEX outcomes_not_accepted"),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
