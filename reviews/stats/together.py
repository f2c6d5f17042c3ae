"""Two codes together: odds ratio and ratio of shares, the machine's labels corrected by people.

For a pair of codes every unit is in one of four joint categories: 0 both, 1 the first alone, 2 the
second alone, 3 neither. They are estimated like a one-of-many dimension, in cells of design stratum
× the machine's joint label, so that people's answers correct all four at once.

The interval comes from Dirichlet draws, one for each joint label of the machine, with the label's
effective number of answers. Half an answer (Haldane, Anscombe; Woolf 1955) is added only to the
categories that move a limit outwards: to each alone for the lower limit of ratio and odds, to both
and neither for the upper one, as Clopper and Pearson (1934) add their one. What nobody found has
then a lower limit of 0 and no bias, however many labels the machine has.

A link is said of people like these and not of these interviews alone: a second draw, of as many
units as there are, lets the population vary too, so that there is an interval even where people
answered everything (Särndal, Swensson and Wretman 1992, 13.6).

The p-value of "no link" is read from the ratio's limit that faces 1, on the scale of logarithms
(Altman and Bland 2011): it is below .05 exactly where the 95 % interval leaves 1 out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from reviews.stats.arrays import Bools, Floats, Generator, Ints, Whole, ratio, totals
from reviews.stats.cells import answered_inclusion, count_cells, post_stratify
from reviews.stats.clusters import Clusters
from reviews.stats.intervals import critical, sidak
from reviews.stats.prevalence import Review

JOINT = 4
DOWN, UP = np.array([0, 0.5, 0.5, 0]), np.array([0.5, 0, 0, 0.5])
"""Answers added to each joint category where ratio and odds are to be low, and high."""
LEAST_WITH = 10
"""Answers with each of the two codes below which nothing is said of them together."""
LEAST_IN_A_CASE = 5
"""Answers in each of the four categories, found or to be expected, that a sentence rests on."""
LEAST_AMONG = 10
"""Answers among those with a code below which their mean is not people's."""
DRAWS = 4000
MEASURES = ("given", "without", "ratio", "odds")

Status = Literal["ok", "too_few", "machine_only"]


@dataclass(frozen=True)
class Together:
    """How the second code goes with the first; NaN where there is no number.

    `both`, `first`, `second` and `neither` are corrected shares of all units; `given` is the share
    of the second code among those with the first, `without` among those without it; `ratio` is
    given / without and `odds` the odds ratio, with 95 % limits (inf: there is none above).
    `ratio_low_all` and `ratio_high_all` hold for all pairs that were looked at (Sidak); `p_value`
    is that of a ratio of 1. `answered` counts people's answers in the four categories.
    """

    both: float
    first: float
    second: float
    neither: float
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
    answered: tuple[float, ...]
    reviewed: int
    status: Status


@dataclass(frozen=True)
class Mean:
    """The mean of a value among some, `n` of them, with its 95 % limits."""

    mean: float
    low: float
    high: float
    n: int


def joint(first: Whole, second: Whole) -> Ints:
    """Return the joint category of two labels (1, 0, or -1 not known, which makes both unknown).

    >>> joint(np.array([1, 1, 0, 0, -1]), np.array([1, 0, 1, 0, 1]))
    array([ 0,  1,  2,  3, -1])
    """
    place = 2 * (1 - first.astype(np.int64)) + 1 - second.astype(np.int64)
    return np.where((first < 0) | (second < 0), -1, place)


def measures(shares: Floats) -> Floats:
    """Return given, without, ratio and odds ratio (..., 4) of joint shares (..., 4).

    >>> measures(np.array([0.2, 0.2, 0.1, 0.5])).round(2)
    array([0.5 , 0.17, 3.  , 5.  ])
    """
    both, first, second, neither = np.moveaxis(shares, -1, 0)
    given, without = ratio(both, both + first), ratio(second, second + neither)
    return np.stack(
        [given, without, ratio(given, without), ratio(both * neither, first * second)], axis=-1
    )


def supported(answered: Sequence[float]) -> bool:
    """Return whether the answers in the four categories are enough to say more than a number.

    In each category five answers, or five to be expected if there were no link (Cochran 1954).

    >>> supported((15, 30, 30, 200)), supported((0, 60, 60, 300)), supported((2, 9, 10, 200))
    (True, True, False)
    """
    both, first, second, neither = answered
    table = np.array([[both, first], [second, neither]])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(table.sum(), 1)
    return bool((np.maximum(table, expected) >= LEAST_IN_A_CASE).all())


def together(
    review: Review,
    shares: Floats,
    seed: Sequence[int] = (1,),
    comparisons: int = 1,
    population: int | None = None,
) -> Together:
    """Return how two codes go together, from a `review` of one column: their joint labels.

    `shares`, drawn × 4 and 1 in all, are what people said of each drawn unit; rows of NaN are open.
    `comparisons` is how many pairs are looked at, and `population` how many units there are that
    know nothing of each other: all of them, or the interviews that they come from.
    """
    answered: Bools = np.asarray(~np.isnan(shares).any(axis=1))
    counts = shares[answered].sum(axis=0) if answered.any() else np.zeros(JOINT)
    weight, p, effective, census, short = _labels(review, shares, answered)
    found = totals(np.zeros(weight.size, np.int64), weight[:, None] * p, 1)[0]
    rng = np.random.default_rng(list(seed))
    size = len(review.machine) if population is None else population
    # What no draw can divide by is as far out as can be.
    down, up = (
        np.where(np.isnan(drawn), end, drawn)
        for drawn, end in (
            (measures(_draws(weight, p, effective, census, DOWN, size, rng)), 0.0),
            (measures(_draws(weight, p, effective, census, UP, size, rng)), np.inf),
        )
    )
    point = measures(found)
    low, high = _limits(point, down, up)
    low_all, high_all, p_value = _against_one(
        (float(low[2]), float(high[2])), down[:, 2], up[:, 2], comparisons
    )
    enough = counts[0] + counts[1] >= LEAST_WITH and counts[0] + counts[2] >= LEAST_WITH
    status: Status = "ok" if enough and not short else "too_few"
    if not answered.any():
        status = "machine_only"
    both, first, second, neither = (float(share) for share in found)
    figures: dict[str, float] = {}
    for name, *values in zip(MEASURES, point, low, high, strict=True):
        ends = zip(("", "_low", "_high"), values, strict=True)
        figures |= {f"{name}{end}": float(value) for end, value in ends}
    return Together(
        both=both,
        first=first,
        second=second,
        neither=neither,
        ratio_low_all=low_all,
        ratio_high_all=high_all,
        p_value=p_value,
        answered=tuple(float(count) for count in counts),
        reviewed=int(answered.sum()),
        status=status,
        **figures,
    )


def mean_among(
    values: Floats, member: Floats, weights: Floats, pi: Floats, clusters: Whole | None = None
) -> Mean:
    """Return the weighted mean of `values` among `member` (0 to 1), drawn units long.

    Linearised as a ratio with finite-population correction; several units of one of `clusters`
    count as one total. t has one degree of freedom fewer than there are of them.
    """
    known = ~(np.isnan(values) | np.isnan(member)) & (np.nan_to_num(member) > 0)
    w, y = weights[known] * member[known], values[known]
    if not w.size:
        return Mean(np.nan, np.nan, np.nan, 0)
    mean = float((w * y).sum() / w.sum())
    parts = np.sqrt(1 - pi[known]) * w * (y - mean)
    if clusters is not None:
        _, home = np.unique(clusters[known], return_inverse=True)
        parts = totals(home, parts, int(home.max()) + 1)
    n = parts.size
    if n < 2:
        return Mean(mean, np.nan, np.nan, int(known.sum()))
    reach = float(special.stdtrit(n - 1, 0.975) * np.sqrt(n / (n - 1) * (parts**2).sum()) / w.sum())
    return Mean(mean, mean - reach, mean + reach, int(known.sum()))


def screen(
    labels: Whole, weights: Floats, most: int, allowed: Bools
) -> tuple[list[tuple[int, int]], int]:
    """Return at most `most` pairs of columns that go together, or apart, more than by chance.

    Beside them: how many pairs there were to choose from.

    `labels`, units × codes, are 1, 0, or -1 for not known; `allowed` says which pairs (codes ×
    codes) may be told. The surest come first: by `(found - expected) / sqrt(expected)`, into which
    both the lift and the size enter. Codes of fewer than ten units, or of all but ten, are out.
    """
    known = (labels >= 0).astype(np.float64)
    said = (labels == 1).astype(np.float64)
    weighted = said * weights[:, None]
    found = weighted.T @ said
    # Of the units of which both are known, those with the first, with the second, and all.
    first_alone = weighted.T @ known
    total = (known * weights[:, None]).T @ known
    expected = np.nan_to_num(ratio(first_alone * first_alone.T, total))
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = np.abs(found - expected) / np.sqrt(expected)
    units = said.sum(axis=0)
    some = (units >= LEAST_WITH) & (units <= known.sum(axis=0) - LEAST_WITH)
    surprise[~(allowed & some[:, None] & some)] = -1
    first, second = np.triu_indices(len(units), 1)
    scores = np.nan_to_num(surprise[first, second], nan=-1)
    order = np.argsort(-scores, kind="stable")[:most]
    pairs = [(int(first[at]), int(second[at])) for at in order if scores[at] >= 0]
    return pairs, int((scores >= 0).sum())


def _labels(
    review: Review, shares: Floats, answered: Bools
) -> tuple[Floats, Floats, Floats, Bools, bool]:
    """Return weight, shares (× 4), effective number and census of each joint label, and if short.

    The strata of a label share their draws, as they share their limits in `Shares.interval`.
    """
    label = review.machine[review.drawn].astype(np.int64) + 1
    response = review.stratum[review.drawn, None].astype(np.int64) * (JOINT + 1) + label
    pi = answered_inclusion(response, review.inclusion, answered[:, None])
    nowhere = np.zeros(len(review.machine), np.int64)
    y = shares[:, None, :]
    cells = count_cells(
        review.machine, JOINT, review.stratum, nowhere, 1, review.drawn, pi, y, True
    )
    people = np.full((1, JOINT), 1 / JOINT)
    if answered.any():
        w = 1 / review.inclusion[answered]
        people[0] = (w[:, None] * shares[answered]).sum(axis=0) / w.sum()
    found = post_stratify(cells, 1, people, np.arange(JOINT), True)
    solved = found.solved
    known = solved.census[:, 0]
    alone = known | found.empty[:, 0]
    key = np.where(alone, -1 - np.arange(alone.size), found.label + 1)
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    size = first.size
    weight = totals(which, found.weight, size)
    part = (found.weight / weight[which])[:, None]
    p = totals(which, part * solved.p, size)
    variance = totals(which, part**2 * solved.variance, size).sum(axis=1)
    most = totals(which, ratio(part**2, solved.most), size)[:, 0]
    most = ratio(np.ones(size), most)
    spread = (p * (1 - p)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(variance > 0, np.minimum(spread / variance, most), most)
    empty = found.empty[first, 0]
    effective = np.where(empty, 0.0, np.nan_to_num(effective, posinf=0.0))
    if review.clusters is not None and answered.any():
        effective = effective / _clustering(review, shares, answered, review.clusters)
    return weight, p, effective, known[first], not bool(found.complete[0])


def _clustering(review: Review, shares: Floats, answered: Bools, clusters: Whole) -> float:
    """Return how much units that share a participant inflate the variance, t's tails included."""
    label = review.machine[review.drawn][answered, 0].astype(np.int64) + 1
    w, y = 1 / review.inclusion[answered], shares[answered]
    size = np.bincount(review.machine[:, 0].astype(np.int64) + 1, minlength=JOINT + 1)
    weight = totals(label, w, JOINT + 1)
    share = ratio(totals(label, w[:, None] * y, JOINT + 1), weight[:, None])
    v = w * ratio(size.astype(np.float64), weight)[label]
    residual = v[:, None] * (y - share[label])
    within = Clusters.within(clusters[answered], np.zeros(w.size, np.int64), 1)
    inflation = max(float(within.inflation(case, v, label)[0]) for case in residual.T)
    return inflation * float(within.reach(v)[0]) ** 2


def _draws(
    weight: Floats,
    p: Floats,
    effective: Floats,
    census: Bools,
    added: Floats,
    size: int,
    rng: Generator,
) -> Floats:
    """Return draws of the joint shares, draws × 4.

    First of the units there are, where what is known in full does not vary; then of others like
    them, from which `size` were to be had.
    """
    # An answer weighs so much in each label; the halves shift the whole as those of MOVER would,
    # which squares what every label adds.
    one = np.where(census | (effective <= 0), 0.0, weight / np.maximum(effective, 1e-9))
    part = np.where(effective > 0, one / max(float(np.linalg.norm(one)), 1e-9), 1.0)
    shape = np.where(census[:, None], 1.0, effective[:, None] * p + part[:, None] * added)
    drawn = rng.standard_gamma(shape, (DRAWS, *shape.shape))
    drawn /= drawn.sum(axis=2, keepdims=True)
    drawn = np.where(census[:, None], p, drawn)
    these = (weight[:, None] * drawn).sum(axis=1)
    others = rng.standard_gamma(size * these + added)
    return np.asarray(others / others.sum(axis=1, keepdims=True))


def _limits(point: Floats, down: Floats, up: Floats) -> tuple[Floats, Floats]:
    """Return the limits of the four measures; they always hold what was estimated.

    `without` is low where the ratio is high.
    """
    below, above = (
        np.stack([one[:, 0], other[:, 1], one[:, 2], one[:, 3]], axis=1)
        for one, other in ((down, up), (up, down))
    )
    low = np.quantile(below, 0.025, axis=0, method="lower")
    high = np.quantile(above, 0.975, axis=0, method="higher")
    return np.fmin(low, point), np.fmax(np.minimum(high, [1, 1, np.inf, np.inf]), point)


def _against_one(
    limits: tuple[float, float], down: Floats, up: Floats, comparisons: int
) -> tuple[float, float, float]:
    """Return the limits of a ratio that hold with all others, and the p-value of its being 1.

    Both go on from the middle of the draws to the 95 % limit and beyond, as a normal logarithm.
    """
    wide = critical(sidak(0.95, comparisons)) / critical()
    reach, ends = 0.0, []
    for draws, limit, sign in ((down, limits[0], 1), (up, limits[1], -1)):
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = np.log(np.quantile(draws, 0.5, method="nearest"))
            apart = middle - np.log(limit)
            end, far = np.exp(middle - wide * apart), middle / apart * critical()
        ends.append(float(limit if np.isnan(end) else end))
        if sign * middle > 0 and far > reach:
            reach = float(far)
    return ends[0], ends[1], float(2 * special.ndtr(-reach))
