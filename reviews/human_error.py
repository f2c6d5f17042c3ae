"""What if people err? Rows of the nested estimate, and of a table of assumed error rates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reviews.prevalence import PrevalenceRow, Strata
from reviews.stats.arrays import Floats, Ints, totals
from reviews.stats.cells import add_up, answered_inclusion, solve
from reviews.stats.nested import if_people_err, nested
from reviews.tables import NOT_KNOWN, Drawn, Table

MISSED = (0.0, 0.05, 0.1, 0.2)
INVENTED = (0.0, 0.005, 0.01, 0.02)
"""Error rates of people that the sensitivity table assumes."""


@dataclass(frozen=True)
class HumanErrorRow:
    """A code's share if people overlooked `missed` of the true cases and saw `invented` of others.

    Nobody measured these rates here: it is a what-if. `estimate`, `low` and `high` are the
    corrected share and its limits turned by them.
    """

    dimension: str
    code: str | None
    missed: float
    invented: float
    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class NestedRow:
    """A code's share where single codings are themselves corrected; see `stats.nested.Nested`.

    `missed` and `invented` are of single codings, as what was settled after two of them shows.
    """

    dimension: str
    code: str
    settled: int
    missed: float
    invented: float
    estimate: float
    low: float
    high: float
    status: str


def human_error_rows(rows: Sequence[PrevalenceRow]) -> list[HumanErrorRow]:
    """Return the sensitivity of every corrected share, over all segments."""
    return [
        HumanErrorRow(
            row.dimension,
            row.code,
            missed,
            invented,
            *if_people_err(row.corrected, row.low, row.high, missed, invented),
        )
        for row in rows
        if not row.domain
        and row.quantity == "share"
        and row.reviewed
        and row.method in ("cells", "hajek")
        for missed in MISSED
        for invented in INVENTED
    ]


def nested_rows(table: Table, strata: Strata) -> list[NestedRow]:
    """Return the nested estimate of every code of `many` dimensions and of `one`, if any was ruled.

    Settled are segments on which two coders agree, and those that were ruled on, which stand for
    the disagreements that nobody ruled on as well. The reference of phase one is the mean of the
    blind codings, whatever was ruled.
    """
    drawn, rulings = table.drawn, table.rulings
    if drawn is None or rulings is None:
        return []
    people = table.compared
    people = people.rows(np.isin(people.unit, drawn.unit))
    if not len(people.unit):
        return []
    applies, looked = people.counts()
    place = np.searchsorted(drawn.unit, people.units)
    rows = []
    for column, (question, code) in enumerate(table.guide.codes):
        yes, n = applies[:, column], looked[:, column]
        y = np.full(len(drawn.unit), np.nan)
        y[place[n > 0]] = (yes / np.maximum(n, 1))[n > 0]
        ruled = rulings.labels[place, column]
        agreed = (n >= 2) & ((yes == 0) | (yes == n))
        settled = (n >= 2) & (agreed | ~np.isnan(ruled))
        truth = np.where(~np.isnan(ruled), ruled, (yes > 0).astype(np.float64))
        label = table.machine.labels[drawn.unit, column].astype(np.int64) + 1
        weight, q, effective = _single(table, drawn, strata, y, label, column)
        said, held = np.zeros((3, 2)), np.zeros((3, 2))
        of = label[place][settled]
        share = (yes / np.maximum(n, 1))[settled]
        weighs = np.ones(of.size)
        apart = ~agreed[settled]
        disagreed = int(((n >= 2) & ~agreed).sum())
        if disagreed and not apart.any():
            settled[:] = False  # agreement alone would make people look as if they never erred
            of, share, weighs = of[:0], share[:0], weighs[:0]
        elif disagreed:
            weighs[apart] = disagreed / apart.sum()
        for answer, part in ((0, (1 - share) * weighs), (1, share * weighs)):
            said[:, answer] = np.bincount(of, part, 3)
            held[:, answer] = np.bincount(of, part * truth[settled], 3)
        found = nested(weight, q, effective, said, held, int(settled.sum()))
        rows.append(
            NestedRow(
                question.key,
                code.key,
                found.settled,
                found.missed,
                found.invented,
                found.estimate,
                found.low,
                found.high,
                found.status,
            )
        )
    return rows


def _single(
    table: Table, drawn: Drawn, strata: Strata, y: Floats, label: Ints, column: int
) -> tuple[Floats, Floats, Floats]:
    """Return, per machine label (not coded, no, yes), its share, that of single codings, and n."""
    answered = ~np.isnan(y)[:, None]
    response = strata.of_unit[drawn.unit, None].astype(np.int64) * 3 + label[:, None]
    pi = answered_inclusion(response, drawn.inclusion, answered)
    sums = add_up(label[:, None], 3, pi, y[:, None, None])
    said = table.machine.labels[:, column].astype(np.int64) - NOT_KNOWN
    size = totals(said, np.ones(said.size), 3)
    found = solve(size, sums)
    return size / size.sum(), found.p[:, 0], found.n_effective[:, 0]
