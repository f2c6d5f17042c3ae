"""A bridge draws people's segments again, with the chances that they had."""

import json
from collections import Counter

import pytest
from django.core.management import call_command

from reviews.bridging import draw_bridge
from reviews.comparing import compare_revisions
from reviews.models import Assignment, Sample
from reviews.prevalence import design_strata
from reviews.sampling import continue_sample, draw_sample
from reviews.tables import load_table
from studies.models import Study
from studies.problems import Problem
from tests.factories import make_person, make_revision, make_run, make_study
from tests.reviews.test_comparing import next_revision
from tests.reviews.test_reports import many_codings, many_segments

pytestmark = pytest.mark.django_db


def sampled(size: int = 60, strata: str = "language") -> tuple[Study, Sample]:
    """Return a study of 300 segments, most of them German, with a sample under revision 1."""
    study = make_study("bridge")
    revision = make_revision(study, many=["hope", "fear"])
    segments = many_segments(study, 300, ("de", "de", "de", "en"))
    run = make_run(revision)
    many_codings(segments, revision, [["hope"] * (n % 2) for n in range(300)], run=run)
    sample = draw_sample(study, size=size, strata=[strata], seed=1)
    later = next_revision(study, revision, ["hope", "fear"])
    many_codings(
        segments, later, [["hope"] * (n % 3 == 0) for n in range(300)], run=make_run(later)
    )
    return study, sample


def chances(sample: Sample) -> dict[int, float]:
    return dict(sample.items.values_list("segment_id", "inclusion"))


def test_all_items_are_drawn_again_with_their_chances_under_the_new_revision() -> None:
    study, sample = sampled()
    bridge = draw_bridge(study, seed=5)
    assert bridge.revision.number == 2
    assert chances(bridge) == pytest.approx(chances(sample))
    assert bridge.design["bridge_of"] == sample.pk
    assert bridge.revision.frozen_at is not None
    # The strata are those of the study: the bridge estimates like any other sample.
    table = load_table(study, bridge.revision, None, bridge)
    assert not design_strata(bridge, table).changed
    assert draw_bridge(study, sample=sample, seed=5) == bridge


def test_a_part_of_it_keeps_the_strata_and_multiplies_the_chances() -> None:
    study, sample = sampled()
    bridge = draw_bridge(study, size=20, seed=5)
    before, after = chances(sample), chances(bridge)
    assert len(after) == 20
    assert set(after) < set(before)
    populations = {one["key"]: one["population"] for one in sample.design["sizes"]}
    drawn = Counter(bridge.items.values_list("stratum", flat=True))
    assert set(drawn) == set(populations)
    for item in bridge.items.all():
        assert item.inclusion == pytest.approx(drawn[item.stratum] / populations[item.stratum])
    assert set(after) != set(chances(draw_bridge(study, sample=sample, size=20, seed=6)))


def test_the_weights_of_every_bridge_add_up_to_the_study() -> None:
    study, sample = sampled(40)
    for seed in range(6):
        bridge = draw_bridge(study, sample=sample, size=20, seed=seed)
        assert sum(1 / chance for chance in chances(bridge).values()) == pytest.approx(300)


def test_rounds_are_bridged_together() -> None:
    study, sample = sampled(30)
    second = continue_sample(sample, size=30, seed=2)
    bridge = draw_bridge(study, sample=second, seed=5)
    assert bridge.items.count() == 60
    populations = {one["key"]: one["population"] for one in sample.design["sizes"]}
    drawn = Counter(bridge.items.values_list("stratum", flat=True))
    for item in bridge.items.all():
        assert item.inclusion == pytest.approx(drawn[item.stratum] / populations[item.stratum])
    third = continue_sample(second, more={"de": 10}, seed=3)
    looked = draw_bridge(study, sample=third, seed=5)
    assert looked.items.count() == 60  # what followed from people's answers has no chance


def test_named_coders_are_asked_and_what_they_coded_already_counts() -> None:
    study, sample = sampled()
    ann = make_person("ann", study)
    item = sample.items.get(position=1)
    revision = study.runs.order_by("-pk")[0].revision
    assert revision != sample.revision
    many_codings([item.segment], revision, [["hope"]], person=ann)
    bridge = draw_bridge(study, size=20, sample=sample, coders=["ann", "ben"], overlap=0.5, seed=5)
    asked = Assignment.objects.filter(item__sample=bridge)
    assert asked.count() in (30, 31)  # 20 segments, half of them twice; ann may know one already
    whole = draw_bridge(study, sample=sample, seed=5)
    assert Assignment.objects.get(item__sample=whole, coding__isnull=False).person == ann


def test_what_people_say_of_a_bridge_is_compared_with_what_they_said_before() -> None:
    study, sample = sampled()
    bridge = draw_bridge(study, seed=5)
    ann = make_person("ann", study)
    items = list(bridge.items.order_by("segment_id"))
    for revision, every in ((sample.revision, 2), (bridge.revision, 4)):
        codes = [["fear"] * (n % every == 0) for n in range(len(items))]
        many_codings([item.segment for item in items], revision, codes, person=ann)
    made = compare_revisions(study, replicates=50)
    assert (made.people, made.sample) == (60, bridge.pk)
    [fear] = [row for row in made.changes if row.of == "people" and row.code == "fear"]
    assert (fear.units, fear.only_first, fear.only_second) == (60, 15, 0)
    assert fear.design is not None
    assert fear.design.high < 0


def test_what_cannot_be_bridged_says_why() -> None:
    study = make_study("none")
    run = make_run(make_revision(study))
    many_codings(many_segments(study, 30), run.revision, [[]] * 30, run=run)
    with pytest.raises(Problem, match="nothing to bridge"):
        draw_bridge(study)
    sample = draw_sample(study, size=20)
    with pytest.raises(Problem, match="nothing to bridge"):
        draw_bridge(study)
    with pytest.raises(Problem, match="a bridge needs another"):
        draw_bridge(study, sample=sample)
    later = next_revision(study, run.revision, ["hope"])
    with pytest.raises(Problem, match="has 20 segments: a bridge of 21"):
        draw_bridge(study, revision=later, size=21)


def test_the_command_draws_a_bridge(capsys: pytest.CaptureFixture[str]) -> None:
    _study, sample = sampled()
    call_command("draw_sample", "bridge", "--bridge", "--size", "30", "--seed", "4", "--json")
    said = json.loads(capsys.readouterr().out)
    assert (said["items"], said["bridge_of"]) == (30, sample.pk)
    call_command("draw_sample", "bridge", "--bridge", "--json")
    assert json.loads(capsys.readouterr().out)["items"] == 60
