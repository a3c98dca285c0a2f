from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sending", "0018_ended_grounds")]

    operations = [
        migrations.AlterField(
            model_name="mailingchange",
            name="kind",
            field=models.CharField(
                choices=[
                    ("resent", "Sent again to those who were blocked"),
                    ("retried", "Tried again for those who were not reached in time"),
                    ("stopped", "Stopped early by the guard"),
                    ("resumed", "Went on after the guard had stopped it"),
                    ("released", "The rest was let go after the first part"),
                    ("paused", "Paused"),
                    ("held", "Held"),
                    ("went_on", "Went on"),
                    ("ended", "Stopped"),
                    ("speed", "Changed the speed"),
                ],
                max_length=12,
            ),
        ),
    ]
