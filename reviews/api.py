"""The same steps for programs: studies, progress of a run, samples and the report."""

from dataclasses import asdict
from typing import Any

from django.contrib.auth.models import User
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from coding.costs import costs
from coding.runs import progress
from config.api import read
from reviews.drawing import draw
from reviews.reports import as_json, report
from reviews.reviewing import must_stay_blind
from reviews.sampling import vacant
from studies.access import study_or_404
from studies.models import Role, Study
from studies.people import names_in, newcomers

READERS = (Role.LEAD, Role.READER)


def seen_by(request: Request, slug: str) -> Study:
    """Return the study, unless whoever asks has still to code blind in it."""
    study = study_or_404(request.user, slug, *READERS)
    if must_stay_blind(request.user, study):
        raise PermissionDenied
    return study


class StudySerializer(serializers.ModelSerializer[Study]):
    class Meta:
        model = Study
        fields = ["slug", "name", "unit", "fictional"]


class SampleRequest(serializers.Serializer[Any]):
    size = serializers.IntegerField(min_value=1)
    strata = serializers.ListField(child=serializers.CharField(), default=list)
    coders = serializers.ListField(child=serializers.CharField(), default=list)
    overlap = serializers.FloatField(min_value=0, max_value=1, default=0.0)
    per_item = serializers.IntegerField(min_value=1, required=False)
    assisted = serializers.FloatField(min_value=0, max_value=1, default=0.0)
    seed = serializers.IntegerField(required=False)


class NewcomerSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    close = serializers.ListField(
        child=serializers.CharField(), help_text="names in the study that it may be a slip of"
    )


class SampleSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    items = serializers.IntegerField()
    seed = serializers.IntegerField()
    frame_digest = serializers.CharField()
    new_coders = NewcomerSerializer(many=True, help_text="made, since nobody was called so")
    vacant = serializers.ListField(child=serializers.CharField())


@extend_schema(responses=StudySerializer(many=True))
@api_view(["GET"])
def studies(request: Request) -> Response:
    """The studies that are open to whoever asks."""
    return Response(StudySerializer(Study.objects.of(request.user), many=True).data)


@extend_schema(responses=OpenApiTypes.OBJECT)
@api_view(["GET"])
def run_progress(request: Request, slug: str) -> Response:
    """How far the latest run is: segments by state, tokens, and what it cost, by language too."""
    study = seen_by(request, slug)
    run = study.runs.filter(replicate=0).order_by("-pk").first()
    if run is None:
        raise Http404
    return Response({**progress(run), "costs": costs(run)})


@extend_schema(request=SampleRequest, responses={201: SampleSerializer})
@api_view(["POST"])
def samples(request: Request, slug: str) -> Response:
    """Draw a probability sample for blind review."""
    study = study_or_404(request.user, slug, Role.LEAD)
    asked = read(SampleRequest, request.data)
    person = request.user if isinstance(request.user, User) else None
    known = names_in(study)
    sample = draw(study, by=person, **asked)
    drawn = {
        "id": sample.pk,
        "items": sample.items.count(),
        "seed": sample.seed,
        "frame_digest": sample.frame_digest,
        "new_coders": [asdict(one) for one in newcomers(known, sample.design["coders"])],
        "vacant": [str(gap.sentence) for gap in vacant(sample)],
    }
    return Response(drawn, status=status.HTTP_201_CREATED)


@extend_schema(
    parameters=[OpenApiParameter("by", description="attributes, separated by commas")],
    responses=OpenApiTypes.OBJECT,
)
@api_view(["GET"])
def report_json(request: Request, slug: str) -> Response:
    """The report: agreement, prevalence and evidence, with the design that they rest on."""
    study = seen_by(request, slug)
    by = tuple(name for name in request.query_params.get("by", "").split(",") if name)
    return Response(as_json(report(study, by=by)))
