"""Two decisions about the same units compared: what changed, by how much, and could it be chance?

Labels are units × codes: 1 applies, 0 does not, -1 not known; values are numbers with NaN. A unit
counts where both decided. `clusters` (one per unit) are interviews that several units come from:
they change sides as wholes. Sources: Newcombe (1998), Statistics in Medicine 17, 2635-2650, method
10; Fagerland, Lydersen and Laake (2013), BMC Medical Research Methodology 13:91 (mid-p); Zou and
Donner (2008) for the general form of such an interval.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from reviews.stats.arrays import Floats, Ints, Whole, ratio
from reviews.stats.intervals import jeffreys, wilson

LARGEST_EXACT = 4_000
"""Sum of what clusters can move by above which a sign test of clusters is a normal one."""


@dataclass(frozen=True)
class PairedShares:
    """Codes in two decisions, one number a code; `difference` is second minus first.

    `both` to `neither` count units; `exact` and `mid` are p-values of no shift between the two.
    """

    units: Ints
    both: Ints
    only_first: Ints
    only_second: Ints
    neither: Ints
    first: Floats
    second: Floats
    difference: Floats
    low: Floats
    high: Floats
    exact: Floats
    mid: Floats

    @property
    def changed(self) -> Ints:
        """How many units were decided otherwise."""
        return self.only_first + self.only_second


@dataclass(frozen=True)
class PairedMeans:
    """A scale in two decisions; `difference` is second minus first, `p` of a t-test of it."""

    units: int
    changed: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    moved: float
    """The mean distance between the two, whatever its sign."""


def compare_labels(
    first: Whole, second: Whole, clusters: Whole | None = None, confidence: float = 0.95
) -> PairedShares:
    """Return how every code changed from `first` to `second`, with intervals and p-values.

    >>> one = np.repeat([[1], [1], [0], [0]], [59, 6, 16, 80], axis=0)
    >>> other = np.repeat([[1], [0], [1], [0]], [59, 6, 16, 80], axis=0)
    >>> found = compare_labels(one, other)
    >>> found.low.round(4), found.high.round(4), found.mid.round(4)
    (array([0.0046]), array([0.1186]), array([0.0347]))
    """
    known = (first >= 0) & (second >= 0)
    one, other = (first == 1) & known, (second == 1) & known
    counts = [(known & a & b).sum(axis=0) for a in (one, ~one) for b in (other, ~other)]
    both, only_first, only_second, neither = (count.astype(np.int64) for count in counts)
    units = known.sum(axis=0).astype(np.int64)
    n = units.astype(np.float64)
    if clusters is None:
        effective = n
        exact, mid = mcnemar(only_first, only_second)
    else:
        clusters = np.unique(clusters, return_inverse=True)[1]
        moves = [
            by_cluster((other[:, code].astype(np.int64) - one[:, code])[mine], clusters[mine])
            for code, mine in enumerate(known.T)
        ]
        changed = (only_first + only_second).tolist()
        effective = np.array(
            [effective_units(*move, many) for move, many in zip(moves, changed, strict=True)]
        )
        found = np.array([sign_test(total) for total, _size in moves]).reshape(-1, 2)
        exact, mid = found[:, 0], found[:, 1]
    low, high = newcombe(both, only_second, only_first, neither, effective, confidence)
    p1, p2 = (
        ratio((both + only_first).astype(float), n),
        ratio((both + only_second).astype(float), n),
    )
    return PairedShares(
        units, both, only_first, only_second, neither, p1, p2, p2 - p1, low, high, exact, mid
    )


def newcombe(
    both: Whole,
    only_first: Whole,
    only_second: Whole,
    neither: Whole,
    effective: Floats | None = None,
    confidence: float = 0.95,
) -> tuple[Floats, Floats]:
    """Return Newcombe's interval (method 10) of the first share less the second.

    `effective` is how many independent units the counts are worth: as many as there are, unless
    they come in clusters.

    >>> low, high = newcombe(np.array([1]), np.array([1]), np.array([7]), np.array([12]))
    >>> low.round(3), high.round(3)
    (array([-0.507]), array([-0.026]))
    """
    counts = [np.asarray(count, np.float64) for count in (both, only_first, only_second, neither)]
    total = np.asarray(sum(counts))
    n = total if effective is None else effective
    a, b, c, d = (ratio(count, total) for count in counts)
    p1, p2 = a + b, a + c
    product = a * d - b * c
    # The continuity correction of the correlation: towards 0, where it is above.
    product = np.where(product > 0, np.maximum(product - 0.5 / np.maximum(n, 1), 0), product)
    spread = np.sqrt(p1 * (1 - p1) * p2 * (1 - p2))
    with np.errstate(invalid="ignore"):
        phi = np.where(spread > 0, product / np.where(spread > 0, spread, 1), 0.0)
    low, high = mover(p1, wilson(p1, n, confidence), p2, wilson(p2, n, confidence), phi)
    return np.maximum(low, -1), np.minimum(high, 1)


def mover(
    p1: Floats,
    ends1: tuple[Floats, Floats],
    p2: Floats,
    ends2: tuple[Floats, Floats],
    correlation: Floats,
) -> tuple[Floats, Floats]:
    """Return the interval of `p1 - p2` from the intervals of both and their correlation."""
    (l1, u1), (l2, u2) = ends1, ends2

    def reach(one: Floats, other: Floats) -> Floats:
        squared = one**2 + other**2 - 2 * correlation * one * other
        return np.asarray(np.sqrt(np.maximum(squared, 0)), dtype=np.float64)

    difference = p1 - p2
    return difference - reach(p1 - l1, u2 - p2), difference + reach(u1 - p1, p2 - l2)


def mcnemar(only_first: Whole, only_second: Whole) -> tuple[Floats, Floats]:
    """Return McNemar's exact p-values and mid-p-values; 1 where nothing changed.

    >>> exact, mid = mcnemar(np.array([6]), np.array([16]))
    >>> exact.round(6), mid.round(6)
    (array([0.052479]), array([0.03469]))
    """
    fewer, n = np.minimum(only_first, only_second), only_first + only_second
    at = stats.binom.pmf(fewer, n, 0.5)
    exact = np.minimum(2 * stats.binom.cdf(fewer, n, 0.5), 1)
    mid = np.where(only_first == only_second, 1 - at / 2, exact - at)
    return np.where(n > 0, exact, 1.0), np.where(n > 0, mid, 1.0)


def sign_test(moves: Whole) -> tuple[float, float]:
    """Return p and mid-p of a sum of whole numbers, if each had its sign by the toss of a coin.

    With moves of one it is McNemar's exact test; clusters move by more than one.

    >>> print("%.6f %.6f" % sign_test(np.repeat([1, -1], [6, 16])))
    0.052479 0.034690
    >>> print("%.4f %.4f" % sign_test(np.array([3, 2, 1, -1])))
    0.3750 0.2500
    """
    sizes, often = np.unique(np.abs(moves[moves != 0]), return_counts=True)
    if not sizes.size:
        return 1.0, 1.0
    seen = abs(int(moves.sum()))
    if sizes.tolist() == [1]:
        more = int((moves == 1).sum())
        exact, mid = mcnemar(np.array([more]), np.array([int(often[0]) - more]))
        return float(exact[0]), float(mid[0])
    if int((sizes * often).sum()) > LARGEST_EXACT:
        p = float(2 * special.ndtr(-seen / np.sqrt(float((sizes**2 * often).sum()))))
        return p, p
    chances = np.ones(1)
    for size, count in zip(sizes.tolist(), often.tolist(), strict=True):
        steps = np.zeros(2 * size * count + 1)
        steps[:: 2 * size] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, steps)
    reached = np.abs(np.arange(chances.size) - chances.size // 2)
    further = float(chances[reached > seen].sum())
    same = float(chances[reached == seen].sum())
    return min(further + same, 1.0), min(further + same / 2, 1.0)


def compare_values(
    first: Floats,
    second: Floats,
    span: tuple[float, float],
    clusters: Whole | None = None,
    confidence: float = 0.95,
) -> PairedMeans:
    """Return how a scale from `span[0]` to `span[1]` moved, with a paired t interval.

    Where it moved nowhere, or everywhere alike, the interval says what the rest could still do: up
    to Jeffreys' limit of the share of units moves over the whole scale.
    """
    known = ~np.isnan(first) & ~np.isnan(second)
    moves = (second - first)[known]
    n = moves.size
    if not n:
        return PairedMeans(0, 0, *(np.nan,) * 6, np.nan)
    place = np.arange(n) if clusters is None else np.unique(clusters[known], return_inverse=True)[1]
    total, size = np.bincount(place, moves), np.bincount(place)
    difference, groups = float(moves.mean()), total.size
    spread = float(((total - difference * size) ** 2).sum())
    if groups < 2 or spread <= 1e-12 * (span[1] - span[0]) ** 2:
        share = float(jeffreys(np.zeros(1), np.array([float(groups)]), confidence)[1][0])
        reach, p = share * (span[1] - span[0]), 1.0 if difference == 0 else np.nan
    else:
        se = np.sqrt(groups / (groups - 1) * spread) / n
        reach = float(special.stdtrit(groups - 1, (1 + confidence) / 2) * se)
        p = float(2 * special.stdtr(groups - 1, -abs(difference) / se))
    return PairedMeans(
        n,
        int((moves != 0).sum()),
        float(first[known].mean()),
        float(second[known].mean()),
        difference,
        difference - reach,
        difference + reach,
        p,
        float(np.abs(moves).mean()),
    )


def by_cluster(values: Ints, clusters: Whole) -> tuple[Ints, Ints]:
    """Return the sum of whole numbers in each cluster that has any, and how many it has.

    Clusters are whole numbers from 0, as `np.unique` numbers them.
    """
    sizes = np.bincount(clusters).astype(np.int64)
    sums = np.rint(np.bincount(clusters, values)).astype(np.int64)
    there = sizes > 0
    return sums[there], sizes[there]


def effective_units(moves: Ints, sizes: Ints, changed: int) -> float:
    """Return how many independent units clusters are worth, by the design effect of the difference.

    `moves` and `sizes` are one a cluster; `changed` is how many units moved. Where nothing moved,
    or everything alike, nothing is known of the effect: then each cluster is worth one unit.
    """
    groups, units = sizes.size, float(sizes.sum())
    if groups < 2:
        return float(groups)
    mean = float(moves.sum()) / units
    alone = changed - units * mean**2
    if alone <= 0:
        return float(groups)
    together = groups / (groups - 1) * float(((moves - mean * sizes) ** 2).sum())
    effect = together / (alone * units / (units - 1))
    return units / max(effect, 1.0)
