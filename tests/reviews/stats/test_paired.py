"""Published cases, a second implementation by hand, and every sign pattern counted out."""

from itertools import product
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reviews.stats.arrays import Ints
from reviews.stats.paired import (
    compare_labels,
    compare_values,
    effective_units,
    mcnemar,
    mover,
    newcombe,
    sign_test,
)

FEW = st.integers(0, 30)


def four(a: int, b: int, c: int, d: int) -> tuple[Ints, Ints, Ints, Ints]:
    return np.array([a]), np.array([b]), np.array([c]), np.array([d])


def wilson(p: float, n: int, z: float) -> tuple[float, float]:
    middle = p + z * z / (2 * n)
    reach = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - reach) / (1 + z * z / n), (middle + reach) / (1 + z * z / n)


def by_hand(a: int, b: int, c: int, d: int) -> tuple[float, float]:
    """Newcombe (1998), method 10, as its text says it, in plain numbers."""
    z, n = stats.norm.ppf(0.975), a + b + c + d
    p1, p2 = (a + b) / n, (a + c) / n
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    above: float = a * d - b * c
    if above > 0:
        above = max(above - n / 2, 0)
    phi = above / sqrt(margins) if margins else 0.0
    (l1, u1), (l2, u2) = wilson(p1, n, z), wilson(p2, n, z)
    down = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    up = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    return p1 - p2 - sqrt(max(down, 0)), p1 - p2 + sqrt(max(up, 0))


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33, 2850: their two examples.
        ((1, 1, 7, 12), -0.507, -0.026),
        ((59, 6, 16, 80), -0.1186, -0.0046),
    ],
)
def test_newcombes_interval_is_that_of_published_cases(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    found = newcombe(*four(*counts))
    digits = 4 if sum(counts) > 100 else 3
    assert round(float(found[0][0]), digits) == low
    assert round(float(found[1][0]), digits) == high


@given(FEW, FEW, FEW, FEW)
def test_newcombes_interval_is_that_of_the_formula_by_hand(a: int, b: int, c: int, d: int) -> None:
    if not a + b + c + d:
        return
    low, high = (float(end[0]) for end in newcombe(*four(a, b, c, d)))
    expected = by_hand(a, b, c, d)
    assert low == pytest.approx(max(expected[0], -1), abs=1e-9)
    assert high == pytest.approx(min(expected[1], 1), abs=1e-9)
    estimate = (b - c) / (a + b + c + d)
    assert low - 1e-12 <= estimate <= high + 1e-12
    turned = newcombe(*four(a, c, b, d))
    assert float(turned[0][0]) == pytest.approx(-high, abs=1e-9)


def test_newcombes_interval_has_a_width_where_nothing_changed() -> None:
    low, high = newcombe(*four(40, 0, 0, 60))
    assert low[0] < 0 < high[0]


@pytest.mark.parametrize(
    ("b", "c", "exact", "mid"),
    [(1, 7, 0.0703, 0.0391), (6, 16, 0.0525, 0.0347)],
)
def test_mcnemar_is_that_of_published_cases(b: int, c: int, exact: float, mid: float) -> None:
    # Fagerland, Lydersen and Laake (2013), BMC Medical Research Methodology 13:91, Table 4.
    found = mcnemar(np.array([b]), np.array([c]))
    assert [round(float(p[0]), 4) for p in found] == [exact, mid]


@given(FEW, FEW)
def test_mcnemar_is_a_binomial_test_of_what_changed(b: int, c: int) -> None:
    exact, mid = (float(p[0]) for p in mcnemar(np.array([b]), np.array([c])))
    if not b + c:
        assert exact == mid == 1
        return
    expected = stats.binomtest(b, b + c, 0.5).pvalue
    assert exact == pytest.approx(expected)
    # Half of the two outcomes as far out as the one seen (one, in the middle) counts in the mid-p.
    as_far = stats.binom.pmf(b, b + c, 0.5) * (1 if b == c else 2)
    assert mid == pytest.approx(expected - as_far / 2)


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_the_sign_test_counts_out_every_pattern_of_signs(moves: list[int]) -> None:
    seen = abs(sum(moves))
    sums = [
        abs(sum(sign * move for sign, move in zip(signs, moves, strict=True)))
        for signs in product((-1, 1), repeat=len(moves))
    ]
    further = sum(total > seen for total in sums) / len(sums)
    same = sum(total == seen for total in sums) / len(sums)
    exact, mid = sign_test(np.array(moves, dtype=np.int64))
    assert exact == pytest.approx(further + same)
    if any(moves):
        assert mid == pytest.approx(further + same / 2)


def test_the_sign_test_of_very_many_moves_is_nearly_the_exact_one() -> None:
    moves = np.repeat([1, -1, 2, -2], [900, 820, 900, 830])
    exact, _ = sign_test(moves)  # too many for counting out
    few = np.repeat([1, -1, 2, -2], [90, 82, 90, 83])
    counted, mid = sign_test(few)
    normal = 2 * stats.norm.sf(abs(few.sum()) / sqrt((few**2).sum()))
    assert mid == pytest.approx(normal, abs=0.01)
    assert counted > mid
    assert exact == pytest.approx(2 * stats.norm.sf(220 / sqrt((moves**2).sum())))


def test_labels_are_compared_where_both_are_known() -> None:
    first = np.array([[1, 1], [1, 0], [0, -1], [-1, 0], [0, 0]])
    second = np.array([[1, -1], [0, 1], [1, 1], [1, 0], [0, 0]])
    found = compare_labels(first, second)
    assert found.units.tolist() == [4, 3]
    assert found.both.tolist() == [1, 0]
    assert found.only_first.tolist() == [1, 0]
    assert found.only_second.tolist() == [1, 1]
    assert found.neither.tolist() == [1, 2]
    assert found.changed.tolist() == [2, 1]
    assert found.first.tolist() == [0.5, 0]
    assert found.difference.tolist() == pytest.approx([0, 1 / 3])
    low, high = newcombe(*four(0, 1, 0, 2))
    assert (found.low[1], found.high[1]) == (low[0], high[0])


def test_nothing_known_is_no_number() -> None:
    nobody = np.full((3, 1), -1)
    found = compare_labels(nobody, nobody)
    assert found.units[0] == 0
    assert np.isnan(found.difference[0])
    assert compare_values(np.full(3, np.nan), np.ones(3), (0, 1)).units == 0


def test_clusters_of_one_change_nothing() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 2, (2, 60, 3))
    alone = compare_labels(first, second)
    with_names = compare_labels(first, second, np.arange(60))
    for name in ("difference", "exact", "mid"):
        assert getattr(alone, name) == pytest.approx(getattr(with_names, name))
    assert alone.low == pytest.approx(with_names.low, abs=0.005)


def test_interviews_that_change_as_wholes_count_as_one_change_each() -> None:
    first = np.zeros((60, 1), np.int64)
    second = first.copy()
    second[:18] = 1  # three interviews of six segments
    clusters = np.repeat(np.arange(10), 6)
    apart, together = compare_labels(first, second), compare_labels(first, second, clusters)
    assert apart.mid[0] < 0.001
    assert together.exact[0] == pytest.approx(0.25)
    assert together.high[0] - together.low[0] > 1.5 * (apart.high[0] - apart.low[0])
    assert together.difference[0] == apart.difference[0]


def test_clusters_are_worth_as_much_as_their_design_effect_says() -> None:
    moves, sizes = np.array([4, -4, 4, -4]), np.full(4, 4)
    # All four of a cluster move as one: sixteen units are worth the four that they come from.
    assert effective_units(moves, sizes, 16) == pytest.approx(3.2)  # G/(G-1) and n/(n-1) in it
    spread = np.array([0, 0, 0, 0])
    assert effective_units(spread, sizes, 8) == 16
    assert effective_units(spread, sizes, 0) == 4


def test_the_interval_covers_the_difference_of_clustered_changes() -> None:
    rng = np.random.default_rng(7)
    hits, times = 0, 300
    for _ in range(times):
        chance = rng.beta(1, 4, 60)  # of each interview
        first = (rng.random((60, 5)) < chance[:, None]).astype(np.int64)
        flips = rng.random(60) < 0.15  # the second run finds nothing in some interviews
        second = np.where(flips[:, None], 0, first)
        found = compare_labels(
            first.reshape(-1, 1), second.reshape(-1, 1), np.repeat(np.arange(60), 5)
        )
        hits += bool(found.low[0] <= -0.2 * 0.15 <= found.high[0])
    assert hits / times > 0.92


def test_a_scale_moves_by_a_paired_t_test() -> None:
    rng = np.random.default_rng(3)
    first = rng.normal(50, 10, 40)
    second = first + rng.normal(3, 5, 40)
    first[3] = np.nan
    found = compare_values(first, second, (0, 100))
    known = ~np.isnan(first)
    expected = stats.ttest_rel(second[known], first[known])
    assert found.units == 39
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.moved == pytest.approx(np.abs(second - first)[known].mean())
    doubled = compare_values(
        np.repeat(first, 2), np.repeat(second, 2), (0, 100), np.repeat(np.arange(40), 2)
    )
    assert (doubled.low, doubled.high) == pytest.approx((interval.low, interval.high))


def test_a_scale_that_moved_nowhere_keeps_a_width() -> None:
    same = np.linspace(0, 100, 30)
    found = compare_values(same, same, (0, 100))
    assert found.changed == 0
    assert found.low < 0 < found.high
    assert found.p == 1
    assert np.isnan(compare_values(same, same + 1, (0, 100)).p)


def test_the_general_form_is_the_sum_of_squares_where_nothing_goes_together() -> None:
    low, high = mover(
        np.array([0.5]),
        (np.array([0.4]), np.array([0.6])),
        np.array([0.2]),
        (np.array([0.17]), np.array([0.24])),
        np.array([0.0]),
    )
    assert low[0] == pytest.approx(0.3 - sqrt(0.1**2 + 0.04**2))
    assert high[0] == pytest.approx(0.3 + sqrt(0.1**2 + 0.03**2))
