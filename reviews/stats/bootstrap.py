"""The item bootstrap of alpha: resample units, or the interviews that units come from.

A replicate is a row of multinomial weights; weights (replicates × units) times the sums of the
units give every code of every replicate in one product, joint across codes. Draws are
replicates × codes, NaN where a replicate has no variation.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from reviews.stats.alpha import UnitSums, weigh
from reviews.stats.arrays import Floats, Generator, Ints, Whole

CELLS = 2_000_000
"""Weights held at a time: three arrays of 16 MB."""


@dataclass(frozen=True)
class AlphaInterval:
    """The interval of alpha of each code, and how often replicates fall below .667 and .8.

    `undefined` counts the replicates without variation; nothing else is computed from them.
    """

    low: Floats
    high: Floats
    below_667: Floats
    below_800: Floats
    undefined: Ints
    replicates: int


def bootstrap_alpha(
    sums: UnitSums,
    rng: Generator,
    replicates: int = 2000,
    clusters: Whole | None = None,
    weights: Floats | None = None,
) -> Floats:
    """Return alpha in every replicate, replicates × codes.

    `clusters` (one per unit) resamples interviews; `weights` (one per unit) gives `design` alpha.
    """
    sums = _drawn_from(sums, clusters, weights)
    units, columns = sums.table.shape
    if not units:
        return np.full((replicates, sums.alpha(np.zeros((1, columns))).shape[1]), np.nan)
    if isinstance(sums.table, np.ndarray) and columns <= 4:
        patterns, count = np.unique(sums.table, axis=0, return_counts=True)
        if len(patterns) * 8 <= units:  # a single code has few kinds of units
            few = replace(sums, table=patterns)
            return few.weighted(rng.multinomial(units, count / units, size=replicates))
    block = max(1, CELLS // max(units, columns))
    draws = []
    for start in range(0, replicates, block):
        rows = min(block, replicates - start)
        drawn = rng.integers(0, units, (rows, units))
        drawn += units * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(rows, units)
        draws.append(sums.weighted(times.astype(np.float64)))
    return np.concatenate(draws)


def percentile_interval(draws: Floats, confidence: float = 0.95) -> AlphaInterval:
    """Return percentile intervals; replicates without variation are counted and left out."""
    codes = draws.shape[1]
    low, high, below, below_800 = (np.full(codes, np.nan) for _ in range(4))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    undefined = np.isnan(draws).sum(axis=0)
    for missing in np.unique(undefined[undefined < len(draws)]):
        # Sorted, NaN stand last, so that columns which miss as many replicates go together.
        some = undefined == missing
        kept = np.sort(draws[:, some], axis=0)[: len(draws) - missing]
        low[some], high[some] = np.quantile(kept, tails, axis=0)
        below[some], below_800[some] = (kept < 0.667).mean(axis=0), (kept < 0.8).mean(axis=0)
    return AlphaInterval(low, high, below, below_800, undefined, len(draws))


def _drawn_from(sums: UnitSums, clusters: Whole | None, weights: Floats | None) -> UnitSums:
    """Return the weighted sums of units, or of the interviews that units come from."""
    if weights is None and clusters is None:
        return sums
    rows = np.arange(sums.units.size)
    if clusters is not None:
        _, rows = np.unique(clusters[sums.units], return_inverse=True)
    entries = (weigh(sums, weights), (rows, np.arange(rows.size)))
    shape = (int(rows.max(initial=-1)) + 1, rows.size)
    table = sparse.csr_array(entries, shape=shape) @ sums.table
    return replace(sums, table=sparse.csr_array(table) if sparse.issparse(table) else table)
