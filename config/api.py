"""What every address for programs has: its body read, and one sentence where it is refused."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import exception_handler

from studies.problems import Problem


def read(kind: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return `data` as `kind` reads it; what it does not take is a bad request."""
    asked = kind(data=data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def refused(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return what a request that can't be done is told; a Problem is a bad request."""
    if isinstance(error, Problem):
        error = ValidationError({"detail": str(error)})
    return exception_handler(error, dict(context))
