"""A study's runs for programs: pause, resume, cancel."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from coding.tasks import tell
from studies.access import study_or_404
from studies.models import Role
from studies.problems import Problem


class RunSerializer(serializers.Serializer[dict[str, object]]):
    run = serializers.IntegerField()
    finished = serializers.BooleanField()
    stopped = serializers.CharField()


@extend_schema(request=None, responses=RunSerializer)
@api_view(["POST"])
def tell_run(request: Request, slug: str, run_id: int, what: str) -> Response:
    """Pause, resume or cancel a run; whoever works on it hears it within seconds."""
    study = study_or_404(request.user, slug, Role.LEAD)
    run = get_object_or_404(study.runs, pk=run_id)
    try:
        tell(run, what)
    except Problem as problem:
        raise ValidationError({"detail": str(problem)}) from problem
    run.refresh_from_db()
    return Response(
        {"run": run.pk, "finished": run.finished_at is not None, "stopped": run.stopped_because}
    )
