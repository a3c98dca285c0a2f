from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sending", "0006_counts_of_links")]

    operations = [
        migrations.CreateModel(
            name="Crash",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("mailing_id", models.BigIntegerField()),
                ("delivery", models.BigIntegerField()),
                ("n", models.SmallIntegerField()),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("mailing_id", "delivery"), name="counted_once_per_delivery")
                ],
            },
        ),
    ]
