from datetime import timedelta

from django.db import migrations
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Least

# What the pool waited for an answer before seats had an end of their own.
LEASE = timedelta(hours=2)


def fill(apps, schema_editor):
    Assignment, Item, Sample, Transcript = (
        apps.get_model(*name)
        for name in (
            ("reviews", "Assignment"),
            ("reviews", "Item"),
            ("reviews", "Sample"),
            ("studies", "Transcript"),
        )
    )
    for (language,) in Transcript.objects.order_by().values_list("language").distinct():
        items = Item.objects.filter(segment__transcript__language=language)
        items.update(language=language.split("-")[0].lower())
    for sample in Sample.objects.iterator():
        if sample.design.get("coders"):
            continue  # every seat has its name
        rows = Assignment.objects.filter(item__sample=sample, coding=None)
        rows.filter(answered_at=None).update(held_until=F("assigned_at") + LEASE)
        rows.exclude(skipped_because="").update(returned_at=F("answered_at"))
    taken = (
        Assignment.objects.filter(item=OuterRef("pk"), returned_at=None)
        .order_by()
        .values("item")
        .annotate(count=Count("pk"))
        .values("count")
    )
    some = Item.objects.filter(Q(pk__in=Assignment.objects.values("item")))
    some.update(taken=Least(Coalesce(Subquery(taken), 0), F("coders_wanted")))


class Migration(migrations.Migration):

    dependencies = [
        ("reviews", "0002_seats_and_submissions"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
