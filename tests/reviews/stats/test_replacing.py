import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reviews.stats.arrays import Floats
from reviews.stats.replacing import (
    EPSILON,
    Candidate,
    alternative_test,
    benjamini_yekutieli,
)


def people(
    seed: int, units: int = 500, share: float = 0.02, error: float = 0.03, coders: int = 3
) -> tuple[Floats, Floats]:
    """Ratings of coders who each turn the truth round with probability `error`, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random(units) < share
    return (truth ^ (rng.random((coders, units)) < error)).astype(float), truth.astype(float)


def patchy(seed: int, coders: int = 4, units: int = 200) -> tuple[Floats, Floats]:
    """Four categories, a third of the codings missing and a machine that failed on one in ten."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, units)
    ratings = np.where(
        rng.random((coders, units)) < 0.7, truth, rng.integers(0, 4, (coders, units))
    )
    answers = np.where(rng.random(units) < 0.7, truth, rng.integers(0, 4, units)).astype(float)
    answers[rng.random(units) < 0.1] = np.nan
    return np.where(rng.random((coders, units)) < 0.3, np.nan, ratings.astype(float)), answers


def numbers(found: Candidate) -> list[float]:
    return [*found.difference, *found.p_values, found.winning_rate, found.advantage]


def test_a_machine_that_never_fires_passes_for_a_rare_code() -> None:
    ratings, _ = people(0)
    generous = alternative_test(ratings, np.zeros(500), epsilon=0.1).machine
    assert (generous.winning_rate, generous.passes) == (1, True)
    assert generous.advantage == pytest.approx(0.982, abs=0.01)
    strict = alternative_test(ratings, np.zeros(500), epsilon=0).machine
    assert (strict.winning_rate, strict.passes) == (0, False)
    assert strict.advantage == generous.advantage


def test_it_does_so_whatever_the_seed_and_at_times_even_where_it_may_be_no_worse() -> None:
    generous, strict, advantage = [], [], []
    for seed in range(100):
        ratings, _ = people(seed)
        found = alternative_test(ratings, np.zeros(500), epsilon=0.1).machine
        generous.append(found.winning_rate)
        advantage.append(found.advantage)
        strict.append(alternative_test(ratings, np.zeros(500), epsilon=0).machine.passes)
    assert min(generous) == 1
    assert np.mean(advantage) == pytest.approx(0.982, abs=0.002)
    assert 0 < np.mean(strict) < 0.2


def test_a_test_that_a_coder_who_reads_nothing_passes_is_said_to_tell_nothing() -> None:
    ratings, truth = people(1)
    for machine in (np.zeros(500), truth):
        found = alternative_test(ratings, machine, epsilon=0.1)
        assert found.status == "baseline_passes"
        assert found.never is not None
        assert found.never.winning_rate == found.majority.winning_rate == 1


def test_the_baselines_are_machines_that_say_one_thing() -> None:
    ratings, truth = people(1, share=0.6)
    found = alternative_test(ratings, truth)
    assert found.never is not None
    assert numbers(found.never) == numbers(alternative_test(ratings, np.zeros(500)).machine)
    assert numbers(found.majority) == numbers(alternative_test(ratings, np.ones(500)).machine)
    assert not found.never.passes
    assert found.status == "ok"


def test_a_machine_that_knows_the_truth_passes_and_one_that_guesses_does_not() -> None:
    ratings, truth = people(1, share=0.4, error=0.1)
    knows = alternative_test(ratings, truth, epsilon=0)
    assert (knows.machine.winning_rate, knows.status) == (1, "ok")
    guessed = np.random.default_rng(1).integers(0, 2, 500).astype(float)
    guesses = alternative_test(ratings, guessed, epsilon=0.2)
    assert guesses.machine.winning_rate == 0
    assert not guesses.machine.passes


def test_each_person_is_compared_as_the_definition_says() -> None:
    ratings, answers = patchy(3)
    found = alternative_test(ratings, answers, epsilon=0.1, nothing=None)
    assert found.coders == (0, 1, 2, 3)
    advantages = []
    for place, coder in enumerate(found.coders):
        d, ahead = [], []
        for own, answer, everyone in zip(ratings[coder], answers, ratings.T, strict=True):
            others = np.delete(everyone, coder)
            others = others[~np.isnan(others)]
            if np.isnan(own) or np.isnan(answer) or not others.size:
                continue
            person, machine = (others == own).mean(), (others == answer).mean()
            d.append(float(person >= machine) - float(machine >= person))
            ahead.append(float(machine >= person))
        assert found.units[place] == len(d)
        assert found.machine.difference[place] == pytest.approx(np.mean(d))
        theirs = stats.ttest_1samp(d, 0.1, alternative="less").pvalue
        assert found.machine.p_values[place] == pytest.approx(theirs)
        advantages.append(np.mean(ahead))
    assert found.machine.advantage == pytest.approx(np.mean(advantages))


@given(st.lists(st.floats(0, 1), max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_people_are_rejected_together_as_scipy_does(p_values: list[float], q: float) -> None:
    ours = benjamini_yekutieli(np.array(p_values), q)
    adjusted = stats.false_discovery_control(p_values, method="by") if p_values else np.zeros(0)
    clear = abs(adjusted - q) > 1e-9
    assert ((ours == 1) == (adjusted <= q))[clear].all()


@given(st.integers(0, 10**6))
def test_the_order_of_units_and_of_people_changes_nothing(seed: int) -> None:
    ratings, answers = patchy(seed)
    rng = np.random.default_rng(seed)
    units, coders = rng.permutation(200), rng.permutation(4)
    found = alternative_test(ratings, answers)
    turned = alternative_test(ratings[coders][:, units], answers[units])
    assert turned.machine.difference == pytest.approx(found.machine.difference[coders])
    assert turned.machine.winning_rate == found.machine.winning_rate
    assert turned.machine.advantage == pytest.approx(found.machine.advantage)
    assert turned.status == found.status


@given(st.integers(0, 10**6), st.floats(0, 0.3), st.floats(0, 0.3))
def test_the_more_a_machine_may_be_worse_the_more_people_it_replaces(
    seed: int, one: float, other: float
) -> None:
    ratings, answers = patchy(seed)
    low, high = (alternative_test(ratings, answers, epsilon=e) for e in sorted([one, other]))
    assert low.machine.winning_rate <= high.machine.winning_rate


def test_a_machine_that_says_what_everyone_says_is_no_worse_for_certain() -> None:
    same = np.tile(np.arange(40) % 2, (3, 1)).astype(float)
    found = alternative_test(same, same[0], epsilon=0.1)
    assert found.machine.p_values.tolist() == [0, 0, 0]
    assert (found.machine.winning_rate, found.machine.advantage) == (1, 1)
    assert alternative_test(same, same[0], epsilon=0).machine.winning_rate == 0


def test_two_people_are_too_few() -> None:
    ratings, truth = people(1, coders=2)
    found = alternative_test(ratings, truth)
    assert found.status == "too_few_coders"
    assert np.isnan([found.machine.winning_rate, found.majority.advantage]).all()
    assert not found.machine.passes
    assert found.coders == ()


def test_29_units_each_are_too_few() -> None:
    ratings, truth = people(1, units=29, share=0.5)
    found = alternative_test(ratings, truth)
    assert found.status == "too_few_units"
    assert np.isnan(found.machine.winning_rate)
    assert alternative_test(*people(1, units=30, share=0.5)).status == "ok"


def test_units_that_the_machine_failed_on_do_not_count() -> None:
    ratings, truth = people(1, units=40, share=0.5)
    truth[:11] = np.nan
    assert alternative_test(ratings, truth).status == "too_few_units"


def test_a_person_with_few_units_is_heard_but_not_tested() -> None:
    ratings, truth = people(1, share=0.4, error=0.3, coders=4)
    ratings[3, 29:] = np.nan
    found = alternative_test(ratings, truth)
    assert found.coders == (0, 1, 2)
    without = alternative_test(ratings[:3], truth)
    assert numbers(found.machine) != numbers(without.machine)


def test_nobody_at_all_is_said_and_never_fails() -> None:
    for shape in [(0, 0), (0, 5), (3, 0)]:
        found = alternative_test(np.full(shape, np.nan), np.zeros(shape[1]))
        assert found.status == "too_few_coders"
        assert np.isnan(found.machine.advantage)


def test_the_better_the_people_the_more_a_machine_may_cost_them() -> None:
    assert EPSILON == {"expert": 0.2, "skilled": 0.15, "crowd": 0.1}
