"""Codes together: the rows of a study, the page, and pictures as files."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from docx import Document

from coding.models import Coding, Mark
from reviews.prevalence import Strata
from reviews.reports import report
from reviews.tables import load_table
from reviews.together import (
    CodeOf,
    TogetherRow,
    among_rows,
    codes_together,
    joint_shares,
)
from reviews.together_wording import sentences
from studies.models import Role, Study
from tests.factories import make_person, make_revision, make_run, make_sample, make_study
from tests.reviews.test_reports import many_codings, many_segments

pytestmark = pytest.mark.django_db
SIZE, DRAWN = 120, 90
TOPICS = [CodeOf("topics", "hope"), CodeOf("topics", "worry")]


@pytest.fixture(autouse=True)
def _forget() -> None:
    cache.clear()


def make_pairs(*, people: bool = True) -> Study:
    """120 segments: the machine says hope and worry of the same third, people of two sixths."""
    study = make_study("pairs")
    revision = make_revision(study, one=("for", "against"), scale=(0, 100))
    segments = many_segments(study, SIZE, ("ar", "en"))
    run = make_run(revision)
    said = [["hope", "worry", "for"] if n % 3 == 0 else ["against"] for n in range(SIZE)]
    many_codings(segments, revision, said, run=run)
    if people:
        make_sample(run, segments[:DRAWN])
        true = [
            ["hope"] * (n % 3 == 0) + ["worry"] * (n % 6 == 0 or n % 3 == 1) + ["for"]
            for n in range(DRAWN)
        ]
        many_codings(segments[:DRAWN], revision, true, person=make_person("ann", study))
    trust = revision.dimensions.get(key="trust").codes.get()
    codings = Coding.objects.filter(revision=revision).prefetch_related("marks__code")
    Mark.objects.bulk_create(
        Mark(
            coding=coding,
            code=trust,
            value=70.0 if any(mark.code.key == "hope" for mark in coding.marks.all()) else 30.0,
        )
        for coding in codings
    )
    return study


def row_of(study: Study, first: CodeOf, second: CodeOf) -> TogetherRow:
    found = report(study, replicates=20).together
    return next(row for row in found.pairs if (row.first, row.second) == (first, second))


def test_people_correct_what_the_machine_says_of_two_codes() -> None:
    row = row_of(make_pairs(), *TOPICS)
    assert math.isnan(row.machine)  # it never says worry without hope
    assert row.status == "ok"
    # Half of those with hope have worry, and of the others half: no link.
    assert row.given == pytest.approx(0.5, abs=0.02)
    assert row.without == pytest.approx(0.5, abs=0.02)
    assert row.ratio_low < 1 < row.ratio_high
    assert row.reviewed == DRAWN
    assert list(row.answered) == [15, 15, 30, 30]
    assert row.grade == "A"
    assert row.link == "none_shown"
    assert row.p_holm == 1


def test_without_people_the_machine_is_said_to_be_alone() -> None:
    row = row_of(make_pairs(people=False), *TOPICS)
    assert (row.status, row.grade, row.reviewed) == ("machine_only", "D", 0)
    assert math.isnan(row.given)
    assert math.isnan(row.odds_low)
    assert math.isnan(row.p_value)
    assert row.link is None


def test_two_codes_of_a_question_with_one_answer_are_no_pair() -> None:
    study = make_pairs()
    found = report(study, replicates=20).together
    stances = [
        row for row in found.pairs if row.first.dimension == row.second.dimension == "stance"
    ]
    across = [row for row in found.pairs if row.second == CodeOf("stance", "for")]
    assert not stances
    assert len(across) == 2


def test_coders_who_disagree_each_count_with_their_own_pair() -> None:
    study = make_study("split")
    revision = make_revision(study)
    segments = many_segments(study, 3)
    run = make_run(revision)
    many_codings(segments, revision, [["hope"]] * 3, run=run)
    sample = make_sample(run, segments)
    many_codings(
        segments, revision, [["hope", "worry"], ["hope"], []], person=make_person("ann", study)
    )
    many_codings(segments, revision, [[], ["hope", "worry"], []], person=make_person("ben", study))
    shares = joint_shares(load_table(study, revision, run, sample), 0, 1)
    # Both or neither in the first: never one alone, as the product of two halves would say.
    assert shares.tolist() == [[0.5, 0, 0, 0.5], [0.5, 0.5, 0, 0], [0, 0, 0, 1]]


def test_a_scale_stands_with_each_code_from_low_to_high() -> None:
    study = make_pairs()
    found = report(study, replicates=20).together
    assert [(row.code.code, row.by) for row in found.among] == [
        ("worry", "people"),
        ("hope", "people"),
    ]
    worry, hope = found.among
    assert (hope.mean, hope.n, hope.machine) == (70, 30, 70)
    assert worry.mean == pytest.approx((15 * 70 + 30 * 30) / 45)
    assert worry.low < worry.mean < worry.high


def test_without_people_a_scale_is_the_machines_and_has_no_interval() -> None:
    study = make_pairs(people=False)
    run = study.runs.get()
    rows = among_rows(load_table(study, run.revision, run, None))
    assert [(row.code.code, row.by, row.mean) for row in rows] == [
        ("hope", "machine", 70),
        ("worry", "machine", 70),
    ]
    assert all(math.isnan(row.low) for row in rows)


def test_a_study_without_a_machine_is_read_from_people() -> None:
    study = make_study("by-hand")
    revision = make_revision(study)
    segments = many_segments(study, 60)
    codes = [["hope"] * (n % 2) + ["worry"] * (n % 3 == 0) for n in range(60)]
    many_codings(segments, revision, codes, person=make_person("ann", study))
    table = load_table(study, revision, None, None)
    found = codes_together(table, Strata(np.zeros(60, np.int64), ("",), False), 1)
    (row,) = found.pairs
    assert (found.by, found.possible) == ("people", 1)
    assert row.given == pytest.approx(1 / 3)
    assert row.without == pytest.approx(1 / 3)
    assert row.ratio_low < 1 < row.ratio_high
    assert row.link == "none_shown"


CODES = tuple("abcdef")


def make_six(linked: Sequence[int], *, machine: bool = True) -> Study:
    """240 segments, six codes at random; in `linked` ones the second code follows the first."""
    study = make_study("six")
    revision = make_revision(study, many=CODES)
    segments = many_segments(study, 240 if machine else 120)
    rng = np.random.default_rng(3)
    said = rng.random((len(segments), 6)) < 0.4
    said[linked, 1] = said[linked, 0]
    codes = [[CODES[at] for at in np.flatnonzero(row)] for row in said]
    if machine:
        run = make_run(revision)
        many_codings(segments, revision, codes, run=run)
        make_sample(run, segments[:120])
    many_codings(segments[:120], revision, codes[:120], person=make_person("ann", study))
    return study


def pair(study: Study, first: str, second: str) -> TogetherRow:
    return row_of(study, CodeOf("topics", first), CodeOf("topics", second))


def test_a_strong_link_survives_the_correction_for_all_pairs() -> None:
    study = make_six(range(0, 240, 2))
    row = pair(study, "a", "b")
    found = report(study, replicates=20).together
    assert (found.possible, found.by) == (15, "machine")
    assert row.link == "clear"
    assert row.p_value <= row.p_holm < 0.05
    assert 1 < row.ratio_low_all < row.ratio_low < row.ratio < row.ratio_high < row.ratio_high_all
    assert [one.p_holm for one in found.pairs if one.link == "clear"] == [row.p_holm]
    said = [str(text) for text in sentences(report(study, replicates=20))]
    assert "times as often" in said[0]
    assert "over 15 pairs" in said[0]


def test_a_weak_link_is_not_certain_where_many_pairs_are_looked_at() -> None:
    study = make_six(range(0, 240, 4))
    row = pair(study, "a", "b")
    assert row.p_value < 0.05 < row.p_holm <= 15 * row.p_value
    assert row.ratio_low_all < 1 < row.ratio_low
    assert row.link == "uncertain"
    said = [str(text) for text in sentences(report(study, replicates=20))]
    assert said[0].startswith("It is not certain")
    assert "among 15 pairs chance" in said[0]


def test_pairs_that_people_chose_are_tested_among_all_possible_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = make_six([], machine=False)
    monkeypatch.setattr("reviews.together.MOST_PAIRS", 4)
    found = report(study, replicates=20).together
    assert (found.by, len(found.pairs), found.possible) == ("people", 4, 15)
    best = found.pairs[0]
    assert best.p_holm == pytest.approx(min(15 * best.p_value, 1))


def test_too_few_answers_make_no_sentence_certain() -> None:
    study = make_study("few")
    revision = make_revision(study)
    segments = many_segments(study, 400)
    run = make_run(revision)
    codes = [
        ["hope"] * (n < 12 or n >= 380) + ["worry"] * (8 <= n < 20 or n >= 380) for n in range(400)
    ]
    many_codings(segments, revision, codes, run=run)
    make_sample(run, segments[:300])
    many_codings(segments[:300], revision, codes[:300], person=make_person("ann", study))
    row = row_of(study, *TOPICS)
    assert list(row.answered) == [4, 8, 8, 280]
    assert row.p_holm < 0.05
    assert row.link == "uncertain"
    (said,) = sentences(report(study, replicates=20))
    assert "too few answers stand behind it" in said


def test_the_report_and_all_its_files_say_which_codes_go_together(tmp_path: Path) -> None:
    study = make_six(range(0, 240, 2))
    first, second = tmp_path / "first", tmp_path / "second"
    call_command("report", study.slug, "--replicates", "20", "--seed", "4", "--out", str(first))
    html = (first / "report.html").read_text("utf-8")
    assert '<section id="together">' in html
    assert "Holm’s p over 15 pairs" in html
    assert '<bdi lang="en">A</bdi>' in html
    text = "\n".join(one.text for one in Document(str(first / "report.docx")).paragraphs)
    assert "Where “A” applies, “B” applies" in text
    told = json.loads((first / "report.json").read_text("utf-8"))["together"]
    assert (told["possible"], told["chosen_by"], len(told["pairs"])) == (15, "machine", 15)
    with (first / "together.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, one in zip(rows, told["pairs"], strict=True):
        assert (row["first_code"], row["second_code"]) == (one["first_code"], one["second_code"])
        assert float(row["p_holm"]) == one["p_holm"]
        assert (row["link"], float(row["odds_low"])) == (one["link"], one["odds_low"])
    shown = next(row for row in rows if row["link"] == "clear")
    assert (shown["first_dimension"], shown["answered_both"]) == ("topics", "30.0")
    # And the design record makes the very same again.
    cache.clear()
    call_command("report", study.slug, "--record", str(first / "design.json"), "--out", str(second))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_a_report_of_one_code_has_no_section_of_pairs(tmp_path: Path) -> None:
    study = make_study("one")
    revision = make_revision(study, many=["hope"])
    segments = many_segments(study, 30)
    many_codings(segments, revision, [["hope"]] * 15 + [[]] * 15, run=make_run(revision))
    call_command("report", study.slug, "--replicates", "20", "--out", str(tmp_path))
    assert 'id="together"' not in (tmp_path / "report.html").read_text("utf-8")
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["together"]["pairs"] == []


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_the_page_says_it_in_words_with_picture_and_table() -> None:
    study = make_pairs()
    client = signed_in(make_person("lea", study, Role.LEAD))
    shown = client.get("/studies/pairs/together/", {"by": "country"}).content.decode()
    assert "no clear link" in shown
    assert '<bdi lang="en">Hope</bdi>' in shown
    assert shown.count("<svg") == 3  # pairs, the scale by code, scales by group
    assert "From lowest to highest: Trust" in shown
    assert "Scales by country" in shown
    assert "/studies/pairs/pictures/together.png" in shown


def test_the_report_leads_to_its_pictures() -> None:
    make_pairs()
    client = signed_in(make_person("rea", Study.objects.get(), Role.READER))
    shown = client.get("/studies/pairs/report/", {"by": "language"}).content.decode()
    assert "/studies/pairs/pictures/correction.json?by=language" in shown


def test_before_any_coding_the_page_says_what_it_will_show() -> None:
    study = make_study("pairs")
    make_revision(study)
    client = signed_in(make_person("lea", study, Role.LEAD))
    assert "Nothing to show yet" in client.get("/studies/pairs/together/").content.decode()


@pytest.mark.parametrize(
    "name", ["prevalence", "agreement", "together", "among-trust", "correction"]
)
def test_every_picture_can_be_had_as_svg_png_and_vega_lite(name: str) -> None:
    study = make_pairs()
    client = signed_in(make_person("rea", study, Role.READER))
    files = {
        form: client.get(f"/studies/pairs/pictures/{name}.{form}", {"by": "language"})
        for form in ("svg", "png", "json")
    }
    assert {form: answer.status_code for form, answer in files.items()} == dict.fromkeys(files, 200)
    assert files["svg"].content.startswith(b"<svg")
    assert files["png"].content.startswith(b"\x89PNG")
    assert "vega-lite" in json.loads(files["json"].content)["$schema"]
    assert f"pairs-{name}.png" in files["png"]["Content-Disposition"]
    # The second time from the cache, with what it was drawn from.
    again = client.get(f"/studies/pairs/pictures/{name}.json", {"by": "language"})
    assert again.content == files["json"].content


@pytest.mark.parametrize("name", ["nothing.svg", "prevalence.gif"])
def test_what_is_no_picture_is_not_found(name: str) -> None:
    study = make_pairs(people=False)
    client = signed_in(make_person("rea", study, Role.READER))
    assert client.get(f"/studies/pairs/pictures/{name}").status_code == 404


def test_coders_see_neither_the_page_nor_its_pictures() -> None:
    study = make_pairs()
    client = signed_in(make_person("cai", study))
    for path in ("together/", "pictures/together.svg"):
        assert client.get(f"/studies/pairs/{path}").status_code == 403
