"""Prevalence by crossed attributes, in rounds, from interviews, and what stands beside it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from codebooks.models import Code
from coding.models import Coding, Mark
from reviews.differences import difference_rows
from reviews.models import Assignment, Item, Purpose, Ruling, Sample
from reviews.reports import report
from reviews.sampling import continue_sample, draw_sample
from reviews.stats.intervals import wilson
from studies.models import Segment, Study, Transcript
from studies.problems import Problem
from tests.factories import make_person, make_revision, make_run, make_sample, make_study
from tests.reviews.test_reports import (
    REPLICATES,
    many_codings,
    many_segments,
    published,
    reported,
    row,
)

pytestmark = pytest.mark.django_db


def coded_by_machine(count: int = 400, **revision: Any) -> tuple[Study, list[Segment], list[bool]]:
    """Return a study whose machine is right nine times in ten, and what holds."""
    study = make_study()
    made = make_revision(study, **revision)
    segments = many_segments(study, count, ("en", "de"))
    rng = np.random.default_rng(80_508)  # not a sample's seed: it would draw by what holds
    truth = rng.random(count) < 0.4
    wrong = rng.random(count) < 0.1
    codes = [["hope"] if yes else [] for yes in truth ^ wrong]
    many_codings(segments, made, codes, run=make_run(made))
    return study, segments, truth.tolist()


def reviewed(sample: Sample, segments: list[Segment], truth: list[bool], name: str) -> None:
    """Let one person answer all items of `sample` with the truth."""
    holds = {segment.pk: yes for segment, yes in zip(segments, truth, strict=True)}
    asked = [item.segment for item in sample.items.select_related("segment").order_by("segment")]
    codes = [["hope"] if holds[segment.pk] else [] for segment in asked]
    many_codings(asked, sample.revision, codes, person=make_person(name, sample.study))


def test_two_attributes_crossed_have_a_row_for_each_pair_that_occurs() -> None:
    study = published()
    found = reported(study, by=["language*country"])
    rows = [one for one in found["prevalence"] if one["code"] == "hope" and one["domain"]]
    # Languages and countries alternate alike: of four pairs two occur.
    assert [one["domain"] for one in rows] == [
        {"language": "de", "country": "C1"},
        {"language": "en", "country": "C0"},
    ]
    assert sum(one["population"] for one in rows) == 3000
    by_language = reported(study, by=["language"])["prevalence"]
    german = row(by_language, code="hope", domain={"language": "de"})
    same = ("corrected", "low", "high", "reviewed", "positives", "machine")
    assert all(rows[0][name] == german[name] for name in same)
    plain = reported(study)["prevalence"]
    assert plain == [one for one in found["prevalence"] if not one["domain"]]
    with pytest.raises(Problem, match="planet"):
        report(study, by=["language*planet"], replicates=REPLICATES)


def test_the_comparators_of_data_time_are_those_of_ppi_python() -> None:
    hope = row(reported(published())["prevalence"], code="hope", domain={})
    # The machine knows nothing of the truth there: PPI++ leaves it out.
    assert hope["ppi_lam"] == 0
    assert [hope["ppi"], hope["ppi_low"], hope["ppi_high"]] == pytest.approx(
        [0.526, 0.48223317, 0.56976683], abs=1e-7
    )
    assert hope["dsl"] == pytest.approx(hope["corrected"], abs=0.01)
    assert hope["dsl_low"] < hope["dsl"] < hope["dsl_high"]


def test_rare_codes_have_no_doubly_robust_estimate() -> None:
    study, segments, truth = coded_by_machine()
    sample = draw_sample(study, size=60, seed=1)
    reviewed(sample, segments, truth, "ann")
    hope = row(reported(study)["prevalence"], code="hope", domain={})
    assert hope["dsl"] is None
    assert hope["ppi"] is not None


def test_a_second_round_weighs_as_if_both_had_been_drawn_at_once() -> None:
    study, segments, truth = coded_by_machine()
    first = draw_sample(study, size=60, strata=["language"], seed=1)
    reviewed(first, segments, truth, "ann")
    frozen = dict(first.items.values_list("pk", "inclusion"))
    alone = reported(study)
    second = continue_sample(first, size=60, seed=2)
    reviewed(second, segments, truth, "ben")
    both = reported(study)
    assert dict(first.items.values_list("pk", "inclusion")) == frozen
    facts = both["sample"]
    assert (facts["size"], facts["reviewed"], len(facts["rounds"])) == (120, 120, 2)
    assert [one["looked"] for one in facts["rounds"]] == [False, False]
    hope = row(both["prevalence"], code="hope", domain={})
    assert hope["reviewed"] == 120
    assert hope["high"] - hope["low"] < (
        (before := row(alone["prevalence"], code="hope", domain={}))["high"] - before["low"]
    )
    # Thirty and thirty of each language: 60 of 200, whichever round they came in.
    items = Item.objects.filter(sample__in=[first, second])
    people = {segment.pk: yes for segment, yes in zip(segments, truth, strict=True)}
    chosen = [people[item.segment_id] for item in items]
    assert hope["human"] == pytest.approx(np.mean(chosen))
    assert row(reported(study, sample=first.pk)["prevalence"], code="hope", domain={}) == before


def test_a_round_of_more_in_one_stratum_does_not_tilt_the_whole() -> None:
    study, segments, truth = coded_by_machine()
    first = draw_sample(study, size=60, strata=["language"], seed=1)
    reviewed(first, segments, truth, "ann")
    second = continue_sample(first, more={"de": 100}, seed=2)
    reviewed(second, segments, truth, "ben")
    found = reported(study)
    assert [one["looked"] for one in found["sample"]["rounds"]] == [False, True]
    hope = row(found["prevalence"], code="hope", domain={})
    holds = {segment.pk: yes for segment, yes in zip(segments, truth, strict=True)}
    by_language: dict[str, list[bool]] = {"de": [], "en": []}
    for item in Item.objects.filter(sample__in=[first, second]).select_related(
        "segment__transcript"
    ):
        by_language[item.segment.transcript.language].append(holds[item.segment_id])
    assert [len(one) for one in by_language.values()] == [130, 30]
    wanted = np.mean([np.mean(one) for one in by_language.values()])  # both have 200 interviews
    assert hope["human"] == pytest.approx(wanted)


def test_a_training_sample_enters_no_estimate() -> None:
    study, segments, truth = coded_by_machine()
    sample = draw_sample(study, size=60, seed=1)
    reviewed(sample, segments, truth, "ann")
    before = reported(study)["prevalence"]
    training = make_sample(sample.run or make_run(sample.revision), segments[:5])
    Sample.objects.filter(pk=training.pk).update(purpose=Purpose.TRAINING)
    assert reported(study)["prevalence"] == before
    with pytest.raises(Problem, match="training"):
        report(study, sample=training.pk, replicates=REPLICATES)


def test_what_the_machine_learned_from_enters_no_estimate() -> None:
    study, segments, truth = coded_by_machine()
    sample = draw_sample(study, size=120, seed=1)
    reviewed(sample, segments, truth, "ann")
    run = make_run(sample.revision, parameters={"learned_from": 100})
    many_codings(segments, sample.revision, [["hope"] if yes else [] for yes in truth], run=run)
    found = reported(study)
    assert found["sample"]["development"] == 120
    hope = row(found["prevalence"], code="hope", domain={})
    assert (hope["status"], hope["grade"], hope["reviewed"]) == ("machine_only", "D", 0)
    assert found["machine"]["accuracy"] == []
    assert not any(one["units"] for one in found["agreement"] if one["between"] == "machine-human")


def test_answers_of_one_interview_are_one_interview() -> None:
    study = make_study()
    revision = make_revision(study, many=["hope"])
    segments = many_segments(study, 100)
    more = Segment.objects.bulk_create(
        Segment(transcript=one.transcript, index=index, start=0, end=4)
        for one in segments
        for index in (2, 3, 4)
    )
    rng = np.random.default_rng(2)
    holds = {segment.transcript_id: rng.random() < 0.4 for segment in segments}
    everything = [*segments, *more]
    truth = [["hope"] if holds[one.transcript_id] else [] for one in everything]
    noise = [[] if rng.random() < 0.3 else codes for codes in truth]
    run = make_run(revision)
    many_codings(everything, revision, noise, run=run)
    interviews = [one.transcript_id for one in segments[:40]]
    chosen = [one for one in everything if one.transcript_id in interviews]
    make_sample(run, chosen)
    codes = [["hope"] if holds[one.transcript_id] else [] for one in chosen]
    many_codings(chosen, revision, codes, person=make_person("ann", study))
    hope = row(reported(study)["prevalence"], code="hope", domain={})
    # Four answers alike in each of forty interviews: about as sure as forty answers.
    p = hope["human"]
    assert (
        hope["human_high"] - hope["human_low"] > 1.7 * 1.96 * (p * (1 - p) / 160 * 0.6) ** 0.5 * 2
    )


def test_skipped_and_unsure_answers_are_counted_and_bounded() -> None:
    study, segments, truth = coded_by_machine()
    sample = draw_sample(study, size=100, seed=1)
    reviewed(sample, segments, truth, "ann")
    plain = row(reported(study)["prevalence"], code="hope", domain={})
    assert plain["bound_low"] is plain["bound_high"] is None
    marks = Mark.objects.filter(coding__person__isnull=False, code__key="hope").order_by("pk")
    Mark.objects.filter(pk__in=list(marks.values_list("pk", flat=True)[:10])).update(
        answer="unsure"
    )
    skipper = make_person("zoe", study)
    Assignment.objects.create(
        item=sample.items.order_by("pk")[0], person=skipper, skipped_because="not my language"
    )
    found = reported(study, by=["language"])
    hope = row(found["prevalence"], code="hope", domain={})
    assert hope["bound_low"] < hope["corrected"] < hope["bound_high"]
    assert hope["bound_high"] - hope["bound_low"] == pytest.approx(0.1, abs=0.03)
    german = row(found["prevalence"], code="hope", domain={"language": "de"})
    assert german["bound_low"] <= german["corrected"] <= german["bound_high"]
    everything = row(found["responses"], by="stratum")
    assert (everything["drawn"], everything["reviewed"]) == (100, 100)
    assert (everything["assigned"], everything["skipped"]) == (1, 1)
    labels = [one for one in found["responses"] if one["code"] == "hope"]
    assert sum(one["drawn"] for one in labels) == 100
    assert sum(one["reviewed"] for one in labels) == 90


def test_groups_differ_by_an_interval_from_both() -> None:
    study, segments, truth = coded_by_machine()
    sample = draw_sample(study, size=160, seed=1)
    reviewed(sample, segments, truth, "ann")
    found = reported(study, by=["language"])
    one = row(found["differences"], code="hope")
    rows = {
        name: row(found["prevalence"], code="hope", domain={"language": name})
        for name in ("de", "en")
    }
    assert (one["first"], one["second"]) == ({"language": "de"}, {"language": "en"})
    d = rows["de"]["corrected"] - rows["en"]["corrected"]
    assert one["difference"] == pytest.approx(d)
    reach = np.hypot(
        rows["de"]["corrected"] - rows["de"]["low"], rows["en"]["high"] - rows["en"]["corrected"]
    )
    assert one["low"] == pytest.approx(d - reach)
    assert one["low_all"] <= one["low"] < one["high"] <= one["high_all"]


def test_the_difference_of_newcombes_example_is_his_method_10() -> None:
    made = report(published(), by=["language"], replicates=REPLICATES)
    template = next(one for one in made.prevalence if one.domain)
    pair = []
    for name, yes, n in (("a", 56, 70), ("b", 48, 80)):
        low, high = wilson(np.array([yes / n]), np.array([float(n)]))
        pair.append(
            replace(
                template,
                domain=(("language", name),),
                corrected=yes / n,
                low=float(low[0]),
                high=float(high[0]),
            )
        )
    [one] = difference_rows(pair, "language")
    assert (one.difference, one.low, one.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_a_scale_has_shares_above_its_quarters_and_bounds() -> None:
    study = make_study()
    revision = make_revision(study, scale=(0, 100))
    segments = many_segments(study, 200, ("en", "de"))
    rng = np.random.default_rng(4)
    truth = rng.uniform(0, 100, 200)
    trust = Code.objects.get(dimension__revision=revision, key="trust")
    run = make_run(revision)
    many_codings(segments, revision, [[]] * 200, run=run)
    make_sample(run, segments[::2])
    many_codings(segments[::2], revision, [[]] * 100, person=make_person("ann", study))
    place = {segment.pk: at for at, segment in enumerate(segments)}
    for coding in run.codings.all():
        value = truth[place[coding.segment_id]] + rng.normal(0, 5)
        Mark.objects.create(coding=coding, code=trust, value=float(np.clip(value, 0, 100)))
    by_people = Coding.objects.by_people().filter(revision=revision).order_by("segment_id")
    for at, coding in enumerate(by_people):
        if at % 10:
            value = float(truth[place[coding.segment_id]])
            Mark.objects.create(coding=coding, code=trust, value=value)
    found = reported(study, by=["language"])
    shares = [one for one in found["shares_above"] if not one["domain"]]
    assert [one["cut"] for one in shares] == [25, 50, 75]
    for one in shares:
        assert one["low"] <= (truth > one["cut"]).mean() <= one["high"]
        assert one["grade"] in ("A", "B")
    mean = row(found["prevalence"], dimension="trust", domain={})
    assert mean["low_all"] < mean["low"] < mean["corrected"] < mean["high"] < mean["high_all"]
    # Ten of a hundred gave no value: at the least they would have said 0, at the most 100.
    assert mean["bound_high"] - mean["bound_low"] == pytest.approx(10, abs=3)
    assert len([one for one in found["shares_above"] if one["domain"]]) == 6


def test_what_if_people_err_is_worked_out_and_says_that_it_assumes() -> None:
    study, segments, truth = coded_by_machine()
    sample = draw_sample(study, size=100, seed=1)
    reviewed(sample, segments, truth, "ann")
    found = reported(study)
    hope = row(found["prevalence"], code="hope", domain={})
    none = row(found["human_error"], code="hope", missed=0.0, invented=0.0)
    assert none["estimate"] == pytest.approx(hope["corrected"])
    missed = row(found["human_error"], code="hope", missed=0.1, invented=0.0)
    assert missed["estimate"] == pytest.approx(hope["corrected"] / 0.9)


def test_single_codings_are_corrected_by_what_was_settled() -> None:
    study, segments, truth = coded_by_machine()
    sample = draw_sample(study, size=200, seed=1)
    reviewed(sample, segments, truth, "ann")
    assert reported(study)["nested"] == []
    items = list(sample.items.select_related("segment").order_by("segment"))[:80]
    holds = {segment.pk: yes for segment, yes in zip(segments, truth, strict=True)}
    # ben overlooks every fourth; in those the ruling is with ann.
    positive = [item for item in items if holds[item.segment_id]]
    overlooked = positive[::4]
    codes = [["hope"] if holds[i.segment_id] and i not in overlooked else [] for i in items]
    many_codings(
        [item.segment for item in items], sample.revision, codes, person=make_person("ben", study)
    )
    hope = Code.objects.get(dimension__revision=sample.revision, key="hope")
    lead = make_person("lead", study)
    for item in overlooked:
        Ruling.objects.create(item=item, code=hope, applies=True, by=lead)
    found = reported(study)
    one = row(found["nested"], code="hope")
    assert (one["settled"], one["status"], one["invented"]) == (80, "ok", 0)
    # Half a coding of each overlooked one denied what holds.
    denied = (80 - len(positive)) + len(overlooked) / 2
    assert one["missed"] == pytest.approx(len(overlooked) / 2 / denied)
    corrected = row(found["prevalence"], code="hope", domain={})
    assert one["estimate"] == pytest.approx(corrected["corrected"], abs=0.06)
    assert one["high"] - one["low"] > 0


def test_one_answered_segment_is_never_graded_as_validated() -> None:
    study, segments, truth = coded_by_machine()
    sample = draw_sample(study, size=1, seed=1)
    reviewed(sample, segments, truth, "ann")
    hope = row(reported(study)["prevalence"], code="hope", domain={})
    assert (hope["status"], hope["grade"]) == ("insufficient", "C")


def test_too_many_figures_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reviews.reports.MOST_FIGURES", 1)
    with pytest.raises(Problem, match="2 figures"):
        report(published(), by=["language"], replicates=REPLICATES)


def test_corrected_languages_change_the_crossing_at_once() -> None:
    study = published()
    before = reported(study, by=["language*country"])
    Transcript.objects.filter(study=study, language="de").update(language="nl")
    after = reported(study, by=["language*country"])
    domains = {tuple(one["domain"].items()) for one in after["prevalence"] if one["domain"]}
    assert {dict(one)["language"] for one in domains} == {"nl", "en"}
    assert before != after
