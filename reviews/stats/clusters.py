"""How much less several units of one participant tell than as many of different ones.

The variance of a sum over units that are drawn in clusters is that of the clusters' totals; its
ratio to that of units apart is the design effect (Kish 1965), here of the linearised residuals of
whatever is estimated (Särndal, Swensson and Wretman 1992, 5.5), with the leverage of each cluster
(the jackknife CR3 of Bell and McCaffrey 2002), without which few clusters look too much alike.
Limits move out by its root, and as far as Student's t for the number of clusters, which counts
large ones for more (Kish's effective number; Carter, Schnepel and Steigerwald 2017).
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from reviews.stats.arrays import Floats, Ints, Whole, ratio, totals
from reviews.stats.intervals import critical

FAR = 1e9
"""How far limits go where a single cluster answered: as far as there is anything."""


@dataclass(frozen=True)
class Clusters:
    """Which cluster each unit is of, within its group (a domain): `of` a unit, `home` a cluster."""

    of: Ints
    home: Ints
    groups: int

    @classmethod
    def within(cls, clusters: Whole, group: Whole, groups: int) -> "Clusters":
        """Return the clusters of units; one that lies in two groups counts in both."""
        pairs = np.stack([group.astype(np.int64), clusters.astype(np.int64)])
        found, of = np.unique(pairs, axis=1, return_inverse=True)
        return cls(of.reshape(-1), found[0], groups)

    def inflation(self, residuals: Floats, weights: Floats, label: Whole | None = None) -> Floats:
        """Return the design effect of each group, 1 or more.

        `residuals` are one a unit, 0 where it does not count, and so are `weights`; units of one
        `label` share the mean that residuals are from. Where nothing varies it is that of answers
        that are alike in a cluster.

        >>> pairs = Clusters.within(np.repeat(np.arange(50), 2), np.zeros(100, np.int64), 1)
        >>> pairs.inflation(np.repeat([1.0, -1.0], 50), np.ones(100)).round(2)
        array([2.04])
        """
        home = self.home[self.of]
        key = home if label is None else _numbered(home, label)
        grouped = totals(self.of, residuals * _leverage(weights, self.of, key), self.home.size) ** 2
        apart = (residuals * _leverage(weights, np.arange(home.size), key)) ** 2
        alike = totals(self.of, weights, self.home.size) ** 2
        plain = weights**2
        spread, alone = (totals(self.home, one, self.groups) for one in (grouped, alike))
        sole, flat = (totals(home, one, self.groups) for one in (apart, plain))
        found = np.where(sole > 1e-18 * flat, ratio(spread, sole), ratio(alone, flat))
        return np.asarray(np.maximum(np.nan_to_num(found, nan=1.0), 1), dtype=np.float64)

    def reach(self, weights: Floats, confidence: float = 0.95) -> Floats:
        """Return by how much Student's t goes further than the normal, for each group.

        Clusters count by how much they weigh: as `(sum w)^2 / sum w^2` of them.
        """
        return student(self.number(weights), confidence)

    def number(self, weights: Floats) -> Floats:
        """Return how many clusters each group has, as many as if all weighed alike."""
        held = totals(self.of, weights, self.home.size)
        sums, squares = (totals(self.home, one, self.groups) for one in (held, held**2))
        return np.asarray(np.nan_to_num(ratio(sums**2, squares)), dtype=np.float64)


def student(clusters: Floats, confidence: float = 0.95) -> Floats:
    """Return Student's quantile for so many clusters over the normal one; `FAR` for one alone."""
    degrees = clusters - 1
    t = special.stdtrit(np.maximum(degrees, 0.5), (1 + confidence) / 2)
    return np.where(degrees >= 0.5, t / critical(confidence), FAR)


def _leverage(weights: Floats, cluster: Whole, key: Ints) -> Floats:
    """Return `1 / (1 - h)` of each unit, h its cluster's part in the weights of its mean."""
    shared = _numbered(cluster, key)
    part = totals(shared, weights, int(shared.max(initial=-1)) + 1)[shared]
    whole = totals(key, weights, int(key.max(initial=-1)) + 1)[key]
    h = np.nan_to_num(ratio(part, whole))
    return np.asarray(1 / np.maximum(1 - h, 0.1), dtype=np.float64)


def _numbered(first: Whole, second: Whole) -> Ints:
    """Return a number for every pair of numbers."""
    pairs = first.astype(np.int64) * (int(second.max(initial=0)) + 1) + second
    return np.asarray(np.unique(pairs, return_inverse=True)[1].reshape(-1), dtype=np.int64)
