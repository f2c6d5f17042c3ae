"""The review screen's own API: questions to code blind, and what a coder enters, skips and sends.

Everything here is a coder's own. What the machine or others said is in no answer of it until the
coder has sent theirs, and then only where `reviews/second_looks.py` or a training allows it.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import Http404
from django.utils.dateparse import parse_datetime
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from codebooks.models import Revision
from config.api import read
from reviews.assigning import (
    hand_out,
    in_training,
    keep,
    own_progress,
    release,
    show,
    working_samples,
)
from reviews.desk import Unanswerable, desk_of, door, own
from reviews.models import Assignment, Sample, SkipReason
from reviews.questions import question, worded
from reviews.review_json import (
    AnswerRequest,
    DraftRequest,
    FlagRequest,
    NextRequest,
    Several,
    SkipRequest,
    answers_out,
    compared_out,
    digest_of,
    kept_out,
    mine_out,
    question_out,
    translation_out,
    verdict_out,
)
from reviews.reviewing import asked_about, flag, reopen, save_draft, skip, submit, translate
from reviews.second_looks import draft_again, feedback, look_again, second_look
from reviews.translated import offered, read_by
from studies.models import Role, Study
from studies.problems import Problem
from studies.problems import _ as mark

PAGE = 20  # assignments in one look back
# What the steps need of a sample.
DRAWN = [
    *("study", "run", "purpose", "continues", "design", "created_at"),
    *(f"revision__{name}" for name in ("digest", "created_at", "frozen_at")),
]


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
                "dimensions": [asdict(one) for one in worded(revision, known_language(language))],
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
    language = reading()
    found = asked_about(keys, desk.person, drawn)
    transcripts = [row.item.segment.transcript for row in found]
    translated = offered(transcripts, (*desk.reads, language))
    position = done + len(have) + 1
    return Response(
        {
            "questions": [
                question_out(
                    row,
                    question(
                        row,
                        language,
                        (min(position + at, of), of),
                        row.item.segment.transcript_id in translated,
                    ),
                )
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
    return Response(question_out(row, question(row, reading())))


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
    version = save_draft(row, *draft_in(request))
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
def translated(request: Request, slug: str, pk: int) -> Response:
    """A translation of the interview for who does not read its language; that it was had is kept.

    It is in no question, and nothing of it is evidence.
    """
    row = own(request, slug, pk)
    given = translate(row, read_by(row.person_id, row.item.sample.study, reading()))
    if given is None:
        raise Http404
    return Response(translation_out(row, given))


@extend_schema(request=None, responses={200: dict})
@door("POST")
def reopened(request: Request, slug: str, pk: int) -> Response:
    """Take up again what was answered or skipped."""
    row = reopen(own(request, slug, pk))
    return Response(question_out(row, question(row, reading())))


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
            "draft": row.second_draft,
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


@extend_schema(request=DraftRequest, responses={200: dict})
@door("PUT")
def second_draft(request: Request, slug: str, pk: int) -> Response:
    """Keep what is entered in a second look and not sent; nothing blind is touched by it."""
    row = own(request, slug, pk)
    version = draft_again(row, *draft_in(request))
    if version is None:
        raise Http404
    return Response({"version": version})


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


def known_language(language: str) -> str:
    """Return `language` if it is one, so that nonsense does not fill the cache of words."""
    return language if len(language) <= 35 and language.replace("-", "").isalnum() else "en"


def reading() -> str:
    """Return the language that this person reads."""
    return known_language(get_language() or "en")


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


def draft_in(request: Request) -> tuple[dict[str, Any] | None, int]:
    """Return the draft that was sent, and the version it was made from."""
    asked = read(DraftRequest, request.data)
    if not isinstance(asked["draft"], dict | None):
        raise Problem(mark("A draft is an object, or nothing."))
    return asked["draft"], asked["version"]
