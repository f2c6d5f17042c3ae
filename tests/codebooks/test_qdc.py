"""Codebooks in the REFI-QDA form come from other programs, go to them, and come back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from lxml import etree

from codebooks.exchange import Book, CodeSpec, DimensionSpec, Mistakes, read, write
from codebooks.imports import import_codebook
from codebooks.models import Code
from codebooks.revisions import as_book, freeze
from studies.problems import Problem
from tests.codebooks.test_exchange import BOOK, books
from tests.factories import make_study
from tests.refi_rules import broken

HEAD = '<?xml version="1.0" encoding="utf-8"?>'
A, B, C, D = (f"0000000{n}-1111-4222-8333-444444444444" for n in range(4))


def given_file(folder: Path, content: str | bytes, name: str = "book.qdc") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def qdc(codes: str, space: str = "urn:QDA-XML:codebook:1.0", origin: str = "Another 1.0") -> str:
    return f'{HEAD}\n<CodeBook xmlns="{space}" origin="{origin}"><Codes>{codes}</Codes></CodeBook>'


def tree(book: Book) -> dict[str, list[tuple[str, str]]]:
    """The dimensions, each with the keys of its codes and of what they stand in."""
    return {one.key: [(code.key, code.parent) for code in one.codes] for one in book.dimensions}


def mistakes(path: Path) -> str:
    with pytest.raises(Mistakes) as caught:
        read(path)
    return str(caught.value)


def test_what_is_written_follows_the_rules_of_the_standard(tmp_path: Path) -> None:
    write(BOOK, tmp_path / "book.qdc")
    content = (tmp_path / "book.qdc").read_bytes()
    assert broken(content) == []
    assert not content.startswith(b"\xef\xbb\xbf")
    root = etree.fromstring(content)
    codes = root.findall("{*}Codes/{*}Code")
    assert [(code.get("name"), code.get("isCodable")) for code in codes] == [
        ("Worries", "false"),
        ("Stance", "false"),
        ("Vertrauen / Größe", "true"),
    ]
    assert codes[0][1].get("color") == "#0072B2"
    assert [child.get("name") for child in codes[0].iter("{*}Code")][-1] == "Loss of work"


def test_a_description_reads_well_in_another_program(tmp_path: Path) -> None:
    write(BOOK, tmp_path / "book.qdc")
    root = etree.parse(str(tmp_path / "book.qdc")).getroot()
    said: dict[Any, Any] = {
        code.get("name"): code.findtext("{*}Description") for code in root.iter("{*}Code")
    }
    assert said["Unreliability"] == (
        "DEFINITION: Answers are wrong.\n"
        "INCLUDE: invented sources\n"
        "EXCLUDE: outages\n"
        "EXAMPLE: I check everything.\n"
        "EXAMPLE (de): Das stimmt nie.\n"
        "EXAMPLE (de): Ich prüfe alles.\n"
        "LABEL (de): Unzuverlässigkeit\n"
        "LABEL (no): Upålitelighet"
    )
    assert said["Work"] is None
    assert said["Worries"].startswith(
        "QUESTION: Which worries does the participant voice?\nKIND: many\n"
    )
    definition = Book("b", dimensions=(replace(BOOK.dimensions[1], codes=(PLAIN,)),))
    write(definition, tmp_path / "plain.qdc")
    root = etree.parse(str(tmp_path / "plain.qdc")).getroot()
    assert root.findtext(".//{*}Code/{*}Code/{*}Description") == PLAIN.definition


PLAIN = CodeSpec("plain", "Plain", definition="One definition,\nand nothing else.")


@given(book=books())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_codebook_comes_back_equal_or_its_losses_are_named(tmp_path: Path, book: Book) -> None:
    path = tmp_path / "book.qdc"
    losses = write(book, path)
    assert broken(path.read_bytes()) == []
    again = read(path)
    if losses:
        assert all("another order" in str(loss) for loss in losses)
        assert unordered(again) == unordered(book)
    else:
        assert again == book


def unordered(book: Book) -> Book:
    return replace(
        book,
        dimensions=tuple(
            replace(one, codes=tuple(sorted(one.codes, key=lambda code: code.key)))
            for one in book.dimensions
        ),
    )


def test_lines_that_look_like_labels_stay_what_they_are(tmp_path: Path) -> None:
    texts: dict[str, Any] = {
        "definition": "First.\nEXCLUDE: no\n> INCLUDE: twice\n> a quotation",
        "include": "Include: this",
        "exclude": "a Include: b",
    }
    code = CodeSpec("a", "A", **texts)
    only = CodeSpec("b", "B", definition="Say so. Include: what is said.")
    book = Book("b", dimensions=(DimensionSpec("d", "D", "many", codes=(code, only)),))
    write(book, tmp_path / "book.qdc")
    assert read(tmp_path / "book.qdc") == book


def test_equal_names_are_told_apart_by_what_they_stand_in(tmp_path: Path) -> None:
    hopes = DimensionSpec("hopes", "Hopes", "many", codes=(CodeSpec("pay", "Pay"),))
    worries = DimensionSpec("worries", "Worries", "many", codes=(CodeSpec("pay", "pay"),))
    book = Book("b", dimensions=(hopes, worries, replace(hopes, key="more")))
    write(book, tmp_path / "book.qdc")
    root = etree.parse(str(tmp_path / "book.qdc")).getroot()
    names = [code.get("name") for code in root.iter("{*}Code")]
    assert names == [
        *("Hopes", "Hopes > Pay", "Worries", "Worries > pay"),
        *("Hopes (2)", "Hopes > Pay (2)"),
    ]
    assert read(tmp_path / "book.qdc") == book
    renamed = (tmp_path / "book.qdc").read_text().replace("Worries &gt; pay", "Wages")
    again = read(given_file(tmp_path, renamed))
    assert again.dimensions[1].codes[0].label == "Wages"


# ---- what other programs write -------------------------------------------------------------------


def test_folders_at_the_top_are_dimensions_and_what_stands_loose_is_one_more(
    tmp_path: Path,
) -> None:
    codes = f"""
      <Code guid="{A}" name="信頼" isCodable="true" color="#d8d8d8"/>
      <Code guid="{B}" name="attitude" isCodable="false">
        <Description>Container: attitudes</Description>
        <Code guid="{C}" name="trust" isCodable="true" color="#5f5">
          <Description>DEFINITION: They rely on it.
INCLUDE: explicit confidence.
EXCLUDE: mere use.
EXAMPLE: "I trust it" &amp; &lt;similar&gt;</Description>
          <Code guid="{D}" name="trust: conditional" isCodable="1"/>
        </Code>
        <Code guid="{D[:-1]}5" name="deeper" isCodable="0">
          <Code guid="{D[:-1]}6" name="worry" isCodable="true"/>
        </Code>
      </Code>
      <Code guid="{D[:-1]}7" name="empty" isCodable="false"/>"""
    book = read(given_file(tmp_path, "\ufeff" + qdc(codes), "Study of trust.qdc"))
    assert book.name == "Study of trust"
    assert tree(book)["attitude"] == [
        ("trust", ""),
        ("trust_trust_conditional", "trust"),
        ("deeper", ""),
        ("deeper_worry", "deeper"),
    ]
    assert list(tree(book)) == ["attitude", "study_of_trust"]
    attitude, loose = book.dimensions
    assert (attitude.kind, attitude.question) == ("many", "Container: attitudes")
    trust = attitude.codes[0]
    assert (trust.definition, trust.include, trust.exclude, trust.color) == (
        "They rely on it.",
        "explicit confidence.",
        "mere use.",
        "#55ff55",
    )
    assert [example.text for example in trust.examples] == ['"I trust it" & <similar>']
    assert [(code.label, code.color, code.guid) for code in loose.codes] == [("信頼", "#d8d8d8", A)]


@pytest.mark.parametrize(
    "space", ["urn:QDA-XML:codebook:1:0", "urn:QDA-XML:codebook:0:4", "urn:QDA-XML:codebook:1.0"]
)
def test_any_namespace_is_read(tmp_path: Path, space: str) -> None:
    code = f'<Code guid="{A}" name="Trust" isCodable="true"/>'
    assert tree(read(given_file(tmp_path, qdc(code, space)))) == {"book": [("trust", "")]}


def test_taguettes_names_become_a_tree_where_there_is_one(tmp_path: Path) -> None:
    names = ["attitude.trust", "attitude", "a.b"]
    codes = "".join(
        f'<Code guid="{guid}" name="{name}" isCodable="true"/>'
        for guid, name in zip((A, B, C), names, strict=True)
    )
    content = qdc(codes, origin="Taguette 1.5.2").replace("</Codes>", "</Codes><Sets/>")
    (dimension,) = read(given_file(tmp_path, content)).dimensions
    assert [(code.key, code.label, code.parent) for code in dimension.codes] == [
        ("attitude", "attitude", ""),
        ("attitude_trust", "trust", "attitude"),
        ("a_b", "a.b", ""),
    ]


def test_a_memo_of_one_paragraph_is_taken_apart_as_in_a_table(tmp_path: Path) -> None:
    memo = "Trust in it. Include: explicit confidence. Exclude: mere use."
    code = f'<Code guid="{A}" name="T" isCodable="true"><Description>{memo}</Description></Code>'
    (trust,) = read(given_file(tmp_path, qdc(code))).dimensions[0].codes
    assert (trust.definition, trust.include, trust.exclude) == (
        "Trust in it.",
        "explicit confidence.",
        "mere use.",
    )


def test_codes_of_one_name_all_come_in(tmp_path: Path) -> None:
    codes = (
        f'<Code guid="{A}" name="choice" isCodable="true"><Code guid="{B}" name="x" isCodable="1"/>'
        f'</Code><Code guid="{C}" name="choice" isCodable="true">'
        f'<Code guid="{D}" name="x" isCodable="1"/></Code>'
    )
    (dimension,) = read(given_file(tmp_path, qdc(codes))).dimensions
    assert [(code.key, code.parent, code.guid) for code in dimension.codes] == [
        ("choice", "", A),
        ("choice_x", "choice", B),
        ("choice_2", "", C),
        ("choice_2_x", "choice_2", D),
    ]


def test_what_is_no_guid_or_no_colour_does_not_keep_a_codebook_out(tmp_path: Path) -> None:
    codes = '<Code guid="7" name="T" isCodable="true" color="red"/>'
    (code,) = read(given_file(tmp_path, qdc(codes))).dimensions[0].codes
    assert (code.guid, code.color) == ("", "")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("<CodeBook><Codes>", "Line 1: This is no XML"),
        ("no angle", "Line 1: This is no XML"),
        ("", "This is no XML"),
        (b"\xff\xfe\x00", "This is no XML"),
        ('<?xml version="1.0" encoding="x-none"?><CodeBook/>', "This is no XML"),
        ("<Project/>", "Line 1: This is no codebook in the REFI-QDA form"),
        (qdc(""), "There are no codes in it"),
        (qdc(f'<Code guid="{A}" name="F" isCodable="false"/>'), "There is no dimension"),
        (qdc(f'<Code guid="{A}" name=" " isCodable="true"/>'), "neither a key nor a label"),
        (qdc(f'<Code guid="{A}" name="{"x" * 201}" isCodable="1"/>'), "longer than 200"),
        (qdc("<Code name='a' isCodable='1'>" * 300 + "</Code>" * 300), "This is no XML"),
    ],
)
def test_a_broken_file_gets_one_sentence(
    tmp_path: Path, content: str | bytes, sentence: str
) -> None:
    said = mistakes(given_file(tmp_path, content))
    assert said.startswith("book.qdc can’t be used as a codebook. ")
    assert sentence in said


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE CodeBook [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE CodeBook SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE CodeBook [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_document_type_is_refused_before_anything_of_it_is_read(
    tmp_path: Path, doctype: str, encoding: str
) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?>{doctype}<CodeBook><Codes/></CodeBook>'
    with pytest.raises(Problem, match="declares a document type of its own"):
        read(given_file(tmp_path, content.encode(encoding)))


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "book.qdc"
    with path.open("wb") as file:
        file.truncate(20_000_001)
    with pytest.raises(Problem, match="larger than 20 MB"):
        read(path)


def test_a_book_without_dimensions_is_not_written_as_an_invalid_file(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="has no dimension"):
        write(Book("b"), tmp_path / "book.qdc")
    assert not list(tmp_path.iterdir())


# ---- into a study and out of it ------------------------------------------------------------------


def guids(key: str) -> list[str]:
    return [str(guid) for guid in Code.objects.filter(key=key).values_list("guid", flat=True)]


@pytest.mark.django_db
def test_guids_are_kept_both_ways(tmp_path: Path) -> None:
    codes = (
        f'<Code guid="{{{A.upper()}}}" name="Trust" isCodable="true"/>'
        f'<Code guid="{B}" name="Doubt" isCodable="true"/>'
        f'<Code guid="{B}" name="Doubt too" isCodable="true"/>'
    )
    revision = import_codebook(make_study(), given_file(tmp_path, qdc(codes)))
    assert guids("trust") == [A]
    assert guids("doubt") == [B]
    assert guids("doubt_too") != [B]  # one GUID means one code
    write(as_book(revision), tmp_path / "out.qdc")
    root = etree.parse(str(tmp_path / "out.qdc")).getroot()
    written = {code.get("name"): code.get("guid") for code in root.iter("{*}Code")}
    assert (written["Trust"], written["Doubt"]) == (A, B)
    assert import_codebook(revision.codebook.study, tmp_path / "out.qdc") == revision


@pytest.mark.django_db
def test_a_scale_keeps_the_guid_of_its_code(tmp_path: Path) -> None:
    write(BOOK, tmp_path / "a.qdc")
    first = import_codebook(make_study(), tmp_path / "a.qdc")
    assert as_book(first) == BOOK
    write(as_book(first), tmp_path / "b.qdc")
    assert as_book(import_codebook(make_study(), tmp_path / "b.qdc")) == BOOK
    assert len(set(guids("vertrauen_grosse"))) == 1
    assert (tmp_path / "a.qdc").read_bytes() == (tmp_path / "b.qdc").read_bytes()


@pytest.mark.django_db
def test_a_code_that_another_program_renamed_is_the_same_code(tmp_path: Path) -> None:
    study = make_study()
    codes = (
        f'<Code guid="{A}" name="Views" isCodable="false">'
        f'<Code guid="{B}" name="Trust" isCodable="true"/>'
        f'<Code guid="{C}" name="Doubt" isCodable="true"/></Code>'
    )
    first = freeze(import_codebook(study, given_file(tmp_path, qdc(codes))))
    turned = codes.replace("Trust", "?").replace("Doubt", "Trust").replace("?", "Doubt")
    renamed = turned.replace("Views", "Opinions")
    second = import_codebook(study, given_file(tmp_path, qdc(renamed)))
    assert second.number == first.number + 1
    assert (
        tree(as_book(second)) == tree(as_book(first)) == {"views": [("trust", ""), ("doubt", "")]}
    )
    again = second.dimensions.get()
    assert again.label == "Opinions"
    assert [(code.label, str(code.guid)) for code in again.codes.all()] == [
        ("Doubt", B),
        ("Trust", C),
    ]


@pytest.mark.django_db
def test_a_code_that_moved_to_another_folder_keeps_its_guid(tmp_path: Path) -> None:
    study = make_study()

    def book(first: str, second: str) -> Path:
        codes = (
            f'<Code guid="{C}" name="One" isCodable="false">{first}<Code guid="{A}" name="a" '
            f'isCodable="1"/></Code><Code guid="{D}" name="Two" isCodable="false">{second}'
            f'<Code guid="{A[:-1]}9" name="b" isCodable="1"/></Code>'
        )
        return given_file(tmp_path, qdc(codes))

    moving = f'<Code guid="{B}" name="m" isCodable="1"/>'
    freeze(import_codebook(study, book(moving, "")))
    second = import_codebook(study, book("", moving))
    assert str(Code.objects.get(dimension__revision=second, key="m").guid) == B
