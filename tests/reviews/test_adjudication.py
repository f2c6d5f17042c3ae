"""Disagreements are found and weighed; rulings stand beside the codings, which stay."""

import numpy as np
import pytest
from django.contrib.auth.models import User

from codebooks.models import Code
from coding.models import Answer, Coding, Evidence, Mark
from reviews.adjudication import (
    Case,
    after_discussion,
    cases,
    chosen,
    history,
    opinions,
    pairs,
    rule,
    verdict,
)
from reviews.agreement import agreement_rows
from reviews.models import Assignment, Item, Ruling, Sample
from reviews.reviewing import waits
from reviews.sampling import continue_sample, draw_sample
from reviews.tables import load_reviewed, load_table
from studies.models import Event, Role, Segment, Study
from studies.problems import Problem
from tests.factories import make_coding, make_person, make_revision, make_segment

pytestmark = pytest.mark.django_db

ANA, BEN = "ana", "ben"


def made(count: int = 24, size: int | None = None) -> tuple[Study, list[Segment]]:
    """Return a study with a drawn sample of all, for ana and ben, and a lead."""
    revision = make_revision(one=("for", "against"), scale=(0, 100))
    study = revision.codebook.study
    segments = [
        make_segment(
            f"I hope {number}.",
            study,
            external_id=f"t{number:02}",
            language="en" if number % 2 else "ar",
        )
        for number in range(count)
    ]
    for name in (ANA, BEN):
        make_person(name, study)
    make_person("lea", study, Role.LEAD)
    draw_sample(study, size=size or count, coders=[ANA, BEN], overlap=1, seed=1)
    return study, segments


def code(study: Study, key: str) -> Code:
    return Code.objects.get(key=key, dimension__revision__codebook__study=study)


def says(
    study: Study,
    name: str,
    segment: Segment,
    *codes: str,
    unsure: str = "",
    trust: float | None = None,
) -> Coding:
    """Let a person answer: `codes` apply, one may be unsure."""
    sample = study.samples.latest("pk")
    person = User.objects.get(username=name)
    values = {} if trust is None else {"trust": trust}
    coding = make_coding(segment, sample.revision, person=person, codes=codes, values=values)
    if unsure:
        Mark.objects.create(coding=coding, code=code(study, unsure), answer=Answer.UNSURE)
    Assignment.objects.filter(item__segment=segment, person=person).update(
        coding=coding, answered_at=coding.created_at
    )
    return coding


def both_say(study: Study, segments: list[Segment]) -> None:
    """Let both answer everything: hope applies to every second one, and they differ on three."""
    for number, segment in enumerate(segments):
        codes = ["hope"] if number % 2 else []
        stance = "against" if number == 3 else "for"
        says(study, ANA, segment, *codes, "for", trust=50)
        mine = ["hope"] if number in (0, 1) or (number % 2 and number != 5) else []
        says(study, BEN, segment, *mine, stance, unsure="worry" if number == 7 else "", trust=55)


def sample_of(study: Study) -> Sample:
    found: Sample = study.samples.latest("pk")
    return found


def lead() -> User:
    return User.objects.get(username="lea")


def item_of(study: Study, segment: Segment) -> Item:
    found: Item = sample_of(study).items.get(segment=segment)
    return found


def named(found: list[Case]) -> set[tuple[str, str, str | None]]:
    return {(case.interview, case.dimension, case.code) for case in found}


def test_every_disagreement_is_found_and_no_agreement_is() -> None:
    study, segments = made()
    both_say(study, segments)
    found = cases(sample_of(study))
    assert named(found) == {
        ("t00", "topics", "hope"),
        ("t05", "topics", "hope"),
        ("t03", "stance", None),
        ("t07", "topics", "worry"),
    }
    by = {case.interview: case for case in found}
    assert {opinion.name: opinion.said for opinion in by["t00"].opinions} == {ANA: "no", BEN: "yes"}
    assert {opinion.name: opinion.said for opinion in by["t03"].opinions} == {
        ANA: "for",
        BEN: "against",
    }
    assert {opinion.name: opinion.said for opinion in by["t07"].opinions} == {
        ANA: "no",
        BEN: "unsure",
    }
    assert by["t07"].unsure
    assert not by["t00"].unsure


def test_values_differ_where_they_are_far_apart_or_one_is_not_expressed() -> None:
    study, segments = made(4)
    for segment, one, other in zip(segments, [10, 10, 10, None], [20, 21, None, None], strict=True):
        says(study, ANA, segment, trust=one)
        says(study, BEN, segment, trust=other)
    found = {case.interview: case for case in cases(sample_of(study)) if case.dimension == "trust"}
    assert set(found) == {"t01", "t02"}  # ten of a hundred is near enough
    assert found["t02"].unsure
    assert {one.said for one in found["t02"].opinions} == {10, ""}
    assert found["t01"].shift == pytest.approx(5.5 / 100 / 4)


def test_the_weight_is_what_alpha_gains_and_what_the_share_can_move() -> None:
    study, segments = made()
    both_say(study, segments)
    sample = sample_of(study)
    first = next(case for case in cases(sample) if case.interview == "t00")
    table = load_reviewed([sample])
    rows = {row.code: row for row in agreement_rows(table, 1, 1).rows if row.language is None}
    gains = []
    for said in ("yes", "no"):
        rule(
            item_of(study, segments[0]), lead(), dimension="topics", code="hope", said=said, why="x"
        )
        after = after_discussion(sample, load_reviewed([sample]), 1, 1)
        gains.append(
            next(row.estimate for row in after if row.code == "hope") - rows["hope"].estimate
        )
    assert first.gain == pytest.approx(np.mean(gains))
    # Half said yes: a ruling moves the share by a half, of one interview in 24.
    assert first.shift == pytest.approx(0.5 / 24)
    assert first.weight == first.gain + first.shift


def test_an_interview_that_was_unlikely_to_be_drawn_moves_the_share_more() -> None:
    study, segments = made()
    both_say(study, segments)
    Item.objects.filter(segment=segments[5]).update(inclusion=0.1)
    found = chosen(cases(sample_of(study)), code="topics/hope")
    assert [case.interview for case in found] == ["t05", "t00"]
    assert found[0].shift == pytest.approx(10 * found[1].shift)
    every = cases(sample_of(study))
    assert chosen(every, sort="order", status="all") == every
    assert [case.position for case in every] == sorted(case.position for case in every)


def test_cases_are_chosen_by_code_language_pair_and_whether_they_are_ruled() -> None:
    study, segments = made()
    both_say(study, segments)
    every = cases(sample_of(study))
    assert named(chosen(every, language="ar")) == {("t00", "topics", "hope")}
    assert named(chosen(every, code="stance")) == {("t03", "stance", None)}
    assert len(chosen(every, pair=(ANA, BEN))) == 4
    assert chosen(every, pair=(ANA, "col")) == []
    assert chosen(every)[-1].unsure
    rule(
        item_of(study, segments[3]), lead(), dimension="stance", code="for", said="yes", why="it is"
    )
    every = cases(sample_of(study))
    assert named(chosen(every, status="ruled")) == {("t03", "stance", None)}
    assert len(chosen(every, status="all")) == 4


def test_who_said_what_comes_with_evidence() -> None:
    study, segments = made(3)
    says(study, ANA, segments[0])
    coding = says(study, BEN, segments[0], "hope")
    mark = coding.marks.get()
    Evidence.objects.create(mark=mark, start=2, end=6, found="exact")
    hope = code(study, "hope")
    told = opinions(item_of(study, segments[0]), hope.dimension, hope)
    assert [(one.name, one.said, one.passages) for one in told] == [
        (ANA, "no", ()),
        (BEN, "yes", ((2, 6),)),
    ]


def test_a_ruling_stands_beside_the_codings_and_can_be_changed_with_its_history() -> None:
    study, segments = made()
    both_say(study, segments)
    marks = list(Mark.objects.order_by("pk").values_list("pk", "answer"))
    item, hope = item_of(study, segments[0]), code(study, "hope")
    first = rule(item, lead(), dimension="topics", code="hope", said="yes", why="“hope” is said")
    assert first is not None
    assert (first.said, first.by, first.why) == ("yes", "lea", "“hope” is said")
    rule(item, lead(), dimension="topics", code="hope", said="yes", why="“hope” is said")
    assert Event.objects.filter(action="ruled").count() == 1  # the same again is nothing new
    rule(item, lead(), dimension="topics", code="hope", said="unsure", why="too short")
    assert Ruling.objects.get().applies is None
    told = history(item, hope.dimension, hope)
    assert [event.before and event.before["said"] for event in told] == ["yes", None]
    assert told[0].after == {"said": "unsure", "code": None, "value": None, "why": "too short"}
    assert told[0].person == lead()
    rule(item, lead(), dimension="topics", code="hope", said="", why="taken back")
    assert not Ruling.objects.exists()
    assert verdict(item, hope.dimension, hope) is None
    assert len(history(item, hope.dimension, hope)) == 3
    assert list(Mark.objects.order_by("pk").values_list("pk", "answer")) == marks


def test_a_ruling_on_one_of_many_rules_the_others_out() -> None:
    study, segments = made()
    both_say(study, segments)
    item = item_of(study, segments[3])
    found = rule(item, lead(), dimension="stance", code="against", said="yes", why="w")
    assert found is not None
    assert (found.said, found.code) == ("yes", "against")
    assert dict(Ruling.objects.values_list("code__key", "applies")) == {
        "for": False,
        "against": True,
    }
    found = rule(item, lead(), dimension="stance", said="no", why="none of them")
    assert found is not None
    assert (found.said, found.code) == ("no", None)
    assert set(Ruling.objects.values_list("applies", flat=True)) == {False}


def test_rulings_become_the_reference_and_what_cannot_be_told_becomes_nobodys() -> None:
    study, segments = made()
    both_say(study, segments)
    says_what = {
        0: ("topics", "hope", "yes"),
        5: ("topics", "hope", "unsure"),
        3: ("stance", None, "unsure"),
    }
    for number, (dimension, key, said) in says_what.items():
        rule(
            item_of(study, segments[number]),
            lead(),
            dimension=dimension,
            code=key,
            said=said,
            why="w",
        )
    rule(
        item_of(study, segments[8]),
        lead(),
        dimension="trust",
        code="trust",
        said="yes",
        value=80,
        why="w",
    )
    rule(item_of(study, segments[9]), lead(), dimension="trust", code="trust", said="no", why="w")
    sample = sample_of(study)
    table = load_table(study, sample.revision, None, sample)
    assert table.reference is not None
    assert table.drawn is not None
    row = {int(table.units.segment[unit]): place for place, unit in enumerate(table.drawn.unit)}
    labels, shares = table.reference.labels, table.reference.categories["stance"]
    assert labels[row[segments[0].pk], 0] == 1
    assert np.isnan(labels[row[segments[5].pk], 0])
    assert np.isnan(labels[row[segments[3].pk], 2:]).all()
    assert np.isnan(shares[row[segments[3].pk]]).all()
    assert table.reference.values[row[segments[8].pk], 0] == 80
    assert np.isnan(table.reference.values[row[segments[9].pk], 0])


def test_agreement_after_discussion_is_reported_apart() -> None:
    study, segments = made()
    both_say(study, segments)
    sample = sample_of(study)
    table = load_table(study, sample.revision, None, sample)
    assert after_discussion(sample, table, 1, 10) == []
    before = agreement_rows(table, 1, 10).rows
    for number in (0, 5):
        rule(
            item_of(study, segments[number]),
            lead(),
            dimension="topics",
            code="hope",
            said="no",
            why="w",
        )
    table = load_table(study, sample.revision, None, sample)
    assert repr(agreement_rows(table, 1, 10).rows) == repr(before)  # headline stays
    after = {row.code: row for row in after_discussion(sample, table, 1, 10)}
    assert after["hope"].estimate == 1.0
    assert after["hope"].counts is not None
    assert after["hope"].counts.differ == 0
    now = next(row for row in before if row.code == "hope" and row.language is None)
    assert now.estimate < 1
    # The report says the same of it, reckoned in another way.
    told = next(row for row in agreement_rows(table, 1, 10).discussion if row.code == "hope")
    assert (told.before, told.after) == pytest.approx((now.estimate, after["hope"].estimate))
    assert after["for"].counts == next(row for row in before if row.code == "for").counts


def test_what_cannot_be_told_counts_for_nobody_after_discussion() -> None:
    study, segments = made()
    both_say(study, segments)
    sample = sample_of(study)
    rule(
        item_of(study, segments[0]), lead(), dimension="topics", code="hope", said="unsure", why="w"
    )
    after = {row.code: row for row in after_discussion(sample, load_reviewed([sample]), 1, 1)}
    assert after["hope"].units == 23
    assert after["worry"].units == 23  # ben was unsure of one


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"dimension": "topics", "code": "hope", "said": "maybe"}, "applies, does not apply"),
        ({"dimension": "topics", "code": "hope", "said": "yes", "why": " "}, "why it is ruled so"),
        ({"dimension": "nothing", "said": "yes"}, "no dimension “nothing”"),
        ({"dimension": "topics", "code": "trust", "said": "yes"}, "no code “trust”"),
        ({"dimension": "topics", "said": "yes"}, "which code of “Topics” is ruled on"),
        ({"dimension": "stance", "said": "yes"}, "which code of “Stance” holds"),
        ({"dimension": "trust", "code": "trust", "said": "yes"}, "from 0 to 100"),
        ({"dimension": "topics", "code": "hope", "said": "yes", "value": 3.0}, "is no scale"),
    ],
)
def test_what_cannot_be_ruled_is_said(asked: dict[str, object], sentence: str) -> None:
    study, segments = made(3)
    both_say(study, segments)
    with pytest.raises(Problem, match=sentence):
        rule(item_of(study, segments[0]), lead(), **{"why": "w", **asked})  # type: ignore[arg-type]
    assert not Ruling.objects.exists()


def test_there_is_nothing_to_settle_before_two_have_coded() -> None:
    study, segments = made(3)
    says(study, ANA, segments[0], "hope")
    with pytest.raises(Problem, match="Two blind codings"):
        rule(
            item_of(study, segments[0]),
            lead(),
            dimension="topics",
            code="hope",
            said="yes",
            why="w",
        )


def test_a_lead_who_has_still_to_code_blind_rules_nothing() -> None:
    study, segments = made(3)
    both_say(study, segments)
    Assignment.objects.create(item=item_of(study, segments[0]), person=lead())
    assert waits(lead(), study)
    with pytest.raises(Problem, match="code blind yourself"):
        rule(
            item_of(study, segments[1]),
            lead(),
            dimension="topics",
            code="hope",
            said="yes",
            why="w",
        )


def test_earlier_rounds_are_settled_too() -> None:
    study, _ = made(12, size=6)
    first = sample_of(study)
    inside = list(Segment.objects.filter(items__sample=first))
    says(study, ANA, inside[0], "hope")
    says(study, BEN, inside[0])
    second = continue_sample(first, size=3, seed=2)
    assert [case.interview for case in cases(second)] == [inside[0].transcript.external_id]


def test_pairs_are_counted_over_what_both_said() -> None:
    study, segments = made()
    both_say(study, segments)
    [pair] = pairs(load_reviewed([sample_of(study)]))
    assert (pair.first, pair.second) == (ANA, BEN)
    assert pair.met == 24 * 3 - 1  # two codes and a stance each; ben was unsure once
    assert pair.differ == 3


def test_what_was_said_in_training_or_with_help_is_no_disagreement() -> None:
    study, segments = made(3)
    says(study, ANA, segments[0], "hope")
    says(study, BEN, segments[0])
    Coding.objects.filter(person__username=BEN).update(kind="assisted")
    assert cases(sample_of(study)) == []
