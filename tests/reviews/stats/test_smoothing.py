import numpy as np
import pytest
from scipy import stats

from reviews.stats.smoothing import GRID, between_domains, smooth


def test_the_fewer_domains_the_more_spread_between_them_is_assumed() -> None:
    mean = np.array([[[0.5]]])
    one, ten = (
        between_domains(np.full((d, 1, 1, 1), 5.0), np.full((d, 1, 1), 10.0), mean).item()
        for d in (1, 10)
    )
    assert ten < 0.1 < 0.25 < one


def test_the_spread_between_domains_is_averaged_over_the_likelihood_of_scipy() -> None:
    x, n, mean = np.array([2.0, 9, 4, 0, 7]), np.array([20.0, 30, 25, 12, 20]), 0.22
    spread, likelihood = [], []
    for root in GRID:
        k = 1 / root**2 - 1
        fit = stats.betabinom(n, k * mean, k * (1 - mean)).pmf(x).prod()
        spread.append(1 / (k + 1))
        likelihood.append(fit * root)
    wanted = np.average(spread, weights=likelihood)
    found = between_domains(x[:, None, None, None], n[:, None, None], np.array([[[mean]]]))
    assert found.ravel() == pytest.approx([wanted])


@pytest.mark.parametrize("spread", [0.02, 0.2])
def test_the_spread_between_many_domains_is_found(spread: float) -> None:
    rng = np.random.default_rng(1)
    k = 1 / spread - 1
    n = np.full((200, 1, 1), 50.0)
    x = rng.binomial(50, rng.beta(0.3 * k, 0.7 * k, (200, 1, 1, 1))).astype(float)
    mean = np.array([[[x.sum() / n.sum()]]])
    assert between_domains(x, n, mean).item() == pytest.approx(spread, rel=0.25)


def test_a_label_that_nobody_reviewed_may_be_all_or_nothing() -> None:
    share, n = np.full((3, 1, 2, 1), 0.2), np.array([[[50.0, 0]], [[50, 0]], [[0, 0]]])
    size = np.full((3, 1, 2), 500.0)
    found = smooth(share, n, size, np.array([[[0.2], [np.nan]]]), np.array([[0.3]]))
    low, high = found.interval()
    assert found.p[2].item() == pytest.approx(0.5 * 0.2 + 0.5 * 0.3)
    assert high[2].item() > 0.5
    assert low[2].item() < 0.1


def test_domains_that_differ_more_are_predicted_less_surely() -> None:
    n, size = np.full((8, 1, 1), 40.0), np.full((8, 1, 1), 400.0)
    mean, fallback = np.array([[[0.3]]]), np.array([[0.3]])
    alike = np.full((8, 1, 1, 1), 0.3)
    apart = np.array([0.1, 0.5] * 4).reshape(8, 1, 1, 1)
    width = [np.diff(smooth(s, n, size, mean, fallback).interval(), axis=0) for s in (alike, apart)]
    assert width[1].max() > 1.5 * width[0].max()
