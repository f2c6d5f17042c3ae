"""The database's own view of codebooks; what a revision says is shown, and changed by import."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from codebooks.models import Code, Codebook, Dimension, Revision, Wording
from config.admin import NeverAdded, ShownOnly


@admin.register(Codebook)
class CodebookAdmin(NeverAdded):
    list_display = ("name", "study", "language")
    list_filter = ("study",)
    search_fields = ("name",)
    readonly_fields = ("study", "language", "derived_from")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Revision)
class RevisionAdmin(ShownOnly):
    list_display = ("codebook", "number", "created_at", "frozen_at")
    list_filter = ("codebook__study",)


@admin.register(Dimension)
class DimensionAdmin(ShownOnly):
    list_display = ("key", "label", "kind", "revision")
    list_select_related = ("revision__codebook",)
    list_filter = ("revision__codebook__study", "kind")
    search_fields = ("key", "label")


@admin.register(Code)
class CodeAdmin(ShownOnly):
    list_display = ("key", "label", "dimension")
    list_select_related = ("dimension",)
    list_filter = ("dimension__revision__codebook__study",)
    search_fields = ("key", "label")


@admin.register(Wording)
class WordingAdmin(ShownOnly):
    list_display = ("language", "dimension", "code")
    list_select_related = ("dimension", "code")
    list_filter = ("language",)
