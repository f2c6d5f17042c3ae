"""Coders are asked blind, one item at a time, and what they answer is kept once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from codebooks.models import Code, Dimension, Revision, Wording
from coding.models import Coding, Evidence, Mark
from reviews.models import Assignment, Ruling, Sample
from reviews.reviewing import (
    Answers,
    Gone,
    Question,
    Said,
    answer,
    assignment_of,
    next_question,
    progress,
    question,
    skip,
    submit,
)
from reviews.sampling import draw_sample
from studies.models import Study
from studies.problems import Problem
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_segment,
    make_study,
)

ARABIC = "هل تثق به؟\nنعم 🙂 أثق به كثيرا"
ASKED, TOLD = (0, 10), (11, 29)

ALL = frozenset({"topics", "stance", "trust"})
YES_TO_HOPE = (Said("topics", "hope", passages=((11, 14),)), Said("topics", "worry", "no"))
REST, TOPICS = ALL - {"topics"}, frozenset({"topics"})
COMPLETE = Answers((*YES_TO_HOPE, Said("stance", "for"), Said("trust", "trust", value=70)), ALL)


def make_drawn(count: int = 1, **asked: Any) -> Sample:
    study = make_study(speaker_roles={"المحاور": "interviewer"})
    make_revision(study, one=("for", "against"), scale=(0, 100))
    for number in range(count):
        make_segment(
            ARABIC,
            study,
            language="ar",
            external_id=f"interview {number:03}",
            turns=[[*ASKED, "المحاور", "participant"], [*TOLD, "", "participant"]],
        )
    return draw_sample(study, size=count, seed=1, **asked)


def make_asked() -> Assignment:
    sample = make_drawn(coders=["mara"])
    return sample.items.get().assignments.get()


@pytest.mark.django_db
def test_a_question_holds_the_turns_and_the_codebook() -> None:
    assignment = make_asked()
    asked = question(assignment)
    assert [turn.words for turn in asked.turns] == ["هل تثق به؟", "نعم 🙂 أثق به كثيرا"]
    assert [turn.role for turn in asked.turns] == ["interviewer", "participant"]
    assert [dimension.key for dimension in asked.dimensions] == ["topics", "stance", "trust"]
    assert [code.label.text for code in asked.dimensions[0].codes] == ["Hope", "Worry"]
    assert (asked.language, asked.position, asked.of) == ("ar", 1, 1)
    assert asked.answered is None


@pytest.mark.django_db
def test_a_question_holds_nothing_of_the_machine_or_of_others() -> None:
    study = make_study()
    revision = make_revision(study)
    segment = make_segment("I hope so", study)
    coding = make_coding(segment, revision, run=make_run(revision, name="the machine"))
    code = Code.objects.get(key="hope", dimension__revision=revision)
    mark = Mark.objects.create(
        coding=coding, code=code, confidence=0.12345, rationale="telling rationale"
    )
    Evidence.objects.create(mark=mark, quote="telling quote", found="missing")
    other = make_coding(segment, revision, person=make_person("other"), codes=["worry"])
    other.note = "telling note"
    other.save()
    sample = draw_sample(study, size=1, strata=["label"], coders=["mara", "tomas"], seed=1)
    mara = User.objects.get(username="mara")
    Assignment.objects.get_or_create(item=sample.items.get(), person=mara)
    asked = repr(next_question(sample, mara))
    for telling in ("telling", "0.12345", "machine", "common", "rare", "other", "yes"):
        assert telling not in asked


@pytest.mark.django_db
def test_codes_are_worded_in_the_readers_language_where_they_are() -> None:
    assignment = make_asked()
    code = Code.objects.get(key="hope")
    code.definition = "The participant hopes."
    code.examples = [
        {"text": "I hope", "language": "en"},
        {"text": "آمل", "language": "ar"},
    ]
    code.save()
    Wording.objects.create(code=code, language="ar", texts={"label": "أمل"})
    Wording.objects.create(
        dimension=Dimension.objects.get(key="topics"), language="ar", texts={"label": "مواضيع"}
    )
    topics = question(assignment, "ar-eg").dimensions[0]
    assert (topics.label.text, topics.label.language) == ("مواضيع", "ar")
    hope, worry = topics.codes
    assert (hope.label.text, hope.label.language) == ("أمل", "ar")
    assert (hope.definition.text, hope.definition.language) == ("The participant hopes.", "en")
    assert [example.text for example in hope.examples] == ["I hope"]
    assert (worry.label.text, worry.label.language) == ("Worry", "en")
    assert question(assignment, "de").dimensions[0].codes[0].label.text == "Hope"


@pytest.mark.django_db
def test_an_answer_is_kept_with_its_evidence_in_code_points() -> None:
    assignment = make_asked()
    coding = answer(assignment, COMPLETE)
    assert coding.dimensions == ["topics", "stance", "trust"]
    marks = {mark.code.key: mark for mark in coding.marks.all()}
    assert set(marks) == {"hope", "for", "trust"}  # what does not apply needs no mark
    assert marks["trust"].value == 70
    evidence = marks["hope"].evidence.get()
    assert ARABIC[evidence.start : evidence.end] == "نعم"
    assert evidence.found == "exact"
    assignment.refresh_from_db()
    assert assignment.coding == coding
    assert assignment.answered_at is not None


@pytest.mark.django_db
def test_answering_twice_the_same_is_one_answer() -> None:
    assignment = make_asked()
    coding = answer(assignment, COMPLETE)
    rows = list(Mark.objects.values()), list(Evidence.objects.values())
    at = Assignment.objects.get().answered_at
    assert answer(assignment, COMPLETE) == coding
    assert (list(Mark.objects.values()), list(Evidence.objects.values())) == rows
    assert Assignment.objects.get().answered_at == at
    assert Coding.objects.count() == 1


@pytest.mark.django_db
def test_a_different_answer_takes_the_place_of_ones_own() -> None:
    assignment = make_asked()
    first = answer(assignment, COMPLETE)
    second = answer(assignment, Answers(decided=REST, left=TOPICS))
    assert second.pk == first.pk
    assert second.dimensions == ["stance", "trust"]
    assert not Mark.objects.exists()
    assert Coding.objects.count() == 1


@pytest.mark.django_db
def test_an_answer_that_was_ruled_on_stays() -> None:
    assignment = make_asked()
    answer(assignment, COMPLETE)
    lead = make_person("lead")
    Ruling.objects.create(item=assignment.item, code=Code.objects.get(key="hope"), by=lead)
    assert answer(assignment, COMPLETE).marks.count() == 3  # the same again is no change
    with pytest.raises(Problem, match="compared and settled"):
        answer(assignment, Answers(left=ALL))
    assert Mark.objects.count() == 3


@pytest.mark.django_db
def test_of_many_codes_without_an_answer_a_few_are_named() -> None:
    study = make_study()
    make_revision(study, [f"c{number}" for number in range(9)])
    make_segment("I hope.", study)
    make_person("mara", study)
    assignment = draw_sample(study, size=1, coders=["mara"], seed=1).items.get().assignments.get()
    with pytest.raises(Problem, match=r"without an answer: 8, among them C0, C2, C3, C4, C5\."):
        answer(assignment, Answers((Said("topics", "c1", "no"),), TOPICS))


@pytest.mark.django_db
def test_ones_own_answer_comes_back_as_it_was() -> None:
    assignment = make_asked()
    partly = Answers(
        (Said("topics", "hope", "unsure"), Said("topics", "worry", "no"), Said("stance", "for")),
        decided=frozenset({"stance"}),
        left=frozenset({"topics", "trust"}),
        note="hard to say",
    )
    answer(assignment, partly)
    assert question(Assignment.objects.get()).answered == partly


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (Answers((Said("topics", "joy"),), ALL), "“Topics” has no code “joy”"),
        (Answers((Said("planets", "hope"),), ALL), "no dimension “planets”"),
        (Answers(decided=ALL | {"planets"}), "no dimension “planets”"),
        (Answers((Said("topics", "hope", "maybe"),), ALL), "yes, no or unsure"),
        (Answers((Said("topics", "hope"),), ALL), "without an answer yet: Worry"),
        (Answers(YES_TO_HOPE, frozenset({"topics"})), "“Stance” has no answer yet"),
        (
            Answers((*YES_TO_HOPE, Said("stance", "for"), Said("stance", "against")), ALL),
            "takes one code, not 2",
        ),
        (Answers((Said("trust", "trust", value=101),), REST, TOPICS), "a value from 0 to 100"),
        (
            Answers((Said("trust", "trust", value=float("nan")),), REST, TOPICS),
            "a value from 0 to 100",
        ),
        (Answers((Said("trust", "trust"),), REST, TOPICS), "a value from 0 to 100"),
        (Answers((Said("stance", "for", value=1.0),), REST, TOPICS), "no scale"),
        (Answers((Said("topics", "hope"), Said("topics", "hope", "no")), ALL), "answered twice"),
        (Answers((Said("topics", "hope", passages=((0, 4),)),), ALL), "not within one turn"),
        (Answers((Said("topics", "hope", passages=((20, 30),)),), ALL), "not within one turn"),
        (Answers((Said("topics", "hope", passages=((14, 14),)),), ALL), "not within one turn"),
        (Answers((Said("topics", "hope", "no", None, ((11, 14),)),), ALL), "answered with no"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(answers: Answers, sentence: str) -> None:
    assignment = make_asked()
    with pytest.raises(Problem, match=sentence):
        answer(assignment, answers)
    assert not Coding.objects.exists()
    assert Assignment.objects.get().answered_at is None


@pytest.mark.django_db
def test_skipping_needs_a_reason_and_leads_on() -> None:
    sample = make_drawn(2, coders=["mara"])
    mara = User.objects.get(username="mara")
    first = next_question(sample, mara)
    assert first is not None
    assignment = Assignment.objects.get(pk=first.assignment)
    with pytest.raises(Problem, match="why you skip"):
        skip(assignment, "  ")
    skip(assignment, "not a language I read")
    second = next_question(sample, mara)
    assert second is not None
    assert (second.position, second.of) == (2, 2)
    stand = progress(sample)
    assert (stand.answered, stand.skipped, stand.open) == (0, 1, 1)
    answer(assignment, COMPLETE)  # thought better of
    assert progress(sample).skipped == 0


@pytest.mark.django_db
def test_named_coders_get_their_own_items_and_nobody_elses() -> None:
    sample = make_drawn(6, coders=["mara", "tomas"], overlap=0.5)
    for name in ("mara", "tomas", "stranger"):
        person = User.objects.filter(username=name).first() or make_person(name, sample.study)
        assert len(answer_all(sample, person)) == Assignment.objects.filter(person=person).count()
    stand = progress(sample)
    assert (stand.items, stand.wanted, stand.answered, stand.complete) == (6, 9, 9, 6)
    assert sum(done for done, _asked in stand.by_coder.values()) == 9
    assert set(stand.by_coder) == {"mara", "tomas"}


@pytest.mark.django_db
def test_the_pool_gives_each_item_as_many_coders_as_it_wants() -> None:
    sample = make_drawn(5, overlap=0.4)
    people = [make_person(f"coder {number}", sample.study) for number in range(3)]
    answered = [pk for person in people for pk in answer_all(sample, person)]
    assert len(answered) == 7
    for item in sample.items.all():
        assert item.assignments.count() == item.coders_wanted
    assert [next_question(sample, person) for person in people] == [None, None, None]


@pytest.mark.django_db
def test_an_abandoned_item_goes_to_somebody_else_and_a_late_answer_stays_as_a_draft() -> None:
    sample = make_drawn(1)
    away, here = make_person("away", sample.study), make_person("here", sample.study)
    first = next_question(sample, away)
    assert first is not None
    assert next_question(sample, here) is None
    Assignment.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    second = next_question(sample, here)
    assert second is not None
    late = Assignment.objects.get(pk=first.assignment)
    with pytest.raises(Gone, match="kept as your draft"):
        submit(late, COMPLETE, draft={"answers": {"note": "hard to say"}})
    assert not Coding.objects.exists()
    late.refresh_from_db()
    assert late.draft == {"answers": {"note": "hard to say"}}
    skip(Assignment.objects.get(pk=second.assignment), "known")
    assert submit(late, COMPLETE).coding  # there is a seat again
    assert sample.items.get().assignments.filter(coding__isnull=False).count() == 1


@pytest.mark.django_db
def test_a_skipped_item_of_the_pool_goes_to_somebody_else() -> None:
    sample = make_drawn(1)
    one, other = make_person("one", sample.study), make_person("other", sample.study)
    asked = next_question(sample, one)
    assert asked is not None
    skip(Assignment.objects.get(pk=asked.assignment), "I know this person")
    assert next_question(sample, one) is None
    assert next_question(sample, other) is not None


@pytest.mark.django_db
def test_an_answer_segment_is_shown_in_its_interview() -> None:
    study = make_study()
    make_revision(study)
    segment = make_segment(
        "What? This. And? That.",
        study,
        turns=[
            [0, 5, "", "interviewer"],
            [6, 11, "", "participant"],
            [12, 16, "", "interviewer"],
            [17, 22, "", "participant"],
        ],
    )
    segment.start, segment.end = 17, 22
    segment.save()
    sample = draw_sample(study, size=1, coders=["mara"], seed=1)
    assignment = Assignment.objects.get(item__sample=sample)
    assert [turn.asked for turn in question(assignment).turns] == [False, False, False, True]
    said = (Said("topics", "hope", passages=((6, 10),)), Said("topics", "worry", "no"))
    with pytest.raises(Problem, match="not within one turn"):
        answer(assignment, Answers(said, frozenset({"topics"})))


@pytest.mark.django_db
def test_an_assignment_is_found_by_its_own_coder_in_its_own_study_only() -> None:
    assignment = make_asked()
    study: Study = assignment.item.sample.study
    assert assignment_of(study, assignment.pk, assignment.person) == assignment
    assert assignment_of(study, assignment.pk, make_person()) is None
    assert assignment_of(make_study(), assignment.pk, assignment.person) is None


@pytest.mark.django_db(transaction=True)
def test_no_item_gets_a_coder_too_many_however_many_ask_at_once() -> None:
    sample = make_drawn(12, overlap=0.5)
    people = [make_person(f"coder {number}", sample.study) for number in range(6)]

    def work(person: User) -> int:
        try:
            return len(answer_all(sample, person))
        finally:
            connection.close()

    # Each coder has two tabs open.
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(work, people * 2))
    for item in sample.items.all():
        assert item.assignments.count() == item.coders_wanted
        assert item.assignments.filter(coding=None).count() == 0
    assert Coding.objects.count() == 18
    assert max(Counter(Coding.objects.values_list("segment", "person")).values()) == 1


def answer_all(sample: Sample, person: User) -> list[int]:
    answered = []
    while (asked := next_question(sample, person)) is not None:
        assert isinstance(asked, Question)
        answer(Assignment.objects.get(pk=asked.assignment), COMPLETE)
        answered.append(asked.assignment)
    return answered


@pytest.mark.django_db
def test_the_next_question_takes_few_queries(django_assert_max_num_queries: Any) -> None:
    sample = make_drawn(30, overlap=0.5)
    person = make_person("coder", sample.study)
    Revision.objects.get()
    with django_assert_max_num_queries(22):
        next_question(sample, person)
