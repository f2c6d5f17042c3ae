"""Interviews out of files, and what bad files get."""

import csv
import io
import json
import os
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

import docx
import openpyxl
import pytest
from docx.oxml import parse_xml
from hypothesis import given
from hypothesis import strategies as st

from studies import documents, sheets, sources
from studies.files import Columns, Found, LeftOut, Note, Record, parse, tables
from studies.problems import Problem
from studies.sources import Given, Named

DIALOGUE = "Interviewer: How?\n\nParticipant: Well."


def records(path: Path | str, columns: Columns | None = None) -> list[Record]:
    return [found for found in parse([path], columns) if isinstance(found, Record)]


def left_out(path: Path | str, columns: Columns | None = None) -> list[tuple[int, str]]:
    found = parse([path], columns)
    return [(one.row, str(one.reason)) for one in found if isinstance(one, LeftOut)]


def sentence(paths: Sequence[Named], columns: Columns | None = None) -> str:
    """Return the one sentence that `paths` get."""
    with pytest.raises(Problem) as problem:
        list(parse(paths, columns))
    return str(problem.value)


def write_csv(path: Path, rows: Sequence[Sequence[str]], **options: str) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=options.get("delimiter", ",")).writerows(rows)
    return path


# Tables


def test_a_table_gives_id_text_language_and_short_columns(tmp_path: Path) -> None:
    long = "x" * 300
    path = write_csv(
        tmp_path / "a.csv",
        [
            ["id", "Language", "country", "notes", "age", "text"],
            ["p1", "German", "Chile", long, "35", "Hallo,\nWelt"],
            ["p2", "", "", "short", "41", "Adiós"],
        ],
    )
    first, second = records(path)
    assert (first.id, first.language, first.text) == ("p1", "German", "Hallo,\nWelt")
    assert first.attributes == {"country": "Chile", "age": "35"}
    assert second.attributes == {"age": "41"}
    assert (first.row, first.line, second.row, second.line) == (2, 2, 3, 4)
    assert second.share == 1.0


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_sign_between_cells_is_recognised(tmp_path: Path, delimiter: str) -> None:
    text = "One, two; three, four; and five"
    rows = [["id", "text", "country"], *([str(row), text, "Mali"] for row in range(5))]
    path = write_csv(tmp_path / "a.csv", rows, delimiter=delimiter)
    assert [(one.text, one.attributes) for one in records(path)] == [
        (text, {"country": "Mali"})
    ] * 5


def test_a_table_of_excel_that_names_its_separator_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfsep=;\r\nid;text\r\n1;Hello, you\r\n")
    assert [(one.id, one.text, one.row) for one in records(tmp_path / "a.csv")] == [
        ("1", "Hello, you", 3)
    ]


def test_a_code_page_and_utf_8_give_the_same_interviews_and_a_remark(tmp_path: Path) -> None:
    text = 'id,text\r\nMenon,"It’s “fine” – we’re locked down,\r\nwith a café"\r\n'
    (tmp_path / "a.csv").write_bytes(text.encode("cp1252"))
    (tmp_path / "b.csv").write_bytes(text.encode("utf-8"))
    assert [one.text for one in records(tmp_path / "a.csv")] == [
        one.text for one in records(tmp_path / "b.csv")
    ]
    [note] = [one for one in parse([tmp_path / "a.csv"]) if isinstance(one, Note)]
    assert "cp1252" in str(note.reason)


def test_columns_may_be_named_and_hold_commas(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv",
        [["who", "What, really?", "x", "Tongue"], ["ana", "Nothing.", "1", "pt"]],
    )
    columns = Columns(id="WHO", text="What, really?", language="tongue", attributes="")
    [one] = records(path, columns)
    assert (one.id, one.text, one.language, one.attributes) == ("ana", "Nothing.", "pt", {})


def test_several_text_columns_are_questions_whose_numbers_stay(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv",
        [["id", "What now?", "And then?", "Why?"], ["1", "Rest.", " ", "Tired.\nVery."]],
    )
    [one] = records(path, Columns(text="What now?,And then?,Why?"))
    assert one.text == "What now?\nRest.\n\nWhy?\nTired.\nVery."
    assert one.answers is not None
    assert one.turns is not None
    assert [(number, one.text[start:end]) for number, start, end in one.answers] == [
        (1, "Rest."),
        (3, "Tired.\nVery."),
    ]
    assert [(turn.role, one.text[turn.start : turn.end]) for turn in one.turns] == [
        ("interviewer", "What now?"),
        ("participant", "Rest."),
        ("interviewer", "Why?"),
        ("participant", "Tired.\nVery."),
    ]


def test_an_id_is_made_up_only_where_there_is_no_column_for_it(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "wave.csv", [["text"], ["a"], ["b"]])
    assert [one.id for one in records(path)] == ["wave-1", "wave-2"]
    path = write_csv(tmp_path / "wave.csv", [["id", "text"], ["", "a"], ["7", "b"]])
    assert [one.id for one in records(path)] == ["7"]
    assert left_out(path) == [(2, "It has no id.")]


def test_a_missing_column_is_said_with_those_there_are(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [["id", "Q1", "Q2"], ["1", "a", "b"]])
    assert sentence([path]) == (
        "“a.csv” has no column that looks like the interviews’ text: say which it is (in a "
        "command, --text-column); the columns are id, Q1, Q2."
    )
    assert sentence([path], Columns(text="Q1,Q9")) == (
        "“a.csv” has no column “Q9”; its columns are id, Q1, Q2."
    )


def test_a_table_says_what_its_columns_are_taken_for(tmp_path: Path) -> None:
    rows = [["id", "lang", "country", "talk", "notes"], ["1", "", "", "x" * 300, "a\nb"]]
    path = write_csv(tmp_path / "a.csv", [*rows, ["2", "pt", "Peru", "y", "z" * 201]])
    [table] = tables([path])
    assert (table.id, table.texts, table.language) == ("id", [], "lang")
    assert table.attributes == ["country"]
    assert (table.name, table.named, table.columns) == ("a.csv", True, rows[0])
    assert table.examples["country"] == "Peru"
    assert len(table.examples["talk"]) == 200
    assert tables([path], Columns(text="talk"))[0].texts == ["talk"]
    (tmp_path / "b.txt").write_text("words")
    assert tables([tmp_path / "b.txt"]) == []


def test_exactly_the_columns_that_are_named_are_read(tmp_path: Path) -> None:
    first = write_csv(tmp_path / "a.csv", [["id", "language", "text"], ["1", "Python", "Hello."]])
    second = write_csv(tmp_path / "b.csv", [["name", "text"], ["2", "Bye."]])
    columns = Columns(text=["text"], attributes=["name"], exact=True)
    found = [one for one in parse([first, second], columns) if isinstance(one, Record)]
    assert [(one.id, one.language, one.attributes) for one in found] == [
        ("a-1", "", {}),
        ("b-1", "", {"name": "2"}),
    ]
    assert sentence([first], Columns(text=["talk"], exact=True)).startswith(
        "“a.csv” has no column that looks like"
    )


def test_what_was_read_before_is_passed_over_with_its_remarks(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.txt", "c.csv", "d.docx", "e.txt")]
    paths[0].write_bytes("id,text\n1,Café\n2,\n3,Crème\n".encode("cp1252"))
    paths[1].write_bytes("Où est le café ? Très bien, merci.".encode("cp1252"))
    write_csv(paths[2], [["id", "text"], ["4", "a"], ["5", "b", "c"]])
    paths[3].write_bytes(b"no document")
    paths[4].write_text("words")
    whole = list(map(repr, parse(paths)))
    counted = [place for place, one in enumerate(whole) if not one.startswith("Note")]
    assert len(counted) == 8
    assert len(whole) > 8
    for after in range(8):
        start = counted[after]
        while start and whole[start - 1].startswith("Note"):
            start -= 1
        assert list(map(repr, parse(paths, None, after))) == whole[start:]
    assert list(parse(paths, None, 8)) == []


def test_a_file_may_lie_under_another_name_than_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("words")
    (tmp_path / "2").write_text("id,text\n7,more words\n")
    given = [Given(tmp_path / "1", "مقابلة.txt"), Given(tmp_path / "2", "t.CSV")]
    found = [one for one in parse(given) if isinstance(one, Record)]
    assert [(one.source, one.id) for one in found] == [("مقابلة.txt", "مقابلة"), ("t.CSV", "7")]
    for name in ("notes.pdf", "none"):
        assert str(tmp_path) not in sentence([Given(tmp_path / "1", name)])
    assert sentence([Given(tmp_path / "9", "a.txt")]) == "There is no file or folder “a.txt”."


def test_a_formula_is_the_text_it_is_written_with(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv",
        [["id", "text", "note"], ["=1+1", '=HYPERLINK("http://x.org","y")', "@SUM(A1)"]],
    )
    [one] = records(path)
    assert (one.id, one.text) == ("=1+1", '=HYPERLINK("http://x.org","y")')
    assert one.attributes == {"note": "@SUM(A1)"}


def test_rows_that_do_not_fit_are_left_out_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "id,text\n1,fine\n2,unquoted, comma\n3,\n4\n,nameless\n\n5,fine too,\n", encoding="utf-8"
    )
    assert [one.id for one in records(tmp_path / "a.csv")] == ["1", "5"]
    assert left_out(tmp_path / "a.csv") == [
        (
            3,
            "Row 3 of “a.csv” has 3 cells where the header has 2; "
            "put text that holds a separator between quotation marks.",
        ),
        (4, "It has no text."),
        (5, "It has no text."),
        (6, "It has no id."),
    ]


def test_a_quotation_mark_never_closed_says_from_where_on_nothing_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,fine\n2,"open\n3,lost\n', encoding="utf-8")
    expected = (
        "The quotation mark opened in line 3 of “a.csv” is never closed, "
        "so nothing from there on can be read; close it."
    )
    assert [one.id for one in records(path)] == ["1"]
    assert left_out(path) == [(3, expected)]
    monkeypatch.setattr(sheets, "MOST_CELL", 50)
    path.write_text('id,text\n1,fine\n2,"open' + "\n3,lost" * 20, encoding="utf-8")
    assert left_out(path) == [(3, expected)]


def test_control_characters_go_and_halves_of_characters_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"id": "1", "text": "one\\u0000two\\u000bthree\\u0007\\tfour"}\n'
        '{"id": "2", "text": "half \\ud83d of a face"}\n'
        '{"id": "3", "text": "whole \\ud83d\\ude00 face"}\n',
        encoding="utf-8",
    )
    first, third = records(path)
    assert first.text == "onetwo\nthree\tfour"
    assert [str(note) for note in first.notes] == ["Control characters were taken out: 3."]
    assert third.text == "whole 😀 face"
    assert left_out(path) == [
        (2, "It holds damaged characters (1): save the file as UTF-8 from where it was made.")
    ]


def test_names_of_columns_lose_what_no_database_holds(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,text,co\x00untry,b\x1e\nx,hello,DE,z\n")
    (tmp_path / "b.jsonl").write_text(
        '{"id": "x", "text": "hello", "co\\u0000untry": "DE", "b\\ud83d": "z", "\\u0000": "no"}\n'
    )
    for name in ("a.csv", "b.jsonl"):
        assert [one.attributes for one in records(tmp_path / name)] == [{"country": "DE", "b": "z"}]


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_utf_16_that_ends_within_a_character_gets_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes("id,text\nx,hello\n".encode("utf-16") + b"x")
    (tmp_path / "b.txt").write_text("Hello")
    assert [one.id for one in records(tmp_path)] == ["b"]
    assert "is damaged or not what its name says" in left_out(tmp_path)[0][1]


def test_bytes_that_are_no_text_leave_out_their_row_alone(tmp_path: Path) -> None:
    good = "über, naïve, façade, piñata"
    (tmp_path / "a.csv").write_bytes(
        f'id,text\n1,"{good}"\n'.encode() + b'2,"bad \x92 byte"\n' + f'3,"{good}"\n'.encode()
    )
    assert [one.id for one in records(tmp_path / "a.csv")] == ["1", "3"]
    assert [row for row, _why in left_out(tmp_path / "a.csv")] == [3]


def test_a_few_nul_bytes_do_not_make_utf_16_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'id,text\na,"hello\x00 there"\nb,"fine"\n')
    assert [one.text for one in records(tmp_path / "a.csv")] == ["hello there", "fine"]


def test_a_file_put_together_from_two_encodings_loses_rows_rather_than_letters(
    tmp_path: Path,
) -> None:
    mixed = 'id,text\na,"naïve in a café"\n'.encode() + b'b,"caf\xe9, I\x92m fine"\n'
    (tmp_path / "a.csv").write_bytes(mixed)
    assert [one.text for one in records(tmp_path / "a.csv")] == ["naïve in a café"]
    assert [row for row, _why in left_out(tmp_path / "a.csv")] == [3]


def test_line_ends_become_lf_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeff e\u0301 a\r\nb\rc\n\u2028d  \n".encode())
    [one] = records(tmp_path / "a.txt")
    assert one.text == " e\u0301 a\nb\nc\n\u2028d  \n"


def test_a_workbook_gives_what_a_person_sees(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["id", "text", "age", "when"])
    sheet.append([7, "Hello\r\n_x0041_ there", 41.0, None])
    sheet.append([None, None, None, None])
    sheet.append(["b", "=1+1", 3.5, True])
    book.save(tmp_path / "a.xlsx")
    [one] = records(tmp_path / "a.xlsx")
    assert (one.id, one.text, one.attributes) == ("7", "Hello\nA there", {"age": "41"})
    assert left_out(tmp_path / "a.xlsx") == [(4, "It has no text.")]  # a formula never computed


def test_a_line_of_json_is_an_interview_and_may_hold_turns(tmp_path: Path) -> None:
    turns = [{"role": "assistant", "content": "Why?"}, {"role": "user", "content": "Because."}]
    lines: list[object] = [
        {"id": 1, "text": "a", "age": 40, "married": True, "none": None},
        {"id": "2", "text": turns},
        ["no object"],
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n{broken\n", encoding="utf-8")
    first, second = records(path)
    assert (first.id, first.attributes) == ("1", {"age": "40", "married": "true"})
    assert second.text == "assistant: Why?\n\nuser: Because."
    assert second.turns is not None
    assert [(turn.speaker, turn.role) for turn in second.turns] == [
        ("assistant", "interviewer"),
        ("user", "participant"),
    ]
    assert left_out(path) == [
        (3, "Line 3 of “a.jsonl” is no JSON object: write one interview a line."),
        (4, "Line 4 of “a.jsonl” is no JSON object: write one interview a line."),
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
def test_what_is_written_to_a_table_is_read_from_it(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("tables") / "a.csv"
    write_csv(path, [["id", "text"], *([f"i{n}", text] for n, text in enumerate(texts))])
    expected = [text.removeprefix("\ufeff") for text in texts]
    assert [one.text for one in records(path)] == [text for text in expected if text.strip()]


def test_a_large_table_is_read_in_little_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text\n")
        for row in range(3_000):
            file.write(f'{row},"{"Interviewer: what?  " * 450}"\n')
    tracemalloc.start()
    assert sum(isinstance(one, Record) for one in parse([path])) == 3_000
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 25_000_000
    assert peak < 12_000_000


# Documents


@pytest.mark.parametrize("name", ["ana.txt", "ana.md"])
def test_a_text_file_is_an_interview_named_like_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(DIALOGUE, encoding="utf-8")
    [one] = records(tmp_path / name)
    assert (one.id, one.text, one.turns, one.row) == ("ana", DIALOGUE, None, 0)


def test_voices_of_subtitles_become_speakers(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text(
        "WEBVTT\n\n1\n00:01.000 --> 00:02.000\n<v Dan>What do you\ndo?\n\n"
        "00:02.000 --> 00:03.000\n<v.loud Maria L.>I <i>bake</i> &amp; sell,</v>\n\n"
        "00:03.000 --> 00:04.000\n<v.loud Maria L.>mostly.</v> <v Dan>Why?</v>\n",
        encoding="utf-8",
    )
    [one] = records(tmp_path / "a.vtt")
    assert one.text == "Dan: What do you do?\n\nMaria L.: I bake & sell, mostly.\n\nDan: Why?"
    assert one.turns is not None
    assert [(turn.speaker, turn.role) for turn in one.turns] == [
        ("Dan", "interviewer"),
        ("Maria L.", "participant"),
        ("Dan", "interviewer"),
    ]
    assert one.text[one.turns[1].start : one.turns[1].end] == "I bake & sell, mostly."


def test_subtitles_without_voices_stay_lines(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_bytes(
        b"1\r\n00:00:01,000 --> 00:00:02,000\r\nInterviewer: Why?\r\n\r\n"
        b"2\r\n00:00:02,000 --> 00:00:03,000\r\nParticipant: <b>So</b>.\r\n"
    )
    [one] = records(tmp_path / "a.srt")
    assert one.text == "Interviewer: Why?\nParticipant: So."


def test_a_word_document_gives_paragraphs_tables_and_inserted_words(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("Interviewer: How\tare you?")
    paragraph = document.add_paragraph("Participant: Fine")
    inserted = parse_xml(
        '<w:ins xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        "<w:r><w:t>, thanks</w:t></w:r></w:ins>"
    )
    paragraph._p.append(inserted)
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Ana", "I bake."
    document.save(str(tmp_path / "a.docx"))
    [one] = records(tmp_path / "a.docx")
    assert one.text.strip() == (
        "Interviewer: How\tare you?\nParticipant: Fine, thanks\nAna: I bake."
    )


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "locked with a password"),
        ("a.docx", b"no zip at all", "damaged or not what its name says"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "locked with a password"),
        ("a.xlsx", b"PK\x03\x04broken", "damaged or not what its name says"),
        ("a.txt", b"%PDF-1.7 ...", "holds no plain text"),
        ("a.txt", bytes(range(1, 9)) * 20, "holds no plain text"),
        ("a.txt", b"", "It has no text."),
        ("a.vtt", b"no header", "is no WebVTT file"),
        ("a.srt", b"just words", "is no SRT file"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "holds no plain text"),
        ("a.csv", b"", "it has no rows below its header"),
        ("a.csv", b"id,text\n", "it has no rows below its header"),
        ("a.jsonl", b"\n", "it has no rows below its header"),
    ],
)
def test_files_that_are_not_what_they_say_get_a_sentence(
    tmp_path: Path, name: str, data: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(data)
    if name.endswith(("csv", "jsonl", "xlsx")):
        assert why in sentence([tmp_path / name])
    else:
        [(_row, reason)] = left_out(tmp_path / name)
        assert why in reason


def office(path: Path, parts: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx"])
def test_external_entities_are_never_resolved(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    evil = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]><x>&e;</x>'
    path = office(tmp_path / name, {"[Content_Types].xml": "<Types/>", "word/document.xml": evil})
    why = sentence([path]) if name == "a.xlsx" else left_out(path)[0][1]
    assert "declares a document type of its own" in why


def test_a_document_packed_to_burst_is_refused(tmp_path: Path) -> None:
    path = office(tmp_path / "a.docx", {"word/document.xml": "<x>" + " " * 12_000_000 + "</x>"})
    assert "unpacks to more than" in left_out(path)[0][1]


def test_an_interview_beyond_all_measure_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 1000)
    (tmp_path / "a.txt").write_text("x" * 1001, encoding="utf-8")
    assert "which no single interview is" in left_out(tmp_path / "a.txt")[0][1]


# Folders and zips


def test_a_folder_is_read_in_order_with_what_lies_below(tmp_path: Path) -> None:
    for name in ("b.txt", "a.md", "de/a.txt", ".hidden.txt", "~$a.docx", "sound.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("words", encoding="utf-8")
    write_csv(tmp_path / "z.csv", [["id", "text"], ["z1", "words"]])
    write_csv(tmp_path / "codes.csv", [["id", "code"], ["z1", "hope"]])
    assert [one.id for one in records(tmp_path)] == ["a", "b", "z1", "de/a"]
    found = [one for one in parse([tmp_path]) if isinstance(one, LeftOut)]
    assert [one.source for one in found] == ["codes.csv", "sound.mp3"]


def test_a_zip_gives_the_same_ids_as_its_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("all/b.txt", "all/de/a.txt", "__MACOSX/all/._b.txt"):
            archive.writestr(name, "words")
        archive.writestr("all/t.csv", "id,text\nt1,words\n")
    assert [one.id for one in records(tmp_path / "a.zip")] == ["b", "de/a", "t1"]


def test_a_workbook_and_a_document_inside_a_zip_are_read(tmp_path: Path) -> None:
    book, document = openpyxl.Workbook(), docx.Document()
    assert book.active is not None
    book.active.append(["id", "text"])
    book.active.append(["x", "from a book"])
    document.add_paragraph("from a document")
    files: dict[str, io.BytesIO] = {"a.xlsx": io.BytesIO(), "b.docx": io.BytesIO()}
    book.save(files["a.xlsx"])
    document.save(files["b.docx"])
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, file in files.items():
            archive.writestr(name, file.getvalue())
    assert [one.text.strip() for one in records(tmp_path / "a.zip")] == [
        "from a book",
        "from a document",
    ]


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"]
)
def test_names_that_lead_out_of_a_zip_are_left_out(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.txt", "words")
        archive.writestr(zipfile.ZipInfo(name), "evil")
    assert [one.text for one in records(tmp_path / "a.zip")] == ["words"]
    [(_row, why)] = left_out(tmp_path / "a.zip")
    assert "leads out of its zip" in why
    assert not list(tmp_path.parent.glob("**/evil.txt"))


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "good.txt").write_text("words", encoding="utf-8")
    os.symlink(tmp_path / "secret.txt", folder / "link.txt")
    os.symlink(tmp_path, folder / "loop")
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(folder / "z.zip", "w") as archive:
        archive.writestr(link, "/etc/hostname")
        archive.writestr("fine.txt", "fine")
    assert [one.text for one in records(folder)] == ["words", "fine"]
    whys = [why for _row, why in left_out(folder)]
    assert len(whys) == 3
    assert all("is a link to another place" in why for why in whys)


def test_a_zip_that_would_fill_the_disk_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"0" * 11_000_000)
    assert "made to fill a disk" in sentence([tmp_path / "bomb.zip"])
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(11):
            archive.writestr(f"{number}.txt", "words")
    monkeypatch.setattr(sources, "MOST_FILES", 10)
    assert "made to fill a disk" in sentence([tmp_path / "many.zip"])
    monkeypatch.setattr(sources, "MOST_FILES", 100)
    monkeypatch.setattr(sources, "MOST_UNPACKED", 54)
    assert "made to fill a disk" in sentence([tmp_path / "many.zip"])


def test_a_locked_or_nested_member_is_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.txt", "words")
        archive.writestr("inner.zip", b"PK")
        archive.writestr("locked.txt", "words")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 8] |= 1  # the flag of a locked file, in the directory of the zip
    (tmp_path / "a.zip").write_bytes(data)
    assert [one.id for one in records(tmp_path / "a.zip")] == ["good"]
    first, second = (why for _row, why in left_out(tmp_path / "a.zip"))
    assert "a zip within a zip" in first
    assert "locked with a password" in second


def test_a_zip_with_a_broken_member_loses_that_member_alone(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "AAAA words")
        archive.writestr("b.txt", "BBBB words")
    data = (tmp_path / "a.zip").read_bytes().replace(b"AAAA words", b"AAAX words")
    (tmp_path / "a.zip").write_bytes(data)
    assert [one.id for one in records(tmp_path / "a.zip")] == ["b"]
    assert "damaged" in left_out(tmp_path / "a.zip")[0][1]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere.csv", "There is no file or folder"),
        ("sound.mp3", "is of a kind that can't be read"),
        ("noending", "is of a kind that can't be read"),
        ("empty", "holds no interviews"),
        ("other", "holds no interviews that can be read"),
        ("broken.zip", "is no zip that can be read"),
    ],
)
def test_what_can_not_be_read_gets_one_sentence(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "sound.mp3").write_bytes(b"x")
    (tmp_path / "noending").write_bytes(b"x")
    (tmp_path / "broken.zip").write_bytes(b"PKx")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.csv").write_text("id,code\n1,hope\n", encoding="utf-8")
    said = sentence([tmp_path / name])
    assert why in said
    assert "\n" not in said


def test_a_name_that_no_database_can_hold_is_refused(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"ana\xff.txt")).write_text("Hello")
    except OSError:
        pytest.skip("This file system holds no such names.")
    (tmp_path / "ben.txt").write_text("Hello")
    assert [one.id for one in records(tmp_path)] == ["ben"]
    why = "The name of the file “ana\ufffd.txt” is damaged: give it another name."
    assert left_out(tmp_path) == [(0, why)]
    assert sentence([tmp_path / os.fsdecode(b"ana\xff.txt")]) == why


def test_a_second_path_is_checked_before_the_first_is_read(tmp_path: Path) -> None:
    good = write_csv(tmp_path / "good.csv", [["id", "text"], ["1", "a"]])
    bad = write_csv(tmp_path / "bad.csv", [["id", "code"], ["1", "a"]])
    with pytest.raises(Problem):
        parse([good, bad])  # not even iterated


def test_a_path_named_twice_is_read_once(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [["id", "text"], ["1", "a"]])
    found: list[Found] = list(parse([path, tmp_path / "." / "a.csv"]))
    assert len(found) == 1
