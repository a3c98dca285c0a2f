from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sending", "0002_partitioned_rows")]

    operations = [
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", False)), fields=["ended_at"], name="batch_ended"
            ),
        ),
    ]
