"""What a methodologist asks beyond the headline, in the page, the files and the record."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from coding.models import Mark
from reviews.checklists import COREQ, SRQR, checklist
from reviews.findings import checklists, sections
from reviews.methods import methods, unfit
from reviews.reports import report
from studies.models import Role
from tests.factories import make_person
from tests.reviews.test_weights import make_reviewed

pytestmark = pytest.mark.django_db


def test_the_methods_are_written_out_with_the_studys_own_figures() -> None:
    told = " ".join(methods(report(make_reviewed())))
    assert "150 interviews in 2 languages (en 128, sw 22)" in told
    assert "60 of 150 segments" in told
    assert "59 segments were coded, 0 of them by two" in told
    assert "seed 5" in told
    assert "(dimensions: 2, of these scales: 0; codes: 4)" in told


def test_a_code_that_nobody_coded_twice_is_not_to_be_used_and_says_why() -> None:
    said = {row.code: why for row, why in unfit(report(make_reviewed()))}
    assert "agreement between people is not known" in said["hope"]


def test_checklists_are_filled_where_the_system_knows_and_blank_elsewhere() -> None:
    made = report(make_reviewed())
    coreq = {number: known for number, _item, known in checklist(COREQ, made)}
    srqr = {number: known for number, _item, known in checklist(SRQR, made)}
    assert len(coreq) == 32
    assert len(srqr) == 21
    assert coreq["12"] == "150 interviews, 150 segments"
    assert coreq["9"] == srqr["S21"] == "(researcher to fill)"
    assert "1 people" in coreq["24"]
    assert "60 of 150" in srqr["S8"]


def test_every_section_stands_on_the_page_and_in_the_files(tmp_path: Path) -> None:
    study = make_reviewed()
    made = report(study, by=["language"])
    names = [one.name for one in [*sections(made), *checklists(made)]]
    assert {"methods", "unfit", "accuracy", "correction", "confusion-stance", "coreq"} <= set(names)
    client = Client()
    client.force_login(
        make_person("lead", study, Role.LEAD),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    page = client.get(f"/studies/{study.slug}/report/?by=language").content.decode()
    call_command("report", study.slug, "--by", "language", "--out", str(tmp_path))
    html = (tmp_path / "report.html").read_text("utf-8")
    for name in names:
        assert f'<section id="{name}">' in page
        assert f'<section id="{name}">' in html
    assert (tmp_path / "accuracy.csv").read_text("utf-8").count("\n") > 4


def test_the_design_record_makes_the_same_files_again(tmp_path: Path) -> None:
    study = make_reviewed()
    first, second = tmp_path / "first", tmp_path / "second"
    call_command("report", study.slug, "--by", "language", "--seed", "9", "--out", str(first))
    record = json.loads((first / "design.json").read_text("utf-8"))
    assert len(record["items"]["rows"]) == 60
    assert record["asked"] == {"by": ["language"], "seed": 9, "replicates": 2000}
    call_command("report", study.slug, "--record", str(first / "design.json"), "--out", str(second))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_a_record_of_other_rows_is_refused(tmp_path: Path) -> None:
    study = make_reviewed()
    call_command("report", study.slug, "--out", str(tmp_path))
    Mark.objects.filter(coding__person__isnull=False)[0].delete()
    with pytest.raises(CommandError, match="have changed since the record was made"):
        call_command("report", study.slug, "--record", str(tmp_path / "design.json"))
    (tmp_path / "design.json").write_text("[]", "utf-8")
    with pytest.raises(CommandError, match="is no design record"):
        call_command("report", study.slug, "--record", str(tmp_path / "design.json"))
