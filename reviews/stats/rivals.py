"""Two machines against the same people: which is right more often, and how sure is that?

Labels of both are units × codes (1, 0, or -1 where a machine did not code the unit), `y` drawn ×
codes as in `prevalence.Review`. Only units that both machines coded count. A cell is one pair of
labels, the design weighs the answers in it, and its size is known: every score of both machines is
a function of the four shares, so that what they have in common falls out of their difference.

Source: shares and effective sizes as in `cells`; Beta posteriors under Jeffreys' prior put through
the formulas (Monte Carlo), as in `accuracy`; exact and mid-p McNemar tests as in `paired`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from reviews.stats.arrays import Floats, Generator, Whole, ratio, totals
from reviews.stats.cells import answered_inclusion, count_cells, solve
from reviews.stats.intervals import jeffreys
from reviews.stats.paired import by_cluster, sign_test
from reviews.stats.prevalence import LEAST_REVIEWED

SCORES = ("accuracy", "precision", "recall", "f1")
CONTESTED = np.array([False, True, True, False])
LEAST_CONTESTED = 5
"""Reviewed units on which two machines differ below which their scores are hardly told apart."""

Status = Literal["ok", "no_review", "insufficient", "no_contest"]


@dataclass(frozen=True)
class Score:
    """One score of both machines; `difference` is second less first, with its interval."""

    first: float
    second: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Rivals:
    """Two machines on one code. Counts are of reviewed units on which people are of one mind.

    `contested` are the units, reviewed or not, on which the machines differ. `exact` and `mid` are
    p-values of both being right equally often where they differ.
    """

    units: int
    contested: int
    reviewed: int
    both_right: int
    first_right: int
    second_right: int
    none_right: int
    exact: float
    mid: float
    scores: dict[str, Score]
    status: Status


def rivals(
    first: Whole,
    second: Whole,
    stratum: Whole,
    drawn: Whole,
    inclusion: Floats,
    y: Floats,
    rng: Generator,
    *,
    clusters: Whole | None = None,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> list[Rivals]:
    """Return the two machines on each code; without people's answers there are no scores."""
    known = (first >= 0) & (second >= 0)
    pair = np.where(known, 2 * (first == 1).astype(np.int64) + (second == 1), -1)
    answered = ~np.isnan(y) & known[drawn]
    y = np.where(answered, y, np.nan)
    response = stratum[drawn, None].astype(np.int64) * 5 + pair[drawn] + 1
    pi = answered_inclusion(response, inclusion, answered)
    nowhere = np.zeros(len(first), np.int64)
    cells = count_cells(pair, 4, stratum, nowhere, 1, drawn, pi, y[:, :, None], False)
    codes = first.shape[1]
    group = cells.problem * 5 + cells.label + 1
    size = totals(group, cells.size, codes * 5)
    sums = cells.sums.by(group, codes * 5)
    solved = solve(size, sums)
    shape = (codes, 5)
    weight, share, effective, often = (
        column.reshape(shape)[:, 1:] for column in (size, solved.p, solved.n_effective, sums.n)
    )
    found = []
    for code in range(codes):
        right = _right(pair[drawn, code], y[:, code])
        whose = None if clusters is None else clusters[drawn]
        exact, mid = _test(right, whose)
        counts = [int(((right[0] == a) & (right[1] == b)).sum()) for a in (1, 0) for b in (1, 0)]
        reviewed = int(often[code].sum())
        status = _status(weight[code], often[code])
        scores = {}
        if reviewed:
            scores = _scores(
                weight[code], share[code], effective[code], rng, replicates, confidence
            )
        found.append(
            Rivals(
                units=int(weight[code].sum()),
                contested=int(weight[code, 1:3].sum()),
                reviewed=reviewed,
                both_right=counts[0],
                first_right=counts[1],
                second_right=counts[2],
                none_right=counts[3],
                exact=exact,
                mid=mid,
                scores=scores,
                status=status,
            )
        )
    return found


def _right(pair: Whole, y: Floats) -> Floats:
    """Return who of the two is right about each drawn unit, 2 × drawn; NaN where people differ."""
    said = np.stack([pair // 2, pair % 2])
    settled = (y == 0) | (y == 1)
    return np.where(settled & (pair >= 0), said == y, np.nan)


def _test(right: Floats, clusters: Whole | None) -> tuple[float, float]:
    """Return the exact p-value and the mid-p-value of both being right equally often."""
    seen = ~np.isnan(right[0])
    moves = (right[1] - right[0])[seen].astype(np.int64)
    if clusters is not None:
        moves, _sizes = by_cluster(moves, np.unique(clusters[seen], return_inverse=True)[1])
    return sign_test(moves)


def _status(weight: Floats, often: Floats) -> Status:
    if not often.sum():
        return "no_review"
    if not weight[1:3].sum():
        return "no_contest"
    few = often.sum() < LEAST_REVIEWED and often.sum() < weight.sum()
    contested, all_contested = often[1:3].sum(), weight[1:3].sum()
    if few or (contested < LEAST_CONTESTED and contested < all_contested):
        return "insufficient"
    return "ok"


def _scores(
    weight: Floats,
    share: Floats,
    effective: Floats,
    rng: Generator,
    replicates: int,
    confidence: float,
) -> dict[str, Score]:
    """Return the scores of both machines from their four cells: neither, second, first, both."""
    census = np.isinf(effective)
    n = np.where(census, 0.0, effective)
    unknown = np.isnan(share)
    known = np.where(unknown, 0.5, share)
    draws = rng.beta(n * known + 0.5, n * (1 - known) + 0.5, (replicates, 4))
    # A cell that nobody was asked about can hold anything; one that no unit is in holds nothing.
    draws = np.where(unknown & (weight > 0), rng.random((replicates, 4)), draws)
    draws = np.where(census, known, draws)
    # Few units are contested: one side of them that nobody was asked about counts half for each.
    middle = np.where(unknown & CONTESTED, 0.5, share)
    estimate = _both(weight, np.where(weight > 0, middle, 0.0)[None])[..., 0]
    drawn = _both(weight, draws)
    difference = drawn[1] - drawn[0]
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    found = {}
    for place, name in enumerate(SCORES):
        one, other = float(estimate[0, place]), float(estimate[1, place])
        low = high = np.nan
        defined = difference[place][~np.isnan(difference[place])]
        if defined.size and not np.isnan(other - one):
            low, high = (float(end) for end in np.quantile(defined, tails))
            low, high = min(low, other - one), max(high, other - one)
        found[name] = Score(one, other, other - one, low, high)
    return found


def _both(weight: Floats, share: Floats) -> Floats:
    """Return machines × scores × draws from shares, draws × 4, of cells of known `weight`."""
    positive = (weight * share).T
    negative = weight[:, None] - positive
    everything, all_positive = weight.sum(), positive.sum(axis=0)
    found = []
    for said in ([2, 3], [1, 3]):
        hits = positive[said].sum(axis=0)
        marked = np.full_like(hits, weight[said].sum())
        silent = [cell for cell in range(4) if cell not in said]
        right = hits + negative[silent].sum(axis=0)
        found.append(
            [
                ratio(right, np.full_like(hits, everything)),
                ratio(hits, marked),
                ratio(hits, all_positive),
                ratio(2 * hits, marked + all_positive),
            ]
        )
    return np.array(found)


def closer(
    first: Floats,
    second: Floats,
    drawn: Whole,
    inclusion: Floats,
    y: Floats,
    *,
    span: tuple[float, float],
    clusters: Whole | None = None,
    confidence: float = 0.95,
) -> Rivals:
    """Return which of two machines is closer to people on a scale from `span[0]` to `span[1]`.

    Values are one a unit, `y` one a drawn unit, NaN where there is none. Being right is being
    closer; the one score, `error`, is the mean distance to people by design weights, with a t
    interval over interviews (units) of the difference.
    """
    known = ~np.isnan(first) & ~np.isnan(second)
    apart = first[known] != second[known]
    seen = known[drawn] & ~np.isnan(y)
    unit = drawn[seen]
    errors = np.stack([np.abs(side[unit] - y[seen]) for side in (first, second)])
    n, moves = unit.size, errors[1] - errors[0]
    place = np.arange(n)
    if clusters is not None:
        place = np.unique(clusters[unit], return_inverse=True)[1]
    signs = np.sign(-moves).astype(np.int64)
    exact, mid = sign_test(by_cluster(signs, place)[0] if n else signs)
    scores = {}
    if n:
        w = 1 / inclusion[seen]
        means = (errors * w).sum(axis=1) / w.sum()
        difference = float(means[1] - means[0])
        parts = np.bincount(place, w * (moves - difference)) / w.sum()
        groups, spread = parts.size, float((parts**2).sum())
        if groups < 2 or spread <= 1e-12 * (span[1] - span[0]) ** 2:
            share = float(jeffreys(np.zeros(1), np.array([float(groups)]), confidence)[1][0])
            reach = share * (span[1] - span[0])
        else:
            t = float(special.stdtrit(groups - 1, (1 + confidence) / 2))
            reach = t * float(np.sqrt(groups / (groups - 1) * spread))
        low, high = difference - reach, difference + reach
        scores["error"] = Score(float(means[0]), float(means[1]), difference, low, high)
    weight = np.array([known.sum() - apart.sum(), apart.sum(), 0, 0], dtype=np.float64)
    differ = first[unit] != second[unit]
    return Rivals(
        units=int(known.sum()),
        contested=int(apart.sum()),
        reviewed=n,
        both_right=int(((errors == 0).all(axis=0)).sum()),
        first_right=int((moves > 0).sum()),
        second_right=int((moves < 0).sum()),
        none_right=int(((moves == 0) & (errors[0] > 0)).sum()),
        exact=exact,
        mid=mid,
        scores=scores,
        status=_status(weight, np.array([n - differ.sum(), differ.sum(), 0, 0], dtype=np.float64)),
    )


def correlation(first: Floats, second: Floats, pi: Floats) -> float:
    """Return how two estimates of the same drawn units go together, from what each unit adds.

    `first` and `second` are linearised contributions; 0 where one of them does not vary.
    """
    q = 1 - pi if (pi < 1).any() else np.ones_like(pi)
    one, other = (float((q * part**2).sum()) for part in (first, second))
    if one <= 0 or other <= 0:
        return 0.0
    return float(np.clip((q * first * second).sum() / np.sqrt(one * other), -1, 1))


def contributions(cell: Whole, drawn: Whole, pi: Floats, y: Floats) -> Floats:
    """Return what each drawn unit adds to the error of a share estimated in cells.

    `cell` is one a unit. It is `W_g w (y - p_g) / sum w` in the cell g, and 0 for an open question.
    """
    mine = cell[drawn]
    groups = int(cell.max(initial=0)) + 1
    share = np.bincount(cell, minlength=groups) / max(cell.size, 1)
    w = np.where(np.isnan(y), 0.0, 1 / pi)
    weight = totals(mine.astype(np.int64), w, groups)
    p = ratio(totals(mine.astype(np.int64), w * np.nan_to_num(y), groups), weight)
    at = ratio(share, weight)
    return np.nan_to_num(at[mine] * w * (y - p[mine]))
