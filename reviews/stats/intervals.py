"""Intervals of shares. Everything is elementwise over arrays of one shape."""

from typing import Literal

import numpy as np
from scipy import special

from reviews.stats.arrays import Floats


def critical(confidence: float = 0.95) -> float:
    """Return the two-sided normal quantile.

    >>> round(critical(), 3)
    1.96
    """
    return float(special.ndtri((1 + confidence) / 2))


def sidak(confidence: float, comparisons: int) -> float:
    """Return the confidence each of many intervals needs so that all hold together."""
    return float(confidence ** (1 / max(comparisons, 1)))


def wilson(p: Floats, n: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return Wilson's interval for a share `p` of (effectively) `n`; 0 to 1 where n is 0.

    >>> low, high = wilson(np.array([0.0]), np.array([10.0]))
    >>> low, high.round(3)
    (array([0.]), array([0.278]))
    """
    z = critical(confidence)
    none = ~(n > 0)
    p, n = np.where(none, 0.5, p), np.where(none, 1.0, n)
    slack = np.where(np.isinf(n), 0.0, z**2 / n)
    middle = (p + slack / 2) / (1 + slack)
    reach = np.sqrt(slack * p * (1 - p) + slack**2 / 4) / (1 + slack)
    low, high = np.clip(middle - reach, 0, 1), np.clip(middle + reach, 0, 1)
    low, high = np.where(p == 0, 0.0, low), np.where(p == 1, 1.0, high)
    return np.where(none, 0.0, low), np.where(none, 1.0, high)


def jeffreys(p: Floats, n: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return Jeffreys' interval; its low end is 0 where p is 0, its high end 1 where p is 1.

    >>> low, high = jeffreys(np.array([0.0]), np.array([10.0]))
    >>> low, high.round(3)
    (array([0.]), array([0.217]))
    """
    a, b = n * p + 0.5, n * (1 - p) + 0.5
    low = special.betaincinv(a, b, (1 - confidence) / 2)
    high = special.betaincinv(a, b, (1 + confidence) / 2)
    return np.where(p == 0, 0.0, low), np.where(p == 1, 1.0, high)


Estimated = tuple[float, float, float]
"""An estimate and its two limits."""


def difference(first: Estimated, second: Estimated, wide: float = 1.0) -> Estimated:
    """Return first less second of two apart estimates, by MOVER (Zou and Donner 2008).

    `d - sqrt((p1-l1)^2 + (u2-p2)^2)` to `d + sqrt((u1-p1)^2 + (p2-l2)^2)`, for Wilson's limits
    method 10 of Newcombe (1998); `wide` times as far out where many differences are to hold.

    >>> tuple(round(end, 4) for end in difference((0.7, 0.5667, 0.8085), (0.6, 0.4905, 0.7)))
    (0.1, -0.0666, 0.2542)
    """
    (p1, l1, u1), (p2, l2, u2) = first, second
    d = p1 - p2
    below, above = np.hypot(p1 - l1, u2 - p2), np.hypot(u1 - p1, p2 - l2)
    return d, d - wide * float(below), d + wide * float(above)


Grade = Literal["A", "B", "C", "D"]
Method = Literal["cells", "hajek", "smoothed", "none"]

LEAST_FOR_A = 30
"""Human labels below which an estimate is never grade A."""


def grade(
    method: Method, reviewed: int, low: float, high: float, target: float, *, enough: bool = True
) -> Grade:
    """Return the evidence grade: A design-based and narrow, B wide, C not validated, D machine.

    `target` is the half-width that the study wants. C is what leans on other domains (smoothed),
    and what has not `enough` human labels to say anything of its own (status `insufficient`).

    >>> grade("cells", 200, 0.10, 0.16, target=0.05)
    'A'
    """
    if method == "none":
        return "D"
    if method == "smoothed" or not enough:
        return "C"
    return "A" if reviewed >= LEAST_FOR_A and high - low <= 2 * target else "B"
