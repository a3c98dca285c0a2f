from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("config", "0002_shortcuts")]

    operations = [
        migrations.AddField(
            model_name="member",
            name="language",
            field=models.CharField(blank=True, default="", max_length=10),
        ),
    ]
