from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("sending", "0009_parts_are_made_ahead")]

    operations = [
        migrations.CreateModel(
            name="BootIdentity",
            fields=[
                ("host", models.CharField(max_length=63, primary_key=True, serialize=False)),
                ("identity", models.UUIDField()),
                ("generation", models.BigIntegerField()),
                ("pardoned", models.BooleanField(default=False)),
                ("seen_at", models.DateTimeField(db_default=Now())),
            ],
        ),
    ]
