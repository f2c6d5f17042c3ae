"""Rows become arrays without losing the difference between no, unsure and not looked at."""

import numpy as np
import pytest
from django.contrib.auth.models import User

from codebooks.models import Code, Revision
from coding.models import Coding, Evidence, Mark, Run, Work
from reviews.evidence_tables import load_quotations
from reviews.models import Item, Ruling
from reviews.tables import (
    attribute_names,
    load_domain,
    load_drawn,
    load_guide,
    load_machine,
    load_people,
    load_progress,
    load_reference,
    load_table,
    load_units,
)
from studies.models import Segment, Study
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_sample,
    make_segment,
    make_study,
)

pytestmark = pytest.mark.django_db


class Small:
    """Four interviews, a codebook with every kind of dimension, a run and two coders."""

    def __init__(self) -> None:
        self.study: Study = make_study()
        self.revision: Revision = make_revision(self.study, one=["calm", "angry"], scale=(0, 100))
        self.segments: list[Segment] = [
            make_segment(
                text, self.study, language=language, attributes={"country": country, "age": 30}
            )
            for text, language, country in (
                ("one", "en", "Kenya"),
                ("zwei", "de", "Austria"),
                ("three", "en", "Kenya"),
                ("vier", "de", "Chile"),
            )
        ]
        self.run: Run = make_run(self.revision)
        self.ann: User = make_person("ann", self.study)
        self.ben: User = make_person("ben", self.study)

    def code(self, name: str) -> Code:
        return Code.objects.get(dimension__revision=self.revision, key=name)


@pytest.fixture
def small() -> Small:
    return Small()


def test_labels_tell_yes_from_no_from_not_coded(small: Small) -> None:
    make_coding(small.segments[0], small.revision, run=small.run, codes=["hope", "calm"])
    make_coding(small.segments[1], small.revision, run=small.run, values={"trust": 70})
    guide, units = load_guide(small.revision), load_units(small.study)
    machine = load_machine(small.run, units, guide)
    assert [code.key for _, code in guide.codes] == ["hope", "worry", "calm", "angry"]
    assert machine.labels.tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [-1] * 4, [-1] * 4]
    assert np.isnan(machine.values[[0, 2, 3], 0]).all()
    assert machine.values[1, 0] == 70


def test_a_refused_or_failed_segment_is_never_a_no(small: Small) -> None:
    Work.objects.create(run=small.run, segment=small.segments[0], state="refused", reason="said no")
    Work.objects.create(run=small.run, segment=small.segments[1], state="failed", reason="broke")
    Work.objects.create(run=small.run, segment=small.segments[2], state="done")
    make_coding(small.segments[2], small.revision, run=small.run)
    guide, units = load_guide(small.revision), load_units(small.study)
    machine = load_machine(small.run, units, guide)
    assert (machine.labels[[0, 1, 3]] == -1).all()
    assert (machine.labels[2] == 0).all()
    progress = load_progress(small.run, units, machine)
    assert [progress.states[at] for at in progress.state] == [
        "refused",
        "failed",
        "done",
        "not coded",
    ]
    assert progress.reasons == (("failed", "broke", 1), ("refused", "said no", 1))


def test_codings_made_elsewhere_are_done_without_rows_of_work(small: Small) -> None:
    make_coding(small.segments[2], small.revision, run=small.run)
    guide, units = load_guide(small.revision), load_units(small.study)
    progress = load_progress(small.run, units, load_machine(small.run, units, guide))
    assert [progress.states[at] == "done" for at in progress.state] == [False, False, True, False]


def test_a_dimension_that_was_not_decided_is_not_known(small: Small) -> None:
    coding = Coding.objects.create(
        segment=small.segments[0],
        revision=small.revision,
        person=small.ann,
        dimensions=["stance"],
    )
    Mark.objects.create(coding=coding, code=small.code("worry"))
    guide, units = load_guide(small.revision), load_units(small.study)
    people = load_people(small.study, small.revision, units, guide)
    assert people.decisions.labels.tolist() == [[-1, 1, 0, 0]]


def test_unsure_is_neither_yes_nor_no_and_is_counted(small: Small) -> None:
    coding = make_coding(small.segments[0], small.revision, person=small.ann)
    Mark.objects.create(coding=coding, code=small.code("hope"), answer="unsure")
    Mark.objects.create(coding=coding, code=small.code("worry"), answer="no")
    guide, units = load_guide(small.revision), load_units(small.study)
    people = load_people(small.study, small.revision, units, guide)
    assert people.decisions.labels.tolist() == [[-1, 0, 0, 0]]
    assert people.unsure.tolist() == [[True, False, False, False]]


def test_people_are_in_the_order_of_segments_and_names_however_rows_came(small: Small) -> None:
    for segment, person, codes in (
        (small.segments[1], small.ben, ["hope"]),
        (small.segments[0], small.ben, []),
        (small.segments[1], small.ann, ["worry"]),
    ):
        make_coding(segment, small.revision, person=person, codes=codes)
    guide, units = load_guide(small.revision), load_units(small.study)
    people = load_people(small.study, small.revision, units, guide)
    assert people.coders == ("ann", "ben")
    assert people.unit.tolist() == [0, 1, 1]
    assert people.coder.tolist() == [1, 0, 1]
    assert people.decisions.labels[:, 0].tolist() == [0, 0, 1]
    applies, looked = people.counts()
    assert applies[:, 0].tolist() == [0, 1]
    assert looked[:, 0].tolist() == [1, 2]
    ratings = people.ratings(people.decisions.labels[:, 0].astype(float))
    assert np.isnan(ratings[0, 0])
    assert ratings[:, 1].tolist() == [0, 1]


def test_people_of_another_revision_do_not_mix(small: Small) -> None:
    other = make_revision(small.study)
    make_coding(small.segments[0], other, person=small.ann, codes=["hope"])
    guide, units = load_guide(small.revision), load_units(small.study)
    assert len(load_people(small.study, small.revision, units, guide).unit) == 0


def test_a_category_needs_exactly_one_code(small: Small) -> None:
    for segment, codes in zip(small.segments, (["angry"], [], ["calm", "angry"]), strict=False):
        make_coding(segment, small.revision, run=small.run, codes=codes)
    guide, units = load_guide(small.revision), load_units(small.study)
    stance = next(question for question in guide.questions if question.key == "stance")
    category = load_machine(small.run, units, guide).categories(stance)
    assert category[:2].tolist() == [1, 2]  # angry; none applies
    assert np.isnan(category[2:]).all()  # two at once; not coded


def test_the_reference_is_the_ruling_else_the_coding_else_the_mean(small: Small) -> None:
    sample = make_sample(small.run, small.segments[:3])
    for person, codes in ((small.ann, ["hope", "calm"]), (small.ben, ["worry", "angry"])):
        for segment in small.segments[:2]:
            make_coding(segment, small.revision, person=person, codes=codes)
    item = Item.objects.get(segment=small.segments[1])
    Ruling.objects.create(item=item, code=small.code("hope"), applies=True, by=small.ann)
    Ruling.objects.create(item=item, code=small.code("angry"), applies=True, by=small.ann)
    guide, units = load_guide(small.revision), load_units(small.study)
    people = load_people(small.study, small.revision, units, guide)
    reference = load_reference(load_drawn(sample, units), people, guide)
    assert reference.labels[0].tolist() == [0.5, 0.5, 0.5, 0.5]
    assert reference.labels[1].tolist() == [1, 0.5, 0, 1]
    assert np.isnan(reference.labels[2]).all()
    assert reference.categories["stance"][0].tolist() == [0.5, 0.5, 0]
    assert reference.categories["stance"][1].tolist() == [0, 1, 0]


def test_a_ruling_on_a_scale_stands_for_the_mean(small: Small) -> None:
    sample = make_sample(small.run, small.segments[:2])
    for person, value in ((small.ann, 20), (small.ben, 60)):
        for segment in small.segments[:2]:
            make_coding(segment, small.revision, person=person, values={"trust": value})
    item = Item.objects.get(segment=small.segments[1])
    Ruling.objects.create(item=item, code=small.code("trust"), value=55, by=small.ann)
    guide, units = load_guide(small.revision), load_units(small.study)
    people = load_people(small.study, small.revision, units, guide)
    assert load_reference(load_drawn(sample, units), people, guide).values.tolist() == [[40], [55]]


def test_where_people_coded_everything_no_sample_is_needed(small: Small) -> None:
    for segment in small.segments[:3]:
        make_coding(segment, small.revision, person=small.ann)
    assert load_table(small.study, small.revision, None, None).drawn is None
    make_coding(small.segments[3], small.revision, person=small.ben)
    drawn = load_table(small.study, small.revision, None, None).drawn
    assert drawn is not None
    assert drawn.inclusion.tolist() == [1, 1, 1, 1]


def test_domains_are_languages_or_attributes(small: Small) -> None:
    make_segment("fem", small.study, language="sv")
    units = load_units(small.study)
    place, names = load_domain(small.study, units, "language")
    assert [names[at] for at in place] == ["en", "de", "en", "de", "sv"]
    place, names = load_domain(small.study, units, "country")
    assert [names[at] for at in place] == ["Kenya", "Austria", "Kenya", "Chile", ""]
    place, names = load_domain(small.study, units, "age")
    assert [names[at] for at in place] == ["30", "30", "30", "30", ""]
    assert attribute_names(small.study) == ["age", "country"]


def test_quotations_are_counted_by_language(small: Small) -> None:
    for segment, found in zip(small.segments, ("exact", "missing", "fuzzy", None), strict=True):
        coding = make_coding(segment, small.revision, run=small.run, codes=["hope"])
        if found:
            place = (None, None) if found == "missing" else (0, 3)
            Evidence.objects.create(
                mark=coding.marks.get(), found=found, start=place[0], end=place[1]
            )
    units = load_units(small.study)
    quotations = load_quotations(small.run, units, load_guide(small.revision))
    by_language = {
        language: dict(zip(quotations.found, counts.tolist(), strict=True))
        for language, counts in zip(units.languages, quotations.counts, strict=True)
    }
    assert by_language["en"] == {
        "exact": 1,
        "folded": 0,
        "fuzzy": 1,
        "interviewer": 0,
        "missing": 0,
    }
    assert by_language["de"]["missing"] == 1
    assert dict(zip(units.languages, quotations.without.tolist(), strict=True)) == {
        "de": 1,
        "en": 0,
    }


def test_loading_takes_few_queries_and_no_text(
    small: Small, django_assert_max_num_queries: object
) -> None:
    for segment in small.segments:
        make_coding(segment, small.revision, run=small.run, codes=["hope"])
        make_coding(segment, small.revision, person=small.ann, codes=["hope"])
    sample = make_sample(small.run, small.segments)
    with django_assert_max_num_queries(16) as captured:  # type: ignore[operator]
        load_table(small.study, small.revision, small.run, sample)
    assert not [query for query in captured.captured_queries if '"text"' in query["sql"]]
