"""The machine against people has the scores of scikit-learn, and limits that hold the truth."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    brier_score_loss,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from reviews.stats.accuracy import (
    _scores,
    _slopes,
    accuracy,
    calibration,
    category_confusion,
    code_confusion,
    error_test,
)
from reviews.stats.arrays import Whole
from reviews.stats.intervals import difference
from reviews.stats.prevalence import Review
from tests.reviews.stats.reviews import crossed, population, sampled


def chance(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def small(seed: int) -> Review:
    rng = np.random.default_rng(seed)
    machine = rng.integers(0, 2, (300, 2))
    drawn = rng.permutation(300)[:80]
    y = ((machine[drawn] == 1) ^ (rng.random((80, 2)) < 0.25)).astype(float)
    return Review(machine, np.zeros(300, np.int64), drawn, np.full(80, 80 / 300), y)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_scores_are_those_of_scikit_learn_with_the_weights_of_each_label(seed: int) -> None:
    review = small(seed)
    for code, row in enumerate(accuracy(review, chance(), replicates=50)):
        f, y = review.machine[review.drawn, code], review.y[:, code]
        size = np.bincount(review.machine[:, code], minlength=2)
        weights = (size / np.bincount(f, minlength=2))[f]
        assert row.precision == pytest.approx(precision_score(y, f, sample_weight=weights))
        assert row.recall == pytest.approx(recall_score(y, f, sample_weight=weights))
        assert row.f1 == pytest.approx(f1_score(y, f, sample_weight=weights))
        assert row.specificity == pytest.approx(recall_score(1 - y, 1 - f, sample_weight=weights))
        counts = confusion_matrix(y, f).T
        assert [[row.neither, row.people_only], [row.machine_only, row.both]] == counts.tolist()
        for name in ("precision", "recall", "specificity", "f1"):
            low, high = getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
            assert 0 <= low <= getattr(row, name) <= high <= 1


def test_precision_of_data_time_has_the_limits_of_a_beta_distribution() -> None:
    [row] = accuracy(crossed((748, 63, 79), (1752, 174, 184)), chance(), replicates=40_000)
    assert row.precision == pytest.approx(184 / 358)
    # Answers are a sixth of the units of the label, so that the finite population narrows it.
    n = 358 / (1 - 358 / 2110)
    p = 184 / 358
    n *= 357 / 358  # the variance has n - 1 below it
    wanted = stats.beta(n * p + 0.5, n * (1 - p) + 0.5).ppf([0.025, 0.975])
    assert [row.precision_low, row.precision_high] == pytest.approx(wanted, abs=2e-3)


def test_recall_knows_how_much_the_unmarked_rest_may_hide() -> None:
    [row] = accuracy(crossed((9700, 180, 0), (100, 0, 20)), chance())
    assert row.recall == 1
    # None of 180 missed still leaves room for many in 9,880: recall may be little more than half.
    assert row.recall_low < 0.75
    assert row.recall_high == 1


@pytest.mark.slow
def test_limits_of_the_scores_hold_the_truth_about_95_times_in_100() -> None:
    truth, machine, language = population(0.05)
    f, y = machine[:, 0], truth[:, 0]
    coded = f >= 0
    wanted = {
        "precision": y[coded & (f == 1)].mean(),
        "recall": (f == 1)[coded & (y == 1)].mean(),
        "specificity": (f == 0)[coded & (y == 0)].mean(),
    }
    held = dict.fromkeys(wanted, 0)
    runs = 200
    for seed in range(runs):
        review = sampled(machine, language * 2 + (f == 1), truth, 1200, seed)
        [row] = accuracy(review, chance(seed), replicates=800)
        for name, value in wanted.items():
            held[name] += getattr(row, f"{name}_low") <= value <= getattr(row, f"{name}_high")
    assert all(count / runs >= 0.91 for count in held.values()), held


def clustered(rng: np.random.Generator, participants: int, each: int) -> tuple[Whole, ...]:
    """Whose a segment is, what is true and what the machine says, alike within participants."""
    who = np.repeat(np.arange(participants), each)
    often, sure, false = (rng.beta(2 * m, 2 * (1 - m), participants)[who] for m in (0.3, 0.8, 0.1))
    truth = rng.random(who.size) < often
    machine = rng.random(who.size) < np.where(truth, sure, false)
    return who, truth.astype(np.int64), machine.astype(np.int64)


def test_segments_of_one_participant_widen_the_scores_and_only_them() -> None:
    who, truth, machine = clustered(chance(4), 400, 5)
    drawn = np.flatnonzero(who % 4 == 0)
    review = Review(
        machine[:, None], np.zeros(who.size, np.int64), drawn, np.full(drawn.size, 0.25),
        truth[drawn, None].astype(float),
    )  # fmt: skip
    [plain] = accuracy(review, chance())
    [wide] = accuracy(replace(review, clusters=who[drawn]), chance())
    [single] = accuracy(replace(review, clusters=np.arange(drawn.size)), chance())
    for name in ("precision", "recall", "specificity", "f1"):
        low, high = f"{name}_low", f"{name}_high"
        assert getattr(wide, name) == getattr(plain, name)
        assert getattr(wide, low) < getattr(plain, low)
        assert getattr(wide, high) > getattr(plain, high)
        ratio = getattr(single, high) - getattr(single, low)
        assert ratio == pytest.approx(getattr(plain, high) - getattr(plain, low), rel=0.01)


@pytest.mark.parametrize("numbers", [(0.7, 0.1, 90.0, 410.0), (1.0, 0.0, 20.0, 80.0)])
def test_scores_move_as_fast_as_their_slopes_say(
    numbers: tuple[float, float, float, float],
) -> None:
    ppv, omitted, yes, no = (np.array([value]) for value in numbers)
    slopes = _slopes(ppv, omitted, yes, no)[:, 0]
    step = 1e-6
    for place, (up, down) in enumerate((((0, step), (0, -step)), ((step, 0), (-step, 0)))):
        moved = [_scores(ppv + by, omitted + other, yes, no)[:, 0] for other, by in (up, down)]
        assert slopes[:, 1 - place] == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=1e-6)


@pytest.mark.slow
def test_limits_of_the_scores_hold_the_truth_where_participants_are_drawn_whole() -> None:
    who, truth, machine = clustered(chance(9), 1000, 4)
    wanted = {
        "precision": truth[machine == 1].mean(),
        "recall": machine[truth == 1].mean(),
        "specificity": 1 - machine[truth == 0].mean(),
        "f1": 2 * (truth * machine).sum() / (truth.sum() + machine.sum()),
    }
    held, apart = dict.fromkeys(wanted, 0), dict.fromkeys(wanted, 0)
    for seed in range(200):
        rng = chance(seed)
        drawn = np.flatnonzero(np.isin(who, rng.permutation(1000)[:150]))
        review = Review(
            machine[:, None], np.zeros(who.size, np.int64), drawn, np.full(600, 0.15),
            truth[drawn, None].astype(float),
        )  # fmt: skip
        for count, one in ((held, replace(review, clusters=who[drawn])), (apart, review)):
            [row] = accuracy(one, rng, replicates=600)
            for name, value in wanted.items():
                count[name] += getattr(row, f"{name}_low") <= value <= getattr(row, f"{name}_high")
    assert all(count / 200 >= 0.91 for count in held.values()), held
    assert all(count / 200 < 0.91 for count in apart.values()), apart  # what it would be without


def test_the_bound_of_an_error_test_is_newcombes_interval_of_both_groups() -> None:
    error = np.repeat([1.0, 0, 1, 0], [12, 68, 6, 94])
    group = np.repeat([0, 1], [80, 100])
    found = error_test(error, group, np.zeros(180, int), chance(), replicates=99)
    each = 0.95 ** (1 / 2)
    ends = [
        stats.binomtest(x, n).proportion_ci(each, method="wilson") for x, n in ((12, 80), (6, 100))
    ]
    apart = difference((12 / 80, ends[0].low, ends[0].high), (6 / 100, ends[1].low, ends[1].high))
    assert found.difference == pytest.approx(0.09)
    assert found.bound == pytest.approx(max(abs(apart[1]), abs(apart[2])))


def test_the_bound_of_an_error_test_is_wider_where_segments_share_a_participant() -> None:
    rng = chance(6)
    who = np.repeat(np.arange(60), 5)
    error = (rng.random(60) < 0.2)[who].astype(float)
    group = (who % 2).astype(np.int64)
    block = np.zeros(300, int)
    plain = error_test(error, group, block, rng, replicates=99)
    alike = error_test(error, group, block, rng, clusters=who, replicates=99)
    assert alike.difference == plain.difference
    assert alike.bound > 1.3 * plain.bound


def test_marks_of_one_participant_tell_less_of_calibration() -> None:
    said, right = np.full(100, 0.75), np.repeat([1.0, 0.0], [70, 30])
    plain = calibration(said, right, np.ones(100))
    alike = calibration(said, right, np.ones(100), clusters=np.arange(100) // 5)
    assert (alike.error, alike.brier) == (plain.error, plain.brier)
    [one], [other] = plain.bins, alike.bins
    assert other.right_high - other.right_low > 1.8 * (one.right_high - one.right_low)


def test_too_little_has_no_limits_and_says_why() -> None:
    def status(no: tuple[int, int, int], yes: tuple[int, int, int]) -> str:
        [row] = accuracy(crossed(no, yes), chance(), replicates=50)
        assert np.isnan(row.f1_low) == (row.status != "ok")
        return row.status

    assert status((100, 4, 1), (100, 1, 2)) == "insufficient"
    assert status((100, 30, 1), (0, 0, 0)) == "no_machine_positives"
    assert status((100, 30, 0), (100, 9, 0)) == "no_positives"
    assert status((100, 30, 1), (100, 9, 3)) == "ok"


def test_domains_are_scored_as_if_they_were_all_there_is() -> None:
    review = small(3)
    domain = np.arange(300) % 2
    rows = accuracy(review, chance(), domain, 2)
    assert [(row.domain, row.code) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    inside = domain == 0
    place = np.cumsum(inside) - 1
    chosen = inside[review.drawn]
    own = Review(
        review.machine[inside],
        review.stratum[inside],
        place[review.drawn[chosen]],
        review.inclusion[chosen],
        review.y[chosen],
    )
    for one, other in zip(rows[:2], accuracy(own, chance()), strict=True):
        assert one.recall == pytest.approx(other.recall)
        assert one.reviewed == other.reviewed


def test_confusion_of_categories_is_that_of_scikit_learn() -> None:
    rng = chance()
    machine, people = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    weights = rng.random(200)
    found = category_confusion(machine, np.eye(4)[people], weights)
    wanted = confusion_matrix(machine, people)
    assert np.array(found.counts)[:4].tolist() == wanted.tolist()
    share = confusion_matrix(machine, people, sample_weight=weights) / weights.sum()
    assert np.array(found.shares)[:4] == pytest.approx(share)
    assert sum(found.counts[4]) == 0


def test_codes_mixed_up_stand_where_the_one_is_said_for_the_other() -> None:
    machine = np.array([[1, 0, 0]] * 6 + [[0, 1, 0]] * 3 + [[-1, 0, 0]])
    people = np.array([[0, 1, 0]] * 5 + [[1, 0, 0]] + [[0, 1, 0]] * 3 + [[0, 0, 1]], dtype=float)
    found = code_confusion(machine, people, np.full(10, 2.0))
    assert np.array(found.counts).tolist() == [[1, 5, 0], [0, 3, 0], [0, 0, 0]]
    assert found.reviewed == 9
    assert found.shares[0][1] == pytest.approx(5 / 9)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_calibration_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    said = rng.random(200)
    y = (rng.random(200) < said).astype(float)
    found = calibration(said, y, np.ones(200))
    right, mean = calibration_curve(y, said, n_bins=10)
    assert [one.right for one in found.bins] == pytest.approx(right.tolist())
    assert [one.confidence for one in found.bins] == pytest.approx(mean.tolist())
    assert found.brier == pytest.approx(brier_score_loss(y, said))
    count = np.array([one.count for one in found.bins])
    assert found.error == pytest.approx((count * abs(right - mean)).sum() / 200)
    weights = rng.random(200)
    weighted = calibration(said, y, weights)
    assert weighted.brier == pytest.approx(brier_score_loss(y, said, sample_weight=weights))


def test_without_a_stated_confidence_there_is_no_calibration() -> None:
    found = calibration(np.full(3, np.nan), np.ones(3), np.ones(3))
    assert (found.status, found.unstated, found.bins) == ("no_confidence", 3, ())
    assert calibration(np.zeros(0), np.zeros(0), np.zeros(0)).status == "no_marks"


def test_a_test_of_two_groups_is_the_hypergeometric_one() -> None:
    group = np.repeat([0, 1], [40, 60])
    error = np.zeros(100)
    error[:12] = error[60:65] = 1
    found = error_test(error, group, np.zeros(100, int), chance(), replicates=20_000)
    dealt = stats.hypergeom(100, 40, 17)
    k = np.arange(18)
    wanted = dealt.pmf(k)[np.abs(k - dealt.mean()) >= abs(12 - dealt.mean()) - 1e-9].sum()
    assert found.p_value == pytest.approx(wanted, abs=0.003)
    assert (found.errors, found.reviewed, found.groups) == (17, 100, (0, 1))
    assert found.difference == pytest.approx(12 / 40 - 5 / 60)
    assert found.bound > found.difference


def test_errors_that_follow_the_stratum_and_not_the_group_are_no_difference() -> None:
    # In stratum 1 all err, and most of group 1 is there: within strata groups are alike.
    block = np.repeat([0, 0, 1, 1], [80, 20, 20, 80])
    group = np.repeat([0, 1, 0, 1], [80, 20, 20, 80])
    error = (block == 1).astype(float)
    assert error_test(error, group, block, chance()).p_value == 1
    assert error_test(error, group, np.zeros(200, int), chance()).p_value < 0.01


def test_p_values_are_even_where_nothing_differs() -> None:
    rng = chance(7)
    group = rng.integers(0, 4, 120)
    p_values = [
        error_test(
            (rng.random(120) < 0.3).astype(float), group, np.zeros(120, int), rng, replicates=99
        ).p_value
        for _ in range(200)
    ]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_interviews_are_dealt_as_wholes() -> None:
    # Twenty interviews of ten answers each that err alike: as answers a difference, as wholes none.
    interview = np.repeat(np.arange(20), 10)
    group = interview % 2
    error = np.isin(interview, [0, 2, 4, 6, 1, 3]).astype(float)
    block = np.zeros(200, int)
    apart = error_test(error, group, block, chance())
    whole = error_test(error, group, block, chance(), clusters=interview)
    assert apart.p_value < 0.01
    assert whole.p_value > 0.2


def test_groups_too_small_to_compare_are_left_out() -> None:
    found = error_test(np.zeros(25), np.repeat([0, 1], [20, 5]), np.zeros(25, int), chance())
    assert found.status == "too_few"
    assert np.isnan(found.p_value)
    none = error_test(np.zeros(40), np.repeat([0, 1], 20), np.zeros(40, int), chance())
    assert (none.p_value, none.difference) == (1, 0)
    # No error in twenty and twenty: a difference of up to a fifth is not excluded, and is said.
    assert 0.1 < none.bound < 0.3


def test_open_disagreements_are_neither_right_nor_wrong_in_a_test() -> None:
    error = np.r_[np.zeros(30), np.full(5, 0.5), np.ones(5)]
    found = error_test(error, np.arange(40) % 2, np.zeros(40, int), chance())
    assert (found.split, found.reviewed, found.errors) == (5, 35, 5)


def test_the_same_seed_gives_the_same_limits() -> None:
    first, again = (accuracy(small(5), chance(4)) for _ in range(2))
    assert [astuple(row) for row in first] == [astuple(row) for row in again]
