from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sending", "0012_speeds_of_lanes")]

    operations = [
        migrations.AddField(
            model_name="mailinglane", name="canary", field=models.IntegerField(db_default=0, default=0)
        ),
        migrations.AddField(
            model_name="mailinglane", name="held_back", field=models.IntegerField(db_default=0, default=0)
        ),
        migrations.AddIndex(
            model_name="mailinglane",
            index=models.Index(condition=models.Q(("held_back__gt", 0)), fields=["mailing"], name="lane_held_back"),
        ),
        migrations.AlterField(
            model_name="mailinglane",
            name="state",
            field=models.CharField(
                choices=[
                    ("open", "Open"),
                    ("paused", "Paused by a person"),
                    ("held", "Stopped early by the guard"),
                ],
                default="open",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="mailingchange",
            name="kind",
            field=models.CharField(
                choices=[
                    ("resent", "Sent again to those who were blocked"),
                    ("stopped", "Stopped early by the guard"),
                    ("resumed", "Went on after the guard had stopped it"),
                    ("released", "The rest was let go after the first part"),
                ],
                max_length=12,
            ),
        ),
    ]
