import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reviews.stats.intervals import difference, grade, jeffreys, sidak, wilson


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_wilson_is_the_interval_of_scipy(n: int, share: float) -> None:
    x = round(n * share)
    theirs = stats.binomtest(x, n).proportion_ci(method="wilson")
    low, high = wilson(np.array([x / n]), np.array([float(n)]))
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_nobody_asked_is_anything_from_none_to_all() -> None:
    low, high = wilson(np.array([np.nan]), np.array([0.0]))
    assert (low[0], high[0]) == (0, 1)


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_jeffreys_holds_the_share_and_is_never_a_point(n: int, share: float) -> None:
    p = round(n * share) / n
    low, high = jeffreys(np.array([p]), np.array([float(n)]))
    assert 0 <= low[0] <= p <= high[0] <= 1
    assert high[0] > low[0]


@given(n=st.integers(1, 5000), share=st.floats(0.001, 0.999), confidence=st.floats(0.8, 0.9999))
def test_jeffreys_is_the_beta_distribution_of_scipy(
    n: int, share: float, confidence: float
) -> None:
    p = min(max(round(n * share), 1), n - 1) / n if n > 1 else 0.5
    low, high = jeffreys(np.array([p]), np.array([float(n)]), confidence)
    theirs = stats.beta(n * p + 0.5, n * (1 - p) + 0.5).interval(confidence)
    assert (low[0], high[0]) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_a_difference_of_shares_has_the_limits_that_newcombe_printed_in_1998(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    ends = []
    for x, n in (first, second):
        below, above = wilson(np.array([x / n]), np.array([float(n)]))
        ends.append((x / n, float(below[0]), float(above[0])))
    one, other = ends
    found = difference(one, other)
    assert found == pytest.approx((one[0] - other[0], low, high), abs=6e-5)
    wider = difference(one, other, 2.0)
    assert wider[1] - wider[0] == pytest.approx(2 * (found[1] - found[0]))


def test_many_intervals_together_are_wider_than_one() -> None:
    assert sidak(0.95, 1) == 0.95
    assert sidak(0.95, 60) == pytest.approx(0.95 ** (1 / 60))


def test_grades_follow_the_evidence() -> None:
    assert grade("cells", 29, 0.1, 0.11, 0.05) == "B"
    assert grade("hajek", 30, 0.1, 0.2, 0.05) == "A"
    assert grade("cells", 300, 0.1, 0.21, 0.05) == "B"
    assert grade("smoothed", 0, 0.1, 0.11, 0.05) == "C"
    assert grade("none", 0, np.nan, np.nan, 0.05) == "D"
