from typing import Any

import numpy as np
import pytest

from reviews.stats.alpha import (
    alpha,
    alpha_nominal,
    binary_counts,
    binary_sums,
    interval_sums,
    nominal_sums,
    ordinal_sums,
    ratio_sums,
    set_sums,
)
from reviews.stats.arrays import Floats
from reviews.stats.bootstrap import bootstrap_alpha, percentile_interval


def coded(seed: int, units: int, codes: int = 1, share: float = 0.3, error: float = 0.1) -> Floats:
    """Three coders who each turn a true answer round with probability `error`."""
    rng = np.random.default_rng(seed)
    truth = rng.random((units, codes)) < share
    return (truth ^ (rng.random((3, units, codes)) < error)).astype(float)


def test_a_replicate_is_alpha_of_resampled_units() -> None:
    class Drawn(np.random.Generator):
        def integers(self, *_: Any, **__: Any) -> Any:
            return rows.copy()

    ratings = coded(1, 50)[:, :, 0]
    rows = np.random.default_rng(2).integers(0, 50, (3, 50))
    draws = bootstrap_alpha(ordinal_sums(ratings), Drawn(np.random.PCG64(0)), replicates=3)
    expected = [alpha_nominal(ratings[:, row]) for row in rows]
    assert draws[:, 0] == pytest.approx(expected)


def test_the_same_seed_gives_the_same_interval() -> None:
    sums = binary_sums(*binary_counts(coded(1, 200, codes=5)))
    one = bootstrap_alpha(sums, np.random.default_rng(7), 50)
    other = bootstrap_alpha(sums, np.random.default_rng(7), 50)
    assert (one == other).all()


def test_one_code_alone_has_the_interval_it_has_among_others() -> None:
    n1, m = binary_counts(coded(1, 600, codes=4))
    alone = bootstrap_alpha(binary_sums(n1[:, :1], m[:, :1]), np.random.default_rng(1), 4000)
    among = bootstrap_alpha(binary_sums(n1, m), np.random.default_rng(2), 4000)
    for tail in (0.025, 0.5, 0.975):
        assert np.quantile(alone, tail) == pytest.approx(np.quantile(among[:, 0], tail), abs=0.01)


@pytest.mark.parametrize("sums", [nominal_sums, ordinal_sums, interval_sums, ratio_sums])
def test_all_levels_of_a_binary_code_have_one_interval(sums: Any) -> None:
    ratings = coded(3, 300)
    ours = bootstrap_alpha(sums(ratings[:, :, 0]), np.random.default_rng(1), 300)
    joint = bootstrap_alpha(set_sums(ratings), np.random.default_rng(1), 300)
    assert np.quantile(ours, 0.1) == pytest.approx(np.quantile(joint, 0.1), abs=0.02)


def test_segments_of_an_interview_are_drawn_together() -> None:
    once = coded(4, 100)
    again = np.repeat(once, 5, axis=1)
    sums = binary_sums(*binary_counts(again))
    interviews = np.repeat(np.arange(100), 5)
    apart = percentile_interval(bootstrap_alpha(sums, np.random.default_rng(1)))
    together = percentile_interval(
        bootstrap_alpha(sums, np.random.default_rng(1), clusters=interviews)
    )
    single = percentile_interval(
        bootstrap_alpha(binary_sums(*binary_counts(once)), np.random.default_rng(2))
    )
    assert together.high - together.low == pytest.approx(single.high - single.low, rel=0.1)
    assert together.high - together.low > 1.8 * (apart.high - apart.low)


def test_equal_weights_leave_the_draws_alone() -> None:
    sums = binary_sums(*binary_counts(coded(5, 80, codes=3)))
    plain = bootstrap_alpha(sums, np.random.default_rng(1), 20)
    weighted = bootstrap_alpha(sums, np.random.default_rng(1), 20, weights=np.full(80, 3.0))
    assert weighted == pytest.approx(plain)


def test_replicates_without_variation_are_counted_and_left_out() -> None:
    n1 = np.zeros((40, 1))
    n1[0] = 2
    draws = bootstrap_alpha(
        binary_sums(n1, np.full((40, 1), 2.0)), np.random.default_rng(1), replicates=1000
    )
    found = percentile_interval(draws)
    assert found.undefined[0] == pytest.approx(1000 * (39 / 40) ** 40, abs=60)
    assert found.low == found.high == 1


def test_an_alpha_that_is_never_defined_has_no_interval() -> None:
    sums = binary_sums(np.zeros((5, 2)), np.ones((5, 2)))
    found = percentile_interval(bootstrap_alpha(sums, np.random.default_rng(1), 10))
    assert np.isnan(found.low).all()
    assert found.undefined.tolist() == [10, 10]


def test_the_chance_of_too_low_an_alpha_comes_from_the_same_replicates() -> None:
    draws = np.array([[0.5], [0.7], [0.75], [0.9], [np.nan]])
    found = percentile_interval(draws)
    assert found.below_667 == pytest.approx([0.25])
    assert found.below_800 == pytest.approx([0.75])


@pytest.mark.slow
@pytest.mark.parametrize(("share", "error"), [(0.3, 0.1), (0.08, 0.02)])
def test_the_item_bootstrap_covers_alpha_about_95_times_in_100(share: float, error: float) -> None:
    truth = alpha(binary_sums(*binary_counts(coded(99, 400_000, share=share, error=error))))[0]
    covered = 0
    for seed in range(400):
        sums = binary_sums(*binary_counts(coded(seed, 300, share=share, error=error)))
        found = percentile_interval(bootstrap_alpha(sums, np.random.default_rng(seed), 1000))
        covered += bool(found.low[0] <= truth <= found.high[0])
    assert 0.91 <= covered / 400 <= 0.985
