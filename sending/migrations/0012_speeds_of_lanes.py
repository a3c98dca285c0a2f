import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sending", "0011_mailing_changes")]

    operations = [
        migrations.CreateModel(
            name="LaneSpeed",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=120)),
                ("seconds", models.FloatField()),
                (
                    "route",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="sending.route"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("route", "provider"), name="one_speed_of_a_lane")],
            },
        ),
    ]
