from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reputation", "0014_reports_are_proven")]

    operations = [
        migrations.AddField(
            model_name="sendingdomain", name="probe_wanted_at", field=models.DateTimeField(blank=True, null=True)
        )
    ]
