"""The report says what the rows say, the same each time, and says why where it can't."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache

from codebooks.models import Revision
from coding.models import Coding, Mark, Run, Work
from reviews.models import Assignment, Item, Ruling, Sample
from reviews.reports import Report, as_json, report
from reviews.sampling import draw_sample
from reviews.stats.alpha import alpha_binary
from reviews.wording import prevalence_lines
from studies.models import Participant, Segment, Study, Transcript
from studies.problems import Problem
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
REPLICATES = 200


def many_segments(study: Study, count: int, languages: Sequence[str] = ("en",)) -> list[Segment]:
    """Return `count` segments of one interview each, the languages in turn."""
    people = Participant.objects.bulk_create(
        Participant(study=study, external_id=f"p{n:05}", attributes={"country": f"C{n % 2}"})
        for n in range(count)
    )
    transcripts = Transcript.objects.bulk_create(
        Transcript(
            study=study,
            participant=person,
            external_id=person.external_id,
            language=languages[n % len(languages)],
            language_source="declared",
            digest="0" * 64,
            length=4,
            text="text",
        )
        for n, person in enumerate(people)
    )
    return Segment.objects.bulk_create(
        Segment(transcript=transcript, index=1, start=0, end=4) for transcript in transcripts
    )


def many_codings(
    segments: Sequence[Segment], revision: Revision, codes: Sequence[Sequence[str]], **who: Any
) -> None:
    """Code every segment with its codes, by a `run` or a `person`."""
    keys = {
        code.key: code
        for dimension in revision.dimensions.prefetch_related("codes")
        for code in dimension.codes.all()
    }
    dimensions = [dimension.key for dimension in revision.dimensions.all()]
    codings = Coding.objects.bulk_create(
        Coding(segment=segment, revision=revision, dimensions=dimensions, **who)
        for segment in segments
    )
    Mark.objects.bulk_create(
        Mark(coding=coding, code=keys[key])
        for coding, own in zip(codings, codes, strict=True)
        for key in own
    )


def two_coders(table: Sequence[Sequence[int]], **study: Any) -> Study:
    """Return a study in which ann and ben coded "hope" as often together as `table` says."""
    made = make_study(**study)
    revision = make_revision(made)
    pairs = [
        (ann, ben)
        for ann, row in enumerate(table)
        for ben, often in enumerate(row)
        for _ in range(often)
    ]
    segments = many_segments(made, len(pairs), ("de", "en"))
    for at, name in enumerate(("ann", "ben")):
        person = make_person(f"{name}-{made.slug}", made)
        codes = [["hope"] if pair[at] else [] for pair in pairs]
        many_codings(segments, revision, codes, person=person)
    return made


def row(rows: Sequence[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """Return the one row that has what is wanted."""
    found = [one for one in rows if all(one[key] == value for key, value in wanted.items())]
    assert len(found) == 1, (wanted, len(found))
    return found[0]


def reported(study: Study, **asked: Any) -> dict[str, Any]:
    return as_json(report(study, replicates=REPLICATES, **asked))


def test_agreement_of_two_coders_is_gwets_example() -> None:
    study = two_coders([[80, 7], [8, 5]])
    hope = row(reported(study)["agreement"], code="hope", language=None)
    assert hope["between"] == "humans"
    assert (hope["units"], hope["coders"], hope["positives"]) == (100, 2, 25)
    assert hope["counts"] == {"both": 5, "only_a": 8, "only_b": 7, "neither": 80, "differ": 15}
    assert hope["percent"] == pytest.approx(0.85)
    assert hope["kappa"] == pytest.approx(0.3144424131627059)
    assert hope["ac1"] == pytest.approx(0.808)
    # 1 - (n-1) * disagreements / (n1 n0), each unit with two codings
    assert hope["estimate"] == pytest.approx(1 - 199 * 15 / (25 * 175))
    assert hope["low"] < hope["estimate"] < hope["high"]
    assert 0.9 < hope["p_below_667"] <= 1
    assert hope["positive"] == pytest.approx(10 / 25)
    assert hope["status"] == "ok"


@pytest.mark.parametrize(
    ("table", "kappa", "alpha", "percent"),
    [
        ([[39, 4], [3, 11]], 0.6764, 0.6791, 0.877),
        ([[33, 3], [8, 12]], 0.5471, 0.5469, 0.804),
        ([[24, 3], [7, 23]], 0.6507, 0.6521, 0.825),
    ],
)
def test_agreement_of_world_after_covid_is_the_published_one(
    table: list[list[int]], kappa: float, alpha: float, percent: float
) -> None:
    hope = row(reported(two_coders(table))["agreement"], code="hope", language=None)
    assert hope["kappa"] == pytest.approx(kappa, abs=5e-5)
    assert hope["estimate"] == pytest.approx(alpha, abs=5e-5)
    assert hope["percent"] == pytest.approx(percent, abs=5e-4)


def test_agreement_by_language_adds_up_to_all() -> None:
    found = reported(two_coders([[40, 6], [4, 50]]))["agreement"]
    everything = row(found, code="hope", language=None)
    parts = [row(found, code="hope", language=language) for language in ("de", "en")]
    assert sum(part["units"] for part in parts) == everything["units"] == 100
    assert sum(part["counts"]["both"] for part in parts) == everything["counts"]["both"]


def test_a_code_that_nobody_used_has_no_coefficient_and_says_why() -> None:
    worry = row(reported(two_coders([[50, 0], [0, 50]]))["agreement"], code="worry", language=None)
    assert worry["status"] == "no_variation"
    assert worry["estimate"] is worry["low"] is worry["kappa"] is None
    assert worry["percent"] == 1


def test_alpha_of_a_code_found_fewer_than_ten_times_is_not_printed() -> None:
    hope = row(reported(two_coders([[90, 3], [2, 2]]))["agreement"], code="hope", language=None)
    assert hope["status"] == "too_few_positives"
    assert hope["positives"] == 9
    assert hope["estimate"] is None
    assert hope["counts"]["both"] == 2


def test_one_coder_alone_agrees_with_nobody() -> None:
    study = make_study()
    revision = make_revision(study)
    make_coding(
        make_segment("one", study), revision, person=make_person("ann", study), codes=["hope"]
    )
    hope = row(reported(study)["agreement"], code="hope", language=None)
    assert (hope["units"], hope["status"]) == (0, "no_pairs")


def test_three_coders_have_fleiss_kappa_and_no_first_and_second() -> None:
    study = two_coders([[40, 6], [4, 50]])
    revision = Revision.objects.get(codebook__study=study)
    segments = list(Segment.objects.filter(transcript__study=study).order_by("pk"))
    codes = [["hope"] if n >= 48 else [] for n in range(100)]
    many_codings(segments, revision, codes, person=make_person("cem", study))
    hope = row(reported(study)["agreement"], code="hope", language=None)
    assert hope["coders"] == 3
    assert hope["counts"]["only_a"] is None
    both, differ, neither = (hope["counts"][name] for name in ("both", "differ", "neither"))
    assert both + differ + neither == 300
    assert hope["percent"] == pytest.approx((both + neither) / 300)
    # With as many codings of every unit Fleiss' kappa is alpha but for the small-sample term.
    assert hope["kappa"] == pytest.approx(1 - (1 - hope["estimate"]) * 300 / 299)


def published() -> Study:
    """Return the cross table of `dsl::data_time`: 3,000 units, 500 of them reviewed."""
    study = make_study()
    revision = make_revision(study, many=["hope"])
    cells = [(0, None, 748), (0, 0, 63), (0, 1, 79), (1, None, 1752), (1, 0, 174), (1, 1, 184)]
    units = [(f, y) for f, y, often in cells for _ in range(often)]
    segments = many_segments(study, len(units), ("en", "de"))
    run = make_run(revision)
    many_codings(segments, revision, [["hope"] if f else [] for f, _ in units], run=run)
    reviewed = [n for n, (_, y) in enumerate(units) if y is not None]
    chosen = [segments[n] for n in reviewed]
    make_sample(run, chosen)
    said = [["hope"] if units[n][1] else [] for n in reviewed]
    many_codings(chosen, revision, said, person=make_person("ann", study))
    return study


def test_prevalence_is_the_cell_estimator_with_mover_jeffreys() -> None:
    found = reported(published(), by=["language"])
    hope = row(found["prevalence"], code="hope", domain={})
    assert hope["machine"] == pytest.approx(2110 / 3000)
    assert hope["human"] == pytest.approx(0.526)
    assert hope["corrected"] == pytest.approx(0.5265367062711465, abs=1e-9)
    assert hope["se"] == pytest.approx(0.020416692934172226, abs=1e-9)
    assert hope["low"] == pytest.approx(0.48646438250317686, abs=1e-9)
    assert hope["high"] == pytest.approx(0.5661849213638331, abs=1e-9)
    assert (hope["population"], hope["reviewed"], hope["positives"]) == (3000, 500, 263)
    assert (hope["status"], hope["grade"]) == ("ok", "A")
    assert hope["ppv"] == pytest.approx(184 / 358)
    german = row(found["prevalence"], code="hope", domain={"language": "de"})
    english = row(found["prevalence"], code="hope", domain={"language": "en"})
    assert german["population"] + english["population"] == 3000
    assert german["reviewed"] + english["reviewed"] == 500


def test_machine_to_people_counts_are_the_confusion_of_the_machine() -> None:
    hope = row(
        reported(published())["agreement"], code="hope", between="machine-human", language=None
    )
    assert hope["counts"] == {
        "both": 184,
        "only_a": 174,
        "only_b": 79,
        "neither": 63,
        "differ": 253,
    }
    assert (hope["units"], hope["coders"], hope["positives"]) == (500, 2, 263)


def test_the_json_has_the_keys_of_the_contract() -> None:
    found = reported(published(), by=["language"])
    assert {"study", "run", "sample", "evidence", "agreement", "prevalence"} <= found.keys()
    assert {"exact", "folded", "fuzzy", "missing", "by_language"} <= found["evidence"].keys()
    wanted = "dimension code between language measure units coders positives estimate low high"
    for one in found["agreement"]:
        assert {*wanted.split(), "percent", "ac1", "status"} <= one.keys()
        assert one["between"] in ("humans", "machine-human")
    wanted = (
        "dimension code domain population reviewed positives machine human human_low human_high"
    )
    for one in found["prevalence"]:
        assert {*wanted.split(), "corrected", "low", "high", "status", "grade"} <= one.keys()
    json.dumps(found, allow_nan=False)
    assert found["sample"]["seed"] == 1
    assert found["run"]["states"]["done"] == 3000


def test_the_same_rows_give_the_same_report_bit_for_bit() -> None:
    study = published()
    first = json.dumps(reported(study, by=["country"]))
    cache.clear()
    assert json.dumps(reported(study, by=["country"])) == first
    cache.clear()
    again = reported(study, seed=2)
    hope = {"code": "hope", "between": "machine-human", "language": None}
    low = row(json.loads(first)["agreement"], **hope)["low"]
    assert row(again["agreement"], **hope)["low"] != low


def test_alpha_of_the_design_weighs_segments_by_how_likely_they_were() -> None:
    study = two_coders([[40, 6], [4, 50]])
    revision = Revision.objects.get(codebook__study=study)
    segments = list(Segment.objects.filter(transcript__study=study).order_by("pk"))
    sample = make_sample(make_run(revision), segments)
    assert row(reported(study)["agreement"], code="hope", language=None)["design"] is None
    # Those of the second half stand for twice as many.
    Item.objects.filter(sample=sample, segment__in=segments[50:]).update(inclusion=0.5)
    n1 = np.array([0.0] * 40 + [1.0] * 10 + [2.0] * 50)[:, None]
    weights = np.array([1.0] * 50 + [2.0] * 50)
    wanted = alpha_binary(n1, np.full((100, 1), 2.0), weights)[0]
    cache.clear()
    hope = row(reported(study)["agreement"], code="hope", language=None)
    assert hope["design"] == pytest.approx(wanted)
    assert hope["design"] != pytest.approx(hope["estimate"])


def test_a_breakdown_changes_no_other_figure() -> None:
    study = published()
    plain, broken = reported(study), reported(study, by=["country", "language"])
    assert plain["agreement"] == broken["agreement"]
    assert plain["prevalence"] == [one for one in broken["prevalence"] if not one["domain"]]


def test_the_order_in_which_codings_came_changes_nothing() -> None:
    reports = []
    for order in (1, -1):
        study = make_study()
        revision = make_revision(study, one=["calm", "angry"], scale=(0, 10))
        segments = many_segments(study, 60, ("en", "de"))
        rng = np.random.default_rng(3)
        people = [make_person(f"{name}{order}", study) for name in ("ann", "ben")]
        plan = [
            (
                segment,
                person,
                ["hope"] * int(rng.random() < 0.5) + [str(rng.choice(["calm", "angry"]))],
            )
            for segment in segments
            for person in people
        ]
        for place, (segment, person, codes) in list(enumerate(plan))[::order]:
            values = {"trust": float(place % 7)}
            make_coding(segment, revision, person=person, codes=codes, values=values)
        found = reported(study)
        reports.append((found["agreement"], found["prevalence"]))
    assert reports[0] == reports[1]


def test_a_second_look_at_unchanged_rows_counts_them_and_loads_none(
    django_assert_max_num_queries: Any,
) -> None:
    study = published()
    first = reported(study)
    with django_assert_max_num_queries(24) as captured:
        assert reported(study) == first
    marks = [query["sql"] for query in captured.captured_queries if "coding_mark" in query["sql"]]
    assert all("COUNT(" in sql for sql in marks)


@pytest.mark.parametrize("change", ["answer", "ruling", "language", "unsure"])
def test_a_changed_row_changes_the_report(change: str) -> None:
    study = two_coders([[40, 6], [4, 50]])
    revision = Revision.objects.get(codebook__study=study)
    sample = make_sample(make_run(revision), list(Segment.objects.filter(transcript__study=study)))
    sample.design["sizes"][0]["population"] = 100
    before = reported(study)
    mark = Mark.objects.filter(coding__person__isnull=False).first()
    assert mark is not None
    if change == "answer":
        mark.answer = "no"
        mark.save()
    elif change == "unsure":
        mark.answer = "unsure"
        mark.save()
    elif change == "ruling":
        item = Item.objects.filter(sample=sample).first()
        assert item is not None
        assert mark.coding.person is not None
        Ruling.objects.create(item=item, code=mark.code, applies=True, by=mark.coding.person)
    else:
        Transcript.objects.filter(study=study, language="de").update(language="nl")
    assert reported(study) != before


def test_a_refused_segment_stays_in_the_population_and_is_never_a_no() -> None:
    study = make_study()
    revision = make_revision(study, many=["hope"])
    segments = many_segments(study, 100)
    run = make_run(revision)
    many_codings(segments[:60], revision, [["hope"]] * 30 + [[]] * 30, run=run)
    Work.objects.bulk_create(Work(run=run, segment=one, state="done") for one in segments[:60])
    Work.objects.bulk_create(
        Work(run=run, segment=one, state="refused", reason="language not covered")
        for one in segments[60:]
    )
    make_sample(run, segments)
    ann = make_person("ann", study)
    many_codings(segments, revision, [["hope"]] * 30 + [[]] * 30 + [["hope"]] * 40, person=ann)
    found = reported(study)
    hope = row(found["prevalence"], code="hope", domain={})
    assert hope["machine"] == 0.5
    assert (hope["population"], hope["coded"]) == (100, 60)
    assert hope["corrected"] == hope["low"] == hope["high"] == 0.7  # a census has no error
    assert found["run"]["states"] == {"done": 60, "refused": 40, "failed": 0}
    assert found["run"]["reasons"] == [
        {"state": "refused", "reason": "language not covered", "count": 40}
    ]
    agreed = row(found["agreement"], code="hope", between="machine-human", language=None)
    assert agreed["units"] == 60


def test_without_people_the_machine_alone_is_grade_d() -> None:
    study = make_study()
    revision = make_revision(study, one=["calm", "angry"], scale=(0, 10))
    run = make_run(revision)
    for n, segment in enumerate(many_segments(study, 20)):
        make_coding(
            segment, revision, run=run, codes=["hope", "calm"][: n % 3], values={"trust": n % 5}
        )
    found = reported(study)
    assert found["agreement"] == []
    assert found["sample"] is None
    for one in found["prevalence"]:
        assert (one["status"], one["grade"]) == ("machine_only", "D")
        assert one["corrected"] is one["low"] is one["human"] is None
    assert row(found["prevalence"], code="trust")["machine"] == 2.0
    assert row(found["prevalence"], code="hope")["machine"] == pytest.approx(13 / 20)


def test_what_nobody_and_no_machine_coded_is_not_said_to_be_the_machines() -> None:
    study = make_study()
    make_revision(study, one=["calm", "angry"], scale=(0, 10))
    many_segments(study, 4)
    made = report(study)
    for one in as_json(made)["prevalence"]:
        assert (one["status"], one["grade"], one["machine"]) == ("not_coded", None, None)
    for line in prevalence_lines(made.prevalence, made):
        assert line.why == line.sentence
        assert "neither a machine nor a person" in line.why
        assert line.grey


def test_human_codings_that_are_no_sample_are_shown_and_not_generalised() -> None:
    study = two_coders([[40, 6], [4, 50]])
    many_segments_more = make_segment("one more", study)
    hope = row(reported(study)["prevalence"], code="hope", domain={})
    assert hope["population"] == 101
    assert many_segments_more.pk
    assert (hope["status"], hope["grade"]) == ("no_sample", None)
    assert hope["human"] == pytest.approx(0.55)  # 50 by both, 10 by one of two
    assert hope["corrected"] is hope["human_low"] is None
    assert (hope["reviewed"], hope["split"]) == (100, 10)


def test_where_people_coded_everything_the_share_is_known() -> None:
    hope = row(reported(two_coders([[40, 6], [4, 50]]))["prevalence"], code="hope", domain={})
    assert hope["corrected"] == hope["low"] == hope["high"] == pytest.approx(0.55)


def test_an_open_disagreement_counts_half_and_a_ruling_settles_it() -> None:
    study = two_coders([[40, 6], [4, 50]])
    revision = Revision.objects.get(codebook__study=study)
    segments = list(Segment.objects.filter(transcript__study=study))
    sample = make_sample(make_run(revision), segments)
    before = row(reported(study)["prevalence"], code="hope", domain={})
    assert before["corrected"] == pytest.approx(0.55)
    assert before["split"] == 10
    hope = Mark.objects.filter(code__key="hope")
    by = make_person("cem", study)
    for item in Item.objects.filter(sample=sample):
        if hope.filter(coding__segment=item.segment_id).count() == 1:
            code = hope.filter(coding__segment=item.segment_id).get().code
            Ruling.objects.create(item=item, code=code, applies=True, by=by)
    after = reported(study)
    settled = row(after["prevalence"], code="hope", domain={})
    assert settled["corrected"] == pytest.approx(0.6)
    assert settled["split"] == 0
    # What was ruled is no agreement: the blind codings still say what they said.
    assert row(after["agreement"], code="hope", language=None)["counts"]["differ"] == 10


def test_corrected_shares_of_a_one_of_many_dimension_add_up_to_one() -> None:
    study = make_study()
    revision = make_revision(study, one=["calm", "angry", "sad"])
    rng = np.random.default_rng(11)
    segments = many_segments(study, 400)
    stances = ["calm", "angry", "sad", None]
    truth = rng.choice(4, 400, p=[0.5, 0.3, 0.1, 0.1])
    said = np.where(rng.random(400) < 0.2, rng.choice(4, 400), truth)
    run = make_run(revision)

    def codes(numbers: Any) -> list[list[str]]:
        return [[stance] if (stance := stances[number]) else [] for number in numbers]

    many_codings(segments, revision, codes(said), run=run)
    chosen = np.sort(rng.choice(400, 120, replace=False))
    drawn = [segments[n] for n in chosen]
    make_sample(run, drawn)
    for name in ("ann", "ben"):
        seen = np.where(rng.random(120) < 0.1, rng.choice(4, 120), truth[chosen])
        many_codings(drawn, revision, codes(seen), person=make_person(name, study))
    found = reported(study)
    rows = [one for one in found["prevalence"] if one["dimension"] == "stance"]
    assert [one["code"] for one in rows] == ["calm", "angry", "sad", None]
    assert sum(one["corrected"] for one in rows) == pytest.approx(1)
    assert sum(one["human"] for one in rows) == pytest.approx(1)
    whole = row(found["agreement"], dimension="stance", code=None, between="humans", language=None)
    assert np.array(whole["table"]).sum() == whole["units"] == 120
    assert 0.5 < whole["estimate"] < 1


def test_a_scale_has_interval_alpha_and_a_corrected_mean() -> None:
    study = make_study()
    revision = make_revision(study, many=["hope"], scale=(0, 100))
    rng = np.random.default_rng(5)
    truth = rng.integers(20, 80, 200)
    run = make_run(revision)
    segments = many_segments(study, 200)
    code = revision.dimensions.get(key="trust").codes.get()

    def rate(chosen: Sequence[Segment], values: Any, **who: Any) -> None:
        codings = Coding.objects.bulk_create(
            Coding(segment=one, revision=revision, dimensions=["topics", "trust"], **who)
            for one in chosen
        )
        Mark.objects.bulk_create(
            Mark(coding=coding, code=code, value=float(value))
            for coding, value in zip(codings, values, strict=True)
        )

    rate(segments, truth + 10, run=run)  # a machine that is ten too high
    make_sample(run, segments[:80])
    for name in ("ann", "ben"):
        person = make_person(name, study)
        rate(segments[:80], truth[:80] + rng.integers(-3, 4, 80), person=person)
    found = reported(study)
    people = row(found["agreement"], code="trust", between="humans", language=None)
    assert people["estimate"] > 0.95
    mean = row(found["prevalence"], code="trust", domain={})
    assert mean["quantity"] == "mean"
    assert mean["machine"] == pytest.approx(truth.mean() + 10)
    assert abs(mean["corrected"] - truth.mean()) < 1.5
    assert mean["low"] < mean["corrected"] < mean["high"]


def test_strata_of_the_design_are_found_again_and_a_changed_frame_is_said() -> None:
    study = make_study()
    revision = make_revision(study, many=["hope"])
    segments = many_segments(study, 200, ("de", "en"))
    run = make_run(revision)
    many_codings(segments, revision, [["hope"] if n % 4 < 2 else [] for n in range(200)], run=run)
    sample = draw_sample(study, size=60, strata=["language"], seed=5, run=run)
    ann = make_person("ann", study)
    for item in sample.items.all():
        make_coding(item.segment, revision, person=ann, codes=["hope"][: item.pk % 2])
    found = reported(study)
    assert found["sample"]["strata"] == ["language"]
    assert found["sample"]["changed"] is False
    assert [size["stratum"] for size in found["sample"]["sizes"]] == ["de", "en"]
    before = row(found["prevalence"], code="hope", domain={})
    Transcript.objects.filter(study=study, external_id="p00000").update(language="nl")
    changed = reported(study)
    assert changed["sample"]["changed"] is True
    after = row(changed["prevalence"], code="hope", domain={})
    assert after["corrected"] == pytest.approx(before["corrected"], abs=0.1)
    assert after["reviewed"] == 60


def test_several_answers_of_an_interview_are_drawn_together() -> None:
    study = make_study()
    revision = make_revision(study, many=["hope"])
    segments = many_segments(study, 40)
    more = Segment.objects.bulk_create(
        Segment(transcript=one.transcript, index=2, start=0, end=4) for one in segments
    )
    people = [make_person(name, study) for name in ("ann", "ben")]
    for at, person in enumerate(people):
        codes = [["hope"] if (n // 3 + at * (n % 5 == 0)) % 2 else [] for n in range(40)]
        many_codings([*segments, *more], revision, codes + codes, person=person)
    found = row(reported(study)["agreement"], code="hope", language=None)
    single = two_coders(
        [
            [found["counts"]["neither"], found["counts"]["only_b"]],
            [found["counts"]["only_a"], found["counts"]["both"]],
        ]
    )
    apart = row(reported(single)["agreement"], code="hope", language=None)
    assert found["estimate"] == pytest.approx(apart["estimate"])
    # Each interview answers twice alike, so its interval is that of half as many units.
    assert found["high"] - found["low"] > 1.2 * (apart["high"] - apart["low"])


def test_skipped_assignments_are_counted() -> None:
    study = published()
    sample = Sample.objects.get(study=study)
    item = sample.items.order_by("pk").first()
    assert item is not None
    person = make_person("zoe", study)
    Assignment.objects.create(item=item, person=person, skipped_because="not in my language")
    found = reported(study)["sample"]
    assert (found["assigned"], found["answered"], found["skipped"]) == (1, 0, 1)
    assert (found["reviewed"], found["size"], found["twice"]) == (500, 500, 0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"by": ["planet"]}, "planet"),
        ({"run": 987654}, "987654"),
        ({"sample": 987654}, "987654"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_reported_is_said_in_a_sentence(asked: Any, said: str) -> None:
    study = two_coders([[1, 1], [1, 1]])
    with pytest.raises(Problem, match=said):
        report(study, **asked)


def test_an_empty_study_has_an_empty_report() -> None:
    study = make_study()
    make_revision(study)
    found = reported(study)
    assert found["agreement"] == found["prevalence"] == []
    assert found["run"] is None


def test_a_run_other_than_the_latest_can_be_asked_for() -> None:
    study = published()
    first = Run.objects.get(study=study)
    later = make_run(first.revision)
    segments = list(Segment.objects.filter(transcript__study=study))
    many_codings(segments, first.revision, [[]] * len(segments), run=later)
    latest: Report = report(study, replicates=REPLICATES)
    assert latest.run is not None
    assert latest.run.id == later.pk
    assert (
        latest.sample is not None
    )  # people's labels belong to the revision: a new run reuses them
    assert report(study, run=first.pk, replicates=REPLICATES).prevalence[0].machine > 0.7
    assert latest.prevalence[0].machine == 0
