import numpy as np
import pytest

from reviews.stats.arrays import Floats
from reviews.stats.comparators import Powered, ppi


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
