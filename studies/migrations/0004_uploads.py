"""Files with interviews that are sent at the site, until they are imported."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('studies', '0003_editions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Upload',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=43, unique=True, verbose_name='key')),
                ('names', models.JSONField(default=list, verbose_name='names of the files')),
                ('columns', models.JSONField(null=True, verbose_name='columns')),
                ('outcome', models.JSONField(null=True, verbose_name='outcome')),
                ('held_until', models.DateTimeField(null=True, verbose_name='held until')),
                ('used_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='used')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='finished')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uploads', to=settings.AUTH_USER_MODEL)),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uploads', to='studies.study')),
            ],
            options={
                'verbose_name': 'upload',
                'verbose_name_plural': 'uploads',
                'ordering': ['study', 'pk'],
            },
        ),
    ]
