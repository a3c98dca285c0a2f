import django.db.models.deletion
from django.db import migrations, models

WHOM = [
    ("", "everybody"),
    ("not_clicked", "who did not click"),
    ("not_opened", "who did not open"),
    ("clicked", "who clicked"),
    ("not_reached", "who did not get"),
]


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0005_pictures_of_revisions"), ("sending", "0016_changes_by_people")]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="after",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="sending.mailing",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="whom",
            field=models.CharField(blank=True, choices=WHOM, db_default="", default="", max_length=12),
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.CheckConstraint(
                condition=models.Q(("after__isnull", True), ("whom", ""))
                | (~models.Q(("whom", "")) & models.Q(("after__isnull", False))),
                name="whom_is_about_an_earlier_mailing",
            ),
        ),
    ]
