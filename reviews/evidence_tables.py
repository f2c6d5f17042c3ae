"""From rows to arrays, what lies behind marks: quotations, passages, stated confidence.

Axes and kinds of arrays are those of `tables`.
"""

from dataclasses import dataclass

import numpy as np
from django.db.models import Count, QuerySet

from codebooks.models import Revision
from coding.models import Answer, Coding, CodingKind, Found, Mark, Run
from reviews.tables import Floats, Guide, Ints, Table, Units, integers
from studies.models import Study


@dataclass(frozen=True)
class Quotations:
    """How quotations were found, counted by language: languages × `found`.

    `without` counts, by language, the marks that came without any quotation. `of_codes` and
    `without_of_codes` count the same by code, in the order of the codebook (scales among them).
    """

    counts: Ints
    found: tuple[str, ...]
    without: Ints
    of_codes: Ints
    without_of_codes: Ints


@dataclass(frozen=True)
class Passages:
    """The passages that coders marked, a row a passage, and where coded units start and end.

    `coder` is a position among the people, -1 for the machine; `column` that of the code's label;
    `bounds` are units × 2, for those that people coded (in the order of `People.units`).
    """

    unit: Ints
    coder: Ints
    column: Ints
    start: Ints
    end: Ints
    bounds: Ints


def load_quotations(run: Run, units: Units, guide: Guide) -> Quotations:
    """Return how the quotations behind the marks of `run` were found, by language and code."""
    return _quotations(Mark.objects.filter(coding__run=run), units, guide)


def load_peoples_quotations(
    study: Study, revision: Revision, units: Units, guide: Guide
) -> Quotations:
    """Return how the passages behind people's marks were found, by language and code."""
    return _quotations(_marks_by_people(study, revision), units, guide)


def _marks_by_people(study: Study, revision: Revision) -> QuerySet[Mark]:
    return Mark.objects.filter(
        coding__person__isnull=False,
        coding__kind=CodingKind.BLIND,
        coding__revision=revision,
        coding__segment__transcript__study=study,
    )


def _quotations(marks: QuerySet[Mark], units: Units, guide: Guide) -> Quotations:
    found = tuple(Found.values)
    places = {name: place for place, name in enumerate(found)}
    quoted = marks.filter(evidence__isnull=False).order_by()
    counted = quoted.values_list("coding__segment_id", "evidence__found").annotate(
        count=Count("evidence__pk")
    )
    said = integers(
        ((segment, places[name], count) for segment, name, count in counted.iterator()), 3
    )
    counts = np.zeros((len(units.languages), len(found)), np.int64)
    np.add.at(counts, (units.language[units.at(said[:, 0])], said[:, 1]), said[:, 2])
    bare = marks.filter(evidence=None, answer=Answer.YES).order_by()
    segments = integers(bare.values_list("coding__segment_id"), 1)[:, 0]
    without = np.bincount(units.language[units.at(segments)], minlength=len(units.languages))
    row_of = {code.id: row for row, code in enumerate(guide.everything)}
    of_codes = np.zeros((len(row_of), len(found)), np.int64)
    by_code = quoted.values_list("code_id", "evidence__found")
    for code, name, count in by_code.annotate(count=Count("evidence__pk")):
        if code in row_of:
            of_codes[row_of[code], places[name]] = count
    without_of_codes = np.zeros(len(row_of), np.int64)
    for code, count in bare.values_list("code_id").annotate(count=Count("pk")):
        if code in row_of:
            without_of_codes[row_of[code]] = count
    return Quotations(counts, found, without, of_codes, without_of_codes)


def load_passages(study: Study, revision: Revision, run: Run | None, table: Table) -> Passages:
    """Return the passages that people marked, and the machine in what people coded."""
    people, units, guide = table.people, table.units, table.guide
    person = {pk: place for place, pk in enumerate(people.persons)}
    column = {code.id: place for place, (_, code) in enumerate(guide.codes)}
    places = (
        "coding__segment_id",
        "coding__person_id",
        "code_id",
        "evidence__start",
        "evidence__end",
    )
    there = {"evidence__found__in": [Found.EXACT, Found.FOLDED, Found.FUZZY], "answer": Answer.YES}
    marked = _marks_by_people(study, revision).filter(**there, code__in=list(column))
    found = [
        (segment, person[who], column[code], start, end)
        for segment, who, code, start, end in marked.values_list(*places).iterator()
    ]
    bounds = np.zeros((len(people.units), 2), np.int64)
    if found:
        coded = Coding.objects.by_people().filter(
            revision=revision, segment__transcript__study=study
        )
        ends = integers(
            coded.order_by().values_list("segment_id", "segment__start", "segment__end").distinct(),
            3,
        )
        bounds[np.searchsorted(people.units, units.at(ends[:, 0]))] = ends[:, 1:]
    if found and run is not None:
        said = Mark.objects.filter(coding__run=run, code__in=list(column), **there)
        by_people = Coding.objects.by_people().filter(revision=revision).values("segment")
        found += [
            (segment, -1, column[code], start, end)
            for segment, _who, code, start, end in said.filter(coding__segment__in=by_people)
            .values_list(*places)
            .iterator()
        ]
    rows = np.array(found, dtype=np.int64).reshape(-1, 5)
    order = np.lexsort(rows.T[::-1])
    segment, who, code, start, end = rows[order].T
    return Passages(units.at(segment), who, code, start, end, bounds)


def load_confidence(run: Run | None, table: Table, unit: Ints) -> Floats:
    """Return how sure the machine said it was of the codes it applied, `unit` × K; else NaN."""
    guide, units = table.guide, table.units
    found = np.full((len(unit), guide.width), np.nan)
    if run is None or not len(unit):
        return found
    marks = Mark.objects.filter(coding__run=run, confidence__isnull=False, answer=Answer.YES)
    if table.drawn is not None and table.drawn.sample is not None:
        marks = marks.filter(coding__segment__items__sample__in=table.drawn.rounds)
    column = {code.id: place for place, (_, code) in enumerate(guide.codes)}
    rows = np.full(len(units), -1)
    rows[unit] = np.arange(len(unit))
    said = np.fromiter(
        marks.values_list("coding__segment_id", "code_id", "confidence").iterator(10_000),
        dtype=[("segment", np.int64), ("code", np.int64), ("confidence", np.float64)],
    )
    at = rows[units.at(said["segment"])]
    place = np.array([column.get(int(code), -1) for code in said["code"]], dtype=np.int64)
    kept = (at >= 0) & (place >= 0)
    found[at[kept], place[kept]] = said["confidence"][kept]
    return found
