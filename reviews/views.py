"""The blind review page: one address per assignment, so that back, reload and two clicks are safe.

The templates are given a `Question` and what this coder says, never rows that lead further.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from codebooks.models import Kind
from coding.models import Answer
from reviews.assigning import PAGE, show
from reviews.models import Assignment, Purpose, Sample, SkipReason
from reviews.questions import side_by_side
from reviews.review_json import after_out, question_out
from reviews.reviewing import (
    Answers,
    Asked,
    Question,
    Said,
    answer,
    assignment_of,
    flag,
    next_in,
    progress,
    question,
    skip,
    translate,
    waits,
    worded,
)
from reviews.sampling import current_sample
from reviews.screen import OFF, keys_of, recent_places, sections, sentences, set_keys
from reviews.steering import skipped
from reviews.training import own_training
from reviews.translated import read_by
from studies.access import role_of, study_or_404
from studies.models import Membership, Role, Study
from studies.problems import Problem

PASSAGE = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)
PREVIOUS = 8


@never_cache
@require_safe
def review(request: HttpRequest, slug: str) -> HttpResponse:
    """Lead a coder to their next interview; show whoever leads or reads how far the sample is."""
    study = study_or_404(request.user, slug)
    sample = current_sample(study)
    person = request.user
    assert isinstance(person, User)  # noqa: S101  LoginRequiredMiddleware lets nobody else in
    role = role_of(person, study)
    if codes(person, role, study):
        if assignment := next_in(study, person):
            return redirect("review-item", slug, assignment.pk)
        trained = own_training(study, person)
        if role == Role.CODER and (sample or trained):
            context = {
                "study": study,
                "role": role,
                "earlier": earlier(sample, person) if sample else [],
                "training": trained,
            }
            return render(request, "reviews/review_done.html", context)
    context = {
        "study": study,
        "role": role,
        "sample": sample,
        "progress": progress(sample, every_round=True) if sample and role != Role.CODER else None,
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
    if request.method == "POST" and "show" not in request.POST:
        assert said is not None  # noqa: S101  just read
        try:
            if "skip" in request.POST:
                skip(assignment, *reason_in(request.POST))
                return redirect("review", slug)
            assignment.coding = answer(assignment, said)
            flag(assignment, request.POST.get("flagged", ""))
            return redirect(to_look_at(assignment, slug))
        except Problem as found:
            problem = found.sentence(_)
    if request.method == "GET":
        show(assignment, PAGE)
    asked = question(assignment, get_language() or "en")
    answered = asked.answered is not None and not problem
    if said:
        asked = replace(asked, answered=said)
    membership = study.memberships.filter(person=person).first()
    before = earlier(assignment.item.sample, person)
    context = page(study, membership, asked, assignment, problem, before)
    context |= {"answered": answered, "entered": said is not None}
    context |= translated(request.POST, asked, assignment)
    if said and "flagged" in request.POST:
        context["flagged"] = request.POST["flagged"]
    return render(request, "reviews/review.html", context, status=422 if problem else 200)


@require_POST
def review_keys(request: HttpRequest, slug: str) -> JsonResponse:
    """Keep the keys that a person chose for the review page."""
    study = study_or_404(request.user, slug)
    membership = study.memberships.filter(person=request.user.pk).first()
    if membership is None:
        raise Http404(_("There is no such study, or it is not open to you."))
    try:
        kept = set_keys(membership, json.loads(request.body))
    except ValueError:
        return JsonResponse({"detail": _("These keys can’t be read.")}, status=400)
    except Problem as problem:
        return JsonResponse({"detail": problem.sentence(_)}, status=400)
    return JsonResponse({"keys": kept})


def codes(person: User, role: Role | None, study: Study) -> bool:
    """Return whether `person` codes: coders do, and whoever is asked by name."""
    return role == Role.CODER or waits(person, study)


def to_look_at(assignment: Assignment, slug: str) -> str:
    """Return the address after an answer: what there is to look at again, or what comes next."""
    after = after_out(assignment)
    if after["second"]:
        return reverse("review-second", args=[slug, assignment.pk])
    if after["feedback"]:
        return reverse("review-feedback", args=[slug, assignment.pk])
    return reverse("review", args=[slug])


def earlier(sample: Sample, person: User) -> list[Assignment]:
    """Return the last interviews that `person` answered, latest first."""
    answered = Assignment.objects.filter(
        person=person, item__sample=sample, answered_at__isnull=False
    )
    return list(
        answered.order_by("-answered_at", "-pk").only("pk", "answered_at", "skipped_because")[
            :PREVIOUS
        ]
    )


def page(
    study: Study,
    membership: Membership | None,
    asked: Question,
    assignment: Assignment,
    problem: str,
    before: list[Assignment],
) -> dict[str, object]:
    """Return what the template is given: the question and this coder's own answers."""
    said = asked.answered or Answers()
    chosen = membership.keys if membership else {}
    keys = keys_of(chosen)
    previous = next((one for one in before if one.pk != asked.assignment), None)
    slug = study.slug
    texts = sentences()
    training = assignment.item.sample.purpose == Purpose.TRAINING
    return {
        **interview(study, asked, assignment),
        "stage": "blind",
        "badge": texts["stages"]["training" if training else "blind"],
        "training": training,
        "sections": sections(asked),
        "recent": recent_places(asked),
        "note": said.note,
        "confidence": said.confidence,
        "flagged": assignment.flagged_because,
        "problem": problem,
        "previous": previous,
        "reasons": [choice for choice in SkipReason.choices if choice[0] != SkipReason.OTHER],
        "keys": keys,
        "screen": {
            "person": assignment.person_id,
            "question": as_json(asked, assignment),
            "previous": previous.pk if previous else None,
            "evidenceRequired": study.evidence_required,
            "keys": {key.action: key.code for key in keys}
            | ({OFF: "off"} if OFF in chosen else {}),
            "usual": {key.action: key.usual for key in keys},
            "texts": texts,
            "urls": {
                "api": f"/api/studies/{slug}/review/",
                "item": reverse("review-item", args=[slug, 0]),
                "review": reverse("review", args=[slug]),
                "keys": reverse("review-keys", args=[slug]),
                "signIn": f"{reverse('login')}?next={reverse('review', args=[slug])}",
            },
        },
    }


def translated(form: QueryDict, asked: Question, assignment: Assignment) -> dict[str, object]:
    """Return the turns as the page shows them, beside a translation if `form` asks for one.

    A browser with scripts asks the API, so that what is entered stays where it is.
    """
    given = None
    if asked.translation and form.get("show") == "translation":
        read = read_by(assignment.person_id, assignment.item.sample.study)
        given = translate(assignment, read)
    return {"translation": given, "turns": side_by_side(asked.turns, given)}


def interview(study: Study, asked: Question, assignment: Assignment) -> dict[str, object]:
    """Return what every page about an interview that one codes is given."""
    return {
        "study": study,
        "role": role_of(assignment.person, study),
        "question": asked,
        "whole": all(turn.asked for turn in asked.turns),
    }


def as_json(asked: Question, assignment: Assignment) -> dict[str, Any]:
    """Return what the scripts need of the question; its turns and codes stand on the page."""
    known = question_out(assignment, asked)
    del known["turns"]
    return known


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
    sure = form.get("confidence", "")
    return Answers(
        tuple(said),
        frozenset(decided - left),
        frozenset(left),
        form.get("note", "").strip(),
        int(sure) if sure in {"1", "2", "3"} else None,
    )


def reason_in(form: QueryDict) -> tuple[str, str]:
    """Return why the form skips the interview: the reason, and the words where it is another."""
    why = form.get("skip", "")
    if why in SkipReason.values and why != SkipReason.OTHER:
        return why, ""
    return SkipReason.OTHER, form.get("why", "")


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
