"""An export is tidy, whole, safe to open, and the same in every format."""

import csv
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.management import call_command
from openpyxl import load_workbook

from codebooks.models import Code
from coding.models import Evidence, Mark
from reviews import exports
from reviews.codings import import_codings
from reviews.exports import export
from reviews.models import Assignment
from reviews.rows import FORMULA
from reviews.sampling import draw_sample
from studies.models import Participant, Study
from studies.problems import Problem
from tests.factories import (
    make_coding,
    make_revision,
    make_run,
    make_segment,
    make_study,
)

pytestmark = pytest.mark.django_db

TEXT = "=SUM(A1) she said 🙂, and then: “نعم”"
COLUMNS = [
    "transcript",
    "segment",
    "language",
    "age",
    "country",
    "participant language",
    "coder",
    "dimension",
    "code",
    "applies",
    "value",
    "confidence",
    "quote",
    "start",
    "end",
    "found",
    "stratum",
    "inclusion",
]


def make_coded_study() -> Study:
    study = make_study()
    revision = make_revision(study, one=("for", "against"), scale=(0, 10))
    run = make_run(revision, name="machine")
    attributes = {"age": 34, "country": "-Chile", "language": ["es", "qu"]}
    first, second, third = (
        make_segment(TEXT, study, external_id=name, attributes=attributes)
        for name in ("t1", "+t2", "t3")
    )
    coding = make_coding(first, revision, run=run, codes=["hope", "for"], values={"trust": 7.5})
    mark = coding.marks.get(code__key="hope")
    Mark.objects.filter(pk=mark.pk).update(confidence=0.75)
    Evidence.objects.create(mark=mark, start=18, end=19, found="exact")
    Evidence.objects.create(mark=mark, start=0, end=8, found="exact")
    Evidence.objects.create(
        mark=coding.marks.get(code__key="for"), found="missing", quote="@nobody said this"
    )
    make_coding(second, revision, run=run)
    draw_sample(study, size=2, coders=["mara"], seed=4)  # t1 and +t2
    assert not Assignment.objects.filter(item__segment=third).exists()
    mara = Assignment.objects.first()
    assert mara is not None
    partly = make_coding(first, revision, person=mara.person)
    partly.dimensions = ["stance"]
    partly.save()
    for key, answer in (("hope", "unsure"), ("worry", "no")):
        Mark.objects.create(coding=partly, code=Code.objects.get(key=key), answer=answer)
    return study


@pytest.mark.parametrize("form", [".csv", ".xlsx", ".jsonl", ".parquet"])
def test_every_column_has_a_name_of_its_own(tmp_path: Path, form: str) -> None:
    study = make_study()
    revision = make_revision(study)
    attributes = {"language": "a", "participant language": "b", "code": "c", "camp": "d"}
    segment = make_segment(TEXT, study, attributes=attributes, language="pt")
    make_coding(segment, revision, run=make_run(revision))
    export(study, tmp_path / f"out{form}")
    row = rows_of(tmp_path / f"out{form}")[0]
    assert {name: row[name] for name in ("language", "participant language", "camp")} == {
        "language": "pt",
        "participant language": "b",
        "camp": "d",
    }
    assert row["participant participant language"] == "a"
    assert row["participant code"] == "c"


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".parquet":
        found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return found
    heading, *rows = load_workbook(path).worksheets[0].iter_rows(values_only=True)
    return [dict(zip(map(str, heading), row, strict=True)) for row in rows]


def find(rows: list[dict[str, Any]], **wanted: str) -> dict[str, Any]:
    (row,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return row


def test_there_is_one_row_per_segment_code_and_coder(tmp_path: Path) -> None:
    study = make_coded_study()
    told = export(study, tmp_path / "out.jsonl")
    rows = rows_of(tmp_path / "out.jsonl")
    assert list(rows[0]) == COLUMNS
    # Five codes: the run looked at three segments, mara is asked about two.
    assert told == {"rows": 25, "segments": 3}
    assert len(rows) == 25
    keys = [(row["transcript"], row["coder"], row["dimension"], row["code"]) for row in rows]
    assert len(set(keys)) == 25


def test_a_row_says_what_was_decided_and_where_it_stands(tmp_path: Path) -> None:
    export(make_coded_study(), tmp_path / "out.jsonl")
    rows = rows_of(tmp_path / "out.jsonl")
    hope = find(rows, transcript="t1", coder="machine", code="hope")
    assert (hope["applies"], hope["confidence"]) == (1, 0.75)
    assert (hope["quote"], hope["start"], hope["end"]) == ("=SUM(A1)", 0, 8)  # the first passage
    assert (hope["found"], hope["segment"], hope["age"]) == ("exact", 1, 34)
    assert (hope["stratum"], hope["inclusion"]) == ("", pytest.approx(2 / 3))
    stance = find(rows, transcript="t1", coder="machine", code="for")
    assert (stance["quote"], stance["start"], stance["found"]) == (
        "@nobody said this",
        None,
        "missing",
    )
    trust = find(rows, transcript="t1", coder="machine", code="trust")
    assert (trust["applies"], trust["value"]) == (1, 7.5)
    assert find(rows, transcript="t1", coder="machine", code="worry")["applies"] == 0
    assert find(rows, transcript="+t2", coder="machine", code="hope")["applies"] == 0
    outside = find(rows, transcript="t3", coder="machine", code="hope")
    assert (outside["applies"], outside["inclusion"]) == (None, None)


def test_not_looked_at_unsure_and_no_differ(tmp_path: Path) -> None:
    export(make_coded_study(), tmp_path / "out.jsonl")
    rows = rows_of(tmp_path / "out.jsonl")
    said = {
        code: find(rows, transcript="t1", coder="mara", code=code)["applies"]
        for code in ("hope", "worry", "for", "trust")
    }
    assert said == {"hope": None, "worry": 0, "for": 0, "trust": None}
    assert find(rows, transcript="+t2", coder="mara", code="hope")["applies"] is None


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_every_format_says_the_same(tmp_path: Path, kind: str) -> None:
    study = make_coded_study()
    export(study, tmp_path / "out.jsonl")
    export(study, tmp_path / f"out.{kind}")
    rows = rows_of(tmp_path / f"out.{kind}")
    numbers = {"segment", "applies", "value", "confidence", "start", "end", "inclusion"}
    for row, expected in zip(rows, rows_of(tmp_path / "out.jsonl"), strict=True):
        assert list(row) == COLUMNS
        for column, value in expected.items():
            got = row[column]
            if column in numbers:
                got = None if got in (None, "") else float(got)
                assert got == (None if value is None else pytest.approx(float(value)))
            elif isinstance(value, list):
                assert json.loads(got) == value
            else:
                assert str(got or "").removeprefix("'") == str(value or "")


def test_lines_made_of_parts_are_those_that_csv_and_json_write(tmp_path: Path) -> None:
    study = make_coded_study()
    Participant.objects.update(attributes={"a, b": 'said "so",\nand {left}', "none": None})
    Code.objects.filter(key="worry").update(key='worry, "}\n{')
    export(study, tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_bytes().decode()
    again = io.StringIO(newline="")
    csv.writer(again, lineterminator="\n").writerows(csv.reader(io.StringIO(text, newline="")))
    assert again.getvalue() == text
    export(study, tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.dumps(json.loads(line), ensure_ascii=False) for line in lines] == lines
    assert {len(json.loads(line)) for line in lines} == {len(COLUMNS) - 1}


def test_a_carriage_return_ends_no_row(tmp_path: Path) -> None:
    study = make_coded_study()
    Evidence.objects.filter(found="missing").update(quote="nobody\rsaid this")
    export(study, tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert len(rows) == 25
    assert find(rows, coder="machine", code="for", transcript="t1")["quote"] == "nobody\rsaid this"


def test_a_codebook_without_codes_gives_no_rows(tmp_path: Path) -> None:
    study = make_study()
    make_run(make_revision(study, many=()))
    make_segment(TEXT, study)
    assert export(study, tmp_path / "out.csv") == {"rows": 0, "segments": 1}
    assert rows_of(tmp_path / "out.csv") == []
    export(study, tmp_path / "out.parquet")
    assert rows_of(tmp_path / "out.parquet") == []


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_no_cell_is_run_as_a_formula(tmp_path: Path, kind: str) -> None:
    export(make_coded_study(), tmp_path / f"out.{kind}")
    rows = rows_of(tmp_path / f"out.{kind}")
    texts = {str(value) for row in rows for value in row.values() if value}
    assert {"'=SUM(A1)", "'@nobody said this", "'+t2", "'-Chile"} <= texts
    assert not [text for text in texts if text.startswith(FORMULA)]


def test_characters_that_a_sheet_cannot_hold_are_replaced(tmp_path: Path) -> None:
    study = make_study()
    revision = make_revision(study)
    segment = make_segment("a\x0bb" + "c" * 40_000, study)
    coding = make_coding(segment, revision, run=make_run(revision), codes=["hope"])
    Evidence.objects.create(mark=coding.marks.get(), start=0, end=40_000, found="exact")
    export(study, tmp_path / "out.xlsx")
    quote = rows_of(tmp_path / "out.xlsx")[0]["quote"]
    assert quote.startswith("a\ufffdbc")
    assert len(quote) == 32_767


def test_what_a_person_coded_can_be_exported_and_imported_elsewhere(tmp_path: Path) -> None:
    study = make_coded_study()
    export(study, tmp_path / "out.csv")
    other = make_study()
    make_revision(other, one=("for", "against"), scale=(0, 10))
    for name in ("t1", "+t2", "t3"):
        make_segment(TEXT, other, external_id=name)
    imported = import_codings(other, tmp_path / "out.csv")
    assert not imported.left_out
    assert imported.codings == 3  # mara was asked about +t2 and said nothing
    export(other, tmp_path / "again.jsonl")
    mine = find(rows_of(tmp_path / "again.jsonl"), transcript="t1", coder="machine", code="trust")
    assert mine["value"] == 7.5


def test_runs_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    study = make_coded_study()
    make_run(study.runs.get().revision, name="machine")
    export(study, tmp_path / "out.csv")
    coders = {row["coder"] for row in rows_of(tmp_path / "out.csv")}
    assert len(coders) == 3


def test_who_left_the_study_keeps_their_codings(tmp_path: Path) -> None:
    study = make_coded_study()
    study.memberships.all().delete()
    export(study, tmp_path / "out.csv")
    assert "mara" in {row["coder"] for row in rows_of(tmp_path / "out.csv")}


def test_memory_stays_flat(tmp_path: Path) -> None:
    study = make_study()
    revision = make_revision(study, many=[f"code{number}" for number in range(20)])
    run = make_run(revision)
    segments = [make_segment("word " * 200, study) for _ in range(120)]
    for segment in segments:
        make_coding(segment, revision, run=run, codes=["code1", "code2"])

    def peak(chunk: int) -> int:
        exports.SEGMENTS = chunk
        tracemalloc.start()
        export(study, tmp_path / "out.csv")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    usual = exports.SEGMENTS
    try:
        peak(10)  # whatever is loaded once
        assert peak(10) < peak(120) / 2
    finally:
        exports.SEGMENTS = usual


def test_an_unknown_ending_is_said(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"“out.ods” has no ending.*\.csv, \.xlsx"):
        export(make_coded_study(), tmp_path / "out.ods")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="can’t be written"):
        export(make_coded_study(), tmp_path / "none" / "out.csv")


def test_more_rows_than_a_sheet_holds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "SHEET_ROWS", 20)
    with pytest.raises(Problem, match="25 rows are more than the 19 that a sheet holds"):
        export(make_coded_study(), tmp_path / "out.xlsx")


def test_a_broken_export_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_coded_study()
    path = tmp_path / "out.csv"
    export(study, path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(exports.CsvSink, "write", fail)
    with pytest.raises(RuntimeError):
        export(study, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]


def test_the_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = make_coded_study()
    call_command("export", study.slug, str(tmp_path / "out.csv"), "--json")
    assert json.loads(capsys.readouterr().out)["rows"] == 25
