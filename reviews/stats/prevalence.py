"""Prevalence: the share of interviews to which a code applies, corrected by what people found.

A `Review` of codes has machine labels, units × codes (0, 1, or -1 where the machine did not code
the unit), the design stratum of each unit, the positions of the drawn units with their inclusion
probability, and `y`, drawn × codes, NaN where a question is open. For one-of-many dimensions labels
are units × 1 and `y` drawn × 1, both numbers of categories. Domains (languages, countries) are one
number per unit.

Three levels, in this order: the cell estimator where every cell has its 5 answers; else people's
answers alone (Hajek, Wilson); else, where nobody answered, a model over the other domains.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reviews.stats.arrays import Bools, Floats, Ints, Whole, ratio, totals
from reviews.stats.cells import (
    Cells,
    Shares,
    Solved,
    add_up,
    answered_inclusion,
    count_cells,
    post_stratify,
    solve,
)
from reviews.stats.clusters import Clusters, student
from reviews.stats.intervals import Grade, Method, grade, sidak, wilson
from reviews.stats.smoothing import Smoothed, smooth

Status = Literal["ok", "insufficient", "model_assisted", "machine_only", "no_population"]

LEAST_REVIEWED = 10
"""Answers below which a domain is reported without being ranked."""

Merged = tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True)
class Review:
    """What the machine said about all units and people about the drawn ones.

    `clusters` names the participant of each drawn unit, where several units may come from one:
    variances are then those of participants' totals, and intervals take t with one degree of
    freedom fewer than there are participants.
    """

    machine: Whole
    stratum: Whole
    drawn: Whole
    inclusion: Floats
    y: Floats
    clusters: Whole | None = None

    def __post_init__(self) -> None:
        units, columns = self.machine.shape
        if self.stratum.shape != (units,):
            raise ValueError("Every unit needs one stratum.")
        if self.y.shape != (self.drawn.size, columns) or self.inclusion.shape != self.drawn.shape:
            raise ValueError("Every drawn unit needs its inclusion and one answer per column.")
        if not ((self.inclusion > 0) & (self.inclusion <= 1)).all():
            raise ValueError("Inclusion probabilities lie above 0 and up to 1.")


@dataclass(frozen=True)
class Prevalence:
    """One row of the report: one code (or category) overall (`domain` None) or in one domain.

    `machine` is the raw share among the units it coded; `human` is people's answers alone, with
    Wilson's interval; `corrected` is the estimate to report, pointwise (`low`, `high`) and with all
    rows of the table together (`low_all`, `high_all`). `gain` is the effective sample size against
    people alone; `ppv`, `false_omission` and `recall` describe the machine among the units it
    coded. `merged` lists the cells (stratum, machine label) that were estimated together.
    """

    code: int
    domain: int | None
    population: int
    coded: int
    drawn: int
    reviewed: int
    positives: int
    machine: float
    human: float
    human_low: float
    human_high: float
    corrected: float
    low: float
    high: float
    low_all: float
    high_all: float
    se: float
    gain: float
    ppv: float
    false_omission: float
    recall: float
    method: Method
    status: Status
    grade: Grade
    merged: Merged


@dataclass(frozen=True)
class Options:
    """How wide, how many together, and the half-width that a study wants of a grade A number."""

    confidence: float = 0.95
    comparisons: int | None = None
    target: float = 0.05


def code_prevalence(
    review: Review,
    domain: Whole | None = None,
    domains: int = 1,
    options: Options | None = None,
) -> list[Prevalence]:
    """Return a row per domain and code, or per code over all units where `domain` is None."""
    area, domains, overall = _areas(review, domain, domains)
    task = _Task(review, 2, np.array([1]), review.y[:, :, None], False, area, domains)
    return _rows(task, overall, options or Options())


def category_prevalence(
    review: Review,
    categories: int,
    domain: Whole | None = None,
    domains: int = 1,
    options: Options | None = None,
    shares: Floats | None = None,
) -> list[Prevalence]:
    """Return a row per domain and category of a one-of-many dimension; their shares add up to 1.

    All categories share cells, so small cells merge inside a stratum. A study where "none applies"
    is an answer counts it as a category. `shares`, drawn × categories and 1 in all, stand for `y`
    where coders of a unit disagree; they only count where `y` is not NaN.
    """
    area, domains, overall = _areas(review, domain, domains)
    chosen = review.y == np.arange(categories) if shares is None else shares
    y = np.where(np.isnan(review.y), np.nan, chosen)[:, None, :]
    task = _Task(review, categories, np.arange(categories), y, True, area, domains)
    return _rows(task, overall, options or Options())


def _areas(review: Review, domain: Whole | None, domains: int) -> tuple[Ints, int, bool]:
    if domain is None:
        return np.zeros(review.stratum.size, np.int64), 1, True
    return domain.astype(np.int64), domains, False


def category_bounds(
    review: Review,
    categories: int,
    domain: Whole | None = None,
    domains: int = 1,
    shares: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Return each category's corrected share if it held in no open question, and if in every one.

    Rows are those of `category_prevalence`. To hold nowhere is to leave all to another category.
    """
    open_ = np.isnan(review.y[:, 0])
    said = (review.y == np.arange(categories)).astype(np.float64) if shares is None else shares
    rows = (1 if domain is None else domains) * categories
    low, high = np.full(rows, np.nan), np.full(rows, np.nan)
    answered = replace(review, y=np.where(open_[:, None], 0.0, review.y))
    for category in range(categories):
        for ends, one in ((high, category), (low, (category + 1) % categories)):
            filled = np.where(open_[:, None], np.arange(categories) == one, said)
            found = category_prevalence(answered, categories, domain, domains, None, filled)
            for at in range(category, rows, categories):
                ends[at] = found[at].corrected
    return low, high


def response_bounds(
    review: Review, domain: Whole | None = None, domains: int = 1
) -> tuple[Floats, Floats]:
    """Return each row's corrected share if every open question were a no, and if it were a yes.

    Rows are those of `code_prevalence`.
    """
    ends = []
    for answer in (0.0, 1.0):
        y = np.where(np.isnan(review.y), answer, review.y)
        rows = code_prevalence(replace(review, y=y), domain, domains)
        ends.append(np.array([row.corrected for row in rows]))
    return ends[0], ends[1]


@dataclass(frozen=True)
class _Task:
    """A review by outcome: `said` is the label that stands for each outcome of a column."""

    review: Review
    labels: int
    said: Ints
    y: Floats
    by_stratum: bool
    domain: Ints
    domains: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.domains, self.y.shape[1], self.said.size

    @property
    def problems(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def answered(self) -> Bools:
        return np.asarray(~np.isnan(self.y).any(axis=2))


@dataclass(frozen=True)
class _People:
    """People's answers alone: Hajek's estimate of each problem, problems × outcomes."""

    n: Floats
    positives: Floats
    solved: Solved

    def interval(self, confidence: float) -> tuple[Floats, Floats]:
        low, high = wilson(self.solved.p, self.solved.n_effective, confidence)
        known = self.solved.census
        return np.where(known, self.solved.p, low), np.where(known, self.solved.p, high)


def _rows(task: _Task, overall: bool, options: Options) -> list[Prevalence]:
    review, shape = task.review, task.shape
    population = np.bincount(task.domain, minlength=task.domains)[:, None, None]
    people = _people(task, population)
    cells = _cells(task)
    shares = post_stratify(
        cells, task.problems, np.nan_to_num(people.solved.p, nan=0.5), task.said, task.by_stratum
    )
    size, ppv, false_omission, recall, smoothed = _by_label(task, cells)

    n = people.n.reshape(*shape[:2], 1)
    positives = people.positives.reshape(shape)
    levels = [
        (population > 0) & (n > 0) & (shares.complete.reshape(n.shape) | overall),
        (population > 0) & (n > 0),
        (population > 0) & (n.sum(axis=0) > 0),
    ]
    method = np.select(levels, ["cells", "hajek", "smoothed"], "none")
    few = ((n < LEAST_REVIEWED) | (positives == 0)) & (n < population)
    conditions = [population == 0, method == "none", method == "smoothed", few]
    names = ["no_population", "machine_only", "model_assisted", "insufficient"]

    def chosen(*by_level: Floats) -> Floats:
        return np.select(levels, [found.reshape(shape) for found in by_level], np.nan)

    ends: dict[str, Floats] = {}
    together = sidak(options.confidence, options.comparisons or int(np.prod(shape)))
    by_interview = None if review.clusters is None else clustering(task, review.clusters)
    for suffix, confidence in (("", options.confidence), ("_all", together)):
        found = [level.interval(confidence) for level in (shares, people, smoothed)]
        if by_interview:
            found[0] = by_interview.widen(shares.p, found[0], confidence)
            found[1] = by_interview.widen(people.solved.p, found[1], confidence, people=True)
        ends[f"low{suffix}"] = chosen(*(low for low, _ in found))
        ends[f"high{suffix}"] = chosen(*(high for _, high in found))
    human_variance = people.solved.variance.reshape(shape)
    own_variance = shares.variance.reshape(shape)
    human_low, human_high = people.interval(options.confidence)
    if by_interview:
        human_variance = human_variance * by_interview.people.reshape(shape)
        own_variance = own_variance * by_interview.shares.reshape(shape)
        human_low, human_high = by_interview.widen(
            people.solved.p, (human_low, human_high), options.confidence, people=True
        )
    variance = chosen(own_variance, human_variance, np.full(shape, np.nan))
    coded = size[:, :, 1:].sum(axis=2)[:, :, None]
    columns: dict[str, NDArray[Any]] = {
        "code": np.arange(shape[1] * shape[2]).reshape(shape[1:]),
        "domain": np.arange(task.domains)[:, None, None],
        "population": population,
        "coded": coded.astype(np.int64),
        "drawn": np.bincount(task.domain[review.drawn], minlength=task.domains)[:, None, None],
        "reviewed": n.astype(np.int64),
        "positives": np.floor(positives + 0.5).astype(np.int64),
        "machine": ratio(size[:, :, task.said + 1], coded),
        "human": people.solved.p.reshape(shape),
        "human_low": np.where(n > 0, human_low.reshape(shape), np.nan),
        "human_high": np.where(n > 0, human_high.reshape(shape), np.nan),
        "corrected": chosen(shares.p, people.solved.p, smoothed.p),
        **ends,
        "se": np.sqrt(variance),
        "gain": np.where(method == "cells", ratio(human_variance, variance), np.nan),
        "ppv": ppv,
        "false_omission": false_omission,
        "recall": recall,
        "method": method,
        "status": np.select(conditions, names, "ok"),
    }
    flat = {
        name: np.broadcast_to(column, shape).ravel().tolist() for name, column in columns.items()
    }
    if overall:
        flat["domain"] = [None] * len(flat["code"])
    merged = _merged(cells, shares, task.problems) if overall else [()] * task.problems
    rows = []
    for index, values in enumerate(zip(*flat.values(), strict=True)):
        row = dict(zip(flat, values, strict=True))
        row["grade"] = grade(
            row["method"],
            row["reviewed"],
            row["low"],
            row["high"],
            options.target,
            enough=row["status"] != "insufficient",
        )
        rows.append(Prevalence(**row, merged=merged[index // task.said.size]))
    return rows


@dataclass(frozen=True)
class Clustering:
    """How much several units of one interview inflate variances, problems × outcomes.

    `shares` is for the cell estimator, `people` for people alone; 1 or more. Participants with an
    answer are counted by how much they weigh in either, by problem.
    """

    shares: Floats
    people: Floats
    number: Floats
    number_people: Floats

    def widen(
        self, p: Floats, ends: tuple[Floats, Floats], confidence: float, *, people: bool = False
    ) -> tuple[Floats, Floats]:
        """Return the limits as far out as participants' totals and their small number say."""
        spread = self.people if people else self.shares
        reach = student(self.number_people if people else self.number, confidence)
        factor = np.sqrt(spread) * reach[:, None]
        low, high = ends
        below = np.where(p > low, p - factor * np.maximum(p - low, 0), low)
        above = np.where(high > p, p + factor * np.maximum(high - p, 0), high)
        return np.maximum(below, 0), np.minimum(above, 1)


def clustering(task: _Task, clusters: Whole) -> Clustering:
    """Return the ratio of the variance of participants' totals to that of units as if apart.

    Totals are of `w (y - p)`, for the cell estimator with the share p of the machine's label and
    scaled to the label's size; see `stats.clusters`.
    """
    review = task.review
    _, columns, outcomes = task.shape
    labels = task.labels + 1
    area = task.domain[review.drawn]
    within = Clusters.within(clusters, area, task.domains)
    label = review.machine[review.drawn].astype(np.int64) + 1
    w = np.where(task.answered, 1 / review.inclusion[:, None], 0.0)
    y = np.nan_to_num(task.y)
    shape = (task.domains, columns, outcomes)
    shares, people = np.ones(shape), np.ones(shape)
    number = np.ones((2, task.domains, columns))
    for column in range(columns):
        key = area * labels + label[:, column]
        sizes = np.bincount(
            task.domain * labels + review.machine[:, column] + 1, minlength=task.domains * labels
        )
        weight = totals(key, w[:, column], sizes.size)
        v = w[:, column] * np.nan_to_num(ratio(sizes.astype(np.float64), weight))[key]
        number[:, :, column] = within.number(v), within.number(w[:, column])
        for outcome in range(outcomes):
            said = y[:, column, outcome]
            mean = np.nan_to_num(ratio(totals(key, w[:, column] * said, sizes.size), weight))
            found = within.inflation(v * (said - mean[key]), v, label[:, column])
            shares[:, column, outcome] = found
            mean = _weighted(said, w[:, column], area, task.domains)
            found = within.inflation(w[:, column] * (said - mean[area]), w[:, column])
            people[:, column, outcome] = found
    flat = (task.problems, outcomes)
    return Clustering(
        shares.reshape(flat), people.reshape(flat), number[0].ravel(), number[1].ravel()
    )


def _weighted(values: Floats, weights: Floats, group: Ints, groups: int) -> Floats:
    found = ratio(totals(group, weights * values, groups), totals(group, weights, groups))
    return np.nan_to_num(found)


def _people(task: _Task, population: Ints) -> _People:
    """Return Hajek's estimate; questions left open are made up for within each stratum."""
    review, columns = task.review, task.shape[1]
    answered = task.answered
    stratum = np.broadcast_to(review.stratum[review.drawn, None], answered.shape).astype(np.int64)
    pi = answered_inclusion(stratum, review.inclusion, answered)
    problem = task.domain[review.drawn, None] * columns + np.arange(columns)
    sums = add_up(problem, task.problems, pi, task.y)
    size = np.repeat(population.ravel(), columns).astype(np.float64)
    return _People(sums.n, sums.y, solve(size, sums))


def _cells(task: _Task) -> Cells:
    """Return the cells; questions left open are made up for within stratum × machine label."""
    review = task.review
    answered = task.answered
    label = review.machine[review.drawn].astype(np.int64) + 1
    response = review.stratum[review.drawn, None].astype(np.int64) * (task.labels + 1) + label
    pi = answered_inclusion(response, review.inclusion, answered)
    return count_cells(
        review.machine,
        task.labels,
        review.stratum,
        task.domain,
        task.domains,
        review.drawn,
        pi,
        task.y,
        task.by_stratum,
    )


def _by_label(task: _Task, cells: Cells) -> tuple[Floats, Floats, Floats, Floats, Smoothed]:
    """Return what the machine's labels hold: sizes (domains × columns × labels, `none` first),
    PPV, false omission, recall, and the prediction for domains without answers."""
    labels, (domains, columns, outcomes) = task.labels + 1, task.shape
    group = cells.problem * labels + cells.label + 1
    size = totals(group, cells.size, task.problems * labels).reshape(domains, columns, labels)
    sums = cells.sums.by(group, task.problems * labels)
    share = ratio(sums.wy, sums.w[:, None]).reshape(domains, columns, labels, outcomes)
    n = sums.n.reshape(size.shape)

    outcome = np.arange(outcomes)
    ppv = share[:, :, task.said + 1, outcome]
    # A label nobody has is no reason not to know the rest.
    expected = np.where(size[..., None] > 0, size[..., None] * share, 0.0)
    hits = expected[:, :, task.said + 1, outcome]
    found = expected[:, :, 1:].sum(axis=2)
    others = size[:, :, 1:].sum(axis=2)[:, :, None] - size[:, :, task.said + 1]
    false_omission, recall = ratio(found - hits, others), ratio(hits, found)

    shape = (domains, columns, labels)
    wy, w = sums.wy.reshape(*shape, outcomes).sum(axis=0), sums.w.reshape(shape).sum(axis=0)
    whole = ratio(wy.sum(axis=1), w.sum(axis=1)[:, None])
    smoothed = smooth(share, n, size, ratio(wy, w[..., None]), np.nan_to_num(whole, nan=0.5))
    return size, ppv, false_omission, recall, smoothed


def _merged(cells: Cells, shares: Shares, problems: int) -> list[Merged]:
    """Return for each problem the cells (stratum, label) that did not stand alone."""
    members = np.bincount(shares.group)
    found: list[dict[int, list[tuple[int, int]]]] = [{} for _ in range(problems)]
    for cell in np.flatnonzero(members[shares.group] > 1):
        group = found[cells.problem[cell]].setdefault(int(shares.group[cell]), [])
        group.append((int(cells.stratum[cell]), int(cells.label[cell])))
    return [tuple(tuple(group) for group in groups.values()) for groups in found]
