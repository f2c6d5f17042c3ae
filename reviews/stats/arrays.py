"""The array types of this room, and the division that answers `nan`."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Sparse = sparse.csr_array[np.float64]
Whole = NDArray[np.integer[Any]]
Generator = np.random.Generator


def ratio(above: Floats, below: Floats) -> Floats:
    """Return above / below, `nan` where there is nothing to divide by.

    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    above, below = np.broadcast_arrays(above, below)
    out = np.full(above.shape, np.nan)
    np.divide(above, below, out=out, where=below != 0)
    return out


def totals(group: Ints, values: Floats, groups: int) -> Floats:
    """Sum the rows of `values` (rows, or rows × columns) by the group of each row."""
    if values.ndim == 1:
        return np.bincount(group, values, groups).astype(np.float64, copy=False)
    columns = [np.bincount(group, column, groups) for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((groups, 0))


def merge(run: Ints, reviewed: Ints, least: int = 5) -> Ints:
    """Return the group of each cell after cells with fewer than `least` join a neighbour.

    Cells stand in order and `run` (not decreasing) says which of them may meet. A small cell
    joins the next one of its run; the last ones of a run join the group before them.

    >>> merge(np.array([0, 0, 0, 0, 1, 1]), np.array([9, 2, 4, 1, 3, 0]))
    array([0, 1, 1, 1, 2, 2])
    """
    if run.size == 0:
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, run[1:] != run[:-1]])
    lengths = np.diff(np.r_[starts, run.size])
    group = np.empty(run.size, np.int64)
    current = np.zeros(starts.size, np.int64)
    held = np.zeros(starts.size, np.int64)
    is_open = np.zeros(starts.size, bool)
    for rank in range(int(lengths.max())):
        alive = np.flatnonzero(lengths > rank)
        at = starts[alive] + rank
        group[at] = current[alive]
        held[alive] += reviewed[at]
        full = held[alive] >= least
        is_open[alive] = ~full
        current[alive[full]] += 1
        held[alive[full]] = 0
    which = np.repeat(np.arange(starts.size), lengths)
    left_over = is_open & (current > 0)
    group[left_over[which] & (group == current[which])] -= 1
    return np.cumsum(np.r_[True, (np.diff(group) != 0) | (np.diff(which) != 0)]) - 1


def finite(value: Any) -> Any:
    """Return `value` as JSON can say it: None for a number that there is none of, tuples as lists.

    >>> finite({"low": float("nan"), "ends": (0.5, float("inf"))})
    {'low': None, 'ends': [0.5, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [finite(held) for held in value]
    return value
