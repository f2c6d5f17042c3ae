"""Designs of review samples: how many, which, with what probability, and for whom.

Strata come as sizes (strata) or as the stratum of each unit (units). Everything that is drawn
uses the raw stream of the generator's bits and a sort, which are the same in every version of numpy
and on every machine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reviews.stats.arrays import Bools, Floats, Generator, Ints, Whole, merge
from reviews.stats.intervals import critical


def allocate(
    sizes: Whole, n: int, *, least: int = 10, spread: Floats | None = None, compromise: float = 0.7
) -> Ints:
    """Return how many units to draw from each stratum, n in all and never more than there are.

    Without `spread` in proportion to size. With it (`error_spread`, one per stratum) the compromise
    `n_h = n [ .7 N_h S_h / sum(N S) + .3 N_h / N ]`. Every stratum gets `least` units, or an equal
    share of n where n is too small for that.

    >>> allocate(np.array([700, 250, 50, 4]), 100)
    array([63, 23, 10,  4])
    """
    size = sizes.astype(np.int64)
    if (size < 1).any():
        raise ValueError("Every stratum needs at least one unit.")
    if n < size.size:
        raise ValueError(
            f"A sample of {n} is smaller than the {size.size} strata; merge strata or draw more."
        )
    n = min(n, int(size.sum()))
    floor = np.minimum(min(least, n // max(size.size, 1)), size)
    share = size / size.sum()
    if spread is not None and (size * spread).sum() > 0:
        by_spread = size * spread / (size * spread).sum()
        share = compromise * by_spread + (1 - compromise) * share
    return _round(_fill(share, n, floor, size), n, size)


def error_spread(wrong: Whole | Floats, reviewed: Whole | int = 0) -> Floats:
    """Return `S_h = sqrt(e_h (1 - e_h))` for `allocate`.

    After a pilot `wrong` counts the machine's errors among `reviewed` and `e_h = (x + .5)/(n + 1)`;
    before, `wrong` is the error expected from the machine's confidence and `reviewed` is left out.

    >>> error_spread(np.array([0.1, 0.5]))
    array([0.3, 0.5])
    """
    seen = np.asarray(reviewed) > 0
    e = np.where(seen, (wrong + 0.5) / (np.asarray(reviewed) + 1.0), wrong)
    return np.asarray(np.sqrt(e * (1 - e)), dtype=np.float64)


def pool(sizes: Whole, least: int = 10) -> Ints:
    """Return the pooled stratum of each stratum, where those below `least` join a neighbour.

    >>> pool(np.array([500, 3, 4, 80, 2]), 10)
    array([0, 1, 1, 1, 1])
    """
    return merge(np.zeros(sizes.size, np.int64), sizes.astype(np.int64), least)


def inclusion(sizes: Whole, allocation: Whole) -> Floats:
    """Return the inclusion probability of each stratum, `n_h / N_h`."""
    return np.asarray(allocation / sizes, dtype=np.float64)


def combined_inclusion(rounds: Floats) -> Floats:
    """Return `1 - prod(1 - pi_r)` over rounds (rounds × units) that did not look at earlier labels.

    >>> combined_inclusion(np.array([[0.5, 0.0], [0.5, 0.1]])).round(2)
    array([0.75, 0.1 ])
    """
    return np.asarray(1 - np.prod(1 - rounds, axis=0), dtype=np.float64)


def draw(stratum: Whole, allocation: Whole, rng: Generator) -> Ints:
    """Return the positions, in order, of a simple random sample of each stratum.

    Each unit gets a random number and the smallest of each stratum are drawn, so that a larger
    allocation from the same seed draws the same units and more.
    """
    order = np.lexsort((_keys(rng, stratum.size), stratum))
    sizes = np.bincount(stratum, minlength=allocation.size)
    if sizes.size > allocation.size or (allocation > sizes).any():
        raise ValueError("No stratum can give more units than it has.")
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(stratum.size) - np.repeat(starts, sizes)
    return np.sort(order[rank < np.repeat(allocation, sizes)])


def seats(units: int, coders: int, overlap: float, rng: Generator) -> tuple[Ints, Ints]:
    """Return how many coders each drawn unit gets, and the order in which they are handed out.

    A random share `overlap` of the units gets `coders` of them, the others one.
    """
    if not 0 <= overlap <= 1:
        raise ValueError("The overlap is a share from 0 to 1.")
    order = np.argsort(_keys(rng, units), kind="stable")
    wanted = np.ones(units, np.int64)
    wanted[order[: int(np.floor(overlap * units + 0.5))]] = coders
    return wanted, order


def assign(
    wanted: Ints, order: Ints, coders: int, able: Bools | None = None, load: Ints | None = None
) -> Ints:
    """Return the coders of each drawn unit, units × the most wanted, -1 where there is none.

    No unit gets a coder twice. Work is even, and so are the pairs who meet; `able` (units × coders)
    says who can read what, and `load` how much each has to do already. Units that few can read come
    first, so that those who read much are not used up on what everybody reads.
    """
    units = wanted.size
    able = np.ones((units, coders), bool) if able is None else able
    load = np.zeros(coders, np.int64) if load is None else load.copy()
    found = np.full((units, int(wanted.max(initial=1))), -1)
    met = np.zeros((coders, coders), np.int64)
    # Readers only count where some coder can't read some unit.
    for unit in order[np.argsort(able[order].sum(axis=1), kind="stable")]:
        ready = np.flatnonzero(able[unit])
        for seat in range(wanted[unit]):
            if ready.size == 0:
                break
            known = met[found[unit, :seat]][:, ready].sum(axis=0)
            coder = ready[np.lexsort((ready, known, load[ready]))[0]]
            met[coder, found[unit, :seat]] += 1
            met[found[unit, :seat], coder] += 1
            found[unit, seat] = coder
            load[coder] += 1
            ready = ready[ready != coder]
    return found


def choose(units: int, share: float, rng: Generator) -> Bools:
    """Return which of the units are in a random `share` of them.

    >>> int(choose(10, 0.3, np.random.default_rng(1)).sum())
    3
    """
    if not 0 <= share <= 1:
        raise ValueError("A share goes from 0 to 1.")
    chosen = np.zeros(units, bool)
    order = np.argsort(_keys(rng, units), kind="stable")
    chosen[order[: int(np.floor(share * units + 0.5))]] = True
    return chosen


@dataclass(frozen=True)
class Plan:
    """Reviews needed for a half-width: by people alone, and by PS with either allocation."""

    human: int
    proportional: int
    neyman: int


def plan(
    prevalence: float,
    sensitivity: float,
    specificity: float,
    half_width: float,
    population: int,
    confidence: float = 0.95,
) -> Plan:
    """Return how many reviews bring the interval of one code to `half_width`.

    The machine's negatives need `2.5 W0 / w` reviews whatever the formula says: no errors found
    among them must still bound how many there may be.

    >>> plan(0.05, 0.87, 0.988, 0.01, population=80508)
    Plan(human=1784, proportional=591, neyman=385)
    """
    z, w = critical(confidence), half_width
    positive = prevalence * sensitivity + (1 - prevalence) * (1 - specificity)
    negative = 1 - positive
    ppv = prevalence * sensitivity / positive if positive else 0.0
    omitted = prevalence * (1 - sensitivity) / negative if negative else 0.0
    within = np.array([ppv * (1 - ppv), omitted * (1 - omitted)])
    shares = np.array([positive, negative])

    def reviews(n0: float, least: float) -> int:
        return min(round(max(n0 / (1 + n0 / population), least)), population)

    floor = 2.5 * negative / w
    return Plan(
        human=reviews(z**2 * prevalence * (1 - prevalence) / w**2, 0),
        proportional=reviews(z**2 * float((shares * within).sum()) / w**2, floor),
        neyman=reviews(z**2 * float((shares * np.sqrt(within)).sum()) ** 2 / w**2, floor),
    )


def _keys(rng: Generator, size: int) -> NDArray[np.uint64]:
    return np.asarray(rng.bit_generator.random_raw(size), dtype=np.uint64)


def _fill(share: Floats, n: int, floor: Ints, size: Ints) -> Floats:
    """Return shares of n scaled so that they add up to n between `floor` and `size`."""
    low, high = 0.0, float(size.sum()) / max(float(share[share > 0].min(initial=1)), 1e-12)
    for _ in range(200):
        middle = (low + high) / 2
        if np.clip(middle * share, floor, size).sum() < n:
            low = middle
        else:
            high = middle
    return np.clip(high * share, floor, size)


def _round(wanted: Floats, n: int, size: Ints) -> Ints:
    """Return whole numbers that add up to n, by largest remainder; ties go to earlier strata."""
    wanted = wanted.round(6)  # a scale found by bisection leaves 2.9999999 for 3
    whole = np.floor(wanted).astype(np.int64)
    while (missing := n - int(whole.sum())) > 0:
        remainder = np.where(whole < size, wanted - whole, -np.inf)
        whole[np.argsort(-remainder, kind="stable")[: min(missing, int((whole < size).sum()))]] += 1
    return whole
