"""Which codes go together, and how a scale stands among those with a code; for a report.

The machine's labels only choose which pairs are looked at. What is said of them rests on people's
answers in the sample, and where there are none it is the machine's alone, and says so.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np

from codebooks.models import Kind
from reviews.prevalence import Strata
from reviews.stats.arrays import Bools, Floats, Whole, ratio, totals
from reviews.stats.intervals import LEAST_FOR_A
from reviews.stats.prevalence import Review
from reviews.stats.testing import holm
from reviews.stats.together import (
    JOINT,
    LEAST_AMONG,
    LEAST_IN_A_CASE,
    Mean,
    Together,
    joint,
    mean_among,
    measures,
    screen,
    supported,
    together,
)
from reviews.tables import NOT_KNOWN, Column, Guide, Question, Table

MOST_PAIRS = 40
"""Pairs of codes that are looked at: more are no longer read, and chance would find some."""
ALPHA = 0.05
"""How often, at most, one or more of all links that are called clear may be chance's alone."""
WIDE = 4.0
"""An interval whose upper end is more than so many times its lower end is wide: grade B."""


@dataclass(frozen=True)
class CodeOf:
    """A code and its dimension, by their keys."""

    dimension: str
    code: str


@dataclass(frozen=True)
class TogetherRow:
    """How the `second` code goes with the `first`; see `Together`. `machine` is its ratio alone.

    `status` is `ok`, `too_few` (fewer than 10 answers with either code, or a label of the machine
    that fewer than 5 answers are of) or `machine_only` (nobody answered: nothing is corrected).
    Grade A: 30 or more answers, five in each of the four cases, and limits within a factor of four;
    B: fewer or wider; D: the machine alone.

    `p_value` is of no link (a ratio of 1) and `p_holm` is adjusted over all possible pairs.
    `link` is `clear` (below .05 by Holm, and `stats.together.supported`), `uncertain` (the pair's
    own interval leaves 1 out, but more is not to be had), `none_shown`, or None without a number.
    """

    first: CodeOf
    second: CodeOf
    both: float
    given: float
    given_low: float
    given_high: float
    without: float
    without_low: float
    without_high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    ratio_low_all: float
    ratio_high_all: float
    odds: float
    odds_low: float
    odds_high: float
    p_value: float
    reviewed: int
    answered: tuple[float, ...]
    machine: float
    machine_odds: float
    status: str
    grade: str | None
    p_holm: float = np.nan
    link: str | None = None


@dataclass(frozen=True)
class AmongRow:
    """The mean of a `scale` among segments with a code: by people where 10 or more answered.

    `by` is `people`, `machine` (then there is no interval) or, where neither knows, `nobody`.
    """

    scale: str
    code: CodeOf
    mean: float
    low: float
    high: float
    n: int
    machine: float
    machine_n: int
    by: str


@dataclass(frozen=True)
class CodesTogether:
    """Pairs of codes, the most telling first, and scales among codes, the lowest mean first.

    `possible` pairs have codes that are frequent enough and may meet. The `pairs` were chosen among
    them `by` the machine's labels or, without a machine, people's; the tests allow for all that are
    possible, shown or not.
    """

    pairs: tuple[TogetherRow, ...] = ()
    among: tuple[AmongRow, ...] = ()
    possible: int = 0
    by: str = "nobody"


def codes_together(table: Table, strata: Strata, seed: int) -> CodesTogether:
    """Return which codes go together; the pairs that are surest by the machine come first."""
    among = tuple(among_rows(table))
    by, labels, weights = _looked_at(table)
    if by == "nobody":
        return CodesTogether(among=among)
    chosen, possible = screen(labels, weights, MOST_PAIRS, _may_meet(table.guide))
    rows = [_pair(table, strata, first, second, seed, possible) for first, second in chosen]
    p_values = np.array([row.p_value for row in rows])
    adjusted = holm(p_values, possible).tolist()
    pairs = tuple(
        replace(row, p_holm=p_holm, link=_link(row, p_holm))
        for row, p_holm in zip(rows, adjusted, strict=True)
    )
    return CodesTogether(pairs, among, possible, by)


def _looked_at(table: Table) -> tuple[str, Whole, Floats]:
    """Return whose labels choose the pairs, the labels, units × codes, and weights of the units."""
    machine = table.machine.labels
    if len(table.units) and table.guide.width:
        if (machine != NOT_KNOWN).any():
            return "machine", machine, np.ones(len(machine))
        if table.drawn is not None and table.reference is not None:
            said = table.reference.labels
            labels = np.where((said == 0) | (said == 1), said, NOT_KNOWN).astype(np.int64)
            return "people", labels, 1 / table.drawn.inclusion
    return "nobody", machine, np.ones(len(machine))


def _link(row: TogetherRow, p_holm: float) -> str | None:
    if row.status != "ok":
        return None
    if p_holm < ALPHA and supported(row.answered):
        return "clear"
    return "uncertain" if row.p_value < ALPHA else "none_shown"


def among_rows(table: Table) -> list[AmongRow]:
    """Return the mean of every scale among those with each code of a `many` dimension, in order."""
    rows = []
    for scale in table.guide.scales:
        own = [
            _among(table, scale, question, code, place)
            for question in table.guide.labelled
            if question.kind == Kind.MANY
            for place, code in enumerate(question.codes)
        ]
        told = [row for row in own if row.by != "nobody"]
        rows += sorted(told, key=lambda row: (row.mean, row.code.dimension, row.code.code))
    return rows


def _pair(
    table: Table, strata: Strata, first: int, second: int, seed: int, possible: int
) -> TogetherRow:
    codes = [CodeOf(question.key, code.key) for question, code in table.guide.codes]
    machine = joint(table.machine.labels[:, first], table.machine.labels[:, second])
    alone = measures(np.bincount(machine[machine >= 0], minlength=JOINT).astype(np.float64))
    drawn = table.drawn
    shares = joint_shares(table, first, second)
    review = Review(
        machine[:, None],
        strata.of_unit,
        drawn.unit if drawn else np.zeros(0, np.int64),
        drawn.inclusion if drawn else np.zeros(0),
        np.zeros((len(shares), 1)),
        table.interviews,
    )
    interviews = table.units.clusters
    found = together(
        review,
        shares,
        (seed, first, second),
        possible,
        None if interviews is None else len(np.unique(interviews)),
    )
    figures = asdict(found)
    for name in ("first", "second", "neither"):
        del figures[name]
    if found.status == "machine_only":
        figures = {
            name: np.nan if isinstance(value, float) else value for name, value in figures.items()
        }
    if found.status == "too_few":
        figures["p_value"] = np.nan
    return TogetherRow(
        first=codes[first],
        second=codes[second],
        machine=float(alone[2]),
        machine_odds=float(alone[3]),
        grade=_grade(found),
        **figures,
    )


def _grade(found: Together) -> str | None:
    if found.status == "machine_only":
        return "D"
    if found.status == "too_few":
        return None
    narrow = found.ratio_high <= WIDE * found.ratio_low
    seen = found.reviewed >= LEAST_FOR_A and min(found.answered) >= LEAST_IN_A_CASE
    return "A" if narrow and seen else "B"


def joint_shares(table: Table, first: int, second: int) -> Floats:
    """Return what people said of both codes of each item: items × 4, 1 in all; NaN where open.

    Where coders disagree, each coder's own pair of answers counts; what was ruled or is agreed on
    holds for all of them.
    """
    drawn, reference, people = table.drawn, table.reference, table.people
    if drawn is None or reference is None:
        return np.zeros((0, JOINT))
    said = reference.labels[:, [first, second]]
    shares = np.full((len(said), JOINT), np.nan)
    settled = (said == 0) | (said == 1)
    sure = settled.all(axis=1)
    shares[sure] = np.eye(JOINT)[joint(*said[sure].T.astype(np.int64))]
    split = ~sure & ~np.isnan(said).any(axis=1)
    place = np.full(len(table.units), -1)
    place[drawn.unit[split]] = np.flatnonzero(split)
    rows = place[people.unit] >= 0
    at = place[people.unit[rows]]
    own = people.decisions.labels[rows][:, [first, second]]
    own = np.where(settled[at], said[at], own).astype(np.int64)
    known = (own >= 0).all(axis=1)
    at, own = at[known], own[known]
    counts = totals(at, np.eye(JOINT)[joint(own[:, 0], own[:, 1])], len(split))
    return np.where(split[:, None], ratio(counts, counts.sum(axis=1, keepdims=True)), shares)


def _among(table: Table, scale: Question, question: Question, code: Column, place: int) -> AmongRow:
    column = question.first + place
    said = table.machine.values[:, scale.first]
    chosen = (table.machine.labels[:, column] == 1) & ~np.isnan(said)
    machine = float(said[chosen].mean()) if chosen.any() else np.nan
    people = Mean(np.nan, np.nan, np.nan, 0)
    if table.drawn is not None and table.reference is not None:
        people = mean_among(
            table.reference.values[:, scale.first],
            table.reference.labels[:, column],
            1 / table.drawn.inclusion,
            table.drawn.inclusion,
            table.interviews,
        )
    low, high = people.low, people.high
    if scale.minimum is not None and scale.maximum is not None:
        low, high = max(low, scale.minimum), min(high, scale.maximum)
    enough = people.n >= LEAST_AMONG
    return AmongRow(
        scale=scale.key,
        code=CodeOf(question.key, code.key),
        mean=people.mean if enough else machine,
        low=low if enough else np.nan,
        high=high if enough else np.nan,
        n=people.n,
        machine=machine,
        machine_n=int(chosen.sum()),
        by="people" if enough else "machine" if chosen.any() else "nobody",
    )


def _may_meet(guide: Guide) -> Bools:
    """Return which pairs of codes may hold together: not two of one dimension with one answer."""
    allowed = np.ones((guide.width, guide.width), bool)
    for question in guide.labelled:
        if question.kind == Kind.ONE:
            allowed[question.columns, question.columns] = False
    return allowed
