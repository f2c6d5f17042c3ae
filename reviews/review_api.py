"""The review screen's own API: questions to code blind, and what a coder enters, skips and sends.

Everything here is a coder's own. What the machine or others said is in no answer of it until the
coder has sent theirs, and then only where `reviews/second_looks.py` or a training allows it.
What is refused is refused in one sentence and a code (see `refusal`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import Http404
from django.utils.dateparse import parse_datetime
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import exceptions, serializers, status
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from codebooks.models import Revision
from reviews.assigning import (
    hand_out,
    in_training,
    keep,
    own_progress,
    release,
    show,
    working_samples,
)
from reviews.models import Assignment, Purpose, Sample, SkipReason
from reviews.questions import Answers, Asked, Question, Range, Said, question, worded
from reviews.reviewing import (
    Conflict,
    Gone,
    Kept,
    Settled,
    as_data,
    asked_about,
    flag,
    own_answers,
    reopen,
    save_draft,
    skip,
    skip_reason,
    submit,
)
from reviews.second_looks import Verdict, feedback, has_second_look, look_again, second_look
from reviews.training import Compared
from studies.access import role_of, study_or_404
from studies.models import Membership, Role, Study
from studies.problems import Problem
from studies.problems import _ as mark

PAGE = 20  # assignments in one look back
MOST_KEYS = 50  # assignments in one request
MOST_SAID = 2_000  # codes in one answer
MOST_PASSAGES = 200  # for one code
LARGEST = 2**31 - 1
# What the steps need of an assignment and around it; the text of the interview is not among it.
DRAWN = [
    *("study", "run", "purpose", "continues", "design", "created_at"),
    *(f"revision__{name}" for name in ("digest", "created_at", "frozen_at")),
]
OWN = [
    *(field.attname for field in Assignment._meta.concrete_fields),
    *(f"item__{name}" for name in ("segment", "sample", "assisted", "coders_wanted", "taken")),
    *(f"item__sample__{name}" for name in ("study", "revision", "run", "purpose", "design")),
    *(f"item__sample__study__{name}" for name in ("slug", "speaker_roles", "evidence_required")),
    *(f"item__sample__revision__{name}" for name in ("digest", "created_at", "frozen_at")),
    *(f"item__segment__{name}" for name in ("start", "end")),
    *(f"item__segment__transcript__{name}" for name in ("external_id", "language", "turns")),
    "item__segment__transcript__study",
]


@dataclass(frozen=True)
class Desk:
    """Who is at work in which study, and what they read there."""

    study: Study
    person: User
    role: Role | None
    reads: tuple[str, ...]


class Unanswerable(exceptions.APIException):
    """The seat is somebody else's by now."""

    status_code = status.HTTP_410_GONE
    default_code = "gone"


class NextRequest(serializers.Serializer[Any]):
    have = serializers.ListField(
        child=serializers.IntegerField(min_value=1), default=list, max_length=MOST_KEYS
    )
    want = serializers.IntegerField(min_value=1, max_value=3, default=1)


class Several(serializers.Serializer[Any]):
    assignments = serializers.ListField(
        child=serializers.IntegerField(min_value=1), max_length=MOST_KEYS
    )


class DraftRequest(serializers.Serializer[Any]):
    version = serializers.IntegerField(min_value=0, max_value=LARGEST)
    draft = serializers.JSONField(allow_null=True)


class SaidRequest(serializers.Serializer[Any]):
    dimension = serializers.CharField()
    code = serializers.CharField()
    answer = serializers.CharField(default="yes")
    value = serializers.FloatField(required=False, allow_null=True)
    passages = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        required=False,
    )


class AnswersRequest(serializers.Serializer[Any]):
    said = SaidRequest(many=True)
    decided = serializers.ListField(child=serializers.CharField())
    left = serializers.ListField(child=serializers.CharField())
    note = serializers.CharField(required=False, allow_blank=True)
    confidence = serializers.IntegerField(required=False, allow_null=True)


@extend_schema_field(AnswersRequest)
class AnswersField(serializers.Field[Answers, Any, Any, Any]):
    """Answers as `answers_in` reads them, in a fraction of a nested serializer's time."""

    def to_internal_value(self, data: Any) -> Answers:
        return answers_in(data)


class AnswerRequest(serializers.Serializer[Any]):
    client_id = serializers.UUIDField()
    version = serializers.IntegerField(min_value=0, max_value=LARGEST)
    seconds = serializers.IntegerField(
        min_value=0, max_value=LARGEST, required=False, allow_null=True
    )
    answers = AnswersField()


class SkipRequest(serializers.Serializer[Any]):
    client_id = serializers.UUIDField()
    why = serializers.CharField(max_length=1_000)
    note = serializers.CharField(max_length=10_000, default="", allow_blank=True)


class FlagRequest(serializers.Serializer[Any]):
    why = serializers.CharField(max_length=1_000, allow_blank=True)


def refusal(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return what a request that can't be done is told: a sentence, and a code to go by.

    400 invalid, 403 not_authenticated or permission_denied, 404 not_found, 409 conflict (with what
    is there now), 410 gone, 423 locked. None leaves it to the server's own page.
    """
    more: dict[str, Any] = {}
    number: int
    if isinstance(error, Conflict):
        row = asked_about([error.assignment.pk])[0]
        more = {
            "version": row.version,
            "draft": row.draft,
            "answered": answers_out(own_answers(row)),
        }
        number, code = status.HTTP_409_CONFLICT, "conflict"
    elif isinstance(error, Settled):
        number, code = status.HTTP_423_LOCKED, "locked"
    elif isinstance(error, Gone):
        number, code = status.HTTP_410_GONE, "gone"
    elif isinstance(error, Http404):
        number, code = status.HTTP_404_NOT_FOUND, "not_found"
    elif isinstance(error, Problem | exceptions.ValidationError | exceptions.ParseError):
        number, code = status.HTTP_400_BAD_REQUEST, "invalid"
    elif isinstance(error, exceptions.APIException):
        number, code = error.status_code, str(error.get_codes())
    else:
        return None
    return Response({"detail": sentence(error), "code": code, **more}, status=number)


def sentence(error: Exception) -> str:
    """Return what is wrong, in one sentence of the reader's language."""
    if isinstance(error, Problem):
        return error.sentence(_)
    if isinstance(error, exceptions.ValidationError):
        place, reason = first_of(error.detail)
        return f"{place}: {reason}" if place else reason
    if isinstance(error, exceptions.APIException):
        return str(error.detail)
    return _("There is no such interview to code, or it is not yours.")


def first_of(detail: Any, place: str = "") -> tuple[str, str]:
    """Return the first of a serializer's complaints, and where it is.

    >>> first_of({"answers": {"note": ["Too long."]}})
    ('answers.note', 'Too long.')
    """
    if isinstance(detail, Mapping) and detail:
        name, inner = next(iter(detail.items()))
        own = "" if name == "non_field_errors" else str(name)
        return first_of(inner, ".".join(filter(None, [place, own])))
    if isinstance(detail, list) and detail:
        return first_of(next((one for one in detail if one), ""), place)
    return place, str(detail)


def door(*methods: str, kept: bool = False) -> Callable[[Callable[..., Response]], Any]:
    """Make a view of the API: signed out it is refused in JSON, since a script can't follow.

    Nothing of it stays in a cache, unless it is `kept` as its own headers say.
    """

    def made(function: Callable[..., Response]) -> Any:
        view = api_view(list(methods))(function)
        view.cls.get_exception_handler = lambda self: refusal  # type: ignore[method-assign]
        return login_not_required(view if kept else never_cache(view))

    return made


def desk_of(request: Request, slug: str) -> Desk:
    """Return who asks and where; strangers and readers are told that there is nothing."""
    person = request.user
    row = Membership.objects.filter(study__slug=slug, person=person.pk).select_related("study")
    role: Role | None
    reads: tuple[str, ...]
    if (member := row.first()) is not None:
        study, role, reads = member.study, Role(member.role), tuple(map(str, member.reads))
    else:
        study = study_or_404(person, slug)
        role, reads = role_of(person, study), ()
    if role == Role.READER:
        raise Http404
    assert isinstance(person, User)  # noqa: S101  nobody else is let in
    return Desk(study, person, role, reads)


def own(request: Request, slug: str, pk: int) -> Assignment:
    """Return the assignment if it is this person's, in this study, and they code in it."""
    person = request.user
    rows = Assignment.objects.filter(pk=pk, person=person.pk, item__sample__study__slug=slug)
    study = "item__sample__study__memberships__"
    member = {f"{study}person": person.pk, f"{study}role__in": [Role.CODER, Role.LEAD]}
    if not person.is_superuser:  # who is a lead everywhere
        rows = rows.filter(**member)
    found = rows.select_related(
        "item__sample__study", "item__sample__revision", "item__segment__transcript"
    ).only(*OWN)
    row = next(iter(found), None)
    if row is None:
        raise Http404
    assert isinstance(person, User)  # noqa: S101  nobody else has an assignment
    row.person = person
    row.item.segment.transcript.study = row.item.sample.study
    return row


def read(kind: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return the body of a request as `kind` reads it."""
    asked = kind(data=data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


@extend_schema(
    parameters=[
        OpenApiParameter("language", description="in whose words, where they are there"),
        OpenApiParameter("digest", description="which codebook, as a question names it"),
    ],
    responses={200: dict},
)
@door("GET", kept=True)
def codebook(request: Request, slug: str) -> Response:
    """The dimensions and codes that are asked about, worded for the coder."""
    desk = desk_of(request, slug)
    language = request.query_params.get("language") or get_language() or "en"
    wanted = request.query_params.get("digest", "")
    revision = named_revision(desk.study, wanted)
    if revision is None:
        last = desk.study.samples.order_by("purpose", "-pk").select_related("revision").first()
        if last is None:
            raise Http404
        revision = last.revision
    tag = f'"{digest_of(revision)}-{language[:35]}-{get_language()}"'
    if request.headers.get("If-None-Match") == tag:
        response = Response(status=status.HTTP_304_NOT_MODIFIED)
    else:
        response = Response(
            {
                "digest": digest_of(revision),
                "language": language[:35],
                "evidence_required": desk.study.evidence_required,
                "skip_reasons": [
                    {"key": reason.value, "label": str(reason.label)} for reason in SkipReason
                ],
                "dimensions": [
                    dimension_out(one) for one in worded(revision, known_language(language))
                ],
            }
        )
    response["ETag"] = tag
    # What has a digest never changes; what is asked for without one may be another tomorrow.
    same = wanted == digest_of(revision)
    response["Cache-Control"] = "private, max-age=86400" if same else "private, no-cache"
    return response


@extend_schema(request=NextRequest, responses={200: dict})
@door("POST")
def next_questions(request: Request, slug: str) -> Response:
    """What is to be coded next, with the questions after it so that nobody waits for them."""
    desk = desk_of(request, slug)
    asked = read(NextRequest, request.data)
    have, want = asked["have"], asked["want"]
    drawn = list(
        Sample.objects.filter(study=desk.study)
        .order_by("pk")
        .select_related("revision")
        .only(*DRAWN)
    )
    for sample in drawn:
        sample.study = desk.study
    # Whoever is in training trains to its end, before anything that counts.
    if training := in_training(drawn, desk.person, want + len(have)):
        first = asked_about(training[:1], desk.person, drawn)[0]
        samples = [first.item.sample]
        keys = [key for key in training if key not in have][:want]
    else:
        samples = working_samples(drawn)
        keys = hand_out(
            samples,
            desk.person,
            want=want,
            have=have,
            reads=desk.reads,
            trained=None if len(drawn) > len(samples) else (),
            pool=desk.role == Role.CODER,
        )
    done, of = own_progress(samples, desk.person, desk.reads)
    language = known_language(get_language() or "en")
    found = asked_about(keys, desk.person, drawn)
    position = done + len(have) + 1
    return Response(
        {
            "questions": [
                question_out(row, question(row, language, (min(position + at, of), of)))
                for at, row in enumerate(found)
            ],
            "progress": {"answered": done, "of": of},
            "evidence_required": desk.study.evidence_required,
        }
    )


@extend_schema(responses={200: dict})
@door("GET")
def one_question(request: Request, slug: str, pk: int) -> Response:
    """One interview of one's own, as it stands."""
    row = asked_about([own(request, slug, pk).pk])[0]
    return Response(question_out(row, question(row, known_language(get_language() or "en"))))


@extend_schema(request=None, responses={200: dict})
@door("POST")
def shown(request: Request, slug: str, pk: int) -> Response:
    """Say that the interview is on the screen now, and keep its seat."""
    row = own(request, slug, pk)
    if not show(row):
        raise Unanswerable(
            _("This interview went to somebody else while it was left: go on with the next one.")
        )
    return Response({"assignment": row.pk, "held_until": row.held_until})


@extend_schema(request=Several, responses={200: dict})
@door("POST")
def held(request: Request, slug: str) -> Response:
    """Keep seats while the page is open; what somebody else has taken meanwhile is lost."""
    desk = desk_of(request, slug)
    kept, lost = keep(desk.study, desk.person, read(Several, request.data)["assignments"])
    until = Assignment.objects.filter(pk__in=kept, held_until__isnull=False)
    first = until.order_by("held_until").values_list("held_until", flat=True).first()
    return Response({"held": kept, "lost": lost, "held_until": first})


@extend_schema(request=Several, responses={200: dict})
@door("POST")
def released(request: Request, slug: str) -> Response:
    """Give seats of the pool back that were not begun, as a page does when it closes."""
    desk = desk_of(request, slug)
    keys = read(Several, request.data)["assignments"]
    return Response({"released": release(desk.study, desk.person, keys)})


@extend_schema(request=DraftRequest, responses={200: dict})
@door("PUT")
def draft(request: Request, slug: str, pk: int) -> Response:
    """Keep what is entered and not sent."""
    row = own(request, slug, pk)
    asked = read(DraftRequest, request.data)
    if not isinstance(asked["draft"], dict | None):
        raise Problem(mark("A draft is an object, or nothing."))
    version = save_draft(row, asked["draft"], asked["version"])
    kept = row.answered_at is not None or show(row)
    until = row.held_until if kept and row.answered_at is None else None
    return Response({"version": version, "held_until": until, "lost": not kept})


@extend_schema(request=AnswerRequest, responses={200: dict})
@door("POST")
def answered(request: Request, slug: str, pk: int) -> Response:
    """Send the answers to one interview; sent again they are known again."""
    row = own(request, slug, pk)
    asked = read(AnswerRequest, request.data)
    sent: Any = request.data
    kept = submit(
        row,
        asked["answers"],
        client_id=asked["client_id"],
        version=asked["version"],
        seconds=asked.get("seconds"),
        draft={"answers": sent["answers"]},
    )
    return Response(kept_out(row, kept))


@extend_schema(request=SkipRequest, responses={200: dict})
@door("POST")
def skipped(request: Request, slug: str, pk: int) -> Response:
    """Pass on one interview, for a reason."""
    row = own(request, slug, pk)
    asked = read(SkipRequest, request.data)
    kept = skip(row, asked["why"], asked["note"], client_id=asked["client_id"])
    return Response(kept_out(row, kept))


@extend_schema(request=FlagRequest, responses={200: dict})
@door("POST")
def flagged(request: Request, slug: str, pk: int) -> Response:
    """Show one interview to the lead, and why; without a why that is taken back."""
    row = own(request, slug, pk)
    return Response(
        {"assignment": row.pk, "flagged": flag(row, read(FlagRequest, request.data)["why"])}
    )


@extend_schema(request=None, responses={200: dict})
@door("POST")
def reopened(request: Request, slug: str, pk: int) -> Response:
    """Take up again what was answered or skipped."""
    row = reopen(own(request, slug, pk))
    return Response(question_out(row, question(row, known_language(get_language() or "en"))))


@extend_schema(
    parameters=[OpenApiParameter("before", description="what `next` said")], responses={200: dict}
)
@door("GET")
def mine(request: Request, slug: str) -> Response:
    """What one has answered and skipped, the latest first."""
    desk = desk_of(request, slug)
    rows = Assignment.objects.filter(
        person=desk.person, item__sample__study=desk.study
    ).select_related("item__sample", "item__segment__transcript")
    rows = rows.defer("item__segment__transcript__text", "item__segment__transcript__turns")
    done = rows.filter(answered_at__isnull=False).order_by("-answered_at", "-pk")
    late: list[Assignment] = []
    if before := request.query_params.get("before", ""):
        moment, number = cursor(before)
        done = done.filter(Q(answered_at__lt=moment) | Q(answered_at=moment, pk__lt=number))
    else:
        left = rows.filter(answered_at=None, returned_at__isnull=False, draft__isnull=False)
        late = list(left.order_by("-returned_at", "-pk")[:PAGE])
    found = list(done[: PAGE + 1])
    last = found[PAGE - 1] if len(found) > PAGE else None
    after = None
    if last and last.answered_at:
        after = f"{last.answered_at:%Y-%m-%dT%H:%M:%S.%fZ}/{last.pk}"
    return Response({"items": [mine_out(row) for row in [*late, *found[:PAGE]]], "next": after})


@extend_schema(methods=["GET"], responses={200: dict})
@extend_schema(methods=["POST"], request=AnswerRequest, responses={200: dict})
@door("GET", "POST")
def second(request: Request, slug: str, pk: int) -> Response:
    """The machine's answer after one's own, where the item allows it; and what one says then."""
    row = own(request, slug, pk)
    if request.method == "POST":
        asked = read(AnswerRequest, request.data)
        kept = look_again(
            row, asked["answers"], client_id=asked["client_id"], version=asked["version"]
        )
        if kept is None:
            raise Http404
        return Response({"assignment": row.pk, "version": kept.version})
    look = second_look(row)
    if look is None:
        raise Http404
    return Response(
        {
            "assignment": row.pk,
            "machine": look.machine,
            "version": row.version,
            "answers": answers_out(look.answers),
            "marks": [
                {
                    "dimension": one.dimension,
                    "code": one.code,
                    **verdict_out("own", one.own),
                    **verdict_out("machine", one.machine),
                    "differs": not one.own.agrees(one.machine),
                    "own_passages": [list(passage) for passage in one.own.passages],
                    "passages": [vars(quoted) for quoted in one.quoted],
                }
                for one in look.codes
            ],
        }
    )


@extend_schema(responses={200: dict})
@door("GET")
def key(request: Request, slug: str, pk: int) -> Response:
    """How one's answers in training compare with the key; from then on they stay as they are."""
    row = own(request, slug, pk)
    compared = feedback(row)
    if compared is None:
        raise Http404
    decided = [one for one in compared if one.alike is not None]
    return Response(
        {
            "assignment": row.pk,
            "marks": [out for one in compared for out in compared_out(one)],
            "agreed": sum(bool(one.alike) for one in decided),
            "of": len(decided),
        }
    )


def named_revision(study: Study, digest: str) -> Revision | None:
    """Return the revision that a question of `study` named."""
    number = digest.partition("-")[0]
    if not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    rows = Revision.objects.filter(pk=int(number), samples__study=study).distinct()
    return next((one for one in rows if digest_of(one) == digest), None)


def digest_of(revision: Revision) -> str:
    return f"{revision.pk}-{revision.digest[:16]}"


def known_language(language: str) -> str:
    """Return `language` if it is one, so that nonsense does not fill the cache of words."""
    return language if len(language) <= 35 and language.replace("-", "").isalnum() else "en"


def cursor(before: str) -> tuple[datetime, int]:
    """Return the place in a list that `before` names."""
    at, _slash, number = before.partition("/")
    try:
        moment = parse_datetime(at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not number.isdecimal() or len(number) > 18:
        raise Problem(mark("This place in the list is not known: begin at the latest."))
    return moment, int(number)


def answers_in(data: Any) -> Answers:
    """Return answers as they were sent, or raise a Problem; the step says whether they fit."""
    if not isinstance(data, dict):
        raise Problem(mark("The answers can’t be read."))
    said = data.get("said", [])
    confidence, note = data.get("confidence"), data.get("note") or ""
    if not isinstance(said, list) or len(said) > MOST_SAID or not isinstance(note, str):
        raise Problem(mark("The answers can’t be read."))
    if confidence is not None and not is_whole(confidence):
        raise Problem(mark("The answers can’t be read."))
    return Answers(
        tuple(said_in(one) for one in said),
        frozenset(names_in(data.get("decided", []))),
        frozenset(names_in(data.get("left", []))),
        note,
        confidence,
    )


def said_in(data: Any) -> Said:
    if not isinstance(data, dict):
        raise Problem(mark("The answers can’t be read."))
    dimension, code, answer = data.get("dimension"), data.get("code"), data.get("answer", "yes")
    value, passages = data.get("value"), data.get("passages") or []
    if (
        not isinstance(dimension, str)
        or not isinstance(code, str)
        or not isinstance(answer, str)
        or not (value is None or (isinstance(value, int | float) and not isinstance(value, bool)))
        or not isinstance(passages, list)
        or len(passages) > MOST_PASSAGES
    ):
        raise Problem(mark("The answers can’t be read."))
    number = None if value is None else float(value) if abs(value) < LARGEST else float("inf")
    return Said(dimension, code, answer, number, tuple(map(passage_in, passages)))


def passage_in(data: Any) -> Range:
    if not isinstance(data, list) or len(data) != 2 or not all(map(is_whole, data)):
        raise Problem(mark("The answers can’t be read."))
    return data[0], data[1]


def names_in(data: Any) -> Iterable[str]:
    if not isinstance(data, list) or not all(isinstance(one, str) for one in data):
        raise Problem(mark("The answers can’t be read."))
    return data


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def answers_out(answers: Answers | None) -> dict[str, Any] | None:
    return None if answers is None else as_data(answers)


def question_out(row: Assignment, asked: Question) -> dict[str, Any]:
    """Return a question as JSON values, without the codebook, which is had once."""
    return {
        "assignment": row.pk,
        "position": asked.position,
        "of": asked.of,
        "language": asked.language,
        "whole": all(turn.asked for turn in asked.turns),
        "turns": [vars(turn) for turn in asked.turns],
        "codebook": digest_of(row.item.sample.revision),
        "purpose": row.item.sample.purpose,
        "version": row.version,
        "draft": row.draft,
        "seconds": row.seconds,
        "answered": answers_out(asked.answered),
        "answered_at": row.answered_at,
        "skipped": skipped_out(row),
        "flagged": row.flagged_because,
        "held_until": row.held_until if row.answered_at is None else None,
        "locked": asked.locked,
        **after_out(row),
    }


def mine_out(row: Assignment) -> dict[str, Any]:
    return {
        "assignment": row.pk,
        "language": row.item.segment.transcript.language,
        "answered_at": row.answered_at,
        "skipped": skipped_out(row),
        "flagged": row.flagged_because,
        "late": row.answered_at is None,
        **after_out(row),
    }


def kept_out(row: Assignment, kept: Kept) -> dict[str, Any]:
    kept.assignment.item = row.item
    return {
        "assignment": row.pk,
        "version": kept.version,
        "answered_at": kept.assignment.answered_at,
        **after_out(kept.assignment),
    }


def after_out(row: Assignment) -> dict[str, bool]:
    """Return what is open to the coder now that their answer is in."""
    training = row.item.sample.purpose == Purpose.TRAINING
    return {
        "second": row.assisted_id is None and has_second_look(row),
        "feedback": training and row.coding_id is not None,
    }


def skipped_out(row: Assignment) -> dict[str, str] | None:
    if not row.skipped_because:
        return None
    why, note = skip_reason(row.skipped_because)
    return {"why": why or SkipReason.OTHER.value, "note": note}


def dimension_out(asked: Asked) -> dict[str, Any]:
    return asdict(asked)


def verdict_out(whose: str, verdict: Verdict) -> dict[str, Any]:
    return {whose: verdict.answer or None, f"{whose}_value": verdict.value}


def compared_out(one: Compared) -> list[dict[str, Any]]:
    """Return a decision beside the key, code by code; a code that neither chose is left out."""
    same = {
        "dimension": one.dimension,
        "agrees": one.alike,
        "why": " ".join(one.why),
        "passages": [list(passage) for passage in one.key_passages],
        "own_passages": [list(passage) for passage in one.own_passages],
    }
    if one.code is not None:
        return [
            {**same, "code": one.code, **said_out("own", one.yours), **said_out("key", one.key)}
        ]
    if one.yours == one.key or one.key is None:
        chosen = [one.yours] if one.yours else []
    else:
        chosen = [code for code in (one.yours, one.key) if code]
    whose = {"own": one.yours, "key": one.key}
    return [
        {
            **same,
            "code": code,
            **{
                name: None if said is None else "yes" if said == code else "no"
                for name, said in whose.items()
            },
            "own_value": None,
            "key_value": None,
        }
        for code in chosen
    ]


def said_out(whose: str, said: str | float | None) -> dict[str, Any]:
    """Return an answer, or a value on a scale, "" being: not expressed."""
    if isinstance(said, float):
        return {whose: "yes", f"{whose}_value": said}
    return {whose: "no" if said == "" else said, f"{whose}_value": None}
