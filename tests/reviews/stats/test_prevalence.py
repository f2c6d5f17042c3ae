from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from reviews.stats import cells
from reviews.stats.arrays import Floats
from reviews.stats.intervals import critical, difference, sidak, wilson
from reviews.stats.prevalence import (
    Options,
    Prevalence,
    Review,
    category_bounds,
    category_prevalence,
    code_prevalence,
    response_bounds,
)
from tests.reviews.stats.reviews import LANGUAGES, UNITS, crossed, population, sampled


def one(review: Review) -> Prevalence:
    [found] = code_prevalence(review)
    return found


def small(seed: int, codes: int = 2, strata: int = 3) -> Review:
    """A population of 400 with unequal inclusion and some questions left open."""
    rng = np.random.default_rng(seed)
    stratum = rng.integers(0, strata, 400)
    machine = rng.integers(-1, 2, (400, codes))
    drawn = rng.permutation(400)[:120]
    y = (machine[drawn] == 1) ^ (rng.random((120, codes)) < 0.2)
    y = np.where(rng.random((120, codes)) < 0.1, np.nan, y.astype(float))
    pi = np.array([0.2, 0.35, 0.5])[stratum[drawn]]
    return Review(machine, stratum, drawn, pi, y)


def numbers(rows: list[Prevalence]) -> Floats:
    return np.array(
        [(r.corrected, r.low, r.high, r.low_all, r.high_all, r.human, r.machine) for r in rows]
    )


def test_data_time_has_the_estimate_of_the_reference() -> None:
    found = one(crossed((748, 63, 79), (1752, 174, 184)))
    assert found.corrected == pytest.approx(0.5265367062711465, abs=1e-9)
    assert found.se == pytest.approx(0.020416692934172226, abs=1e-9)
    assert found.low == pytest.approx(0.48646438250317686, abs=1e-9)
    assert found.high == pytest.approx(0.5661849213638331, abs=1e-9)
    reach = critical() * found.se
    wald = found.corrected - reach, found.corrected + reach
    assert wald == pytest.approx((0.4865207234367555, 0.5665526891055375), abs=1e-9)
    assert found.human == pytest.approx(263 / 500)
    assert found.machine == pytest.approx(2110 / 3000)
    assert found.ppv == pytest.approx(184 / 358)
    assert found.false_omission == pytest.approx(79 / 142)
    assert (found.status, found.method, found.grade) == ("ok", "cells", "A")


def test_no_error_in_the_sample_still_leaves_an_interval() -> None:
    found = one(crossed((9700, 180, 0), (100, 0, 20)))
    assert found.corrected == pytest.approx(0.012, abs=1e-9)
    assert found.se == 0
    assert found.low == pytest.approx(0.010819348747369563, abs=1e-9)
    assert found.high == pytest.approx(0.025426056417302542, abs=1e-9)


@pytest.mark.parametrize(
    ("review", "low", "high"),
    [
        (crossed((748, 63, 79), (1752, 174, 184)), 0.48649210478241744, 0.5660250851009132),
        (crossed((9700, 180, 0), (100, 0, 20)), 0.010344285543900239, 0.03227635193179226),
    ],
)
def test_limits_of_cells_combine_alike_when_they_are_those_of_wilson(
    review: Review, low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "jeffreys", wilson)
    found = one(review)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_unequal_weights_have_the_variance_and_limits_of_the_formula_written_out() -> None:
    rng = np.random.default_rng(8)
    machine = rng.integers(0, 2, 900)
    drawn = rng.permutation(900)[:160]
    pi = rng.uniform(0.08, 0.6, 160)
    y = (rng.random(160) < np.where(machine[drawn] == 1, 0.7, 0.15)).astype(float)
    [row] = code_prevalence(
        Review(machine[:, None], np.zeros(900, np.int64), drawn, pi, y[:, None])
    )
    total = variance = below = above = 0.0
    for label in (0, 1):
        own = [at for at in range(160) if machine[drawn[at]] == label]
        size, n = int((machine == label).sum()), len(own)
        sum_w = sum(1 / pi[at] for at in own)
        share = sum(y[at] / pi[at] for at in own) / sum_w
        v = sum((1 - pi[at]) / pi[at] ** 2 * (y[at] - share) ** 2 for at in own)
        v *= n / (n - 1) / sum_w**2
        most = sum_w**2 / sum(1 / pi[at] ** 2 for at in own) / (1 - n / size)
        effective = min(share * (1 - share) / v, most)
        low, high = stats.beta(effective * share + 0.5, effective * (1 - share) + 0.5).ppf(
            [0.025, 0.975]
        )
        weight = size / 900
        total += weight * share
        variance += weight**2 * v
        below += (weight * (share - low)) ** 2
        above += (weight * (high - share)) ** 2
    assert row.corrected == pytest.approx(total)
    assert row.se == pytest.approx(variance**0.5)
    assert row.low == pytest.approx(total - below**0.5)
    assert row.high == pytest.approx(total + above**0.5)
    # People alone: the same as one cell, with Wilson's limits.
    w = 1 / pi
    human = float((w * y).sum() / w.sum())
    v = 160 / 159 * float(((1 - pi) * w**2 * (y - human) ** 2).sum()) / w.sum() ** 2
    most = w.sum() ** 2 / (w**2).sum() / (1 - 160 / 900)
    ends = wilson(np.array([human]), np.array([min(human * (1 - human) / v, most)]))
    assert row.human == pytest.approx(human)
    assert (row.human_low, row.human_high) == pytest.approx((ends[0][0], ends[1][0]))
    assert row.gain == pytest.approx(v / variance)


def test_one_cell_is_the_answers_of_people_alone() -> None:
    found = one(crossed((900, 70, 30), (0, 0, 0)))
    assert found.corrected == found.human == pytest.approx(0.3)
    assert found.gain == pytest.approx(1)


def test_a_constant_machine_gives_the_stratified_mean() -> None:
    review = small(1, codes=1)
    review = replace(review, machine=np.zeros((400, 1), int), y=np.nan_to_num(review.y))
    sizes = np.bincount(review.stratum)
    stratum = review.stratum[review.drawn]
    means = [review.y[stratum == h].mean() for h in range(3)]
    assert one(review).corrected == pytest.approx(np.average(means, weights=sizes))


def test_a_machine_that_is_always_right_is_believed_but_not_beyond_the_sample() -> None:
    review = small(2, codes=1)
    machine = (review.machine > 0).astype(int)
    found = one(replace(review, machine=machine, y=machine[review.drawn].astype(float)))
    assert found.corrected == pytest.approx(found.machine)
    assert found.high > found.low


@given(st.integers(0, 10**6), st.floats(0.1, 1))
def test_weights_times_a_constant_change_no_share(seed: int, constant: float) -> None:
    review = small(seed)
    thinner = replace(review, inclusion=review.inclusion * constant)
    ours, theirs = code_prevalence(review), code_prevalence(thinner)
    assert [row.corrected for row in ours] == pytest.approx([row.corrected for row in theirs])
    assert [row.human for row in ours] == pytest.approx([row.human for row in theirs])


@given(st.integers(0, 10**6))
def test_the_order_of_units_and_of_answers_changes_nothing(seed: int) -> None:
    review, rng = small(seed), np.random.default_rng(seed)
    order = rng.permutation(400)
    place = np.argsort(order)
    turn = rng.permutation(120)
    turned = Review(
        review.machine[order],
        review.stratum[order],
        place[review.drawn][turn],
        review.inclusion[turn],
        review.y[turn],
    )
    area = rng.integers(0, 4, 400)
    assert numbers(code_prevalence(turned)) == pytest.approx(numbers(code_prevalence(review)))
    inside = numbers(code_prevalence(review, area, 4))
    assert numbers(code_prevalence(turned, area[order], 4)) == pytest.approx(inside, nan_ok=True)


@given(st.integers(0, 10**6))
def test_the_names_of_labels_change_nothing(seed: int) -> None:
    review = small(seed, codes=1)
    machine = np.where(review.machine < 0, -1, 1 - review.machine)
    found = one(review)
    turned = one(replace(review, machine=machine, y=1 - review.y))
    assert turned.corrected == pytest.approx(1 - found.corrected)
    assert (turned.low, turned.high) == pytest.approx((1 - found.high, 1 - found.low))


@given(st.integers(0, 10**6))
def test_many_codes_at_once_are_the_codes_one_by_one(seed: int) -> None:
    review, area = small(seed, codes=3), np.random.default_rng(seed).integers(0, 5, 400)
    together = numbers(code_prevalence(review, area, 5, Options(comparisons=1)))
    for code in range(3):
        pick = slice(code, code + 1)
        alone = replace(review, machine=review.machine[:, pick], y=review.y[:, pick])
        found = numbers(code_prevalence(alone, area, 5, Options(comparisons=1)))
        assert together[code::3] == pytest.approx(found, nan_ok=True)


@given(st.integers(0, 10**6))
def test_estimates_lie_within_their_intervals_and_these_within_0_and_1(seed: int) -> None:
    review = small(seed)
    for row in code_prevalence(review, np.random.default_rng(seed).integers(0, 9, 400), 9):
        assert 0 <= row.low_all <= row.low <= row.corrected <= row.high <= row.high_all <= 1
        assert row.high > row.low


def test_units_the_machine_did_not_code_are_not_a_no() -> None:
    review = crossed((900, 90, 10), (100, 2, 18))
    machine = review.machine.copy()
    failed = np.r_[review.drawn[:50], np.arange(200, 700)]
    machine[failed] = -1
    found = one(replace(review, machine=machine))
    assert found.population == 1120
    assert found.coded == 570
    assert found.machine == pytest.approx(120 / 570)
    assert found.reviewed == 120


def test_questions_left_open_do_not_shift_the_sample() -> None:
    _, machine, language = population(0.3)
    truth = np.random.default_rng(4).random(machine.shape) < 0.1 * (1 + language[:, None])
    review = sampled(np.zeros_like(machine), language, truth.astype(float), 1200, seed=1)
    y = review.y.copy()
    skipped = (language[review.drawn] == 0) & (np.arange(review.drawn.size) % 4 > 0)
    y[skipped] = np.nan
    full, part = one(review), one(replace(review, y=y))
    assert part.drawn == 1200
    assert part.reviewed == 1200 - skipped.sum()
    assert part.human == pytest.approx(full.human, abs=0.02)
    assert part.corrected == pytest.approx(full.corrected, abs=0.02)
    assert part.high - part.low > full.high - full.low


def test_open_questions_have_a_worst_case() -> None:
    review = small(5)
    least, most = response_bounds(review)
    rows = code_prevalence(review)
    assert all(a < row.corrected < b for a, row, b in zip(least, rows, most, strict=True))


def test_a_census_is_known() -> None:
    truth = np.repeat([0.0, 1], [60, 40])[:, None]
    review = Review(1 - truth.astype(int), np.zeros(100, int), np.arange(100), np.ones(100), truth)
    found = one(review)
    assert found.corrected == found.low == found.high == pytest.approx(0.4)
    assert found.human_low == found.human_high == pytest.approx(0.4)


def test_small_cells_merge_with_their_neighbour_and_say_so() -> None:
    machine = np.zeros((300, 1), int)
    stratum = np.repeat([0, 1, 2], 100)
    drawn = np.r_[np.arange(20), 100 + np.arange(3), 200 + np.arange(20)]
    y = np.zeros((43, 1))
    y[20:30] = 1
    found = one(Review(machine, stratum, drawn, np.array([0.2, 0.03, 0.2])[stratum[drawn]], y))
    assert found.merged == (((1, 0), (2, 0)),)
    merged = (3 / 0.03 + 7 / 0.2) / (3 / 0.03 + 20 / 0.2)
    assert found.corrected == pytest.approx(0 / 3 + 2 / 3 * merged)


def test_a_label_nobody_reviewed_may_be_all_or_nothing() -> None:
    found = one(crossed((900, 50, 0), (50, 0, 0)))
    assert found.corrected == pytest.approx(0.05)
    assert found.low == 0
    assert found.high >= 0.05
    assert found.status == "insufficient"


def test_too_few_answers_or_no_positives_are_said_to_be_insufficient() -> None:
    assert one(crossed((900, 5, 4), (0, 0, 0))).status == "insufficient"
    assert one(crossed((900, 50, 0), (50, 5, 0))).status == "insufficient"
    assert one(crossed((900, 50, 1), (50, 5, 0))).status == "ok"


def test_without_answers_there_is_only_the_machine() -> None:
    found = one(crossed((900, 0, 0), (100, 0, 0)))
    assert (found.status, found.method, found.grade) == ("machine_only", "none", "D")
    assert found.machine == pytest.approx(0.1)
    assert np.isnan([found.corrected, found.low, found.high, found.human, found.human_low]).all()


def levels() -> list[Prevalence]:
    """Four domains of 1,000: well reviewed, seven answers, none, and no units at all."""
    rng = np.random.default_rng(1)
    area = np.repeat([0, 1, 2, 4], 1000)
    truth = rng.random(4000) < 0.2
    machine = (truth ^ (rng.random(4000) < 0.05)).astype(int)[:, None]
    drawn = np.r_[np.arange(200), 1000 + np.arange(7), 3000 + np.arange(200)]
    pi = np.array([0.2, 0.007, 1, 0, 0.2])[area[drawn]]
    review = Review(machine, area, drawn, pi, truth[drawn, None].astype(float))
    return code_prevalence(review, area, 5)


def test_a_domain_has_the_level_its_answers_allow() -> None:
    found = levels()
    assert [row.method for row in found] == ["cells", "hajek", "smoothed", "none", "cells"]
    status = ["ok", "insufficient", "model_assisted", "no_population", "ok"]
    assert [row.status for row in found] == status
    assert [row.grade for row in found] == ["A", "C", "C", "D", "A"]
    assert [row.domain for row in found] == [0, 1, 2, 3, 4]
    assert found[1].corrected == found[1].human
    assert (found[1].low, found[1].high) == (found[1].human_low, found[1].human_high)


def test_a_domain_nobody_reviewed_borrows_from_the_others() -> None:
    found = levels()[2]
    assert found.reviewed == 0
    assert np.isnan(found.human)
    assert 0.1 < found.corrected < 0.3
    assert found.high - found.low > levels()[0].high - levels()[0].low


def test_a_few_failures_do_not_take_the_cells_from_a_domain() -> None:
    truth, machine, language = population(0.3)
    review = sampled(machine, language, truth, 1200, seed=1)
    rows = code_prevalence(review, language, LANGUAGES)
    assert [row.method for row in rows] == ["cells"] * LANGUAGES


@given(st.integers(0, 10**6))
def test_corrected_shares_of_categories_add_up_to_1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stratum, area = rng.integers(0, 7, 500), rng.integers(0, 4, 500)
    truth = rng.integers(0, 5, 500)
    machine = np.where(rng.random(500) < 0.7, truth, rng.integers(-1, 5, 500))[:, None]
    drawn = rng.permutation(500)[: int(rng.integers(2, 150))]
    drawn = drawn[area[drawn] < 3]
    y = np.where(rng.random(drawn.size) < 0.1, np.nan, truth[drawn])[:, None]
    review = Review(machine, stratum, drawn, (0.1 + stratum / 20)[drawn], y)
    if np.isnan(y).all():
        return
    overall = category_prevalence(review, 5)
    assert sum(row.corrected for row in overall) == pytest.approx(1)
    assert sum(row.machine for row in overall) == pytest.approx(1)
    for number in range(4):
        rows = [r for r in category_prevalence(review, 5, area, 4) if r.domain == number]
        assert sum(row.corrected for row in rows) == pytest.approx(1)


def test_two_categories_are_a_code_and_its_opposite() -> None:
    review = crossed((748, 63, 79), (1752, 174, 184))
    no, yes = category_prevalence(review, 2)
    code = one(review)
    assert (yes.low, yes.corrected, yes.high) == pytest.approx(
        (code.low, code.corrected, code.high)
    )
    assert no.corrected == pytest.approx(1 - code.corrected)
    assert yes.ppv == pytest.approx(code.ppv)
    assert yes.recall == pytest.approx(code.recall)


def test_categories_share_cells_that_merge_inside_a_stratum_first() -> None:
    machine = np.tile(np.repeat([0, 1, 2], [50, 30, 20]), 2)[:, None]
    stratum = np.repeat([0, 1], 100)
    drawn = np.r_[0:10, 50:56, 80:82, 100:110, 150:156, 180:190]
    review = Review(machine, stratum, drawn, np.full(44, 0.22), machine[drawn].astype(float))
    rows = category_prevalence(review, 3)
    assert {row.merged for row in rows} == {(((0, 1), (0, 2)),)}


def test_all_languages_of_a_large_study_are_estimated() -> None:
    rng = np.random.default_rng(1)
    area = np.minimum(rng.geometric(0.06, 80_508) - 1, 69)
    truth = rng.random((80_508, 60)) < rng.uniform(0.005, 0.3, 60)
    machine = (truth ^ (rng.random(truth.shape) < 0.03)).astype(np.int8)
    drawn = rng.choice(80_508, 3000, replace=False)
    review = Review(machine, area, drawn, np.full(3000, 3000 / 80_508), truth[drawn].astype(float))
    assert len(code_prevalence(review)) == 60
    assert len(code_prevalence(review, area, 70)) == 4200


def test_answers_without_a_place_are_refused() -> None:
    review = small(1)
    with pytest.raises(ValueError, match="Inclusion"):
        replace(review, inclusion=review.inclusion * 0)
    with pytest.raises(ValueError, match="stratum"):
        replace(review, stratum=review.stratum[1:])
    with pytest.raises(ValueError, match="drawn"):
        replace(review, y=review.y[1:])


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.005, 0.05, 0.3])
@pytest.mark.parametrize("by_label", [False, True])
def test_the_corrected_interval_covers_the_truth_about_95_times_in_100(
    share: float, by_label: bool
) -> None:
    truth, machine, language = population(share)
    stratum = language * 3 + machine[:, 0] + 1 if by_label else language
    covered = wide = 0
    for seed in range(300):
        row = one(sampled(machine, stratum, truth, 600, seed))
        covered += row.low <= truth.mean() <= row.high
        wide += row.high > row.low
    assert 0.93 <= covered / 300 <= 0.99
    assert wide == 300


def test_strata_in_which_nothing_was_found_bound_the_code_as_one_stratum_would() -> None:
    stratum = np.repeat([0, 1], 500)
    drawn = np.concatenate([np.arange(50), np.arange(500, 550)])
    found = one(
        Review(np.zeros((1000, 1), int), stratum, drawn, np.full(100, 0.1), np.zeros((100, 1)))
    )
    assert found.low == found.corrected == 0
    assert found.high == pytest.approx(special.betaincinv(0.5, 100 / 0.9 + 0.5, 0.975))


@pytest.mark.slow
def test_the_interval_of_a_rare_code_holds_over_many_sparse_strata() -> None:
    truth, machine, language = population(0.005)
    stratum = language * 3 + machine[:, 0] + 1
    covered = 0
    for seed in range(300):
        row = one(sampled(machine, stratum, truth, 1500, seed))
        covered += row.low <= truth.mean() <= row.high
    assert 0.93 <= covered / 300 <= 0.99


@pytest.mark.slow
def test_differences_of_languages_cover_the_truth_each_and_all_together() -> None:
    truth, machine, language = population(0.2)
    real = [float(truth[language == one].mean()) for one in range(LANGUAGES)]
    each, every, runs = [], 0, 120
    for seed in range(runs):
        rows = code_prevalence(sampled(machine, language, truth, 900, seed), language, LANGUAGES)
        told = [row for row in rows if row.status == "ok"]
        pairs = list(combinations(told, 2))
        wide = critical(sidak(0.95, len(pairs))) / critical()
        missed = 0
        for one, other in pairs:
            ends = [(row.corrected, row.low, row.high) for row in (one, other)]
            apart = real[int(one.domain or 0)] - real[int(other.domain or 0)]
            low, high = difference(ends[0], ends[1])[1:]
            each.append(low <= apart <= high)
            low, high = difference(ends[0], ends[1], wide)[1:]
            missed += not low <= apart <= high
        every += not missed
    assert 0.93 <= np.mean(each) <= 0.99, np.mean(each)
    assert every / runs >= 0.9, every


@pytest.mark.slow
def test_intervals_of_languages_cover_the_truth_about_95_times_in_100() -> None:
    truth, machine, language = population(0.1, codes=5)
    expected = np.array([truth[language == area].mean(axis=0) for area in range(LANGUAGES)])
    covered = []
    for seed in range(100):
        review = sampled(machine, language, truth, 900, seed)
        rows = code_prevalence(review, language, LANGUAGES)
        covered += [r.low <= expected[r.domain or 0, r.code] <= r.high for r in rows]
    assert 0.93 <= np.mean(covered) <= 0.99


@pytest.mark.slow
def test_the_prediction_for_a_domain_nobody_reviewed_is_wide_enough() -> None:
    covered = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        area = np.repeat(np.arange(30), UNITS // 30)
        truth = rng.random(UNITS) < rng.beta(4, 16, 30)[area]
        hit, false = rng.beta(16, 4, 30)[area], rng.beta(2, 48, 30)[area]
        machine = np.where(truth, rng.random(UNITS) < hit, rng.random(UNITS) < false).astype(int)
        drawn = np.flatnonzero((area < 20) & (rng.random(UNITS) < 0.2))
        review = Review(
            machine[:, None],
            area,
            drawn,
            np.full(drawn.size, 0.2),
            truth[drawn, None].astype(float),
        )
        for row in code_prevalence(review, area, 30)[20:]:
            assert row.status == "model_assisted"
            covered.append(row.low <= truth[area == row.domain].mean() <= row.high)
    assert 0.9 <= np.mean(covered) <= 0.995


def test_answers_alike_in_an_interview_count_once() -> None:
    single = small(11, codes=1, strata=1)
    y = np.where(np.isnan(single.y), 0.0, single.y)
    single = replace(single, y=y, inclusion=np.full(120, 0.3))
    twice = Review(
        np.repeat(single.machine, 2, axis=0),
        np.repeat(single.stratum, 2),
        np.sort(np.r_[2 * single.drawn, 2 * single.drawn + 1]),
        np.full(240, 0.3),
        np.repeat(y[np.argsort(single.drawn)], 2, axis=0),
        clusters=np.repeat(np.arange(120), 2),
    )
    [one], [other] = code_prevalence(single), code_prevalence(twice)
    apart = code_prevalence(replace(twice, clusters=None))[0]
    assert other.corrected == pytest.approx(one.corrected)
    assert other.se == pytest.approx(one.se, rel=0.03)
    assert apart.se < 0.8 * one.se
    # As wide as of single answers, but for t in place of the normal distribution.
    assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.05)
    assert other.human_high - other.human_low > apart.human_high - apart.human_low


def test_interviews_of_one_answer_each_leave_the_variance_alone() -> None:
    review = small(12)
    plain = code_prevalence(review)
    clustered = code_prevalence(replace(review, clusters=np.arange(120)))
    for one, other in zip(plain, clustered, strict=True):
        assert other.se == pytest.approx(one.se)
        wider = (other.high - other.low) / (one.high - one.low)
        assert 1 < wider < 1.03  # t with 119 degrees of freedom, or fewer


def test_one_interview_alone_says_next_to_nothing() -> None:
    review = small(13, codes=1)
    [found] = code_prevalence(replace(review, clusters=np.zeros(120, int)))
    assert (found.low, found.high) == (0, 1)


def test_no_error_at_all_is_known_from_interviews_and_not_from_answers() -> None:
    review = crossed((9700, 180, 0), (100, 0, 20))
    alone = one(review)
    [clustered] = code_prevalence(replace(review, clusters=np.arange(200) // 10))
    assert clustered.high - clustered.corrected > 2 * (alone.high - alone.corrected)


@given(st.integers(0, 10_000))
def test_bounds_of_categories_hold_whatever_the_open_answers_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    said = rng.integers(0, 3, (200, 1))
    drawn = np.arange(0, 200, 4)
    y = rng.integers(0, 3, (50, 1)).astype(float)
    y[rng.random(50) < 0.2] = np.nan
    review = Review(said, np.zeros(200, int), drawn, np.full(50, 0.25), y)
    low, high = category_bounds(review, 3)
    filled = np.where(np.isnan(y), rng.integers(0, 3, (50, 1)), y)
    shares = [row.corrected for row in category_prevalence(replace(review, y=filled), 3)]
    assert (low <= np.array(shares) + 1e-9).all()
    assert (np.array(shares) <= high + 1e-9).all()


def test_too_few_answers_are_never_graded_as_validated() -> None:
    rows = code_prevalence(crossed((900, 1, 0), (99, 0, 0)))
    assert (rows[0].status, rows[0].grade) == ("insufficient", "C")
