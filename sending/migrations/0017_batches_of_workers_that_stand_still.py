from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The table of batches is written by every gate: nobody may wait for an index.
    atomic = False
    dependencies = [("sending", "0016_changes_by_people")]

    operations = [
        AddIndexConcurrently(
            model_name="batch",
            index=models.Index(
                fields=["ended_at"],
                name="batch_ghosts",
                condition=models.Q(end_reason="taken over: its worker stands still"),
            ),
        ),
    ]
