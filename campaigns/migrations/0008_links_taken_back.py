from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0007_hidden_setup'),
    ]

    operations = [
        migrations.AddField(
            model_name='campaign',
            name='links_ended',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name='remark',
            name='kind',
            field=models.CharField(choices=[('said', 'wrote a note'), ('asked', 'asked for approval'), ('approved', 'approved it'), ('rejected', 'sent it back'), ('ignored', 'ignores a warning'), ('heeded', 'heeds a warning again'), ('unshared', 'took back the links to the report')], max_length=8),
        ),
    ]
