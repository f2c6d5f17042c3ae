"""The machine against people, as the report has it: from rows to scores, tests and the alt-test."""

import numpy as np
import pytest
from django.core.cache import cache
from sklearn.metrics import confusion_matrix

from codebooks.models import Revision
from coding.models import Coding, Mark
from reviews.sampling import draw_sample
from studies.models import Study
from tests.factories import make_person, make_revision, make_run, make_sample, make_study
from tests.reviews.test_prevalence import coded_by_machine, reviewed
from tests.reviews.test_reports import many_codings, many_segments, published, reported, row

pytestmark = pytest.mark.django_db


def test_scores_of_data_time_are_those_of_its_table() -> None:
    found = reported(published())["machine"]
    one = row(found["accuracy"], code="hope", domain={})
    assert (one["both"], one["machine_only"], one["people_only"], one["neither"]) == (
        184,
        174,
        79,
        63,
    )
    # 2,110 machine-positives and 890 machine-negatives, of which 358 and 142 were reviewed.
    hits, missed = 2110 * 184 / 358, 890 * 79 / 142
    assert one["precision"] == pytest.approx(184 / 358)
    assert one["recall"] == pytest.approx(hits / (hits + missed))
    right_no = 890 - missed
    assert one["specificity"] == pytest.approx(right_no / (right_no + 2110 - hits))
    assert one["f1"] == pytest.approx(2 * hits / (2110 + hits + missed))
    assert (one["of"], one["status"], one["reviewed"]) == ("sample", "ok", 500)
    languages = [one for one in found["accuracy"] if one["domain"]]
    assert {one["domain"]["language"] for one in languages} == {"de", "en"}
    assert sum(one["reviewed"] for one in languages) == 500


def test_without_a_sample_scores_are_of_what_people_coded_and_say_so() -> None:
    study, segments, truth = coded_by_machine(100)
    revision = Revision.objects.get(codebook__study=study)
    codes = [["hope"] if yes else [] for yes in truth[:60]]
    many_codings(segments[:60], revision, codes, person=make_person("ann", study))
    one = row(reported(study)["machine"]["accuracy"], code="hope", domain={})
    assert (one["of"], one["reviewed"]) == ("study", 60)
    machine = np.zeros(100, bool)
    for coding in study.runs.get().codings.all():
        place = [segment.pk for segment in segments].index(coding.segment_id)
        machine[place] = coding.marks.exists()
    people = np.array(truth[:60])
    assert one["recall"] == pytest.approx((machine[:60] & people).sum() / people.sum())


def test_codes_mixed_up_stand_in_the_confusion_of_their_dimension() -> None:
    study = make_study()
    revision = make_revision(study, one=["calm", "angry"])
    segments = many_segments(study, 60)
    rng = np.random.default_rng(2)
    said, truth = rng.integers(0, 3, (2, 60))
    keys = [["calm"], ["angry"], []]
    run = make_run(revision)
    many_codings(segments, revision, [keys[one] for one in said], run=run)
    make_sample(run, segments)
    ann = make_person("ann", study)
    many_codings(segments, revision, [keys[one] for one in truth], person=ann)
    one = row(reported(study)["machine"]["confusion"], dimension="stance")
    assert one["codes"] == ["calm", "angry", None]
    assert np.array(one["counts"])[:3].tolist() == confusion_matrix(said, truth).tolist()
    topics = row(reported(study)["machine"]["confusion"], dimension="topics")
    assert topics["codes"] == ["hope", "worry"]
    assert topics["reviewed"] == 60


def test_confidence_is_held_against_what_people_say() -> None:
    study, segments, truth = coded_by_machine()
    nothing = reported(study)["machine"]["calibration"]
    assert nothing == []
    reviewed(draw_sample(study, size=200, seed=1), segments, truth, "ann")
    silent = row(reported(study)["machine"]["calibration"], code="hope")
    assert (silent["status"], silent["stated"]) == ("no_confidence", 0)
    Mark.objects.filter(coding__run__study=study).update(confidence=0.95)
    cache.clear()  # what a machine said never changes, and so the report does not look at it again
    one = row(reported(study)["machine"]["calibration"], code="hope")
    scores = row(reported(study)["machine"]["accuracy"], code="hope", domain={})
    assert one["status"] == "ok"
    assert one["stated"] == scores["both"] + scores["machine_only"]
    [bar] = one["bins"]
    assert (bar["low"], bar["high"], bar["confidence"]) == (0.9, 1, pytest.approx(0.95))
    assert bar["right"] == pytest.approx(scores["precision"])
    assert one["error"] == pytest.approx(abs(0.95 - scores["precision"]))


def worse_in_german() -> Study:
    """Return a study whose machine invents "hope" in German, and is right in English."""
    study = make_study()
    revision = make_revision(study)
    segments = many_segments(study, 400, ("en", "de"))
    rng = np.random.default_rng(5)
    truth = rng.random(400) < 0.3
    invented = (rng.random(400) < 0.4) & (np.arange(400) % 2 == 1)
    run = make_run(revision)
    many_codings(segments, revision, [["hope"] if y else [] for y in truth | invented], run=run)
    sample = draw_sample(study, size=240, strata=["language"], seed=1)
    reviewed(sample, segments, truth.tolist(), "ann")
    return study


def test_a_machine_worse_in_one_language_is_told_by_the_test() -> None:
    tests = reported(worse_in_german())["machine"]["error_tests"]
    one = row(tests, code="hope", by="language", cell="machine-positive")
    assert one["p_value"] < 0.01
    assert one["p_value"] <= one["p_bh"] <= one["p_holm"] < 0.05
    assert one["groups"] == ["de", "en"]
    assert 0.3 < abs(one["difference"]) < one["bound"]
    other = row(tests, code="hope", by="language", cell="machine-negative")
    assert (other["p_value"], other["errors"]) == (1, 0)
    # No error there: what may be said is how large a difference is not excluded.
    assert 0 < other["bound"] < 0.15
    silent = row(tests, code="worry", by="language", cell="machine-positive")
    assert (silent["status"], silent["p_value"]) == ("too_few", None)


def test_errors_are_tested_by_every_attribute_that_is_asked_for() -> None:
    study = worse_in_german()
    tests = reported(study, by=["country"])["machine"]["error_tests"]
    assert {one["by"] for one in tests} == {"language", "country"}


def four_coders(base: float) -> Study:
    """Return a study of 60 segments that four people and a good machine coded."""
    study = make_study()
    revision = make_revision(study, many=["hope"])
    segments = many_segments(study, 60)
    rng = np.random.default_rng(6)
    truth = rng.random(60) < base
    for who in ("ann", "ben", "cem", "dan", None):
        wrong = rng.random(60) < (0.08 if who else 0.03)
        by = {"person": make_person(who, study)} if who else {"run": make_run(revision)}
        many_codings(segments, revision, [["hope"] if y else [] for y in truth ^ wrong], **by)
    return study


def test_the_machine_may_replace_a_person_where_the_baselines_may_not() -> None:
    one = row(reported(four_coders(0.5))["machine"]["replacing"], code="hope")
    assert (one["status"], one["coders"]) == ("ok", ["ann", "ben", "cem", "dan"])
    assert one["passes"] is True
    assert one["never_passes"] is one["majority_passes"] is False
    assert one["units"] == [60] * 4


def test_a_rare_code_that_nobody_needs_to_find_tells_nothing() -> None:
    one = row(reported(four_coders(0.03))["machine"]["replacing"], code="hope")
    assert (one["status"], one["never_passes"]) == ("baseline_passes", True)


def test_two_coders_are_too_few_to_replace_one() -> None:
    study = four_coders(0.5)
    Coding.objects.filter(person__username__in=["cem", "dan"]).delete()
    one = row(reported(study)["machine"]["replacing"], code="hope")
    assert (one["status"], one["passes"]) == ("too_few_coders", None)


def test_without_people_or_machine_nothing_is_said_of_either() -> None:
    study, _segments, _truth = coded_by_machine(50)
    found = reported(study)["machine"]
    assert all(rows == [] for rows in found.values())
