"""Places in an order: ridits, positions of groups and topics, and what the files say of them."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from docx import Document

from codebooks.models import Dimension
from coding.models import Mark
from reviews.positions import PositionRow, ridits
from reviews.report_files import FILES
from reviews.reports import Report, as_json, report
from reviews.stats.alpha import alpha_nominal, alpha_ordinal
from studies.models import Role, Study, Transcript
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_sample,
    make_study,
)
from tests.reviews.test_reports import many_segments

STANCES = ["bad", "mixed", "good"]
COUNTRY = {0: "north", 1: "south"}


@pytest.fixture(autouse=True)
def _forget() -> None:
    cache.clear()


def said(n: int, rng: np.random.Generator) -> tuple[str, str]:
    """Return a topic and a stance: who hopes is more often good, who worries more often bad."""
    hopes = rng.random() < 0.5
    chances = [0.1, 0.2, 0.7] if hopes else [0.7, 0.2, 0.1]
    return ("hope" if hopes else "worry", str(rng.choice(STANCES, p=chances)))


def ordered_study(*, reviewed: int = 150, ordered: bool = True, units: int = 400) -> Study:
    """Return a study whose machine errs; German interviews stand further on than English ones."""
    study = make_study("stances")
    revision = make_revision(study, one=STANCES, scale=(0, 10))
    Dimension.objects.filter(key="stance").update(ordered=ordered)
    segments = many_segments(study, units, ("de", "en"))
    run = make_run(revision)
    rng = np.random.default_rng(3)
    truth = [said(n, rng) for n in range(units)]
    for n, (topic, stance) in enumerate(truth):
        if n % 2 == 0 and rng.random() < 0.5:
            stance = "good"
        truth[n] = topic, stance
        machine = stance if rng.random() < 0.8 else "mixed"
        make_coding(segments[n], revision, run=run, codes=[topic, machine], values={"trust": n % 7})
    drawn = np.sort(rng.choice(units, reviewed, replace=False))
    make_sample(run, [segments[n] for n in drawn])
    for name in ("ann", "ben"):
        person = make_person(name, study)
        for n in drawn:
            codes = list(truth[n])
            if name == "ben" and n % 9 == 0:
                codes[1] = STANCES[max(STANCES.index(codes[1]) - 1, 0)]
            make_coding(segments[n], revision, person=person, codes=codes, values={"trust": n % 5})
    return study


def positions(made: Report, **wanted: Any) -> list[PositionRow]:
    return [row for row in made.positions if all(getattr(row, k) == v for k, v in wanted.items())]


def test_ridits_of_equal_shares_are_the_midpoints() -> None:
    assert ridits(np.ones(4)).tolist() == [0.125, 0.375, 0.625, 0.875]
    assert np.isnan(ridits(np.zeros(2))).all()


def test_all_together_stand_in_the_middle_of_their_own_order() -> None:
    shares = np.array([0.3, 0.5, 0.2])
    assert float(ridits(shares) @ shares) == pytest.approx(0.5)


@pytest.mark.django_db
def test_groups_and_topics_stand_where_the_truth_puts_them() -> None:
    made = report(ordered_study(), by=["language"], replicates=200)
    german, english = positions(made, topic=None)
    assert german.domain == (("language", "de"),)
    assert german.low < german.position < german.high
    assert german.position > 0.5 > english.position
    # Half of the interviews each, so that together they stand at a half.
    assert (german.position + english.position) / 2 == pytest.approx(0.5, abs=0.02)
    worry, hope = positions(made, domain=())
    assert (worry.topic, hope.topic) == (("topics", "worry"), ("topics", "hope"))
    assert worry.high < 0.5 < hope.low
    assert {row.grade for row in made.positions} <= {"A", "B"}


@pytest.mark.django_db
def test_where_all_was_coded_by_people_the_position_is_the_share_of_wins() -> None:
    study = ordered_study(reviewed=120, units=120)
    made = report(study, by=["language"], replicates=50)
    category = {row.code: row.corrected for row in made.prevalence if not row.domain}
    score = ridits(np.array([category[code] for code in STANCES]))
    for row in positions(made, topic=None):
        own = {one.code: one.corrected for one in made.prevalence if one.domain == row.domain}
        shares = np.array([own[code] for code in STANCES])
        assert row.position == pytest.approx(float(shares @ score / shares.sum()), abs=1e-9)
        assert row.high - row.low == pytest.approx(0, abs=1e-9)


@pytest.mark.django_db
def test_what_has_no_place_in_the_order_is_left_out() -> None:
    study = ordered_study()
    Mark.objects.filter(
        code__dimension__key="stance", coding__segment__transcript__external_id__endswith="7"
    ).delete()
    made = report(study, by=["language"], replicates=100)
    row = next(one for one in made.prevalence if one.code is None and not one.domain)
    assert 0.05 < row.corrected < 0.15
    german, english = positions(made, topic=None)
    assert english.position < 0.5 < german.position


@pytest.mark.django_db
def test_a_dimension_without_order_has_no_positions_and_nominal_alpha() -> None:
    study = ordered_study(ordered=False)
    made = report(study, replicates=100)
    assert not made.positions
    nominal = next(row for row in made.agreement if (row.dimension, row.code) == ("stance", None))
    assert np.isnan(nominal.ordinal)
    Dimension.objects.filter(key="stance").update(ordered=True)
    cache.clear()
    ordinal = next(
        row
        for row in report(study, replicates=100).agreement
        if (row.dimension, row.code) == ("stance", None)
    )
    assert ordinal.estimate == ordinal.ordinal != nominal.estimate
    assert ordinal.estimate > nominal.estimate  # ben is one step off where he is off at all


def test_ordinal_alpha_of_neighbours_is_more_than_nominal() -> None:
    ratings = np.array([[0, 1, 2, 0, 1, 2.0], [0, 1, 2, 1, 1, 2]])
    assert alpha_ordinal(ratings) > alpha_nominal(ratings)


@pytest.mark.django_db
def test_every_file_of_the_report_has_scales_and_places_by_group(tmp_path: Path) -> None:
    study = ordered_study()
    made = report(study, by=["language", "country"], replicates=100)
    html = FILES["report.html"](made).decode()
    for name in (
        *("scales-1", "scales-2", "profile-1-topics", "profile-2-stance"),
        *("positions-1-stance", "positions-2-stance", "topics-stance"),
    ):
        section = html[html.index(f'<section id="{name}">') :]
        assert "<svg" in section[: section.index("</section>")]
    assert "Topics from “Bad” to “Good”" in html
    assert "pictures/" not in html
    document = FILES["report.docx"](made)
    text = "\n".join(paragraph.text for paragraph in Document(io.BytesIO(document)).paragraphs)
    assert "Scales by language" in text
    assert "Topics from “Bad” to “Good”" in text
    rows = list(csv.DictReader(io.StringIO(FILES["scales.csv"](made).decode())))
    german = next(
        row for row in rows if row["quantity"] == "position" and row["by_language"] == "de"
    )
    assert float(german["corrected"]) == positions(made, topic=None)[0].position
    assert {row["quantity"] for row in rows} == {"mean", "share_above", "position"}
    assert {row["topic"] for row in rows} == {"", "hope", "worry"}
    mean = next(row for row in rows if row["quantity"] == "mean" and row["by_country"] == "C1")
    wanted = next(
        row for row in made.prevalence if row.domain == (("country", "C1"),) and row.code == "trust"
    )
    assert float(mean["corrected"]) == wanted.corrected
    told = as_json(made)["positions"]
    assert told[0]["topic"] == ["topics", "worry"]
    assert told[2]["domain"] == {"language": "de"}
    call_command("report", "stances", "--out", str(tmp_path / "a"), "--by", "language,country")
    cache.clear()
    record = str(tmp_path / "a" / "design.json")
    call_command("report", "stances", "--out", str(tmp_path / "b"), "--record", record)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.django_db
def test_every_picture_by_group_has_its_links_and_can_be_had() -> None:
    study = ordered_study()
    client = Client()
    client.force_login(make_person("lea", study, Role.LEAD))
    for page in ("prevalence", "report"):
        shown = client.get(f"/studies/stances/{page}/", {"by": "language"}).content.decode()
        for name in ("prevalence", "by-1-topics-hope", "by-1-stance-good"):
            for form in ("svg", "png", "json"):
                assert f"/studies/stances/pictures/{name}.{form}?by=language" in shown
    shown = client.get("/studies/stances/agreement/").content.decode()
    assert "/studies/stances/pictures/agreement.svg" in shown
    for name in ("by-1-topics-hope", "scales-1", "profile-1-stance", "topics-stance"):
        for form, start in (("svg", b"<svg"), ("png", b"\x89PNG"), ("json", b"{")):
            address = f"/studies/stances/pictures/{name}.{form}"
            found = client.get(address, {"by": "language"})
            assert found.status_code == 200
            assert found.content.startswith(start)
    spec = json.loads(
        client.get("/studies/stances/pictures/by-1-topics-hope.json", {"by": "language"}).content
    )
    assert "vega-lite" in spec["$schema"]
    for name in ("by-2-topics-hope", "by-1-topics-nothing", "by-"):
        address = f"/studies/stances/pictures/{name}.svg"
        assert client.get(address, {"by": "language"}).status_code == 404
    shown = client.get("/studies/stances/together/", {"by": "language"}).content.decode()
    assert 'id="topics-stance"' in shown
    assert 'id="positions-1-stance"' in shown


@pytest.mark.django_db
def test_a_group_that_nobody_reviewed_leans_on_others_and_says_so() -> None:
    study = ordered_study()
    drawn = Transcript.objects.filter(segments__items__isnull=False).values("pk")
    others = Transcript.objects.filter(study=study).exclude(pk__in=drawn)
    Transcript.objects.filter(pk__in=list(others.values_list("pk", flat=True)[:40])).update(
        language="fr"
    )
    made = report(study, by=["language"], replicates=100)
    french = positions(made, topic=None, domain=(("language", "fr"),))[0]
    assert (french.reviewed, french.status, french.grade) == (0, "model_assisted", "C")
    few = Transcript.objects.filter(pk__in=drawn).order_by("pk").values_list("pk", flat=True)[:4]
    Transcript.objects.filter(pk__in=list(few)).update(language="fr")
    made = report(study, by=["language"], replicates=100)
    french = positions(made, topic=None, domain=(("language", "fr"),))[0]
    assert (french.reviewed, french.status, french.grade) == (4, "insufficient", "C")
    assert np.isnan([french.position, french.low, french.high]).all()
    assert french.machine > 0


@pytest.mark.django_db
def test_a_scale_of_a_hundred_is_written_in_whole_numbers() -> None:
    made = report(ordered_study(), by=["language"], replicates=50)
    html = FILES["report.html"](made).decode()
    assert "e+" not in html[html.index('<section id="scales-1">') :].split("</section>")[0]
