"""A run and its replicates: how often it says the same, by code and by language."""

from collections.abc import Sequence
from typing import Any

import krippendorff
import numpy as np
import pytest
from django.core.cache import cache

from coding.models import Run, Work
from reviews.reports import as_json as report_as_json
from reviews.reports import report
from reviews.stability import as_json, changes, stability
from studies.models import Segment, Study
from studies.problems import Problem
from tests.factories import make_coding, make_revision, make_run, make_segment, make_study
from tests.reviews.test_reports import many_codings, many_segments

pytestmark = pytest.mark.django_db
REPLICATES = 300


def repeated(times: int, count: int = 120, drawn: int = 90) -> tuple[Study, Run, list[Segment]]:
    """Return a study whose run was coded `times` times on `drawn` segments; hope wavers."""
    study = make_study("waver")
    revision = make_revision(study, many=["hope", "worry", "joy"])
    segments = many_segments(study, count, ("de", "en"))
    run = make_run(revision)
    chance = np.random.default_rng(5)
    for number in range(times):
        one = run
        own = segments
        if number:
            one = make_run(
                revision,
                replicate_of=run,
                replicate=number,
                parameters={"share": 0.75, "seed": 9},
            )
            own = segments[:drawn]
            Work.objects.bulk_create(
                Work(run=one, segment=segment, state="done") for segment in own
            )
        wavers = chance.random(count) < 0.15
        codes = [
            ["hope"] * bool((n % 3 == 0) != wavers[n]) + ["worry"] * (n % 2 == 0)
            for n in range(len(own))
        ]
        many_codings(own, revision, codes, run=one)
    return study, run, segments


def ratings(run: Run, code: str, segments: Sequence[Segment]) -> np.ndarray:
    """Return coders × segments, NaN where it was not coded."""
    found = []
    for one in (run, *run.replicates.order_by("replicate")):
        coded = set(one.codings.values_list("segment_id", flat=True))
        marked = set(one.codings.filter(marks__code__key=code).values_list("segment_id", flat=True))
        found.append([float(s.pk in marked) if s.pk in coded else np.nan for s in segments])
    return np.array(found)


def row(said: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    wanted = {"language": None, **wanted}
    [found] = [one for one in said["rows"] if all(one[key] == held for key, held in wanted.items())]
    return dict(found)


@pytest.mark.parametrize("times", [2, 3, 5])
def test_alpha_with_itself_is_that_of_krippendorffs_package(times: int) -> None:
    study, run, segments = repeated(times)
    said = as_json(stability(study, replicates=REPLICATES))
    assert (said["times"], said["drawn"], said["segments"]) == (times, 90, 90)
    assert (said["share"], said["drawn_with"]) == (0.75, 9)
    for language in (None, "de", "en"):
        inside = [
            segment
            for segment in segments
            if language is None or segment.transcript.language == language
        ]
        expected = ratings(run, "hope", inside)
        hope = row(said, code="hope", language=language)
        paired = (~np.isnan(expected)).sum(axis=0) >= 2
        assert hope["units"] == paired.sum()
        assert hope["coders"] == times
        reference = krippendorff.alpha(expected, level_of_measurement="nominal")
        assert hope["estimate"] == pytest.approx(reference, abs=1e-10)
        assert hope["low"] < hope["estimate"] < hope["high"]
        same = expected[:, paired]
        assert hope["changed"] == (same.max(axis=0) > same.min(axis=0)).sum()
        pairs = [(same[a] == same[b]).mean() for a in range(times) for b in range(a + 1, times)]
        assert hope["percent"] == pytest.approx(np.mean(pairs))


def test_what_never_changes_and_what_never_occurs_say_so() -> None:
    study, _run, _segments = repeated(3)
    said = as_json(stability(study, replicates=REPLICATES))
    worry = row(said, code="worry")
    assert (worry["estimate"], worry["changed"], worry["status"]) == (1, 0, "ok")
    joy = row(said, code="joy")
    assert (joy["estimate"], joy["status"], joy["changed"]) == (None, "no_variation", 0)


def test_scales_and_categories_are_measured_as_such() -> None:
    study = make_study()
    revision = make_revision(study, one=["for", "against"], scale=(0, 100))
    run = make_run(revision)
    again = make_run(revision, replicate_of=run, replicate=1, parameters={"share": 1, "seed": 1})
    first, second = [], []
    for n in range(40):
        segment = make_segment("Text.", study)
        Work.objects.create(run=again, segment=segment, state="done")
        values = 2.0 * n, 2.0 * n + (n % 4)
        first.append(values[0])
        second.append(values[1])
        for one, value, code in (
            (run, values[0], "for" if n % 2 else "against"),
            (again, values[1], "for" if n % 2 or n < 4 else "against"),
        ):
            make_coding(segment, revision, run=one, codes=[code], values={"trust": value})
    said = as_json(stability(study, replicates=REPLICATES))
    trust = row(said, dimension="trust")
    reference = krippendorff.alpha(np.array([first, second]), level_of_measurement="interval")
    assert trust["estimate"] == pytest.approx(reference, abs=1e-10)
    assert trust["moved"] == pytest.approx(1.5)
    assert trust["changed"] == 30
    stance = row(said, dimension="stance", code=None)
    assert stance["changed"] == 2
    assert stance["label"] == "Stance"


def test_segments_that_one_time_was_lost_on_count_with_the_others() -> None:
    study, run, segments = repeated(3)
    first = run.replicates.get(replicate=1)
    first.codings.filter(segment__in=segments[:10]).delete()
    run.codings.filter(segment__in=segments[:5]).delete()
    said = as_json(stability(study, replicates=REPLICATES))
    assert said["drawn"] == 90
    assert said["segments"] == 85  # five were coded by the second replicate alone
    assert row(said, code="hope")["units"] == 85


def test_a_run_that_was_coded_once_says_what_to_do() -> None:
    study = make_study("once")
    run = make_run(make_revision(study))
    with pytest.raises(Problem, match="No run of “once” was coded more than once"):
        stability(study)
    with pytest.raises(Problem, match="--replicates 3"):
        stability(study, run)
    with pytest.raises(Problem, match="has no run 999"):
        stability(study, 999)


def test_the_latest_run_with_replicates_is_chosen_and_a_replicate_means_its_run() -> None:
    study, run, _segments = repeated(2)
    make_run(run.revision)
    assert stability(study, replicates=REPLICATES).run.run == run.pk
    replicate = run.replicates.get()
    assert stability(study, replicate.pk, replicates=REPLICATES).run.run == run.pk


def test_replicates_leave_the_report_as_it_was() -> None:
    study, run, _segments = repeated(3)
    with_them = report_as_json(report(study, replicates=REPLICATES))
    run.replicates.all().delete()
    cache.clear()
    assert report_as_json(report(study, replicates=REPLICATES)) == with_them


def test_changes_are_counted_over_all_pairs_of_times() -> None:
    nothing = np.nan
    given = np.array([[1, 0, 5, nothing], [1, 1, nothing, 2], [1, nothing, nothing, nothing]])
    assert changes(given) == (1, 0.5)
    assert changes(np.full((2, 3), np.nan))[0] == 0
