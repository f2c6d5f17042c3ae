"""Which of two runs of one revision do people agree with, where both decided the same segments?"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from codebooks.models import Kind
from coding.models import Run
from reviews.changes import both_sides, difference_of
from reviews.matching import Pair, merged_shares
from reviews.models import Sample
from reviews.prevalence import PrevalenceRow, Strata, design_strata, prevalence_rows
from reviews.stats.arrays import Floats, Ints
from reviews.stats.rivals import Rivals, Score, closer, contributions, correlation, rivals
from reviews.stats.testing import benjamini_hochberg, holm
from reviews.tables import (
    Decisions,
    Drawn,
    Question,
    Reference,
    Table,
    coded_by_hand,
    load_development,
    load_reference,
)


@dataclass(frozen=True)
class JudgedRow:
    """Which of two runs people's blind codings agree with; see `Rivals`, on a scale `closer`.

    `corrected` is the share (the mean) that each run leads to, with the difference it makes; the
    intervals of both stand in `corrected_ends`.
    """

    dimension: str
    code: str
    kind: str
    label: str
    color: str
    units: int
    contested: int
    reviewed: int
    both_right: int
    first_right: int
    second_right: int
    none_right: int
    p: float
    exact: float
    holm: float
    bh: float
    scores: dict[str, Score]
    corrected: Score | None
    corrected_ends: tuple[tuple[float, float], tuple[float, float]] | None
    status: str


@dataclass(frozen=True)
class Judges:
    """People as judges of two machines: the stratum and cluster of every unit at hand, which of
    them were drawn and how likely that was, and what people say of those.
    """

    stratum: Ints
    clusters: Ints | None
    drawn: Ints
    inclusion: Floats
    reference: Reference


def judged_rows(
    table: Table,
    before: Run,
    earlier: Decisions,
    pairs: Sequence[Pair],
    sample: Sample | None,
    seed: int,
    replicates: int,
) -> list[JudgedRow]:
    """Return which of two runs of one revision people agree with, code by code.

    `table` has the second run's decisions, `earlier` those of the run `before`. Without a
    probability sample only the segments that people coded count, as if there were no others, and
    no share is corrected.
    """
    drawn, reference = table.drawn, table.reference
    # What either run learned from tells nothing about which of the two is better.
    known = np.union1d(table.development, load_development(before, table.units))
    stratum, at_hand = np.zeros(len(table.units), np.int64), np.arange(len(table.units))
    corrected: dict[tuple[str, str], Any] = {}
    if drawn is not None and reference is not None:
        reference.leave_open(np.isin(drawn.unit, known))
        strata = design_strata(sample, table)
        stratum = strata.of_unit
        corrected = _corrected(table, earlier, strata, drawn, reference, seed, replicates)
    else:
        people = table.people.rows(~np.isin(table.people.unit, known))
        drawn = coded_by_hand(people)
        reference = load_reference(drawn, people, table.guide)
        at_hand = drawn.unit
    clusters = table.units.clusters
    judges = Judges(
        stratum[at_hand],
        None if clusters is None else clusters[at_hand],
        np.searchsorted(at_hand, drawn.unit),
        drawn.inclusion,
        reference,
    )
    one, other = earlier.at(at_hand), table.machine.at(at_hand)
    coded = [pair for pair in pairs if not pair.scale]
    scales = [pair for pair in pairs if pair.scale]
    found = _on_codes(coded, one, other, judges, seed, replicates)
    found += _on_scales(scales, one, other, judges)
    p = np.array([row.mid if row.reviewed else np.nan for row in found])
    adjusted_p = holm(p), benjamini_hochberg(p)
    rows = []
    for at, (pair, row) in enumerate(zip([*coded, *scales], found, strict=True)):
        score, ends = corrected.get((pair.question.key, pair.code), (None, None))
        rows.append(
            JudgedRow(
                **pair.named(),
                units=row.units,
                contested=row.contested,
                reviewed=row.reviewed,
                both_right=row.both_right,
                first_right=row.first_right,
                second_right=row.second_right,
                none_right=row.none_right,
                p=float(p[at]),
                exact=row.exact if row.reviewed else np.nan,
                holm=float(adjusted_p[0][at]),
                bh=float(adjusted_p[1][at]),
                scores=row.scores,
                corrected=score,
                corrected_ends=ends,
                status="no_sample" if table.drawn is None and row.status == "ok" else row.status,
            )
        )
    return rows if any(row.reviewed for row in rows) else []


def _on_codes(
    coded: Sequence[Pair],
    one: Decisions,
    other: Decisions,
    judges: Judges,
    seed: int,
    replicates: int,
) -> list[Rivals]:
    first, second = both_sides(coded, one, other)
    found: list[Rivals] = []
    for place, pair in enumerate(coded):
        name = f"rivals/{pair.question.key}/{pair.code}"
        found += rivals(
            first[:, place, None],
            second[:, place, None],
            judges.stratum,
            judges.drawn,
            judges.inclusion,
            merged_shares(judges.reference.labels, pair.second)[:, None],
            np.random.default_rng([seed, zlib.crc32(name.encode())]),
            clusters=judges.clusters,
            replicates=replicates,
        )
    return found


def _on_scales(
    scales: Sequence[Pair], one: Decisions, other: Decisions, judges: Judges
) -> list[Rivals]:
    return [
        closer(
            one.values[:, pair.first[0]],
            other.values[:, pair.second[0]],
            judges.drawn,
            judges.inclusion,
            judges.reference.values[:, pair.second[0]],
            span=(float(pair.question.minimum or 0), float(pair.question.maximum or 0)),
            clusters=judges.clusters,
        )
        for pair in scales
    ]


def _corrected(
    table: Table,
    earlier: Decisions,
    strata: Strata,
    drawn: Drawn,
    reference: Reference,
    seed: int,
    replicates: int,
) -> dict[tuple[str, str], Any]:
    """Return the shares and means that the report gives with each run, and their difference."""
    tables = replace(table, machine=earlier), table
    reports: list[dict[tuple[str, str | None], PrevalenceRow]] = [
        {
            (row.dimension, row.code): row
            for row in prevalence_rows(one, strata, [], seed, replicates)
        }
        for one in tables
    ]
    found = {}
    for (dimension, code), row in reports[1].items():
        before = reports[0].get((dimension, code))
        if code is None or before is None or np.isnan(row.corrected + before.corrected):
            continue
        question = next(one for one in table.guide.questions if one.key == dimension)
        column = question.first + [one.key for one in question.codes].index(code)
        if question.kind == Kind.SCALE:
            together = 0.0
        else:
            cells = [_cells(one, question, column, strata) for one in tables]
            y = reference.labels[:, column]
            parts = [contributions(cell, drawn.unit, drawn.inclusion, y) for cell in cells]
            together = correlation(parts[0], parts[1], drawn.inclusion)
        one, other = ((made.corrected, made.low, made.high) for made in (before, row))
        found[dimension, code] = (difference_of(one, other, together), (one[1:], other[1:]))
    return found


def _cells(table: Table, question: Question, column: int, strata: Strata) -> Ints:
    """Return the cell of every unit in which prevalence estimates a code."""
    if question.kind == Kind.ONE:
        category = table.machine.categories(question)
        label = np.where(np.isnan(category), -1, category).astype(np.int64) + 1
        return strata.of_unit * (len(question.codes) + 2) + label
    return strata.of_unit * 3 + table.machine.labels[:, column] + 1
