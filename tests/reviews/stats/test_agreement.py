import numpy as np
import pytest

from reviews.stats.agreement import (
    agreement_on_codes,
    agreement_on_sets,
    agreement_on_values,
)
from reviews.stats.alpha import binary_counts
from reviews.stats.arrays import Floats


def coded(seed: int = 1, units: int = 200, share: float = 0.3) -> Floats:
    rng = np.random.default_rng(seed)
    truth = rng.random((units, 1)) < share
    return (truth ^ (rng.random((2, units, 1)) < 0.05)).astype(float)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_code_has_alpha_its_interval_and_what_stands_beside_it() -> None:
    ratings = coded()
    [found] = agreement_on_codes(*binary_counts(ratings), rng(), replicates=500)
    assert found.status == "ok"
    assert found.units == 200
    assert found.codings == 400
    assert found.positives == ratings.sum()
    assert found.low < found.estimate < found.high
    assert found.below_667 <= found.below_800
    assert found.percent == pytest.approx((ratings[0] == ratings[1]).mean())
    assert found.bennett_s == pytest.approx(2 * found.percent - 1)
    assert np.sum(found.counts) == pytest.approx(400)
    both = (ratings.sum(axis=0) == 2).sum()
    assert found.counts[1][1] == pytest.approx(2 * both)
    assert found.positive == pytest.approx(2 * both / ratings.sum())


def test_alpha_of_too_few_positives_is_withheld_but_its_counts_are_not() -> None:
    ratings = coded(share=0)
    ratings[:] = 0
    ratings[0, :5] = ratings[1, 1:5] = 1
    [found] = agreement_on_codes(*binary_counts(ratings), rng(), replicates=50)
    assert found.status == "too_few_positives"
    assert found.positives == 9
    assert np.isnan([found.estimate, found.low, found.high, found.below_667]).all()
    assert found.percent == pytest.approx(199 / 200)
    assert found.counts[1][1] == pytest.approx(8)


def test_positives_of_people_decide_where_a_machine_codes_too() -> None:
    counts = binary_counts(coded())
    [found] = agreement_on_codes(*counts, rng(), replicates=50, positives=np.array([9]))
    assert found.status == "too_few_positives"


def test_only_one_value_is_said_to_be_no_variation() -> None:
    [found] = agreement_on_codes(np.full((30, 1), 2.0), np.full((30, 1), 2.0), rng())
    assert found.status == "no_variation"
    assert np.isnan([found.estimate, found.ac1, found.bennett_s]).all()
    assert found.percent == 1


def test_units_coded_once_are_no_pairs() -> None:
    [found] = agreement_on_codes(np.ones((30, 1)), np.ones((30, 1)), rng())
    assert found.status == "no_pairs"
    assert np.isnan(found.percent)


@pytest.mark.parametrize("level", ["nominal", "ordinal"])
def test_a_variable_has_its_values_counted(level: str) -> None:
    ratings = np.array([[0.0, 1, 2, 2, 1, 0, np.nan], [0, 1, 2, 1, 1, 0, 2]])
    ratings = np.hstack([ratings, ratings])
    found = agreement_on_values(
        ratings, "nominal" if level == "nominal" else "ordinal", rng(), replicates=50
    )
    assert found.status == "ok"
    assert found.units == 12
    assert found.codings == 24
    assert found.percent == pytest.approx(5 / 6)
    assert found.counts == ((8, 0, 0), (0, 8, 2), (0, 2, 4))


def test_a_scale_of_many_points_has_no_table() -> None:
    first = np.random.default_rng(1).integers(0, 101, 100).astype(float)
    found = agreement_on_values(np.array([first, first + 1]), "interval", rng(), replicates=50)
    assert found.estimate > 0.99
    assert found.counts == ()
    assert np.isnan(found.ac1)


def test_whole_sets_agree_by_masi() -> None:
    sets = np.random.default_rng(1).integers(0, 2, (2, 100, 4)).astype(float)
    sets[1, :80] = sets[0, :80]
    found = agreement_on_sets(sets, rng(), replicates=100)
    assert found.measure == "alpha_masi"
    assert found.low < found.estimate < found.high
    equal = (sets[0] == sets[1]).all(axis=1).mean()
    assert found.percent == pytest.approx(equal)


@pytest.mark.parametrize("coders", [0, 1, 2])
def test_nothing_to_compare_is_said_and_never_fails(coders: int) -> None:
    nothing = np.full((coders, 4), np.nan)
    assert agreement_on_values(nothing, "nominal", rng(), replicates=5).status == "no_pairs"
    assert agreement_on_values(nothing, "ordinal", rng(), replicates=5).status == "no_pairs"
    assert agreement_on_values(nothing, "interval", rng(), replicates=5).status == "no_pairs"
    sets = np.full((coders, 4, 2), np.nan)
    assert agreement_on_sets(sets, rng(), replicates=5).status == "no_pairs"


def test_a_variable_is_not_judged_by_a_handful_of_units() -> None:
    ratings = np.array(
        [[10.0, 90, 50, 30, 70, 20, 80, 60, 40], [12, 88, 50, 33, 70, 20, 79, 60, 41]]
    )
    found = agreement_on_values(ratings, "interval", rng(), replicates=50)
    assert found.status == "too_few_units"
    assert np.isnan([found.estimate, found.low, found.high, found.below_667]).all()
    assert found.units == 9
    enough = agreement_on_values(np.hstack([ratings] * 2), "interval", rng(), replicates=50)
    assert enough.status == "ok"


def test_sets_that_are_all_but_empty_are_not_judged() -> None:
    sets = np.zeros((2, 30, 3))
    sets[:, :4, 0] = 1
    found = agreement_on_sets(sets, rng(), replicates=50)
    assert found.positives == 8
    assert found.status == "too_few_positives"
    assert np.isnan(found.estimate)
    sets[:, 4, 1] = 1
    assert agreement_on_sets(sets, rng(), replicates=50).status == "ok"
