"""Which codes go together, and how a scale stands among those with a code; for a report.

The machine's labels only choose which pairs are looked at. What is said of them rests on people's
answers in the sample, and where there are none it is the machine's alone, and says so.
"""

from dataclasses import asdict, dataclass

import numpy as np
from django.core.cache import cache

from codebooks.models import Kind, Revision
from coding.models import Run
from reviews.models import Sample
from reviews.prevalence import Strata, design_strata
from reviews.reports import KEPT_FOR, Report
from reviews.stats.arrays import Bools, Floats, ratio, totals
from reviews.stats.intervals import LEAST_FOR_A
from reviews.stats.prevalence import Review
from reviews.stats.together import (
    JOINT,
    LEAST_AMONG,
    Mean,
    Together,
    joint,
    mean_among,
    measures,
    screen,
    together,
)
from reviews.tables import NOT_KNOWN, Column, Guide, Question, Table, load_table
from studies.models import Study

MOST_PAIRS = 40
"""Pairs of codes that are looked at: more are no longer read, and chance would find some."""
WIDE = 4.0
"""An interval whose upper end is more than so many times its lower end is wide: grade B."""

LEAST_IN_A_CASE = 5
"""Answers in each of the four cases (both, either, neither) below which no pair has grade A."""


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
    odds: float
    odds_low: float
    odds_high: float
    reviewed: int
    answered: tuple[float, ...]
    machine: float
    machine_odds: float
    status: str
    grade: str | None


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
    """Pairs of codes, the most telling first, and scales among codes, the lowest mean first."""

    pairs: tuple[TogetherRow, ...]
    among: tuple[AmongRow, ...]
    fingerprint: str


def codes_together(study: Study, made: Report) -> CodesTogether:
    """Return which codes go together in what `made` reports of `study`; remembered like it."""
    key = f"together/{made.fingerprint}"
    known = cache.get(key)
    if isinstance(known, CodesTogether):
        return known
    run = Run.objects.get(pk=made.run.id) if made.run else None
    sample = Sample.objects.get(pk=made.sample.id) if made.sample else None
    revision = Revision.objects.filter(
        codebook__study=study, codebook__name=made.codebook, number=made.revision
    ).latest("pk")
    table = load_table(study, revision, run, sample)
    found = CodesTogether(
        tuple(pair_rows(table, design_strata(sample, table), made.seed)),
        tuple(among_rows(table)),
        made.fingerprint,
    )
    cache.set(key, found, KEPT_FOR)
    return found


def pair_rows(table: Table, strata: Strata, seed: int) -> list[TogetherRow]:
    """Return a row for each pair of codes that matters; the surest by the machine come first."""
    if not len(table.units) or not table.guide.width:
        return []
    machine = table.machine.labels
    if (machine != NOT_KNOWN).any():
        chosen = screen(machine, np.ones(len(machine)), MOST_PAIRS, _may_meet(table.guide))
    elif table.drawn is not None and table.reference is not None:
        said = table.reference.labels
        labels = np.where((said == 0) | (said == 1), said, NOT_KNOWN).astype(np.int64)
        chosen = screen(labels, 1 / table.drawn.inclusion, MOST_PAIRS, _may_meet(table.guide))
    else:
        return []
    return [_pair(table, strata, first, second, seed) for first, second in chosen]


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


def _pair(table: Table, strata: Strata, first: int, second: int, seed: int) -> TogetherRow:
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
    found = together(review, shares, (seed, first, second))
    figures = asdict(found)
    for name in ("first", "second", "neither"):
        del figures[name]
    if found.status == "machine_only":
        figures = {
            name: np.nan if isinstance(value, float) else value for name, value in figures.items()
        }
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
