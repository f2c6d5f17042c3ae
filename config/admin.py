"""The database's own view: what people may not do there, whatever they may elsewhere."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class NeverAdded(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Rows that come by import or by a step, and never by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ShownOnly(NeverAdded):
    """Rows that other rows rest on: they are shown, and nobody changes them one by one."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
