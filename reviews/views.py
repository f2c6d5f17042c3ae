"""The blind review page: one address per assignment, so that back, reload and two clicks are safe.

The templates are given a `Question` and what this coder says, never rows that lead further.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from codebooks.models import Kind
from coding.models import Answer
from reviews.models import Assignment, Sample
from reviews.reviewing import (
    Answers,
    Asked,
    Choice,
    Question,
    Said,
    answer,
    assignment_of,
    next_assignment,
    progress,
    question,
    skip,
    worded,
)
from reviews.sampling import current_sample
from studies.access import role_of, study_or_404
from studies.models import Role, Study
from studies.problems import Problem

# Hues that colour-blind people tell apart (Okabe and Ito), dark enough to underline a word with.
HUES = ("#0072B2", "#D55E00", "#009E73", "#B3568A", "#8A6D00", "#3D8FC0", "#5B5B5B", "#7A4FBF")
COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
PASSAGE = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)
KEYS = 10
PREVIOUS = 8
REASONS = 20


@dataclass(frozen=True)
class CodeRow:
    """One code on the page: its words, what is answered so far, and the key that answers it."""

    choice: Choice
    answer: str
    passages: str
    key: str
    initials: str
    color: str


@dataclass(frozen=True)
class Section:
    """One dimension on the page; `none` if it is answered with: none of these, or not expressed."""

    asked: Asked
    codes: tuple[CodeRow, ...]
    none: bool
    left: bool
    value: str


@never_cache
@require_safe
def review(request: HttpRequest, slug: str) -> HttpResponse:
    """Lead a coder to their next interview; show whoever leads or reads how far the sample is."""
    study = study_or_404(request.user, slug)
    sample = current_sample(study)
    person = request.user
    assert isinstance(person, User)  # noqa: S101  LoginRequiredMiddleware lets nobody else in
    role = role_of(person, study)
    if sample and codes(person, role, sample):
        if assignment := next_assignment(sample, person):
            return redirect("review-item", slug, assignment.pk)
        if role == Role.CODER:
            context = {"study": study, "role": role, "earlier": earlier(sample, person)}
            return render(request, "reviews/review_done.html", context)
    context = {
        "study": study,
        "role": role,
        "sample": sample,
        "progress": progress(sample) if sample and role != Role.CODER else None,
        "skipped": skipped(sample) if sample and role != Role.CODER else [],
    }
    return render(request, "reviews/review_progress.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def review_item(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Show one interview to the coder who is asked about it, and keep what they answer."""
    study = study_or_404(request.user, slug)
    person = request.user
    assert isinstance(person, User)  # noqa: S101  LoginRequiredMiddleware lets nobody else in
    assignment = assignment_of(study, pk, person)
    if assignment is None:
        raise Http404(_("There is no such interview to code, or it is not yours."))
    problem, said = "", None
    if request.method == "POST":
        said = said_in(request.POST, worded(assignment.item.sample.revision, "en"))
        try:
            if "skip" in request.POST:
                skip(assignment, request.POST.get("why", ""))
            else:
                answer(assignment, said)
            return redirect("review", slug)
        except Problem as found:
            problem = found.sentence(_)
    asked = question(assignment, get_language() or "en")
    if said:
        asked = replace(asked, answered=said)
    return render(
        request,
        "reviews/review.html",
        page(
            study, role_of(person, study), asked, problem, earlier(assignment.item.sample, person)
        ),
        status=422 if problem else 200,
    )


def skipped(sample: Sample) -> list[tuple[str, int]]:
    """Return why coders skipped, the most frequent reasons first, each with how often."""
    rows = Assignment.objects.filter(item__sample=sample, coding=None).exclude(skipped_because="")
    counts = rows.order_by().values_list("skipped_because").annotate(count=Count("pk"))
    return sorted(counts, key=lambda row: (-row[1], row[0]))[:REASONS]


def codes(person: User, role: Role | None, sample: Sample) -> bool:
    """Return whether `person` codes: coders do, and whoever is asked by name."""
    return (
        role == Role.CODER
        or Assignment.objects.filter(person=person, item__sample=sample, answered_at=None).exists()
    )


def earlier(sample: Sample, person: User) -> list[Assignment]:
    """Return the last interviews that `person` answered, latest first."""
    answered = Assignment.objects.filter(
        person=person, item__sample=sample, answered_at__isnull=False
    )
    return list(answered.order_by("-answered_at", "-pk").only("pk", "answered_at")[:PREVIOUS])


def page(
    study: Study,
    role: Role | None,
    asked: Question,
    problem: str,
    before: list[Assignment],
) -> dict[str, object]:
    """Return what the template is given: the question and this coder's own answers."""
    return {
        "study": study,
        "role": role,
        "question": asked,
        "whole": all(turn.asked for turn in asked.turns),
        "sections": sections(asked),
        "note": asked.answered.note if asked.answered else "",
        "problem": problem,
        "previous": next((one for one in before if one.pk != asked.assignment), None),
    }


def sections(asked: Question) -> list[Section]:
    """Return the codebook as it stands on the page, with what is answered so far."""
    said = asked.answered or Answers()
    found = []
    hue = 0
    for dimension in asked.dimensions:
        own = {one.code: one for one in said.said if one.dimension == dimension.key}
        decided = dimension.key in said.decided
        rows = []
        for place, choice in enumerate(dimension.codes, 1):
            one = own.get(choice.key)
            silent = Answer.NO.value if decided and dimension.kind == Kind.MANY else ""
            rows.append(
                CodeRow(
                    choice=choice,
                    answer=one.answer if one else silent,
                    passages=" ".join(f"{a}-{b}" for a, b in one.passages) if one else "",
                    key=str(place % KEYS) if place <= KEYS else "",
                    initials=initials(choice.label.text),
                    color=choice.color if COLOR.fullmatch(choice.color) else HUES[hue % len(HUES)],
                )
            )
            hue += 1
        found.append(
            Section(
                asked=dimension,
                codes=tuple(rows),
                none=decided and not own,
                left=dimension.key in said.left,
                value=next((number(one.value) for one in own.values()), ""),
            )
        )
    return found


def number(value: float | None) -> str:
    """Return a value as a form field takes it, "" for what is no number.

    >>> number(85.0), number(0.1), number(float("nan"))
    ('85', '0.1', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    return repr(int(value) if value.is_integer() else value)


def initials(label: str) -> str:
    """Return one or two letters that stand for a code in the margin.

    >>> initials("Job loss"), initials("Trust"), initials("不可靠")
    ('JL', 'Tr', '不可')
    """
    words: list[str] = re.findall(r"\w+", label)
    if len(words) > 1:
        return (words[0][0] + words[1][0]).upper()
    return words[0][:2] if words else "?"


def said_in(form: QueryDict, dimensions: Iterable[Asked]) -> Answers:
    """Return what the form says, for the step to check; fields of other questions are not read."""
    said: list[Said] = []
    decided: set[str] = set()
    left: set[str] = set()
    for dimension in dimensions:
        key = dimension.key
        if f"left:{key}" in form:
            left.add(key)
        if dimension.kind == Kind.MANY:
            here = many(form, dimension)
            if here and len(here) == len(dimension.codes):
                decided.add(key)
        elif dimension.kind == Kind.ONE:
            here = one(form, dimension)
            if f"one:{key}" in form:
                decided.add(key)
        else:
            here = on_scale(form, dimension)
            if here or f"none:{key}" in form:
                decided.add(key)
        said += here
    return Answers(
        tuple(said), frozenset(decided - left), frozenset(left), form.get("note", "").strip()
    )


def many(form: QueryDict, dimension: Asked) -> list[Said]:
    """Return what is said of each code; with `rest` what is not answered does not apply."""
    rest = "no" if f"rest:{dimension.key}" in form else ""
    here = [
        (choice.key, form.get(f"code:{dimension.key}:{choice.key}") or rest)
        for choice in dimension.codes
    ]
    return [
        Said(dimension.key, code, said, None, passages(form, dimension, code, said))
        for code, said in here
        if said
    ]


def one(form: QueryDict, dimension: Asked) -> list[Said]:
    code = form.get(f"one:{dimension.key}", "")
    return [Said(dimension.key, code, "yes", None, passages(form, dimension, code))] if code else []


def on_scale(form: QueryDict, dimension: Asked) -> list[Said]:
    given = form.get(f"value:{dimension.key}", "").strip()
    if not given or f"none:{dimension.key}" in form:
        return []
    code = dimension.codes[0].key
    try:
        value = float(given.replace(",", "."))
    except ValueError:
        value = float("nan")  # the step says which values the scale takes
    return [Said(dimension.key, code, "yes", value, passages(form, dimension, code))]


def passages(
    form: QueryDict, dimension: Asked, code: str, said: str = "yes"
) -> tuple[tuple[int, int], ...]:
    """Return the ranges of evidence in the form; a code that does not apply has none."""
    if said == Answer.NO:
        return ()
    given = form.get(f"passages:{dimension.key}:{code}", "")
    return tuple((int(start), int(end)) for start, end in PASSAGE.findall(given))
