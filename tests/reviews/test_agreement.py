"""Agreement per pair, group and dimension, and what rulings change beside the headline."""

from typing import Any

import krippendorff
import numpy as np
import pytest

from codebooks.models import Code, Revision
from coding.models import Coding, Evidence, Mark
from reviews.models import Item, Ruling
from studies.models import Segment, Study, Transcript
from tests.factories import make_person, make_revision, make_run, make_sample, make_study
from tests.reviews.test_reports import (
    many_codings,
    many_segments,
    reported,
    row,
    two_coders,
)

pytestmark = pytest.mark.django_db


def three_coders() -> Study:
    """Return a study that ann and ben coded, and cem the first half of."""
    study = two_coders([[40, 6], [4, 50]])
    revision = Revision.objects.get(codebook__study=study)
    segments = list(Segment.objects.filter(transcript__study=study).order_by("pk"))
    codes = [["hope"] if n >= 45 else [] for n in range(0, 100, 2)]
    many_codings(segments[::2], revision, codes, person=make_person("cem", study))
    return study


def matrix(study: Study) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return who said that "hope" applies, coders × segments, from the rows and nothing else."""
    segments = list(
        Segment.objects.filter(transcript__study=study).order_by("pk").values_list("pk", flat=True)
    )
    people = sorted(set(Coding.objects.by_people().values_list("person_id", flat=True)))
    found = np.full((len(people), len(segments)), np.nan)
    for coding in Coding.objects.by_people():
        applies = coding.marks.filter(code__key="hope").exists()
        assert coding.person_id is not None
        found[people.index(coding.person_id), segments.index(coding.segment_id)] = applies
    return found


def test_every_pair_of_three_coders_has_its_own_alpha_and_kappa() -> None:
    study = three_coders()
    found = reported(study)
    said = matrix(study)
    names = ["ann", "ben", "cem"]
    pairs = {(0, 1): 100, (0, 2): 50, (1, 2): 50}
    for (first, second), units in pairs.items():
        pair = [f"{names[first]}-{study.slug}" if first < 2 else "cem",
                f"{names[second]}-{study.slug}" if second < 2 else "cem"]  # fmt: skip
        one = row(found["agreement_pairs"], pair=pair, code="hope")
        theirs = krippendorff.alpha(said[[first, second]], level_of_measurement="nominal")
        assert one["estimate"] == pytest.approx(theirs, abs=1e-10)
        assert (one["units"], one["coders"]) == (units, 2)
        assert one["cohen"] == one["kappa"] is not None
        counts = one["counts"]
        assert counts["both"] + counts["only_a"] + counts["only_b"] + counts["neither"] == units
    headline = row(found["agreement"], code="hope", language=None)
    assert headline["estimate"] == pytest.approx(krippendorff.alpha(said), abs=1e-10)
    assert headline["pair"] is None
    assert headline["cohen"] is None
    assert headline["fleiss"] == headline["kappa"]


def test_two_coders_alone_are_the_headline() -> None:
    found = reported(two_coders([[40, 6], [4, 50]]))
    one = row(found["agreement_pairs"], code="hope")
    other = row(found["agreement"], code="hope", language=None)
    assert {**one, "pair": None} == other
    assert one["cohen"] == pytest.approx((0.9 - 0.5048) / (1 - 0.5048))
    # Of two coders Fleiss' kappa is Scott's pi: one set of margins for both.
    p = np.array([[40, 6], [4, 50]]) / 100
    mean = (p.sum(axis=0) + p.sum(axis=1)) / 2
    chance = (mean**2).sum()
    assert one["fleiss"] == pytest.approx((np.trace(p) - chance) / (1 - chance))


def test_agreement_by_attribute_is_that_of_the_group_alone() -> None:
    study = three_coders()
    found = reported(study, by=["country"])
    said = matrix(study)
    for place, country in enumerate(("C0", "C1")):
        one = row(found["agreement_by"], domain={"country": country}, code="hope")
        own = said[:, place::2]
        assert one["estimate"] == pytest.approx(krippendorff.alpha(own), abs=1e-10)
        assert one["units"] == 50
    assert not any(one["domain"] for one in found["agreement"])
    assert reported(study)["agreement_by"] == []


def test_groups_of_fewer_than_twenty_segments_have_no_agreement() -> None:
    study = two_coders([[9, 1], [1, 20]])
    assert reported(study, by=["country"])["agreement_by"] == []


def test_sets_scales_and_categories_have_rows_of_their_own() -> None:
    study = make_study()
    revision = make_revision(study, one=["calm", "angry"], scale=(0, 10))
    segments = many_segments(study, 60)
    rng = np.random.default_rng(1)
    truth = rng.random(60) < 0.5
    values = []
    for name in ("ann", "ben"):
        flip = rng.random(60) < 0.1
        codes = [
            [*(["hope"] if yes ^ other else []), "calm" if yes else "angry"]
            for yes, other in zip(truth, flip, strict=True)
        ]
        many_codings(segments, revision, codes, person=make_person(name, study))
        values.append(np.clip(np.round(5 + 3 * truth + rng.normal(0, 1, 60)), 0, 10))
    trust = Code.objects.get(dimension__revision=revision, key="trust")
    for person, said in zip(("ann", "ben"), values, strict=True):
        codings = Coding.objects.filter(person__username=person).order_by("segment_id")
        Mark.objects.bulk_create(
            Mark(coding=coding, code=trust, value=value)
            for coding, value in zip(codings, said, strict=True)
        )
    found = reported(study)["agreement"]
    scale = row(found, dimension="trust", language=None)
    both = np.array(values)
    interval = krippendorff.alpha(both, level_of_measurement="interval")
    ordinal = krippendorff.alpha(both, level_of_measurement="ordinal")
    assert scale["estimate"] == pytest.approx(interval, abs=1e-10)
    assert scale["ordinal"] == pytest.approx(ordinal, abs=1e-10)
    sets = row(found, dimension="topics", code=None, language=None)
    # One code of two occurs: a set is that code or nothing, however far apart sets lie.
    hope = row(found, code="hope", language=None)
    assert sets["measure"] == "alpha_masi"
    assert sets["estimate"] == pytest.approx(hope["estimate"])
    assert sets["jaccard"] == pytest.approx(hope["estimate"])
    stance = row(found, dimension="stance", code=None, language=None)
    assert np.array(stance["coincidences"]).sum() == pytest.approx(120)
    assert [sum(line) for line in stance["coincidences"]] == [
        row(found, code="calm", language=None)["positives"],
        row(found, code="angry", language=None)["positives"],
        0,
    ]
    assert stance["cohen"] == stance["kappa"]


def test_the_machine_has_sets_and_a_row_beside_each_person() -> None:
    study = two_coders([[40, 6], [4, 50]])
    revision = Revision.objects.get(codebook__study=study)
    segments = list(Segment.objects.filter(transcript__study=study).order_by("pk"))
    codes = [["hope"] if n >= 45 else [] for n in range(100)]
    many_codings(segments, revision, codes, run=make_run(revision))
    found = reported(study)
    sides = {one["between"] for one in found["agreement"] if one["measure"] == "alpha_masi"}
    assert sides == {"humans", "machine-human"}
    for name in ("ann", "ben"):
        pair = ["machine", f"{name}-{study.slug}"]
        one = row(found["agreement_pairs"], pair=pair, code="hope")
        assert (one["units"], one["between"]) == (100, "machine-human")


def ruled() -> tuple[Study, list[Segment]]:
    """Return a study of 100 segments, all of them drawn; ann and ben differ about ten."""
    study = two_coders([[40, 6], [4, 50]])
    revision = Revision.objects.get(codebook__study=study)
    segments = list(Segment.objects.filter(transcript__study=study).order_by("pk"))
    run = make_run(revision)
    many_codings(segments, revision, [["hope"]] * 100, run=run)
    make_sample(run, segments)
    return study, segments


def test_what_was_ruled_stands_beside_agreement_and_never_in_it() -> None:
    study, segments = ruled()
    before = reported(study)
    assert before["agreement_after_discussion"] == []
    lead = make_person("lead", study)
    hope = Code.objects.get(dimension__revision__codebook__study=study, key="hope")
    for segment in segments[40:50]:  # ben said yes to six, ann to four
        item = Item.objects.get(segment=segment)
        Ruling.objects.create(item=item, code=hope, applies=True, by=lead)
    after = reported(study)
    one = row(after["agreement_after_discussion"], code="hope")
    assert (one["coded_twice"], one["disagreed"], one["ruled"]) == (100, 10, 10)
    assert (one["ruled_to_apply"], one["for_a_coder"]) == (10, 4)
    assert (one["for_machine"], one["machine_compared"]) == (10, 10)
    headline = row(after["agreement"], code="hope", between="humans", language=None)
    assert one["before"] == pytest.approx(headline["estimate"])
    assert one["after"] == 1
    assert headline == row(before["agreement"], code="hope", between="humans", language=None)


# ---- passages ----------------------------------------------------------------------------------


def with_passages(shift: int, texts: int = 30) -> Study:
    """Return a study in which ann and ben point to the same ten characters, ben `shift` later."""
    study = make_study()
    revision = make_revision(study)
    segments = many_segments(study, texts, ("en", "de"))
    Transcript.objects.filter(study=study).update(length=100)
    Segment.objects.filter(transcript__study=study).update(end=100)
    codes = [["hope"] if n % 2 else ["hope", "worry"] for n in range(texts)]
    run = make_run(revision)
    for who, later in (("ann", 0), ("ben", shift), (None, 0)):
        by = {"person": make_person(who, study)} if who else {"run": run}
        many_codings(segments, revision, codes, **by)
        marks = Mark.objects.filter(code__key="hope", **{f"coding__{k}": v for k, v in by.items()})
        Evidence.objects.bulk_create(
            Evidence(mark=mark, start=20 + later, end=30 + later, found="exact") for mark in marks
        )
    return study


def test_the_same_passages_agree_entirely() -> None:
    found = reported(with_passages(0))
    one = row(found["passages"], code="hope", between="humans", language=None)
    assert (one["estimate"], one["overlap"], one["status"]) == (1, 1, "ok")
    assert (one["texts"], one["marked"], one["coders"], one["passages"]) == (30, 30, 2, 60)
    machine = row(found["passages"], code="hope", between="machine-human", language=None)
    assert (machine["estimate"], machine["overlap"]) == (1, 1)
    assert machine["texts"] == 30


def test_passages_that_half_meet_overlap_by_a_third_and_agree_less() -> None:
    found = reported(with_passages(5))
    one = row(found["passages"], code="hope", between="humans", language=None)
    assert one["overlap"] == pytest.approx(1 / 3)
    assert 0 < one["estimate"] < 0.6
    # All texts are alike, so that drawing them again changes next to nothing.
    assert one["low"] == pytest.approx(one["estimate"], abs=0.01)
    german = row(found["passages"], code="hope", between="humans", language="de")
    assert german["texts"] == 15


def test_a_code_applied_without_a_passage_is_left_out_and_counted() -> None:
    worry = row(reported(with_passages(0))["passages"], code="worry", between="humans",
                language=None)  # fmt: skip
    # Who denies the code has read the text and marked nothing; who applies it did not point.
    assert (worry["without"], worry["texts"], worry["status"]) == (30, 15, "too_few_passages")


def test_people_who_mark_nothing_have_no_rows_of_passages() -> None:
    found = reported(two_coders([[40, 6], [4, 50]]))
    assert found["passages"] == []
    assert found["evidence"]["people"]["exact"] == 0


def test_peoples_evidence_is_counted_beside_the_machines() -> None:
    found = reported(with_passages(0))["evidence"]
    assert (found["exact"], found["people"]["exact"]) == (30, 60)
    assert found["people"]["without"] == 30
    assert found["people"]["by_language"]["de"]["exact"] == 30
