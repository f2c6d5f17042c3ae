"""The coefficients printed beside alpha, and the counts they come from.

Counts are units × values, or units × codes × values for many codes at once: how many coders gave
a unit each value. Only units with two or more codings count. Tables of two coders are values ×
values. A coefficient corrected for chance is `nan` when only one value occurs.
Source: Gwet, Handbook of Inter-Rater Reliability (4th ed., 2014), chapters 2-5.
"""

from typing import Literal

import numpy as np

from reviews.stats.arrays import Floats, ratio


def counts_of(ratings: Floats, values: Floats) -> Floats:
    """Return counts, units × values, of ratings, coders × units, over the values that may occur."""
    return np.stack([(ratings == value).sum(axis=0) for value in values], axis=1).astype(np.float64)


def counts_of_binary(n1: Floats, m: Floats) -> Floats:
    """Return counts, units × codes × 2 (does not apply, applies), of binary codes."""
    return np.stack([m - n1, n1], axis=-1)


def coincidences(counts: Floats) -> Floats:
    """Return the coincidences of values, (codes ×) values × values: `C'C/(m-1)` less itself.

    Every ordered pair of codings of a unit counts 1 / (m-1): a row sums to its value's codings.

    >>> coincidences(np.array([[2.0, 0], [1, 1], [0, 2]]))
    array([[2., 1.],
           [1., 2.]])
    """
    counts, m = _pairable(counts)
    share = np.where(m >= 2, 1 / np.maximum(m - 1, 1), 0.0)[..., None]
    both = np.moveaxis(counts * share, 0, -1) @ np.moveaxis(counts, 0, -2)
    alone = (counts * share).sum(axis=0)
    return np.asarray(both - alone[..., None] * np.eye(counts.shape[-1]), dtype=np.float64)


def percent_agreement(counts: Floats) -> Floats:
    """Return the share of agreeing pairs, averaged over units (`Po`; nan without pairs)."""
    counts, m = _pairable(counts)
    agreeing = ratio(_over(counts * (counts - 1)), m * (m - 1))
    return ratio(np.nansum(agreeing, axis=0), (m >= 2).sum(axis=0).astype(np.float64))


def specific_agreement(counts: Floats) -> Floats:
    """Return the specific agreement of each value, (codes ×) values: `sum n(n-1) / sum n(m-1)`.

    For a binary code the last is positive agreement and the first negative agreement.
    """
    counts, m = _pairable(counts)
    above = (counts * (counts - 1)).sum(axis=0)
    return ratio(above, (counts * np.maximum(m - 1, 0)[..., None]).sum(axis=0))


def bennett_s(counts: Floats) -> Floats:
    """Return Bennett's S over the values; with two values it is PABAK, `2 Po - 1`."""
    values = counts.shape[-1]
    chance = 1 / max(values, 1)
    return _where_varied(counts, ratio(percent_agreement(counts) - chance, np.array(1 - chance)))


def gwet(
    counts: Floats, weights: Literal["identity", "quadratic"] = "identity"
) -> tuple[Floats, Floats]:
    """Return Gwet's AC1 (`identity`) or AC2 (`quadratic`) and its linearised standard error.

    Source: Gwet (2014), section 5.6, as in irrCAC; values for AC2 stand at equal distances.

    >>> ac1, se = gwet(np.repeat([[2.0, 0], [1, 1], [0, 2]], [80, 15, 5], axis=0))
    >>> print(f"{ac1:.3f} {se:.4f}")
    0.808 0.0524
    """
    counts, m = _pairable(counts)
    values = counts.shape[-1]
    w = np.eye(values)
    if weights == "quadratic":
        place = np.arange(values)
        w = 1 - ((place[:, None] - place) / max(values - 1, 1)) ** 2
    units = (m >= 2).sum(axis=0).astype(np.float64)
    share = ratio(counts, m[..., None])
    agree = ratio(_over(counts * (counts @ w - 1)), m * (m - 1))
    mean_share = ratio(np.nansum(share, axis=0), units[..., None])
    scale = w.sum() / max(values * (values - 1), 1)
    expected = scale * _over(mean_share * (1 - mean_share))
    observed = ratio(np.nansum(agree, axis=0), units)
    ac = _where_varied(counts, ratio(observed - expected, 1 - expected))
    each = ratio(agree - expected, 1 - expected)
    each_expected = scale * _over(share * (1 - mean_share))
    each = each - 2 * (1 - ac) * ratio(each_expected - expected, 1 - expected)
    variance = ratio(np.nansum((each - ac) ** 2, axis=0), units * (units - 1))
    return ac, np.where(np.isnan(ac), np.nan, np.sqrt(variance))


def fleiss_kappa(counts: Floats) -> tuple[float, Floats]:
    """Return Fleiss' kappa and the kappa of each value, for units × values with m coders a unit.

    Source: Fleiss (1971); with unequal m, units weigh alike in `Po` and codings in `Pe`.
    """
    counts, m = _pairable(counts)
    share = ratio(counts.sum(axis=0), np.array(m.sum()))
    chance = (share**2).sum()
    overall = ratio(percent_agreement(counts) - chance, np.array(1 - chance))
    # Two values agree about "this one or not" as often as either of them does.
    binary = np.stack([m[:, None] - counts, counts], axis=-1)
    each_chance = share**2 + (1 - share) ** 2
    each = ratio(percent_agreement(binary) - each_chance, 1 - each_chance)
    return float(_where_varied(counts, overall)), _where_varied(binary, each)


def cross_table(first: Floats, second: Floats, values: Floats) -> Floats:
    """Return values × values: units that the first coder (rows) and the second gave each pair."""
    one = (first[:, None] == values).astype(np.float64)
    other = (second[:, None] == values).astype(np.float64)
    return np.asarray(one.T @ other, dtype=np.float64)


def cohen_kappa(table: Floats) -> float:
    """Return Cohen's kappa of a table of two coders; each coder has margins of their own."""
    p = ratio(table, np.array(table.sum()))
    return _corrected(p, float((p.sum(axis=0) * p.sum(axis=1)).sum()))


def scott_pi(table: Floats) -> float:
    """Return Scott's pi of a table of two coders, who share one set of margins."""
    p = ratio(table, np.array(table.sum()))
    return _corrected(p, float((((p.sum(axis=0) + p.sum(axis=1)) / 2) ** 2).sum()))


def counts_of_table(table: Floats) -> Floats:
    """Return counts, units × values, of a table of whole numbers from two coders."""
    values = len(table)
    pairs = (np.eye(values)[:, None] + np.eye(values)).reshape(values**2, values)
    return np.repeat(pairs, table.astype(np.int64).ravel(), axis=0)


def _corrected(p: Floats, chance: float) -> float:
    if not chance < 1 - 1e-12:
        return float("nan")
    return float((np.trace(p) - chance) / (1 - chance))


def _pairable(counts: Floats) -> tuple[Floats, Floats]:
    """Return counts without units that fewer than two coded, and codings per unit (0 or >= 2)."""
    m = _over(counts)
    pairs = m >= 2
    if pairs.all():
        return counts, m
    return np.where(pairs[..., None], counts, 0.0), np.where(pairs, m, 0.0)


def _over(values: Floats) -> Floats:
    """Return the sum over the last axis; of two numbers it is many times faster written out."""
    if values.shape[-1] == 2:
        return np.asarray(values[..., 0] + values[..., 1], dtype=np.float64)
    return np.asarray(values.sum(axis=-1), dtype=np.float64)


def _where_varied(counts: Floats, coefficient: Floats) -> Floats:
    counts, _ = _pairable(counts)
    varied = (counts.sum(axis=0) > 0).sum(axis=-1) > 1
    return np.where(varied, coefficient, np.nan)
