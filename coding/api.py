"""A study's runs for programs: what one would cost, start, pause, resume, cancel."""

from typing import Any

from django.conf import settings
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from coding.coders.services import SERVICES, needs_server
from coding.costs import estimate, keep
from coding.models import CoderKind
from coding.runs import progress, start_run
from coding.tasks import tell, wake
from config.api import read
from studies.access import study_or_404
from studies.models import Role
from studies.problems import Problem, _


class RunSerializer(serializers.Serializer[dict[str, object]]):
    run = serializers.IntegerField()
    finished = serializers.BooleanField()
    stopped = serializers.CharField()


class Place(serializers.Serializer[Any]):
    """Where Claude is asked: a model, a service, and one of the servers that the site names."""

    model = serializers.CharField(default="", allow_blank=True)
    service = serializers.ChoiceField(choices=[*SERVICES, ""], default="")
    base_url = serializers.CharField(default="", allow_blank=True)


class EstimateRequest(Place):
    coder = serializers.ChoiceField(
        choices=[CoderKind.CLAUDE, CoderKind.EMBEDDED], default=CoderKind.CLAUDE.value
    )


class RunRequest(Place):
    budget = serializers.DecimalField(max_digits=16, decimal_places=10, min_value=0)


@extend_schema(
    parameters=[
        OpenApiParameter(
            "coder",
            enum=[CoderKind.CLAUDE.value, CoderKind.EMBEDDED.value],
            description="by default Claude; the embedded coder costs nothing",
        ),
        OpenApiParameter("model", description="by default the usual one"),
        OpenApiParameter("service", enum=list(SERVICES)),
        OpenApiParameter("base_url", description="one of the servers that the site names"),
    ],
    responses=OpenApiTypes.OBJECT,
)
@api_view(["GET"])
def run_estimate(request: Request, slug: str) -> Response:
    """What it would cost to have a coder code what it has not coded yet; nothing is charged."""
    study = study_or_404(request.user, slug, Role.LEAD)
    asked = read(EstimateRequest, request.query_params)
    needs_server(asked["base_url"])
    return Response(estimate(study, **asked).as_json())


@extend_schema(request=RunRequest, responses={202: OpenApiTypes.OBJECT})
@api_view(["POST"])
def start(request: Request, slug: str) -> Response:
    """Have the workers code the study with Claude, up to a budget; asked again, it goes on."""
    study = study_or_404(request.user, slug, Role.LEAD)
    given = read(RunRequest, request.data)
    where = {"base_url": given["base_url"], "service": given["service"]}
    if not settings.CELERY_BROKER_URL:
        raise Problem(_("There are no workers: set CONCORD_BROKER where the site runs."))
    needs_server(given["base_url"])
    run = start_run(study, CoderKind.CLAUDE, model=given["model"], budget=given["budget"], **where)
    keep(run, estimate(study, run.model, **where))
    wake(run)
    return Response(
        {**progress(run), "estimate": run.parameters["estimate"]}, status=status.HTTP_202_ACCEPTED
    )


@extend_schema(request=None, responses=RunSerializer)
@api_view(["POST"])
def tell_run(request: Request, slug: str, run_id: int, what: str) -> Response:
    """Pause, resume or cancel a run; whoever works on it hears it within seconds."""
    study = study_or_404(request.user, slug, Role.LEAD)
    run = get_object_or_404(study.runs, pk=run_id)
    tell(run, what)
    run.refresh_from_db()
    return Response(
        {"run": run.pk, "finished": run.finished_at is not None, "stopped": run.stopped_because}
    )
