"""Celery wakes the lease loop of a run; what is done and by whom stands in the database.

`celery -A config worker` works, `celery -A config beat` lets the sweeper come by.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("concord")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect
def schedule(sender: Celery, **_more: object) -> None:
    """Have the sweeper come by; one that nobody let in is gone before the next."""
    from django.conf import settings

    sender.conf.beat_schedule = {
        "sweep": {
            "task": "coding.tasks.sweep",
            "schedule": settings.CONCORD_SWEEP,
            "options": {"expires": settings.CONCORD_SWEEP},
        }
    }
