import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

REVIEWS = [("", "Nobody was asked"), ("asked", "Needs review"), ("approved", "Approved"), ("rejected", "Sent back")]
KINDS = [
    ("said", "wrote a note"),
    ("asked", "asked for approval"),
    ("approved", "approved it"),
    ("rejected", "sent it back"),
    ("ignored", "ignores a warning"),
    ("heeded", "heeds a warning again"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0003_archive_and_tags"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="review",
            field=models.CharField(blank=True, choices=REVIEWS, db_default="", default="", max_length=8),
        ),
        migrations.CreateModel(
            name="Remark",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=KINDS, max_length=8)),
                ("rev", models.PositiveIntegerField()),
                ("about", models.CharField(blank=True, max_length=80)),
                ("said_of", models.CharField(blank=True, max_length=400)),
                ("words", models.TextField(blank=True, max_length=2000)),
                ("at", models.DateTimeField()),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="remarks", to="campaigns.campaign"
                    ),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
    ]
