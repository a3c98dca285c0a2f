"""Warm-up plans are versioned and may skip weekends; alerts may be about a warm-up."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

# What a plan is today becomes the first version of its history.
_FIRST_VERSIONS = """
INSERT INTO reputation_warmupplanversion (plan_id, number, at, actor_id, what, days, skips_weekends)
SELECT id, 1, created_at, NULL, 'As it was before versions were kept', days, false FROM reputation_warmupplan
"""


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("reputation", "0008_outside_reports"),
    ]

    operations = [
        migrations.AddField(
            model_name="warmupplan",
            name="skips_weekends",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="warmupplan",
            name="version",
            field=models.PositiveIntegerField(db_default=1, default=1),
        ),
        migrations.CreateModel(
            name="WarmupPlanVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("what", models.CharField(max_length=300)),
                ("days", models.JSONField()),
                ("skips_weekends", models.BooleanField(default=False)),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="reputation.warmupplan",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
                "constraints": [
                    models.UniqueConstraint(fields=("plan", "number"), name="versions_of_a_plan_are_numbered")
                ],
            },
        ),
        migrations.RunSQL(_FIRST_VERSIONS, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="alert",
            name="budget",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="reputation.budget"
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="kind",
            field=models.CharField(
                choices=[("broke", "Broke"), ("mended", "Mended"), ("warmup", "Warm-up held")], max_length=6
            ),
        ),
    ]
