import numpy as np
import pytest
from scipy import stats

from reviews.stats.accuracy import accuracy
from reviews.stats.paired import mcnemar
from reviews.stats.prevalence import Review, code_prevalence
from reviews.stats.rivals import SCORES, Rivals, closer, contributions, correlation, rivals

CHANCE = 11


def world(
    rng: np.random.Generator, units: int = 4000, share: float = 0.15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a truth and two machines, the second better, that err partly on the same units."""
    truth = (rng.random(units) < share).astype(np.int64)
    hard = rng.random(units) < 0.1
    first = np.where(hard, rng.integers(0, 2, units), truth)
    second = np.where(hard & (rng.random(units) < 0.6), first, truth)
    second = np.where(rng.random(units) < 0.01, 1 - second, second)
    return truth, first, second


def scores(said: np.ndarray, truth: np.ndarray) -> list[float]:
    """Return the scores of SCORES by hand."""
    hits = ((said == 1) & (truth == 1)).sum()
    precision, recall = hits / (said == 1).sum(), hits / (truth == 1).sum()
    f1 = 2 * precision * recall / (precision + recall)
    return [(said == truth).mean(), precision, recall, f1]


def judged(
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    drawn: np.ndarray,
    inclusion: np.ndarray,
    **more: object,
) -> Rivals:
    stratum = more.pop("stratum", np.zeros(len(truth), np.int64))
    [found] = rivals(
        first[:, None],
        second[:, None],
        stratum,  # type: ignore[arg-type]
        drawn,
        inclusion,
        truth[drawn][:, None].astype(float),
        np.random.default_rng(CHANCE),
        **more,  # type: ignore[arg-type]
    )
    return found


def test_a_census_gives_the_scores_that_are_counted() -> None:
    truth, first, second = world(np.random.default_rng(1), 500)
    found = judged(truth, first, second, np.arange(500), np.ones(500))
    expected = scores(first, truth), scores(second, truth)
    for name, one, other in zip(SCORES, *expected, strict=True):
        score = found.scores[name]
        assert score.first == pytest.approx(one)
        assert score.second == pytest.approx(other)
        assert score.low == pytest.approx(score.high) == pytest.approx(other - one)
    assert found.contested == (first != second).sum() == found.first_right + found.second_right
    counted = mcnemar(np.array([found.first_right]), np.array([found.second_right]))
    assert (found.exact, found.mid) == (counted[0][0], counted[1][0])
    assert found.both_right == ((first == truth) & (second == truth)).sum()
    assert found.status == "ok"


def test_design_weights_undo_a_sample_that_prefers_what_the_first_machine_found() -> None:
    rng = np.random.default_rng(2)
    truth, first, second = world(rng, 20_000)
    often = np.where(first == 1, 0.5, 0.1)
    drawn = np.flatnonzero(rng.random(20_000) < often)
    found = judged(truth, first, second, drawn, often[drawn], stratum=first)
    for name, one, other in zip(SCORES, scores(first, truth), scores(second, truth), strict=True):
        assert found.scores[name].first == pytest.approx(one, abs=0.05)
        assert found.scores[name].low <= other - one <= found.scores[name].high
    naive = (second[drawn] == truth[drawn]).mean() - (first[drawn] == truth[drawn]).mean()
    real = (second == truth).mean() - (first == truth).mean()
    assert abs(found.scores["accuracy"].difference - real) < abs(naive - real)


def test_a_machine_against_itself_differs_in_nothing() -> None:
    rng = np.random.default_rng(3)
    truth, first, _ = world(rng, 1000)
    drawn = rng.choice(1000, 200, replace=False)
    found = judged(truth, first, first.copy(), drawn, np.full(200, 0.2))
    assert found.status == "no_contest"
    assert found.exact == found.mid == 1
    for score in found.scores.values():
        assert (score.difference, score.low, score.high) == (0, 0, 0)


def test_one_machine_alone_scores_as_accuracy_says() -> None:
    rng = np.random.default_rng(4)
    truth, first, _ = world(rng, 3000)
    drawn = rng.choice(3000, 400, replace=False)
    inclusion = np.full(400, 400 / 3000)
    found = judged(truth, first, first.copy(), drawn, inclusion)
    review = Review(
        first[:, None],
        np.zeros(3000, np.int64),
        drawn,
        inclusion,
        truth[drawn][:, None].astype(float),
    )
    [alone] = accuracy(review, np.random.default_rng(0))
    assert found.scores["precision"].first == pytest.approx(alone.precision)
    assert found.scores["recall"].second == pytest.approx(alone.recall)
    assert found.scores["f1"].first == pytest.approx(alone.f1)


def test_what_one_machine_did_not_code_is_left_out_and_open_answers_too() -> None:
    truth, first, second = world(np.random.default_rng(5), 300)
    second[:100] = -1
    y = truth[:, None].astype(float)
    y[200:220] = np.nan
    y[220] = 0.5
    [found] = rivals(
        first[:, None],
        second[:, None],
        np.zeros(300, np.int64),
        np.arange(300),
        np.ones(300),
        y,
        np.random.default_rng(0),
    )
    assert found.units == 200
    assert found.reviewed == 180
    sides = found.both_right, found.first_right, found.second_right, found.none_right
    assert sum(sides) == 179  # people are not of one mind about one


def test_without_reviews_there_are_no_scores_and_few_are_said_to_be_few() -> None:
    truth, first, second = world(np.random.default_rng(6), 1000)
    nobody = judged(truth, first, second, np.zeros(0, np.int64), np.zeros(0))
    assert nobody.status == "no_review"
    assert nobody.scores == {}
    contested = np.flatnonzero(first != second)[:3]
    same = np.flatnonzero(first == second)[:60]
    drawn = np.sort(np.concatenate([contested, same]))
    few = judged(truth, first, second, drawn, np.full(63, 0.063))
    assert few.status == "insufficient"


def test_segments_of_one_interview_change_sides_together() -> None:
    truth = np.zeros(40, np.int64)
    first = np.zeros(40, np.int64)
    second = np.repeat([1, 0], [20, 20])
    clusters = np.repeat(np.arange(8), 5)
    apart = judged(truth, first, second, np.arange(40), np.ones(40))
    together = judged(truth, first, second, np.arange(40), np.ones(40), clusters=clusters)
    assert apart.exact < 0.001
    assert together.exact == pytest.approx(0.125)  # four interviews: 2 / 2^4


def test_contributions_add_up_to_nothing_and_give_the_variance_of_the_estimate() -> None:
    rng = np.random.default_rng(8)
    truth, first, second = world(rng, 5000)
    drawn = rng.choice(5000, 500, replace=False)
    pi = np.full(500, 0.1)
    y = truth[drawn].astype(float)
    parts = [contributions(said, drawn, pi, y) for said in (first, second)]
    assert parts[0].sum() == pytest.approx(0, abs=1e-12)
    review = Review(first[:, None], np.zeros(5000, np.int64), drawn, pi, y[:, None])
    [row] = code_prevalence(review)
    assert np.sqrt(((1 - pi) * parts[0] ** 2).sum()) == pytest.approx(row.se, rel=0.02)
    assert correlation(parts[0], parts[0], pi) == pytest.approx(1)
    assert 0 < correlation(parts[0], parts[1], pi) < 1
    assert correlation(parts[0], np.zeros(500), pi) == 0
    assert correlation(parts[0], parts[0], np.ones(500)) == pytest.approx(1)


def test_on_a_scale_the_closer_one_is_found_by_hand() -> None:
    rng = np.random.default_rng(10)
    y = rng.normal(50, 10, 400)
    first, second = y + rng.normal(0, 8, 400), y + rng.normal(2, 4, 400)
    second[:20] = np.nan
    drawn = np.arange(0, 400, 2)
    answers = y[drawn].copy()
    answers[5:15] = np.nan
    found = closer(first, second, drawn, np.full(200, 0.5), answers, span=(0, 100))
    known = np.array([at for at in range(20, 400, 2) if not 10 <= at < 30])
    errors = np.abs(first - y)[known], np.abs(second - y)[known]
    assert (found.units, found.reviewed, found.contested) == (380, known.size, 380)
    assert found.second_right == (errors[1] < errors[0]).sum()
    assert found.first_right + found.second_right == known.size
    expected = stats.ttest_rel(errors[1], errors[0]).confidence_interval()
    score = found.scores["error"]
    assert (score.first, score.second) == pytest.approx((errors[0].mean(), errors[1].mean()))
    assert (score.low, score.high) == pytest.approx((expected.low, expected.high))
    assert found.exact == pytest.approx(stats.binomtest(found.second_right, known.size, 0.5).pvalue)
    weights = np.where(np.arange(200) < 100, 0.25, 1.0)
    weighted = closer(first, second, drawn, weights, answers, span=(0, 100)).scores["error"]
    w = 1 / weights[known // 2]
    assert weighted.first == pytest.approx(np.average(errors[0], weights=w))
    nobody = closer(first, second, drawn, weights, np.full(200, np.nan), span=(0, 100))
    assert (nobody.status, nobody.scores) == ("no_review", {})
    same = closer(first, first, drawn, weights, answers, span=(0, 100))
    assert same.status == "no_contest"
    assert same.scores["error"].low < 0 < same.scores["error"].high


@pytest.mark.slow
def test_the_interval_covers_the_true_difference_about_95_times_in_100() -> None:
    rng = np.random.default_rng(9)
    truth, first, second = world(rng, 8000, 0.08)
    real = np.array(scores(second, truth)) - np.array(scores(first, truth))
    hits, times = np.zeros(len(SCORES)), 400
    for _ in range(times):
        drawn = rng.choice(8000, 500, replace=False)
        found = judged(truth, first, second, drawn, np.full(500, 500 / 8000), replicates=500)
        for place, name in enumerate(SCORES):
            hits[place] += found.scores[name].low <= real[place] <= found.scores[name].high
    assert (hits / times > 0.92).all(), hits / times
