"""Two runs and two revisions: what changed, by how much, and which of two people agree with."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache

from codebooks.models import Revision
from coding.models import Run
from reviews.comparing import as_json, compare_revisions, compare_runs
from reviews.comparing_wording import comparison_page
from reviews.matching import matched, merged
from reviews.models import Ruling
from reviews.reports import report
from reviews.stats.paired import compare_labels
from reviews.tables import load_guide
from studies.models import Segment, Study
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
from tests.reviews.test_reports import many_codings, many_segments

pytestmark = pytest.mark.django_db
REPLICATES = 200
DRIFT = 12


def two_runs(
    count: int = 300, languages: Sequence[str] = ("de", "en"), **revision: Any
) -> tuple[Study, list[Run], list[Segment]]:
    """Return a study whose second run finds "hope" in DRIFT segments more; "worry" stays."""
    study = make_study("drift")
    made = make_revision(study, **revision)
    segments = many_segments(study, count, languages)
    runs = [make_run(made, name=f"{name}-name") for name in ("first", "second")]
    for run, more in zip(runs, (0, DRIFT), strict=True):
        codes = [
            ["hope"] * (n % 3 == 0 or (n % 3 == 1 and n < 3 * more)) + ["worry"] * (n % 10 == 0)
            for n in range(count)
        ]
        many_codings(segments, made, codes, run=run)
    return study, runs, segments


def compared(study: Study, *asked: Any, **options: Any) -> dict[str, Any]:
    return as_json(compare_runs(study, *asked, replicates=REPLICATES, **options))


def row(rows: Sequence[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    wanted = {"language": None, **wanted} if "language" in rows[0] else wanted
    [found] = [one for one in rows if all(one[key] == held for key, held in wanted.items())]
    return found


def test_what_changed_between_two_runs_is_counted_paired() -> None:
    study, runs, _segments = two_runs()
    said = compared(study)
    assert (said["first"]["run"], said["second"]["run"]) == (runs[0].pk, runs[1].pk)
    assert (said["segments"], said["changed_segments"]) == (300, DRIFT)
    hope = row(said["changes"], code="hope")
    counts = [hope[key] for key in ("both", "only_first", "only_second", "neither")]
    assert counts == [100, 0, DRIFT, 300 - 100 - DRIFT]
    assert hope["difference"] == pytest.approx(DRIFT / 300)
    one = np.repeat([[1], [0], [0]], [100, DRIFT, 300 - 100 - DRIFT], axis=0)
    other = np.repeat([[1], [1], [0]], [100, DRIFT, 300 - 100 - DRIFT], axis=0)
    alone = compare_labels(one, other)
    assert (hope["low"], hope["high"]) == pytest.approx((alone.low[0], alone.high[0]))
    assert hope["p"] == pytest.approx(alone.mid[0])
    assert hope["holm"] == pytest.approx(2 * hope["p"])  # two codes
    assert hope["bh"] == pytest.approx(2 * hope["p"])
    worry = row(said["changes"], code="worry")
    assert (worry["changed"], worry["status"], worry["p"]) == (0, "no_change", 1)
    german = row(said["changes"], code="hope", language="de")
    english = row(said["changes"], code="hope", language="en")
    assert german["changed"] + english["changed"] == DRIFT
    assert german["units"] + english["units"] == 300


def test_named_the_other_way_round_the_difference_turns() -> None:
    study, runs, _segments = two_runs()
    there = row(compared(study)["changes"], code="hope")
    back = row(compared(study, runs[1].pk, runs[0].pk)["changes"], code="hope")
    assert back["difference"] == -there["difference"]
    assert back["low"] == pytest.approx(-there["high"])


def test_what_one_run_did_not_decide_is_left_out() -> None:
    study, runs, segments = two_runs()
    runs[1].codings.filter(segment__in=segments[:100]).delete()
    said = compared(study)
    assert said["segments"] == 200
    assert row(said["changes"], code="hope")["units"] == 200
    assert said["all_segments"] == 300


def test_the_same_rows_give_the_same_comparison_and_other_rows_another() -> None:
    study, runs, segments = two_runs()
    first = compared(study)
    assert compared(study) == first
    cache.clear()
    assert json.dumps(compared(study)) == json.dumps(first)
    runs[1].codings.filter(segment=segments[0]).delete()
    assert compared(study)["segments"] == 299


def test_scales_and_categories_are_compared_too() -> None:
    study = make_study()
    revision = make_revision(study, one=["for", "against"], scale=(0, 100))
    runs = [make_run(revision) for _ in range(2)]
    for n in range(40):
        segment = make_segment("Text.", study)
        for at, run in enumerate(runs):
            stance = "for" if n < 20 + 5 * at else "against"
            value = 50.0 + n / 4 + (3 + n % 3) * at
            make_coding(segment, revision, run=run, codes=[stance], values={"trust": value})
    said = compared(study)
    trust = row(said["changes"], dimension="trust")
    assert trust["difference"] == pytest.approx(3 + 39 / 40)
    assert trust["low"] < trust["difference"] < trust["high"]
    assert trust["moved"] == pytest.approx(trust["difference"])
    assert trust["p"] < 0.001
    assert row(said["changes"], code="for")["only_second"] == 5
    assert row(said["changes"], code="against")["only_first"] == 5


def test_people_say_which_of_two_runs_is_right_more_often() -> None:
    study, runs, segments = two_runs()
    revision = runs[0].revision
    make_sample(runs[1], segments[:150])
    person = make_person("ann", study)
    # Ann sees hope as the second run does, and never worries.
    codes = [["hope"] * (n % 3 == 0 or (n % 3 == 1 and n < 3 * DRIFT)) for n in range(150)]
    many_codings(segments[:150], revision, codes, person=person)
    said = compared(study)
    hope = row(said["judged"], code="hope")
    assert hope["reviewed"] == 150
    sides = [hope[key] for key in ("both_right", "first_right", "second_right", "none_right")]
    assert sides == [138, 0, DRIFT, 0]
    assert hope["contested"] == DRIFT
    assert hope["exact"] == pytest.approx(2 * 0.5**DRIFT)
    assert hope["scores"]["recall"]["second"] == 1
    assert hope["scores"]["recall"]["first"] == pytest.approx(100 / 112)
    assert hope["scores"]["recall"]["low"] > 0
    assert hope["status"] == "ok"
    worry = row(said["judged"], code="worry")
    assert worry["contested"] == 0
    assert worry["status"] == "no_contest"
    # The corrected shares are those that the report of each run gives.
    for at, run in zip(("first", "second"), runs, strict=True):
        made = report(study, run=run, replicates=REPLICATES)
        [figure] = [one for one in made.prevalence if one.code == "hope" and not one.domain]
        assert hope["corrected"][at] == pytest.approx(figure.corrected)
    assert hope["corrected"]["low"] < hope["corrected"]["difference"] < hope["corrected"]["high"]


def test_on_a_scale_it_is_said_which_run_is_closer_to_people() -> None:
    study = make_study()
    revision = make_revision(study, scale=(0, 100))
    runs = [make_run(revision) for _ in range(2)]
    ann = make_person("ann", study)
    segments = many_segments(study, 40)
    for n, segment in enumerate(segments):
        for who, value in (
            ({"run": runs[0]}, 30.0 + n),
            ({"run": runs[1]}, 41.0 + n),
            ({"person": ann}, 40.0 + n),
        ):
            make_coding(segment, revision, values={"trust": value}, **who)
    make_sample(runs[1], segments)
    trust = row(compared(study)["judged"], dimension="trust")
    assert (trust["first_right"], trust["second_right"]) == (0, 40)
    assert trust["scores"]["error"]["first"] == 10
    assert trust["scores"]["error"]["second"] == 1
    assert trust["corrected"]["second"] == pytest.approx(59.5)
    shown = comparison_page(compare_runs(study, replicates=REPLICATES), pictures=False)
    assert shown["judged"][-1].verdict == "the second is closer to people (off by 10.0, 1.0)"


def test_without_a_probability_sample_only_what_people_coded_is_judged() -> None:
    study, runs, segments = two_runs()
    person = make_person("ann", study)
    codes = [["hope"] * (n % 3 == 0) for n in range(60)]
    many_codings(segments[:60], runs[0].revision, codes, person=person)
    hope = row(compared(study)["judged"], code="hope")
    assert hope["units"] == hope["reviewed"] == 60
    assert hope["first_right"] == DRIFT
    assert hope["status"] == "no_sample"
    assert hope["corrected"] is None


def test_nobody_is_judged_where_no_person_coded_or_the_codebooks_differ() -> None:
    study, runs, segments = two_runs()
    assert compared(study)["judged"] == []
    other = make_revision(study, many=["hope"])
    run = make_run(other)
    many_codings(segments, other, [["hope"]] * 300, run=run)
    many_codings(segments, other, [["hope"]] * 300, person=make_person("ann", study))
    said = compared(study, runs[0].pk, run.pk)
    assert said["judged"] == []
    assert [one["code"] for one in said["unmatched"]] == ["worry"]


def test_what_cannot_be_compared_says_why() -> None:
    study = make_study("alone")
    revision = make_revision(study)
    run = make_run(revision)
    with pytest.raises(Problem, match="fewer than two runs"):
        compare_runs(study)
    with pytest.raises(Problem, match="same run twice"):
        compare_runs(study, run, run)
    with pytest.raises(Problem, match="has no run 999"):
        compare_runs(study, run.pk, 999)
    with pytest.raises(Problem, match="Name two runs"):
        compare_runs(study, run.pk)
    with pytest.raises(Problem, match="fewer than two revisions"):
        compare_revisions(study)


# ---- revisions ------------------------------------------------------------------------------


def next_revision(study: Study, first: Revision, many: Sequence[str]) -> Revision:
    """Return revision 2 of the same codebook."""
    made = make_revision(study, many=many)
    Revision.objects.filter(pk=made.pk).update(codebook=first.codebook, number=2)
    made.refresh_from_db()
    return made


def test_codes_meet_by_key_and_a_mapping_joins_renamed_split_and_merged_ones() -> None:
    study = make_study()
    first = make_revision(study, many=["hope", "joy", "fear", "noise"], scale=(0, 10))
    second = make_revision(study, many=["hope", "delight", "dread", "worry"], scale=(0, 10))
    guides = load_guide(first), load_guide(second)
    pairs, left = matched(*guides)
    assert [(pair.code, pair.first, pair.second) for pair in pairs] == [
        ("hope", (0,), (0,)),
        ("trust", (0,), (0,)),
    ]
    assert [(one.side, one.code) for one in left] == [
        ("second", "delight"),
        ("second", "dread"),
        ("second", "worry"),
        ("first", "joy"),
        ("first", "fear"),
        ("first", "noise"),
    ]
    mapping = ["joy=delight", "fear=dread", "topics/fear=worry", "noise=hope", "hope=hope"]
    pairs, left = matched(*guides, mapping)
    assert [(pair.code, pair.first, pair.second) for pair in pairs] == [
        ("hope", (0, 3), (0,)),
        ("delight", (1,), (1,)),
        ("dread+worry", (2,), (2, 3)),
        ("trust", (0,), (0,)),
    ]
    assert left == []
    pairs, left = matched(*guides, ["hope="])
    assert [pair.code for pair in pairs] == ["trust"]
    for wrong in ("hope", "=hope", "nothing=hope", "hope=nothing"):
        with pytest.raises(Problem):
            matched(*guides, [wrong])


def test_scales_whose_ends_moved_are_not_compared() -> None:
    study = make_study()
    first, second = (load_guide(make_revision(study, scale=ends)) for ends in ((0, 10), (0, 100)))
    pairs, left = matched(first, second)
    assert [pair.code for pair in pairs] == ["hope", "worry"]
    assert [(one.code, one.why) for one in left] == [("trust", "ends")]


def test_a_merged_code_applies_where_any_part_does_and_is_open_where_one_is() -> None:
    labels = np.array([[1, 0], [0, 0], [0, -1], [1, -1], [-1, -1]], dtype=np.int8)
    assert merged(labels, (0, 1)).tolist() == [1, 0, -1, 1, -1]
    assert merged(labels, (1,)).tolist() == [0, 0, -1, -1, -1]


def bridged() -> tuple[Study, Revision, Revision, list[Segment]]:
    """Return a study in which ann coded 60 segments twice: "fear" became narrower, as "dread"."""
    study = make_study("bridge")
    first = make_revision(study, many=["hope", "fear"])
    second = next_revision(study, first, ["hope", "dread"])
    segments = many_segments(study, 200)
    ann = make_person("ann", study)
    for revision, code, every in ((first, "fear", 3), (second, "dread", 6)):
        codes = [["hope"] * (n % 2) + [code] * (n % every == 0) for n in range(200)]
        run = make_run(revision)
        many_codings(segments, revision, codes, run=run)
        many_codings(segments[:60], revision, codes[:60], person=ann)
        if revision == second:
            make_sample(run, segments[:60])
    return study, first, second, segments


def test_people_and_machine_drift_between_revisions_is_counted_on_segments_coded_twice() -> None:
    study, _first, second, _segments = bridged()
    made = compare_revisions(study, mapping=["fear=dread"], replicates=REPLICATES)
    said = as_json(made)
    assert (said["people"], said["segments"]) == (60, 200)
    people = row(said["changes"], of="people", code="dread")
    assert [people[key] for key in ("both", "only_first", "only_second", "neither")] == [
        10,
        10,
        0,
        40,
    ]
    assert people["difference"] == pytest.approx(-1 / 6)
    assert people["design"]["difference"] == pytest.approx(-1 / 6, abs=0.01)
    assert people["design"]["high"] < 0
    machine = row(said["changes"], of="machine", code="dread")
    assert (machine["units"], machine["changed"]) == (200, 33)
    assert row(said["changes"], of="people", code="hope")["changed"] == 0
    unmapped = as_json(compare_revisions(study, 1, second, replicates=REPLICATES))
    assert {one["code"] for one in unmapped["changes"]} == {"hope"}
    assert [(one["side"], one["code"]) for one in unmapped["unmatched"]] == [
        ("second", "dread"),
        ("first", "fear"),
    ]


def test_what_people_disagree_on_is_counted_apart_until_somebody_rules() -> None:
    study, _first, second, segments = bridged()
    ben = make_person("ben", study)
    many_codings(segments[:1], second, [["hope"]], person=ben)  # ann says dread, and no hope
    said = as_json(compare_revisions(study, mapping=["fear=dread"], replicates=REPLICATES))
    people = row(said["changes"], of="people", code="dread")
    assert (people["units"], people["split"]) == (59, 1)
    item = study.samples.get().items.get(segment=segments[0])
    code = second.dimensions.get(key="topics").codes.get(key="dread")
    Ruling.objects.create(item=item, code=code, applies=True, by=ben)
    said = as_json(compare_revisions(study, mapping=["fear=dread"], replicates=REPLICATES))
    people = row(said["changes"], of="people", code="dread")
    assert (people["units"], people["split"], people["both"]) == (60, 0, 10)


def test_a_sample_that_preferred_some_is_weighted_back() -> None:
    study = make_study()
    first = make_revision(study, many=["hope"])
    second = next_revision(study, first, ["hope"])
    segments = many_segments(study, 400)
    ann = make_person("ann", study)
    # A tenth of the segments is rich in change and drawn whole; of the rest every ninth is drawn.
    rich = segments[:40]
    drawn = [*rich, *segments[40::9]]
    chance = {segment.pk: 1.0 if segment in rich else 40 / 360 for segment in drawn}
    for revision, changes in ((first, 0), (second, 20)):
        codes = [["hope"] * (at < changes) for at in range(len(drawn))]
        many_codings(drawn, revision, codes, person=ann)
    run = make_run(second)
    sample = make_sample(run, drawn)
    for item in sample.items.all():
        item.inclusion = chance[item.segment_id]
        item.save()
    said = as_json(compare_revisions(study, replicates=REPLICATES))
    people = row(said["changes"], of="people", code="hope")
    assert people["difference"] == pytest.approx(20 / 80)
    assert people["design"]["difference"] == pytest.approx(20 / 400, abs=0.001)
