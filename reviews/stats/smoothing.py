"""Shares in domains that nobody reviewed, borrowed from the other domains by empirical Bayes.

Within each machine label the domains' shares are taken to follow one Beta distribution with mean
mu and size k, so that `p_gd = (x + k_g mu_g) / (n + k_g)`, which is mu_g where n is 0. Arrays are
domains × columns × labels (× outcomes). The intervals predict a domain not seen; they rest on the
model and are never called validated. Source: beta-binomial model (Griffiths 1973).
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from reviews.stats.arrays import Floats, ratio

GRID = np.linspace(0.01, 0.99, 40)


@dataclass(frozen=True)
class Smoothed:
    """The predicted share `p`, domains × columns × outcomes, and what its interval is made of."""

    p: Floats
    weight: Floats
    mean: Floats
    smooth_mean: Floats
    size: Floats

    def interval(self, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """Return the predictive interval: the Beta quantiles of the labels, weighted and added.

        Added, not as squares: where a code is common, people find it more often under every label.
        """
        known = self.size > 0
        a = np.where(known, self.size * self.smooth_mean, 0.5)
        b = np.where(known, self.size * (1 - self.smooth_mean), 0.5)
        low = special.betaincinv(a, b, (1 - confidence) / 2)
        high = special.betaincinv(a, b, (1 + confidence) / 2)
        low = np.where(known, np.minimum(low, self.mean), 0.0)
        high = np.where(known, np.maximum(high, self.mean), 1.0)
        weight = self.weight[..., None]
        return (weight * low).sum(axis=2), np.minimum((weight * high).sum(axis=2), 1)


def smooth(share: Floats, n: Floats, size: Floats, mean: Floats, fallback: Floats) -> Smoothed:
    """Return the predicted share of every domain as if nobody had reviewed it.

    `share` (domains × columns × labels × outcomes, any number where n is 0) is what people found
    in each domain and label, `n` and `size` (without outcomes) are their answers and the units;
    `mean` (columns × labels × outcomes) is over all domains and `fallback` (columns × outcomes)
    over all labels as well.
    """
    answers = n.sum(axis=0)[..., None]
    mean = np.where(answers > 0, mean, fallback[:, None])
    smooth_mean = (mean * answers + 0.5) / (answers + 1)
    between = between_domains(np.where(n[..., None] > 0, share, 0.0) * n[..., None], n, smooth_mean)
    # A new domain differs by what lies between domains and by what we do not know of their mean.
    spread = between + (1 - between) / (answers + 1)
    weight = ratio(size, size.sum(axis=2, keepdims=True))
    p = np.einsum("dkl,klj->dkj", weight, mean)
    return Smoothed(p, weight, mean, smooth_mean, np.where(answers > 0, 1 / spread - 1, 0.0))


def between_domains(x: Floats, n: Floats, mean: Floats) -> Floats:
    """Return the spread between domains, `1 / (k+1)`, averaged over its likelihood.

    The average, and not the most likely value, because a few domains often fit no spread at all:
    the fewer they are, the more spread is assumed.
    """
    fits = []
    for root in GRID:
        k = 1 / root**2 - 1
        a, b = k * mean, k * (1 - mean)
        fit = special.betaln(x + a, n[..., None] - x + b) - special.betaln(a, b)
        fits.append(fit.sum(axis=0))
    fit = np.array(fits)
    likelihood = np.exp(fit - fit.max(axis=0)) * GRID.reshape(-1, *[1] * (fit.ndim - 1))
    spread = (GRID**2).reshape(-1, *[1] * (fit.ndim - 1))
    return np.asarray((likelihood * spread).sum(axis=0) / likelihood.sum(axis=0), dtype=np.float64)
