"""What a methodologist asks beyond the headline, in the page, the files and the record."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from coding.models import Coding, Mark
from reviews.checklists import COREQ, SRQR, checklist
from reviews.findings import Section, checklists, sections
from reviews.methods import methods, unfit
from reviews.report_files import write_report
from reviews.reports import Report, report
from reviews.sampling import draw_sample
from reviews.wording import facts, notes, prevalence_lines
from studies.models import Role
from tests.factories import make_person
from tests.reviews.test_accuracy import four_coders, worse_in_german
from tests.reviews.test_prevalence import coded_by_machine, reviewed
from tests.reviews.test_weights import make_reviewed

pytestmark = pytest.mark.django_db


def test_the_methods_are_written_out_with_the_studys_own_figures() -> None:
    told = " ".join(methods(report(make_reviewed())))
    assert "150 interviews in 2 languages (en 128, sw 22)" in told
    assert "60 of 150 segments" in told
    assert "1 person coded it, blind to the machine’s codes. 59 segments were coded" in told
    assert "0 of them by two or more people" in told
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
    assert coreq["24"] == "1 person, blind; and a machine"
    assert "60 of 150" in srqr["S8"]


def test_one_of_anything_is_not_called_several() -> None:
    made = report(make_reviewed(), replicates=1)
    assert made.sample
    one = replace(
        made,
        interviews=1,
        segments=1,
        languages={"en": 1},
        sample=replace(made.sample, size=1, population=1, reviewed=0, assigned=1, twice=1),
        prevalence=tuple(replace(row, reviewed=1, coded=1) for row in made.prevalence),
    )
    told = [*methods(one), *notes(one), *(fact.value for fact in facts(one))]
    told += [known for _number, _asked, known in checklist([*COREQ, *SRQR], one)]
    told += [line.sentence for line in prevalence_lines(one.prevalence, one)]
    text = "\n".join(told)
    assert "The corpus holds 1 interview in 1 language (en 1), coded as 1 segment." in text
    assert "from 1 blind human coding (" in text
    assert "Not coded by anybody yet: 1 of 1 drawn segment." in text
    several = "interviews segments languages people persons codings codes assignments replicates"
    assert not re.findall(rf"\b1 (?:\w+ ){{0,2}}(?:{'|'.join(several.split())})\b", text)


def test_a_sample_that_nobody_coded_is_not_said_to_be_coded() -> None:
    made = report(make_reviewed(), replicates=1)
    assert made.sample
    none = replace(made, sample=replace(made.sample, coders=(), reviewed=0, twice=0))
    assert "Nobody has coded anything of it yet." in " ".join(methods(none))
    coreq = {number: known for number, _asked, known in checklist(COREQ, none)}
    assert coreq["24"] == "(researcher to fill)"


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


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def section(made: Report, name: str) -> Section:
    return next(one for one in sections(made) if one.name == name)


def test_the_alternative_test_stands_with_its_baselines_on_page_and_in_files(
    tmp_path: Path,
) -> None:
    made = report(four_coders(0.5), replicates=20)
    shown = section(made, "replacing")
    [told] = made.replacing
    code, coders, rate, _advantage, never, usual, verdict = shown.rows[0]
    assert (code, coders, verdict) == ("Hope", "4", "passes")
    rates = (told.winning_rate, told.never_winning_rate, told.majority_winning_rate)
    assert (float(rate), float(never), float(usual)) == pytest.approx(rates)
    write_report(made, tmp_path)
    assert "Who never says the code" in (tmp_path / "report.html").read_text("utf-8")
    [one] = table(tmp_path / "replacing.csv")
    assert (one["status"], float(one["never_winning_rate"])) == ("ok", told.never_winning_rate)


def test_where_who_reads_nothing_passes_the_page_says_that_it_tells_nothing() -> None:
    shown = section(report(four_coders(0.03), replicates=20), "replacing")
    assert shown.rows[0][-1] == "tells nothing: a coder that reads nothing passes"
    assert shown.rows[0][4] == "1.00"


def test_too_few_coders_for_the_alternative_test_are_told() -> None:
    study = four_coders(0.5)
    Coding.objects.filter(person__username__in=["cem", "dan"]).delete()
    shown = section(report(study, replicates=20), "replacing")
    assert shown.sentences[0].startswith("Not tested: it takes three people")
    assert not shown.rows


def test_calibration_is_drawn_and_every_bin_stands_in_a_file(tmp_path: Path) -> None:
    study, segments, truth = coded_by_machine()
    reviewed(draw_sample(study, size=200, seed=1), segments, truth, "ann")
    Mark.objects.filter(coding__run__study=study).update(confidence=0.95)
    made = report(study, replicates=20)
    shown = section(made, "calibration")
    assert "90–100" in shown.picture
    assert "the cross is what was stated" in shown.sentences[-1]
    write_report(made, tmp_path)
    rows = table(tmp_path / "calibration.csv")
    hope = next(row for row in rows if row["code"] == "hope")
    assert json.loads(hope["bins"])[0]["confidence"] == pytest.approx(0.95)


def test_errors_by_group_are_worded_as_what_no_difference_exceeds() -> None:
    made = report(worse_in_german(), by=["country"], replicates=20)
    shown = section(made, "error-tests")
    assert "A large p does not show that there is no difference" in shown.sentences[0]
    assert "no bias" not in " ".join([*shown.sentences, *shown.heads]).lower()
    first = dict(zip(shown.heads, shown.rows[0], strict=True))
    least = min(row.p_holm for row in made.error_tests if row.p_holm == row.p_holm)
    assert (first["Code"], first["Groups"], first["p (Holm)"]) == (
        "Hope",
        "language",
        f"{least:.3f}",
    )
    assert first["Group that differs most"] in ("de", "en")
    assert {row[1] for row in shown.rows} == {"language", "country"}


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
