"""Krippendorff's alpha in closed form, from sums over units.

Ratings are coders × units (sets of codes: coders × units × codes), NaN where a coder did not
code a unit. Binary codes come as counts, units × codes: `n1` codings that apply the code and `m`
codings in all. Weights and clusters are one number per unit. Only units with two or more codings
count. Source: Krippendorff, Content Analysis (4th ed., 2019), chapter 12; Passonneau (2006).

Every alpha here is a function of totals over units. `UnitSums` keeps what each unit adds and how
totals become alpha, so that the estimate, the weighted estimate and the bootstrap are one
product with different weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from scipy import sparse

from reviews.stats.arrays import Bools, Floats, Ints, Sparse, ratio, totals

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Distance = Literal["masi", "jaccard"]


@dataclass(frozen=True)
class UnitSums:
    """What each pairable unit adds to alpha, and how the totals make it.

    `units` are the positions of the pairable units among those given; `table` is pairable units ×
    columns; `alpha` takes totals, replicates × columns, and returns replicates × codes.
    """

    units: Ints
    table: Floats | Sparse
    alpha: Callable[[Floats], Floats]

    def weighted(self, weights: Floats | Ints) -> Floats:
        """Return alpha under each row of weights, replicates × rows of the table."""
        return self.alpha(np.asarray(weights @ self.table, dtype=np.float64))


def alpha(sums: UnitSums, weights: Floats | None = None) -> Floats:
    """Return alpha of every code, with unit weights (scaled to mean 1) where they are given."""
    return sums.weighted(weigh(sums, weights)[None]).ravel()


def weigh(sums: UnitSums, weights: Floats | None) -> Floats:
    """Return one weight per pairable unit, with mean 1."""
    if weights is None or not sums.units.size:
        return np.ones(sums.units.size)
    chosen = weights[sums.units]
    return np.asarray(chosen / chosen.mean(), dtype=np.float64)


def alpha_binary(n1: Floats, m: Floats, weights: Floats | None = None) -> Floats:
    """Return alpha of many binary codes at once: `1 - (n-1) sum n1u n0u / (m-1) / (n1 n0)`.

    >>> n1 = np.array([[0.0], [2], [1], [0], [0], [1], [0], [1], [1], [0]])
    >>> alpha_binary(n1, np.full((10, 1), 2.0)).round(3)
    array([0.095])
    """
    return alpha(binary_sums(n1, m), weights)


def alpha_nominal(ratings: Floats, weights: Floats | None = None) -> float:
    """Return alpha for values without order.

    >>> round(alpha_nominal(np.array([[1, 1, 0, 0], [1, 1, 0, 1.0]])), 3)
    0.533
    """
    return float(alpha(nominal_sums(ratings), weights)[0])


def alpha_ordinal(ratings: Floats, weights: Floats | None = None) -> float:
    """Return alpha for values in an order: interval alpha of the mid-ranks."""
    return float(alpha(ordinal_sums(ratings), weights)[0])


def alpha_interval(ratings: Floats, weights: Floats | None = None) -> float:
    """Return alpha for numbers: `1 - (n-1)/n sum m s2 / SS`."""
    return float(alpha(interval_sums(ratings), weights)[0])


def alpha_ratio(ratings: Floats, weights: Floats | None = None) -> float:
    """Return alpha for numbers with a zero, by `((c - k) / (c + k))^2`; nan with negative ones."""
    return float(alpha(ratio_sums(ratings), weights)[0])


def alpha_sets(
    ratings: Floats, distance: Distance = "masi", weights: Floats | None = None
) -> float:
    """Return alpha for whole sets of codes with the distance of MASI or of Jaccard."""
    return float(alpha(set_sums(ratings, distance), weights)[0])


def binary_counts(ratings: Floats) -> tuple[Floats, Floats]:
    """Return `n1` and `m`, units × codes, from 0/1 ratings, coders × units × codes."""
    return np.nansum(ratings, axis=0), (~np.isnan(ratings)).sum(axis=0).astype(np.float64)


def binary_sums(n1: Floats, m: Floats) -> UnitSums:
    """Return the sums of many binary codes, joint across codes."""
    pairs = np.asarray(m) >= 2
    units = np.flatnonzero(pairs.any(axis=1))
    pairs = pairs[units]
    size = np.where(pairs, m[units], 0.0)
    ones = np.where(pairs, n1[units], 0.0)
    split = ones * (size - ones) / np.maximum(size - 1, 1)
    codes = size.shape[1]
    if codes and (size == size[:, :1]).all():  # everyone coded all codes: one column says so
        size = size[:, :1]
    shared = size.shape[1]

    def finish(sums: Floats) -> Floats:
        n, one, apart = np.split(sums, [shared, shared + codes], axis=1)
        expected = one * (n - one)
        # A weighted total that should be zero is a rounding error away from it.
        expected = np.where(expected > 1e-12 * n**2, expected, 0.0)
        return 1 - ratio((n - 1) * apart, expected)

    return UnitSums(units, np.hstack([size, ones, split]), finish)


def nominal_sums(ratings: Floats) -> UnitSums:
    """Return the sums of one nominal variable: codings, disagreement, and a count per value."""
    units, _values, counts = _value_counts(ratings)
    m: Floats = np.asarray(counts.sum(axis=1), dtype=np.float64)
    apart = (m**2 - counts.multiply(counts).sum(axis=1)) / np.maximum(m - 1, 1)

    def finish(sums: Floats) -> Floats:
        n, observed, margins = sums[:, 0], sums[:, 1], sums[:, 2:]
        return _from_disagreement(n, observed, n**2 - (margins**2).sum(axis=1))

    return UnitSums(units, _table([m, apart], counts), finish)


def ordinal_sums(ratings: Floats) -> UnitSums:
    """Return the sums of one ordinal variable: a count per value and per pair of values.

    The distance depends on the margins, so each replicate has mid-ranks of its own:
    `R_c = sum_{g<c} n_g + n_c/2`.
    """
    units, values, counts = _value_counts(ratings)
    m: Floats = np.asarray(counts.sum(axis=1), dtype=np.float64)
    low, high, unit, together = _pairs(ratings[:, units], values, m)
    pair, column = np.unique(low * values.size + high, return_inverse=True)
    low, high = np.divmod(pair, max(values.size, 1))
    met = sparse.csr_array((together, (unit, column)), shape=(units.size, pair.size))

    def finish(sums: Floats) -> Floats:
        margins, apart = sums[:, : values.size], sums[:, values.size :]
        n = margins.sum(axis=1)
        ranks = np.cumsum(margins, axis=1) - margins / 2
        observed = (2 * apart * (ranks[:, low] - ranks[:, high]) ** 2).sum(axis=1)
        spread = n * (margins * ranks**2).sum(axis=1) - (margins * ranks).sum(axis=1) ** 2
        # Ranks grow with n: compare on the scale of the ranks, not on that of the codings.
        spread = np.where(spread > 1e-9 * n**4, spread, 0.0)
        return _from_disagreement(n, observed, 2 * spread)

    return UnitSums(units, sparse.csr_array(sparse.hstack([counts, met])), finish)


def interval_sums(ratings: Floats) -> UnitSums:
    """Return the sums of one interval variable: four moments, whatever the number of values."""
    units = np.flatnonzero((~np.isnan(ratings)).sum(axis=0) >= 2)
    coded = ~np.isnan(ratings[:, units])
    m = coded.sum(axis=0).astype(np.float64)
    centre = float(ratings[:, units][coded].mean()) if units.size else 0.0
    x = np.where(coded, ratings[:, units] - centre, 0.0)
    mean = x.sum(axis=0) / m
    within = (np.where(coded, x - mean, 0.0) ** 2).sum(axis=0) * m / (m - 1)
    table = np.stack([m, within, x.sum(axis=0), (x**2).sum(axis=0)], axis=1)

    def finish(sums: Floats) -> Floats:
        n, observed, total, squares = sums.T
        spread = n * squares - total**2
        spread = np.where(spread > 1e-12 * n * squares, spread, 0.0)
        return _from_disagreement(n, 2 * observed, 2 * spread)

    return UnitSums(units, table, finish)


def set_sums(ratings: Floats, distance: Distance = "masi") -> UnitSums:
    """Return the sums of whole sets of codes; a coder who left a code open did not code the unit.

    Every distinct set is one value; the distances of all pairs come from one product.
    """
    sets, values = number_sets(ratings)
    return _distance_sums(values, lambda used: set_distances(sets[used.astype(np.int64)], distance))


def ratio_sums(ratings: Floats) -> UnitSums:
    """Return the sums of one ratio variable, with the distances of all pairs of its values."""
    return _distance_sums(ratings, ratio_distances)


def joined(parts: Sequence[UnitSums]) -> UnitSums:
    """Return the sums of several variables of the same units as one, alpha of each in a column.

    Raises ValueError where their pairable units differ.
    """
    units = parts[0].units
    if any(not np.array_equal(part.units, units) for part in parts):
        raise ValueError("Only variables of the same units are drawn together.")
    ends = np.cumsum([part.table.shape[1] for part in parts])[:-1]

    def finish(sums: Floats) -> Floats:
        pieces = np.split(sums, ends, axis=1)
        return np.hstack([part.alpha(one) for part, one in zip(parts, pieces, strict=True)])

    table = sparse.csr_array(sparse.hstack([sparse.csr_array(part.table) for part in parts]))
    return UnitSums(units, table, finish)


def number_sets(ratings: Floats) -> tuple[Floats, Floats]:
    """Return the distinct sets, sets × codes, and which one each coder gave, coders × units."""
    coded = ~np.isnan(ratings).any(axis=2)
    given = ratings[coded]
    # Eight codes a byte and eight bytes a number: sorting numbers beats sorting rows.
    packed = np.packbits(given == 1, axis=1)
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    words = np.ascontiguousarray(packed).view(">u8").astype(np.uint64)
    if words.shape[1] == 1:
        _, first, index = np.unique(words[:, 0], return_index=True, return_inverse=True)
    else:
        _, first, index = np.unique(words, axis=0, return_index=True, return_inverse=True)
    values = np.full(coded.shape, np.nan)
    values[coded] = index
    return given[first], values


def set_distances(sets: Floats, distance: Distance = "masi") -> Floats:
    """Return the distance of every pair of sets (sets × codes, 0/1): `1 - J`, or `1 - J M` of MASI.

    Two empty sets are the same set, distance 0.

    >>> set_distances(np.array([[1, 1, 0, 0], [1, 1, 1, 1.0]]))[0, 1].round(4)
    np.float64(0.6667)
    """
    size = sets.sum(axis=1)
    common = sets @ sets.T
    either = size[:, None] + size - common
    jaccard = np.where(either > 0, common / np.maximum(either, 1), 1.0)
    if distance == "jaccard":
        return np.asarray(1 - jaccard, dtype=np.float64)
    inside = common == np.minimum(size[:, None], size)
    same = inside & (size[:, None] == size)
    alike = np.select([same, inside, common > 0], [1.0, 2 / 3, 1 / 3], 0.0)
    return np.asarray(1 - jaccard * alike, dtype=np.float64)


def ratio_distances(values: Floats) -> Floats:
    """Return `((c - k) / (c + k))^2` of every pair of values; nan for pairs with a negative one.

    >>> ratio_distances(np.array([0.0, 1, 3])).round(2)
    array([[0.  , 1.  , 1.  ],
           [1.  , 0.  , 0.25],
           [1.  , 0.25, 0.  ]])
    """
    values = np.where(values >= 0, values, np.nan)
    apart = np.abs(values[:, None] - values)
    together = values[:, None] + values
    return np.asarray((apart / np.where(together == 0, 1, together)) ** 2, dtype=np.float64)


def _distance_sums(values: Floats, distances: Callable[[Floats], Floats]) -> UnitSums:
    """Return the sums of one variable with `distances` of all pairs of the values that occur."""
    units, used, counts = _value_counts(values)
    apart = distances(used)
    m: Floats = np.asarray(counts.sum(axis=1), dtype=np.float64)
    low, high, unit, together = _pairs(values[:, units], used, m)
    observed = totals(unit, 2 * together * apart[low, high], units.size)

    def finish(sums: Floats) -> Floats:
        n, split, margins = sums[:, 0], sums[:, 1], sums[:, 2:]
        return _from_disagreement(n, split, ((margins @ apart) * margins).sum(axis=1))

    return UnitSums(units, _table([m, observed], counts), finish)


def _value_counts(ratings: Floats) -> tuple[Ints, Floats, Sparse]:
    """Return the pairable units, their distinct values, and the counts, units × values."""
    units = np.flatnonzero((~np.isnan(ratings)).sum(axis=0) >= 2)
    coder, unit = np.nonzero(~np.isnan(ratings[:, units]))
    values, column = np.unique(ratings[:, units][coder, unit], return_inverse=True)
    shape = (units.size, values.size)
    counts = sparse.csr_array((np.ones(unit.size), (unit, column)), shape=shape)
    counts.sum_duplicates()
    return units, values, counts


def _pairs(ratings: Floats, values: Floats, m: Floats) -> tuple[Ints, Ints, Ints, Floats]:
    """Return every pair of codings: lower and higher value, unit, and 1 / (m-1)."""
    position = np.searchsorted(values, np.where(np.isnan(ratings), 0, ratings))
    coded: Bools = ~np.isnan(ratings)
    found: list[tuple[Ints, Ints, Ints]] = [(np.zeros(0, np.int64),) * 3]
    for one, other in combinations(range(len(ratings)), 2):
        unit = np.flatnonzero(coded[one] & coded[other])
        first, second = position[one, unit], position[other, unit]
        found.append((np.minimum(first, second), np.maximum(first, second), unit))
    low, high, unit = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return low, high, unit, 1 / (m[unit] - 1)


def _table(columns: list[Floats], counts: Sparse) -> Sparse:
    front = sparse.csr_array(np.stack(columns, axis=1))
    return sparse.csr_array(sparse.hstack([front, counts]))


def _from_disagreement(n: Floats, observed: Floats, expected: Floats) -> Floats:
    """Return replicates × 1: `1 - (n-1) observed / expected`, both sums over ordered pairs."""
    expected = np.where(expected > 1e-12 * n**2, expected, 0.0)
    return (1 - ratio((n - 1) * observed, expected))[:, None]
