"""What is asked for decides what is drawn; what does not go together is refused in one sentence."""

from typing import Any

import pytest

from reviews.drawing import draw
from studies.problems import Problem
from tests.factories import make_revision, make_segment, make_study

pytestmark = pytest.mark.django_db


def test_a_sample_a_round_of_it_and_more_of_a_stratum_come_from_one_door() -> None:
    study = make_study()
    make_revision(study)
    for _number in range(9):
        make_segment("some words", study, language="en")
    first = draw(study, size=3, strata=["language"], overlap=0.5, seed=1)
    second = draw(study, continues=True, size=2, seed=1)
    third = draw(study, continues=True, more={"en": 1}, seed=1)
    assert [one.continues_id for one in (first, second, third)] == [None, first.pk, second.pk]
    assert [one.items.count() for one in (first, second, third)] == [3, 2, 1]
    assert [one.design["overlap"] for one in (first, second, third)] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"bridge": True, "strata": ["language"]}, "has the strata of the sample"),
        ({"bridge": True, "continues": True}, "has the strata of the sample"),
        ({"continues": True}, "no sample to continue yet"),
        ({"more": {"en": 1}}, "in a further round"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: dict[str, Any], sentence: str) -> None:
    study = make_study()
    make_revision(study)
    with pytest.raises(Problem, match=sentence):
        draw(study, size=1, **asked)
