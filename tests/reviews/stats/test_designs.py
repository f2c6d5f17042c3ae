import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.stats.arrays import Ints
from reviews.stats.designs import (
    Plan,
    allocate,
    assign,
    choose,
    combined_inclusion,
    draw,
    error_spread,
    inclusion,
    plan,
    pool,
    seats,
)

SIZES = st.lists(st.integers(1, 500), min_size=1, max_size=20)


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(SIZES, st.integers(0, 2000), st.booleans())
def test_an_allocation_adds_up_and_asks_no_stratum_for_more_than_it_has(
    sizes: list[int], more: int, by_spread: bool
) -> None:
    size = np.array(sizes)
    n = len(sizes) + more
    spread = rng().random(size.size) / 2 if by_spread else None
    found = allocate(size, n, spread=spread)
    assert found.sum() == min(n, size.sum())
    assert (found <= size).all()
    assert (found >= np.minimum(min(10, n // size.size), size)).all()


def test_a_proportional_allocation_rounds_by_largest_remainder() -> None:
    assert allocate(np.array([500, 334, 166]), 100, least=0).tolist() == [50, 33, 17]
    assert allocate(np.array([100, 100, 100]), 100, least=0).tolist() == [34, 33, 33]


def test_the_compromise_is_seven_parts_error_and_three_parts_size() -> None:
    size, spread = np.array([6000, 4000]), np.array([0.1, 0.4])
    by_spread = size * spread / (size * spread).sum()
    expected = 1000 * (0.7 * by_spread + 0.3 * size / size.sum())
    found = allocate(size, 1000, spread=spread)
    assert np.abs(found - expected).max() < 1


def test_a_machine_that_never_errs_is_sampled_by_size() -> None:
    size = np.array([600, 400])
    assert allocate(size, 100, spread=np.zeros(2)).tolist() == [60, 40]


def test_a_sample_smaller_than_its_strata_is_refused() -> None:
    with pytest.raises(ValueError, match="merge strata"):
        allocate(np.array([10, 10, 10]), 2)


def test_a_pilot_tells_the_spread_of_errors() -> None:
    e = (3 + 0.5) / 21
    assert error_spread(np.array([3]), np.array([20])) == pytest.approx(np.sqrt(e * (1 - e)))


def test_small_strata_are_pooled_before_the_draw() -> None:
    assert pool(np.array([3, 900, 4, 2, 8]), 10).tolist() == [0, 0, 1, 1, 1]


def test_a_draw_takes_what_was_allocated_from_each_stratum() -> None:
    stratum = np.random.default_rng(1).integers(0, 5, 1000)
    allocation = np.array([10, 0, 30, 7, 100])
    found = draw(stratum, allocation, rng())
    assert np.bincount(stratum[found], minlength=5).tolist() == allocation.tolist()
    assert (np.diff(found) > 0).all()


def test_the_same_seed_draws_the_same_sample_everywhere() -> None:
    stratum = np.arange(40) % 3
    found = draw(stratum, np.array([3, 2, 4]), rng(7))
    assert found.tolist() == [6, 20, 23, 24, 31, 32, 35, 37, 39]
    coders = handed(6, 3, 0.5, rng(7))
    assert coders.tolist() == [[1, 2], [2, -1], [0, -1], [0, 1], [2, 0], [1, -1]]


def test_a_larger_sample_from_the_same_seed_holds_the_smaller_one() -> None:
    stratum = np.arange(300) % 4
    small = draw(stratum, np.full(4, 5), rng())
    large = draw(stratum, np.full(4, 20), rng())
    assert set(small) <= set(large)


def test_every_unit_is_drawn_as_often_as_its_inclusion_says() -> None:
    stratum = np.repeat([0, 1], [20, 10])
    allocation = np.array([5, 5])
    times = np.zeros(30)
    stream = rng()
    for _ in range(4000):
        times[draw(stratum, allocation, stream)] += 1
    expected = inclusion(np.array([20, 10]), allocation)[stratum]
    assert times / 4000 == pytest.approx(expected, abs=0.035)


def test_no_stratum_gives_more_than_it_has() -> None:
    with pytest.raises(ValueError, match="more units than it has"):
        draw(np.array([0, 0, 1]), np.array([1, 2]), rng())


def test_a_later_round_adds_to_the_chance_of_being_drawn() -> None:
    rounds = np.array([[0.1, 0.2], [0.5, 0.0]])
    assert combined_inclusion(rounds) == pytest.approx([1 - 0.9 * 0.5, 0.2])
    assert combined_inclusion(rounds[:1]) == pytest.approx(rounds[0])


def handed(units: int, coders: int, share: float, stream: np.random.Generator) -> Ints:
    """Hand out units of which a share goes to two."""
    return assign(*seats(units, 2, share, stream), coders)


def loads(found: Ints, coders: int) -> Ints:
    return np.bincount(found[found >= 0], minlength=coders)


@given(st.integers(1, 80), st.integers(2, 6), st.floats(0, 1))
def test_work_is_even_and_the_overlap_is_as_asked(units: int, coders: int, share: float) -> None:
    found = handed(units, coders, share, rng())
    assert (found[:, 0] >= 0).all()
    assert (found[:, 1:] >= 0).sum() == np.floor(share * units + 0.5)
    assert (found[:, :1] != found[:, 1:]).all()
    load = loads(found, coders)
    assert load.max() - load.min() <= 1


def test_all_pairs_of_coders_meet_about_as_often() -> None:
    found = handed(60, 4, 1, rng())
    pairs = np.sort(found, axis=1)
    _, times = np.unique(pairs, axis=0, return_counts=True)
    assert times.tolist() == [10] * 6


def test_a_unit_goes_to_those_who_read_its_language() -> None:
    able = np.array([[True, False, True]] * 5 + [[False, True, False]] * 5)
    found = assign(*seats(10, 2, 1, rng()), 3, able)
    assert set(found[:5].ravel()) == {0, 2}
    assert found[5:].tolist() == [[1, -1]] * 5


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 3))
def test_each_unit_goes_to_exactly_as_many_as_asked(units: int, wanted: int, spare: int) -> None:
    coders = wanted + spare
    found = assign(*seats(units, wanted, 1, rng()), coders)
    assert found.shape == (units, wanted)
    assert all(len(set(row)) == wanted and min(row) >= 0 for row in found.tolist())
    load = loads(found, coders)
    assert load.max() - load.min() <= 1


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 2**31))
def test_nobody_gets_what_they_cannot_read_and_no_readable_seat_stays_empty(
    units: int, coders: int, seed: int
) -> None:
    able = np.random.default_rng(seed).random((units, coders)) < 0.5
    wanted, order = seats(units, 2, 0.4, rng(seed))
    found = assign(wanted, order, coders, able)
    for unit, row in enumerate(found):
        taken = row[row >= 0]
        assert able[unit, taken].all()
        assert len(taken) == min(wanted[unit], able[unit].sum())


def test_who_reads_much_is_kept_for_what_few_can_read() -> None:
    # One reads both languages, the other only the first: ten units each is the even share.
    able = np.array([[True, True]] * 10 + [[True, False]] * 10)
    found = assign(*seats(20, 1, 0, rng()), 2, able)
    assert loads(found, 2).tolist() == [10, 10]


def test_who_has_much_to_do_already_gets_less() -> None:
    found = assign(*seats(10, 1, 0, rng()), 2, load=np.array([6, 0]))
    assert loads(found, 2).tolist() == [2, 8]


def test_every_unit_is_as_likely_to_be_chosen() -> None:
    stream, times = rng(), np.zeros(10)
    for _ in range(4000):
        times += choose(10, 0.3, stream)
    assert times / 4000 == pytest.approx(np.full(10, 0.3), abs=0.04)


def test_the_planner_prints_the_checked_numbers() -> None:
    assert plan(0.05, 0.87, 0.988, 0.01, 80508) == Plan(1784, 591, 385)


def test_a_rare_code_needs_reviews_of_what_the_machine_left_out() -> None:
    found = plan(0.001, 0.999, 0.9999, 0.01, 80508)
    assert found.neyman == found.proportional == round(2.5 * (1 - 0.001 * 0.999 - 0.0000999) / 0.01)


def test_no_plan_asks_for_more_than_all() -> None:
    assert plan(0.3, 0.7, 0.9, 0.01, 50) == Plan(50, 50, 50)
