"""What settling one disagreement does to alpha: which of them are worth a discussion.

Counts are units × values, how many coders gave each value; ratings are coders × units, NaN where a
coder did not code a unit. Only units with two or more codings count. A unit is settled when all
its codings take one value.
"""

import numpy as np

from reviews.stats.arrays import Floats


def nominal_gain(counts: Floats) -> Floats:
    """Return by how much alpha rises, unit by unit, if that unit alone is settled.

    It may be settled to any value that somebody gave it: the mean over these. Where nobody would
    disagree any more, alpha is 1. Units without disagreement gain nothing.

    >>> counts = np.array([[2.0, 0], [0, 2], [0, 2], [1, 1]])
    >>> nominal_gain(counts).round(3)
    array([0.   , 0.   , 0.   , 0.467])
    """
    m = counts.sum(axis=1)
    paired = m >= 2
    counts = np.where(paired[:, None], counts, 0.0)
    m = counts.sum(axis=1)
    apart = (m**2 - (counts**2).sum(axis=1)) / np.maximum(m - 1, 1)
    margins, n, total = counts.sum(axis=0), m.sum(), apart.sum()
    gain = np.zeros(len(counts))
    split = np.flatnonzero(apart > 0)
    if not split.size:
        return gain
    now = _alpha(np.array([total]), margins[None], n)[0]
    outcomes = np.zeros(split.size)
    for value in range(counts.shape[1]):
        given = counts[split, value] > 0
        after = margins - counts[split]
        after[:, value] += m[split]
        outcomes += np.where(given, _alpha(total - apart[split], after, n), 0.0)
    gain[split] = outcomes / (counts[split] > 0).sum(axis=1) - now
    return gain


def interval_gain(ratings: Floats) -> Floats:
    """Return the same for numbers: a unit is settled at the mean of its codings.

    >>> interval_gain(np.array([[1.0, 5, 3], [1, 5, 4]])).round(3)
    array([0.  , 0.  , 0.05])
    """
    coded = ~np.isnan(ratings)
    m = coded.sum(axis=0)
    paired = m >= 2
    x = np.where(coded & paired, ratings, 0.0)
    size = np.where(paired, m, 0)
    mean = x.sum(axis=0) / np.maximum(size, 1)
    within = np.where(coded & paired, (ratings - mean) ** 2, 0.0).sum(axis=0)
    apart = np.where(paired, size * within / np.maximum(size - 1, 1), 0.0)
    n = size.sum()
    if not n or not apart.any():
        return np.zeros(ratings.shape[1])
    centre = x.sum() / n
    spread = np.where(coded & paired, (ratings - centre) ** 2, 0.0).sum()

    def alpha(observed: Floats, around: Floats) -> Floats:
        return np.where(
            observed > 1e-12, 1 - (n - 1) / n * observed / np.maximum(around, 1e-300), 1.0
        )

    # The mean stays where it is, so that only the spread within the unit goes.
    after = alpha(apart.sum() - apart, spread - within)
    return np.asarray(
        np.where(apart > 0, after - alpha(apart.sum(), np.asarray(spread)), 0.0), dtype=np.float64
    )


def _alpha(observed: Floats, margins: Floats, n: float) -> Floats:
    """Return alpha from disagreement within units and margins, outcomes × values."""
    expected = n**2 - (margins**2).sum(axis=1)
    defined = (observed > 1e-9) & (expected > 0)
    return np.where(defined, 1 - (n - 1) * observed / np.where(expected > 0, expected, 1), 1.0)
