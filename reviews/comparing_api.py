"""Comparisons for programs: two runs, two revisions of the codebook, a run with itself."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import read
from reviews import comparing, stability
from reviews.api import seen_by

MAPPING = OpenApiParameter(
    "map", description="OLD=NEW: a code that was renamed, split, merged or dropped", many=True
)


class Two(serializers.Serializer[Any]):
    first = serializers.IntegerField(required=False)
    second = serializers.IntegerField(required=False)


class TwoRuns(Two):
    sample = serializers.IntegerField(required=False)


class OneRun(serializers.Serializer[Any]):
    run = serializers.IntegerField(required=False)


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
    study, asked = seen_by(request, slug), read(TwoRuns, request.query_params)
    made = comparing.compare_runs(study, **asked, mapping=request.query_params.getlist("map"))
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
    study, asked = seen_by(request, slug), read(Two, request.query_params)
    made = comparing.compare_revisions(study, **asked, mapping=request.query_params.getlist("map"))
    return Response(comparing.as_json(made))


@extend_schema(
    parameters=[OpenApiParameter("run", int, description="by default the latest with replicates")],
    responses=OpenApiTypes.OBJECT,
)
@api_view(["GET"])
def stable(request: Request, slug: str) -> Response:
    """How far a run agrees with itself, by code and language."""
    study, asked = seen_by(request, slug), read(OneRun, request.query_params)
    return Response(stability.as_json(stability.stability(study, **asked)))
