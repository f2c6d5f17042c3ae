"""Units that share a participant, against sums written out and a jackknife."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reviews.stats.arrays import Floats, Ints
from reviews.stats.clusters import Clusters, student


def jackknife(y: Floats, w: Floats, who: Ints) -> float:
    """The sum of squares of what leaving out each participant changes in a weighted mean."""
    mean = np.average(y, weights=w)
    left = [np.average(y[who != one], weights=w[who != one]) for one in np.unique(who)]
    return float(((np.array(left) - mean) ** 2).sum())


@given(st.integers(0, 10_000))
def test_the_design_effect_is_that_of_leaving_out_participants_and_units(seed: int) -> None:
    rng = np.random.default_rng(seed)
    who = rng.integers(0, 20, 120)
    y = (rng.random(120) < rng.random(20)[who]).astype(float)
    w = rng.uniform(0.5, 3, 120)
    within = Clusters.within(who, np.zeros(120, np.int64), 1)
    found = within.inflation(w * (y - np.average(y, weights=w)), w)[0]
    wanted = jackknife(y, w, who) / jackknife(y, w, np.arange(120))
    assert found == pytest.approx(max(wanted, 1))


def test_units_of_their_own_inflate_nothing() -> None:
    rng = np.random.default_rng(2)
    y, label = rng.random(50), rng.integers(0, 2, 50)
    within = Clusters.within(np.arange(50), np.zeros(50, np.int64), 1)
    assert within.inflation(y - y.mean(), np.ones(50), label)[0] == pytest.approx(1)


def test_answers_that_never_vary_are_as_good_as_their_participants() -> None:
    within = Clusters.within(np.repeat(np.arange(8), 5), np.zeros(40, np.int64), 1)
    assert within.inflation(np.zeros(40), np.ones(40))[0] == pytest.approx(5)


def test_a_participant_in_two_groups_counts_in_both() -> None:
    within = Clusters.within(np.array([7, 7, 7, 9]), np.array([0, 0, 1, 1]), 2)
    assert within.number(np.ones(4)) == pytest.approx([1, 2])


def test_few_participants_reach_as_far_as_student_and_one_as_far_as_can_be() -> None:
    z = stats.norm.ppf(0.975)
    assert student(np.array([10.0]))[0] == pytest.approx(stats.t.ppf(0.975, 9) / z)
    assert student(np.array([1.0]))[0] == 1e9
    uneven = Clusters.within(np.repeat([0, 1, 2], [98, 1, 1]), np.zeros(100, np.int64), 1)
    assert uneven.number(np.ones(100))[0] == pytest.approx(100**2 / (98**2 + 2))
