"""The lead’s pages for programs: disagreements and rulings, who does what, and trainings."""

from dataclasses import asdict
from typing import Any

from django.contrib.auth.models import User
from django.http import Http404
from django.utils.translation import gettext
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from codebooks.models import Kind
from coding.models import Answer
from config.api import read
from reviews.adjudication import (
    SORTS,
    Case,
    Opinion,
    cases,
    chosen,
    discussed,
    history,
    opinions,
    rule,
    verdict,
)
from reviews.models import Item, Purpose, Sample
from reviews.questions import codes_of, turns_of
from reviews.reviewing import waits
from reviews.sampling import current_sample, rounds, vacant
from reviews.stats.arrays import finite
from reviews.steering import (
    differences,
    fill_seats,
    flags,
    hand_over,
    leases,
    left,
    skipped,
    workers,
)
from reviews.training import (
    BAR,
    LONGEST_REASON,
    WINDOW,
    Key,
    draw_training,
    key_of,
    set_key,
    standings,
    told,
    trainings,
    without_key,
)
from reviews.training_views import item_or_404
from studies.access import study_or_404
from studies.models import Role, Study
from studies.problems import Problem, _


class RulingRequest(serializers.Serializer[Any]):
    said = serializers.ChoiceField(
        choices=["", *Answer.values], help_text="empty takes the ruling back", allow_blank=True
    )
    code = serializers.CharField(required=False, help_text="which code of a one-of-many holds")
    value = serializers.FloatField(required=False)
    why = serializers.CharField()


class HandOverRequest(serializers.Serializer[Any]):
    giver = serializers.CharField(help_text="name in the study")
    taker = serializers.CharField(required=False, help_text="nobody: the seats are taken back")
    count = serializers.IntegerField(min_value=1, required=False)


class HandOutRequest(serializers.Serializer[Any]):
    coders = serializers.ListField(child=serializers.CharField())


class KeyOfCode(serializers.Serializer[Any]):
    dimension = serializers.CharField()
    code = serializers.CharField()
    said = serializers.ChoiceField(choices=Answer.values, help_text="unsure: it can’t be told")
    value = serializers.FloatField(
        required=False, allow_null=True, help_text="on a scale, where the answer is yes"
    )
    why = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=LONGEST_REASON
    )
    passages = serializers.ListField(
        child=serializers.ListField(
            child=serializers.IntegerField(min_value=0), min_length=2, max_length=2
        ),
        default=list,
        help_text="ranges of code points of the interview, within one turn of the participant",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("value") is not None and attrs["said"] != Answer.YES:
            raise serializers.ValidationError(gettext("A value goes with the answer yes."))
        return attrs


class KeyRequest(serializers.Serializer[Any]):
    key = KeyOfCode(many=True, help_text="what holds for every code of the codebook")


class TrainingRequest(serializers.Serializer[Any]):
    coders = serializers.ListField(child=serializers.CharField())
    size = serializers.IntegerField(min_value=0, default=0)
    interviews = serializers.ListField(child=serializers.CharField(), default=list)
    bar = serializers.FloatField(min_value=0, max_value=1, default=BAR)
    window = serializers.IntegerField(min_value=1, default=WINDOW)
    seed = serializers.IntegerField(required=False)


@extend_schema(
    operation_id="disagreements",
    parameters=[
        OpenApiParameter("code", description="dimension/code, or a dimension"),
        OpenApiParameter("language"),
        OpenApiParameter("pair", description="two names in the study, parted by a comma"),
        OpenApiParameter("status", enum=["open", "ruled", "all"]),
        OpenApiParameter("sort", enum=list(SORTS)),
    ],
    responses=OpenApiTypes.OBJECT,
)
@api_view(["GET"])
def disagreements(request: Request, slug: str) -> Response:
    """What coders disagree about, the weightiest first, and alpha before and after discussion."""
    _study, sample = settled_by(request, slug)
    asked = request.query_params
    pair = [name for name in asked.get("pair", "").split(",") if name]
    every = cases(sample)
    found = chosen(
        every,
        code=asked.get("code", ""),
        language=asked.get("language", ""),
        pair=pair,
        status=asked.get("status", "open"),
        sort=asked.get("sort", "both"),
    )
    return Response(
        {
            "disagreements": [case_json(case) for case in found],
            "all_disagreements": len(every),
            "open_disagreements": sum(not case.ruled for case in every),
            "discussed": [asdict(one) for one in discussed(sample)],
        }
    )


@extend_schema(operation_id="disagreement", request=RulingRequest, responses=OpenApiTypes.OBJECT)
@api_view(["GET", "POST"])
def disagreement(request: Request, slug: str, pk: int, dimension: str, code: str = "") -> Response:
    """What everybody says of one code, with evidence; what is ruled, and how that came about."""
    study, _sample = settled_by(request, slug)
    item = (
        Item.objects.filter(pk=pk, sample__study=study, sample__purpose=Purpose.REVIEW)
        .select_related("sample__revision", "sample__study", "segment__transcript")
        .first()
    )
    known = codes_of(item.sample.revision) if item else {}
    if item is None or dimension not in known or (code and code not in known[dimension][1]):
        raise Http404
    about, codes = known[dimension]
    one = codes[code] if code else None
    if (about.kind == Kind.ONE) == bool(one):
        raise Http404
    if request.method == "POST":
        said = read(RulingRequest, request.data)
        rule(
            item,
            actor(request),
            dimension=dimension,
            code=said.get("code") if about.kind == Kind.ONE else code,
            said=said["said"],
            value=said.get("value"),
            why=said["why"],
        )
    ruled = verdict(item, about, one)
    return Response(
        {
            "item": item.pk,
            "interview": item.segment.transcript.external_id,
            "language": item.segment.transcript.language,
            "dimension": dimension,
            "code": code or None,
            "opinions": [opinion_json(opinion) for opinion in opinions(item, about, one)],
            "ruling": asdict(ruled) if ruled else None,
            "history": [
                {"at": event.at, "by": event.name, "before": event.before, "after": event.after}
                for event in history(item, about, one)
            ],
        }
    )


@extend_schema(responses=OpenApiTypes.OBJECT)
@api_view(["GET"])
def work(request: Request, slug: str) -> Response:
    """Who has done what and how fast, what is left, and where coders differ so far."""
    study = study_or_404(request.user, slug, Role.LEAD)
    sample = sample_of(study)
    told: dict[str, Any] = {
        "coders": [
            {**asdict(one), "skips_much": one.skips_much, "rushes": one.pace.rushes}
            for one in workers(sample)
        ],
        "left": [asdict(one) for one in left(sample)],
        "vacant": [str(gap.sentence) for one in rounds(sample) for gap in vacant(one)],
        "skipped": [{"why": why, "times": times} for why, times in skipped(sample)],
        "flags": [asdict(one) for one in flags(sample)],
        "leases": [asdict(one) for one in leases(sample)],
    }
    if not waits(request.user, study):
        found = differences(sample)
        told["pairs"] = [asdict(one) for one in found.pairs]
        told["codes"] = [
            {**asdict(one), "low": one.low, "unsure_much": one.unsure_much} for one in found.codes
        ]
        told["open_disagreements"] = found.open
    return Response(told)


@extend_schema(request=HandOverRequest, responses=OpenApiTypes.OBJECT)
@api_view(["POST"])
def give(request: Request, slug: str) -> Response:
    """Hand open items of one coder to another, or take them back."""
    study = study_or_404(request.user, slug, Role.LEAD)
    said = read(HandOverRequest, request.data)
    sample = sample_of(study)
    giver = member(study, said["giver"])
    taker = member(study, said["taker"]) if said.get("taker") else None
    moved, stayed = hand_over(sample, giver, taker, count=said.get("count"), by=actor(request))
    return Response({"moved": moved, "stayed": stayed})


@extend_schema(request=HandOutRequest, responses=OpenApiTypes.OBJECT)
@api_view(["POST"])
def hand_out(request: Request, slug: str) -> Response:
    """Give the seats that nobody holds to the coders named."""
    study = study_or_404(request.user, slug, Role.LEAD)
    asked = read(HandOutRequest, request.data)
    sample = sample_of(study)
    people = [member(study, name) for name in asked["coders"]]
    return Response({"filled": fill_seats(sample, people, by=actor(request))})


@extend_schema(request=TrainingRequest, responses=OpenApiTypes.OBJECT)
@api_view(["GET", "POST"])
def trainings_api(request: Request, slug: str) -> Response:
    """The trainings, and how everybody stands with each code; a new one where it is posted."""
    study = study_or_404(request.user, slug, Role.LEAD)
    if request.method == "POST":
        asked = read(TrainingRequest, request.data)
        draw_training(study, by=actor(request), **asked)
    told = [
        {
            "id": sample.pk,
            "items": sample.items.count(),
            "interviews": [
                {"item": pk, "interview": name}
                for pk, name in sample.items.order_by("position").values_list(
                    "pk", "segment__transcript__external_id"
                )
            ],
            "without_key": [item.pk for item in without_key(sample)],
            "bar": sample.design.get("bar"),
            "window": sample.design.get("window"),
            "coders": [
                {
                    "name": one.name,
                    "asked": one.asked,
                    "answered": one.answered,
                    "share": finite(one.share),
                    "passed": one.passed,
                    "results": [finite(asdict(result)) for result in one.results],
                }
                for one in standings(sample)
            ],
        }
        for sample in trainings(study)
    ]
    made = status.HTTP_201_CREATED if request.method == "POST" else status.HTTP_200_OK
    return Response({"trainings": told}, status=made)


@extend_schema(request=KeyRequest, responses=OpenApiTypes.OBJECT)
@api_view(["GET", "PUT"])
def training_key(request: Request, slug: str, pk: int) -> Response:
    """An interview of a training with its key; what is put takes the place of a key before it.

    A key is set whole, and stays as it is once somebody has coded the interview.
    """
    study = study_or_404(request.user, slug, Role.LEAD)
    item = item_or_404(study, pk)
    if request.method == "PUT":
        asked = read(KeyRequest, request.data)
        set_key(item, actor(request), map(key_in, asked["key"]))
    segment = item.segment
    return Response(
        {
            "item": item.pk,
            "training": item.sample_id,
            "position": item.position,
            "interview": segment.transcript.external_id,
            "language": segment.transcript.language,
            "turns": [asdict(turn) for turn in turns_of(segment.transcript, segment)],
            "settled": item.assignments.filter(coding__isnull=False).exists(),
            "key": [key_out(one) for one in key_of(item).values()],
        }
    )


def key_in(said: dict[str, Any]) -> Key:
    """Return what holds for one code as the step takes it."""
    return Key(
        said["dimension"],
        said["code"],
        {Answer.YES: True, Answer.NO: False}.get(said["said"]),
        said.get("value"),
        said["why"],
        tuple((start, end) for start, end in said["passages"]),
    )


def key_out(key: Key) -> dict[str, Any]:
    """Return what holds for one code as it can be put again."""
    return {
        "dimension": key.dimension,
        "code": key.code,
        "said": told(key.applies),
        "value": key.value,
        "why": key.why,
        "passages": [list(passage) for passage in key.passages],
    }


def actor(request: Request) -> User:
    assert isinstance(request.user, User)  # noqa: S101  nobody else gets this far
    return request.user


def settled_by(request: Request, slug: str) -> tuple[Study, Sample]:
    """Return the study and its sample to a lead who has nothing left to code blind."""
    study = study_or_404(request.user, slug, Role.LEAD)
    if waits(request.user, study):
        raise PermissionDenied
    return study, sample_of(study)


def sample_of(study: Study) -> Sample:
    """Return the sample that is worked on."""
    sample = current_sample(study)
    if sample is None:
        raise Http404
    return sample


def member(study: Study, name: str) -> Any:
    """Return the member of that name."""
    found = study.memberships.filter(name=name).select_related("person").first()
    if found is None:
        raise Problem(_("“%(name)s” is not in the study."), name=name)
    return found.person


def case_json(case: Case) -> dict[str, Any]:
    told = asdict(case)
    told["opinions"] = [opinion_json(opinion) for opinion in case.opinions]
    return told | {"weight": case.weight}


def opinion_json(opinion: Opinion) -> dict[str, Any]:
    return {
        "coder": opinion.name,
        "said": opinion.said,
        "passages": [list(passage) for passage in opinion.passages],
        "note": opinion.note,
    }
