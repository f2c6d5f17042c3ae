"""What leaves for other statistics programs gives the report's figures there."""

import csv
import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from coding.models import Mark
from reviews.models import Assignment
from reviews.reports import report
from reviews.sampling import draw_sample
from studies.models import Study
from tests.factories import make_coding, make_person, make_revision, make_run, make_segment

pytestmark = pytest.mark.django_db


def make_reviewed() -> Study:
    """150 segments, sixty reviewed in strata; one skipped, some cells too small to stand alone."""
    revision = make_revision(one=("for", "against"))
    study = revision.codebook.study
    run = make_run(revision)
    true = {}
    for number in range(150):
        language = "sw" if number % 7 == 0 else "en"
        segment = make_segment("x", study, language=language, external_id=f"{number:03}")
        true[segment.pk] = [
            *(["hope"] if number % 3 == 0 else []),
            *(["worry"] if number % 11 == 0 else []),
            "for" if number % 2 else "against",
        ]
        said = list(true[segment.pk])
        if number % 10 == 0:
            said[-1] = "for"
        if number % 13 == 0:
            said = [code for code in said if code != "hope"]
        if number % 37:
            make_coding(segment, revision, run=run, codes=said)
    sample = draw_sample(study, size=60, strata=["language", "label"], seed=5)
    mara = make_person("mara", study)
    for item in sample.items.order_by("position")[:59]:
        coding = make_coding(item.segment, revision, person=mara, codes=true[item.segment_id])
        Assignment.objects.create(
            item=item, person=mara, coding=coding, answered_at=coding.created_at
        )
    return study


def unpacked(study: Study, folder: Path) -> dict[str, bytes]:
    call_command("weights", study.slug, str(folder / "weights.zip"))
    with zipfile.ZipFile(folder / "weights.zip") as archive:
        archive.extractall(folder)
        return {name: archive.read(name) for name in archive.namelist()}


def figures(text: str) -> dict[tuple[str, str], tuple[float, ...]]:
    return {
        (row["dimension"], row["code"]): tuple(
            float(row[name]) for name in ("corrected", "low", "high")
        )
        for row in csv.DictReader(io.StringIO(text))
    }


def expected(study: Study) -> dict[tuple[str, str], Any]:
    return {
        (row.dimension, row.code): pytest.approx((row.corrected, row.low, row.high), abs=1e-9)
        for row in report(study).prevalence
        if row.quantity == "share" and row.code
    }


def test_the_python_recipe_gives_the_headline_figures(tmp_path: Path) -> None:
    study = make_reviewed()
    unpacked(study, tmp_path)
    done = subprocess.run(
        [sys.executable, "recipe.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert figures(done.stdout) == expected(study)


@pytest.mark.skipif(not shutil.which("Rscript"), reason="R is not installed here")
def test_the_r_recipe_gives_the_headline_figures(tmp_path: Path) -> None:
    study = make_reviewed()
    unpacked(study, tmp_path)
    command = [str(shutil.which("Rscript")), "recipe.R"]
    done = subprocess.run(  # noqa: S603
        command, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert figures(done.stdout) == expected(study)


def test_weights_add_up_to_the_study_and_pseudo_outcomes_to_the_estimate(tmp_path: Path) -> None:
    study = make_reviewed()
    files = unpacked(study, tmp_path)
    design = list(csv.DictReader(io.StringIO(files["design.csv"].decode())))
    hope = [row for row in design if row["code"] == "hope"]
    assert len(hope) == 59
    assert sum(float(row["weight"]) for row in hope) == pytest.approx(150)
    pseudo = list(csv.DictReader(io.StringIO(files["pseudo.csv"].decode())))
    assert len(pseudo) == 150
    mean = sum(float(row["topics/hope"]) for row in pseudo) / 150
    found = next(row for row in report(study).prevalence if row.code == "hope")
    assert mean == pytest.approx(found.corrected, abs=0.05)


def test_without_reviews_there_is_one_sentence_and_no_file(tmp_path: Path) -> None:
    revision = make_revision()
    study = revision.codebook.study
    make_coding(make_segment("x", study, external_id="1"), revision, run=make_run(revision))
    with pytest.raises(CommandError, match="Nothing was reviewed yet"):
        call_command("weights", study.slug, str(tmp_path / "weights.zip"))
    assert list(tmp_path.iterdir()) == []
    assert not Mark.objects.exists()
