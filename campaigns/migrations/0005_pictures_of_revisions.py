import re

from django.db import migrations, models

NAME = re.compile(r"letters/[A-Za-z0-9_-]{16,40}\.(?:jpg|png|gif)")


def find_them(apps, _schema_editor):
    """What was saved before pictures were noted."""
    ids = dict(apps.get_model("campaigns", "Media").objects.values_list("file", "pk"))
    for revision in apps.get_model("campaigns", "Revision").objects.filter(letter__contains="letters/").iterator():
        revision.pictures.set({ids[name] for name in NAME.findall(revision.letter) if name in ids})


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0004_remarks_and_review")]

    operations = [
        migrations.AddField(
            model_name="revision",
            name="pictures",
            field=models.ManyToManyField(blank=True, related_name="revisions", to="campaigns.media"),
        ),
        migrations.RunPython(find_them, migrations.RunPython.noop),
    ]
