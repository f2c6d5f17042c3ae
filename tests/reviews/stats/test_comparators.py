import numpy as np
import pytest
from sklearn.linear_model import Ridge

from reviews.stats.arrays import Floats
from reviews.stats.comparators import Powered, dsl, ppi, pseudo_outcomes


def crossed(
    unlabelled: tuple[int, int], zero: tuple[int, int], one: tuple[int, int]
) -> tuple[Floats, Floats, Floats]:
    """y, f and the other f of a table: unlabelled by f, and (y=0, y=1) where f is 0 and 1."""
    y = np.repeat([0.0, 1, 0, 1], [*zero, *one])
    f = np.repeat([0.0, 0, 1, 1], [*zero, *one])
    return y, f, np.repeat([0.0, 1], unlabelled)


def ends(found: Powered) -> list[float]:
    return [float(found.estimate), float(found.low), float(found.high)]


DATA_TIME = crossed((748, 1752), (63, 79), (174, 184))


def test_ppi_is_the_one_of_ppi_python_on_data_time() -> None:
    assert ends(ppi(*DATA_TIME)) == pytest.approx([0.5108, 0.44809121, 0.57350879], abs=1e-7)


def test_a_machine_that_knows_nothing_is_left_out() -> None:
    found = ppi(*DATA_TIME, lam=None)
    assert found.lam == 0
    assert ends(found) == pytest.approx([0.526, 0.48223317, 0.56976683], abs=1e-7)
    assert ends(found) == ends(ppi(*DATA_TIME, lam=0))


BALLOTS = crossed((30292, 47858), (382, 9), (0, 636))
PPI_PYTHON = [
    (0.95, 0, [0.628042843, 0.598482875, 0.657602812]),
    (0.95, 1, [0.621149825, 0.614504543, 0.627795107]),
    (0.95, None, [0.621440080, 0.614878678, 0.628001481]),
    (0.9, 0, [0.628042843, 0.603235336, 0.652850351]),
    (0.9, 1, [0.621149825, 0.615572928, 0.626726722]),
    (0.9, None, [0.621440080, 0.615933578, 0.626946581]),
]


@pytest.mark.parametrize(("confidence", "lam", "expected"), PPI_PYTHON)
def test_ballots_have_the_intervals_of_ppi_python(
    confidence: float, lam: float | None, expected: list[float]
) -> None:
    found = ppi(*BALLOTS, lam=lam, confidence=confidence)
    assert ends(found) == pytest.approx(expected, abs=1e-6)


def test_many_codes_at_once_are_the_codes_one_by_one() -> None:
    rng = np.random.default_rng(1)
    y, f = (rng.integers(0, 2, (50, 4)).astype(float) for _ in range(2))
    others = rng.integers(0, 2, (300, 4)).astype(float)
    found = ppi(y, f, others, lam=None)
    for code in range(4):
        one = ppi(y[:, code], f[:, code], others[:, code], lam=None)
        assert found.low[code] == pytest.approx(float(one.low))
        assert found.lam[code] == pytest.approx(float(one.lam))


def test_weights_times_a_constant_change_nothing() -> None:
    weights = np.random.default_rng(1).random(500)
    one = ppi(*DATA_TIME, lam=None, weights=weights)
    assert ends(ppi(*DATA_TIME, lam=None, weights=weights * 7)) == pytest.approx(ends(one))


def machine_and_truth(seed: int, units: int = 4000) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    truth = (rng.random((units, 2)) < [0.3, 0.02]).astype(float)
    return truth, np.abs(truth - (rng.random(truth.shape) < 0.1))


def test_dsl_of_a_census_is_the_truth() -> None:
    truth, machine = machine_and_truth(1)
    units = np.arange(4000)
    found = dsl(truth, np.ones(truth.shape), units, machine, np.random.default_rng(1))
    assert found.estimate == pytest.approx(truth.mean(axis=0))
    assert found.se == pytest.approx(truth.std(axis=0) / 4000**0.5)


def test_dsl_fits_each_fold_by_the_others_as_scikit_learn_does() -> None:
    truth, machine = machine_and_truth(2)
    drawn = np.arange(0, 4000, 5)
    rng = np.random.default_rng(3)
    inclusion = np.full((800, 2), 0.2)
    psi = pseudo_outcomes(truth[drawn], inclusion, drawn, machine, np.random.default_rng(3))
    fold = rng.permutation(4000) % 5
    unseen = np.setdiff1d(np.arange(4000), drawn)
    for one in range(5):
        used = drawn[fold[drawn] != one]
        model = Ridge(alpha=1.0).fit(machine[used], truth[used])
        inside = unseen[fold[unseen] == one]
        assert psi[inside] == pytest.approx(np.clip(model.predict(machine[inside]), 0, 1))


def test_dsl_hits_the_truth_on_average_whatever_the_machine_says() -> None:
    truth, machine = machine_and_truth(4, 2000)
    estimates, ses = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        # Half of the units are drawn three times as often, and they are the rarer code's.
        pi = np.where(np.arange(2000) % 2 == 0, 0.3, 0.1)
        drawn = np.flatnonzero(rng.random(2000) < pi)
        found = dsl(truth[drawn, :1], pi[drawn][:, None], drawn, 1 - machine, rng)
        estimates.append(found.estimate[0])
        ses.append(found.se[0])
    assert np.mean(estimates) == pytest.approx(truth[:, 0].mean(), abs=0.01)
    assert np.mean(ses) == pytest.approx(np.std(estimates), rel=0.35)


def test_dsl_is_left_out_for_rare_codes() -> None:
    truth, machine = machine_and_truth(5)
    drawn = np.arange(0, 4000, 10)
    found = dsl(
        truth[drawn], np.full((400, 2), 0.1), drawn, machine, np.random.default_rng(1)
    )  # fmt: skip
    assert found.status == ("ok", "too_few")
    assert np.isnan(found.estimate[1])
    assert found.low[0] < found.estimate[0] < found.high[0]


def test_dsl_of_answers_alike_in_an_interview_is_that_of_interviews() -> None:
    truth, machine = machine_and_truth(6)
    drawn = np.arange(0, 4000, 10)
    rng = np.random.default_rng
    once = dsl(truth[drawn], np.full((400, 2), 0.1), drawn, machine, rng(1))
    twice = dsl(
        np.repeat(truth[drawn], 2, axis=0),
        np.full((800, 2), 0.1),
        np.sort(np.r_[2 * drawn, 2 * drawn + 1]),
        np.repeat(machine, 2, axis=0),
        rng(1),
        clusters=np.repeat(np.arange(4000), 2),
    )
    assert twice.se[0] == pytest.approx(once.se[0], rel=0.02)
