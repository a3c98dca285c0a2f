from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reputation", "0013_postmaster_access")]

    operations = [
        migrations.AddField(
            model_name="outsidereport",
            name="proven",
            field=models.BooleanField(default=False, help_text="Uploaded by an admin, or signed by its writer"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="outsidereport",
            name="signed_by",
            field=models.CharField(blank=True, default="", max_length=255),
            preserve_default=False,
        ),
        # Whoever wrote those that came by mail was not asked for a signature.
        migrations.RunSQL(
            "UPDATE reputation_outsidereport SET proven = TRUE WHERE source = 'upload'", migrations.RunSQL.noop
        ),
    ]
