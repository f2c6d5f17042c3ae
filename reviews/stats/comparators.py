"""Prediction-powered estimates, printed beside the cell estimator for comparison.

`y` and `f` are labelled units (× codes), `others` the machine's labels of the units without a human
label, others (× codes). Weights are one per labelled unit. Source: Angelopoulos et al. (2023, PPI;
2024, PPI++). Their normal intervals are too short for rare codes: never the reported number.
"""

from dataclasses import dataclass

import numpy as np

from reviews.stats.arrays import Floats, ratio
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
