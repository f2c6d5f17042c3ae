"""Whoever codes at their desk: who asks the review API, about which interview, what is refused.

What is refused is refused in one sentence and a code (see `refusal`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from rest_framework import exceptions, status
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from reviews.models import Assignment
from reviews.review_json import answers_out
from reviews.reviewing import Conflict, Gone, Settled, asked_about, own_answers
from reviews.second_looks import second_answers
from studies.access import role_of, study_or_404
from studies.models import Membership, Role, Study
from studies.problems import Problem

# What the steps need of an assignment and around it; the text of the interview is not among it.
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


def door(*methods: str, kept: bool = False) -> Callable[[Callable[..., Response]], Any]:
    """Make a view of the API: signed out it is refused in JSON, since a script can't follow.

    So it is where somebody else signed in since: a page of the review says whose it is, and what
    is said on it must not become another person's answer. Nothing of it stays in a cache, unless
    it is `kept` as its own headers say.
    """

    def made(function: Callable[..., Response]) -> Any:
        @wraps(function)
        def theirs(request: Request, *given: Any, **named: Any) -> Response:
            whose = request.headers.get("X-Concord-Person")
            if whose is not None and whose != str(request.user.pk):
                raise exceptions.NotAuthenticated
            return function(request, *given, **named)

        view = api_view(list(methods))(theirs)
        view.cls.get_exception_handler = lambda self: refusal  # type: ignore[method-assign]
        return login_not_required(view if kept else never_cache(view))

    return made


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
            "draft": row.second_draft if error.second else row.draft,
            "answered": answers_out(second_answers(row) if error.second else own_answers(row)),
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
