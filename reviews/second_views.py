"""Pages after the answer without scripts: the machine’s beside it, or the key of a training.

The rules are those of `reviews/second_looks.py`; with scripts the review screen shows the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from codebooks.models import Kind
from reviews.models import Assignment
from reviews.questions import Answers, Question, Turn, question, worded
from reviews.review_json import answers_in, compared_out
from reviews.reviewing import assignment_of
from reviews.screen import Beside, Quote, number, sections, sentences
from reviews.second_looks import (
    Compared,
    Place,
    SecondLook,
    Verdict,
    feedback,
    look_again,
    second_look,
)
from reviews.views import interview, said_in, translated
from studies.access import study_or_404
from studies.models import Study
from studies.problems import Problem


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Show the machine’s answer beside one’s own, and keep what one says then."""
    study, assignment = asked_or_404(request, slug, pk)
    problem, said = "", None
    if request.method == "POST":
        said = said_in(request.POST, worded(assignment.item.sample.revision, "en"))
    if said and "show" not in request.POST:
        try:
            if look_again(assignment, said) is None:
                raise Http404(nothing())
            return redirect("review", slug)
        except Problem as found:
            problem = found.sentence(_)
    look = second_look(assignment)
    if look is None:
        raise Http404(nothing())
    asked = question(assignment, get_language() or "en")
    texts = sentences()
    count = sum(not one.own.agrees(one.machine) for one in look.codes)
    result = texts["differs" if count else "agrees"] % {"machine": look.machine}
    context = page(
        study,
        assignment,
        asked,
        "second",
        result,
        said or entered(assignment) or look.answers,
        machines(look, asked),
    )
    context |= {"problem": problem, **translated(request.POST, asked, assignment)}
    return render(request, "reviews/review.html", context, status=422 if problem else 200)


@never_cache
@require_safe
def key(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Show how one’s answer in a training compares with the key."""
    study, assignment = asked_or_404(request, slug, pk)
    compared = feedback(assignment)
    if compared is None:
        raise Http404(nothing())
    asked = question(assignment, get_language() or "en")
    decided = [one.alike for one in compared if one.alike is not None]
    result = _("As in the key: %(agreed)s of %(of)s.") % {
        "agreed": sum(decided),
        "of": len(decided),
    }
    marks = [mark for one in compared for mark in compared_out(one)]
    said = asked.answered or Answers()
    context = page(study, assignment, asked, "feedback", result, said, keyed(marks, asked))
    context |= translated(request.GET, asked, assignment)
    return render(request, "reviews/review.html", context)


def entered(assignment: Assignment) -> Answers | None:
    """Return what a browser with scripts kept of this second look, None if nothing."""
    draft = assignment.second_draft or {}
    try:
        return answers_in(draft.get("answers", draft)) if draft else None
    except Problem:
        return None


def asked_or_404(request: HttpRequest, slug: str, pk: int) -> tuple[Study, Assignment]:
    """Return the study and what this person is asked about in it."""
    study = study_or_404(request.user, slug)
    person = request.user
    assert isinstance(person, User)  # noqa: S101  LoginRequiredMiddleware lets nobody else in
    assignment = assignment_of(study, pk, person)
    if assignment is None:
        raise Http404(nothing())
    return study, assignment


def nothing() -> str:
    return _("There is no such interview to code, or it is not yours.")


def page(
    study: Study,
    assignment: Assignment,
    asked: Question,
    stage: str,
    result: str,
    said: Answers,
    beside: Mapping[Place, Beside],
) -> dict[str, object]:
    """Return what the template is given: the interview, `said` in its form, others beside it."""
    return {
        **interview(study, asked, assignment),
        "stage": stage,
        "badge": sentences()["stages"][stage],
        "result": result,
        "sections": sections(replace(asked, answered=said), beside),
        "note": said.note,
        "confidence": said.confidence,
    }


def machines(look: SecondLook, asked: Question) -> dict[Place, Beside]:
    """Return what stands under each code: one’s blind answer, the machine’s and its quotations."""
    scales = scales_of(asked)

    def told(one: Compared, verdict: Verdict) -> str:
        return in_words(verdict.answer, verdict.value, scale=one.dimension in scales)

    return {
        (one.dimension, one.code): Beside(
            said=((_("You"), told(one, one.own)), (_("The machine"), told(one, one.machine))),
            quotes=tuple(
                Quote(quoted.quote, None)
                if quoted.start is None or quoted.end is None
                else quote(asked.turns, quoted.start, quoted.end)
                for quoted in one.quoted
            ),
            left_out=one.own.agrees(one.machine),
        )
        for one in look.codes
    }


def keyed(marks: Sequence[Mapping[str, Any]], asked: Question) -> dict[Place, Beside]:
    """Return what stands under each code that the key knows: what it says, and why."""
    verdicts = {True: _("As in the key"), False: _("Not as in the key"), None: ""}
    scales = scales_of(asked)
    return {
        (one["dimension"], one["code"]): Beside(
            said=(
                (
                    _("The key"),
                    in_words(one["key"] or "", one["key_value"], scale=one["dimension"] in scales),
                ),
            ),
            verdict=verdicts[one["agrees"]],
            differs=one["agrees"] is False,
            why=one["why"],
            quotes=tuple(quote(asked.turns, start, end) for start, end in one["passages"]),
        )
        for one in marks
        if one["key"] is not None or one["key_value"] is not None
    }


def scales_of(asked: Question) -> set[str]:
    return {dimension.key for dimension in asked.dimensions if dimension.kind == Kind.SCALE}


def in_words(answer: str, value: float | None, *, scale: bool = False) -> str:
    """Return an answer as a person reads it; on a scale no means that nothing is expressed."""
    no = _("not expressed") if scale else _("no")
    words = {"yes": _("yes"), "no": no, "unsure": _("unsure")}
    return number(value) or words.get(answer, _("no answer"))


def quote(turns: Sequence[Turn], start: int, end: int) -> Quote:
    """Return the words of a range, and the turn they stand in."""
    for turn in turns:
        if turn.start <= start < end <= turn.end:
            return Quote(turn.words[start - turn.start : end - turn.start], turn.number)
    return Quote("", None)
