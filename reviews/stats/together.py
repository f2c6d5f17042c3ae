"""Two codes together: odds ratio and ratio of shares, the machine's labels corrected by people.

For a pair of codes every unit is in one of four joint categories: 0 both, 1 the first alone, 2 the
second alone, 3 neither. They are estimated like a one-of-many dimension, in cells of design stratum
× the machine's joint label, so that people's answers correct all four at once.

The interval comes from Dirichlet draws, one for each joint label of the machine, with the label's
effective number of answers and half an answer added to each category: the odds of a single 2×2
table get the width of Woolf (1955) with Haldane and Anscombe's half, and no zero is fatal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from reviews.stats.arrays import Bools, Floats, Ints, Whole, ratio, totals
from reviews.stats.cells import answered_inclusion, count_cells, post_stratify
from reviews.stats.intervals import critical
from reviews.stats.prevalence import Review

JOINT = 4
PRIOR = 0.5
"""Answers added to each joint category (Jeffreys)."""
LEAST_WITH = 10
"""Answers with each of the two codes below which nothing is said of them together."""
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
    given / without and `odds` the odds ratio, with 95 % limits. `answered` counts people's answers
    in the four categories.
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
    odds: float
    odds_low: float
    odds_high: float
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


def together(review: Review, shares: Floats, seed: Sequence[int] = (1,)) -> Together:
    """Return how two codes go together, from a `review` of one column: their joint labels.

    `shares`, drawn × 4 and 1 in all, are what people said of each drawn unit; rows of NaN are open.
    """
    answered: Bools = np.asarray(~np.isnan(shares).any(axis=1))
    counts = shares[answered].sum(axis=0) if answered.any() else np.zeros(JOINT)
    weight, p, effective, census, short = _labels(review, shares, answered)
    found = totals(np.zeros(weight.size, np.int64), weight[:, None] * p, 1)[0]
    draws = _draws(weight, p, effective, census, np.random.default_rng(list(seed)))
    point = measures(found)
    low, high = _limits(point, draws, bool(census.all()))
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


def screen(labels: Whole, weights: Floats, most: int, allowed: Bools) -> list[tuple[int, int]]:
    """Return at most `most` pairs of columns that go together, or apart, more than by chance.

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
    return [(int(first[at]), int(second[at])) for at in order if scores[at] >= 0]


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
    """Return how much several units of an interview inflate the variance, t's tails included."""
    label = review.machine[review.drawn][answered, 0].astype(np.int64) + 1
    w, y = 1 / review.inclusion[answered], shares[answered]
    size = np.bincount(review.machine[:, 0].astype(np.int64) + 1, minlength=JOINT + 1)
    weight = totals(label, w, JOINT + 1)
    share = ratio(totals(label, w[:, None] * y, JOINT + 1), weight[:, None])
    v = w * ratio(size.astype(np.float64), weight)[label]
    residual = v[:, None] * (y - share[label])
    _, home = np.unique(clusters[answered], return_inverse=True)
    interviews = int(home.max()) + 1
    apart = float((residual**2).sum())
    grouped = float((totals(home, residual, interviews) ** 2).sum())
    inflation = max(grouped / apart, 1.0) if apart > 0 else len(y) / interviews
    tail = special.stdtrit(max(interviews - 1, 1), 0.975) / critical()
    return float(inflation * tail**2)


def _draws(
    weight: Floats, p: Floats, effective: Floats, census: Bools, rng: np.random.Generator
) -> Floats:
    """Return draws of the joint shares, draws × 4; what is known in full does not vary."""
    shape = effective[:, None] * p * ~census[:, None] + PRIOR
    drawn = rng.standard_gamma(shape, (DRAWS, *shape.shape))
    drawn /= drawn.sum(axis=2, keepdims=True)
    drawn = np.where(census[:, None], p, drawn)
    return np.asarray((weight[:, None] * drawn).sum(axis=1))


def _limits(point: Floats, draws: Floats, exact: bool) -> tuple[Floats, Floats]:
    """Return the limits of the four measures; they always hold what was estimated."""
    if exact:
        return point, point
    low, high = np.nanquantile(measures(draws), [0.025, 0.975], axis=0)
    return np.fmin(low, point), np.fmax(high, point)
