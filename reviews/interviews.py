"""What is said of one interview: by the machine, by people and by rulings, for who may see it all.

A line is one code of one segment (of a `one` dimension or a scale: the whole dimension) that
somebody gave, could not tell, or that is ruled on. Trainings are not shown: they enter no figure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Q

from codebooks.models import Code, Dimension, Kind, Revision
from coding.models import Answer, Coding, CodingKind, Evidence, Mark, Run, State, Work
from reviews.models import Purpose, Ruling
from reviews.questions import Codes, codes_of, marks_on, said_of
from studies.models import Segment, Transcript

KINDS = (CodingKind.BLIND, CodingKind.ASSISTED)
Place = tuple[int, str, str | None]
"""A segment, a dimension and a code; None for a whole dimension."""


@dataclass(frozen=True)
class Saying:
    """What one coder says of it, with their evidence; `said` is as in `questions.said_of`.

    `kind` tells blind codings of people from second looks; a machine's are blind.
    """

    name: str
    machine: bool
    kind: str
    said: str | float | None
    evidence: tuple[Evidence, ...]
    confidence: float | None
    why: str


@dataclass(frozen=True)
class Ruled:
    """What is ruled, by whom and why; `said` is as a coder's."""

    said: str | float | None
    by: str
    why: str


@dataclass(frozen=True)
class Line:
    """All that is said of one code, or of one dimension (code None), of a segment."""

    dimension: Dimension
    code: Code | None
    sayings: tuple[Saying, ...]
    ruled: Ruled | None


@dataclass(frozen=True)
class Part:
    """What is said of one segment, who coded it, and the dimensions in which nobody found anything.

    `work` is what became of it in the run, where it was not coded: its state and the reason.
    """

    segment: Segment
    lines: tuple[Line, ...]
    coders: tuple[str, ...]
    nothing: tuple[Dimension, ...]
    work: Work | None


def runs_of(transcript: Transcript) -> list[Run]:
    """Return the runs that have to do with an interview, the latest first; no replicates."""
    study = transcript.study
    there = Q(work__segment__transcript=transcript) | Q(codings__segment__transcript=transcript)
    return list(study.runs.filter(there, replicate=0).order_by("-pk").distinct())


def parts_of(transcript: Transcript, revision: Revision, run: Run | None) -> list[Part]:
    """Return what `run` and people say of each segment in the words of `revision`."""
    names = dict(transcript.study.memberships.values_list("person_id", "name"))
    found = (
        Coding.objects.filter(segment__transcript=transcript, revision=revision, kind__in=KINDS)
        .filter(Q(run=run) | Q(run=None) if run else Q(run=None))
        .select_related("run", "person")
        .prefetch_related("marks__code", "marks__evidence")
    )
    by_segment: dict[int, list[Coding]] = {}
    # The machine first, then people by name; a second look stands behind the blind one.
    for coding in sorted(
        found, key=lambda one: (one.run is None, _name(one, names), one.kind != CodingKind.BLIND)
    ):
        by_segment.setdefault(coding.segment_id, []).append(coding)
    codes = codes_of(revision)
    rulings = _rulings(transcript, revision, names)
    undone = Work.objects.filter(run=run, segment__transcript=transcript).exclude(state=State.DONE)
    work = {row.segment_id: row for row in undone} if run else {}
    return [
        _part(segment, by_segment.get(segment.pk, []), codes, rulings, names, work)
        for segment in transcript.segments.order_by("index")
    ]


def _part(
    segment: Segment,
    codings: list[Coding],
    codes: Codes,
    rulings: Mapping[Place, Ruled],
    names: Mapping[int, str],
    work: Mapping[int, Work],
) -> Part:
    lines, nothing = [], []
    for key, (dimension, known) in codes.items():
        places = list(known.values()) if dimension.kind == Kind.MANY else [None]
        here = []
        for code in places:
            sayings = tuple(_sayings(codings, dimension, code, names))
            ruled = rulings.get((segment.pk, key, code.key if code else None))
            if ruled or any(one.said not in (None, "", Answer.NO.value) for one in sayings):
                here.append(Line(dimension, code, sayings, ruled))
        lines += here
        if codings and not here:
            nothing.append(dimension)
    return Part(
        segment,
        tuple(lines),
        tuple(_name(coding, names) for coding in codings),
        tuple(nothing),
        work.get(segment.pk),
    )


def _sayings(
    codings: Iterable[Coding], dimension: Dimension, code: Code | None, names: Mapping[int, str]
) -> Iterable[Saying]:
    for coding in codings:
        marks = marks_on(coding, dimension, code)
        said = said_of(dimension, marks, dimension.key in coding.dimensions)
        if said is None:
            continue
        yield Saying(
            name=_name(coding, names),
            machine=coding.run_id is not None,
            kind=coding.kind,
            said=said,
            evidence=tuple(_evidence(marks)),
            confidence=next((one.confidence for one in marks if one.confidence is not None), None),
            why=" ".join(mark.rationale for mark in marks if mark.rationale),
        )


def _evidence(marks: Iterable[Mark]) -> list[Evidence]:
    """Return the evidence of `marks`, in the order of the text; what is not found comes last."""
    return sorted(
        (one for mark in marks for one in mark.evidence.all()),
        key=lambda one: (one.start is None, one.start or 0, one.end or 0, one.pk),
    )


def _name(coding: Coding, names: Mapping[int, str]) -> str:
    if coding.run is not None:
        return coding.run.name
    assert coding.person is not None  # noqa: S101  by a run or a person
    return names.get(coding.person.pk, coding.person.get_username())


def _rulings(
    transcript: Transcript, revision: Revision, names: Mapping[int, str]
) -> dict[Place, Ruled]:
    """Return what is ruled of the interview's segments; of a dimension that is not `many`, once."""
    rows = (
        Ruling.objects.filter(
            item__segment__transcript=transcript,
            item__sample__revision=revision,
            item__sample__purpose=Purpose.REVIEW,
        )
        .select_related("item", "code__dimension", "by")
        .order_by("ruled_at", "pk")
    )
    found: dict[Place, Ruled] = {}
    for row in rows:
        dimension = row.code.dimension
        many = dimension.kind == Kind.MANY
        place = (row.item.segment_id, dimension.key, row.code.key if many else None)
        said: str | float | None
        if row.applies is None:
            said = Answer.UNSURE.value
        elif many:
            said = Answer.YES.value if row.applies else Answer.NO.value
        elif not row.applies:
            said = ""
        else:
            said = row.value if dimension.kind == Kind.SCALE else row.code.key
        # Of the codes of a `one` dimension each has a row: the one that holds tells it.
        if many or place not in found or row.applies is not False:
            by = names.get(row.by_id, row.by.get_username())
            found[place] = Ruled(said, by, row.why)
    return found
