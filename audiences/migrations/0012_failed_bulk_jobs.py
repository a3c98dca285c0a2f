from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audiences', '0011_grounds_of_lists'),
    ]

    operations = [
        migrations.AlterField(
            model_name='bulkjob',
            name='state',
            field=models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('undoing', 'Being taken back'), ('undone', 'Taken back'), ('failed', 'Failed')], default='running', max_length=10),
        ),
    ]
