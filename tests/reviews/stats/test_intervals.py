import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reviews.stats.intervals import grade, jeffreys, sidak, wilson


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


def test_many_intervals_together_are_wider_than_one() -> None:
    assert sidak(0.95, 1) == 0.95
    assert sidak(0.95, 60) == pytest.approx(0.95 ** (1 / 60))


def test_grades_follow_the_evidence() -> None:
    assert grade("cells", 29, 0.1, 0.11, 0.05) == "B"
    assert grade("hajek", 30, 0.1, 0.2, 0.05) == "A"
    assert grade("cells", 300, 0.1, 0.21, 0.05) == "B"
    assert grade("smoothed", 0, 0.1, 0.11, 0.05) == "C"
    assert grade("none", 0, np.nan, np.nan, 0.05) == "D"
