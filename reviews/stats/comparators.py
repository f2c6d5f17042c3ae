"""Prediction-powered and doubly robust estimates, beside the cell estimator for comparison.

`y` and `f` are labelled units (× codes), `others` the machine's labels of the units without a human
label, others (× codes). Weights are one per labelled unit. Source: Angelopoulos et al. (2023, PPI;
2024, PPI++); Egami et al. (2023, DSL), which is AIPW with a known design. Their normal intervals
are too short for rare codes: never the reported number.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reviews.stats.arrays import Floats, Generator, Ints, Whole, ratio, totals
from reviews.stats.intervals import critical


@dataclass(frozen=True)
class Powered:
    """An estimate with a normal interval, and how much of the machine it uses (`lam`, 0 to 1)."""

    estimate: Floats
    se: Floats
    low: Floats
    high: Floats
    lam: Floats


def ppi(
    y: Floats,
    f: Floats,
    others: Floats,
    *,
    lam: float | None = 1.0,
    weights: Floats | None = None,
    confidence: float = 0.95,
) -> Powered:
    """Return `lam mean(f over others) + mean(y - lam f)`, for one variable or one per column.

    `lam` 1 is PPI and 0 people alone; None is PPI++: `cov(y, f) / ((1 + n/N) var(f))`, in 0 to 1.
    """
    n, size = len(y), len(others)
    w = np.ones(n) if weights is None else weights / weights.mean()
    w = w.reshape(-1, *[1] * (y.ndim - 1))
    chosen = _best_lam(y, f, others, w) if lam is None else np.full(y.shape[1:], lam)
    residual = y - chosen * f
    estimate = chosen * others.mean(axis=0) + (w * residual).mean(axis=0)
    centred = w * (residual - (w * residual).mean(axis=0))
    variance = (centred**2).mean(axis=0) / n + chosen**2 * others.var(axis=0) / max(size, 1)
    se = np.sqrt(variance)
    reach = critical(confidence) * se
    return Powered(estimate, se, estimate - reach, estimate + reach, np.asarray(chosen))


def _best_lam(y: Floats, f: Floats, others: Floats, w: Floats) -> Floats:
    n, size = len(y), len(others)
    centred_y, centred_f = y - (w * y).mean(axis=0), f - (w * f).mean(axis=0)
    covariance = (w * centred_y * centred_f).mean(axis=0)
    spread = np.concatenate([f, others]).var(axis=0)
    slope = ratio(covariance, (1 + n / max(size, 1)) * spread)
    return np.clip(np.nan_to_num(slope), 0, 1)


FOLDS = 5
LEAST_OF_EACH = 50
"""Positive, and negative, human labels below which the doubly robust estimate is not shown."""
RIDGE = 1.0
BLOCK = 20_000


@dataclass(frozen=True)
class Robust:
    """Doubly robust estimates, one a code, with normal intervals; nan where not `ok`."""

    estimate: Floats
    se: Floats
    low: Floats
    high: Floats
    status: tuple[Literal["ok", "too_few"], ...]


def dsl(
    y: Floats,
    inclusion: Floats,
    drawn: Whole,
    features: Whole | Floats,
    rng: Generator,
    *,
    clusters: Whole | None = None,
    confidence: float = 0.95,
) -> Robust:
    """Return the mean of `psi = g(x) + R/pi (y - g(x))` of every code, and its interval.

    `features` (units × columns) are what is known of every unit, machine labels first of all; g is
    ridge regression on them, cut to 0 to 1, fitted without the fold (of five) that it speaks for.
    `y` and `inclusion` (drawn × codes) are people's answers, NaN where open, and the probability of
    an answer. Variances are those of `psi`, summed by interview where `clusters` (one per unit) say
    so. Codes with fewer than 50 positives or 50 negatives are left out.
    """
    units = len(features)
    means, squares = np.zeros(y.shape[1]), np.zeros(y.shape[1])
    answered = ~np.isnan(y)
    positives = np.where(answered, y, 0).sum(axis=0)
    negatives = answered.sum(axis=0) - positives
    enough = (positives >= LEAST_OF_EACH) & (negatives >= LEAST_OF_EACH)
    codes = np.flatnonzero(enough)
    nothing = np.full(y.shape[1], np.nan)
    if codes.size:
        psi = pseudo_outcomes(
            y[:, codes], inclusion[:, codes], drawn, features, rng, clusters=clusters
        )
        means[codes] = psi.mean(axis=0)
        centred = psi - means[codes]
        if clusters is not None:
            _, interview = np.unique(clusters, return_inverse=True)
            centred = totals(interview, centred, int(interview.max()) + 1)
        squares[codes] = (centred**2).sum(axis=0) / units**2
    estimate = np.where(enough, means, nothing)
    se = np.where(enough, np.sqrt(squares), nothing)
    reach = critical(confidence) * se
    return Robust(
        estimate,
        se,
        np.maximum(estimate - reach, 0),
        np.minimum(estimate + reach, 1),
        tuple("ok" if one else "too_few" for one in enough),
    )


def pseudo_outcomes(
    y: Floats,
    inclusion: Floats,
    drawn: Whole,
    features: Whole | Floats,
    rng: Generator,
    *,
    clusters: Whole | None = None,
) -> Floats:
    """Return `psi` of every unit, units × codes: what regressions elsewhere may take for the code.

    Whole interviews (`clusters`) fall into one fold.
    """
    units = len(features)
    groups = np.arange(units) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    deal = rng.permutation(int(groups.max(initial=-1)) + 1) % FOLDS
    fold = deal[groups]
    seen = np.asarray(features[drawn], dtype=np.float64)
    centre = seen.mean(axis=0)
    psi = np.empty((units, y.shape[1]))
    answered = ~np.isnan(y)
    for one in range(FOLDS):
        slope, level = _ridge(seen - centre, np.where(fold[drawn][:, None] != one, y, np.nan))
        inside = np.flatnonzero(fold == one)
        for start in range(0, inside.size, BLOCK):
            some = inside[start : start + BLOCK]
            psi[some] = np.clip((features[some] - centre) @ slope + level, 0, 1)
    residual = np.where(answered, (np.nan_to_num(y) - psi[drawn]) / inclusion, 0.0)
    psi[drawn] += residual
    return psi


def _ridge(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return slopes, columns × codes, and levels, of ridge regression on the answered rows."""
    slope, level = np.zeros((x.shape[1], y.shape[1])), np.zeros(y.shape[1])
    open_ = np.isnan(y)
    patterns: dict[bytes, list[int]] = {}
    for code in range(y.shape[1]):
        patterns.setdefault(open_[:, code].tobytes(), []).append(code)
    for codes in patterns.values():
        used = ~open_[:, codes[0]]
        if not used.any():
            continue
        rows, said = x[used], y[used][:, codes]
        middle, mean = rows.mean(axis=0), said.mean(axis=0)
        rows = rows - middle
        found = np.linalg.solve(rows.T @ rows + RIDGE * np.eye(x.shape[1]), rows.T @ (said - mean))
        slope[:, codes] = found
        level[codes] = mean - middle @ found
    return slope, level


def hot(of_unit: Ints, least: int = 20, drawn: Whole | None = None) -> Floats:
    """Return a column for every value (language, stratum) that enough of the drawn units have."""
    among = of_unit if drawn is None else of_unit[drawn]
    values, count = np.unique(among, return_counts=True)
    kept = values[count >= least][1:]
    return np.asarray(of_unit[:, None] == kept, dtype=np.float64)
