"""The cell estimator: people's labels, weighted by what the machine said everywhere.

A population of units has machine labels, units × columns, -1 where the machine did not code the
unit. Columns are codes (labels 0 and 1), or one column whose labels are the categories of a
dimension. `y` is drawn × columns × outcomes, NaN where the question is open. A cell is design
stratum × machine label within one domain and column; `none` (-1) is a label like any other.
A problem is one domain and column: what is estimated there are its outcomes.

Source: post-stratified ratio estimator (Särndal, Swensson and Wretman 1992, 7.6) with MOVER (Zou
and Donner 2008) over Jeffreys limits, one for each machine label (docs/decisions/0005).
"""

from dataclasses import dataclass

import numpy as np

from reviews.stats.arrays import Bools, Floats, Ints, Whole, merge, ratio, totals
from reviews.stats.intervals import jeffreys

LEAST = 5
"""Answers below which a cell does not stand alone."""

SLIGHT = 0.05
"""Share of uncoded units up to which too few answers about them do not matter: their cell is as
wide as it has to be, from 0 to 1 without answers, and moves the whole by no more than this."""

KEYS = 4_000_000
"""Possible cells counted at a time."""


@dataclass(frozen=True)
class Sums:
    """Sums over the answers in each cell; those over y are cells × outcomes.

    `n` answers, `w`, `w2` = w², `a0`, `a1`, `a2` = (1-pi) w² times y^0, y^1, y^2, and `y`, `wy`.
    """

    n: Floats
    w: Floats
    w2: Floats
    a0: Floats
    y: Floats
    wy: Floats
    a1: Floats
    a2: Floats

    def by(self, group: Ints, groups: int) -> "Sums":
        """Return the sums of groups of cells."""
        return Sums(*(totals(group, values, groups) for values in vars(self).values()))


@dataclass(frozen=True)
class Cells:
    """Cells with units in them: which problem, stratum and label, and how many units."""

    problem: Ints
    stratum: Ints
    label: Ints
    size: Floats
    sums: Sums


@dataclass(frozen=True)
class Solved:
    """The share in each group of answers, its variance and effective number, groups × outcomes.

    `most` is the number that the weights alone leave: no effective number is above it.
    """

    p: Floats
    variance: Floats
    n_effective: Floats
    most: Floats
    census: Bools


@dataclass(frozen=True)
class Shares:
    """The estimate of each problem, problems × outcomes, and the groups of cells it is made of.

    `complete` says that no group has too few answers; `group` maps cells to groups, each with its
    machine label.
    """

    p: Floats
    variance: Floats
    complete: Bools
    group: Ints
    problem: Ints
    label: Ints
    weight: Floats
    solved: Solved
    empty: Bools

    def interval(self, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """Return MOVER over Jeffreys limits, one for each machine label of a problem.

        The strata of a label share their limits, for skewed limits of many sparse strata do not
        add up to a 95 % interval. What is known, and what nobody answered, stands alone.
        """
        found = self.solved
        alone = found.census[:, 0] | self.empty[:, 0]
        labels = int(self.label.max(initial=0)) + 2
        key = np.where(alone, -1 - np.arange(alone.size), self.problem * labels + self.label + 1)
        _, first, which = np.unique(key, return_index=True, return_inverse=True)
        classes = first.size
        whole = totals(which, self.weight, classes)[:, None]
        part = (self.weight / whole[which, 0])[:, None]
        p = totals(which, part * found.p, classes)
        # Exactly 1, so that rounding never passes for variation.
        p = np.where(totals(which, (found.p != 1).astype(np.float64), classes) == 0, 1.0, p)
        variance = totals(which, part**2 * found.variance, classes)
        most = ratio(np.ones_like(p), totals(which, ratio(part**2, found.most), classes))
        with np.errstate(divide="ignore", invalid="ignore"):
            n = np.where(variance > 0, np.minimum(p * (1 - p) / variance, most), most)
        census, empty = found.census[first], self.empty[first]
        low, high = jeffreys(p, np.where(census | empty, 0.0, n), confidence)
        low = np.where(census, p, np.where(empty, 0.0, low))
        high = np.where(census, p, np.where(empty, 1.0, high))
        problem, size = self.problem[first], len(self.p)
        below = totals(problem, (whole * (p - low)) ** 2, size)
        above = totals(problem, (whole * (high - p)) ** 2, size)
        return np.maximum(self.p - np.sqrt(below), 0), np.minimum(self.p + np.sqrt(above), 1)


def answered_inclusion(cell: Ints, inclusion: Floats, answered: Bools) -> Floats:
    """Return the probability of being drawn and answered, drawn × columns.

    Questions left open are made up for by the answered ones of the same response cell
    (`cell`, drawn × columns), so that skipping in one language does not shift the whole.
    """
    columns = answered.shape[1]
    key = cell * columns + np.arange(columns)
    cells = int(key.max(initial=-1)) + 1
    drawn = np.bincount(key.ravel(), minlength=cells)
    done = np.bincount(key[answered], minlength=cells)
    return np.asarray(inclusion[:, None] * (done / np.maximum(drawn, 1))[key], dtype=np.float64)


def add_up(cell: Ints, cells: int, pi: Floats, y: Floats) -> Sums:
    """Return the sums of the answers in each cell; `cell` and `pi` are drawn × columns."""
    answered = ~np.isnan(y).any(axis=2)
    at, pi, y = cell[answered], pi[answered], y[answered]
    w = 1 / pi
    a = ((1 - pi) * w**2)[:, None]
    ones = np.ones((w.size, 1))
    flat = np.hstack([ones, w[:, None], w[:, None] ** 2, a])
    n, weight, squares, a0 = totals(at, flat, cells).T
    over_y = (
        totals(at, factor * values, cells)
        for factor, values in ((1.0, y), (w[:, None], y), (a, y), (a, y**2))
    )
    return Sums(n, weight, squares, a0, *over_y)


def solve(size: Floats, sums: Sums) -> Solved:
    """Return the share in each group, `p = sum wy / sum w`, its variance and effective number.

    `v = n/(n-1) sum (1-pi) w² (y-p)² / (sum w)²`, `K = (sum w)² / sum w² / (1 - n/N)`, and the
    effective number is `min(p (1-p) / v, K)`, or K where v is 0. Nothing varies in a census.
    """
    n, size = sums.n[:, None], size[:, None]
    p = ratio(sums.wy, sums.w[:, None])
    # Exactly 0 and 1, so that rounding never passes for variation.
    p = np.where(sums.y == 0, 0.0, np.where(sums.y == n, 1.0, p))
    p = np.where(n > 0, p, np.nan)
    squares = sums.a2 - 2 * p * sums.a1 + p**2 * sums.a0[:, None]
    varied = (n > 1) & (p > 0) & (p < 1) & (squares > 0)
    v = np.where(varied, ratio(n, n - 1) * ratio(squares, sums.w[:, None] ** 2), 0.0)
    most = ratio(ratio(sums.w**2, sums.w2)[:, None], 1 - n / np.maximum(size, 1))
    census = np.broadcast_to((n == size) & (size > 0), p.shape)
    most = np.where(census, np.inf, np.nan_to_num(most))
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(v > 0, np.minimum(p * (1 - p) / v, most), most)
    answered = n > 0
    return Solved(
        p,
        np.where(census, 0.0, v),
        np.where(answered, effective, 0.0),
        np.where(answered, most, 0.0),
        census,
    )


def count_cells(
    machine: Whole,
    labels: int,
    stratum: Whole,
    domain: Whole,
    domains: int,
    drawn: Whole,
    pi: Floats,
    y: Floats,
    by_stratum: bool,
) -> Cells:
    """Return the cells of every domain and column, in the order in which neighbours may merge.

    That is by problem, label and stratum, or `by_stratum` by problem, stratum and label.
    """
    columns = machine.shape[1]
    strata = int(stratum.max(initial=0)) + 1
    inner = (labels + 1) * strata
    block = max(1, KEYS // max(domains * inner, 1))
    found = []
    for start in range(0, columns, block):
        some = np.arange(start, min(start + block, columns))
        label = machine[:, some].astype(np.int64) + 1
        within = (
            stratum[:, None] * (labels + 1) + label
            if by_stratum
            else label * strata + stratum[:, None]
        )
        key = (domain[:, None] * some.size + (some - start)) * inner + within
        size = np.bincount(key.ravel(), minlength=domains * some.size * inner)
        present = np.flatnonzero(size)
        place = np.zeros(size.size, np.int64)
        place[present] = np.arange(present.size)
        sums = add_up(place[key[drawn]], present.size, pi[:, some], y[:, some])
        problem, within_cell = np.divmod(present, inner)
        area, column = np.divmod(problem, some.size)
        first, second = np.divmod(within_cell, labels + 1 if by_stratum else strata)
        at, said = (first, second) if by_stratum else (second, first)
        found.append(
            Cells(
                area * columns + column + start,
                at,
                said - 1,
                size[present].astype(np.float64),
                sums,
            )
        )
    return _in_order(found)


def _in_order(parts: list[Cells]) -> Cells:
    """Return one set of cells; the blocks of columns interleave when there are domains."""
    problem = np.concatenate([part.problem for part in parts])
    order = np.argsort(problem, kind="stable")
    sums = (
        np.concatenate([getattr(part.sums, name) for part in parts])[order]
        for name in Sums.__annotations__
    )
    stratum, label, size = (
        np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("stratum", "label", "size")
    )
    return Cells(problem[order], stratum, label, size, Sums(*sums))


def group_cells(cells: Cells, by_stratum: bool) -> Ints:
    """Return the group of each cell: one with fewer than 5 answers joins a neighbour.

    Neighbours are strata with the same machine label; `by_stratum`, first the labels of one
    stratum and then whole strata. A cell answered completely is known and stays alone.
    """
    n = cells.sums.n.astype(np.int64)
    known = n == cells.size
    open_cells = np.flatnonzero(~known)
    problem = cells.problem[open_cells]
    other = (cells.stratum if by_stratum else cells.label)[open_cells]
    run = problem * (int(other.max(initial=0)) + 2) + other + 1
    joined = merge(run, n[open_cells], LEAST)
    groups = int(joined.max(initial=-1)) + 1
    if by_stratum and groups:
        held = np.bincount(joined, n[open_cells], groups).astype(np.int64)
        where = np.zeros(groups, np.int64)
        where[joined] = problem
        joined = merge(where, held, LEAST)[joined]
        groups = int(joined.max(initial=-1)) + 1
    group = np.empty(n.size, np.int64)
    group[open_cells] = joined
    group[known] = groups + np.arange(int(known.sum()))
    return group


def post_stratify(
    cells: Cells, problems: int, fallback: Floats, said: Ints, by_stratum: bool
) -> Shares:
    """Return `p = sum W_g p_g` of every problem, with `Var = sum W_g² v_g`.

    In a cell that nobody answered, whatever its interval of 0 to 1, the estimate is the machine's
    label (`said`: the label that stands for each outcome), and `fallback` (problems × outcomes)
    where the machine said nothing.
    """
    group = group_cells(cells, by_stratum)
    groups = int(group.max(initial=-1)) + 1
    problem = np.zeros(groups, np.int64)
    label = np.zeros(groups, np.int64)
    problem[group], label[group] = cells.problem, cells.label
    size = totals(group, cells.size, groups)
    sums = cells.sums.by(group, groups)
    solved = solve(size, sums)
    empty = (sums.n == 0)[:, None]
    machine = np.where(label[:, None] < 0, fallback[problem], label[:, None] == said)
    # Nothing is known of an empty cell: the variance is that of Jeffreys' prior.
    solved = Solved(
        np.where(empty, machine, solved.p),
        np.where(empty, 1 / 8, solved.variance),
        solved.n_effective,
        solved.most,
        solved.census,
    )
    weight = size / totals(problem, size, problems)[problem]
    p = totals(problem, weight[:, None] * solved.p, problems)
    variance = totals(problem, weight[:, None] ** 2 * solved.variance, problems)
    slight = (label < 0) & (weight <= SLIGHT)
    short = (sums.n < LEAST) & (sums.n < size) & ~slight
    complete = np.bincount(problem[short], minlength=problems) == 0
    return Shares(p, variance, complete, group, problem, label, weight, solved, empty)
