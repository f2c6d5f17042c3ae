import pytest

from studies.problems import Problem
from studies.seeds import LARGEST, check_seed, seed_or_new


@pytest.mark.parametrize("seed", [-1, LARGEST + 1])
def test_what_no_database_holds_is_no_seed(seed: int) -> None:
    with pytest.raises(Problem, match=f"a whole number from 0 to {LARGEST}"):
        check_seed(seed)


def test_a_seed_is_made_up_where_none_is_given() -> None:
    for given in (None, 0, LARGEST):
        check_seed(given)
        check_seed(seed_or_new(given))
    assert [seed_or_new(given) for given in (0, 7, LARGEST)] == [0, 7, LARGEST]
