"""What settling a disagreement is worth, against alpha reckoned anew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.stats.alpha import alpha_interval, alpha_nominal
from reviews.stats.arrays import Floats
from reviews.stats.coefficients import counts_of
from reviews.stats.settling import interval_gain, nominal_gain


def made(seed: int, coders: int, units: int, values: int) -> Floats:
    rng = np.random.default_rng(seed)
    ratings = rng.integers(0, values, (coders, units)).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = np.nan
    return ratings


def settled(ratings: Floats, unit: int, value: float) -> Floats:
    after = ratings.copy()
    after[~np.isnan(ratings[:, unit]), unit] = value
    return after


@given(st.integers(0, 2**31), st.integers(2, 4), st.integers(2, 12), st.integers(2, 4))
def test_the_gain_is_the_alpha_of_settled_ratings_less_that_of_now(
    seed: int, coders: int, units: int, values: int
) -> None:
    ratings = made(seed, coders, units, values)
    gain = nominal_gain(counts_of(ratings, np.arange(float(values))))
    now = alpha_nominal(ratings)
    for unit in range(units):
        given_ = ratings[~np.isnan(ratings[:, unit]), unit]
        if len(given_) < 2 or len(np.unique(given_)) == 1:
            assert gain[unit] == 0
            continue
        after = [alpha_nominal(settled(ratings, unit, value)) for value in np.unique(given_)]
        # Alpha is undefined where only one value is left: then nobody disagrees.
        expected = np.mean([1.0 if np.isnan(one) else one for one in after]) - now
        assert gain[unit] == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**31), st.integers(2, 4), st.integers(2, 12))
def test_the_gain_on_a_scale_is_that_of_the_unit_at_its_mean(
    seed: int, coders: int, units: int
) -> None:
    ratings = made(seed, coders, units, 50)
    gain = interval_gain(ratings)
    now = alpha_interval(ratings)
    for unit in range(units):
        given_ = ratings[~np.isnan(ratings[:, unit]), unit]
        if len(given_) < 2 or np.ptp(given_) == 0:
            assert gain[unit] == pytest.approx(0, abs=1e-9)
            continue
        after = alpha_interval(settled(ratings, unit, float(given_.mean())))
        expected = (1.0 if np.isnan(after) else after) - now
        assert gain[unit] == pytest.approx(expected, abs=1e-6)


def test_a_disagreement_about_a_rare_code_is_worth_more_than_about_a_common_one() -> None:
    common = np.array([[2.0, 0]] * 50 + [[0, 2]] * 49 + [[1, 1]])
    rare = np.array([[2.0, 0]] * 97 + [[0, 2]] * 2 + [[1, 1]])
    assert nominal_gain(rare)[-1] > 5 * nominal_gain(common)[-1]
