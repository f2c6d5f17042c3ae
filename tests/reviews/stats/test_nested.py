import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reviews.stats.nested import if_people_err, nested

SHARE = st.floats(0.01, 0.99)


def test_one_label_is_double_sampling_of_tenenbein() -> None:
    # 100 of 500 single codings say yes; of 60 settled twice over, 20 said yes and 18 were.
    said, held = np.array([[0, 0], [40.0, 20], [0, 0]]), np.array([[0, 0], [2.0, 18], [0, 0]])
    found = nested(
        np.array([0, 1.0, 0]), np.array([np.nan, 0.2, np.nan]), np.array([0, 500.0, 0]),
        said, held, 60,
    )  # fmt: skip
    assert found.estimate == pytest.approx(0.2 * 18 / 20 + 0.8 * 2 / 40)
    assert (found.missed, found.invented) == pytest.approx((2 / 40, 2 / 20))
    # The variance of Tenenbein (1970) by the delta method; n settled are part of N single ones.
    r1, r0, q = 0.9, 0.05, 0.2
    variance = (
        q**2 * r1 * (1 - r1) / 20 + (1 - q) ** 2 * r0 * (1 - r0) / 40
        + (r1 - r0) ** 2 * q * (1 - q) / 500
    )  # fmt: skip
    width = 2 * stats.norm.ppf(0.975) * variance**0.5
    assert found.high - found.low == pytest.approx(width, rel=0.15)
    assert found.low < found.estimate < found.high


@given(SHARE, SHARE, SHARE)
def test_coders_who_never_err_leave_the_estimate_and_widen_it(
    weight: float, first: float, second: float
) -> None:
    q = np.array([np.nan, first, second])
    weights = np.array([0, weight, 1 - weight])
    said = np.array([[0, 0], [50.0, 50], [50, 50]])
    held = np.array([[0, 0], [0.0, 50], [0, 50]])
    found = nested(weights, q, np.array([0, 300.0, 300]), said, held, 200)
    assert found.estimate == pytest.approx(weight * first + (1 - weight) * second)
    assert (found.missed, found.invented) == (0, 0)
    assert found.high - found.low > 0


def test_a_label_with_few_settled_borrows_from_all() -> None:
    weight, q = np.array([0, 0.5, 0.5]), np.array([np.nan, 0.1, 0.8])
    said = np.array([[0, 0], [90.0, 3], [2, 25]])
    held = np.array([[0, 0], [9.0, 1], [1, 20]])
    found = nested(weight, q, np.array([0, 100.0, 100]), said, held, 120)
    yes, no = 21 / 28, 10 / 92
    wanted = 0.5 * (0.1 * yes + 0.9 * 9 / 90) + 0.5 * (0.8 * 20 / 25 + 0.2 * no)
    assert found.estimate == pytest.approx(wanted)


def test_few_settled_say_nothing_of_human_error() -> None:
    nothing = np.zeros((3, 2))
    found = nested(np.full(3, 1 / 3), np.full(3, 0.5), np.full(3, 9.0), nothing, nothing, 9)
    assert found.status == "too_few_settled"
    assert np.isnan(found.estimate)


@given(SHARE, st.floats(0, 0.3), st.floats(0, 0.3))
def test_error_and_its_correction_undo_each_other(
    truth: float, missed: float, invented: float
) -> None:
    seen = truth * (1 - missed) + (1 - truth) * invented
    estimate, low, high = if_people_err(seen, seen, seen, missed, invented)
    assert estimate == low == high == pytest.approx(truth)


def test_people_who_say_the_contrary_correct_nothing() -> None:
    assert all(np.isnan(end) for end in if_people_err(0.1, 0.05, 0.2, 0.6, 0.4))
