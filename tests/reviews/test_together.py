"""Codes together: the rows of a study, the page, and pictures as files."""

import json
import math

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

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
    pair_rows,
)
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
    found = codes_together(study, report(study, replicates=20))
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


def test_without_people_the_machine_is_said_to_be_alone() -> None:
    row = row_of(make_pairs(people=False), *TOPICS)
    assert (row.status, row.grade, row.reviewed) == ("machine_only", "D", 0)
    assert math.isnan(row.given)
    assert math.isnan(row.odds_low)


def test_two_codes_of_a_question_with_one_answer_are_no_pair() -> None:
    study = make_pairs()
    found = codes_together(study, report(study, replicates=20))
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
    found = codes_together(study, report(study, replicates=20))
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
    (row,) = pair_rows(table, Strata(np.zeros(60, np.int64), ("",), False), 1)
    assert row.given == pytest.approx(1 / 3)
    assert row.without == pytest.approx(1 / 3)
    assert row.ratio_low == 1


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
