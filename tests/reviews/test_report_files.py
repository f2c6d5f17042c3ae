"""The files say what the report says, stand alone, and are written whole or not at all."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import translation
from docx import Document

from codebooks.models import Code
from coding.models import Evidence, Mark
from reviews import report_files
from reviews.report_files import FILES, html_file, write_report
from reviews.reports import Report, as_json, report
from reviews.wording import interval, share
from studies.models import Study
from studies.problems import Problem
from tests.factories import make_coding, make_person, make_revision, make_run, make_sample
from tests.reviews.test_reports import many_codings, many_segments, two_coders

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forget() -> None:
    cache.clear()


@pytest.fixture
def study() -> Study:
    """A fictional study, coded by the embedded coder, 60 of its 120 interviews by two people."""
    made = Study.objects.create(slug="small", name="Hopes & <fears>", fictional=True)
    revision = make_revision(made, one=["calm", "angry"])
    Code.objects.filter(key="hope").update(label="=HYPERLINK(1) أمل", color="#0072B2")
    segments = many_segments(made, 120, ("ar", "en"))
    run = make_run(revision)
    said = [["hope"] * (n % 3 == 0) + (["calm"] if n % 2 else ["angry"]) for n in range(120)]
    many_codings(segments, revision, said, run=run)
    sample = make_sample(run, segments[::2])
    for name, off in (("ann", 0), ("ben", 1)):
        codes = [
            ["hope"] * ((n + off * (n % 20 == 0)) % 3 == 0) + ["calm", "angry"][n % 4 == 2 :][:1]
            for n in range(0, 120, 2)
        ]
        many_codings(segments[::2], revision, codes, person=make_person(name, made))
    assert sample.items.count() == 60
    return made


@pytest.fixture
def made(study: Study) -> Report:
    return report(study, by=["language"], replicates=200)


class Page(HTMLParser):
    """The tags of a page, the addresses it asks for, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.asked: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.asked += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")
        ]

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\u00a0", " ")


def test_all_files_are_written_and_nothing_else(made: Report, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    paths = write_report(made, folder)
    assert sorted(path.name for path in paths) == sorted(FILES)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert all(path.stat().st_size for path in paths)


def test_html_says_the_same_numbers_as_json(made: Report) -> None:
    text = Page(html_file(made).decode()).text
    found = as_json(made)
    shown = 0
    for row in found["prevalence"]:
        if row["quantity"] == "share" and row["corrected"] is not None:
            assert f"{100 * row['corrected']:.1f} %" in text
            assert f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]" in text
            assert f"{100 * row['machine']:.1f} %" in text
            shown += 1
    for row in found["agreement"]:
        if row["status"] == "ok":
            assert f"{row['estimate']:.2f}" in text
            assert f"[{row['low']:.2f}, {row['high']:.2f}]" in text
            shown += 1
    assert shown > 10


def test_html_stands_alone(made: Report) -> None:
    page = Page(html_file(made).decode())
    assert "svg" in page.tags
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert [address for address in page.asked if not address.startswith("#")] == []
    assert "@import" not in html_file(made).decode()


def test_names_from_data_are_text_and_never_markup(made: Report) -> None:
    page = Page(html_file(made).decode())
    assert "fears" not in page.tags
    assert "Hopes & <fears>" in page.text


def test_a_fictional_study_says_so_in_every_file(made: Report) -> None:
    for name, make in FILES.items():
        content = make(made)
        if name.endswith(".docx"):
            document = Document(io.BytesIO(content))
            assert "fictional" in " ".join(part.text for part in document.paragraphs)
        else:
            assert b"fictional" in content, name


def test_the_embedded_coder_is_never_called_a_language_model(made: Report) -> None:
    text = Page(html_file(made).decode()).text
    assert "not a language model" in text
    assert "similarity suggester" in text


def test_sentences_name_the_number_its_interval_and_what_it_rests_on(made: Report) -> None:
    row = next(row for row in made.prevalence if row.code == "hope" and not row.domain)
    text = " ".join(Page(html_file(made).decode()).text.split())
    assert (
        f"{100 * row.corrected:.1f} % [{100 * row.low:.1f}, {100 * row.high:.1f}], from 60 "
        f"blind human codings ({row.positives} positive) and 120 machine codings; the machine "
        f"alone would say {100 * row.machine:.1f} %." in text
    )


def test_the_document_opens_and_has_tables_and_pictures(made: Report) -> None:
    document = Document(io.BytesIO(FILES["report.docx"](made)))
    cells = {
        cell.text.replace("\u00a0", " ")
        for table in document.tables
        for row in table.rows
        for cell in row.cells
    }
    hope = next(row for row in made.prevalence if row.code == "hope" and not row.domain)
    assert f"{100 * hope.corrected:.1f} %" in cells
    assert "=HYPERLINK(1) أمل" in cells
    assert len(document.inline_shapes) >= 2


def test_tables_are_csv_without_formulas_and_with_full_precision(made: Report) -> None:
    text = FILES["prevalence.csv"](made).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    hope = next(row for row in rows if row["code"] == "hope" and not row["by_language"])
    wanted = next(row for row in made.prevalence if row.code == "hope" and not row.domain)
    assert float(hope["corrected"]) == wanted.corrected
    assert {row["by_language"] for row in rows} == {"", "ar", "en"}
    assert all(row["fictional"] == "True" for row in rows)
    rows = list(csv.DictReader(io.StringIO(FILES["agreement.csv"](made).decode())))
    assert len(rows) == len(made.agreement)
    assert not [cell for row in rows for cell in row.values() if re.match(r"[=+@]|nan", cell)]
    rows = list(csv.DictReader(io.StringIO(FILES["evidence.csv"](made).decode())))
    codes = [("topics", "hope"), ("topics", "worry"), ("stance", "calm"), ("stance", "angry")]
    assert [(row["language"], row["dimension"], row["code"]) for row in rows] == [
        ("", "", ""),
        ("ar", "", ""),
        ("en", "", ""),
        *(("", *code) for code in codes),
    ]


def test_evidence_counts_what_people_marked_beside_the_machines(study: Study) -> None:
    def marks(**whose: Any) -> Any:
        return Mark.objects.filter(code__key="hope", **whose).order_by("pk")

    for mark in marks(coding__run__isnull=False)[:3]:
        Evidence.objects.create(mark=mark, start=0, end=2, found="folded")
    for mark in marks(coding__person__isnull=False, coding__segment__transcript__language="ar")[:5]:
        Evidence.objects.create(mark=mark, start=0, end=2, found="exact")
        Evidence.objects.create(mark=mark, start=2, end=4, found="exact")
    made = report(study, replicates=200)
    rows = list(csv.DictReader(io.StringIO(FILES["evidence.csv"](made).decode())))
    whole, arabic, english = rows[:3]
    hope = next(row for row in rows if row["code"] == "hope")
    for row, machine, people in (
        (whole, "3", "10"),
        (hope, "3", "10"),
        (arabic, "2", "10"),
        (english, "1", "0"),
    ):
        assert (row["folded"], row["people_exact"]) == (machine, people)
    said = marks(coding__person__isnull=False).count()
    assert int(hope["people_without"]) == said - 5
    assert float(hope["people_share"]) == 1
    told = as_json(made)["evidence"]["by_code"][0]
    assert (told["code"], told["machine"]["folded"], told["people"]["exact"]) == ("hope", 3, 10)


def test_an_attribute_that_looks_like_a_formula_is_disarmed() -> None:
    study = two_coders([[12, 3], [3, 12]])
    for participant in study.participants.all():
        participant.attributes = {"=cmd": "@evil"}
        participant.save()
    made = report(study, by=["=cmd"], replicates=50)
    text = FILES["prevalence.csv"](made).decode()
    assert ",'@evil" in text
    assert ",@evil" not in text


def test_a_file_that_fails_leaves_the_old_one(
    made: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(made, tmp_path)
    before = (tmp_path / "report.html").read_bytes()

    def broken(_: Report) -> bytes:
        raise RuntimeError

    monkeypatch.setitem(report_files.FILES, "report.html", broken)
    with pytest.raises(RuntimeError):
        write_report(made, tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_a_folder_that_cannot_be_made_is_said(made: Report, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(Problem, match="taken"):
        write_report(made, tmp_path / "taken" / "report")


def test_characters_that_documents_cannot_hold_do_not_break_them(study: Study) -> None:
    Code.objects.filter(key="worry").update(
        label="worry \x0b\ud83d".encode("utf-8", "ignore").decode()
    )
    made = report(study, replicates=50)
    document = Document(io.BytesIO(FILES["report.docx"](made)))
    assert any("worry" in paragraph.text for paragraph in document.paragraphs)


def test_figures_are_written_as_the_readers_language_does(made: Report) -> None:
    hope = next(row for row in made.prevalence if row.code == "hope" and not row.domain)
    with translation.override("ar"):
        text = html_file(made).decode()
    assert '<html lang="ar" dir="rtl">' in text
    assert f"{100 * hope.corrected:.1f}"[:2] in text


def test_the_command_prints_what_the_report_says(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command(
        "report",
        study.slug,
        "--json",
        "--by",
        "language",
        "--replicates",
        "200",
        "--out",
        str(tmp_path / "out"),
    )
    printed = json.loads(capsys.readouterr().out)
    files = printed.pop("files")
    assert printed == as_json(report(study, by=["language"], replicates=200))
    assert printed == json.loads((tmp_path / "out" / "report.json").read_text())
    assert all(Path(name).is_file() for name in files)


def test_the_command_prints_a_readable_table(
    study: Study, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    call_command("report", study.slug, "--replicates", "200")
    out = capsys.readouterr().out.replace("\u00a0", " ")
    hope = next(row for row in report(study, replicates=200).prevalence if row.code == "hope")
    assert f"{100 * hope.corrected:.1f} %" in out
    assert "Prevalence" in out
    assert "Machine to people" in out
    assert "fictional" in out


def test_a_label_that_two_dimensions_share_says_which(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    study = Study.objects.create(slug="twice", name="Twice")
    revision = make_revision(study, many=["present"], one=["present", "absent"])
    run = make_run(revision)
    for segment in many_segments(study, 3):
        make_coding(segment, revision, run=run)
    call_command("report", "twice", "--replicates", "50")
    out = capsys.readouterr().out
    assert "Topics: Present" in out
    assert "Stance: Present" in out
    assert "Stance: Absent" not in out


@pytest.mark.parametrize("arguments", [["nowhere"], ["small", "--by", "planet"]])
def test_the_command_says_in_a_sentence_what_is_wrong(study: Study, arguments: list[str]) -> None:
    with pytest.raises(CommandError) as error:
        call_command("report", *arguments)
    assert arguments[-1] in str(error.value)


def test_a_segment_nobody_coded_makes_no_number(tmp_path: Path) -> None:
    study = Study.objects.create(slug="bare", name="Bare")
    revision = make_revision(study)
    run = make_run(revision)
    for segment in many_segments(study, 5):
        make_coding(segment, revision, run=run, codes=["hope"])
    made = report(study, replicates=50)
    text: Any = Page(html_file(made).decode()).text
    assert "Not validated: the machine alone says 100.0 % of 5 machine codings." in text
    assert "nan" not in text.lower()
    write_report(made, tmp_path)


def test_an_interval_with_decimal_commas_can_be_read() -> None:
    assert interval(0.35, 0.518, share) == "[35.0, 51.8]"
    with translation.override("ar"):
        assert interval(0.35, 0.518, share) == "[35,0; 51,8]"
