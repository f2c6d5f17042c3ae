from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.stats.arrays import Ints
from reviews.stats.designs import allocate, draw, inclusion
from reviews.stats.scales import ScaleEstimate, ScaleReview, scale_prevalence, share_above

UNITS = 6000


def trust(n: int = 300, seed: int = 1, failed: float = 0.02) -> tuple[ScaleReview, Ints]:
    """Trust from 0 to 100 in six languages, where the machine is too high or too low."""
    rng = np.random.default_rng(0)
    language = np.sort(rng.choice(6, UNITS, p=[0.4, 0.25, 0.15, 0.1, 0.06, 0.04]))
    machine = (rng.beta(2, 3, UNITS) * 100).round()
    bias = np.array([0, 5, -8, 12, 3, 20])[language]
    truth = np.clip(machine - bias + rng.normal(0, 10, UNITS), 0, 100).round()
    machine = np.where(rng.random(UNITS) < failed, np.nan, machine)
    sizes = np.bincount(language)
    allocation = allocate(sizes, n)
    drawn = draw(language, allocation, np.random.default_rng(seed))
    pi = inclusion(sizes, allocation)[language[drawn]]
    return ScaleReview(machine, language, drawn, pi, truth[drawn], 0, 100), truth.astype(np.int64)


def one(review: ScaleReview, seed: int = 1, replicates: int = 400) -> ScaleEstimate:
    [found] = scale_prevalence(review, np.random.default_rng(seed), replicates=replicates)
    return found


def test_the_mean_is_the_stratified_difference_estimator() -> None:
    review, _ = trust(failed=0)
    found = one(review)
    stratum = review.stratum[review.drawn]
    f, y = review.machine[review.drawn], review.y
    expected = 0.0
    for language in range(6):
        inside, here = review.stratum == language, stratum == language
        residual = y[here] - found.lam * f[here]
        difference = found.lam * review.machine[inside].mean() + residual.mean()
        expected += inside.mean() * difference
    assert found.corrected == pytest.approx(expected)


def test_no_other_use_of_the_machine_has_a_smaller_variance() -> None:
    review, _ = trust(failed=0)
    found = one(review)
    stratum = review.stratum[review.drawn]

    def variance(lam: float) -> float:
        residual = review.y - lam * review.machine[review.drawn]
        total = 0.0
        for language in range(6):
            here = stratum == language
            mean_variance = residual[here].var(ddof=1) / here.sum()
            weight = (review.stratum == language).mean()
            total += float(weight**2 * mean_variance * (1 - review.inclusion[here][0]))
        return total

    assert found.se == pytest.approx(np.sqrt(variance(found.lam)))
    assert variance(found.lam) < min(variance(found.lam - 0.05), variance(found.lam + 0.05))
    assert found.gain > 2


def test_a_constant_machine_gives_the_stratified_mean() -> None:
    review, _ = trust()
    found = one(replace(review, machine=np.full(UNITS, 50.0)))
    stratum = review.stratum[review.drawn]
    means = [review.y[stratum == language].mean() for language in range(6)]
    assert found.lam == 0
    assert found.corrected == pytest.approx(np.average(means, weights=np.bincount(review.stratum)))


def test_a_machine_without_any_answer_leaves_people_alone() -> None:
    review, _ = trust()
    found = one(replace(review, machine=np.full(UNITS, np.nan)))
    assert found.coded == 0
    assert np.isnan(found.machine)
    assert found.low < found.corrected < found.high


def test_no_error_in_the_sample_still_leaves_an_interval() -> None:
    review, _ = trust(failed=0)
    found = one(replace(review, y=review.machine[review.drawn]))
    assert found.corrected == pytest.approx(found.machine)
    assert 0 < found.high - found.low < 5


@given(st.integers(0, 10**6))
def test_the_order_of_answers_changes_nothing_but_the_draws(seed: int) -> None:
    review, _ = trust()
    turn = np.random.default_rng(seed).permutation(review.drawn.size)
    turned = replace(
        review, drawn=review.drawn[turn], inclusion=review.inclusion[turn], y=review.y[turn]
    )
    ours, theirs = one(review, replicates=20), one(turned, replicates=20)
    assert turned.y.size == review.y.size
    assert theirs.corrected == pytest.approx(ours.corrected)
    assert theirs.se == pytest.approx(ours.se)


def test_the_same_seed_gives_the_same_interval() -> None:
    review, _ = trust()
    assert one(review, seed=5) == one(review, seed=5)


def test_a_census_is_known() -> None:
    review, truth = trust(n=UNITS)
    found = one(review)
    assert found.corrected == found.low == found.high == pytest.approx(truth.mean())


def test_a_domain_has_the_level_its_answers_allow() -> None:
    review, _ = trust()
    language = review.stratum[review.drawn]
    kept = (language < 3) | (language == 3) & (np.cumsum(language == 3) <= 3)
    review = replace(
        review, drawn=review.drawn[kept], inclusion=review.inclusion[kept], y=review.y[kept]
    )
    found = scale_prevalence(
        review, np.random.default_rng(1), domain=review.stratum, domains=7, replicates=100
    )
    expected = ["cells", "cells", "cells", "hajek", "smoothed", "smoothed", "none"]
    assert [row.method for row in found] == expected
    assert [row.status for row in found[3:]] == [
        "insufficient",
        "model_assisted",
        "model_assisted",
        "no_population",
    ]
    assert [row.grade for row in found[4:]] == ["C", "C", "D"]
    assert all(0 <= row.low < row.corrected < row.high <= 100 for row in found[:6])


def test_without_answers_there_is_only_the_machine() -> None:
    review, _ = trust()
    nothing = np.zeros(0)
    empty = replace(review, drawn=nothing.astype(np.int64), inclusion=nothing, y=nothing)
    found = one(empty)
    assert (found.status, found.grade) == ("machine_only", "D")
    assert np.isnan([found.corrected, found.low, found.human]).all()
    assert found.machine == pytest.approx(np.nanmean(review.machine))


def test_shares_above_cut_points_fall_as_the_cuts_rise() -> None:
    review, truth = trust(n=900)
    rows = share_above(review, [20, 40, 60])
    assert [row.code for row in rows] == [0, 1, 2]
    assert rows[0].corrected > rows[1].corrected > rows[2].corrected
    assert all(
        row.low <= (truth > cut).mean() <= row.high
        for row, cut in zip(rows, [20, 40, 60], strict=True)
    )
    assert rows[0].coded == (~np.isnan(review.machine)).sum()


@pytest.mark.slow
@pytest.mark.parametrize("n", [120, 480])
def test_the_interval_of_the_mean_covers_the_truth_about_95_times_in_100(n: int) -> None:
    covered = 0
    for seed in range(250):
        review, truth = trust(n, seed)
        found = one(review, seed)
        covered += found.low <= truth.mean() <= found.high
    assert 0.92 <= covered / 250 <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize("cut", [60, 80])
def test_the_interval_of_a_share_above_a_cut_covers_the_truth(cut: float) -> None:
    covered = 0
    for seed in range(250):
        review, truth = trust(200, seed)
        [found] = share_above(review, [cut])
        covered += found.low <= (truth > cut).mean() <= found.high
    assert 0.93 <= covered / 250 <= 0.99


def test_a_mean_holds_with_others_only_in_wider_limits() -> None:
    review, _ = trust(300)
    [alone] = scale_prevalence(review, np.random.default_rng(1))
    [among] = scale_prevalence(review, np.random.default_rng(1), comparisons=60)
    assert (alone.low_all, alone.high_all) == (alone.low, alone.high) == (among.low, among.high)
    assert among.low_all < among.low < among.high < among.high_all


def test_answers_of_one_interview_widen_the_mean() -> None:
    review, _ = trust(300)
    order = np.argsort(review.y)
    interview = np.empty(review.y.size, np.int64)
    interview[order] = np.arange(review.y.size) // 5  # who is alike answers in one interview
    [apart] = scale_prevalence(review, np.random.default_rng(1))
    [whole] = scale_prevalence(
        replace(review, clusters=interview), np.random.default_rng(1)
    )  # fmt: skip
    assert whole.corrected == apart.corrected
    assert whole.se > 1.3 * apart.se
    assert whole.high - whole.low > 1.3 * (apart.high - apart.low)
