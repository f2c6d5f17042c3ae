"""The mean of a scale, and shares above cut-points, by the stratified difference estimator.

`machine` is the machine's number for each unit, NaN where it gave none; `y` what people said about
the drawn units, NaN where the question is open. Sums are (replicates ×) strata × 9.

    theta = sum_h W_h [ lam mean_Nh(f) + mean_Sh(y - lam f) ]

It is valid whatever f is, so a unit without a machine number gets the machine's mean for f. Source:
Särndal, Swensson and Wretman (1992), 6.3; bootstrap-t within strata, Efron (1981).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from reviews.stats.arrays import Floats, Generator, Ints, Whole, merge, ratio, totals
from reviews.stats.cells import LEAST, answered_inclusion
from reviews.stats.intervals import Grade, Method, grade, jeffreys, sidak
from reviews.stats.prevalence import (
    LEAST_REVIEWED,
    Options,
    Prevalence,
    Review,
    Status,
    code_prevalence,
)


@dataclass(frozen=True)
class ScaleReview:
    """What the machine said about all units and people about the drawn ones.

    `minimum` and `maximum` are the ends of the scale; no interval leaves them. `clusters` names the
    interview of each drawn unit, where several units may come from one.
    """

    machine: Floats
    stratum: Whole
    drawn: Whole
    inclusion: Floats
    y: Floats
    minimum: float
    maximum: float
    clusters: Whole | None = None


@dataclass(frozen=True)
class ScaleEstimate:
    """A mean overall (`domain` None) or in one domain.

    `machine` is the raw mean of the machine's numbers, `human` of people's answers alone (Hajek),
    `corrected` the estimate to report, `lam` how much of the machine it uses. `low_all` and
    `high_all` hold for all rows of a table together.
    """

    domain: int | None
    population: int
    coded: int
    drawn: int
    reviewed: int
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
    lam: float
    method: Method
    status: Status
    grade: Grade


@dataclass(frozen=True)
class _Answers:
    """The answers in one domain and the stratum `of` each; `weight` and `mean_f` are by stratum."""

    y: Floats
    f: Floats
    pi: Floats
    of: Ints
    weight: Floats
    mean_f: Floats
    span: tuple[float, float]
    clusters: Ints | None = None

    @property
    def together(self) -> "_Answers":
        """The same answers in one stratum, with the machine left out: people alone."""
        one = np.zeros(1)
        return replace(self, f=self.f * 0, of=self.of * 0, weight=one + 1, mean_f=one)


@dataclass(frozen=True)
class _Found:
    estimate: float
    variance: float
    lam: float


def scale_prevalence(
    review: ScaleReview,
    rng: Generator,
    *,
    domain: Whole | None = None,
    domains: int = 1,
    replicates: int = 2000,
    confidence: float = 0.95,
    comparisons: int = 1,
    target: float | None = None,
) -> list[ScaleEstimate]:
    """Return the corrected mean, overall or for each domain.

    `target` is the half-width of a grade A number: by default a twentieth of the scale.
    `comparisons` is how many rows the simultaneous limits hold for together.
    """
    f, pi = _filled(review)
    area = np.zeros(f.size, np.int64) if domain is None else domain.astype(np.int64)
    areas = [
        _answers(review, f, pi, area == number)
        for number in range(1 if domain is None else domains)
    ]
    whole = areas[0] if domain is None else _answers(review, f, pi, np.ones(f.size, bool))
    levels = (confidence, sidak(confidence, comparisons))
    goal = 0.05 * (review.maximum - review.minimum) if target is None else target
    rows = []
    for number, answers in enumerate(areas):
        inside = area == number
        method, status = _level(answers, int(inside.sum()), whole, domain is None)
        alone = _solved(answers.together)
        human, *human_all = _intervals(answers.together, alone, rng, replicates, levels)
        found, ends, ends_all = alone, human, human_all[0]
        if method == "cells":
            found = _solved(answers)
            ends, ends_all = _intervals(answers, found, rng, replicates, levels)
        elif method == "smoothed":
            mean_f = float(f[inside].mean())
            found, ends = _predicted(mean_f, areas, whole, levels[0])
            _, ends_all = _predicted(mean_f, areas, whole, levels[1])
        elif method == "none":
            found, ends, ends_all = _Found(np.nan, np.nan, np.nan), *[(np.nan, np.nan)] * 2
        inflated, alone_inflated = _inflation(answers, found), _inflation(answers.together, alone)
        said = review.machine[inside]
        coded = int((~np.isnan(said)).sum())
        reviewed = answers.y.size
        rows.append(
            ScaleEstimate(
                domain=None if domain is None else number,
                population=said.size,
                coded=coded,
                drawn=int(inside[review.drawn].sum()),
                reviewed=reviewed,
                machine=float(np.nanmean(said)) if coded else np.nan,
                human=alone.estimate if reviewed else np.nan,
                human_low=human[0] if reviewed else np.nan,
                human_high=human[1] if reviewed else np.nan,
                corrected=found.estimate,
                low=ends[0],
                high=ends[1],
                low_all=ends_all[0],
                high_all=ends_all[1],
                se=float(np.sqrt(found.variance * inflated)),
                gain=alone.variance * alone_inflated / (found.variance * inflated)
                if method == "cells" and found.variance > 0
                else np.nan,
                lam=found.lam,
                method=method,
                status=status,
                grade=grade(method, reviewed, *ends, goal, enough=status != "insufficient"),
            )
        )
    return rows


def share_above(
    review: ScaleReview,
    cuts: Sequence[float],
    domain: Whole | None = None,
    domains: int = 1,
    options: Options | None = None,
) -> list[Prevalence]:
    """Return the corrected share above each cut-point; the rows' `code` is the position of the cut.

    A share is estimated in cells, as a code is: with few answers above the cut, bootstrap-t of the
    difference estimator covered the truth in 81 to 85 of 100 simulated samples.
    """
    above = (review.machine[:, None] > np.asarray(cuts)).astype(np.int8)
    machine = np.where(np.isnan(review.machine)[:, None], np.int8(-1), above)
    y = np.where(np.isnan(review.y)[:, None], np.nan, review.y[:, None] > np.asarray(cuts))
    codes = Review(machine, review.stratum, review.drawn, review.inclusion, y, review.clusters)
    return code_prevalence(codes, domain, domains, options)


def _filled(review: ScaleReview) -> tuple[Floats, Floats]:
    """Return f of every unit, and the probability of every drawn one to be drawn and answered."""
    known = ~np.isnan(review.machine)
    mean = float(review.machine[known].mean()) if known.any() else 0.0
    stratum = review.stratum[review.drawn, None].astype(np.int64)
    pi = answered_inclusion(stratum, review.inclusion, ~np.isnan(review.y[:, None]))
    return np.where(known, review.machine, mean), pi[:, 0]


def _answers(review: ScaleReview, f: Floats, pi: Floats, inside: Whole) -> _Answers:
    """Return the answers inside a domain, after strata with fewer than 5 join a neighbour."""
    asked = inside[review.drawn] & ~np.isnan(review.y)
    drawn = review.drawn[asked]
    names, of_unit = np.unique(review.stratum[inside], return_inverse=True)
    stratum = np.searchsorted(names, review.stratum[drawn])
    size = np.bincount(of_unit, minlength=names.size)
    n = np.bincount(stratum, minlength=names.size)
    group = np.empty(names.size, np.int64)
    known = n == size
    joined = merge(np.zeros(int((~known).sum()), np.int64), n[~known], LEAST)
    group[~known] = joined
    group[known] = int(joined.max(initial=-1)) + 1 + np.arange(int(known.sum()))
    groups = int(group.max(initial=-1)) + 1
    people = totals(group, size.astype(np.float64), groups)
    mean_f = ratio(totals(group[of_unit], f[inside], groups), people)
    weight = ratio(people, people.sum(keepdims=True))
    span = review.minimum, review.maximum
    clusters = None if review.clusters is None else review.clusters[asked].astype(np.int64)
    return _Answers(
        review.y[asked], f[drawn], pi[asked], group[stratum], weight, mean_f, span, clusters
    )


def _level(
    answers: _Answers, population: int, whole: _Answers, overall: bool
) -> tuple[Method, Status]:
    n = answers.y.size
    if population == 0:
        return "none", "no_population"
    if n == 0:
        return ("smoothed", "model_assisted") if whole.y.size else ("none", "machine_only")
    status: Status = "ok" if n >= LEAST_REVIEWED or n == population else "insufficient"
    complete = n >= LEAST or n == population
    return ("cells" if complete or (overall and n > 1) else "hajek"), status


def _columns(answers: _Answers, finite: bool) -> Floats:
    """Return what each answer adds: w, w y, w f, then q times 1, y, f, y², y f, f².

    `finite` gives q the finite population's (1-pi); replicates are drawn with replacement.
    """
    y, f, w = answers.y, answers.f, 1 / answers.pi
    q = w**2 * (1 - answers.pi) if finite else w**2
    return np.stack([w, w * y, w * f, q, q * y, q * f, q * y**2, q * y * f, q * f**2], axis=1)


def _combine(sums: Floats, n: Ints, answers: _Answers) -> tuple[Floats, Floats, Floats]:
    """Return theta, its variance and lam from sums, ... × strata × 9.

    lam is the slope that makes the variance least, pooled over strata.
    """
    w, wy, wf, q, qy, qf, qyy, qyf, qff = np.moveaxis(sums, -1, 0)
    y, f = ratio(wy, w), ratio(wf, w)
    spare: Floats = np.maximum(n - 1, 1).astype(np.float64)
    scale = np.where(n > 1, answers.weight**2 * n / spare / np.maximum(w, 1e-300) ** 2, 0.0)

    def pooled(a: Floats, b: Floats, qa: Floats, qb: Floats, qab: Floats) -> Floats:
        return np.asarray((scale * (qab - a * qb - b * qa + a * b * q)).sum(axis=-1))

    yy, yf, ff = pooled(y, y, qy, qy, qyy), pooled(y, f, qy, qf, qyf), pooled(f, f, qf, qf, qff)
    span = answers.span[1] - answers.span[0]
    lam = np.where(ff > 1e-14 * span**2, yf / np.maximum(ff, 1e-300), 0.0)
    theta = (answers.weight * (y + lam[..., None] * (answers.mean_f - f))).sum(axis=-1)
    variance = yy - 2 * lam * yf + lam**2 * ff
    return theta, np.where(variance > 1e-14 * span**2, variance, 0.0), lam


def _solved(answers: _Answers) -> _Found:
    if not answers.y.size:
        return _Found(np.nan, np.nan, np.nan)
    strata = answers.weight.size
    sums = totals(answers.of, _columns(answers, finite=True), strata)
    n = np.bincount(answers.of, minlength=strata)
    theta, variance, lam = _combine(sums, n, answers)
    return _Found(float(theta), float(variance), float(lam))


def _intervals(
    answers: _Answers,
    found: _Found,
    rng: Generator,
    replicates: int,
    levels: tuple[float, float],
) -> list[tuple[float, float]]:
    """Return bootstrap-t intervals of each confidence; strata answered in full are not drawn."""
    low, high = answers.span
    n = answers.y.size
    if (answers.pi >= 1).all() and n:
        return [(found.estimate, found.estimate) for _ in levels]
    if n < 2:
        return [(low, high) for _ in levels]
    if found.variance == 0:
        # No variation in n answers: what share of all could differ, over the whole scale?
        alike = n if answers.clusters is None else np.unique(answers.clusters).size
        ends = []
        for confidence in levels:
            share = float(jeffreys(np.zeros(1), np.array([float(alike)]), confidence)[1][0])
            reach = share * (high - low)
            ends.append((max(found.estimate - reach, low), min(found.estimate + reach, high)))
        return ends
    theta, variance = _replicates(answers, rng, replicates)
    kept = variance > 0
    t = (theta[kept] - _solved(answers).estimate) / np.sqrt(variance[kept])
    ends = []
    for confidence in levels:
        reach = float(special.stdtrit(n - 1, (1 + confidence) / 2))
        upper, lower = reach, -reach
        if t.size >= replicates / 2:
            lower, upper = np.quantile(t, [(1 - confidence) / 2, (1 + confidence) / 2])
        se = float(np.sqrt(found.variance * _inflation(answers, found)))
        if answers.clusters is not None:
            degrees = max(np.unique(answers.clusters).size - 1, 1)
            se *= float(special.stdtrit(degrees, (1 + confidence) / 2)) / reach
        below, above = found.estimate - float(upper) * se, found.estimate - float(lower) * se
        ends.append((max(below, low), min(above, high)))
    return ends


def _inflation(answers: _Answers, found: _Found) -> float:
    """Return how much several answers of one interview inflate the variance, 1 or more."""
    if answers.clusters is None or not answers.y.size or np.isnan(found.lam):
        return 1.0
    strata = answers.weight.size
    w = 1 / answers.pi
    held = totals(answers.of, w, strata)
    residual = answers.y - found.lam * answers.f
    mean = ratio(totals(answers.of, w * residual, strata), held)
    each = w * (residual - mean[answers.of]) * (answers.weight / held)[answers.of]
    _, interview = np.unique(answers.clusters, return_inverse=True)
    apart = float((each**2).sum())
    grouped = float((totals(interview, each, int(interview.max()) + 1) ** 2).sum())
    return max(grouped / apart, 1.0) if apart > 0 else 1.0


def _replicates(answers: _Answers, rng: Generator, replicates: int) -> tuple[Floats, Floats]:
    """Return theta and its variance in every replicate of the draws within strata."""
    strata = answers.weight.size
    columns = _columns(answers, finite=False)
    n = np.bincount(answers.of, minlength=strata)
    sums = np.zeros((replicates, strata, columns.shape[1]))
    for stratum in range(strata):
        inside = answers.of == stratum
        mine, size = columns[inside], int(n[stratum])
        if (answers.pi[inside] >= 1).all():
            sums[:, stratum, :3] = mine[:, :3].sum(axis=0)
            continue
        drawn = rng.integers(0, size, (replicates, size)) + size * np.arange(replicates)[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(replicates, size)
        sums[:, stratum] = times.astype(np.float64) @ mine
    theta, variance, _ = _combine(sums, n, answers)
    return theta, variance


def _predicted(
    mean_f: float, areas: list[_Answers], whole: _Answers, confidence: float
) -> tuple[_Found, tuple[float, float]]:
    """Return the prediction for a domain without answers: `lam mean(f)` and the others' residual.

    Source: random effects between domains by the method of moments (Cochran 1954).
    """
    everything = _solved(whole)
    residual = whole.y - everything.lam * whole.f
    mean = _solved(replace(whole, y=residual).together)
    reviewed = [area for area in areas if area.y.size >= LEAST]
    each = [
        _solved(replace(area, y=area.y - everything.lam * area.f).together) for area in reviewed
    ]
    estimate = float(np.clip(everything.lam * mean_f + mean.estimate, *whole.span))
    if len(each) < 2:
        return _Found(estimate, np.nan, everything.lam), whole.span
    between = np.var([one.estimate for one in each], ddof=1)
    within = np.mean([one.variance for one in each])
    variance = max(float(between - within), 0.0) + mean.variance
    reach = float(special.stdtrit(len(each) - 1, (1 + confidence) / 2) * np.sqrt(variance))
    low, high = max(estimate - reach, whole.span[0]), min(estimate + reach, whole.span[1])
    return _Found(estimate, variance, everything.lam), (low, high)
