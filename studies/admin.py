"""The database's own view of studies and interviews; texts are shown, never changed."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config.admin import NeverAdded
from studies.models import Membership, Participant, Study, Transcript, Translation, Withdrawn


class Memberships(admin.TabularInline):  # type: ignore[type-arg]  # not subscriptable at run time
    model = Membership
    extra = 0
    autocomplete_fields = ("person",)


@admin.register(Study)
class StudyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ("slug", "name", "unit", "fictional", "created_at")
    search_fields = ("slug", "name")
    readonly_fields = ("unit", "created_at")
    inlines = (Memberships,)


@admin.register(Participant)
class ParticipantAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ("external_id", "study")
    list_filter = ("study",)
    search_fields = ("external_id",)


@admin.register(Transcript)
class TranscriptAdmin(NeverAdded):
    list_display = ("external_id", "study", "language", "language_source", "length")
    list_filter = ("study", "language_source", "language")
    search_fields = ("external_id",)
    readonly_fields = tuple(
        field.name
        for field in Transcript._meta.fields
        if field.name not in ("language", "language_source")
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Transcript]":
        rows: QuerySet[Transcript] = super().get_queryset(request)
        on_a_list = not (request.resolver_match and "object_id" in request.resolver_match.kwargs)
        return rows.defer("text", "turns") if on_a_list else rows


@admin.register(Translation)
class TranslationAdmin(NeverAdded):
    list_display = ("transcript_id", "language", "maker", "machine", "made_at")
    list_filter = ("machine", "language")
    readonly_fields = tuple(field.name for field in Translation._meta.fields)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Translation]":
        rows: QuerySet[Translation] = super().get_queryset(request)
        on_a_list = not (request.resolver_match and "object_id" in request.resolver_match.kwargs)
        return rows.defer("turns") if on_a_list else rows


@admin.register(Withdrawn)
class WithdrawnAdmin(NeverAdded):
    """Whoever removes a row here lets the interview be imported again."""

    list_display = ("external_id", "study", "at")
    list_filter = ("study",)
    search_fields = ("external_id",)
    readonly_fields = ("study", "external_id", "at")
