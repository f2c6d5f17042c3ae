"""Training has a key and feedback, and nothing of it enters an estimate."""

from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User

from coding.models import Coding, CodingKind, Evidence
from reviews.agreement import agreement_rows
from reviews.codings import import_codings
from reviews.exports import export
from reviews.models import Assignment, Item, Ruling, Sample
from reviews.questions import Answers, Said
from reviews.reports import report
from reviews.reviewing import next_assignment, submit
from reviews.sampling import current_sample, draw_sample, revision_in_use
from reviews.second_looks import feedback
from reviews.tables import load_table
from reviews.training import (
    Key,
    draw_training,
    key_of,
    let_go,
    set_key,
    standings,
    trainee,
    trainings,
    without_key,
)
from studies.models import Membership, Role, Study
from studies.problems import Problem
from tests.factories import make_coding, make_person, make_revision, make_run, make_segment

pytestmark = pytest.mark.django_db

EVERY = frozenset({"topics", "stance", "trust"})


def made(count: int = 20) -> Study:
    """Return a study that a machine coded, with two coders and a lead."""
    revision = make_revision(one=("for", "against"), scale=(0, 100))
    study = revision.codebook.study
    run = make_run(revision)
    for number in range(count):
        segment = make_segment(
            f"I hope {number}.", study, external_id=f"t{number:02}", language="en"
        )
        make_coding(segment, revision, run=run, codes=["hope"] if number % 3 else [])
    for name in ("ana", "ben"):
        make_person(name, study)
    make_person("lea", study, Role.LEAD)
    return study


def lead() -> User:
    return User.objects.get(username="lea")


def person(name: str) -> User:
    return User.objects.get(username=name)


def keys(hope: bool | None = True, stance: str = "for", trust: float | None = 60) -> list[Key]:
    return [
        Key("topics", "hope", hope, why="“hope” is said", passages=((2, 6),) if hope else ()),
        Key("topics", "worry", False),
        Key("stance", "for", stance == "for"),
        Key("stance", "against", stance == "against"),
        Key("trust", "trust", None if trust is not None else False, trust),
    ]


def says(hope: str = "yes", stance: str = "for", trust: float | None = 60) -> Answers:
    said = [Said("topics", "hope", hope), Said("topics", "worry", "no")]
    said += [Said("stance", stance)] if stance else []
    said += [Said("trust", "trust", "yes", trust)] if trust is not None else []
    return Answers(tuple(said), EVERY)


def keyed(study: Study, size: int = 6, **asked: Any) -> Sample:
    sample = draw_training(study, coders=["ana", "ben"], size=size, seed=1, **asked)
    for item in sample.items.all():
        set_key(item, lead(), keys())
    return sample


def answer(sample: Sample, name: str, answers: Answers) -> Assignment:
    assignment = next_assignment(sample, person(name))
    assert assignment is not None
    submit(assignment, answers)
    return assignment


def test_a_training_takes_nothing_that_a_review_or_a_training_took() -> None:
    study = made()
    review = draw_sample(study, size=8, coders=["ana"], seed=1)
    first = draw_training(study, coders=["ana"], size=6, seed=1)
    second = draw_training(study, coders=["ana"], size=6, seed=1)
    taken = [
        set(sample.items.values_list("segment", flat=True)) for sample in (review, first, second)
    ]
    assert len(set.union(*taken)) == 20
    with pytest.raises(Problem, match="left to draw"):
        draw_training(study, coders=["ana"], size=1)
    assert trainings(study) == [second, first]


def test_interviews_may_be_chosen() -> None:
    study = made()
    sample = draw_training(study, coders=["ana"], interviews=["t03", "t01"])
    chosen = sample.items.values_list("segment__transcript__external_id", flat=True)
    assert list(chosen.order_by("position")) == ["t03", "t01"]
    with pytest.raises(Problem, match="“t03” is in a sample already"):
        draw_training(study, coders=["ana"], interviews=["t03"])
    with pytest.raises(Problem, match="no interview “t99”"):
        draw_training(study, coders=["ana"], interviews=["t99"])


def test_nobody_is_asked_before_the_key_is_set() -> None:
    study = made()
    sample = draw_training(study, coders=["ana", "ben"], size=3, seed=1)
    assert next_assignment(sample, person("ana")) is None
    item = sample.items.get(position=2)
    set_key(item, lead(), keys())
    assignment = next_assignment(sample, person("ana"))
    assert assignment is not None
    assert assignment.item == item
    assert [one.position for one in without_key(sample)] == [1, 3]


def test_of_many_codes_that_a_key_says_nothing_about_a_few_are_named() -> None:
    study = make_revision(many=[f"c{number}" for number in range(9)]).codebook.study
    make_segment("I hope.", study)
    for name, role in (("ana", Role.CODER), ("lea", Role.LEAD)):
        make_person(name, study, role)
    item = draw_training(study, coders=["ana"], size=1, seed=1).items.get()
    with pytest.raises(Problem, match="nothing yet about C0, C2, C3, C4, C5, and about 3 more"):
        set_key(item, lead(), [Key("topics", "c1", True)])


def test_a_key_says_something_about_every_code_and_can_be_corrected_until_somebody_coded() -> None:
    study = made()
    sample = draw_training(study, coders=["ana"], size=2, seed=1)
    item = sample.items.first()
    assert item is not None
    with pytest.raises(Problem, match="says nothing yet about: Worry"):
        set_key(item, lead(), [key for key in keys() if key.code != "worry"])
    with pytest.raises(Problem, match="about: Hope, Worry, For, Against, Trust"):
        set_key(item, lead(), [])
    with pytest.raises(Problem, match="takes one code, not 2"):
        set_key(
            item,
            lead(),
            [*keys()[:2], Key("stance", "for", True), Key("stance", "against", True), keys()[4]],
        )
    with pytest.raises(Problem, match="from 0 to 100"):
        set_key(item, lead(), keys(trust=101))
    with pytest.raises(Problem, match="not within one turn"):
        set_key(item, lead(), [Key("topics", "hope", True, passages=((2, 999),)), *keys()[1:]])
    with pytest.raises(Problem, match="can’t set its key"):
        set_key(item, person("ana"), keys())
    set_key(item, lead(), keys(hope=None))
    assert key_of(item)["topics", "hope"].applies is None
    set_key(item, lead(), keys())
    key = key_of(item)
    assert key["topics", "hope"] == Key("topics", "hope", True, None, "“hope” is said", ((2, 6),))
    assert key["stance", "against"].applies is False
    assert key["trust", "trust"].value == 60
    answer(sample, "ana", says())
    with pytest.raises(Problem, match="Somebody coded this interview already"):
        set_key(item, lead(), keys(hope=False))


def test_what_is_coded_in_training_is_of_its_kind_and_stays_once_the_key_is_seen() -> None:
    study = made()
    sample = keyed(study)
    assignment = answer(sample, "ana", says("no"))
    coding = Coding.objects.get(assignments=assignment)
    assert coding.kind == CodingKind.TRAINING
    assignment.refresh_from_db()
    told = feedback(assignment)
    assert told is not None
    hope = next(one for one in told if one.code == "hope")
    assert (hope.yours, hope.key, hope.alike) == ("no", "yes", False)
    assert (hope.why, hope.key_passages) == (("“hope” is said",), ((2, 6),))
    assignment.refresh_from_db()
    with pytest.raises(Problem, match="stays as it was"):
        submit(assignment, says("yes"))


def test_results_are_told_per_coder_and_code() -> None:
    study = made()
    sample = draw_training(study, coders=["ana", "ben"], size=6, seed=1, window=6)
    for item in sample.items.all():
        set_key(item, lead(), keys(hope=item.position % 2 == 0))
    for number in range(6):
        right = "yes" if number % 2 else "no"
        answer(sample, "ana", says(right, trust=69))
        answer(sample, "ben", says("yes", "against" if number == 0 else "for", trust=90))
    ana, ben = standings(sample)
    assert (ana.name, ana.answered, ana.share, ana.passed) == ("ana", 6, 1.0, True)
    by = {(one.dimension, one.code): one for one in ben.results}
    hope = by["topics", "hope"]
    assert (hope.decisions, hope.alike, hope.percent) == (6, 3, 0.5)
    # Two coders, six units, nine yes and three no, three units split: 1 - 11 * 3 / 27.
    assert hope.alpha == pytest.approx(1 - 11 * 3 / 27)
    assert by["stance", None].alike == 5
    assert by["trust", "trust"].alike == 0  # 30 of 100 away
    assert np.isnan(by["topics", "worry"].alpha)
    assert not ben.passed


def test_what_the_key_cannot_tell_counts_for_nobody() -> None:
    study = made()
    sample = draw_training(study, coders=["ana"], size=1, seed=1)
    item = sample.items.get()
    set_key(item, lead(), keys(hope=None, trust=None))
    answer(sample, "ana", says("no", trust=None))
    found = trainee(sample, person("ana"))
    assert {(one.dimension, one.code) for one in found.results} == {
        ("topics", "worry"),
        ("stance", None),
        ("trust", "trust"),
    }
    assert found.share == 1.0  # not expressed, as the key says


def test_training_goes_on_until_the_bar_is_reached() -> None:
    study = made()
    sample = keyed(study, size=6, bar=0.9, window=2)
    answer(sample, "ana", says("no", "against", 0))
    answer(sample, "ana", says())
    assert not let_go(sample, person("ana"))  # five of eight decisions
    assert trainee(sample, person("ana")).share == pytest.approx(5 / 8)
    answer(sample, "ana", says())
    assert trainee(sample, person("ana")).passed
    assert next_assignment(sample, person("ana")) is None
    assert next_assignment(sample, person("ben")) is not None


def test_nothing_of_a_training_is_in_any_estimate(tmp_path: Any) -> None:
    study = made()
    review = draw_sample(study, size=6, coders=["ana", "ben"], overlap=1, seed=1)
    for item in review.items.all():
        for name in ("ana", "ben"):
            coding = make_coding(item.segment, review.revision, person=person(name), codes=["hope"])
            Assignment.objects.filter(item=item, person=person(name)).update(
                coding=coding, answered_at=coding.created_at
            )
    before, rows = repr(report(study, replicates=20)), export(study, tmp_path / "before.csv")
    table = load_table(study, review.revision, review.run, review)
    sample = keyed(study, window=6, bar=1.0)
    for _number in range(6):
        answer(sample, "ana", says("no", "against", 5))
        answer(sample, "ben", says("yes", "for", 95))
    assert Coding.objects.filter(kind=CodingKind.TRAINING).count() == 6 * 3  # and the key's own
    assert Ruling.objects.filter(item__sample=sample).count() == 6 * 5
    assert repr(report(study, replicates=20)) == before
    assert current_sample(study) == review
    assert revision_in_use(study) == review.revision
    again = load_table(study, review.revision, review.run, review)
    assert (again.people.unit == table.people.unit).all()
    assert repr(agreement_rows(again, 1, 20)) == repr(agreement_rows(table, 1, 20))
    assert export(study, tmp_path / "after.csv") == rows
    assert (tmp_path / "before.csv").read_bytes() == (tmp_path / "after.csv").read_bytes()
    assert Coding.objects.by_people().count() == 12


def test_imported_codings_are_not_mixed_with_what_was_coded_in_training(tmp_path: Any) -> None:
    study = made()
    sample = keyed(study, size=1)
    assignment = answer(sample, "ana", says("no"))
    interview = assignment.item.segment.transcript.external_id
    path = tmp_path / "codings.csv"
    path.write_text(f"transcript,coder,dimension,code\n{interview},ana,topics,hope\n")
    import_codings(study, path)
    kinds = dict(Coding.objects.filter(person=person("ana")).values_list("kind", "pk"))
    assert set(kinds) == {CodingKind.BLIND, CodingKind.TRAINING}
    mine = Coding.objects.get(pk=kinds[CodingKind.TRAINING])
    assert not mine.marks.filter(code__key="hope").exists()


def test_a_training_alone_is_no_sample_to_report_from() -> None:
    study = made()
    keyed(study)
    assert current_sample(study) is None
    assert report(study, replicates=5).sample is None


def test_who_trained_on_an_interview_is_not_asked_about_it_blind() -> None:
    study = made(8)
    sample = draw_training(study, coders=["ana"], size=4, seed=1)
    trained = set(sample.items.values_list("segment", flat=True))
    review = draw_sample(study, size=8, coders=["ana", "ben"], seed=1)
    for item in Item.objects.filter(sample=review, segment__in=trained):
        assert [one.person for one in item.assignments.all()] == [person("ben")]
    # The frame stays the whole study, so the sample stands for all of it.
    assert review.design["sizes"][0]["population"] == 8


def test_trainees_get_what_they_read() -> None:
    study = made(4)
    Membership.objects.filter(name="ana").update(reads=["ar"])
    sample = draw_training(study, coders=["ana", "ben"], size=4, seed=1)
    assert set(sample.items.values_list("assignments__person__username", flat=True)) == {"ben"}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"coders": []}, "Name the coders"),
        ({"bar": 1.5}, "bar is a share"),
        ({"window": 0}, "at least one interview"),
        ({"size": 0}, "at least one segment"),
    ],
)
def test_what_is_no_training_is_said(asked: dict[str, Any], sentence: str) -> None:
    study = made(3)
    with pytest.raises(Problem, match=sentence):
        draw_training(study, **{"coders": ["ana"], "size": 2, **asked})
    assert not Sample.objects.exists()


def test_the_evidence_of_the_key_is_kept_where_no_trainee_is() -> None:
    study = made(4)
    keyed(study, size=2)
    assert Evidence.objects.filter(mark__coding__person=lead()).count() == 2
    assert not Assignment.objects.filter(person=lead()).exists()
