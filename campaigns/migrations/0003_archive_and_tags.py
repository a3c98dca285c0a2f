from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0002_revision_kind")]

    operations = [
        migrations.AddField(
            model_name="campaign", name="archived_at", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="campaign",
            name="tags",
            field=ArrayField(models.CharField(max_length=40), blank=True, db_default=[], default=list),
        ),
    ]
