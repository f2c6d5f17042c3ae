"""What a statistician needs elsewhere: design, weights, cells and pseudo-outcomes, with recipes.

`design.csv` has a row for every reviewed segment and code: inclusion probability, weight, stratum,
machine label, the cell it was estimated in and what people said (between 0 and 1 where coders
disagree and nobody ruled). `cells.csv` has the population of every cell. The recipes in R and
Python compute the corrected share and its interval from these two alone. `pseudo.csv` has a row for
every segment and the DSL pseudo-outcome of every code: the left side of a regression elsewhere.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from codebooks.models import Kind
from coding.models import Run
from reviews.models import Sample
from reviews.named import as_text
from reviews.prevalence import design_strata, pseudo_outcomes_of
from reviews.reports import Report, report
from reviews.rows import no_formula
from reviews.stats.arrays import Bools, Floats, Ints, totals
from reviews.stats.cells import answered_inclusion, count_cells, post_stratify
from reviews.tables import NOT_KNOWN, Table, attribute_names, headings, load_table
from studies.models import Segment, Study
from studies.problems import Problem, _

RECIPES = Path(__file__).resolve().parent / "recipes"
NAMES = ("design.csv", "cells.csv", "pseudo.csv", "recipe.R", "recipe.py", "README.md")
DESIGN = [
    "transcript",
    "segment",
    "dimension",
    "code",
    "stratum",
    "machine",
    "cell",
    "inclusion",
    "weight",
    "applies",
]
CELLS = ["dimension", "code", "cell", "machine", "population", "reviewed"]


def write_weights(study: Study, file: IO[bytes]) -> Report:
    """Write the archive of `study` to `file` and return the report whose figures it gives."""
    made = report(study)
    if made.sample is None or not made.sample.reviewed:
        raise Problem(_("Nothing was reviewed yet, so there are no weights to export."))
    sample = Sample.objects.get(pk=made.sample.id)
    run = Run.objects.get(pk=made.run.id) if made.run else None
    table = load_table(study, sample.revision, run, sample)
    design, cells = io.StringIO(newline=""), io.StringIO(newline="")
    write_design(table, sample, design, cells)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("design.csv", design.getvalue())
        archive.writestr("cells.csv", cells.getvalue())
        with archive.open("pseudo.csv", "w", force_zip64=True) as raw:
            lines = io.TextIOWrapper(raw, "utf-8", newline="")
            csv.writer(lines).writerows(pseudo_rows(table, sample, made.seed))
            lines.flush()
            lines.detach()
        for name in ("recipe.R", "recipe.py", "README.md"):
            archive.writestr(name, (RECIPES / name).read_text("utf-8"))
    return made


def write_design(table: Table, sample: Sample, design: IO[str], cells: IO[str]) -> None:
    """Write the rows of `design.csv` and of `cells.csv`."""
    drawn, reference = table.drawn, table.reference
    if drawn is None or reference is None:
        raise Problem(_("Nothing was reviewed yet, so there are no weights to export."))
    strata = design_strata(sample, table)
    named = _named(table, drawn.unit)
    said, known = csv.writer(design), csv.writer(cells)
    said.writerow(DESIGN)
    known.writerow(CELLS)
    stratum = strata.of_unit[drawn.unit]
    for question in table.guide.labelled:
        one = question.kind == Kind.ONE
        for place, code in enumerate(question.codes):
            if one:
                category = table.machine.categories(question)
                machine = np.where(np.isnan(category), NOT_KNOWN, category).astype(np.int64)
                y, labels = reference.categories[question.key][:, place], len(question.codes) + 1
            else:
                machine = table.machine.labels[:, question.first + place].astype(np.int64)
                y, labels = reference.labels[:, question.first + place], 2
            cell, label, size, pi, answered = _cells(
                machine, labels, strata.of_unit, drawn.unit, drawn.inclusion, y, one
            )
            names = [*(c.key for c in question.codes), "none applies"] if one else ["0", "1"]

            def label_name(number: int, names: Sequence[str] = tuple(names)) -> str:
                return "not coded" if number < 0 else names[number]

            reviewed = np.bincount(cell[answered], minlength=size.size)
            for group in range(size.size):
                known.writerow(
                    (
                        question.key,
                        code.key,
                        group,
                        label_name(int(label[group])),
                        int(size[group]),
                        int(reviewed[group]),
                    )
                )
            for at in np.flatnonzero(answered):
                said.writerow(
                    (
                        *named[at],
                        question.key,
                        code.key,
                        strata.names[stratum[at]],
                        label_name(int(machine[drawn.unit[at]])),
                        int(cell[at]),
                        repr(float(pi[at])),
                        repr(float(1 / pi[at])),
                        repr(float(y[at])),
                    )
                )


def pseudo_rows(table: Table, sample: Sample, seed: int) -> Iterator[Sequence[object]]:
    """Yield the head and the rows of `pseudo.csv`, the codes of `many` dimensions in order."""
    strata = design_strata(sample, table)
    codes, psi = pseudo_outcomes_of(table, strata, seed)
    names = list(attribute_names(sample.study))
    first = ["transcript", "segment", "language"]
    last = [f"{dimension}/{code}" for dimension, code in codes]
    yield [*first, *headings(names, {*first, *last}), *last]
    segments = Segment.objects.filter(transcript__study=sample.study).order_by("pk")
    rows = segments.values_list(
        "transcript__external_id",
        "index",
        "transcript__language",
        "transcript__participant__attributes",
    ).iterator(chunk_size=10_000)
    # Units stand in the order of their keys, as these rows do.
    for (transcript, index, language, attributes), outcomes in zip(rows, psi, strict=True):
        yield [
            no_formula(transcript),
            index,
            language,
            *(no_formula(as_text(attributes.get(name, ""))) for name in names),
            *(repr(float(value)) for value in outcomes),
        ]


def _cells(
    machine: Ints,
    labels: int,
    stratum: Ints,
    drawn: Ints,
    inclusion: Floats,
    y: Floats,
    by_stratum: bool,
) -> tuple[Ints, Ints, Floats, Floats, Bools]:
    """Return the cell of each drawn unit, each cell's label and size, and who was answered with
    what probability: the same cells, merged alike, as the corrected share is made of."""
    answered = ~np.isnan(y)
    said = machine[drawn] + 1
    response = stratum[drawn].astype(np.int64)[:, None] * (labels + 1) + said[:, None]
    pi = answered_inclusion(response, inclusion, answered[:, None])
    cells = count_cells(
        machine[:, None],
        labels,
        stratum,
        np.zeros(machine.size, np.int64),
        1,
        drawn,
        pi,
        y[:, None, None],
        by_stratum,
    )
    shares = post_stratify(cells, 1, np.array([[0.5]]), np.array([1]), by_stratum)
    where = {
        (int(h), int(label)): int(group)
        for h, label, group in zip(cells.stratum, cells.label, shares.group, strict=True)
    }
    places = zip(stratum[drawn].tolist(), machine[drawn].tolist(), strict=True)
    cell = np.array([where[place] for place in places], dtype=np.int64)
    size = totals(shares.group, cells.size, shares.label.size)
    return cell, shares.label, size, pi[:, 0], answered


def _named(table: Table, units: Iterable[int]) -> list[tuple[str, int]]:
    keys = table.units.segment[np.asarray(list(units), dtype=np.int64)].tolist()
    rows = Segment.objects.filter(pk__in=keys).values_list("pk", "transcript__external_id", "index")
    found = {pk: (no_formula(transcript), index) for pk, transcript, index in rows}
    return [found[key] for key in keys]
