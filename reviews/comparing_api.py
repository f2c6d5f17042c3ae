"""Comparisons for programs: two runs, two revisions of the codebook, a run with itself."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from reviews import comparing, stability
from reviews.api import seen_by
from studies.problems import Problem

MAPPING = OpenApiParameter(
    "map", description="OLD=NEW: a code that was renamed, split, merged or dropped", many=True
)


class Pair(serializers.Serializer[Any]):
    first = serializers.IntegerField(required=False, default=None)
    second = serializers.IntegerField(required=False, default=None)
    sample = serializers.IntegerField(required=False, default=None)
    run = serializers.IntegerField(required=False, default=None)


def asked(request: Request) -> dict[str, Any]:
    """Return the numbers that are asked for, None where there are none."""
    given = Pair(data=request.query_params)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


@extend_schema(
    parameters=[
        OpenApiParameter("first", int, description="a run; by default the last but one"),
        OpenApiParameter("second", int, description="a run; by default the last"),
        OpenApiParameter("sample", int, description="whose weights count"),
        MAPPING,
    ],
    responses=OpenApiTypes.OBJECT,
)
@api_view(["GET"])
def compare(request: Request, slug: str) -> Response:
    """Two runs compared on the same segments, and which of them people agree with."""
    study, wanted = seen_by(request, slug), asked(request)
    try:
        made = comparing.compare_runs(
            study,
            wanted["first"],
            wanted["second"],
            mapping=request.query_params.getlist("map"),
            sample=wanted["sample"],
        )
    except Problem as problem:
        raise ValidationError({"detail": str(problem)}) from problem
    return Response(comparing.as_json(made))


@extend_schema(
    parameters=[
        OpenApiParameter("first", int, description="a revision's number"),
        OpenApiParameter("second", int, description="a revision's number"),
        MAPPING,
    ],
    responses=OpenApiTypes.OBJECT,
)
@api_view(["GET"])
def drift(request: Request, slug: str) -> Response:
    """Two revisions of the codebook compared on segments coded under both."""
    study, wanted = seen_by(request, slug), asked(request)
    try:
        made = comparing.compare_revisions(
            study,
            wanted["first"],
            wanted["second"],
            mapping=request.query_params.getlist("map"),
        )
    except Problem as problem:
        raise ValidationError({"detail": str(problem)}) from problem
    return Response(comparing.as_json(made))


@extend_schema(
    parameters=[OpenApiParameter("run", int, description="by default the latest with replicates")],
    responses=OpenApiTypes.OBJECT,
)
@api_view(["GET"])
def stable(request: Request, slug: str) -> Response:
    """How far a run agrees with itself, by code and language."""
    study, wanted = seen_by(request, slug), asked(request)
    try:
        return Response(stability.as_json(stability.stability(study, wanted["run"])))
    except Problem as problem:
        raise ValidationError({"detail": str(problem)}) from problem
