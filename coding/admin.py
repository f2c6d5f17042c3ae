from django.contrib import admin
from django.http import HttpRequest

from coding.models import Attempt, Batch, Coding, Run, Work


class Ledger(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's admin is not generic at run time
    """Rows that are shown, and never written by hand."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


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
