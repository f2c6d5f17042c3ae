"""Interviews out of projects of other programs, and what bad projects get."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import assume, given
from hypothesis import strategies as st

from codebooks.imports import import_codebook
from codebooks.revisions import as_book
from studies.cleaning import cleaned
from studies.files import Columns, LeftOut, Note, Record, parse
from studies.imports import import_transcripts
from studies.models import Participant, Transcript
from studies.offsets import READINGS, Offsets, Quoted, Raw, Reading, best_reading
from studies.problems import Problem
from tests.factories import make_study
from tests.qda_projects import (
    case,
    cases,
    code,
    codebook,
    coding,
    guid,
    packed,
    project,
    selection,
    source,
    sources,
    users,
    values,
    variables,
)

WORDS = "Interviewer: How do you feel?\nP1: I trust it, mostly 😀.\n"


def records(path: Path, columns: Columns | None = None) -> list[Record]:
    return [found for found in parse([path], columns) if isinstance(found, Record)]


def left_out(path: Path) -> dict[str, str]:
    return {one.id: str(one.reason) for one in parse([path]) if isinstance(one, LeftOut)}


def remarks(path: Path) -> list[str]:
    return [str(one.reason) for one in parse([path]) if isinstance(one, Note)]


def test_every_text_is_an_interview_with_what_is_known_of_its_person(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "p.qdpx",
        project(
            variables(language="Text", age="Integer", note="Text"),
            cases(
                case("Ana", values(age=30, note="x" * 300), ["one"]),
                case("Ben", values(age=31)),
            ),
            sources(
                source("one", values(language="Spanish")),
                source("Mabêl 2ième.txt", values(age=7), path="internal://TWO.TXT"),
            ),
        ),
        {"one.txt": WORDS, "two.txt": "Nothing much."},
    )
    first, second = records(path)
    assert (first.id, first.text, first.language) == ("one", WORDS, "Spanish")
    assert (first.attributes, first.participant) == ({"age": "30"}, "Ana")
    assert (second.id, second.attributes, second.participant) == (
        "Mabêl 2ième.txt",
        {"age": "7"},
        "",
    )
    assert second.source == "p.qdpx/Mabêl 2ième.txt"
    assert second.share == 1.0
    assert remarks(path) == ["Cases that name none of its texts: 1; what they say was not taken."]


def test_columns_may_be_named_and_are_variables(tmp_path: Path) -> None:
    xml = project(
        variables(tongue="Text", age="Integer", number="Integer"),
        sources(source("one", values(tongue="pt", age=30, number=7))),
    )
    path = packed(tmp_path / "p.qdpx", xml, {"one.txt": WORDS})
    columns = Columns(id="number", language="Tongue", attributes="age")
    (record,) = records(path, columns)
    assert (record.id, record.language, record.attributes) == ("7", "pt", {"age": "30"})
    for wrong in (Columns(language="x"), Columns(text="age"), Columns(attributes=["x"])):
        with pytest.raises(Problem, match=r"“p.qdpx” has no column"):
            list(parse([path], wrong))


@pytest.mark.parametrize("folder", ["sources/", "Sources/", ""])
@pytest.mark.parametrize("qde", ["project.qde", "Trial.QDE"])
def test_folders_and_names_may_be_written_otherwise(tmp_path: Path, folder: str, qde: str) -> None:
    xml = project(sources(source("One"))).replace("project:1.0", "project:0:4")
    path = packed(tmp_path / "p.qdpx", xml, {"ONE.txt": WORDS}, folder=folder, qde=qde)
    assert [one.text for one in records(path)] == [WORDS]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xef\xbb\xbfone\r\ntwo\rthree", "one\ntwo\nthree"),
        ("one\r\ntwo".encode("utf-16"), "one\ntwo"),
        ("a\x00b\x0cc", "ab\nc"),
    ],
)
def test_a_text_is_kept_with_plain_line_ends_and_without_a_mark(
    tmp_path: Path, content: str | bytes, text: str
) -> None:
    path = packed(tmp_path / "p.qdpx", project(sources(source("one"))), {"one.txt": content})
    assert [one.text for one in records(path)] == [text]


def test_a_text_may_stand_in_the_project_itself(tmp_path: Path) -> None:
    inside = "<PlainTextContent>Interviewer: A &amp; B?\nEva: Yes.</PlainTextContent>"
    path = packed(tmp_path / "p.qdpx", project(sources(source("one", inside, path=""))))
    assert [one.text for one in records(path)] == ["Interviewer: A & B?\nEva: Yes."]


def test_texts_of_films_and_pdfs_are_read_and_the_same_text_once(tmp_path: Path) -> None:
    def film(name: str, text: str, kind: str = "VideoSource", tag: str = "Transcript") -> str:
        return (
            f'<{kind} guid="{guid(name)}" name="{name}"><{tag} guid="{guid(name + tag)}" '
            f'plainTextPath="internal://{text}"/></{kind}>'
        )

    path = packed(
        tmp_path / "p.qdpx",
        project(
            sources(
                film("a.mp4", "one.txt"),
                source("one"),
                film("b.m4a", "two.txt", "AudioSource"),
                film("c.pdf", "three.txt", "PDFSource", "Representation"),
                '<PictureSource guid="{guid}" name="d.png"/>',
            ),
            "<Notes><Note/><Note/></Notes><Graphs><Graph/></Graphs>",
        ),
        {"one.txt": "One.", "two.txt": "Two.", "three.txt": "Three."},
    )
    assert [(one.id, one.text) for one in records(path)] == [
        ("one", "One."),
        ("b.m4a", "Two."),
        ("c.pdf", "Three."),
    ]
    assert left_out(path) == {
        "d.png": "It holds no text (PictureSource), and only texts can be read."
    }
    assert remarks(path) == [
        "It also holds what has no place in a study, and was not taken: Graphs (1), Notes (2)."
    ]


def test_texts_of_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    first = source("one")
    second = first.replace(guid("one"), guid("another")).replace("one.txt", "two.txt")
    nameless = second.replace('name="one"', "")
    xml = project(sources(first, second, nameless))
    path = packed(tmp_path / "p.qdpx", xml, {"one.txt": "One.", "two.txt": "Two."})
    assert [(one.id, one.text) for one in records(path)] == [
        ("one", "One."),
        ("one (2)", "Two."),
        (guid("another"), "Two."),
    ]


def test_codings_are_not_interviews_but_their_coders_are_told(tmp_path: Path) -> None:
    xml = project(
        users("Ana", "Ben"),
        codebook(code("trust")),
        sources(source("one", selection(0, 4, "Inte", coding("trust", "Ana")), coding("trust"))),
    )
    path = packed(tmp_path / "p.qdpx", xml, {"one.txt": WORDS})
    assert remarks(path) == [
        "Its codings (2) are taken in with import_codings; they are by: Ana (1)."
    ]


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (source("x", path="relative:///x.txt"), "lies in a file outside the project"),
        (source("x", path="absolute:///etc/passwd"), "lies in a file outside the project"),
        (source("x", path="internal://../../etc/passwd"), "Its text is not in the project"),
        (source("x", path="/etc/passwd"), "Its text is not in the project"),
        (source("x", path=""), "Its text is not in the project"),
        (source("empty"), "It has no text"),
        (source("docx"), "holds no plain text"),
        (source("x" * 201, path="internal://one.txt"), "Its id has 201 characters"),
    ],
)
def test_a_text_that_cannot_be_had_is_left_out_and_nothing_else(
    tmp_path: Path, inner: str, reason: str
) -> None:
    texts: dict[str, str | bytes] = {
        "one.txt": WORDS,
        "empty.txt": " \n",
        "docx.txt": b"PK\x03\x04rest",
    }
    path = packed(tmp_path / "p.qdpx", project(sources(inner, source("one"))), texts)
    assert [one.id for one in records(path)] == ["one"]
    ((_id, said),) = left_out(path).items()
    assert reason in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("<Project", "“p.qdpx” holds no XML that can be read: line 1"),
        ("", "“p.qdpx” holds no XML that can be read"),
        ("<CodeBook/>", "“p.qdpx” is damaged or not what its name says"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><Project/>", "declares a document type of its own"),
    ],
)
def test_a_broken_project_gets_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    path = packed(tmp_path / "p.qdpx", content)
    with pytest.raises(Problem) as problem:
        list(parse([path]))
    assert sentence in str(problem.value)


def test_what_is_no_project_gets_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "p.qdpx"
    path.write_bytes(b"no zip")
    with pytest.raises(Problem, match=r"“p.qdpx” is damaged or not what its name says"):
        list(parse([path]))
    for names in ([], ["a.qde", "b.qde"]):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, project())
        with pytest.raises(Problem, match=f"it holds {len(names)} files that end in .qde"):
            list(parse([path]))


def test_what_is_packed_to_burst_is_refused_unread(tmp_path: Path) -> None:
    path = packed(tmp_path / "p.qdpx", project() + " " * (64 << 20))
    with pytest.raises(Problem, match="would unpack to 64 MB, which no project is"):
        list(parse([path]))
    xml = project(sources(source("huge"), source("one")))
    packed(path, xml, {"huge.txt": "x" * (65 << 20), "one.txt": WORDS})
    assert [one.id for one in records(path)] == ["one"]
    assert "which no single interview is" in left_out(path)["huge"]


def test_a_project_in_a_folder_is_read_and_one_in_a_zip_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    packed(folder / "p.qdpx", project(sources(source("one"))), {"one.txt": WORDS})
    assert [one.id for one in records(folder)] == ["one"]
    (folder / "broken.qdpx").write_bytes(b"no zip")
    assert [one.id for one in records(folder)] == ["one"]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(folder / "p.qdpx", "p.qdpx")
        archive.writestr("two.txt", "Two.")
    assert "is a zip within a zip" in left_out(tmp_path / "all.zip")[""]


# ---- positions -----------------------------------------------------------------------------------


@given(
    st.text(
        st.sampled_from("ab \r\n\x0b\x00😀é") | st.characters(codec="utf-8"),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
    st.sampled_from(READINGS),
    st.data(),
)
def test_positions_lead_to_the_same_words_however_they_were_counted(
    text: str, mark: bool, reading: Reading, data: st.DataObject
) -> None:
    assume("\r\r\n" not in text)  # which reads as another text once its end is cut off
    raw = Raw(text, mark)
    kept, _cut = cleaned(text)
    offsets = Offsets(raw, reading)
    # Count as the other program would, by writing the file out as it counts.
    file = text if reading.returns else text.replace("\r\n", "\n")
    cut = data.draw(st.integers(0, len(file)))
    before = file[:cut]
    if reading.returns and before.endswith("\r") and file[cut : cut + 1] == "\n":
        before += "\n"
    position = len(before.encode("utf-16-le")) // 2 if reading.utf16 else len(before)
    position += reading.mark and mark
    assert offsets.at(position) == len(cleaned(before)[0])
    assert offsets.length == len(kept)


TEXT = "one 😀\r\ntwo\r\nthree 𠮷 four\r\n"


@pytest.mark.parametrize("reading", READINGS)
def test_how_a_program_counts_is_told_by_its_quotations(reading: Reading) -> None:
    file = TEXT if reading.returns else TEXT.replace("\r\n", "\n")

    def place(words: str) -> Quoted:
        def count(text: str) -> int:
            units = len(text.encode("utf-16-le")) // 2 if reading.utf16 else len(text)
            return units + reading.mark

        at = file.index(words)
        end = count(file[: at + len(words)]) - reading.inclusive
        return Quoted(count(file[:at]), end, words)

    quotations = [place(words) for words in ("one", "two", "three", "four")]
    raw = Raw(TEXT, True)
    assert best_reading([(raw, cleaned(TEXT)[0], quotations)]) == (reading, 4, 4)


def test_without_quotations_the_standard_holds() -> None:
    nothing = [Quoted(0, 3, ""), Quoted(5, 9, "line:6")]
    assert best_reading([(Raw(TEXT), cleaned(TEXT)[0], nothing)])[0] == Reading()


# ---- into a study --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_several_interviews_of_one_person_are_one_participants(tmp_path: Path) -> None:
    xml = project(
        variables(age="Integer", wave="Integer", language="Text"),
        cases(
            case("Ana", values(age=30), ["one", "two"]),
            case("Ben", values(age=40), ["three"]),
            case("same", "", ["four"]),
            case("same", "", ["five"]),
        ),
        sources(
            source("one", values(wave=1, language="en"), path="internal://a.txt"),
            source("two", values(wave=2, language="es"), path="internal://a.txt"),
            source("three", values(wave=1), path="internal://a.txt"),
            source("four", path="internal://a.txt"),
            source("five", path="internal://a.txt"),
        ),
    )
    path = packed(tmp_path / "p.qdpx", xml, {"a.txt": WORDS})
    study = make_study()
    imported = import_transcripts(study, [path])
    assert (imported.created, imported.left_out) == (5, 0)
    people = dict(Participant.objects.values_list("external_id", "attributes"))
    assert people == {
        "Ana": {"age": "30"},
        "Ben": {"age": "40", "wave": "1"},
        "four": {},
        "five": {},
    }
    said = dict(Transcript.objects.values_list("external_id", "participant__external_id"))
    assert said["one"] == said["two"] == "Ana"
    tongues = Transcript.objects.filter(external_id__in=["one", "two"]).order_by("pk")
    assert list(tongues.values_list("language", flat=True)) == ["en", "es"]
    assert "Where texts or cases of one person differ, it was not taken: wave (2)." in {
        str(note.reason) for note in imported.notes
    }
    again = import_transcripts(study, [path])
    assert (again.unchanged, again.created, again.updated) == (5, 0, 0)


@pytest.mark.django_db
def test_the_command_says_what_was_taken_and_what_was_not(tmp_path: Path) -> None:
    xml = project(sources(source("one"), source("x", path="relative:///x.txt")))
    path = packed(tmp_path / "p.qdpx", xml, {"one.txt": WORDS})
    make_study("s")
    out = io.StringIO()
    call_command("import_transcripts", "s", str(path), "--json", stdout=out)
    result = json.loads(out.getvalue())
    assert (result["created"], result["left_out"]) == (1, 1)
    assert result["rows"][0]["source"] == "p.qdpx/x"
    packed(path, project(sources(source("x", path=""))))
    with pytest.raises(CommandError, match="Nothing was imported"):
        call_command("import_transcripts", "s", str(path))


@pytest.mark.django_db
def test_the_codebook_of_a_project_is_read_too(tmp_path: Path) -> None:
    folder = code("attitude", code("trust"), codable=False)
    path = packed(tmp_path / "Trial.qdpx", project(codebook(folder, code("milk"))))
    revision = import_codebook(make_study(), path)
    assert revision.codebook.name == "Trial"
    book = as_book(revision)
    assert {one.key: [(each.key, each.guid) for each in one.codes] for one in book.dimensions} == {
        "attitude": [("trust", guid("trust"))],
        "trial": [("milk", guid("milk"))],
    }
    packed(path, project())
    with pytest.raises(Problem, match=r"“Trial\.qdpx” holds no codebook"):
        import_codebook(make_study(), path)
