"""The sample is a probability sample, and the same one every time."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from coding.models import Coding, Mark
from reviews.exports import export
from reviews.models import Assignment, Item, Sample
from reviews.sampling import continue_sample, current_sample, draw_sample, rounds, vacant
from studies.models import Membership, Participant, Segment, Study
from studies.problems import Problem
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_segment,
    make_study,
)

pytestmark = pytest.mark.django_db


def population(study: Study, **languages: int) -> list[Segment]:
    return [
        make_segment(
            f"{language} {number}",
            study,
            language=language,
            external_id=f"{language}{number:03}",
            attributes={"country": "Chile" if number % 4 else "Peru"},
        )
        for language, count in languages.items()
        for number in range(count)
    ]


def make_coded(**languages: int) -> tuple[Study, list[Segment]]:
    revision = make_revision(one=("for", "against"))
    study = revision.codebook.study
    segments = population(study, **languages)
    run = make_run(revision)
    for number, segment in enumerate(segments):
        if number % 10 == 9:
            continue  # not coded
        codes = ["hope"] if number % 2 else []
        make_coding(segment, revision, run=run, codes=[*codes, "worry"] if number == 1 else codes)
    return study, segments


def drawn(sample: Sample) -> list[tuple[str, str, float, int]]:
    return list(
        sample.items.order_by("position").values_list(
            "segment__transcript__external_id", "stratum", "inclusion", "coders_wanted"
        )
    )


def test_the_same_seed_draws_the_same_sample() -> None:
    study, _ = make_coded(en=40, ar=20)
    first = draw_sample(study, size=25, strata=["language"], seed=7)
    items = drawn(first)
    assert draw_sample(study, size=25, strata=["language"], seed=7) == first
    assert Sample.objects.count() == 1
    first.delete()
    assert drawn(draw_sample(study, size=25, strata=["language"], seed=7)) == items


def test_a_sample_is_the_same_on_every_database() -> None:
    revision = make_revision()
    study = revision.codebook.study
    # Databases sort these each in their own way; the ids were given at random.
    for name in ["b", "A", "ä", "Z", "10", "9", "ب", "_", "a b", "a-b"]:
        make_segment("words", study, external_id=name)
    sample = draw_sample(study, size=4, seed=11)
    assert [row[0] for row in drawn(sample)] == ["b", "10", "Z", "a-b"]
    assert sample.frame_digest == (
        "5950bc5ae09531a9dc07d7bcffa8da6595c657fdbc6b865a2d2f424c292a8d3d"
    )


def test_another_seed_or_another_frame_is_another_sample() -> None:
    study, _ = make_coded(en=30)
    first = draw_sample(study, size=10, seed=1)
    assert draw_sample(study, size=10, seed=2) != first
    population(study, de=1)
    later = draw_sample(study, size=10, seed=1)
    assert later != first
    assert later.frame_digest != first.frame_digest
    assert current_sample(study) == later


def test_a_seed_is_made_up_and_kept() -> None:
    study, _ = make_coded(en=12)
    first, second = (draw_sample(study, size=5) for _ in range(2))
    assert first.seed != second.seed
    assert drawn(draw_sample(study, size=5, seed=first.seed)) == drawn(first)


def test_inclusion_probabilities_weigh_up_to_the_population() -> None:
    study, segments = make_coded(en=60, ar=25, sw=7)
    sample = draw_sample(study, size=40, strata=["language", "label"], seed=3)
    weights = sum(1 / inclusion for inclusion in sample.items.values_list("inclusion", flat=True))
    assert weights == pytest.approx(len(segments))
    for size in sample.design["sizes"]:
        here = sample.items.filter(stratum=size["key"])
        assert here.count() == size["drawn"]
        assert {item.inclusion for item in here} == {size["drawn"] / size["population"]}


def test_every_stratum_gets_ten_or_all_it_has() -> None:
    study, _ = make_coded(en=100, ar=12, sw=4)
    sample = draw_sample(study, size=40, strata=["language"], seed=3)
    sizes = {size["key"]: size["drawn"] for size in sample.design["sizes"]}
    assert sizes["sw"] == 4
    assert sizes["ar"] >= 10
    assert sum(sizes.values()) == 40


def test_a_small_sample_is_shared_among_the_strata() -> None:
    study, _ = make_coded(en=30, ar=30, sw=2)
    sample = draw_sample(study, size=6, strata=["language"], seed=3)
    assert sorted(size["drawn"] for size in sample.design["sizes"]) == [2, 2, 2]


def test_strata_follow_what_the_machine_said() -> None:
    study, segments = make_coded(en=50)
    sample = draw_sample(study, size=50, strata=["label"], seed=3)
    strata = dict(sample.items.values_list("segment", "stratum"))
    assert strata[segments[9].pk] == "uncoded"
    assert strata[segments[0].pk] == "none"
    assert strata[segments[3].pk] == "common"
    assert strata[segments[1].pk] == "rare"  # "worry" is found once in 45


def test_strata_follow_how_sure_the_machine_is_and_draw_more_of_the_unsure() -> None:
    study, segments = make_coded(en=100)
    Mark.objects.update(confidence=0.98)
    unsure = Coding.objects.filter(segment__in=segments[:40]).values("pk")
    Mark.objects.filter(coding__in=unsure).update(confidence=0.55)
    sample = draw_sample(study, size=60, strata=["confidence"], seed=3)
    rate = {size["key"]: size["drawn"] / size["population"] for size in sample.design["sizes"]}
    assert rate["unsure"] > rate["sure"]
    assert rate["uncoded"] > rate["sure"]


def test_strata_follow_an_attribute_of_the_participants() -> None:
    study, segments = make_coded(en=20)
    Participant.objects.filter(transcripts__segments=segments[1]).update(attributes={})
    sample = draw_sample(study, size=15, strata=["country"], seed=3)
    assert {size["key"]: size["population"] for size in sample.design["sizes"]} == {
        "": 1,
        "Chile": 14,
        "Peru": 5,
    }


def test_the_order_of_asking_does_not_follow_the_strata() -> None:
    study, _ = make_coded(en=40, ar=40)
    sample = draw_sample(study, size=40, strata=["language"], seed=3)
    strata = [row[1] for row in drawn(sample)]
    assert strata != sorted(strata)
    assert strata != sorted(strata, reverse=True)


def test_named_coders_share_the_work_and_overlap_as_asked() -> None:
    study, _ = make_coded(en=60)
    sample = draw_sample(study, size=40, coders=["mara", "tomas"], overlap=0.25, seed=3)
    twice = sample.items.filter(coders_wanted=2)
    assert twice.count() == 10
    assert Assignment.objects.filter(item__sample=sample).count() == 50
    for item in sample.items.all():
        assert item.assignments.count() == item.coders_wanted
    per_coder = [
        Assignment.objects.filter(person__username=name).count() for name in ("mara", "tomas")
    ]
    assert per_coder == [25, 25]


def test_without_coders_items_wait_in_the_pool() -> None:
    study, _ = make_coded(en=20)
    sample = draw_sample(study, size=10, overlap=0.5, seed=3)
    assert not Assignment.objects.exists()
    assert sample.items.filter(coders_wanted=2).count() == 5


def test_people_alone_can_be_sampled_without_any_run() -> None:
    revision = make_revision()
    population(revision.codebook.study, en=12)
    sample = draw_sample(revision.codebook.study, size=5, strata=["language"], seed=3)
    assert sample.run is None
    assert sample.revision == revision
    revision.refresh_from_db()
    assert revision.frozen_at is not None


def test_a_run_that_coded_nothing_is_passed_over() -> None:
    study, _ = make_coded(en=12)
    coded = study.runs.get()
    make_run(coded.revision)
    assert draw_sample(study, size=5, seed=3).run == coded


def test_what_a_coder_has_coded_already_is_not_asked_again() -> None:
    study, segments = make_coded(en=12)
    mara = make_person("mara", study)
    coding = make_coding(segments[0], study.runs.get().revision, person=mara)
    sample = draw_sample(study, size=12, coders=["mara"], seed=3)
    assignment = Assignment.objects.get(item__sample=sample, item__segment=segments[0])
    assert assignment.coding == coding
    assert assignment.answered_at is not None
    assert Assignment.objects.filter(answered_at=None).count() == 11


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"size": 13}, "The study has 12 segments, so a sample of 13 can’t be drawn"),
        ({"size": 0}, "at least one segment"),
        ({"size": 1, "strata": ["language"]}, "too small for 2 strata"),
        ({"size": 5, "strata": ["planet"]}, "no strata “planet”: choose among language, label"),
        ({"size": 5, "overlap": 1.5}, "a share from 0 to 1"),
        ({"size": 5, "coders": ["mara"], "overlap": 0.5}, "Two coders are needed"),
        ({"size": 5, "seed": -1}, "A seed is a whole number"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence(asked: dict[str, Any], sentence: str) -> None:
    study, _ = make_coded(en=9, ar=3)
    with pytest.raises(Problem, match=sentence):
        draw_sample(study, **asked)
    assert not Item.objects.exists()


def test_strata_by_label_need_a_run() -> None:
    revision = make_revision()
    population(revision.codebook.study, en=3)
    with pytest.raises(Problem, match="coded nothing yet"):
        draw_sample(revision.codebook.study, size=2, strata=["label"])


def test_a_study_without_interviews_says_so() -> None:
    with pytest.raises(Problem, match="no interviews yet"):
        draw_sample(make_revision().codebook.study, size=2)


def test_the_command_says_who_is_asked_and_cannot_sign_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = make_study("hopes")
    make_revision(study)
    for number in range(4):
        make_segment(f"I hope {number}.", study)
    make_person("mara", study)
    call_command("draw_sample", "hopes", "--size", "4", "--coders", "mara,tmoas")
    told = capsys.readouterr().out
    assert "tmoas can’t sign in yet: `manage.py add_person hopes tmoas --role coder`" in told
    assert "mara can’t" not in told


def test_the_command_says_which_coders_are_new_and_whom_a_name_may_have_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = make_study("hopes")
    make_revision(study)
    for number in range(4):
        make_segment(f"I hope {number}.", study)
    for name in ("mara", "tomas", "coder1"):
        make_person(name, study)
    draw = ["draw_sample", "hopes", "--size", "4", "--seed", "1", "--coders"]
    call_command(*draw, "mara,tmoas,eva,coder1,coder2", "--json")
    assert json.loads(capsys.readouterr().out)["new_coders"] == [
        {"name": "tmoas", "close": ["tomas"]},
        {"name": "eva", "close": []},
        {"name": "coder2", "close": []},  # and is nobody else for another number
    ]
    call_command(*draw, "mara,Tomass")
    told = capsys.readouterr().out
    assert "New in the study, made as coders: Tomass." in told
    assert "Was “tomas” meant by “Tomass”?" in told
    call_command(*draw, "mara,Tomass")
    assert "New in the study" not in capsys.readouterr().out


def reads(study: Study, **languages: list[str]) -> None:
    for name, given in languages.items():
        Membership.objects.filter(study=study, person=make_person(name, study)).update(reads=given)


def asked(sample: Sample) -> dict[str, set[str]]:
    """Return the languages of what each coder is asked about."""
    found: dict[str, set[str]] = {}
    rows = Assignment.objects.filter(item__sample=sample)
    for name, language in rows.values_list("person__username", "item__language"):
        found.setdefault(name, set()).add(language)
    return found


def test_each_item_goes_to_exactly_as_many_coders_as_asked() -> None:
    study, _ = make_coded(en=30)
    sample = draw_sample(study, size=20, coders=["mara", "tomas", "li", "ada"], per_item=3, seed=3)
    for item in sample.items.all():
        assert item.assignments.count() == item.coders_wanted == item.taken == 3
    load = Counter(Assignment.objects.values_list("person__username", flat=True))
    assert set(load.values()) == {15}


def test_a_share_may_go_to_more_than_two() -> None:
    study, _ = make_coded(en=30)
    sample = draw_sample(study, size=20, coders=["a", "b", "c"], per_item=3, overlap=0.2, seed=3)
    assert sorted(sample.items.values_list("taken", flat=True)) == [1] * 16 + [3] * 4


def test_coders_get_the_languages_they_read_and_even_parts() -> None:
    study, _ = make_coded(en=40, ar=40)
    reads(study, ana=["ar", "en"], ben=["en-GB"], col=["ar"])
    sample = draw_sample(study, size=60, coders=["ana", "ben", "col"], seed=3)
    assert asked(sample) == {"ana": {"ar", "en"}, "ben": {"en"}, "col": {"ar"}}
    load = Counter(Assignment.objects.values_list("person__username", flat=True))
    assert max(load.values()) - min(load.values()) <= 1
    assert vacant(sample) == []


def test_what_nobody_named_reads_is_told_in_a_sentence() -> None:
    study, _ = make_coded(en=20, sw=8)
    reads(study, ana=["en"], ben=["en", "sw"])
    sample = draw_sample(study, size=28, coders=["ana", "ben"], per_item=2, seed=3)
    [gap] = vacant(sample)
    assert (gap.language, gap.seats, gap.items) == ("sw", 8, 8)
    told = str(gap.sentence)
    assert "read “sw”" in told
    assert "8 codings" in told
    assert "sw000" in told or gap.interviews[0] in told


def test_the_second_look_is_drawn_with_the_seed_and_changes_nothing_else() -> None:
    study, _ = make_coded(en=40)
    plain = draw_sample(study, size=20, coders=["mara", "tomas"], overlap=0.5, seed=3)
    looked = draw_sample(
        study, size=20, coders=["mara", "tomas"], overlap=0.5, assisted=0.3, seed=3
    )
    assert drawn(plain) == drawn(looked)
    assert looked.design["assisted"] == 0.3
    chosen = list(looked.items.filter(assisted=True).values_list("position", flat=True))
    assert len(chosen) == 6
    assert not plain.items.filter(assisted=True).exists()
    looked.delete()
    again = draw_sample(study, size=20, coders=["mara", "tomas"], overlap=0.5, assisted=0.3, seed=3)
    assert list(again.items.filter(assisted=True).values_list("position", flat=True)) == chosen


def test_a_further_round_keeps_the_first_and_draws_from_what_is_left() -> None:
    study, segments = make_coded(en=60, ar=30)
    first = draw_sample(study, size=30, strata=["language"], coders=["mara"], seed=3)
    before = drawn(first)
    second = continue_sample(first, size=20, seed=4)
    assert drawn(first) == before
    assert current_sample(study) == second
    assert rounds(second) == [first, second]
    assert not set(first.items.values_list("segment")) & set(second.items.values_list("segment"))
    assert (second.design["round"], second.design["looked"]) == (2, False)
    assert second.design["coders"] == ["mara"]
    for size in second.design["sizes"]:
        drawn_before = first.items.filter(stratum=size["key"]).count()
        assert size["left"] == size["population"] - drawn_before
        here = second.items.filter(stratum=size["key"])
        assert {item.inclusion for item in here} == {size["drawn"] / size["left"]}
    assert continue_sample(first, size=20, seed=4) == second
    # The chance of being in either round weighs the items of both up to the population.
    chance = {
        size["key"]: first.items.filter(stratum=size["key"]).count() / size["population"]
        for size in second.design["sizes"]
    }
    later = dict(second.items.values_list("stratum", "inclusion"))
    both = [*first.items.all(), *second.items.all()]
    total = sum(1 / (1 - (1 - chance[item.stratum]) * (1 - later[item.stratum])) for item in both)
    assert total == pytest.approx(len(segments))


def test_an_export_gives_the_chance_of_being_in_any_round(tmp_path: Path) -> None:
    study, _ = make_coded(en=60, ar=30)
    first = draw_sample(study, size=30, strata=["language"], coders=["mara"], seed=3)
    second = continue_sample(first, size=20, seed=4)
    export(study, tmp_path / "codings.csv")
    with (tmp_path / "codings.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["transcript"]: row for row in csv.DictReader(file)}
    drawn_ = {name: float(row["inclusion"]) for name, row in rows.items() if row["inclusion"]}
    assert len(drawn_) == first.items.count() + second.items.count() == 50
    assert sum(1 / chance for chance in drawn_.values()) == pytest.approx(90)


def test_over_many_seeds_every_segment_is_as_likely_to_be_in_some_round() -> None:
    study, segments = make_coded(en=12)
    times: Counter[int] = Counter()
    for seed in range(30):
        first = draw_sample(study, size=4, seed=seed)
        second = continue_sample(first, size=4, seed=1000 + seed)
        times.update(
            Item.objects.filter(sample__in=[first, second]).values_list("segment", flat=True)
        )
        Sample.objects.filter(pk=second.pk).delete()
        first.delete()
    # 8 of 12 in 30 draws: 20 on average, with a standard deviation of 2.6.
    assert all(times[segment.pk] > 20 - 4 * 2.6 for segment in segments)


def test_more_of_one_stratum_says_that_it_looked() -> None:
    study, _ = make_coded(en=30, ar=30)
    first = draw_sample(study, size=20, strata=["language"], seed=3)
    second = continue_sample(first, more={"ar": 5}, coders=["tomas"], seed=4)
    assert set(second.items.values_list("stratum", flat=True)) == {"ar"}
    assert second.items.count() == 5
    assert second.design["looked"] is True
    third = continue_sample(second, more={"en": 2}, seed=5)
    assert rounds(third) == [first, second, third]
    with pytest.raises(Problem, match="continue its latest round"):
        continue_sample(first, more={"en": 1}, seed=6)
    with pytest.raises(Problem, match="no stratum “sw”"):
        continue_sample(third, more={"sw": 1})
    with pytest.raises(Problem, match="segments left, so 99"):
        continue_sample(third, more={"ar": 99})
    with pytest.raises(Problem, match="segments are left to draw"):
        continue_sample(third, size=99)


def test_a_round_is_not_added_to_a_frame_that_changed() -> None:
    study, _ = make_coded(en=30)
    first = draw_sample(study, size=10, seed=3)
    population(study, de=1)
    with pytest.raises(Problem, match="changed after the sample was drawn"):
        continue_sample(first, size=5)


def test_the_command_adds_a_round_and_names_what_nobody_reads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study, _ = make_coded(en=20, sw=6)
    reads(study, ana=["en"])
    call_command(
        "draw_sample", study.slug, "--size", "10", "--strata", "language", "--coders", "ana",
        "--assisted", "0.2", "--seed", "5", "--json",
    )  # fmt: skip
    first = json.loads(capsys.readouterr().out)
    assert first["assisted"] == 2
    assert first["vacant"][0]["language"] == "sw"
    call_command("draw_sample", study.slug, "--continue", "--more", "en=3", "--json")
    second = json.loads(capsys.readouterr().out)
    assert (second["continues"], second["round"], second["items"]) == (first["sample"], 2, 3)
    call_command("draw_sample", study.slug, "--continue", "--more", "en=2")
    assert "2 segments are drawn" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"per_item": 3, "coders": ["a", "b"]}, "3 coders for each item are wanted and 2"),
        ({"per_item": 0}, "at least one coder"),
        ({"assisted": 2.0}, "assisted part is a share from 0 to 1"),
    ],
)
def test_what_cannot_be_handed_out_is_said(wanted: dict[str, Any], sentence: str) -> None:
    study, _ = make_coded(en=9)
    with pytest.raises(Problem, match=sentence):
        draw_sample(study, size=4, **wanted)
    assert not Item.objects.exists()
