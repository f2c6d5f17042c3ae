import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reviews.stats.arrays import merge

CELLS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=30)


@given(CELLS)
def test_merged_cells_are_neighbours_of_one_run_and_large_enough(
    cells: list[tuple[int, int]],
) -> None:
    cells.sort(key=lambda cell: cell[0])
    run, reviewed = np.array(cells, np.int64).reshape(-1, 2).T
    group = merge(run, reviewed, 5)
    assert (np.diff(group, prepend=-1) <= 1).all()  # neighbours only, numbered from 0
    for number in np.unique(group):
        inside = group == number
        assert np.unique(run[inside]).size == 1
        alone = np.unique(group[run == run[inside][0]]).size == 1
        assert reviewed[inside].sum() >= 5 or alone


@given(st.lists(st.integers(5, 9), max_size=20))
def test_cells_with_answers_enough_stay_alone(reviewed: list[int]) -> None:
    group = merge(np.zeros(len(reviewed), np.int64), np.array(reviewed, np.int64), 5)
    assert group.tolist() == list(range(len(reviewed)))
