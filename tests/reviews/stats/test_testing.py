import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reviews.stats.testing import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(P_VALUES)
def test_benjamini_and_hochberg_are_those_of_scipy(p_values: list[float]) -> None:
    found = benjamini_hochberg(np.array(p_values))
    assert found == pytest.approx(stats.false_discovery_control(p_values))


@given(P_VALUES, st.floats(0.001, 0.999))
def test_holm_rejects_step_by_step(p_values: list[float], level: float) -> None:
    rejected = set()
    for step, at in enumerate(np.argsort(p_values, kind="stable").tolist()):
        if p_values[at] * (len(p_values) - step) > level:
            break
        rejected.add(at)
    assert set(np.flatnonzero(holm(np.array(p_values)) <= level).tolist()) == rejected


def test_what_was_not_tested_counts_for_nothing() -> None:
    with_gap = holm(np.array([0.01, np.nan, 0.04]))
    assert with_gap[[0, 2]] == pytest.approx(holm(np.array([0.01, 0.04])))
    assert np.isnan(with_gap[1])
