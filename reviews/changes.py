"""How codes changed between two decisions about the same segments, by the machine and by people.

Rows are paired: the first decision and the second about each segment. What was merged or renamed
in between is compared as one code (see `matching`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reviews.matching import Pair, merged, merged_shares
from reviews.prevalence import Strata
from reviews.stats.arrays import Bools, Floats, Ints
from reviews.stats.paired import compare_labels, compare_values, mover
from reviews.stats.prevalence import Review, code_prevalence
from reviews.stats.rivals import Score, contributions, correlation
from reviews.stats.testing import benjamini_hochberg, holm
from reviews.tables import (
    NOT_KNOWN,
    Decisions,
    Drawn,
    Labels,
    Reference,
    Table,
    Units,
    coded_by_hand,
    load_reference,
)

MACHINE, PEOPLE = "machine", "people"


@dataclass(frozen=True, kw_only=True)
class ChangeRow:
    """How one code (or the mean of a scale) changed; `difference` is the second less the first.

    `of` is the machine or people, `language` None over all. Counts are segments that both decided;
    a scale has none, `moved` is its mean distance. `low` and `high` are Newcombe's paired interval
    (t for a scale). `p` is McNemar's mid-p, `exact` its exact p, `holm` and `bh` are adjusted over
    the rows of one table. `design` is the difference by design weights, where people coded a sample
    under both revisions; `split` counts segments on which people were not of one mind.
    """

    of: str
    dimension: str
    code: str
    kind: str
    label: str
    color: str
    language: str | None
    units: int
    both: int | None = None
    only_first: int | None = None
    only_second: int | None = None
    neither: int | None = None
    changed: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    moved: float = np.nan
    p: float
    exact: float = np.nan
    holm: float = np.nan
    bh: float = np.nan
    design: Score | None = None
    split: int = 0
    status: str


def machine_changes(
    units: Units, pairs: Sequence[Pair], earlier: Decisions, later: Decisions
) -> list[ChangeRow]:
    """Return how the machine's decisions changed, over all and by language."""
    first, second = both_sides(pairs, earlier, later)
    rows: list[ChangeRow] = []
    everywhere = np.ones(len(units), bool)
    places: list[tuple[str | None, Bools]] = [(None, everywhere)]
    if len(units.languages) > 1:
        places += [(name, units.language == at) for at, name in enumerate(units.languages)]
    by_language: list[ChangeRow] = []
    for language, inside in places:
        clusters = None if units.clusters is None else units.clusters[inside]
        found = share_rows(MACHINE, pairs, language, first[inside], second[inside], clusters)
        found += scale_rows(
            MACHINE, pairs, language, earlier.values[inside], later.values[inside], clusters
        )
        (rows if language is None else by_language).extend(found)
    # A language in which nothing was decided twice says nothing; over all, the status says it.
    return adjusted(rows) + adjusted([row for row in by_language if row.units])


@dataclass(frozen=True)
class ByPeople:
    """What people said of every unit: labels, N × K, and values, N × S; NaN where nobody did."""

    labels: Floats
    values: Floats

    @property
    def any(self) -> Bools:
        said = ~np.isnan(self.labels).all(axis=1)
        return np.asarray(said | ~np.isnan(self.values).all(axis=1))


def by_people(table: Table) -> ByPeople:
    """Return what holds of every unit as far as people know; rulings of its sample hold."""
    everyone = coded_by_hand(table.people)
    reference = load_reference(everyone, table.people, table.guide)
    labels = np.full((len(table.units), table.guide.width), np.nan)
    values = np.full((len(table.units), table.guide.depth), np.nan)
    places: list[tuple[Drawn, Reference]] = [(everyone, reference)]
    if table.drawn is not None and table.reference is not None:
        places.append((table.drawn, table.reference))
    for drawn, found in places:
        labels[drawn.unit] = np.where(np.isnan(found.labels), labels[drawn.unit], found.labels)
        values[drawn.unit] = np.where(np.isnan(found.values), values[drawn.unit], found.values)
    return ByPeople(labels, values)


def people_changes(
    earlier: Table,
    later: Table,
    pairs: Sequence[Pair],
    said: Sequence[ByPeople],
    strata: Strata | None,
) -> list[ChangeRow]:
    """Return how what people say changed, with design weights where the later one is a sample."""
    first, second = (
        np.stack([merged_shares(by.labels, columns) for columns in sides], axis=1)
        if sides
        else np.zeros((len(later.units), 0))
        for by, sides in zip(said, _columns(pairs), strict=True)
    )
    both = ~np.isnan(first) & ~np.isnan(second)
    open_ = both & ~(_settled(first) & _settled(second))
    labels = [
        np.where(both & ~open_, np.nan_to_num(answers, nan=NOT_KNOWN), NOT_KNOWN).astype(np.int8)
        for answers in (first, second)
    ]
    clusters = later.units.clusters
    found = share_rows(PEOPLE, pairs, None, labels[0], labels[1], clusters)
    coded = [pair for pair in pairs if not pair.scale]
    rows = []
    for at, (pair, row) in enumerate(zip(coded, found, strict=True)):
        design = None
        if strata is not None and later.drawn is not None and later.drawn.sample is not None:
            machines = [
                merged(decisions.labels, columns)
                for decisions, columns in (
                    (earlier.machine, pair.first),
                    (later.machine, pair.second),
                )
            ]
            answers = [np.where(both[:, at], side[:, at], np.nan) for side in (first, second)]
            design = weighted(later.drawn, strata, machines, answers)
        rows.append(replace(row, design=design, split=int(open_[:, at].sum())))
    rows += scale_rows(PEOPLE, pairs, None, said[0].values, said[1].values, clusters)
    return [row for row in adjusted(rows) if row.units or row.split]


def weighted(
    drawn: Drawn, strata: Strata, machines: Sequence[Labels], answers: Sequence[Floats]
) -> Score | None:
    """Return the share in all segments under both, by design weights, and its paired difference.

    Each share is estimated in cells as prevalence is; what the errors of both have in common falls
    out by their correlation (MOVER).
    """
    found: list[tuple[float, float, float]] = []
    parts: list[Floats] = []
    for machine, y in zip(machines, answers, strict=True):
        asked = y[drawn.unit]
        if not (~np.isnan(asked)).any():
            return None
        review = Review(
            machine[:, None].astype(np.int64),
            strata.of_unit,
            drawn.unit,
            drawn.inclusion,
            asked[:, None],
        )
        row = code_prevalence(review)[0]
        found.append((row.corrected, row.low, row.high))
        cell = strata.of_unit * 3 + machine + 1
        parts.append(contributions(cell, drawn.unit, drawn.inclusion, asked))
    together = correlation(parts[0], parts[1], drawn.inclusion)
    return difference_of(found[0], found[1], together)


def difference_of(
    first: tuple[float, float, float], second: tuple[float, float, float], together: float
) -> Score:
    """Return the difference of two estimates (each with its ends) that go `together`."""
    (p1, l1, u1), (p2, l2, u2) = ([np.array([end]) for end in one] for one in (second, first))
    low, high = mover(p1, (l1, u1), p2, (l2, u2), np.array([together]))
    return Score(first[0], second[0], second[0] - first[0], float(low[0]), float(high[0]))


def both_sides(
    pairs: Sequence[Pair], earlier: Decisions, later: Decisions
) -> tuple[Labels, Labels]:
    """Return the labels of both sides, units × pairs that are no scales."""
    found = []
    for decisions, sides in zip((earlier, later), _columns(pairs), strict=True):
        columns = [merged(decisions.labels, side) for side in sides]
        shape = (len(decisions.labels), 0)
        found.append(np.stack(columns, axis=1) if columns else np.zeros(shape, np.int8))
    return found[0], found[1]


def _columns(pairs: Sequence[Pair]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    coded = [pair for pair in pairs if not pair.scale]
    return [pair.first for pair in coded], [pair.second for pair in coded]


def _settled(labels: Floats) -> Bools:
    return np.asarray((labels == 0) | (labels == 1))


def share_rows(
    of: str,
    pairs: Sequence[Pair],
    language: str | None,
    first: Labels,
    second: Labels,
    clusters: Ints | None,
) -> list[ChangeRow]:
    """Return how the codes among `pairs` changed; labels are units × codes of each side."""
    shares = compare_labels(first, second, clusters)
    rows = []
    for at, pair in enumerate(pair for pair in pairs if not pair.scale):
        units = int(shares.units[at])
        low, high, p, exact = (
            float(ends[at]) if units else np.nan
            for ends in (shares.low, shares.high, shares.mid, shares.exact)
        )
        rows.append(
            ChangeRow(
                **_about(of, pair, language, units, int(shares.changed[at])),
                both=int(shares.both[at]),
                only_first=int(shares.only_first[at]),
                only_second=int(shares.only_second[at]),
                neither=int(shares.neither[at]),
                first=float(shares.first[at]),
                second=float(shares.second[at]),
                difference=float(shares.difference[at]),
                low=low,
                high=high,
                p=p,
                exact=exact,
            )
        )
    return rows


def scale_rows(
    of: str,
    pairs: Sequence[Pair],
    language: str | None,
    first: Floats,
    second: Floats,
    clusters: Ints | None,
) -> list[ChangeRow]:
    """Return how the scales among `pairs` moved; values are units × scales of each side."""
    rows = []
    for pair in (pair for pair in pairs if pair.scale):
        span = float(pair.question.minimum or 0), float(pair.question.maximum or 0)
        found = compare_values(first[:, pair.first[0]], second[:, pair.second[0]], span, clusters)
        rows.append(
            ChangeRow(
                **_about(of, pair, language, found.units, found.changed),
                first=found.first,
                second=found.second,
                difference=found.difference,
                low=found.low,
                high=found.high,
                moved=found.moved,
                p=found.p,
            )
        )
    return rows


def _about(of: str, pair: Pair, language: str | None, units: int, changed: int) -> dict[str, Any]:
    """Return what every row says: whose change of what, and whether there is one."""
    status = ("ok" if changed else "no_change") if units else "no_units"
    return {
        "of": of,
        **pair.named(),
        "language": language,
        "units": units,
        "changed": changed,
        "status": status,
    }


def adjusted(rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Return `rows` with their p-values adjusted: Holm to conclude, Benjamini-Hochberg to look."""
    p = np.array([row.p for row in rows])
    both = zip(rows, holm(p).tolist(), benjamini_hochberg(p).tolist(), strict=True)
    return [replace(row, holm=strict, bh=loose) for row, strict, loose in both]
