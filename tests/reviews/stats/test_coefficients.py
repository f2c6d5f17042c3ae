import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from reviews.stats.arrays import Floats
from reviews.stats.coefficients import (
    bennett_s,
    cohen_kappa,
    coincidences,
    counts_of,
    counts_of_binary,
    counts_of_table,
    cross_table,
    fleiss_kappa,
    gwet,
    percent_agreement,
    scott_pi,
    specific_agreement,
)

KRIPPENDORFF_2004 = np.array([[12.0, 9, 9], [9, 14, 9], [9, 9, 20]])
GWET_PARADOX = np.array([[80.0, 7], [8, 5]])
GWET_LIKERT = np.array([[20.0, 5, 1, 0], [4, 15, 6, 1], [0, 5, 18, 4], [0, 1, 3, 12]])
FLEISS_1971 = [
    "444444", "222555", "233335", "555555", "222444", "113333",
    "333355", "113334", "114444", "555555", "144444", "124444",
    "222333", "144444", "224445", "333335", "111455", "111112",
    "224444", "133555", "555555", "244444", "224555", "114444",
    "144445", "222224", "111155", "224444", "133333", "555555",
]  # fmt: skip


def test_a_table_of_2004_has_the_printed_coefficients() -> None:
    counts = counts_of_table(KRIPPENDORFF_2004)
    assert percent_agreement(counts) == pytest.approx(0.46)
    assert bennett_s(counts) == pytest.approx(0.19)
    assert scott_pi(KRIPPENDORFF_2004) == pytest.approx(0.1857659831121834)
    assert cohen_kappa(KRIPPENDORFF_2004) == pytest.approx(0.1857659831121834)
    assert gwet(counts)[0] == pytest.approx(0.19210053859964096)
    assert gwet(counts, "quadratic")[0] == pytest.approx(0.1983372921615201)


def test_high_agreement_on_a_rare_value_has_the_coefficients_of_the_paradox() -> None:
    counts = counts_of_table(GWET_PARADOX)
    ac1, se = gwet(counts)
    assert percent_agreement(counts) == pytest.approx(0.85)
    assert ac1 == pytest.approx(0.808)
    assert 1 - (1 - 0.85) / (1 - ac1) == pytest.approx(0.21875)  # what chance alone agrees
    assert se == pytest.approx(0.052392038, abs=1e-8)
    assert bennett_s(counts) == pytest.approx(0.7)
    assert scott_pi(GWET_PARADOX) == pytest.approx(0.31428571428571417)
    assert cohen_kappa(GWET_PARADOX) == pytest.approx(0.3144424131627059)


def test_a_likert_table_has_the_coefficients_of_irrcac() -> None:
    counts = counts_of_table(GWET_LIKERT)
    assert gwet(counts)[0] == pytest.approx(0.5804607571333938)
    ac2, _ = gwet(counts, "quadratic")
    assert ac2 == pytest.approx(0.8402833659041272)
    assert 1 - (1 - 0.95438596491228) / (1 - ac2) == pytest.approx(0.714406484046373)
    assert cohen_kappa(GWET_LIKERT) == pytest.approx(0.5744363147678065)
    assert bennett_s(counts) == pytest.approx(0.5789473684210527)


def test_six_raters_of_1971_have_the_kappas_fleiss_printed() -> None:
    ratings = np.array([[float(value) for value in unit] for unit in FLEISS_1971]).T
    counts = counts_of(ratings, np.arange(1.0, 6))
    overall, each = fleiss_kappa(counts)
    assert percent_agreement(counts) == pytest.approx(0.5556, abs=5e-5)
    assert overall == pytest.approx(0.43024452006014086)
    assert 1 - (1 - 0.5555555555555556) / (1 - overall) == pytest.approx(0.21993827160493828)
    expected = [0.2447552447552448, 0.2447552447552448, 0.52, 0.47112727272727273, 0.5661178068239]
    assert each == pytest.approx(expected)


def some_counts(seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    m = rng.integers(0, 5, (60, 4)).astype(float)
    return counts_of_binary(np.floor(m * rng.random((60, 4)) + 0.5), m)


@given(seed=st.integers(0, 10**6))
def test_many_codes_at_once_are_the_codes_one_by_one(seed: int) -> None:
    counts = some_counts(seed)
    for code in range(4):
        one = counts[:, code]
        assert percent_agreement(counts)[code] == pytest.approx(float(percent_agreement(one)))
        assert gwet(counts)[0][code] == pytest.approx(float(gwet(one)[0]), nan_ok=True)
        assert gwet(counts)[1][code] == pytest.approx(float(gwet(one)[1]), nan_ok=True)
        assert coincidences(counts)[code] == pytest.approx(coincidences(one))
        assert specific_agreement(counts)[code] == pytest.approx(specific_agreement(one))


@given(seed=st.integers(0, 10**6))
def test_coincidences_add_up_to_the_codings_of_pairable_units(seed: int) -> None:
    counts = some_counts(seed)
    paired = np.where(counts.sum(axis=2, keepdims=True) >= 2, counts, 0)
    assert coincidences(counts).sum(axis=2) == pytest.approx(paired.sum(axis=0))


@given(seed=st.integers(0, 10**6))
def test_kappa_equals_the_one_of_scikit_learn(seed: int) -> None:
    first, second = np.random.default_rng(seed).integers(0, 3, (2, 30)).astype(float)
    theirs = cohen_kappa_score(first.astype(int), second.astype(int))
    assert cohen_kappa(cross_table(first, second, np.arange(3.0))) == pytest.approx(theirs)


@given(seed=st.integers(0, 10**6))
def test_the_order_of_values_changes_no_coefficient(seed: int) -> None:
    counts = some_counts(seed)[:, 0]
    turned = counts[::-1, ::-1]
    assert gwet(turned)[0] == pytest.approx(float(gwet(counts)[0]), nan_ok=True)
    assert fleiss_kappa(turned)[0] == pytest.approx(fleiss_kappa(counts)[0], nan_ok=True)
    assert specific_agreement(turned)[::-1] == pytest.approx(specific_agreement(counts))


def test_positive_agreement_is_twice_the_agreed_over_all_positive_codings() -> None:
    negative, positive = specific_agreement(counts_of_table(GWET_PARADOX))
    assert positive == pytest.approx(2 * 5 / (2 * 5 + 7 + 8))
    assert negative == pytest.approx(2 * 80 / (2 * 80 + 7 + 8))


def test_one_value_alone_has_percent_agreement_and_nothing_else() -> None:
    counts = counts_of_table(np.array([[9.0, 0], [0, 0]]))
    assert percent_agreement(counts) == 1
    assert np.isnan([gwet(counts)[0], gwet(counts)[1], bennett_s(counts)]).all()
    assert np.isnan(fleiss_kappa(counts)[0])
    assert np.isnan([cohen_kappa(np.diag([9.0, 0])), scott_pi(np.diag([9.0, 0]))]).all()


def test_no_pairs_have_no_agreement() -> None:
    counts = counts_of_binary(np.zeros((3, 2)), np.ones((3, 2)))
    assert np.isnan(percent_agreement(counts)).all()
    assert np.isnan(gwet(counts)[0]).all()
    assert not coincidences(counts).any()
