"""The database's own view of runs and what they cost; it is shown, and written by the steps."""

from django.contrib import admin

from coding.models import (
    Attempt,
    Batch,
    Coding,
    Run,
    TranslationAttempt,
    TranslationRun,
    Work,
)
from config.admin import ShownOnly


class Ledger(ShownOnly):
    """Rows that there are very many of."""

    show_full_result_count = False


@admin.register(Run)
class RunAdmin(Ledger):
    list_display = ["name", "study", "coder", "model", "created_at", "finished_at"]
    list_filter = ["coder"]


@admin.register(Work)
class WorkAdmin(Ledger):
    list_display = ["run", "segment_id", "state", "attempts", "reason"]
    list_filter = ["state"]
    list_select_related = ["run"]
    raw_id_fields = ["segment"]


@admin.register(Batch)
class BatchAdmin(Ledger):
    list_display = ["remote_id", "run", "state", "requests", "created_at", "settled_at"]
    list_filter = ["state"]
    list_select_related = ["run"]


@admin.register(Attempt)
class AttemptAdmin(Ledger):
    list_display = ["work_id", "number", "sent_at", "outcome", "model", "request_id", "cost"]
    list_filter = ["outcome"]
    exclude = ["answer"]
    raw_id_fields = ["work"]


@admin.register(Coding)
class CodingAdmin(Ledger):
    list_display = ["segment_id", "run", "person", "created_at"]
    list_select_related = ["run", "person"]
    raw_id_fields = ["segment"]


@admin.register(TranslationRun)
class TranslationRunAdmin(Ledger):
    list_display = ["study", "language", "budget", "committed", "stopped_because", "created_at"]
    list_filter = ["language"]
    list_select_related = ["study"]


@admin.register(TranslationAttempt)
class TranslationAttemptAdmin(Ledger):
    list_display = [
        "transcript_id",
        "first",
        "last",
        "sent_at",
        "outcome",
        "model",
        "request_id",
        "cost",
    ]
    list_filter = ["outcome", "gave_up"]
    exclude = ["answer"]
    raw_id_fields = ["transcript"]
