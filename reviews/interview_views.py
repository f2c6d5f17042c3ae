"""The page of one interview: what was said in it, and what the machine and people made of it."""

import json
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from codebooks.models import Kind
from coding.models import CodingKind, Evidence, Found
from reviews.adjudication_views import Names, said_in_words, words
from reviews.interviews import Line, Saying, parts_of, runs_of
from reviews.questions import Turn, Words, side_by_side, turns_of
from reviews.reviewing import keep_that_translated, must_stay_blind
from reviews.sampling import revision_in_use
from reviews.screen import colored, initials
from reviews.translated import choices
from studies.access import role_of, study_or_404
from studies.models import Role, Transcript
from studies.problems import Problem
from studies.words import hit


@dataclass(frozen=True)
class Quoted:
    """Words that somebody points at; `turn` is None where they are not in the interview."""

    words: str
    start: int | None
    end: int | None
    turn: int | None
    remark: str
    translation: str


@dataclass(frozen=True)
class Said:
    """What one coder says, in words."""

    saying: Saying
    words: Words
    quoted: tuple[Quoted, ...]

    @property
    def name(self) -> str:
        """Who says it; which run it is stands above all of them."""
        return _("The machine") if self.saying.machine else self.saying.name

    @property
    def remark(self) -> str:
        """How the coding came about, where it is not simply a person's blind one."""
        return _("second look") if self.saying.kind == CodingKind.ASSISTED else ""


@dataclass(frozen=True)
class Shown:
    """A line as the page shows it; `passages` is what the script marks in the interview."""

    line: Line
    label: Words
    dimension: Words | None
    color: str
    initials: str
    said: tuple[Said, ...]
    ruled: Words | None
    passages: str


@never_cache
@require_safe
def interview(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One interview, turn by turn, and all that is said of it to whoever may see that."""
    study = study_or_404(request.user, slug, Role.LEAD, Role.READER)
    rows = study.transcripts.select_related("participant", "study")
    row = get_object_or_404(rows, pk=pk)
    turns = turns_of(row)
    place = hit(row.text, request.GET.get("text", "")[:300])
    translations, translation = choices(row, request.GET.get("translation", ""))
    person = request.user
    assert isinstance(person, User)  # noqa: S101  LoginRequiredMiddleware lets nobody else in
    context: dict[str, Any] = {
        "study": study,
        "role": role_of(person, study),
        "transcript": row,
        "turns": [
            (turn, parted(turn.words, turn.start, place) if place else (turn.words, "", ""), said)
            for turn, said in side_by_side(turns, translation)
        ],
        "translations": translations,
        "translation": translation,
        "place": place,
        "before": study.transcripts.filter(pk__lt=pk).order_by("-pk").values("pk").first(),
        "after": study.transcripts.filter(pk__gt=pk).order_by("pk").values("pk").first(),
        "blind": must_stay_blind(person, study),
    }
    if translation and context["blind"]:
        keep_that_translated(person, row)
    if not context["blind"]:
        context |= coded(row, request.GET.get("run", ""), turns)
    return render(request, "reviews/interview.html", context)


def coded(row: Transcript, asked: str, turns: tuple[Turn, ...]) -> dict[str, Any]:
    """Return what the page says of the codings; `asked` is the number of a run, "" for the last."""
    runs = runs_of(row)
    run = next((one for one in runs if str(one.pk) == asked), runs[0] if runs else None)
    try:
        revision = run.revision if run else revision_in_use(row.study)
    except Problem:
        return {"parts": []}  # no codebook yet: nobody can have coded
    names = words(revision)
    parts = [part for part in parts_of(row, revision, run) if part.coders or part.work]
    return {
        "runs": runs,
        "run": run,
        "several": row.segments.count() > 1,
        "parts": [
            (
                part,
                [shown(hue, line, names, row, turns) for hue, line in enumerate(part.lines)],
                [names[dimension.key, None] for dimension in part.nothing],
            )
            for part in parts
        ],
    }


def shown(hue: int, line: Line, names: Names, row: Transcript, turns: tuple[Turn, ...]) -> Shown:
    key, kind = line.dimension.key, line.dimension.kind
    label = names[key, line.code.key if line.code else None]
    said = tuple(
        Said(
            one,
            said_in_words(one.said, names, key, kind),
            tuple(quoted(evidence, row, turns) for evidence in one.evidence),
        )
        for one in line.sayings
    )
    ranges = {
        (evidence.start, evidence.end)
        for saying in line.sayings
        for evidence in saying.evidence
        if evidence.start is not None and evidence.found != Found.INTERVIEWER
    }
    return Shown(
        line=line,
        label=label,
        dimension=names[key, None] if kind == Kind.MANY else None,
        color=colored(line.code.color if line.code else "", hue),
        initials=initials(label.text),
        said=said,
        ruled=said_in_words(line.ruled.said, names, key, kind) if line.ruled else None,
        passages=json.dumps(sorted(ranges)),
    )


def quoted(evidence: Evidence, row: Transcript, turns: tuple[Turn, ...]) -> Quoted:
    """Return a quotation, where it stands, and what is to be said about how it was found."""
    fine = evidence.found in (Found.EXACT, Found.FOLDED)
    remark = "" if fine else Found(evidence.found).label
    start, end = evidence.start, evidence.end
    if start is None or end is None:
        return Quoted(evidence.quote, None, None, None, str(remark), evidence.translation)
    turn = next((turn.number for turn in turns if turn.start <= start < turn.end), None)
    text = row.text[start:end]
    return Quoted(text, start, end, turn, str(remark), evidence.translation)


def parted(text: str, start: int, place: tuple[int, int]) -> tuple[str, str, str]:
    """Return `text`, which begins at code point `start`, before, at and after `place`.

    >>> parted("I hope so", 0, (2, 6)), parted("so", 7, (2, 6))
    (('I ', 'hope', ' so'), ('so', '', ''))
    """
    at, until = (min(max(edge - start, 0), len(text)) for edge in place)
    if at >= until:
        return text, "", ""
    return text[:at], text[at:until], text[until:]
