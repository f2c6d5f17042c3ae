from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.stats.alpha import (
    Distance,
    Level,
    alpha_binary,
    alpha_interval,
    alpha_nominal,
    alpha_ordinal,
    alpha_ratio,
    alpha_sets,
    binary_counts,
    joined,
    number_sets,
    set_distances,
    set_sums,
)
from reviews.stats.arrays import Floats
from reviews.stats.coefficients import counts_of, percent_agreement

OURS = {
    "nominal": alpha_nominal,
    "ordinal": alpha_ordinal,
    "interval": alpha_interval,
    "ratio": alpha_ratio,
}
LEVELS: list[Level] = ["nominal", "ordinal", "interval", "ratio"]


def ratings(*coders: str) -> Floats:
    """One string per coder, one character per unit, a dot where the coder did not code it."""
    rows = [[np.nan if value == "." else float(value) for value in coder] for coder in coders]
    return np.array(rows)


KRIPPENDORFF_2011 = ratings("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
HAYES_KRIPPENDORFF_2007 = ratings(
    "112.001122.01311211000201001111223222221",
    "1130000.21102311121000302102111122222221",
    "203000222100221123001.30.1012202.2232.21",
    ".13....0.10022...31.103021122..122...12.",
    "2..0001.2....3112..0.0..2.0..20.2.2222.1",
)


def drawn(seed: int, coders: int = 4, units: int = 40, values: int = 5) -> Floats:
    """Ratings that agree somewhat and miss a third of their cells."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, values, units)
    found = np.where(rng.random((coders, units)) < 0.6, truth, rng.integers(0, values, units))
    return np.where(rng.random(found.shape) < 0.3, np.nan, found.astype(float))


def drawn_sets(seed: int, coders: int = 3, units: int = 30, codes: int = 3) -> Floats:
    rng = np.random.default_rng(seed)
    sets = rng.integers(0, 2, (coders, units, codes)).astype(float)
    sets[rng.random((coders, units)) < 0.2] = np.nan
    return sets


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("nominal", 0.743421052631579),
        ("ordinal", 0.8153875037548814),
        ("interval", 0.8491071428571428),
        ("ratio", 0.7974027747116121),
    ],
)
def test_alpha_is_the_one_krippendorff_printed_in_2011(level: Level, expected: float) -> None:
    assert OURS[level](KRIPPENDORFF_2011) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("nominal", 0.47650956741865835),
        ("ordinal", 0.7598291891514336),
        ("interval", 0.7573782771535581),
        ("ratio", 0.6621229661759855),
    ],
)
def test_alpha_is_the_one_hayes_and_krippendorff_printed_in_2007(
    level: Level, expected: float
) -> None:
    assert OURS[level](HAYES_KRIPPENDORFF_2007) == pytest.approx(expected, abs=1e-11)


def test_alpha_of_a_dichotomy_is_the_one_of_1980() -> None:
    both = ratings("0100000010", "0110010100")
    n1, m = binary_counts(both[:, :, None])
    assert alpha_binary(n1, m) == pytest.approx([0.095], abs=5e-4)
    for ours in OURS.values():
        assert ours(both) == pytest.approx(0.09523809523809512)
    observed = 1 - float(percent_agreement(counts_of(both, np.arange(2.0))))
    assert observed == pytest.approx(0.4)
    assert observed / (1 - alpha_nominal(both)) == pytest.approx(0.442, abs=5e-4)


def test_alpha_without_variation_is_not_a_number() -> None:
    same = ratings("111", "111")
    n1, m = binary_counts(same[:, :, None])
    assert np.isnan(alpha_binary(n1, m)).all()
    assert all(np.isnan(ours(same)) for ours in OURS.values())
    assert np.isnan(alpha_sets(np.ones((2, 4, 3))))


def test_a_ratio_of_numbers_below_zero_is_not_a_number() -> None:
    assert np.isnan(alpha_ratio(ratings("012", "112") - 1))


def test_alpha_without_a_pair_is_not_a_number() -> None:
    apart = ratings("01..", "..10")
    n1, m = binary_counts(apart[:, :, None])
    assert np.isnan(alpha_binary(n1, m)).all()
    assert all(np.isnan(ours(apart)) for ours in OURS.values())
    assert np.isnan(alpha_sets(np.where(np.isnan(apart), np.nan, apart)[:, :, None]))


def test_one_disagreement_about_one_value_is_no_better_than_chance() -> None:
    assert alpha_nominal(ratings("0000", "0001")) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(8))
def test_alpha_equals_the_krippendorff_package_with_missing_ratings(
    level: Level, seed: int
) -> None:
    some = drawn(seed, coders=2 + seed % 4, values=2 + seed)
    theirs = krippendorff.alpha(reliability_data=some, level_of_measurement=level)
    assert OURS[level](some) == pytest.approx(theirs, abs=1e-10)


def test_alpha_of_many_codes_equals_the_krippendorff_package_code_by_code() -> None:
    codes = np.stack([drawn(seed, values=2) for seed in range(12)], axis=2)
    theirs = [krippendorff.alpha(codes[:, :, code]) for code in range(12)]
    n1, m = binary_counts(codes)
    assert alpha_binary(n1, m) == pytest.approx(theirs, abs=1e-10)


def test_alpha_equals_the_krippendorff_package_on_a_fine_scale() -> None:
    fine = drawn(3, units=60, values=2)
    fine = fine * 50 + np.random.default_rng(4).normal(size=fine.shape)
    theirs = krippendorff.alpha(reliability_data=fine, level_of_measurement="interval")
    assert alpha_interval(fine) == pytest.approx(theirs, abs=1e-10)
    theirs = krippendorff.alpha(reliability_data=fine, level_of_measurement="ordinal")
    assert alpha_ordinal(fine) == pytest.approx(theirs, abs=1e-10)


@pytest.mark.parametrize("distance", ["masi", "jaccard"])
def test_alpha_of_sets_equals_the_sum_over_all_pairs(distance: str) -> None:
    sets = drawn_sets(5)
    coded = ~np.isnan(sets[:, :, 0])
    paired = coded.sum(axis=0) >= 2
    flat = [
        (unit, {code for code in range(3) if sets[coder, unit, code]})
        for coder, unit in np.argwhere(coded & paired)
    ]

    def apart(a: set[int], b: set[int]) -> float:
        if a == b:
            return 0.0
        jaccard = len(a & b) / len(a | b)
        alike = 2 / 3 if a <= b or b <= a else 1 / 3 if a & b else 0.0
        return 1 - jaccard * (alike if distance == "masi" else 1)

    n = len(flat)
    m = coded.sum(axis=0).tolist()
    observed = sum(apart(a, b) / (m[u] - 1) for u, a in flat for v, b in flat if u == v)
    expected = sum(apart(a, b) for _, a in flat for _, b in flat) / (n - 1)
    ours = alpha_sets(sets, "masi" if distance == "masi" else "jaccard")
    assert ours == pytest.approx(1 - observed / expected, abs=1e-10)


def test_distances_of_sets_are_those_of_masi_and_jaccard() -> None:
    sets = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], float)
    pairs = [0, 3, 0, 2, 4], [1, 0, 2, 3, 3]
    assert set_distances(sets)[pairs] == pytest.approx([2 / 3, 2 / 3, 8 / 9, 1, 1])
    assert set_distances(sets, "jaccard")[pairs] == pytest.approx([0.5, 0.5, 2 / 3, 1, 1])


def test_two_empty_sets_are_the_same_set() -> None:
    assert set_distances(np.zeros((2, 3))).tolist() == [[0, 0], [0, 0]]


@given(seed=st.integers(0, 10**6), level=st.sampled_from(LEVELS))
def test_alpha_does_not_care_who_is_called_first(seed: int, level: Level) -> None:
    some, rng = drawn(seed), np.random.default_rng(seed)
    shuffled = rng.permuted(some, axis=0)[:, rng.permutation(some.shape[1])]
    assert OURS[level](shuffled) == pytest.approx(OURS[level](some), abs=1e-10, nan_ok=True)


@given(seed=st.integers(0, 10**6), constant=st.floats(0.01, 100))
def test_equal_weights_change_nothing(seed: int, constant: float) -> None:
    some = drawn(seed)
    weights = np.full(some.shape[1], constant)
    for ours in OURS.values():
        assert ours(some, weights) == pytest.approx(ours(some), abs=1e-9, nan_ok=True)
    sets = drawn_sets(seed)
    weights = weights[: sets.shape[1]]
    assert alpha_sets(sets, weights=weights) == pytest.approx(alpha_sets(sets), abs=1e-9)


@given(seed=st.integers(0, 10**6))
def test_calling_yes_no_and_no_yes_leaves_alpha_alone(seed: int) -> None:
    n1, m = binary_counts(drawn(seed, values=2)[:, :, None])
    assert alpha_binary(m - n1, m) == pytest.approx(alpha_binary(n1, m), nan_ok=True)


def test_a_weight_of_two_counts_a_unit_twice_up_to_the_size_of_the_sample() -> None:
    some = drawn(9, units=400, values=2)
    doubled = np.where(np.arange(400) < 100, 2.0, 1.0)
    repeated = np.hstack([some, some[:, :100]])
    assert alpha_nominal(some, doubled) == pytest.approx(alpha_nominal(repeated), abs=1e-3)


@given(st.integers(0, 10_000), st.sampled_from(["masi", "jaccard"]))
def test_alpha_of_sets_equals_the_krippendorff_package_given_the_distances(
    seed: int, distance: Distance
) -> None:
    sets = drawn_sets(seed)
    names, values = number_sets(sets)
    apart = set_distances(names, distance)

    def metric(v1: Any, v2: Any, **_more: Any) -> Any:
        return np.asarray(apart[np.asarray(v1, dtype=int), np.asarray(v2, dtype=int)])

    named: Any = metric
    theirs = krippendorff.alpha(reliability_data=values, level_of_measurement=named)
    assert alpha_sets(sets, distance) == pytest.approx(theirs, abs=1e-10)


def test_sets_drawn_together_have_the_alphas_they_have_alone() -> None:
    parts = [drawn_sets(seed, units=20) for seed in (1, 2)]
    open_ = np.isnan(parts[0]).any(axis=2, keepdims=True)
    parts[1] = np.where(open_, np.nan, np.nan_to_num(parts[1]))
    each = [set_sums(part) for part in parts]
    weights = np.random.default_rng(1).integers(0, 3, (7, each[0].units.size))
    together = joined(each).weighted(weights)
    assert together == pytest.approx(np.hstack([one.weighted(weights) for one in each]))
    with pytest.raises(ValueError, match="same units"):
        joined([each[0], set_sums(drawn_sets(3, units=19))])
