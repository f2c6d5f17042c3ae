"""Tests of many hypotheses at once: p-values adjusted so that they compare with one level.

Everything takes p-values, one a hypothesis; nan is a hypothesis that was not tested and stays nan.
"""

import numpy as np

from reviews.stats.arrays import Floats


def holm(p_values: Floats, family: int = 0) -> Floats:
    """Return Holm's adjusted p-values: none of the true hypotheses falls, with that confidence.

    `family` is how many hypotheses were looked at, where that is more than were tested.

    >>> holm(np.array([0.01, 0.04, 0.03, np.nan])).round(3)
    array([0.03, 0.06, 0.06,  nan])
    >>> holm(np.array([0.01, 0.04]), 4).round(3)
    array([0.04, 0.12])
    """
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    left = max(order.size, family) - np.arange(order.size)
    found = np.full(p_values.shape, np.nan)
    found[order] = np.minimum(np.maximum.accumulate(left * p_values[order]), 1)
    return found


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Return Benjamini and Hochberg's adjusted p-values, which bound the false alarms' share.

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, np.nan])).round(3)
    array([0.03, 0.04, 0.04,  nan])
    """
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(-p_values[tested], kind="stable")]
    rank = order.size - np.arange(order.size)
    found = np.full(p_values.shape, np.nan)
    found[order] = np.minimum(np.minimum.accumulate(order.size / rank * p_values[order]), 1)
    return found
